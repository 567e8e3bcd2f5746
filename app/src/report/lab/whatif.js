// Room 3: a change, and what becomes of the answer, the attention, the gradient. And how far a gradient reaches.

/** The changes. Pitch: the recording played faster or slower. Noise: its level below the sound's, dB; 61: none. */
const NO_NOISE = 61;
const whatIf = { hold: new Map(), cut: false, silence: new Set(), pitch: 0, noise: NO_NOISE, controls: [] };

addRoom("whatif", {
  build(section) {
    section.classList.add("timed");
    whatIf.form = make("div", { className: "changes" });
    whatIf.bars = bars();
    whatIf.said = make("p", { className: "verdict", role: "status" });
    const attention = figure({ title: TEXTS.attention, height: 120, timed: true });
    compare(attention, (view) => view.get("alpha").values, { least: 0 });
    const flow = figure({ title: TEXTS.flow, note: TEXTS.flowLastNote, height: 110, timed: true });
    compare(flow, (view) => lengths(view.get(`${view.units.length - 1}.dc`)), { log: true });
    const input = figure({ title: TEXTS.flowInput, note: TEXTS.flowInputNote, height: 110, timed: true });
    compare(input, (view) => lengths(view.get("dx")), { log: true });
    whatIf.figures = [attention, flow, input];
    whatIf.ticks = secondsAxis();
    const key = legend([{ colour: "faint", dash: [5, 4], text: TEXTS.before }, { colour: "vermillion", text: TEXTS.after }]);
    section.append(
      make("article", { className: "panel" }, make("h2", {}, TEXTS.change), make("p", { className: "note" }, TEXTS.changeNote), whatIf.form),
      make("article", { className: "panel" }, make("h2", {}, TEXTS.effect), whatIf.said, whatIf.bars.table,
        ...whatIf.figures.map(({ element }) => element), whatIf.ticks.element, key),
      forgetPanel(),
    );
  },
  load(view) {
    if (whatIf.form.childElementCount === 0) buildChanges(view);
    applyChanges();
    whatIf.ticks.show(view);
  },
  forget() {
    forgetChanges();
    state.changed?.clip.free();
    state.changed = null;
  },
});

function forgetChanges() {
  Object.assign(whatIf, { hold: new Map(), cut: false, silence: new Set(), pitch: 0, noise: NO_NOISE });
  whatIf.form.replaceChildren();
}

/** A figure that draws what `read` takes from the clip, and from the changed one. */
function compare(it, read, options) {
  it.draw = (context, width, height) => {
    const lines = [{ values: read(state.view), colour: "faint", dash: [5, 4] }];
    if (state.changed) lines.push({ values: stretched(read(state.changed), state.view.frames), colour: "vermillion" });
    const { top, bottom } = curves(context, width, height, lines, options);
    it.scale(short(top), short(bottom));
  };
}

/** The values of a clip of another length, on the time axis of `frames` frames. */
function stretched(values, frames) {
  if (values.length === frames) return values;
  return Array.from({ length: frames }, (_, t) => values[Math.min(values.length - 1, Math.floor((t / frames) * values.length))]);
}

function buildChanges(view) {
  const held = (lstm, gate) => choice([["", TEXTS.free], ["0", "0"], ["1", "1"]], (value) => {
    if (value === "") whatIf.hold.delete(`${lstm}${gate}`);
    else whatIf.hold.set(`${lstm}${gate}`, { lstm, gate, value: Number(value) });
    applyChanges();
  }, { id: `hold-${lstm}-${GATES[gate]}` });
  const gates = view.units.map((_, lstm) => make("fieldset", {},
    make("legend", {}, TEXTS.holdGates(lstm, view.units.length)),
    ...GATES.map((name, gate) => control(name, held(lstm, gate)))));
  const box = (text, id, onChange) => {
    const input = make("input", { type: "checkbox", id });
    input.addEventListener("change", () => {
      onChange(input.checked);
      applyChanges();
    });
    return make("label", { className: "check" }, input, text);
  };
  let first = 0;
  const groups = data.branches[branch].groups.map(({ kind, count }) => {
    const columns = Array.from({ length: count }, (_, n) => first + n);
    first += count;
    return box(TEXTS.silenceGroup(kindName(kind), count), `silence-${kind}`, (on) =>
      columns.forEach((column) => (on ? whatIf.silence.add(column) : whatIf.silence.delete(column))));
  });
  const pitch = slider({ min: -12, max: 12, step: 1, value: 0, show: TEXTS.semitones }, (value) => {
    whatIf.pitch = value;
    applySoon();
  });
  const noise = slider({ min: 0, max: NO_NOISE, step: 1, value: NO_NOISE, show: (it) => (it === NO_NOISE ? TEXTS.none : `${it} dB`) }, (value) => {
    whatIf.noise = value;
    applySoon();
  });
  const reset = make("button", { id: "reset-changes" }, TEXTS.reset);
  reset.addEventListener("click", () => {
    forgetChanges();
    buildChanges(state.view);
    applyChanges();
  });
  whatIf.form.append(
    ...gates,
    ...(view.units.length > 1 ? [box(TEXTS.cut, "cut", (on) => { whatIf.cut = on; })] : []),
    make("fieldset", {}, make("legend", {}, TEXTS.silence), ...groups),
    make("fieldset", {}, make("legend", {}, TEXTS.soundChanges), control(TEXTS.pitch, pitch), control(TEXTS.noise, noise)),
    reset,
  );
}

let pending = 0;
function applySoon() {
  clearTimeout(pending);
  pending = setTimeout(applyChanges, 120);
}

/** The sound with the changes of pitch and noise. */
function changedSound() {
  const factor = 2 ** (whatIf.pitch / 12);
  // Played faster, the same samples belong to a higher rate.
  const rate = Math.round(state.rate * factor);
  if (whatIf.noise === NO_NOISE) return { samples: state.samples, rate };
  const power = state.samples.reduce((total, sample) => total + sample * sample, 0) / state.samples.length;
  const size = Math.sqrt(3 * power) * 10 ** (-whatIf.noise / 20);
  let seed = 1;
  const samples = state.samples.map((sample) => {
    // A linear congruential generator: the same noise every time. Uniform in ±size has a third of the power of size².
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return sample + size * (2 * (seed / 2 ** 32) - 1);
  });
  return { samples, rate };
}

function applyChanges() {
  const { view } = state;
  const settings = JSON.stringify({
    label: view.label, hold: [...whatIf.hold.values()], cut: whatIf.cut, silence: [...whatIf.silence],
  });
  state.changed?.clip.free();
  if (whatIf.pitch === 0 && whatIf.noise === NO_NOISE) {
    state.changed = new View(lab.again(view.clip, settings));
  } else {
    const { samples, rate } = changedSound();
    state.changed = new View(lab.clip(samples, rate, settings));
  }
  const [before, after] = [view, state.changed].map((it) => ({ label: labelName(LABELS[it.best]), share: percent(it.probabilities[it.best]) }));
  whatIf.said.textContent = TEXTS.effectSaid(before, after);
  whatIf.bars.show([...state.changed.probabilities], [...view.probabilities]);
  whatIf.figures.forEach((it) => it.paint());
}

// ---------------------------------------------------------------- the forget bias

const FORGET_FRAMES = 60;
const forgetting = { bias: 2 };

function forgetPanel() {
  const plot = figure({ title: TEXTS.forgetFigure, height: 200 });
  const said = make("p", { className: "verdict", role: "status" });
  const update = (bias) => {
    forgetting.bias = bias;
    const values = wasm_bindgen.forget(bias, 16, 16, FORGET_FRAMES, 1);
    // From the last frame back, in shares of what the last frame has.
    const back = (from) => Array.from({ length: FORGET_FRAMES }, (_, n) => values[from + FORGET_FRAMES - 1 - n] / values[from + FORGET_FRAMES - 1]);
    forgetting.measured = back(0);
    const sigma = 1 / (1 + Math.exp(-bias));
    forgetting.expected = Array.from({ length: FORGET_FRAMES }, (_, n) => sigma ** n);
    forgetting.halfLife = halfLife(forgetting.measured);
    forgetting.mean = values[2 * FORGET_FRAMES];
    said.textContent = TEXTS.forgetSaid(fixed(sigma, 3), fixed(forgetting.measured[10], 4), fixed(sigma ** 10, 4), forgetting.halfLife);
    plot.paint();
  };
  plot.scale("1", "0");
  plot.draw = (context, width, height) => {
    curves(context, width, height, [
      { values: forgetting.expected, colour: "faint", dash: [5, 4] }, { values: forgetting.measured, colour: "blue" },
    ], { most: 1 });
    drawHalf(context, width, height, forgetting.halfLife);
  };
  const input = slider({ min: -2, max: 6, step: 0.25, value: 2, show: (it) => fixed(it, 2) }, update);
  input.querySelector("input").id = "forget-bias";
  const article = panel(TEXTS.forgetTitle, TEXTS.forgetNote, control(TEXTS.forgetBias, input), said, plot.element,
    legend([{ colour: "faint", dash: [5, 4], text: TEXTS.forgetExpected }, { colour: "blue", text: TEXTS.forgetMeasured }]));
  article.classList.add("wide");
  update(2);
  return article;
}

/** Marks where half is left. */
function drawHalf(context, width, height, frames) {
  const [x, y] = [((Math.min(frames, FORGET_FRAMES) + 0.5) / FORGET_FRAMES) * width, 0.5 * (height - 4) + 2];
  context.strokeStyle = colour("ink");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, y);
  context.lineTo(Math.min(x, width), y);
  if (Number.isFinite(frames)) context.lineTo(x, height);
  context.stroke();
  context.fillStyle = colour("ink");
  context.font = "14px system-ui, sans-serif";
  const text = TEXTS.halfAfter(frames);
  context.fillText(text, Math.min(x + 24, width - context.measureText(text).width - 8), y - 6);
}

/** The first frame back at which half of the gradient is left, counted in whole frames; none within the clip: infinity. */
function halfLife(shares) {
  const n = shares.findIndex((share) => share <= 0.5);
  return n < 0 ? Infinity : n;
}
