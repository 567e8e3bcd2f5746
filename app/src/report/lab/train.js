// Room 5: a network learns from random weights: which of two symbols came first, or which of two emotions a voice has.

const training = { running: false, network: null, losses: [], gradients: [], parts: [], forget: [], accuracy: [], example: null };

const TRAIN_DEFAULTS = { hidden: 8, lstms: 1, residual: true, forget_bias: 2, rate: 10 ** -1.75, clip: 0, frames: 12, seed: 0, fault: 0 };

/** Of the gates i, f and o of a unit. */
const GATE_STYLES = [{ colour: "vermillion", dash: [6, 4] }, { colour: "green", dash: [] }, { colour: "blue", dash: [2, 3] }];

addRoom("train", {
  build(section) {
    training.settings = { ...TRAIN_DEFAULTS };
    training.task = "symbols";
    const set = (name) => (value) => {
      training.settings[name] = value;
      resetTraining();
    };
    const task = choice([["symbols", TEXTS.taskSymbols], ["voices", TEXTS.taskVoices]], (value) => {
      training.task = value;
      resetTraining();
    }, { id: "train-task" });
    const networks = [["1", TEXTS.oneLstm], ["2", TEXTS.twoLstms], ["2cut", TEXTS.twoLstmsCut]];
    const network = choice(networks, (value) => {
      Object.assign(training.settings, { lstms: Number(value[0]), residual: value !== "2cut" });
      resetTraining();
    }, { id: "train-network" });
    const faults = Array.from({ length: wasm_bindgen.fault_count() }, (_, n) => [n, n === 0 ? TEXTS.noFault : TEXTS.faults[n] ?? wasm_bindgen.fault_sentence(n)]);
    const fault = choice(faults, (value) => set("fault")(Number(value)), { id: "train-fault" });
    const logRate = slider({ min: -4, max: 0, step: 0.25, value: Math.log10(TRAIN_DEFAULTS.rate), show: (it) => (10 ** it).toPrecision(2) }, (it) => set("rate")(10 ** it));
    const of = (name, range) => {
      const input = slider({ value: TRAIN_DEFAULTS[name], ...range }, set(name));
      input.querySelector("input").id = `train-${name}`;
      return input;
    };
    training.start = make("button", { id: "train-start", className: "primary" }, TEXTS.start);
    training.start.addEventListener("click", () => (training.running ? pauseTraining() : runTraining()));
    const one = make("button", { id: "train-step" }, TEXTS.oneStep);
    one.addEventListener("click", () => {
      pauseTraining();
      trainStep();
      examine();
    });
    const reset = make("button", { id: "train-reset" }, TEXTS.newWeights);
    reset.addEventListener("click", () => set("seed")(training.settings.seed + 1));
    training.said = make("p", { className: "verdict", role: "status" });
    const drawn = (title, note, edges, draw, height = 130) => {
      const it = figure({ title, note, height, axis: edges !== null });
      it.scale(...edges ?? []);
      it.draw = (...place) => draw(...place, it);
      return it;
    };
    training.figures = [
      drawn(TEXTS.lossFigure, TEXTS.lossFigureNote, ["1", "0"], (context, width, height) =>
        curves(context, width, height, [{ values: training.losses, colour: "blue" }], { most: 1 })),
      drawn(TEXTS.accuracyFigure, "", [percent(1), percent(0.4)], (context, width, height) =>
        curves(context, width, height, [{ values: training.accuracy, colour: "green" }], { least: 0.4, most: 1 }), 90),
      drawn(TEXTS.normFigure, TEXTS.normFigureNote, [], (context, width, height, it) => {
        const { top, bottom } = curves(context, width, height, [
          { values: training.gradients, colour: "ink" },
          ...(training.settings.lstms === 2 ? [{ values: training.parts.map((part) => part[0]), colour: "vermillion", dash: [6, 4] }] : []),
        ], { log: true });
        it.scale(...training.gradients.length > 0 ? [short(top), short(bottom)] : ["", ""]);
      }),
      drawn(TEXTS.forgetGateFigure, "", ["1", "0"], (context, width, height) =>
        curves(context, width, height, [{ values: training.forget, colour: "green" }], { most: 1 }), 90),
      drawn(TEXTS.exampleFigure, TEXTS.exampleFigureNote, null, drawExample, 150),
      drawn(TEXTS.gatesFigure, TEXTS.gatesFigureNote, null, (context, width, height) =>
        curves(context, width, height, GATE_STYLES.map((style, k) => ({ values: training.example.gates[k], ...style })), { most: 1 }), 90),
    ];
    const [loss, accuracy, norm, forget, example, gates] = training.figures.map(({ element }) => element);
    training.answer = make("p", { className: "verdict" });
    section.append(
      make("article", { className: "panel" }, training.title = make("h2"), training.note = make("p", { className: "note" }), example,
        training.legend = make("div"), training.answer, gates,
        legend(["i", "f", "o"].map((gate, k) => ({ ...GATE_STYLES[k], text: TEXTS.quantities[gate] })))),
      panel(TEXTS.network, TEXTS.networkNote,
        make("div", { className: "settings" }, control(TEXTS.taskChoice, task), control(TEXTS.layers, network), control(TEXTS.hidden, of("hidden", { min: 1, max: 32, step: 1 })),
          control(TEXTS.rate, logRate), control(TEXTS.forgetBias, of("forget_bias", { min: -4, max: 6, step: 0.5, show: (it) => fixed(it, 1) })),
          control(TEXTS.clipping, of("clip", { min: 0, max: 2, step: 0.1, show: (it) => (it === 0 ? TEXTS.none : fixed(it, 1)) })),
          training.longest = control(TEXTS.longest, of("frames", { min: 6, max: 60, step: 1 })), control(TEXTS.fault, fault)),
        make("p", { className: "switch" }, training.start, one, reset), training.said),
      make("article", { className: "panel wide" }, make("h2", {}, TEXTS.progress), make("p", { className: "note" }, TEXTS.progressNote), make("div", { className: "grid" }, loss, accuracy, norm, forget),
        legend([{ colour: "ink", text: TEXTS.allGradients }, { colour: "vermillion", dash: [6, 4], text: TEXTS.lowerGradients }])),
    );
    resetTraining();
  },
});

function resetTraining() {
  pauseTraining();
  training.network?.free();
  const [settings, symbols] = [JSON.stringify(training.settings), training.task === "symbols"];
  training.network = symbols ? new wasm_bindgen.Training(settings) : trainingOfVoices(settings);
  training.columns = symbols ? 2 : data.voices.columns;
  training.title.textContent = symbols ? TEXTS.task : TEXTS.voices;
  training.note.textContent = symbols ? TEXTS.taskNote : TEXTS.voicesNote(data.voices.lengths.length - data.voices.tested, data.voices.tested);
  training.longest.hidden = !symbols;
  const attention = { colour: "green", text: TEXTS.attention };
  training.legend.replaceChildren(...(symbols
    ? [legend([{ colour: "blue", text: "A" }, { colour: "vermillion", dash: [6, 4], text: "B" }, attention])]
    : [signs(TEXTS.aboveMean, TEXTS.belowMean), legend([attention])]));
  Object.assign(training, { losses: [], gradients: [], parts: [], forget: [], accuracy: [], began: null });
  showTraining();
}

/** Training on the synthetic voices of the page. */
function trainingOfVoices(settings) {
  const { lengths, labels, sixteenths, tested } = data.voices;
  const values = new Int8Array(bytesOf(sixteenths).buffer);
  return wasm_bindgen.Training.of_clips(settings, Uint32Array.from(lengths), Uint8Array.from(labels), values, tested);
}

/** One step, and its numbers kept. */
function trainStep() {
  const [loss, all, forget, ...parts] = training.network.step();
  training.losses.push(loss);
  training.gradients.push(all);
  training.forget.push(forget);
  training.parts.push(parts);
}

/** The share of right answers on new sequences, and the pictures. */
function examine() {
  training.accuracy.push(training.network.accuracy(200));
  showTraining();
}

/** Steps until all answers are right twice in a row, or 3000 steps: as many per picture as fit into 30 ms, 20 at most. */
function runTraining() {
  training.running = true;
  training.start.textContent = TEXTS.pause;
  const turn = () => {
    if (!training.running) return;
    const began = performance.now();
    for (let count = 0; count < 20 && performance.now() - began < 30; count += 1) trainStep();
    examine();
    const done = training.accuracy.length > 2 && training.accuracy.slice(-2).every((share) => share === 1);
    if (done || training.losses.length >= 3000 || !Number.isFinite(training.losses.at(-1))) pauseTraining();
    else setTimeout(turn, 0);
  };
  turn();
}

function pauseTraining() {
  training.running = false;
  if (training.start) training.start.textContent = TEXTS.start;
}

function showTraining() {
  const values = [...training.network.example(1, 0)];
  const [frames, label, p] = values;
  const end = 3 + training.columns * frames;
  const [alpha, ...gates] = [0, 1, 2, 3].map((n) => values.slice(end + n * frames, end + (n + 1) * frames));
  training.example = { frames, x: values.slice(3, end), alpha, gates };
  const symbols = training.task === "symbols";
  training.answer.textContent = symbols ? TEXTS.exampleAnswer(label === 1 ? "B" : "A", percent(1 - p), percent(p))
    : TEXTS.voiceAnswer(label, percent(1 - p), percent(p));
  const steps = training.losses.length;
  training.said.textContent = steps === 0 ? TEXTS.untrained
    : TEXTS.trained(steps, fixed(training.losses.at(-1)), percent(training.accuracy.at(-1) ?? 0), symbols ? 200 : data.voices.tested);
  training.figures.forEach((it) => it.paint());
}

/** The numbers of every frame, two curves or a heat map, and the attention as bars. */
function drawExample(context, width, height) {
  const { frames, x, alpha } = training.example;
  const most = Math.max(...alpha);
  if (training.task === "voices") {
    heatmap(context, width, height - 45, { rows: frames, columns: training.columns, values: x });
    context.fillStyle = colour("green");
    alpha.forEach((share, t) => {
      const size = (share / most) * 38;
      context.fillRect((t / frames) * width, height - size, width / frames - 0.5, size);
    });
    return;
  }
  context.fillStyle = colour("green");
  context.globalAlpha = 0.45;
  alpha.forEach((share, t) => {
    const size = (share / most) * (height - 20);
    context.fillRect((t / frames) * width + 2, height - size, width / frames - 4, size);
  });
  context.globalAlpha = 1;
  curves(context, width, height, [0, 1].map((k) => ({
    values: Array.from({ length: frames }, (_, t) => x[2 * t + k]), colour: k === 0 ? "blue" : "vermillion", dash: k === 0 ? [] : [6, 4],
  })), { least: -0.4, most: 1.4 });
}
