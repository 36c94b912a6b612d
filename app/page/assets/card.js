// One film among the answers: cover, facts, the reason, its score, and what a person can say or ask about it.
import { cover } from "./cover.js";
import { openDetails } from "./details.js";
import { h, toast } from "./dom.js";
import { toggleReason } from "./explain.js";
import { record, verdict } from "./feedback.js";
import { icon } from "./icons.js";
import { listed, runtime } from "./names.js";
import { scoreBar } from "./score.js";
import { whenSeen } from "./seen.js";

/**
 * `at`: its place from 0. `context`: for feedback. `list`: {scale, shared (ids in both techniques), plot (text, to explain),
 * technique, hide(film), more(film)}.
 */
export function card(film, at, context, list) {
  const say = (event) => record(context, film.id, event, at);
  const name = `film-${context.technique}-${at}`;
  const open = () => {
    say("clicked");
    openDetails(film, { more: list.more });
  };
  const reason = h("div", { class: "reason", id: `${name}-why`, hidden: true });
  const picture = cover(film, at === 0 ? "large" : "");
  picture.addEventListener("click", open);
  const element = h(
    "li",
    { class: "film", "data-film": film.id },
    h(
      "article",
      { "aria-labelledby": name },
      picture,
      h(
        "div",
        { class: "film-body" },
        h(
          "div",
          { class: "film-head" },
          h("span", { class: "rank", "aria-hidden": "true" }, at + 1),
          h("h3", { id: name }, h("button", { type: "button", class: "title", "aria-haspopup": "dialog", on: { click: open } }, film.title)),
          list.shared?.has(film.id) && h("span", { class: "shared" }, icon("both"), "in both"),
        ),
        h("p", { class: "facts" }, facts(film)),
        film.because && h("p", { class: "because" }, film.because),
        scoreBar(film, list.scale),
        h("p", { class: "synopsis" }, film.synopsis),
        h("div", { class: "acts" }, opinions(film, say, list), h("div", { class: "acts-more" }, list.plot && why(film, list, reason), more(film, list))),
        reason,
      ),
    ),
  );
  whenSeen(element.firstChild, () => say("shown"));
  return element;
}

function facts(film) {
  const directors = film.directors?.length ? [h("span", {}, listed(film.directors.slice(0, 2)) + (film.directors.length > 2 ? " and others" : ""))] : [];
  return [h("span", {}, film.year), ...directors, h("span", { class: "genre-list" }, listed(film.genres)), h("span", {}, runtime(film.runtime))];
}

/** Like, dislike, hide. What was said before shows again. */
function opinions(film, say, list) {
  const buttons = {};
  const show = () => {
    for (const [event, button] of Object.entries(buttons)) button.setAttribute("aria-pressed", String(verdict(film.id) === event));
  };
  const opinion = (event, glyph, label) => {
    buttons[event] = h("button", {
      type: "button", class: "act", "aria-label": `${label}: ${film.title}`, title: label,
      on: {
        click: () => {
          say(verdict(film.id) === event ? "cleared" : event);
          show();
        },
      },
    }, icon(glyph));
    return buttons[event];
  };
  const group = h(
    "div",
    { class: "opinions", role: "group", "aria-label": "Your opinion" },
    opinion("liked", "up", "Like"),
    opinion("disliked", "down", "Dislike"),
    h("button", { type: "button", class: "act", "aria-label": `Hide: ${film.title}`, title: "Hide", on: { click: () => list.hide(film) } }, icon("hide")),
  );
  show();
  return group;
}

function more(film, list) {
  return h("button", { type: "button", class: "act words", "aria-label": `More like ${film.title}`, on: { click: () => {
    list.more(film);
    toast(`${film.title} is among the films you love.`);
  } } }, "More like this");
}

function why(film, list, reason) {
  const button = h("button", { type: "button", class: "act words", "aria-expanded": "false", "aria-controls": reason.id, "aria-label": `Why ${film.title}?` }, "Why?");
  button.addEventListener("click", () => toggleReason(button, reason, { plot: list.plot, film: film.id, technique: list.technique }));
  return button;
}
