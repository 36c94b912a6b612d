// Words for numbers and codes.
import { PARTS } from "./state.js";

export const PART_NAMES = { plot: "Plot", genres: "Genres", people: "People", year: "Year" };

export const TECHNIQUE_NAMES = { minilm: "Sentence encoder", bow: "Bag of words" };
export const TECHNIQUE_NOTES = {
  minilm: "reads sentences for their meaning",
  bow: "counts words, in whatever order",
};

const regions = new Intl.DisplayNames("en", { type: "region", fallback: "code" });
const tongues = new Intl.DisplayNames("en", { type: "language", fallback: "code" });

export const country = (code) => named(regions, code);
export const language = (code) => named(tongues, code);

function named(names, code) {
  try {
    return names.of(code);
  } catch {
    return code; // not a code at all: shown as it came
  }
}

export const listed = (words) => new Intl.ListFormat("en", { type: "unit" }).format(words);

export const both = (words) => new Intl.ListFormat("en", { type: "conjunction" }).format(words);

export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

/** 0.31, with a real minus sign. */
export const signed = (value) => value.toFixed(2).replace("-", "\u2212").replace("\u22120.00", "0.00");

export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)}\u00a0MB`;

export function runtime(minutes) {
  return minutes < 60 ? `${minutes}\u00a0min` : `${Math.floor(minutes / 60)}\u00a0h\u00a0${String(minutes % 60).padStart(2, "0")}`;
}

/** The service's errors and warnings begin in lower case and end without a full stop. */
export function sentence(text) {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

/** The parts of a score that count, as one sentence for those who do not see the bar. */
export function spoken(film) {
  const parts = PARTS.filter((part) => Math.abs(film.parts[part]) >= 0.005);
  return `Score ${signed(film.score)}: ${parts.map((part) => `${PART_NAMES[part].toLowerCase()} ${signed(film.parts[part])}`).join(", ")}.`;
}
