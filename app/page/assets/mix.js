// How films are compared: the technique that reads plots, the weight of each part, and how different the answers should be.
import { byId, h } from "./dom.js";
import { PART_NAMES, TECHNIQUE_NAMES, TECHNIQUE_NOTES } from "./names.js";
import { PARTS, TECHNIQUES } from "./state.js";
import { change, subscribe } from "./store.js";

const PART_NOTES = {
  plot: "what happens",
  genres: "genres in common",
  people: "directors and cast in common",
  year: "made at about the same time",
};
/** Sliders go this far, or as far as twice the largest learned weight. */
const REACH = 2;

/** `facets`: the answer of GET /facets, whose `weights` are the learned ones, for all techniques or one by one. */
export function setUpMix(facets) {
  technique(facets);
  weights(facets);
  diversity();
}

/** The learned weights of a technique. */
export function learned(facets, name) {
  return facets.weights?.[name] ?? facets.weights;
}

/** A technique whose models are not served stays to be seen, and says so. */
function technique(facets) {
  const away = new Set((facets.techniques ?? []).filter((known) => known.ready === false).map((known) => known.name));
  const radios = TECHNIQUES.map((name) => h("input", { type: "radio", name: "technique", value: name, "aria-describedby": `note-${name}` }));
  const compare = h("input", { type: "checkbox", name: "compare" });
  const note = h("p", { class: "hint" }, "A poster is read by an encoder of its own.");
  byId("technique").append(
    ...radios.map((radio) => h("label", { class: "choice" }, radio, h("span", {}, h("b", {}, TECHNIQUE_NAMES[radio.value]), h("span", { class: "hint", id: `note-${radio.value}` }, away.has(radio.value) ? "is not served at present" : TECHNIQUE_NOTES[radio.value])))),
    h("label", { class: "choice" }, compare, h("span", {}, "Compare both, side by side")),
    note,
  );
  byId("technique").addEventListener("change", () => change({ technique: radios.find((radio) => radio.checked).value, compare: compare.checked }));
  subscribe((state) => {
    for (const radio of radios) radio.checked = radio.value === state.technique;
    compare.checked = state.compare;
    const poster = state.kind === "poster";
    note.hidden = !poster;
    for (const input of [...radios, compare]) input.disabled = poster;
  });
}

function weights(facets) {
  const sliders = PARTS.map((part) => h("input", { type: "range", id: `weight-${part}`, min: 0, step: 0.05, "aria-describedby": `weight-${part}-note` }));
  const outputs = PARTS.map((part) => h("output", { for: `weight-${part}` }));
  const stated = h("p", { class: "hint" });
  const reset = h("button", { type: "button", class: "linkish", on: { click: () => { change({ weights: null }); sliders[0].focus(); } } }, "Back to the learned mix");
  byId("mix").append(
    ...PARTS.map((part, at) =>
      h("div", { class: `slider ${part}` }, h("label", { for: `weight-${part}` }, h("i", { class: "swatch", "aria-hidden": "true" }), PART_NAMES[part]), outputs[at], h("div", { class: "track" }, sliders[at]), h("span", { class: "unseen", id: `weight-${part}-note` }, PART_NOTES[part])),
    ),
    stated,
    reset,
  );
  const read = () => change({ weights: Object.fromEntries(PARTS.map((part, at) => [part, Number(sliders[at].value)])) }, { run: "soon" });
  for (const slider of sliders) slider.addEventListener("input", read);
  subscribe((state) => {
    const own = learned(facets, state.technique);
    const shown = state.weights ?? own;
    const reach = Math.max(REACH, ...PARTS.map((part) => 2 * own[part]));
    PARTS.forEach((part, at) => {
      sliders[at].max = reach;
      sliders[at].value = shown[part];
      sliders[at].parentElement.style.setProperty("--learned", own[part] / reach);
      sliders[at].style.setProperty("--value", shown[part] / reach);
      outputs[at].textContent = tidy(shown[part]);
    });
    stated.textContent = `Learned, at the marks: ${PARTS.map((part) => `${PART_NAMES[part].toLowerCase()} ${tidy(own[part])}`).join(", ")}.`;
    reset.hidden = state.weights === null;
  });
}

function diversity() {
  const slider = h("input", { type: "range", id: "diversity", min: 0, max: 1, step: 0.05, "aria-describedby": "diversity-note" });
  const output = h("output", { for: "diversity" });
  byId("mix").append(
    h("div", { class: "slider diversity" }, h("label", { for: "diversity" }, "Variety"), output, h("div", { class: "track" }, slider), h("p", { class: "hint", id: "diversity-note" }, "How unlike each other the answers should be.")),
  );
  slider.addEventListener("input", () => change({ diversity: Number(slider.value) }, { run: "soon" }));
  subscribe((state) => {
    slider.value = state.diversity;
    slider.style.setProperty("--value", state.diversity);
    output.textContent = state.diversity ? tidy(state.diversity) : "off";
  });
}

const tidy = (value) => String(Number(value.toFixed(2)));

