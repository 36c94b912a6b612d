// A text field that offers a list (ARIA 1.2 combobox with a listbox popup): arrows walk the list while the focus stays in the
// field, Enter takes, Escape closes and then clears. Used for titles, languages and countries.
import { announce, debounce, h } from "./dom.js";

let count = 0;

/**
 * `source(text, signal)` promises [{id, label, detail}]; `choose(option)` is called with the one that was taken.
 * Returns {element, input}.
 */
export function combobox({ label, placeholder, source, choose, delay = 90 }) {
  const name = `combobox-${(count += 1)}`;
  const input = h("input", {
    id: name,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    placeholder,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${name}-list`,
  });
  const list = h("ul", { id: `${name}-list`, role: "listbox", "aria-label": label, class: "options", hidden: true });
  const element = h("div", { class: "combobox" }, h("label", { for: name }, label), h("div", { class: "combobox-field" }, input, list));

  let options = [];
  let active = -1;
  let asking = new AbortController();

  function close() {
    // What was typed just before must not open it again.
    ask.cancel();
    asking.abort();
    list.hidden = true;
    options = [];
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function walk(to) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = to;
    const option = list.children[active];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  function take(option) {
    input.value = "";
    close();
    choose(option);
    input.focus();
  }

  function show(found, text) {
    options = found;
    active = -1;
    list.replaceChildren(
      ...options.map((option, at) =>
        h(
          "li",
          {
            id: `${name}-${at}`,
            role: "option",
            "aria-selected": "false",
            // The field keeps the focus.
            on: { mousedown: (event) => event.preventDefault(), click: () => take(option) },
          },
          h("span", {}, option.label),
          option.detail && h("span", { class: "detail" }, option.detail),
        ),
      ),
    );
    if (!options.length) list.append(h("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, `Nothing is called “${text}”`));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    announce(options.length === 1 ? "1 suggestion" : `${options.length || "No"} suggestions`);
    if (options.length) walk(0);
  }

  const ask = debounce(async () => {
    const text = input.value.trim();
    asking.abort();
    if (!text) return close();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const found = await source(text, signal);
      if (!signal.aborted) show(found, text);
    } catch (error) {
      if (signal.aborted) return;
      show([], text);
      list.replaceChildren(h("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, error.message));
    }
  }, delay);

  input.addEventListener("input", ask);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (list.hidden) ask();
      else if (options.length) walk((active + step + options.length) % options.length);
    } else if (event.key === "Enter") {
      // Never the form's own submit: an unfinished name is no question.
      event.preventDefault();
      if (options[active]) take(options[active]);
    } else if (event.key === "Escape") {
      if (!list.hidden) event.preventDefault();
      if (list.hidden) input.value = "";
      close();
    }
  });
  return { element, input };
}

/** Removable words under a field; `remove(id)` when one is taken away. */
export function chips(entries, remove, kind) {
  return h(
    "ul",
    { class: `chips ${kind ?? ""}` },
    entries.map(({ id, label }) =>
      h(
        "li",
        {},
        h("span", {}, label),
        h("button", { type: "button", "aria-label": `Remove ${label}`, "data-id": id, on: { click: () => remove(id) } }, cross()),
      ),
    ),
  );
}

function cross() {
  return h("span", { "aria-hidden": "true" }, "\u00d7");
}
