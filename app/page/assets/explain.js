// "Why?": the words of the plot shaded by how much each adds to the likeness of a film. The same is said in a sentence.
import * as api from "./api.js";
import { h } from "./dom.js";
import { sentence, signed } from "./names.js";

/** Opens or closes `place`; asks POST /explain the first time. */
export async function toggleReason(button, place, question) {
  const open = place.hidden;
  place.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (!open || place.dataset.filled) return;
  place.dataset.filled = "asking";
  place.replaceChildren(h("p", { class: "hint" }, "Weighing the words\u2026"));
  try {
    place.replaceChildren(...reading(await api.explainPlot(question)));
  } catch (error) {
    delete place.dataset.filled;
    place.replaceChildren(h("p", { class: "wrong", role: "alert" }, sentence(error.message)));
  }
}

function reading({ segments, similarity }) {
  const weights = segments.map((segment) => segment.weight).filter((weight) => weight !== null);
  const most = Math.max(1e-9, ...weights.map(Math.abs));
  const words = segments.map(({ text, weight }) => {
    if (weight === null || !text.trim()) return text;
    return h("span", { class: weight < 0 ? "word against" : "word", vars: { "--heat": (Math.abs(weight) / most).toFixed(3) }, title: signed(weight) }, text);
  });
  const heavy = segments.filter((segment) => segment.weight > 0 && segment.text.trim()).sort((a, b) => b.weight - a.weight).slice(0, 5);
  const spoken = heavy.map((segment) => `\u201c${segment.text.trim()}\u201d ${signed(segment.weight)}`).join(", ");
  return [
    h("p", { class: "words-shaded" }, words),
    h("div", { class: "legend", "aria-hidden": "true" }, "adds little", h("span", { class: "ramp" }), "adds most", h("span", { class: "word against sample" }, "takes away")),
    h("p", { class: "hint" }, `Likeness of the plots ${signed(similarity)}. ${spoken ? `Most of it from ${spoken}.` : ""}`),
  ];
}
