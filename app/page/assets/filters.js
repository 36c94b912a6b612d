// What the films must be: genres, years, languages, countries, running time.
import { byId, debounce, h } from "./dom.js";
import { chips, combobox } from "./combobox.js";
import { country, language } from "./names.js";
import { filterCount } from "./state.js";
import { change, current, subscribe } from "./store.js";

/** `facets`: the answer of GET /facets. */
export function setUpFilters(facets) {
  const place = byId("filters");
  place.append(
    genres(facets.genres),
    range("years", "First shown", facets.years, "from year", "to year"),
    range("runtime", "Minutes", facets.runtime, "from minutes", "to minutes"),
    codes("languages", "Language", facets.languages, language),
    codes("countries", "Country", facets.countries, country),
  );
  const clear = h("button", { type: "button", class: "linkish", on: { click: clearAll } }, "Clear the filters");
  place.append(clear);
  subscribe((state) => {
    const count = filterCount(state);
    clear.hidden = count === 0;
    byId("tune-count").textContent = count ? `${count} ${count === 1 ? "filter" : "filters"}` : "";
  });
}

/** Its button goes with the last filter, so the focus goes back to the first. */
function clearAll() {
  change({ genres: [], years: [null, null], languages: [], countries: [], runtime: [null, null] });
  byId("filters").querySelector("input").focus();
}

function genres(names) {
  const boxes = names.map((name) => h("input", { type: "checkbox", name: "genre", value: name }));
  const element = h("div", { class: "pills", role: "group", "aria-label": "Genres, any of" }, boxes.map((box) => h("label", { class: "pill" }, box, h("span", {}, box.value))));
  element.addEventListener("change", () => change({ genres: boxes.filter((box) => box.checked).map((box) => box.value) }, { run: "soon" }));
  subscribe((state) => {
    for (const box of boxes) box.checked = state.genres.includes(box.value);
  });
  return element;
}

function range(name, label, [least, most], fromLabel, toLabel) {
  const end = (side, spoken) =>
    h("input", { type: "number", inputmode: "numeric", min: least, max: most, placeholder: side ? most : least, "aria-label": `${label}, ${spoken}` });
  const ends = [end(0, fromLabel), end(1, toLabel)];
  const read = () => {
    const values = ends.map((field) => (field.value === "" || !field.validity.valid ? null : Number(field.value)));
    change({ [name]: values }, { run: "soon" });
  };
  const later = debounce(read, 400);
  for (const field of ends) field.addEventListener("input", later);
  subscribe((state) => {
    ends.forEach((field, side) => {
      if (document.activeElement !== field) field.value = state[name][side] ?? "";
    });
  });
  return h("div", { class: "range", role: "group", "aria-label": label }, h("span", { class: "range-name" }, label), ends[0], h("span", { "aria-hidden": "true" }, "to"), ends[1]);
}

/** A facet's entries are codes, or objects with code and name. */
function codes(name, label, entries, naming) {
  const options = entries.map((entry) => (typeof entry === "string" ? { id: entry, label: naming(entry) } : { id: entry.code, label: entry.name ?? naming(entry.code) }));
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const box = combobox({
    label,
    placeholder: "Any",
    delay: 0,
    choose: ({ id }) => change({ [name]: [...new Set([...current()[name], id])] }),
    source: async (text) => {
      const found = options.filter((option) => plain(option.label).includes(plain(text)));
      // Names that begin so come first.
      return found.sort((a, b) => plain(b.label).startsWith(plain(text)) - plain(a.label).startsWith(plain(text))).slice(0, 8);
    },
  });
  const chosen = h("div", {});
  const titles = new Map(options.map((option) => [option.id, option.label]));
  subscribe((state) => {
    const remove = (id) => {
      change({ [name]: current()[name].filter((other) => other !== id) });
      box.input.focus();
    };
    chosen.replaceChildren(chips(state[name].map((id) => ({ id, label: titles.get(id) ?? naming(id) })), remove));
  });
  return h("div", { class: "code" }, box.element, chosen);
}
