// node lab_page.mjs LAB.html CLIP.wav: the page of `reslstm lab` with a microphone and a dropped file, on narrow and wide screens.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openChromium } from "./chromium.mjs";
import { assert } from "./clips.mjs";
import { paleTexts } from "./contrast.mjs";

const [page, clip] = process.argv.slice(2).map((path) => resolve(path));
const browser = await openChromium([
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-audio-capture=${clip}`,
]);
if (browser === null) {
  console.log("no chromium: the lab is not opened");
  process.exit(0);
}
const address = pathToFileURL(page);

/** JavaScript: texts of all rooms, in both ways of walking, that are too pale. */
const PALE = `["forward", "backward"].flatMap((way) => rooms.flatMap(({ name }) => {
  openRoom(name);
  chooseWay(way);
  return (${paleTexts})().map((pale) => [name, ...pale]);
}))`;

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
