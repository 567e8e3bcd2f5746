// node lab_page.mjs LAB.html CLIP.wav: the page of `reslstm lab` with a microphone and a dropped file, on narrow and wide screens.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openChromium } from "./chromium.mjs";
import { assert } from "./clips.mjs";

const [page, clip] = process.argv.slice(2).map((path) => resolve(path));
const browser = await openChromium([
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-audio-capture=${clip}`,
]);
if (browser === null) {
  console.log("no chromium: the lab is not opened");
  process.exit(0);
}
const address = pathToFileURL(page);

/** JavaScript: texts of the page with less contrast than 4.5:1, or 3:1 where they are large. */
const PALE = `(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3)
    .map((it) => it / 255).map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4))
    .reduce((sum, it, k) => sum + it * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
  };
  const pale = [];
  for (const way of ["forward", "backward"]) for (const { name } of rooms) {
    openRoom(name);
    chooseWay(way);
    for (const element of document.querySelectorAll("body *")) {
      const text = [...element.childNodes].some((it) => it.nodeType === 3 && it.data.trim());
      if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
      const style = getComputedStyle(element);
      const [front, back] = [element.closest("svg") ? style.fill : style.color, behind(element)].map(light);
      const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (contrast < (large ? 3 : 4.5)) pale.push([name, element.textContent.slice(0, 30), contrast.toFixed(2)]);
    }
  }
  return pale;
})()`;

for (const [width, height] of [[390, 844], [1024, 768], [1920, 1080]]) {
  for (const theme of ["light", "dark"]) {
    const lab = await browser.open(`${address}#theme=${theme}`, { width, height, mobile: width < 500 });
    const wide = await lab.evaluate(`rooms.map(({ name }) => {
      openRoom(name);
      return [name, document.documentElement.scrollWidth - ${width}];
    }).filter(([, more]) => more > 0)`);
    assert(wide.length === 0, `${width} px: ${JSON.stringify(wide)}`);
    const pale = await lab.evaluate(PALE);
    assert(pale.length === 0, `${theme}: ${JSON.stringify(pale.slice(0, 5))}`);
    assert(lab.errors.length === 0, `${width} px: ${lab.errors.join("; ")}`);
    await lab.close();
  }
}

const lab = await browser.open(address);
const until = (condition) => lab.evaluate(`new Promise((resolve, reject) => {
  const end = Date.now() + 60_000;
  const look = () => (${condition}) ? resolve(true)
    : Date.now() > end ? reject(new Error(${JSON.stringify(condition)} + byId("about").textContent)) : setTimeout(look, 50);
  look();
})`);
await lab.evaluate("byId('microphone').click()");
await until("state.name === TEXTS.microphoneName && state.view.frames > 20");
const first = await lab.evaluate("state.samples.length");
await until(`state.samples.length > ${first}`);
await lab.evaluate("byId('microphone').click()");
await until("microphone.running === null");

const bytes = readFileSync(clip).toString("base64");
await lab.evaluate(`(() => {
  const drop = new DataTransfer();
  drop.items.add(new File([bytesOf("${bytes}")], "dropped.wav", { type: "audio/wav" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: drop, bubbles: true, cancelable: true }));
})()`);
await until("state.name === 'dropped.wav'");
assert((await lab.evaluate("byId('about').textContent")).includes("dropped.wav"), "the file's name is shown");
await lab.evaluate("useFile(new File(['no sound'], 'text.wav'))");
await until("byId('about').textContent.includes('cannot read')");
assert((await lab.evaluate("state.name")) === "dropped.wav", "what cannot be read changes nothing");

await lab.evaluate("useExample(); openRoom('walk'); moveTo({ t: 3 }); byId('play').click()");
await until("now.t > 8");
await lab.evaluate("byId('play').click()");
assert((await lab.evaluate("now.playing")) === null, "play holds");
await lab.evaluate("openRoom('train'); byId('train-start').click()");
await until("!training.running && training.accuracy.length > 2 && training.accuracy.slice(-2).every((share) => share === 1)");
assert(lab.errors.length === 0, `errors in the page: ${lab.errors.join("; ")}`);
await browser.close();
console.log("lab's page: passed");
