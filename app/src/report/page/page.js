"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

/** Light or dark, whatever the reader's system prefers; `#theme=dark` in the address overrides it. */
const theme = {
  listeners: [],
  get dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
  set(name) {
    document.documentElement.dataset.theme = name;
    for (const listener of this.listeners) listener();
  },
};
/** The parameters after the # of the address: `#t=40&theme=dark`. */
const address = new URLSearchParams(location.hash.slice(1));
if (address.has("theme")) document.documentElement.dataset.theme = address.get("theme");
document.getElementById("theme").addEventListener("click", () => theme.set(theme.dark ? "light" : "dark"));

/** Text with its special characters escaped for HTML. */
function escaped(text) {
  const element = document.createElement("i");
  element.textContent = text;
  return element.innerHTML;
}
