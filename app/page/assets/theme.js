// Sets the chosen theme before the first paint; without a choice the system's counts. A classic script, so that it blocks.
"use strict";
try {
  const chosen = localStorage.getItem("hippocamp.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage (blocked by the browser): the system's theme it is.
}
