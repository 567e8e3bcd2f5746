// node lab.mjs LAB_DIR REBUILT_DIR MODEL CLIP.wav: the lab's engine that is checked in computes what one built now computes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, readWav } from "./clips.mjs";

const [checkedIn, rebuilt, modelFile, clipFile] = process.argv.slice(2);

/** The functions of `bindings.js`, which is a script, with `engine.wasm` next to it. */
function engineIn(dir) {
  const bindings = new Function(`${readFileSync(join(dir, "bindings.js"), "utf8")}; return wasm_bindgen;`)();
  bindings.initSync({ module: readFileSync(join(dir, "engine.wasm")) });
  return bindings;
}

const QUANTITIES = ["probabilities", "running", "alpha", "dx", "dcontext", "0.h", "0.di", "1.c", "1.dc", "1.df"];
const CHANGES = ["{}", '{"cut": true, "label": 2}', '{"hold": [{"lstm": 1, "gate": 1, "value": 0}], "silence": [0, 3]}'];
const TRAINING = { hidden: 6, lstms: 2, residual: true, forget_bias: 2, rate: 0.02, clip: 1, frames: 12, seed: 4, fault: 0 };

/** Numbers of everything that the page asks for. */
function numbersOf(engine) {
  const lab = new engine.Lab(readFileSync(modelFile), 0);
  const { samples, rate } = readWav(clipFile);
  const first = lab.clip(samples, rate, "{}");
  const numbers = CHANGES.flatMap((change) => {
    const clip = lab.again(first, change);
    return QUANTITIES.flatMap((name) => [...clip.values(name)]);
  });
  const live = lab.live(rate);
  for (let from = 0; from < samples.length; from += 2048) numbers.push(...live.push(samples.subarray(from, from + 2048)));
  numbers.push(...lab.live_clip(live, "{}").values("dx"), ...lab.answer(samples, rate));
  numbers.push(...first.derivative(0, 10, 2, 5, Float64Array.of(1e-2, 1e-3)).slice(0, 5));
  numbers.push(...engine.forget(2, 8, 8, 30, 1));
  const training = new engine.Training(JSON.stringify(TRAINING));
  for (let step = 0; step < 20; step += 1) numbers.push(...training.step());
  const lengths = Uint32Array.from({ length: 12 }, (_, n) => 4 + (n % 3));
  const frames = lengths.reduce((sum, length) => sum + length, 0);
  const values = Int8Array.from({ length: 3 * frames }, (_, n) => ((7 * n) % 41) - 20);
  const voices = engine.Training.of_clips(JSON.stringify(TRAINING), lengths, Uint8Array.from(lengths, (_, n) => n % 2), values, 4);
  for (let step = 0; step < 10; step += 1) numbers.push(...voices.step());
  numbers.push(voices.accuracy(1), ...voices.example(1, 2));
  for (let fault = 0; fault < engine.fault_count(); fault += 1) {
    numbers.push(...JSON.parse(engine.audit_fault(fault, 3)).map(({ backward }) => backward));
  }
  return numbers;
}

const [old, fresh] = [checkedIn, rebuilt].map((dir) => numbersOf(engineIn(dir)));
assert(old.length === fresh.length && old.length > 1000, `${old.length} numbers checked in, ${fresh.length} rebuilt`);
// Another compiler may order the operations of f32 training otherwise.
old.forEach((number, n) => {
  assert(Math.abs(number - fresh[n]) <= 1e-4 * Math.max(Math.abs(fresh[n]), 1e-3), `number ${n}: ${number} checked in, ${fresh[n]} rebuilt`);
});
console.log(`lab: ${old.length} numbers of the engine that is checked in are those of one built now`);
