// The engine in the page, and the state that all rooms share.

const byId = (id) => document.getElementById(id);
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

wasm_bindgen.initSync({ module: bytesOf(data.wasm) });
/** The branch of the model that is shown, from 0; a model without branches has one. */
let branch = clamp(Number(address.get("branch") ?? 1) - 1, 0, data.branches.length - 1);
let lab = new wasm_bindgen.Lab(bytesOf(data.model), branch);
const GATES = ["i", "f", "g", "o"];
const LABELS = data.labels;

/** The values and gradients of a clip: matrices by name, read once. */
class View {
  constructor(clip) {
    this.clip = clip;
    this.frames = clip.frames();
    this.units = [...clip.units()];
    this.label = clip.label();
    this.loss = clip.loss();
    this.matrices = new Map();
  }

  /** A matrix, of frames unless `rows` says otherwise. */
  get(name, rows = this.frames) {
    if (!this.matrices.has(name)) {
      const values = this.clip.values(name);
      const columns = values.length / rows;
      this.matrices.set(name, { name, values, rows, columns, at: (row, column = 0) => values[row * columns + column] });
    }
    return this.matrices.get(name);
  }

  get probabilities() {
    return this.get("probabilities", 1).values;
  }

  get best() {
    return indexOfLargest(this.probabilities);
  }
}

/** The samples, what the model reads of them (at its rate), the view of them without a change, and with those of the room "what if". */
const state = { name: "", samples: new Float32Array(0), rate: data.rate, sound: null, view: null, changed: null, label: null };
/** The selected frame, LSTM, unit and feature. */
const now = { t: 0, lstm: 0, unit: 0, column: 0, playing: null };

const rooms = [];
let room = null;

/** Adds a room: its name, how it is built once, how it shows a new clip (`load`) and another frame (`move`), and how it forgets what
    belongs to a network (`forget`). */
function addRoom(name, { build, load = () => {}, move = () => {}, forget = () => {} }) {
  const section = document.createElement("section");
  Object.assign(section, { id: `room-${name}`, className: "room", hidden: true });
  section.setAttribute("role", "tabpanel");
  rooms.push({ name, section, build, load, move, forget, stale: true });
}

const settings = (label) => JSON.stringify(label === null ? {} : { label });

/** Takes a sound of one channel as the clip. */
function takeSound(samples, rate, name) {
  let clip, sound, answer;
  try {
    sound = lab.sound(samples, rate);
    clip = lab.clip(samples, rate, settings(state.label));
    answer = data.branches.length > 1 ? [...lab.answer(samples, rate)] : null;
  } catch (error) {
    byId("about").textContent = `${name}: ${error.message}`;
    return;
  }
  takeClip({ samples, rate, name, sound, answer }, clip);
}

/** Takes a clip that is computed. `answer`: the probabilities by all branches, where they are known. */
function takeClip(source, clip) {
  state.view?.clip.free();
  Object.assign(state, source, { view: new View(clip) });
  now.t = Math.min(now.t, state.view.frames - 1);
  now.lstm = Math.min(now.lstm, state.view.units.length - 1);
  now.unit = Math.min(now.unit, state.view.units[now.lstm] - 1);
  byId("time").max = state.view.frames - 1;
  now.column = Math.min(now.column, state.view.get("x").columns - 1);
  showAbout(state.view.probabilities);
  rooms.forEach((it) => { it.stale = true; });
  showRoom();
}

/** Says in a line what the sound is, and the answer. */
function showAbout(probabilities) {
  const { name, samples, rate, answer } = state;
  const best = (shares) => {
    const k = indexOfLargest(shares);
    return [labelName(LABELS[k]), percent(shares[k])];
  };
  const branches = answer ? TEXTS.allBranches(data.branches.length, ...best(answer)) : "";
  byId("about").textContent = TEXTS.about(name, samples.length / rate, ...best(probabilities), branches);
}

/** A choice of the class whose loss the gradients belong to; all of them show the same class. */
const labelChoices = [];
function labelChoice(id) {
  const select = choice([["", TEXTS.mostProbable], ...LABELS.map((label, k) => [k, labelName(label)])],
    (value) => chooseLabel(value === "" ? null : Number(value)), { id });
  labelChoices.push(select);
  return control(TEXTS.lossOf, select);
}

/** Gradients of another class; null: the most probable one. */
function chooseLabel(label) {
  state.label = label;
  labelChoices.forEach((select) => { select.value = label ?? ""; });
  const { samples, rate, name, sound, answer, view } = state;
  takeClip({ samples, rate, name, sound, answer }, lab.again(view.clip, settings(label)));
}

/** Shows another branch of the model. */
function chooseBranch(number) {
  if (microphone.running) stopMicrophone();
  branch = number;
  lab.free();
  lab = new wasm_bindgen.Lab(bytesOf(data.model), branch);
  rooms.forEach((it) => it.forget());
  takeSound(state.samples, state.rate, state.name);
}

function showRoom() {
  if (!room || !state.view) return;
  if (room.stale) {
    room.stale = false;
    room.load(state.view);
  }
  moveTo(now);
}

/** Selects a frame, an LSTM, a unit, a feature. */
function moveTo({ t = now.t, lstm = now.lstm, unit = now.unit, column = now.column }) {
  const { frames, units } = state.view;
  now.t = clamp(Math.round(t), 0, frames - 1);
  now.lstm = clamp(lstm, 0, units.length - 1);
  now.unit = clamp(unit, 0, units[now.lstm] - 1);
  now.column = clamp(column, 0, state.view.get("x").columns - 1);
  byId("time").value = now.t;
  byId("time").setAttribute("aria-valuetext", TEXTS.now(now.t, frames - 1, now.t * data.seconds));
  byId("now").textContent = TEXTS.now(now.t, frames - 1, now.t * data.seconds);
  document.querySelectorAll(".room:not([hidden]) .cursor").forEach((cursor) => {
    cursor.style.left = `${(100 * (now.t + 0.5)) / frames}%`;
  });
  room?.move(state.view);
}

function openRoom(name) {
  room = rooms.find((it) => it.name === name) ?? rooms[0];
  for (const it of rooms) {
    it.section.hidden = it !== room;
    const tab = byId(`tab-${it.name}`);
    tab.setAttribute("aria-selected", it === room);
    tab.tabIndex = it === room ? 0 : -1;
  }
  byId("transport").hidden = !room.section.classList.contains("timed");
  showRoom();
}

// ---------------------------------------------------------------- numbers as text

function clamp(number, least, most) {
  return Math.min(Math.max(number, least), most);
}

function indexOfLargest(values) {
  return values.reduce((best, value, n) => (value > values[best] ? n : best), 0);
}

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const labelName = (label) => TEXTS.labels[label] ?? label;
const kindName = (kind) => TEXTS.kinds[kind] ?? kind;

/** The name of a column of the features: its kind, and its number within that. */
function featureName(column) {
  const names = data.branches[branch].groups.flatMap(({ kind, count }) => Array.from({ length: count }, (_, n) => `${kindName(kind)} ${n}`));
  return names[column];
}

/** A number with `digits` decimal places; a small one with its exponent. */
function fixed(number, digits = 4) {
  const small = number !== 0 && Math.abs(number) < 0.5 * 10 ** -digits;
  return (small ? number.toExponential(1) : number.toFixed(digits)).replaceAll("-", "−");
}

/** A number for the edge of a figure: two digits. */
function short(number) {
  const plain = number === 0 || (Math.abs(number) >= 0.01 && Math.abs(number) < 1000);
  return (plain ? String(Number(number.toPrecision(2))) : number.toExponential(0)).replaceAll("-", "−");
}

// ---------------------------------------------------------------- elements

/** An element with attributes and children: `make("p", { className: "note" }, "text", child)`. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && name !== "list" && name !== "style") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A panel: a heading, a sentence, and content. */
function panel(title, note, ...children) {
  return make("article", { className: "panel" }, make("h2", {}, title), make("p", { className: "note" }, note), ...children);
}

/** A labelled control. */
function control(label, input) {
  return make("label", { className: "control" }, make("span", {}, label), input);
}

function choice(options, onChoose, attributes = {}) {
  const select = make("select", attributes, ...options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => onChoose(select.value));
  return select;
}

/** A slider with its value next to it. */
function slider({ min, max, step, value, show = String }, onInput) {
  const input = make("input", { type: "range", min, max, step });
  input.value = value;
  const output = make("output", {}, show(Number(value)));
  const update = () => {
    output.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    update();
    onInput(Number(input.value));
  });
  update();
  const box = make("span", { className: "slider" }, input, output);
  box.set = (number) => {
    input.value = number;
    update();
  };
  return box;
}
