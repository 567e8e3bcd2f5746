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

/** JavaScript: rooms with a part that is cut, or that only a scroll bar shows. */
const CUT = `["forward", "backward"].flatMap((way) => rooms.flatMap(({ name }) => {
  openRoom(name);
  chooseWay(way);
  return [...document.querySelectorAll("main :is(p, table, svg, svg text, .drawing, .axis span, .control), header *, #source *")]
    .filter((it) => it.checkVisibility() && (it.getBoundingClientRect().right > document.documentElement.clientWidth + 1 ||
      it.getBoundingClientRect().left < -1 || it.tagName !== "svg" && it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0))
    .map((it) => [name, way, it.tagName, it.textContent.slice(0, 40)]);
}))`;

const lab = await browser.open(address);
for (const [width, height] of [[390, 844], [1024, 768], [1920, 1080]]) {
  await lab.resize({ width, height, mobile: width < 500 });
  const wide = await lab.evaluate(`rooms.map(({ name }) => {
    openRoom(name);
    return [name, document.documentElement.scrollWidth - ${width}];
  }).filter(([, more]) => more > 0)`);
  assert(wide.length === 0, `${width} px: ${JSON.stringify(wide)}`);
  const cut = await lab.evaluate(CUT);
  assert(cut.length === 0, `${width} px: cut: ${JSON.stringify(cut.slice(0, 5))}`);
  for (const theme of ["light", "dark"]) {
    await lab.evaluate(`theme.set("${theme}")`);
    const pale = await lab.evaluate(PALE);
    assert(pale.length === 0, `${theme}: ${JSON.stringify(pale.slice(0, 5))}`);
  }
  assert(lab.errors.length === 0, `${width} px: ${lab.errors.join("; ")}`);
}

await lab.resize({ width: 1280, height: 800, mobile: false });
const until = (condition) => lab.evaluate(`new Promise((resolve, reject) => {
  const end = Date.now() + 60_000;
  const look = () => (${condition}) ? resolve(true)
    : Date.now() > end ? reject(new Error(${JSON.stringify(condition)} + byId("about").textContent)) : setTimeout(look, 50);
  look();
})`);
await lab.evaluate("byId('microphone').click()");
await until("state.name === TEXTS.microphoneName && state.view.frames > 20");
const first = await lab.evaluate("state.view.frames");
await until(`state.view.frames > ${first}`);
// Every frame is computed once, and what is shown of the clip is what the stream answered.
const streamed = await lab.evaluate(`(() => {
  const { live } = microphone.running;
  showLive();
  const all = state.view.get("running");
  const before = live.frames();
  const rows = live.push(new Float32Array(8 * 2048));
  const again = new View(lab.live_clip(live, "{}"));
  const last = again.get("running").values.slice(-rows.length);
  const sound = live.sound().length / live.frames();
  return { before, shown: all.rows, added: rows.length / LABELS.length, after: live.frames(), sound: sound * 1 / data.rate,
           off: Math.max(...last.map((value, n) => Math.abs(value - rows[n]))) };
})()`);
assert(streamed.shown === streamed.before && streamed.after === streamed.before + streamed.added && streamed.added > 0, JSON.stringify(streamed));
assert(streamed.off < 1e-9 && Math.abs(streamed.sound - (await lab.evaluate("data.seconds"))) < 1e-9, JSON.stringify(streamed));
// A long recording becomes several clips.
const seconds = await lab.evaluate(`(() => {
  for (let n = 0; n < 400; n += 1) listenTo(new Float32Array(2048));
  showLive();
  return state.view.frames * data.seconds;
})()`);
assert(seconds > 0 && seconds < 12.2, `${seconds} s of the microphone`);
await lab.evaluate("byId('microphone').click()");
await until("microphone.running === null");

// Signs do not depend on colour: negative values have stripes, and a value stands in words.
const signs = await lab.evaluate(`(() => {
  useExample();
  openRoom("listen");
  const canvas = make("canvas", { width: 40, height: 40 });
  heatmap(canvas.getContext("2d"), 40, 40, { rows: 2, columns: 1, values: [-1, 1] });
  const data = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, 40, 40).data.buffer);
  const colours = (from) => new Set(data.filter((_, n) => (n % 40 >= 20) === from)).size;
  moveTo({ t: 4, lstm: 1, unit: 3 });
  const words = [...document.querySelectorAll("figcaption .value")].map((it) => it.textContent);
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", shiftKey: true, bubbles: true }));
  return { negative: colours(false), positive: colours(true), words, value: fixed(state.view.get("1.f").at(4, 3)), unit: now.unit };
})()`);
assert(signs.negative === 2 && signs.positive === 1 && signs.unit === 4, JSON.stringify(signs));
assert(signs.words.some((it) => it === `· unit 3, frame 4: ${signs.value}`), JSON.stringify(signs.words));
// Features have the names of their groups, eight classes eight ways to dash a curve, and the figures a scale.
const names = await lab.evaluate(`(() => {
  const groups = data.branches[branch].groups;
  return { all: Array.from({ length: state.view.get("x").columns }, (_, n) => featureName(n)), kinds: groups.map(({ kind }) => kind),
    dashes: new Set(Array.from({ length: 8 }, (_, k) => classStyle(k).dash.join())).size,
    bare: Object.entries(listen.figures).filter(([name, it]) => name !== "sound" && !it.element.querySelector(".axis").textContent).map(([name]) => name) };
})()`);
assert(names.all[0] === `${names.kinds[0]} 0` && new Set(names.all).size === names.all.length && names.dashes === 8 && names.bare.length === 0, JSON.stringify(names));

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

// Ten seconds: on a busy machine a short clip may be over before it is held.
const held = await lab.evaluate(`new Promise((resolve) => {
  takeSound(Float32Array.from({ length: 10 * data.rate }, (_, n) => Math.sin(n / 9) / 4), data.rate, "tone");
  openRoom("walk");
  moveTo({ t: 3 });
  byId("play").click();
  const look = () => {
    if (now.t <= 8) return setTimeout(look, 50);
    byId("play").click();
    resolve(now.playing === null && now.t < state.view.frames - 1);
  };
  look();
})`);
assert(held, "play holds");
await lab.evaluate("openRoom('train'); byId('train-start').click()");
await until("!training.running && training.accuracy.length > 2 && training.accuracy.slice(-2).every((share) => share === 1)");
assert(lab.errors.length === 0, `errors in the page: ${lab.errors.join("; ")}`);
await browser.close();
console.log("lab's page: passed");
