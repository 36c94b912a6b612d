// The films a person loves and those they do not, found by title. The state has ids only; their titles are asked for once.
import * as api from "./api.js";
import { announce, byId, h } from "./dom.js";
import { chips, combobox } from "./combobox.js";
import { change, current, subscribe } from "./store.js";

const known = new Map();

const LISTS = {
  liked: { label: "Films you love", placeholder: "Begin typing a title" },
  disliked: { label: "Films you do not", placeholder: "Begin typing a title" },
};

export function setUpTitles() {
  for (const [list, words] of Object.entries(LISTS)) {
    const place = byId(`pick-${list}`);
    const box = combobox({ ...words, source: titles, choose: (option) => add(list, option.film) });
    const chosen = h("div", {});
    place.append(box.element, chosen);
    const remove = (id) => {
      change({ [list]: current()[list].filter((other) => other !== id) }, { history: "push" });
      announce(`${label(id)} is removed.`);
      box.input.focus();
    };
    subscribe(async (state) => {
      const draw = () => chosen.replaceChildren(chips(state[list].map((id) => ({ id, label: label(id) })), remove, list));
      const shown = state[list].join();
      draw();
      await learn(state[list]);
      if (current()[list].join() === shown) draw();
    });
  }
}

/** Puts a film into "liked" or "disliked", and takes it out of the other; with "liked", the page asks by films from then on. */
export function add(list, film) {
  known.set(film.id, film);
  const other = list === "liked" ? "disliked" : "liked";
  const state = current();
  const fields = { kind: "films", [list]: [...state[list].filter((id) => id !== film.id), film.id], [other]: state[other].filter((id) => id !== film.id) };
  change(fields, { history: "push" });
}

async function titles(text, signal) {
  const { films } = await api.search(text, signal);
  return films.map((film) => ({ id: film.id, label: film.title, detail: film.year, film }));
}

function label(id) {
  const film = known.get(id);
  return film ? `${film.title} (${film.year})` : id;
}

/** Titles of a shared link's films. One that is unknown keeps its id: the service will say so. */
async function learn(ids) {
  await Promise.all(
    ids.filter((id) => !known.has(id)).slice(0, 50).map(async (id) => {
      try {
        known.set(id, await api.film(id));
      } catch {
        // See above.
      }
    }),
  );
}
