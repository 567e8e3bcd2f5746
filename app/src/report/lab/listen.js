// Room 1: the sound, the attention, the label; then every value of the network on one time axis.

const listen = { figures: {}, details: null, maps: [], bars: null, label: null };

addRoom("listen", {
  build(section) {
    section.classList.add("timed");
    const sound = figure({ title: TEXTS.sound, height: 110, timed: true });
    sound.draw = drawWaveform;
    const attention = figure({ title: TEXTS.attention, note: TEXTS.attentionNote, height: 90, timed: true });
    attention.caption.append(" ", listen.alpha = make("span", { className: "value" }));
    attention.draw = (context, width, height) => {
      const { values } = state.view.get("alpha");
      drawArea(context, width, height, values, "green");
      attention.scale(short(Math.max(...values)), "0");
    };
    const running = figure({ title: TEXTS.running, note: TEXTS.runningNote, height: 130, timed: true });
    running.draw = (context, width, height) => drawShares(context, width, height, state.view.get("running"));
    running.scale("1", "0");
    listen.ticks = [secondsAxis(), secondsAxis()];
    listen.bars = bars();
    listen.verdict = make("p", { className: "verdict" });
    listen.legend = legend(LABELS.map((label, k) => ({ ...classStyle(k), text: labelName(label) })));
    listen.label = labelChoice("loss-label");
    section.append(
      make("article", { className: "panel story" }, make("h2", {}, TEXTS.storyTitle), make("p", { className: "note" }, TEXTS.storyNote),
        sound.element, attention.element, running.element, listen.ticks[0].element, listen.legend),
      make("article", { className: "panel" }, make("h2", {}, TEXTS.answerTitle), listen.verdict, listen.bars.table),
      listen.details = make("article", { className: "panel wide" }),
    );
    listen.story = { sound, attention, running };
    listen.figures = { ...listen.story };
  },
  load(view) {
    if (listen.details.childElementCount === 0) buildDetails(view);
    Object.values(listen.figures).forEach((it) => it.paint());
    listen.ticks.forEach((it) => it.show(view));
    listen.loss.textContent = TEXTS.loss(labelName(LABELS[view.label]), fixed(view.loss));
  },
  forget() {
    listen.details.replaceChildren();
    listen.figures = { ...listen.story };
    listen.maps = [];
  },
  move(view) {
    listen.maps.forEach((it) => it.tell(view));
    listen.alpha.textContent = TEXTS.alphaAt(now.t, percent(view.get("alpha").at(now.t)));
    const running = view.get("running");
    const shares = Array.from(LABELS, (_, k) => running.at(now.t, k));
    showAnswer(shares, now.t === view.frames - 1);
  },
});

function showAnswer(shares, isLast) {
  const best = indexOfLargest(shares);
  listen.bars.show(shares);
  listen.verdict.textContent = TEXTS.verdict(labelName(LABELS[best]), percent(shares[best]), isLast);
}

const CLASS_COLOURS = ["blue", "vermillion", "green", "ink"];
/** Eight ways to dash a curve: eight classes that differ without colour too. */
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [18, 5], [4, 7], [10, 3, 2, 3, 2, 3], [2, 7]];
const classStyle = (k) => ({ colour: CLASS_COLOURS[k % 4], dash: DASHES[k % 8] });

function drawWaveform(context, width, height) {
  const { sound: samples } = state;
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-6);
  context.fillStyle = colour("ink");
  for (let x = 0; x < width; x += 1) {
    const [from, to] = [x, x + 1].map((edge) => Math.floor((edge / width) * samples.length));
    let [least, most] = [0, 0];
    for (let n = from; n < to; n += 1) [least, most] = [Math.min(least, samples[n]), Math.max(most, samples[n])];
    const [top, bottom] = [most, least].map((sample) => height / 2 - (sample / loudest) * (height / 2 - 3));
    context.fillRect(x, top, 1, Math.max(bottom - top, 1));
  }
}

function drawArea(context, width, height, values, name) {
  const most = Math.max(...values);
  context.fillStyle = colour(name);
  values.forEach((value, t) => {
    const [left, right] = [t, t + 1].map((edge) => (edge / values.length) * width);
    const size = (value / most) * (height - 4);
    context.fillRect(left, height - size, Math.max(right - left - 0.5, 0.5), size);
  });
}

function drawShares(context, width, height, matrix) {
  const lines = LABELS.map((_, k) => ({
    values: Array.from({ length: matrix.rows }, (_, t) => matrix.at(t, k)), ...classStyle(k), width: k === state.view.best ? 4 : 2,
  }));
  curves(context, width, height, lines, { most: 1 });
}

/** The length of every row of a matrix. */
function lengths(matrix) {
  return Array.from({ length: matrix.rows }, (_, t) => {
    let sum = 0;
    for (let c = 0; c < matrix.columns; c += 1) sum += matrix.at(t, c) ** 2;
    return Math.sqrt(sum);
  });
}

/** Every value and gradient of the clip, one heat map each. */
function buildDetails(view) {
  const heat = (title, note, name, { kind, lstm, height = 70 } = {}) => {
    const rowsOf = () => ({ rows: state.view.get(name).columns, lstm });
    const it = figure({ title, note, height, timed: true, rowsOf });
    const strongest = make("span");
    it.draw = (context, width, height) => {
      const size = heatmap(context, width, height, state.view.get(name), kind);
      if (kind !== "share") strongest.textContent = TEXTS.strongest(short(size));
    };
    // The number of the selected place, for those who cannot read it from a colour.
    const value = make("span", { className: "value" });
    it.caption.append(" ", strongest, " ", value);
    const rowName = lstm === undefined ? featureName : TEXTS.unitName;
    it.scale(...[0, view.get(name).columns - 1].map((row) => (lstm === undefined ? rowName(row) : String(row))));
    it.tell = (view) => {
      const row = lstm === undefined ? now.column : now.lstm === lstm ? now.unit : 0;
      value.textContent = TEXTS.valueAt(rowName(row), now.t, fixed(view.get(name).at(now.t, row)));
    };
    listen.maps.push(it);
    listen.figures[`${title} ${name}`] = it;
    return it.element;
  };
  const flow = figure({ title: TEXTS.flow, note: TEXTS.flowNote, height: 110, timed: true });
  const named = view.units.map((_, l) => (l === view.units.length - 1 ? { name: `${l}.dh`, colour: "blue", dash: [] } : { name: `${l}.dh`, colour: "vermillion", dash: [6, 4] }));
  flow.draw = (context, width, height) => {
    const { top, bottom } = curves(context, width, height, [
      ...named.map(({ name, ...style }) => ({ values: lengths(state.view.get(name)), ...style })),
      { values: lengths(state.view.get("dx")), colour: "ink", dash: [2, 3] },
    ], { log: true });
    flow.scale(short(top), short(bottom));
  };
  listen.figures.flow = flow;
  const lstms = view.units.map((units, l) => make("details", { open: l === view.units.length - 1 },
    make("summary", {}, TEXTS.lstmTitle(l, view.units.length, units)),
    ...["i", "f", "g", "o", "c", "h"].map((gate) => heat(TEXTS.quantities[gate], "", `${l}.${gate}`, {
      kind: "ifo".includes(gate) ? "share" : "signed", lstm: l,
    }))));
  listen.loss = make("p", { className: "note" });
  listen.details.append(
    make("h2", {}, TEXTS.detailsTitle), make("p", { className: "note" }, TEXTS.detailsNote), signs(),
    heat(TEXTS.features, TEXTS.featuresNote, "x"),
    ...lstms,
    make("h2", {}, TEXTS.gradientsTitle), listen.label, listen.loss,
    flow.element,
    legend([
      ...named.map(({ colour, dash }, l) => ({ colour, dash, text: TEXTS.lstmName(l, view.units.length) })),
      { colour: "ink", dash: [2, 3], text: TEXTS.input },
    ]),
    heat(TEXTS.saliency, TEXTS.saliencyNote, "dx"), listen.ticks[1].element,
  );
}
