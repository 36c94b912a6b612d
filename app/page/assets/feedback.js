// What people think of the films, on its way to POST /feedback: kept in localStorage until the service has it, so that nothing
// is lost offline, and each event with an id of its own, so that nothing counts twice when an answer was lost.
import * as api from "./api.js";
import { debounce } from "./dom.js";

const QUEUE = "hippocamp.feedback";
const VERDICTS = "hippocamp.verdicts";
/** Bounds of what is kept on the device, and of one request. */
const MOST_QUEUED = 500;
const MOST_VERDICTS = 2000;
const MOST_SENT = 100;
const SOON_MS = 600;
const AGAIN_MS = { first: 5_000, most: 300_000 };

let pause = AGAIN_MS.first;
let sending = false;
let timer;

/**
 * `context` {recommendation, technique, models, kind} of the answer the film was in, `event` "shown", "clicked", "liked",
 * "disliked" or "cleared", `position` from 0.
 */
export function record(context, film, event, position) {
  const queue = read(QUEUE, []);
  queue.push({ ...context, event: { id: uuid(), film, event, position } });
  // What was seen is worth least.
  while (queue.length > MOST_QUEUED) queue.splice(Math.max(0, queue.findIndex((entry) => entry.event.event === "shown")), 1);
  write(QUEUE, queue);
  if (["liked", "disliked", "cleared"].includes(event)) remember(film, event);
  soon();
}

/** "liked", "disliked" or undefined: what this person said of the film before. */
export const verdict = (film) => read(VERDICTS, {})[film];

/** How many events still wait on this device. */
export const waiting = () => read(QUEUE, []).length;

const soon = debounce(() => send(), SOON_MS);

async function send() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  let most = MOST_SENT;
  try {
    for (let queue = read(QUEUE, []); queue.length; queue = read(QUEUE, [])) {
      const { event: _, ...context } = queue[0];
      const same = queue.filter((entry) => entry.recommendation === context.recommendation).slice(0, most);
      const sent = new Set(same.map((entry) => entry.event.id));
      try {
        await api.feedback({ ...context, events: same.map((entry) => entry.event) });
      } catch (error) {
        // Refused is refused; everything else, such as a login that has expired, may go well later.
        if (![400, 413, 422].includes(error.status)) return again(error.retryAfter);
        if (same.length > 1) {
          // One of them is wrong: the others go one by one.
          most = 1;
          continue;
        }
        console.warn(`feedback was refused: ${error.message}`);
      }
      write(QUEUE, read(QUEUE, []).filter((entry) => !sent.has(entry.event.id)));
      pause = AGAIN_MS.first;
    }
  } finally {
    sending = false;
  }
}

function again(seconds) {
  timer = setTimeout(send, seconds ? seconds * 1000 : pause);
  pause = Math.min(AGAIN_MS.most, pause * 2);
}

function remember(film, event) {
  const verdicts = read(VERDICTS, {});
  delete verdicts[film];
  if (event !== "cleared") verdicts[film] = event;
  const films = Object.keys(verdicts);
  if (films.length > MOST_VERDICTS) delete verdicts[films[0]];
  write(VERDICTS, verdicts);
}

// Without localStorage (blocked, or full) the page's own memory does.
const memory = {};

function read(key, otherwise) {
  try {
    return memory[key] ?? JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return memory[key] ?? otherwise;
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    delete memory[key];
  } catch {
    memory[key] = value;
  }
}

/** crypto.randomUUID exists on secure origins only; a page served by name on a home network is none. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

window.addEventListener("online", () => send());
if (waiting()) soon();
