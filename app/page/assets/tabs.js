// The three ways to ask, as tabs: arrows move between them, Tab goes on to what is inside (ARIA tabs, activated at once).
import { byId } from "./dom.js";
import { KINDS } from "./state.js";
import { change, subscribe } from "./store.js";

export function setUpTabs() {
  const tabs = KINDS.map((kind) => byId(`tab-${kind}`));
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => change({ kind: KINDS[at] }, { history: "push" }));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = (to + tabs.length) % tabs.length;
      change({ kind: KINDS[next] }, { history: "push" });
      tabs[next].focus();
    });
  });
  subscribe(show);
}

function show(state) {
  for (const kind of KINDS) {
    const chosen = kind === state.kind;
    const tab = byId(`tab-${kind}`);
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId(`panel-${kind}`).hidden = !chosen;
  }
}
