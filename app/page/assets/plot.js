// The plot: Enter asks, Shift + Enter begins a line; the field grows with its text.
import { byId } from "./dom.js";
import { change, subscribe } from "./store.js";

export function setUpPlot() {
  const field = byId("plot");
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    change({ kind: "plot", plot: field.value }, { history: "push" });
    if (!field.value.trim()) field.focus();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("ask").requestSubmit();
  });
  subscribe((state) => {
    if (state.kind === "plot" && field.value !== state.plot && document.activeElement !== field) field.value = state.plot;
  });
}
