// The page's icons: one weight of line, 20 by 20, drawn in the colour of the text around them.
import { s } from "./dom.js";

const PATHS = {
  link: "M8.5 11.500a3.5 3.5 0 0 0 5 0l2.5-2.500a3.5 3.5 0 0 0-5-5l-1 1M11.5 8.500a3.5 3.5 0 0 0-5 0L4 11a3.5 3.5 0 0 0 5 5l1-1",
  contrast: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 3v14M10 6.500l5.5-.5M10 10h7M10 13.500l5.5.5",
  sliders: "M3 6h7M14 6h3M3 14h3M10 14h7M12 4v4M8 12v4",
  frame: "M4 2.500h12v15H4zM4 13.500l3.5-3.5 3 3 2-2 3.5 3M12 6.500h.01",
  up: "M6.5 9v7.500M6.5 9l3-6.500c1.4 0 2.2 1 2 2.300L11 8h4.300c1 0 1.7.9 1.5 1.800l-1.2 5.300c-.2.8-.9 1.4-1.7 1.400H6.500M3.3 9.200v7.2",
  down: "M13.5 11V3.500M13.5 11l-3 6.500c-1.4 0-2.2-1-2-2.300L9 12H4.700c-1 0-1.7-.9-1.5-1.800l1.2-5.300c.2-.8.9-1.4 1.7-1.400h7.400M16.7 10.800V3.6",
  hide: "M3 3l14 14M8.3 5.200A8 8 0 0 1 10 5c4 0 6.5 3.3 7.5 5-.4.7-1 1.6-1.9 2.500M5 6.500C3.7 7.6 2.9 9 2.5 10c1 1.7 3.5 5 7.5 5 1.1 0 2.1-.3 3-.7M8.5 9a1.8 1.8 0 0 0 2.5 2.5",
  plus: "M10 4v12M4 10h12",
  cross: "M5 5l10 10M15 5L5 15",
  why: "M7.3 7.600a2.7 2.7 0 1 1 4.1 2.300c-.9.5-1.4 1-1.4 2M10 14.600h.01",
  more: "M4 10h.01M10 10h.01M16 10h.01",
  both: "M7.5 5.500a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M12.5 5.500a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9",
  check: "M4 10.500l4 4 8-9",
  alert: "M10 3l7.5 13.500h-15zM10 8v4M10 14.300h.01",
};

/** An icon by name; decoration, so its button needs a name of its own. */
export function icon(name) {
  return s(
    "svg",
    { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true", class: "icon" },
    s("path", { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}

/** Fills the places that index.html keeps for icons. */
export function placeIcons(root = document) {
  for (const place of root.querySelectorAll("[data-icon]")) place.replaceChildren(icon(place.dataset.icon));
}
