// Recognise emotion in speech. Picks the WebAssembly build for this machine and makes objects of the engine's rows of numbers.
// Types and comments for callers are in reslstm.d.ts.

/** The smallest module with a vector instruction: valid where simd128 is. */
const VECTOR_MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** The bytes at an address next to this file: in a browser by fetch, in node from the disk. */
async function bytesAt(name) {
  const address = new URL(name, import.meta.url);
  if (address.protocol === "file:" && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(address));
  }
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}

const engines = new Map();

/** The engine of build "simd128" or "scalar", loaded once. */
function engineOf(build) {
  if (!engines.has(build)) {
    const loaded = Promise.all([import(`./${build}/engine.js`), bytesAt(`./${build}/engine_bg.wasm`)]);
    engines.set(build, loaded.then(([engine, bytes]) => {
      engine.initSync({ module: bytes });
      return engine;
    }));
  }
  return engines.get(build);
}

const bestBuild = () => (WebAssembly.validate(VECTOR_MODULE) ? "simd128" : "scalar");

function checkedSamples(samples) {
  if (samples instanceof Float32Array) return samples;
  if (samples instanceof Float64Array || Array.isArray(samples)) return Float32Array.from(samples);
  throw new TypeError("samples: expected a Float32Array of one channel, full scale -1 to 1");
}

function checkedRate(rate) {
  if (Number.isInteger(rate) && rate > 0 && rate < 2 ** 32) return rate;
  throw new TypeError(`rate: expected a whole number of Hz, got ${rate}`);
}

/** The predictions of rows of numbers, whose layout src/lib.rs states. */
function* predictions(rows, labels) {
  const width = 5 + labels.length;
  for (let start = 0; start < rows.length; start += width) {
    const [time, level, speech, hasSpeech, unlike, ...probabilities] = rows.subarray(start, start + width);
    const best = probabilities.indexOf(Math.max(...probabilities));
    yield {
      time, level, speech, hasSpeech: hasSpeech === 1, unlike: Number.isNaN(unlike) ? undefined : unlike, label: labels[best],
      probabilities: Object.fromEntries(labels.map((label, k) => [label, probabilities[k]])),
    };
  }
}

export class Model {
  #inner;

  constructor(inner, build) {
    this.#inner = inner;
    this.build = build;
    this.labels = inner.labels();
    this.sampleRate = inner.sample_rate();
    const metadata = inner.metadata();
    this.metadata = metadata === undefined ? undefined : JSON.parse(metadata);
  }

  static async load(bytes, { build = bestBuild() } = {}) {
    const [engine, file] = await Promise.all([engineOf(build), bytes ?? bytesAt("./model.safetensors")]);
    const view = file instanceof ArrayBuffer ? new Uint8Array(file) : file;
    if (!(view instanceof Uint8Array)) throw new TypeError("model: expected an ArrayBuffer or a Uint8Array");
    return new Model(new engine.Model(view), build);
  }

  setProfile(profile) {
    this.#inner.set_profile(profile === undefined || typeof profile === "string" ? profile : JSON.stringify(profile));
  }

  predict(samples, rate) {
    const rows = this.#inner.predict(checkedSamples(samples), checkedRate(rate));
    const { time: duration, ...prediction } = predictions(rows, this.labels).next().value;
    return { duration, ...prediction };
  }

  stream(rate, { adapt = false } = {}) {
    return new Stream(this.#inner.stream(checkedRate(rate), adapt), this.labels);
  }

  free() {
    this.#inner.free();
  }
}

export class Stream {
  #inner;
  #labels;

  constructor(inner, labels) {
    this.#inner = inner;
    this.#labels = labels;
  }

  push(samples) {
    return [...predictions(this.#inner.push(checkedSamples(samples)), this.#labels)];
  }

  finish() {
    return [...predictions(this.#inner.finish(), this.#labels)];
  }

  free() {
    this.#inner.free();
  }
}
