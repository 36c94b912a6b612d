// The films: one list, or one for each technique side by side; while they are asked for, their skeleton; instead of them, a notice.
import { card } from "./card.js";
import { announce, byId, h, toast } from "./dom.js";
import { openDetails } from "./details.js";
import { cover } from "./cover.js";
import { percent, sentence, TECHNIQUE_NAMES, TECHNIQUE_NOTES } from "./names.js";
import { calm, notice } from "./notice.js";
import { scaleOf } from "./score.js";
import { forgetUnseen } from "./seen.js";
import { K } from "./state.js";

const columns = byId("columns");
const section = byId("results");
const hidden = new Set();

/** Films are being asked for: those that are there stay, dimmed; otherwise their places are drawn. */
export function showBusy(state) {
  section.setAttribute("aria-busy", "true");
  if (columns.querySelector(".films")) return;
  forgetUnseen();
  byId("read-as").hidden = true;
  byId("warnings").replaceChildren();
  byId("results-title").textContent = "Looking for films";
  const count = state.compare && state.kind !== "poster" ? 2 : 1;
  columns.className = count === 2 ? "columns two" : "columns";
  columns.replaceChildren(...Array.from({ length: count }, () => h("ol", { class: `list waiting ${count === 2 ? "narrow" : ""}`, "aria-hidden": "true" }, Array.from({ length: 5 }, skeleton))));
}

function skeleton() {
  return h("li", { class: "film" }, h("article", {}, h("div", { class: "cover blank" }), h("div", { class: "film-body" }, h("i", {}), h("i", {}), h("i", {}), h("i", {}))));
}

/**
 * `runs`: [{technique, answer}] or [{technique, error}]. `acts` {more(film), retry(), anyway() or undefined, longer()}.
 */
export function showRuns(state, runs, acts) {
  forgetUnseen();
  section.removeAttribute("aria-busy");
  const answers = runs.filter((run) => run.answer).map((run) => run.answer);
  const shared = runs.length === 2 && answers.length === 2 ? intersection(answers) : null;
  const best = answers.find((answer) => answer.query) ?? null;
  if (answers.length) calm();
  title(state, answers, runs);
  readAs(state, best?.query);
  warnings(answers);
  columns.className = runs.length === 2 ? "columns two" : "columns";
  columns.replaceChildren(...runs.map((run) => column(state, run, runs.length === 2, shared, acts)));
  if (answers.length && state.k < K.last && answers.some((answer) => answer.films.length >= state.k)) {
    columns.append(h("p", { class: "longer" }, h("button", { type: "button", class: "secondary", on: { click: acts.longer } }, "More films")));
  }
}

function column(state, run, named, shared, acts) {
  const heading = named && h("header", { class: "column-head" }, h("h3", {}, TECHNIQUE_NAMES[run.technique]), h("p", { class: "hint" }, TECHNIQUE_NOTES[run.technique]));
  const region = (...content) => h(named ? "section" : "div", { class: "column", "aria-label": named && TECHNIQUE_NAMES[run.technique] }, heading, ...content);
  if (run.error) return region(notice(run.error, acts));
  const { answer } = run;
  const films = answer.films.filter((film) => !hidden.has(film.id));
  if (!films.length) return region(nothing());
  const context = { recommendation: answer.id, technique: answer.technique, models: answer.models, kind: answer.kind };
  const list = {
    scale: scaleOf(films),
    shared,
    plot: state.kind === "plot" ? state.plot : null,
    technique: run.technique,
    more: acts.more,
    hide: (film) => hide(film, acts),
  };
  const items = answer.films.flatMap((film, at) => (hidden.has(film.id) ? [] : [card(film, at, context, list)]));
  return region(h("ol", { class: `list films ${named ? "narrow" : ""}` }, items));
}

function nothing() {
  return h("div", { class: "notice calm" }, h("div", {}, h("h3", {}, "No film fits"), h("p", {}, "No film of the catalogue passes these filters. Take one away and more will come.")));
}

/** Takes a film off this page until it is opened anew; says so, and can take it back. */
function hide(film, acts) {
  hidden.add(film.id);
  const items = [...columns.querySelectorAll(`[data-film="${CSS.escape(film.id)}"]`)];
  const next = items[0]?.nextElementSibling ?? items[0]?.previousElementSibling;
  for (const item of items) item.hidden = true;
  next?.querySelector(".title")?.focus();
  toast(`${film.title} is hidden.`, () => {
    hidden.delete(film.id);
    for (const item of items) item.hidden = false;
    if (items.every((item) => !item.isConnected)) acts.retry();
    items[0]?.querySelector(".title")?.focus();
  });
}

function intersection([one, other]) {
  const ids = new Set(one.films.map((film) => film.id));
  return new Set(other.films.map((film) => film.id).filter((id) => ids.has(id)));
}

function title(state, answers, runs) {
  const heading = byId("results-title");
  if (!answers.length) {
    heading.textContent = "No films yet";
    return;
  }
  const count = answers[0].films.length;
  const films = { 0: "No films", 1: "1 film" }[count] ?? `${count} films`;
  const whose = { plot: "for this plot", films: "like those you love", poster: "for this poster" }[state.kind];
  heading.textContent = `${films} ${whose}`;
  const shared = runs.length === 2 && answers.length === 2 ? ` ${intersection(answers).size} of them are in both lists.` : "";
  announce(`${films} ${whose}.${shared}`);
}

/** What the service read in the question. */
function readAs(state, query) {
  const place = byId("read-as");
  const genres = (query?.genres ?? []).filter(({ probability }) => probability >= 0.1).slice(0, 4);
  place.hidden = genres.length === 0;
  if (place.hidden) return;
  place.replaceChildren(state.kind === "films" ? "Among those " : "Read as ", ...genres.flatMap(({ genre, probability }, at) => [at ? ", " : "", h("b", {}, genre), ` ${percent(probability)}`]));
  if (query.year) place.append(`; from around ${Math.round(query.year)}`);
}

function warnings(answers) {
  const all = new Set(answers.flatMap((answer) => answer.query?.warnings ?? []));
  byId("warnings").replaceChildren(...[...all].map((text) => h("p", { class: "warning" }, sentence(text))));
}

/** Before anything was asked: examples, and a shelf of the catalogue. */
export function showShelf(state, examples, films, acts) {
  forgetUnseen();
  section.removeAttribute("aria-busy");
  byId("read-as").hidden = true;
  byId("warnings").replaceChildren();
  byId("results-title").textContent = state.kind === "films" && state.disliked.length ? "Name one film you love" : "Try one of these";
  columns.className = "columns";
  columns.replaceChildren(
    h("ul", { class: "examples" }, examples.map(({ label, text, apply }) => h("li", {}, h("button", { type: "button", class: "example", on: { click: apply } }, h("span", { class: "example-kind" }, label), text)))),
  );
  if (!films.length) return;
  columns.append(
    h("h3", { class: "shelf-title" }, "Or begin with a film"),
    h("ul", { class: "shelf" }, films.map((film) => h("li", {}, h("button", { type: "button", class: "shelf-film", "aria-haspopup": "dialog", "aria-label": `${film.title}, ${film.year}`, on: { click: () => openDetails(film, acts) } }, cover(film))))),
  );
}
