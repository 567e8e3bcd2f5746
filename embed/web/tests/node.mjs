// node node.mjs PKG CLIPS.jsonl LIVE.jsonl: compares both builds with what the command predicted, and times them.
// A line of the first is of `predict --json`, of the second of `predict --live --json` for the first clip.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, difference, readWav } from "./clips.mjs";

const [pkg, clipsFile, liveFile] = process.argv.slice(2);
const { Model } = await import(pathToFileURL(resolve(pkg, "reslstm.js")));
const lines = (path) => readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const [clips, live] = [lines(clipsFile), lines(liveFile)];

const best = await Model.load();
assert(best.build === "simd128", `picked ${best.build}`);
for (const build of ["simd128", "scalar"]) {
  const model = await Model.load(readFileSync(resolve(pkg, "model.safetensors")), { build });
  assert(model.build === build && model.sampleRate === 16000 && model.labels.length === 8, `${build}: another model`);
  let worst = 0;
  for (const expected of clips) {
    const { samples, rate } = readWav(expected.file);
    const got = model.predict(samples, rate);
    worst = Math.max(worst, difference(got.probabilities, expected.probabilities));
    assert(got.label === expected.label, `${build}: ${got.label} for ${expected.label}`);
    assert(Math.abs(got.level - expected.level) < 0.02 && Math.abs(got.speech - expected.speech) < 1e-3, `${build}: sound`);
    assert(Math.abs(got.unlike - expected.unlike) < 6e-4, `${build}: unlike ${got.unlike}, expected ${expected.unlike}`);
    assert(Math.abs(got.duration - samples.length / rate) < 1e-9, `${build}: duration`);
  }
  assert(worst <= 1e-5, `${build}: ${worst} from the command`);

  const { samples, rate } = readWav(clips[0].file);
  const stream = model.stream(rate);
  const moments = [];
  for (let start = 0; start < samples.length; start += 4800) moments.push(...stream.push(samples.subarray(start, start + 4800)));
  moments.push(...stream.finish());
  assert(moments.length === live.length, `${build}: ${moments.length} moments for ${live.length}`);
  const worstLive = Math.max(...moments.map((it, n) => difference(it.probabilities, live[n].probabilities)));
  assert(worstLive <= 1e-5, `${build}: ${worstLive} from predict --live`);
  assert(moments.every((it, n) => Math.abs(it.time - live[n].time) < 1e-3), `${build}: times`);
  // A stream keeps its model's weights, and begins again.
  model.free();
  assert(stream.push(samples).length > 0, `${build}: a second recording`);

  // 4 s of sound, after the engine was compiled fully: the clip from its beginning, again and again.
  const four = Float32Array.from({ length: 4 * rate }, (_, n) => samples[n % samples.length]);
  const again = await Model.load(undefined, { build });
  for (let n = 0; n < 10; n += 1) again.predict(four, rate);
  const before = process.cpuUsage();
  for (let n = 0; n < 50; n += 1) again.predict(four, rate);
  const seconds = process.cpuUsage(before).user / 50 / 1e6;
  console.log(`${build}: ${worst.toExponential(1)} from predict, ${worstLive.toExponential(1)} from predict --live; 4 s clip: ${(1000 * seconds).toFixed(1)} ms of processor time`);
}

// What a caller gets wrong is an exception that says so, and the model goes on working.
const refuses = (work, text) => {
  try {
    work();
  } catch (error) {
    assert(String(error.message).includes(text), `expected '${text}', got '${error.message}'`);
    return;
  }
  throw new Error(`no exception: ${text}`);
};
refuses(() => best.predict(new Float32Array(0), 48000), "at least one sample");
refuses(() => best.predict(Float32Array.of(0, NaN), 48000), "sample");
refuses(() => best.predict(new Float32Array(100), 10), "Hz");
refuses(() => best.predict(new Float32Array(100), 1.5), "rate");
refuses(() => best.predict("sound", 48000), "Float32Array");
refuses(() => best.setProfile({}), "profile");
const paper = await Model.load(readFileSync(resolve(import.meta.dirname, "../../../app/data/reslstm-sa-h64-ravdess.safetensors")));
refuses(() => paper.stream(48000, { adapt: true }), "enrolment");
for (const bytes of [new Uint8Array(0), new Uint8Array(1000), readFileSync(clips[0].file)]) {
  const error = await Model.load(bytes).then(() => null, (error) => error);
  assert(/safetensors|model file/.test(error?.message), `bad model: ${error?.message}`);
}
const { samples, rate } = readWav(clips[0].file);
assert(best.predict(Array.from(samples), rate).label === clips[0].label, "an array of numbers");
assert(difference(best.predict(Float64Array.from(samples), rate).probabilities, clips[0].probabilities) < 1e-5, "float64");
console.log("node: passed");
