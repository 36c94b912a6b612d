// The plot: Enter asks, Shift + Enter begins a line; the field grows with its text.
import { byId } from "./dom.js";
import { change, subscribe } from "./store.js";

/** On a phone the films are below the keyboard: brings them up, and the focus with them. */
function reveal(results) {
  if (results.getBoundingClientRect().top < innerHeight * 0.7) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  results.focus({ preventScroll: true });
  results.scrollIntoView({ behavior: still ? "auto" : "smooth" });
}

export function setUpPlot() {
  const field = byId("plot");
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    change({ kind: "plot", plot: field.value }, { history: "push" });
    if (!field.value.trim()) return field.focus();
    reveal(byId("results"));
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("ask").requestSubmit();
  });
  // What is typed and not yet asked stays: the field follows the question only when that changes.
  let asked = null;
  subscribe((state) => {
    if (state.kind !== "plot" || state.plot === asked) return;
    asked = state.plot;
    if (document.activeElement !== field) field.value = asked;
  });
}
