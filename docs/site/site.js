"use strict";
// Light or dark: the system's choice, or the reader's, which `#theme=` in the address or the page's storage holds.
const theme = {
  get chosen() {
    try { return localStorage.getItem("theme"); } catch { return null; }
  },
  set(name) {
    document.documentElement.dataset.theme = name;
    try { localStorage.setItem("theme", name); } catch { /* pages from a disk may have no storage */ }
  },
};
const first = new URLSearchParams(location.hash.slice(1)).get("theme") ?? theme.chosen;
if (first) document.documentElement.dataset.theme = first;
document.getElementById("theme").addEventListener("click", () => {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme.set(dark ? "light" : "dark");
});
