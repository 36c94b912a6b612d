// All that the catalogue knows of one film, in a dialog.
import { cover } from "./cover.js";
import { byId, h } from "./dom.js";
import { icon } from "./icons.js";
import { country, language, listed, runtime } from "./names.js";

/** `more(film)` makes it one of the loved films. */
export function openDetails(film, { more }) {
  const dialog = byId("details");
  const row = (name, words) => words && [h("dt", {}, name), h("dd", {}, words)];
  dialog.replaceChildren(
    h("button", { type: "button", class: "act close", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("cross")),
    h(
      "div",
      { class: "details" },
      cover(film, "large"),
      h(
        "div",
        {},
        h("h2", { id: "details-title", tabindex: "-1" }, film.title),
        h("p", { class: "facts" }, h("span", {}, film.year), h("span", {}, runtime(film.runtime)), h("span", {}, listed(film.genres))),
        film.because && h("p", { class: "because" }, film.because),
        h("p", { class: "story" }, film.synopsis),
        h(
          "dl",
          {},
          row(film.directors.length > 1 ? "Directors" : "Director", listed(film.directors)),
          row("Cast", listed(film.cast)),
          row("Countries", listed(film.countries.map(country))),
          row("Languages", listed(film.languages.map(language)) || "no dialogue"),
        ),
        h("button", { type: "button", class: "secondary", on: { click: () => { dialog.close(); more(film); } } }, icon("plus"), "More like this"),
      ),
    ),
  );
  dialog.showModal();
  byId("details-title").focus();
}

/** A click on what lies around the dialog closes it, like Escape. */
export function setUpDetails() {
  const dialog = byId("details");
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
