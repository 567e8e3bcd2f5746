// Clips as numbers, and comparisons with the command.
import { readFileSync } from "node:fs";

/** One channel of a 16-bit PCM WAV file as the command's `synth` writes it, and its rate. */
export function readWav(path) {
  const bytes = readFileSync(path);
  if (bytes.toString("latin1", 36, 40) !== "data") throw new Error(`${path}: expected a plain WAV file`);
  const samples = new Float32Array((bytes.length - 44) / 2);
  for (let n = 0; n < samples.length; n += 1) samples[n] = bytes.readInt16LE(44 + 2 * n) / 32768;
  return { samples, rate: bytes.readUInt32LE(24) };
}

/** The largest difference between the probabilities of two predictions. */
export function difference(a, b) {
  const labels = Object.keys(b);
  if (labels.join() !== Object.keys(a).join()) throw new Error(`classes ${Object.keys(a)} and ${labels}`);
  return Math.max(...labels.map((label) => Math.abs(a[label] - b[label])));
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}
