// Elements without innerHTML: what films and the server say is text, never markup. Inline styles are forbidden by the page's
// content security policy, so sizes from data go through CSS variables set by script.

const SVG = "http://www.w3.org/2000/svg";

/** The element of that id, which index.html has. */
export const byId = (id) => document.getElementById(id);

/** h("p", {class: "hint", "aria-hidden": "true", on: {click}, vars: {"--w": 0.4}}, "text", child, [children], null) */
export function h(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function s(tag, properties = {}, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "vars") for (const [variable, amount] of Object.entries(value)) element.style.setProperty(variable, amount);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Says something to screen readers without moving the focus. */
export function announce(text) {
  const status = byId("status");
  // The same words twice would be no change, and not be read.
  status.textContent = status.textContent === text ? `${text}\u00a0` : text;
}

let toastTimer;

/** A short message at the foot of the page, for something that is done; with `undo`, a button that takes it back. */
export function toast(text, undo) {
  const place = byId("toast");
  clearTimeout(toastTimer);
  place.replaceChildren(text);
  if (undo) {
    place.append(" ", h("button", { type: "button", class: "linkish", on: { click: () => { place.hidden = true; undo(); } } }, "Undo"));
  }
  place.hidden = false;
  announce(undo ? `${text} It can be undone at the end of the page.` : text);
  toastTimer = setTimeout(() => { place.hidden = true; }, undo ? 9000 : 4000);
}

/** Calls `action` once, `delay` milliseconds after the last call; not at all after `cancel()`. */
export function debounce(action, delay) {
  let timer;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), delay);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
