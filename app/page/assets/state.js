// What a person asked for, and its form in the address of the page. Everything that POST /predict takes is here but an uploaded
// poster, so that a link brings back the same films. Nothing here touches the page.

export const KINDS = ["plot", "films", "poster"];
export const TECHNIQUES = ["minilm", "bow"];
export const PARTS = ["plot", "genres", "people", "year"];
export const K = { first: 10, step: 10, last: 50 };

/** The state of a page that was just opened. `weights` null: those the service has learned. */
export function empty() {
  return {
    kind: "plot",
    plot: "",
    liked: [],
    disliked: [],
    technique: "minilm",
    compare: false,
    k: K.first,
    weights: null,
    diversity: 0,
    genres: [],
    years: [null, null],
    languages: [],
    countries: [],
    runtime: [null, null],
  };
}

/** Reads the part of an address after "?"; what it does not understand is left at its default. */
export function parse(search) {
  const given = new URLSearchParams(search);
  const state = empty();
  const list = (name) => (given.get(name) ?? "").split(",").filter(Boolean);
  const range = (name) => {
    const [from, to] = (given.get(name) ?? "").split("-").map((text) => (/^\d{1,4}$/.test(text ?? "") ? Number(text) : null));
    return [from ?? null, to ?? null];
  };
  if (KINDS.includes(given.get("by"))) state.kind = given.get("by");
  state.plot = given.get("plot") ?? "";
  state.liked = list("liked");
  state.disliked = list("disliked");
  if (TECHNIQUES.includes(given.get("technique"))) state.technique = given.get("technique");
  state.compare = given.get("compare") === "1";
  state.k = clamp(Math.round(number(given.get("k"), K.first)), 1, K.last);
  state.weights = weights(given.get("mix"));
  state.diversity = clamp(number(given.get("diversity"), 0), 0, 1);
  for (const name of ["genres", "languages", "countries"]) state[name] = list(name);
  state.years = range("years");
  state.runtime = range("runtime");
  return state;
}

/** Longest plot that a link carries, in characters; proxies and chats cut longer addresses. */
const LONGEST_PLOT = 2000;

/** Whether a link brings all of it back; an uploaded poster and a whole page of plot stay here. */
export const linkable = (state) => state.kind !== "poster" && (state.kind !== "plot" || state.plot.length <= LONGEST_PLOT);

/** The part of an address after "?", without what is at its default; "" for a page that was just opened. */
export function format(state) {
  const parts = new URLSearchParams();
  const fresh = empty();
  if (state.kind !== fresh.kind) parts.set("by", state.kind);
  if (state.kind === "plot" && state.plot.trim() && linkable(state)) parts.set("plot", state.plot);
  if (state.kind === "films") {
    if (state.liked.length) parts.set("liked", state.liked.join(","));
    if (state.disliked.length) parts.set("disliked", state.disliked.join(","));
  }
  if (state.technique !== fresh.technique) parts.set("technique", state.technique);
  if (state.compare) parts.set("compare", "1");
  if (state.k !== fresh.k) parts.set("k", state.k);
  if (state.weights) parts.set("mix", PARTS.map((part) => state.weights[part]).join(","));
  if (state.diversity) parts.set("diversity", state.diversity);
  for (const name of ["genres", "languages", "countries"]) if (state[name].length) parts.set(name, state[name].join(","));
  for (const name of ["years", "runtime"]) {
    if (state[name].some((end) => end !== null)) parts.set(name, state[name].map((end) => end ?? "").join("-"));
  }
  // Commas need no escape in a query, and a link is easier to read with them.
  return parts.toString().replaceAll("%2C", ",");
}

/** Whether there is anything to ask for. */
export function asks(state, poster) {
  if (state.kind === "plot") return state.plot.trim() !== "";
  if (state.kind === "films") return state.liked.length > 0;
  return poster !== null;
}

/** The JSON of POST /predict for one technique; null is an open end of a range. */
export function request(state, technique) {
  const body = { technique, k: state.k };
  if (state.kind === "plot") body.plot = state.plot;
  if (state.kind === "films") body.films = { liked: state.liked, disliked: state.disliked };
  if (state.weights) body.weights = state.weights;
  if (state.diversity) body.diversity = state.diversity;
  const filter = {};
  for (const name of ["genres", "languages", "countries"]) if (state[name].length) filter[name] = state[name];
  for (const name of ["years", "runtime"]) {
    if (state[name].some((end) => end !== null)) filter[name] = state[name];
  }
  if (Object.keys(filter).length) body.filter = filter;
  return body;
}

/** How many filters are set. */
export function filterCount(state) {
  const lists = state.genres.length + state.languages.length + state.countries.length;
  return lists + [state.years, state.runtime].filter((range) => range.some((end) => end !== null)).length;
}

function weights(text) {
  const values = (text ?? "").split(",").map(Number);
  if (text === null || values.length !== PARTS.length || values.some((value) => !Number.isFinite(value) || value < 0)) return null;
  return Object.fromEntries(PARTS.map((part, at) => [part, values[at]]));
}

function number(text, otherwise) {
  const value = text === null || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : otherwise;
}

function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
