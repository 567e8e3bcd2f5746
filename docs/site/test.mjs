// node test.mjs SITE: every page of the site on a phone, a projector and a wide screen, light and dark, in Chromium.
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openChromium } from "../../embed/web/tests/chromium.mjs";
import { assert } from "../../embed/web/tests/clips.mjs";
import { paleTexts } from "../../embed/web/tests/contrast.mjs";

const site = resolve(process.argv[2]);
const browser = await openChromium();
if (browser === null) {
  console.log("no chromium: the site is not opened");
  process.exit(0);
}
const pages = ["index.html", "lab/index.html", "reference/reslstm/layers/lstm/index.html"];
for (const folder of ["course", "guide"]) pages.push(...readdirSync(join(site, folder)).map((name) => `${folder}/${name}`));
const OWN = (page) => !page.startsWith("reference/");

/** What reaches beyond the window, and derivations or numbers that only a scroll bar shows. */
const CUT = `[...document.querySelectorAll("main :is(table.formulas, table.beside, .drawing, .drawing svg, pre, math)")]
  .filter((it) => it.getBoundingClientRect().right > document.documentElement.clientWidth + 1 || it.scrollWidth > it.clientWidth + 1 && it.tagName === "PRE")
  .map((it) => it.textContent.slice(0, 60))`;

for (const page of pages) {
  const tab = await browser.open(`${pathToFileURL(join(site, page))}#theme=light`);
  for (const [width, height] of [[390, 844], [1024, 768], [1920, 1080]]) {
    await tab.resize({ width, height, mobile: width < 500 });
    const place = `${page}, ${width} px`;
    const wide = await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert(wide <= 0, `${place}: ${wide} px wider than the window`);
    if (OWN(page)) {
      const cut = await tab.evaluate(CUT);
      assert(cut.length === 0, `${place}: cut: ${JSON.stringify(cut)}`);
      assert(tab.errors.length === 0, `${place}: ${tab.errors.join("; ")}`);
    }
    for (const theme of OWN(page) && !page.startsWith("lab/") ? ["light", "dark"] : []) {
      await tab.evaluate(`document.documentElement.dataset.theme = "${theme}"`);
      const pale = await tab.evaluate(`(${paleTexts})()`);
      assert(pale.length === 0, `${place}, ${theme}: pale: ${JSON.stringify(pale.slice(0, 5))}`);
    }
  }
  await tab.close();
}
// What the course is made for: formulas as MathML, drawings, numbers worked by hand.
const lesson = await browser.open(`${pathToFileURL(join(site, "course/lstm.html"))}`);
const count = (selector) => lesson.evaluate(`document.querySelectorAll("${selector}").length`);
assert((await count("math")) > 50 && (await count(".drawing svg")) === 2 && (await count("pre.hand")) > 3, "lesson 5 is typeset");
await lesson.evaluate("document.getElementById('theme').click()");
const theme = await lesson.evaluate("document.documentElement.dataset.theme");
await lesson.evaluate("document.getElementById('theme').click()");
assert((await lesson.evaluate("document.documentElement.dataset.theme")) !== theme, "the button changes the theme");
await browser.close();
console.log(`site: ${pages.length} pages opened on three screens`);
