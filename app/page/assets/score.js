// A score as a bar of its parts. Parts that take away (another decade, say) stand hatched at its end.
import { h } from "./dom.js";
import { PART_NAMES, signed, spoken } from "./names.js";
import { PARTS } from "./state.js";

/** `scale`: the largest sum of positive parts in the list, so that bars compare. */
export function scoreBar(film, scale) {
  // A server whose index tells only sums.
  if (!film.parts) return h("p", { class: "facts" }, `Score ${signed(film.score)}`);
  const shown = PARTS.filter((part) => Math.abs(film.parts[part]) >= 0.005);
  const bar = h(
    "div",
    { class: "bar" },
    [...shown.filter((part) => film.parts[part] > 0), ...shown.filter((part) => film.parts[part] < 0)].map((part) =>
      h("span", { class: `part ${part} ${film.parts[part] < 0 ? "minus" : ""}`, vars: { "--share": (Math.abs(film.parts[part]) / scale).toFixed(4) } }),
    ),
  );
  const words = shown.map((part) => h("span", { class: `key ${part} ${film.parts[part] < 0 ? "minus" : ""}` }, `${PART_NAMES[part]} `, h("b", {}, signed(film.parts[part]))));
  return h("div", { class: "score" }, h("p", { class: "unseen" }, spoken(film)), h("div", { "aria-hidden": "true" }, bar, h("div", { class: "keys" }, words)));
}

/** What a whole bar stands for in a list of films. */
export const scaleOf = (films) =>
  Math.max(0.01, ...films.filter((film) => film.parts).map((film) => PARTS.reduce((sum, part) => sum + Math.abs(film.parts[part]), 0)));
