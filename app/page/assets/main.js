// Brings the page to life: what is asked, when, and what is shown of the answers.
import * as api from "./api.js";
import { setUpDetails } from "./details.js";
import { byId, debounce } from "./dom.js";
import { EXAMPLES, SHELF } from "./examples.js";
import { setUpFilters } from "./filters.js";
import { placeIcons } from "./icons.js";
import { megabytes } from "./names.js";
import { setUpMix } from "./mix.js";
import { setUpPlot } from "./plot.js";
import { showBusy, showRuns, showShelf } from "./results.js";
import { setUpShare, setUpTheme } from "./share.js";
import { asks, K, request, TECHNIQUES } from "./state.js";
import { change, current, currentPoster, subscribe } from "./store.js";
import { setUpTabs } from "./tabs.js";
import { add, setUpTitles } from "./titles.js";
import { setUpUpload, showReading } from "./upload.js";

const SOON_MS = 250;
const TITLE = document.title;

let learning = null;
/** Bytes of a picture that the service takes; told by GET /facets. */
let mostBytes = Infinity;
let shelf = null;
let asking = new AbortController();
let anyway = null;
/** The place of the film that takes the focus when more films have come. */
let focusAt = null;

const more = (film) => add("liked", film);

/** Asks for films, once for each technique that is compared; a newer question ends the one before. */
async function ask() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const state = current();
  const poster = state.kind === "poster" ? currentPoster() : null;
  if (!asks(state, poster)) return rest(state, signal);
  const inside = byId("columns").contains(document.activeElement);
  showBusy(state);
  if (!(await learnFacets(state, signal))) return;
  const techniques = state.compare && state.kind !== "poster" ? TECHNIQUES : [state.technique];
  const runs = await Promise.all(techniques.map((technique) => run(state, technique, poster, signal)));
  if (signal.aborted) return;
  showRuns(state, runs, {
    more,
    retry: ask,
    anyway: poster && (() => { anyway = poster; ask(); }),
    longer: () => {
      focusAt = state.k;
      change({ k: Math.min(K.last, state.k + K.step) });
    },
  });
  if (focusAt !== null) document.querySelectorAll(".film .title")[focusAt]?.focus();
  focusAt = null;
  // What had the focus is gone with the films before.
  if (inside && document.activeElement === document.body) byId("results").focus({ preventScroll: true });
  if (poster) showReading(runs[0].answer?.query);
}

async function run(state, technique, poster, signal) {
  const body = request(state, technique);
  if (poster) {
    delete body.technique;
    if (anyway === poster) body.anyway = true;
  }
  try {
    // Said before it is sent: a connection that the service cuts tells no reason.
    if (poster?.size > mostBytes) throw new api.ApiError(413, `expected a picture of at most ${megabytes(mostBytes)}, got ${megabytes(poster.size)}`);
    return { technique, answer: await api.predict(body, poster, signal) };
  } catch (error) {
    return { technique, error };
  }
}

/** Nothing is asked for: examples, and some films of the catalogue, others every day. */
async function rest(state, signal) {
  const examples = EXAMPLES.map((example) => ({
    label: example.label,
    text: example.text ?? example.state.plot,
    apply: () => {
      change({ ...example.state }, { history: "push" });
      byId("results").focus({ preventScroll: true });
    },
  }));
  showShelf(state, examples, shelf ?? [], { more });
  learnFacets(state, signal);
  if (shelf) return;
  try {
    // By title, so that neighbours are of all times and countries.
    const { total } = await api.films(0, 1, signal);
    const day = Math.floor(Date.now() / 86_400_000);
    const offset = (day * 389) % Math.max(1, total - SHELF);
    shelf = (await api.films(offset, SHELF, signal)).films;
    if (!signal.aborted) showShelf(state, examples, shelf, { more });
  } catch {
    // The shelf is a bonus; what matters says so itself.
  }
}

/** The facets, without which there are no filters and no mix. False: the notice says why. */
async function learnFacets(state, signal) {
  try {
    await (learning ??= api.facets().then(tune));
  } catch (error) {
    learning = null;
    if (!signal.aborted) showRuns(state, [{ technique: state.technique, error }], { more, retry: ask });
    return false;
  }
  return !signal.aborted;
}

function tune(facets) {
  mostBytes = facets.limits?.poster_bytes ?? mostBytes;
  setUpFilters(facets);
  setUpMix(facets);
  byId("tune-body").classList.add("ready");
  // Without the fetched encoder the one that comes with the service answers, unless somebody asks for the other.
  const ready = (name) => facets.techniques?.find((technique) => technique.name === name)?.ready !== false;
  const asked = new URLSearchParams(location.search).has("technique");
  const technique = current().technique;
  const other = TECHNIQUES.find(ready);
  change(!asked && !ready(technique) && other ? { technique: other } : {}, { run: "no" });
}

const askSoon = debounce(() => ask(), SOON_MS);

function setUpTune() {
  const toggle = byId("tune-toggle");
  toggle.addEventListener("click", () => {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", String(open));
    byId("tune-body").classList.toggle("open", open);
  });
  byId("tune-done").addEventListener("click", () => {
    toggle.click();
    byId("results").focus();
  });
  byId("tune-body").addEventListener("submit", (event) => event.preventDefault());
}

placeIcons();
setUpTheme();
setUpShare();
setUpTabs();
setUpPlot();
setUpTitles();
setUpUpload();
setUpTune();
setUpDetails();
byId("plot").value = current().plot;
subscribe((state, { run: when }) => {
  document.title = asks(state, currentPoster()) && state.kind === "plot" ? `${state.plot.trim().slice(0, 60)} \u00b7 Hippocamp` : TITLE;
  if (when === "now") ask();
  if (when === "soon") askSoon();
});
change({}, { run: "no" });
ask();
