// node browser.mjs PKG CLIPS.jsonl: the package and the example page in Chromium, with a clip in place of the microphone.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { openChromium } from "./chromium.mjs";
import { assert, difference, readWav } from "./clips.mjs";

const [pkg, clipsFile] = process.argv.slice(2).map((path) => resolve(path));
const clip = JSON.parse(readFileSync(clipsFile, "utf8").split("\n")[0]);
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const roots = { pkg, example: resolve(import.meta.dirname, "../example") };

const server = createServer(({ url }, answer) => {
  const [, root, ...path] = url.split("/");
  try {
    const bytes = readFileSync(join(roots[root], ...path));
    answer.writeHead(200, { "content-type": TYPES[extname(url)] ?? "application/octet-stream" }).end(bytes);
  } catch {
    answer.writeHead(url === "/favicon.ico" ? 204 : 404).end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const address = `http://127.0.0.1:${server.address().port}`;

const browser = await openChromium([
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-audio-capture=${clip.file}`,
]);
if (browser === null) {
  console.log("no chromium: pages are not opened");
} else {
  const page = await browser.open(`${address}/example/index.html`);
  const { samples, rate } = readWav(clip.file);
  const bytes = Buffer.from(samples.buffer).toString("base64");
  const predicted = await page.evaluate(`(async () => {
    const { Model } = await import("../pkg/reslstm.js");
    const bytes = Uint8Array.from(atob("${bytes}"), (letter) => letter.charCodeAt(0));
    const samples = new Float32Array(bytes.buffer);
    const results = [];
    for (const build of ["simd128", "scalar"]) {
      const model = await Model.load(undefined, { build });
      results.push(model.predict(samples, ${rate}).probabilities);
    }
    return results;
  })()`);
  for (const probabilities of predicted) {
    assert(difference(probabilities, clip.probabilities) <= 1e-5, `Chromium: ${JSON.stringify(probabilities)}`);
  }
  // The example, live: its meters move while the clip plays as the microphone.
  const meters = "[...document.querySelectorAll('meter')].map((meter) => meter.value)";
  const until = (condition) => page.evaluate(`new Promise((resolve, reject) => {
    const end = Date.now() + 60_000;
    const look = () => (${condition}) ? resolve(true) : Date.now() > end ? reject(new Error("timeout")) : setTimeout(look, 50);
    look();
  })`);
  await until("document.querySelectorAll('meter').length === 8");
  await page.evaluate("document.getElementById('start').click()");
  await until("Math.abs([...document.querySelectorAll('meter')].reduce((sum, meter) => sum + meter.value, 0) - 1) < 1e-3");
  await until("!['…', 'nobody speaks'].includes(document.getElementById('verdict').textContent)");
  const before = await page.evaluate(meters);
  await until(`${meters}.join() !== "${before.join()}"`);
  await page.evaluate("document.getElementById('stop').click()");
  await until("document.getElementById('stop').disabled");
  assert(page.errors.length === 0, `errors in the page: ${page.errors.join("; ")}`);
  await browser.close();
  console.log("Chromium: passed");
}
server.close();
