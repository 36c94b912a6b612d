// A score as a bar of its parts. Parts that take away (another decade, say) are hatched out of its end, so that what stays full is
// the score, and bars of one list compare.
import { h } from "./dom.js";
import { PART_NAMES, signed, spoken } from "./names.js";
import { PARTS } from "./state.js";

/** `scale`: what a whole bar stands for. */
export function scoreBar(film, scale) {
  // A server whose index tells only sums.
  if (!film.parts) return h("p", { class: "facts" }, `Score ${signed(film.score)}`);
  const shown = PARTS.filter((part) => Math.abs(film.parts[part]) >= 0.005);
  const [given, taken] = sums(film);
  const share = (amount) => (amount / scale).toFixed(4);
  const bar = h(
    "div",
    { class: "bar" },
    shown.filter((part) => film.parts[part] > 0).map((part) => h("span", { class: `part ${part}`, vars: { "--share": share(film.parts[part]) } })),
    taken > 0 && h("span", { class: "part minus", vars: { "--share": share(Math.min(given, taken)), "--from": share(Math.max(0, given - taken)) } }),
  );
  const words = shown.map((part) => h("span", { class: `key ${part} ${film.parts[part] < 0 ? "minus" : ""}` }, `${PART_NAMES[part]} `, h("b", {}, signed(film.parts[part]))));
  return h("div", { class: "score" }, h("p", { class: "unseen" }, spoken(film)), h("div", { "aria-hidden": "true" }, bar, h("div", { class: "keys" }, words)));
}

/** What a whole bar stands for in a list of films. */
export const scaleOf = (films) => Math.max(0.01, ...films.filter((film) => film.parts).map((film) => sums(film)[0]));

/** What the parts of a score give, and what they take away. */
function sums({ parts }) {
  const values = PARTS.map((part) => parts[part]);
  return [values.reduce((sum, value) => sum + Math.max(0, value), 0), values.reduce((sum, value) => sum + Math.max(0, -value), 0)];
}
