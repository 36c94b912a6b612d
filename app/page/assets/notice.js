// What stands in place of films when something went wrong: what happened, and a way on.
import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { percent, sentence } from "./names.js";

const TITLES = { 0: "No connection", 400: "That did not work", 404: "Not found", 413: "Too large", 415: "Not a picture we can read", 422: "That did not work", 503: "Not ready yet" };
const RETRY_S = 10;
const LONGEST_PAUSE_S = 60;

/** How often in a row the page came back by itself: each time it waits longer. */
let tries = 0;

/** The service answers again. */
export const calm = () => { tries = 0; };

/** `retry()` asks again; `anyway()`, where given, sends a picture that is no poster. The notice ends its countdown when it leaves the page. */
export function notice(error, { retry, anyway }) {
  const known = error instanceof ApiError;
  if (!known) console.error(error);
  const status = known ? error.status : 500;
  const actions = [];
  const likely = status === 422 ? error.body?.is_poster : undefined;
  const text = likely === undefined ? sentence(error.message) : `It looks like something else: the service finds it ${percent(likely)} likely to be a film poster. Sent anyway, it is looked up all the same.`;
  const element = h(
    "div",
    { class: "notice", role: "alert", "data-status": status },
    icon("alert"),
    h("div", {}, h("h3", {}, (likely === undefined ? TITLES[status] : "Is this a film poster?") ?? "Something went wrong"), h("p", {}, known ? text : "The page met an error of its own; the browser\u2019s console has it."), h("div", { class: "notice-acts" })),
  );
  const place = element.querySelector(".notice-acts");
  if (likely !== undefined && anyway) actions.push(h("button", { type: "button", class: "secondary", on: { click: anyway } }, "Send anyway"));
  if (status === 0 || status >= 500 || status === 429) {
    actions.push(h("button", { type: "button", class: "secondary", on: { click: retry } }, "Try again"));
    if (status === 503 || status === 429) actions.push(countdown(element, Math.max(error.retryAfter ?? RETRY_S, Math.min(LONGEST_PAUSE_S, 2 ** tries)), retry));
    if (status === 0) window.addEventListener("online", () => element.isConnected && retry(), { once: true });
  }
  place.append(...actions);
  return element;
}

/** Counts for the eye only: a screen reader hears the seconds once, in the first text. */
function countdown(element, seconds, retry) {
  const left = h("span", { "aria-hidden": "true" });
  const place = h("p", { class: "hint" }, h("span", { class: "unseen" }, `Trying again by itself in ${seconds} seconds.`), left);
  const end = performance.now() + seconds * 1000;
  const tick = () => {
    if (!element.isConnected && left.textContent) return;
    const rest = Math.ceil((end - performance.now()) / 1000);
    if (rest <= 0) {
      tries += 1;
      return retry();
    }
    left.textContent = `Trying again in ${rest} s`;
    setTimeout(tick, 250);
  };
  tick();
  return place;
}
