// The cover of a film, drawn from its facts: the rarest of its genres gives figure and colours, its time the lettering, its id
// the dice. The same film has the same cover everywhere. Decoration: the title is said beside it.
import { h, s } from "./dom.js";
import { FIGURES } from "./figures.js";

// Deep, pale, spot. Deep on pale and pale on deep are over 7:1; the spot colour never carries words.
const PALETTES = {
  Western: ["#3b1d10", "#f3dcb8", "#d9662b"],
  Sport: ["#10312a", "#e9f1de", "#e2553f"],
  "Film-Noir": ["#101113", "#e6e4df", "#8b8f94"],
  Musical: ["#4a1033", "#fbe3e4", "#ee7d57"],
  Documentary: ["#1c2b33", "#e7ebe6", "#d5a021"],
  Music: ["#24153a", "#f0e6f2", "#e4633c"],
  Biography: ["#2b2a1f", "#f0ead6", "#b9894a"],
  War: ["#26291b", "#e5e3d0", "#c2452d"],
  Mystery: ["#161f3a", "#e6e6ee", "#d8b13c"],
  Horror: ["#1a0d10", "#f0e2d8", "#c4262e"],
  History: ["#352012", "#f2e6d2", "#9a7b3f"],
  Animation: ["#0f2f57", "#fdeecb", "#f0633a"],
  Family: ["#143f43", "#fdf0d2", "#f2a33a"],
  "Science Fiction": ["#0c1b2e", "#dfeaf0", "#e8743b"],
  Fantasy: ["#1f2450", "#eee8f6", "#d9a441"],
  Crime: ["#1b1b1d", "#f0e7da", "#d8402f"],
  Thriller: ["#0f2226", "#e4ebe8", "#e0522f"],
  Action: ["#3a0f14", "#fbe6d4", "#ef6a2c"],
  Adventure: ["#123a3a", "#f4ecd0", "#e3913b"],
  Romance: ["#471627", "#fae5e2", "#e0566b"],
  Comedy: ["#2b2a4c", "#fdf1cf", "#ee8434"],
  Drama: ["#22272e", "#ece8e0", "#b5563c"],
};
// Rarest first, as counted in the catalogue: two films of three are dramas, so that word says least.
const BY_RARITY = Object.keys(PALETTES);

/** The cover; `size` is a class: "small", "large" or "". */
export function cover(film, size = "") {
  const dice = rolls(film.id);
  const genre = subject(film, dice);
  const [deep, pale, spot] = PALETTES[genre];
  const dark = dice.roll(0, 1) < 0.5;
  const [ground, ink] = dark ? [deep, pale] : [pale, deep];
  const top = dice.roll(0, 1) < 0.5;
  const era = film.year < 1955 ? "early" : film.year < 1985 ? "middle" : "late";
  const figure = s(
    "svg",
    { viewBox: "0 0 200 300", preserveAspectRatio: "xMidYMid slice" },
    s("rect", { width: 200, height: 300, fill: ground }),
    s("svg", { x: 0, y: top ? 110 : 0, width: 200, height: 190, viewBox: "0 0 200 190" }, FIGURES[genre](dice, ink, spot)),
  );
  return h(
    "div",
    { class: `cover ${era} ${top ? "top" : "bottom"} ${size}`, "aria-hidden": "true", vars: { "--ink": ink, "--title": lettering(film.title, era) } },
    figure,
    h("span", { class: "cover-words" }, h("span", { class: "cover-title" }, film.title), h("span", { class: "cover-line" }, film.directors?.length ? surname(film.directors[0]) : "", h("span", {}, film.year))),
  );
}

/** The field of the title and the leading of its lines, in hundredths of the cover's width; cover.css says the same. */
const FIELD = { width: 86, height: 33, leading: 1.08 };
/** Widest usual letter of each era's face, in its own size: no font is measured, so a page draws in one pass. */
const LETTER = { early: 0.76, middle: 0.67, late: 0.64 };

/** The largest size, in hundredths of the cover's width, at which the words of a title fit the field. */
function lettering(title, era) {
  const words = title.split(/(?<=-)|\s+/);
  for (let size = 17; size > 5; size -= 0.5) {
    const room = Math.floor(FIELD.width / (size * LETTER[era]));
    let [lines, used] = [1, 0];
    for (const word of words) {
      if (used && used + 1 + word.length > room) [lines, used] = [lines + 1, word.length];
      else used += (used ? 1 : 0) + word.length;
    }
    if (words.every((word) => word.length <= room) && lines * size * FIELD.leading <= FIELD.height) return size;
  }
  return 5;
}

/** One of the film's two rarest genres. */
function subject(film, { pick }) {
  const rarest = BY_RARITY.filter((name) => film.genres?.includes(name)).slice(0, 2);
  if (rarest.length > 1 && rarest[1] === "Drama") rarest.pop();
  return rarest.length ? pick(rarest) : "Drama";
}

const surname = (name) => name.split(" ").at(-1);

/** Numbers that depend on the text alone (FNV-1a, then xorshift). */
function rolls(text) {
  let seed = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) seed = Math.imul(seed ^ text.charCodeAt(at), 0x01000193);
  seed ||= 1;
  const roll = (from, to) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return from + ((seed >>> 0) / 0x100000000) * (to - from);
  };
  // The first rolls of near texts are near each other.
  for (let warm = 0; warm < 6; warm += 1) roll(0, 1);
  return { roll, pick: (list) => list[Math.floor(roll(0, list.length))] };
}
