// Where in a poster a genre is seen: POST /explain hides many random parts of the picture and watches the genre's probability.
// The answer is a grid of numbers from 0 to 1, drawn over the picture and told in a sentence.
import * as api from "./api.js";
import { announce, h } from "./dom.js";
import { percent, sentence as phrase } from "./names.js";

const MASKS = 480;
const ROWS = ["top", "middle", "bottom"];
const COLUMNS = ["left", "centre", "right"];

/** Buttons for `genres` [{genre, probability}] that draw over `picture`, an element around the image. */
export function heatMap(poster, picture, genres) {
  const told = h("p", { class: "hint" }, "Choose a genre to see which parts of the picture speak for it.");
  const legend = h("div", { class: "legend", "aria-hidden": "true", hidden: true }, "says little", h("span", { class: "ramp heat" }), "says most");
  let asking = new AbortController();
  const clear = () => {
    asking.abort();
    picture.querySelector("canvas")?.remove();
    picture.classList.remove("asking");
    legend.hidden = true;
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
  };
  const show = async (button, genre) => {
    const again = button.getAttribute("aria-pressed") === "true";
    clear();
    if (again) return;
    button.setAttribute("aria-pressed", "true");
    picture.classList.add("asking");
    told.textContent = `Looking at ${MASKS} copies, parts of each hidden\u2026`;
    announce(told.textContent);
    asking = new AbortController();
    const { signal } = asking;
    try {
      const answer = await api.explainPoster(poster, { genre, masks: MASKS }, signal);
      picture.classList.remove("asking");
      picture.append(draw(answer.grid, read(picture.querySelector("img"))));
      legend.hidden = false;
      told.textContent = sentence(answer);
      announce(told.textContent);
    } catch (error) {
      if (signal.aborted) return;
      clear();
      told.textContent = phrase(error.message);
      announce(told.textContent);
    }
  };
  const buttons = genres.map(({ genre, probability }) =>
    h("button", { type: "button", class: "reading", "aria-pressed": "false", "aria-label": `Show where ${genre} is seen, ${percent(probability)}`, vars: { "--share": probability }, on: { click: (event) => show(event.currentTarget, genre) } }, h("span", {}, genre), h("span", {}, percent(probability))),
  );
  return h("div", { class: "readings" }, h("p", { class: "readings-title" }, "Read as"), buttons, told, legend);
}

/** The part of a picture that the encoder reads, as shares of its sides: the middle, two wide to three high. */
function read({ naturalWidth, naturalHeight }) {
  const shape = naturalWidth / naturalHeight / (2 / 3);
  return { width: Math.min(1, 1 / shape), height: Math.min(1, shape) };
}

/** A canvas of the grid's own size, which the browser smooths over what was read. */
function draw({ columns, rows, values }, { width, height }) {
  const canvas = h("canvas", { width: columns, height: rows, "aria-hidden": "true", vars: { "--wide": width, "--high": height } });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  values.forEach((value, at) => pixels.data.set(colour(value), at * 4));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Little is darkened, much is lit in the colour of a lamp: readable over any picture, and without telling red from green. */
function colour(value) {
  const much = Math.max(0, value - 0.5) * 2;
  return value < 0.5 ? [8, 14, 20, Math.round(190 * (1 - 2 * value))] : [255, Math.round(214 - 60 * much), Math.round(120 * (1 - much)), Math.round(200 * much)];
}

/** Which ninth of the picture holds most of the highest values. */
function sentence({ target, grid, masks, milliseconds }) {
  const sums = new Map();
  grid.values.forEach((value, at) => {
    const row = Math.min(2, Math.floor((Math.floor(at / grid.columns) / grid.rows) * 3));
    const column = Math.min(2, Math.floor(((at % grid.columns) / grid.columns) * 3));
    const name = row === 1 && column === 1 ? "the middle" : `the ${ROWS[row]} ${COLUMNS[column]}`;
    const sum = sums.get(name) ?? { total: 0, count: 0 };
    sums.set(name, { total: sum.total + value, count: sum.count + 1 });
  });
  const order = [...sums].map(([name, { total, count }]) => [name, total / count]).sort((a, b) => b[1] - a[1]);
  return `${target.genre} (${percent(target.probability)}) is seen most in ${order[0][0]}, then in ${order[1][0]}, and least in ${order.at(-1)[0]}. ${masks} masks, ${(milliseconds / 1000).toFixed(1)} s.`;
}
