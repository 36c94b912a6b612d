// The page's one state. Whoever changes it says how it enters the history and when the films are to be asked for again;
// whoever shows it subscribes.
import { format, parse } from "./state.js";

const listeners = [];
let state = parse(location.search);
let poster = null;

export const current = () => state;

/** The uploaded poster, a File, or null; it lives outside of the state because no link can carry it. */
export const currentPoster = () => poster;

/** `listener(state, {run})` after every change; `run` is "now", "soon" (a slider moves) or "no". */
export function subscribe(listener) {
  listeners.push(listener);
}

/** Changes fields of the state. `history`: "push" for a new question, "replace" for a turn of a knob. */
export function change(fields, { run = "now", history = "replace" } = {}) {
  state = { ...state, ...fields };
  const query = format(state);
  const address = query ? `?${query}` : location.pathname;
  if (address !== (location.search || location.pathname)) window.history[`${history}State`](null, "", address);
  tell(run);
}

/** Takes another poster, or with null none. */
export function setPoster(file) {
  poster = file;
  change({ kind: "poster" }, { run: "now", history: "push" });
}

function tell(run) {
  for (const listener of listeners) listener(state, { run });
}

window.addEventListener("popstate", () => {
  state = parse(location.search);
  tell("now");
});
