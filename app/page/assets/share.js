// The address of the page as a link, and the choice of a theme.
import { byId, toast } from "./dom.js";
import { linkable } from "./state.js";
import { current } from "./store.js";

const LEFT = { poster: "Link copied. The poster itself stays with you.", plot: "Link copied. The plot is too long for a link, and stays with you." };
const THEMES = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };

export function setUpShare() {
  byId("copy").setAttribute("aria-label", "Copy link");
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      toast(linkable(current()) ? "Link copied." : LEFT[current().kind]);
    } catch {
      // No clipboard on this origin: the address bar has the link as well.
      toast("The browser does not let this page copy; the address bar has the link.");
    }
  });
}

export function setUpTheme() {
  const button = byId("theme");
  const show = () => {
    const name = THEMES[document.documentElement.dataset.theme ?? ""];
    byId("theme-name").textContent = name.replace("Theme: ", "").replace(/^./, (letter) => letter.toUpperCase());
    button.setAttribute("aria-label", name);
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length];
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    try {
      if (next) localStorage.setItem("hippocamp.theme", next);
      else localStorage.removeItem("hippocamp.theme");
    } catch {
      // No storage: chosen for this visit.
    }
    show();
  });
  show();
}
