/** Frames of the clip, and seconds from one to the next. */
const { frames, seconds } = data;
const byId = (id) => document.getElementById(id);
const labels = data.labels.map(escaped);

/** A matrix [frames, columns] of 32-bit floats, as the engine computed them. */
function matrix({ columns, values }) {
  const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  const numbers = new Float32Array(bytes.buffer);
  return { columns, numbers, at: (t, column) => numbers[t * columns + column] };
}

const x = matrix(data.x);
const saliency = matrix(data.saliency);
const attention = matrix(data.attention);
const scores = matrix(data.scores);
const [dalpha, dscores] = [matrix(data.dalpha), matrix(data.dscores)];
const probabilities = matrix(data.probabilities);
const answer = readAnswer(data.answer, matrix);
const GATES = ["i", "f", "g", "o"];
const lstms = data.lstms.map((lstm) => {
  const read = { name: lstm.name.toUpperCase(), units: lstm.units, reads: lstm.reads };
  for (const name of [...GATES, "c", "tanh_c", "h", "input", "recurrent", "bias", "gradient", "above", "dh", "dc", "di", "df", "dg", "do"]) {
    read[name] = matrix(lstm[name]);
  }
  return read;
});

/** Forward; backward from the loss to the last hidden states; backward through a cell. */
const WAYS = ["forward", "loss", "backward"];
/** The selected frame, LSTM and unit. */
const now = { t: 0, lstm: lstms.length - 1, unit: 0, held: false, view: "story", way: "forward" };

// ---------------------------------------------------------------- colours

/** Colours from zero to large values: from the background over green; the brightness alone orders them too. */
const sequential = () => [paper(), [0, 158, 115], theme.dark ? [220, 255, 240] : [0, 48, 36]];

/** Colours from negative to positive values: blue, background, orange. */
const diverging = () =>
  theme.dark ? [[86, 180, 233], paper(), [240, 138, 74]] : [[0, 114, 178], paper(), [213, 94, 0]];

const paper = () => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);

/** The colour at `fraction` (0 to 1) of evenly spaced stops. */
function between(stops, fraction) {
  const place = Math.min(Math.max(fraction, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  return stops[below].map((from, k) => from + (place - below) * (stops[below + 1][k] - from));
}

/** The magnitude that all but this share of the numbers are below; never 0. */
function size(numbers, beyond = 0) {
  const sizes = numbers.map(Math.abs).sort();
  return sizes[Math.floor((1 - beyond) * (sizes.length - 1))] || 1;
}

// ---------------------------------------------------------------- numbers as text

function fixed(number, digits = 4) {
  const small = number !== 0 && Math.abs(number) < 0.5 * 10 ** -digits;
  return (small ? number.toExponential(1) : number.toFixed(digits)).replaceAll("-", "−");
}

/** `a + b − c`, each in its colour. */
function sum(terms) {
  return terms.map(([style, number], n) => {
    const sign = n === 0 ? "" : number < 0 ? " − " : " + ";
    return `${sign}<span class="${style}">${fixed(n === 0 ? number : Math.abs(number))}</span>`;
  }).join("");
}

/** Two digits at most. */
function short(number) {
  const plain = number === 0 || (Math.abs(number) >= 0.01 && Math.abs(number) < 100);
  return (plain ? String(Number(number.toPrecision(2))) : number.toExponential(0)).replaceAll("-", "−");
}

// ---------------------------------------------------------------- panels

/** The panels that tell the story: what is heard, what counts, what is concluded. */
const STORY = ["sound", "α", "P"];

/** A figure in `section`: its caption, the names of some rows, and an empty plot that follows the pointer. */
function panel(section, { title, note, label, names = [], grow = 1, key = "", lstm = null }) {
  const figure = document.createElement("figure");
  figure.style.flexGrow = grow;
  figure.classList.toggle("story", STORY.includes(title));
  figure.innerHTML = `<figcaption title="${note}"><b>${title}</b><span>${note}</span><div class="key">${key}</div></figcaption>
    <div class="drawing"><div class="names">${names.map(([at, text, style = ""]) =>
      `<span class="${style}" style="top:${100 * at}%">${text}</span>`).join("")}</div>
    <div class="plot" role="img" aria-label="${label}"></div></div>`;
  section.append(figure);
  const plot = figure.querySelector(".plot");
  const place = (event) => {
    const box = plot.getBoundingClientRect();
    const within = (at, from, size, count) => Math.min(Math.max(Math.floor(((at - from) / size) * count), 0), count - 1);
    const t = within(event.clientX, box.left, box.width, frames);
    const row = lstm === null ? null : within(event.clientY, box.top, box.height, lstms[lstm].units);
    return [t, row];
  };
  plot.addEventListener("pointermove", (event) => {
    if (!now.held) show({ t: place(event)[0] });
  });
  plot.addEventListener("click", (event) => {
    const [t, unit] = place(event);
    const other = unit !== null && (lstm !== now.lstm || unit !== now.unit);
    show({ t, held: other || !now.held, ...(unit === null ? {} : { lstm, unit }) });
  });
  return plot;
}

/** Marks of the frame and the unit, above the drawing. */
function mark(plot) {
  plot.insertAdjacentHTML("beforeend", `<i class="row"></i><i class="frame"></i>`);
}

/** All heat maps, coloured again when the theme changes. */
const heatMaps = [];

/** A heat map [frames, rows], row 0 on top. `range` holds the values at the ends of the colours; `clipped` if values lie beyond. */
function heatMap(section, values, range, options) {
  const [low, high] = range;
  const signed = low < 0;
  const [below, above] = options.clipped ? ["≤ ", "≥ "] : ["", ""];
  const key = `${signed ? below : ""}${short(low)}<i></i>${above}${short(high)}`;
  const plot = panel(section, { ...options, key });
  const canvas = document.createElement("canvas");
  // Squeezed, pixels must be mixed; but a few rows not into each other, so each is drawn several times.
  const smooth = frames > 400 || values.columns > 150;
  const times = smooth ? Math.ceil(150 / values.columns) : 1;
  [canvas.width, canvas.height] = [frames, times * values.columns];
  canvas.classList.toggle("smooth", smooth);
  plot.append(canvas);
  if (signed) stripes(plot, values, high);
  mark(plot);
  const swatch = plot.closest("figure").querySelector(".key i");
  swatch.classList.toggle("signed", signed);
  heatMaps.push(() => {
    const stops = signed ? diverging() : sequential();
    swatch.style.background = `linear-gradient(to right, ${stops.map((stop) => `rgb(${stop})`).join(", ")})`;
    const image = new ImageData(frames, canvas.height);
    for (let t = 0; t < frames; t++) {
      for (let row = 0; row < canvas.height; row++) {
        const colour = between(stops, (values.at(t, Math.floor(row / times)) - low) / (high - low));
        image.data.set([...colour, 255], 4 * (row * frames + t));
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  });
}

/** Stripes over clearly negative values: their sign does not depend on colour. */
function stripes(plot, values, high) {
  const canvas = document.createElement("canvas");
  plot.append(canvas);
  const draw = () => {
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    if (width === 0 || height === 0) return;
    [canvas.width, canvas.height] = [width, height];
    const image = new ImageData(width, height);
    const [pale, strong] = [theme.dark ? [0, 30, 50] : [255, 255, 255], diverging()[0]];
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y / height) * values.columns);
      // One diagonal in five pixels.
      for (let x = (5 - (y % 5)) % 5; x < width; x += 5) {
        const value = values.at(Math.floor((x / width) * frames), row) / high;
        if (value < -0.1) image.data.set([...(value < -0.5 ? pale : strong), 255], 4 * (y * width + x));
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
  new ResizeObserver(draw).observe(plot);
  heatMaps.push(draw);
}

/** Lines over the frames; `height` gives the height of a value, 0 to 1. Frame t is at t + 1/2, as in the heat maps. */
function lines(section, series, height, options) {
  const key = series.length < 2 ? "" : series.map(({ name, style }) =>
    `<svg viewBox="0 0 10 4" preserveAspectRatio="none"><path class="${style}" d="M0 2H10"/></svg>${name}`).join(" ");
  const plot = panel(section, { ...options, key });
  const grid = (options.names ?? []).map(([at]) => `<path class="grid" d="M0 ${1000 * at}H${frames}"/>`);
  const paths = series.map(({ numbers, style, filled }) => {
    const points = Array.from(numbers, (number, t) => `${t + 0.5} ${(1000 * (1 - height(number))).toFixed(1)}`);
    const area = filled ? `<path class="filled" opacity="0.35" d="M0.5 1000L${points.join("L")}L${frames - 0.5} 1000Z"/>` : "";
    return `<g class="${style}">${area}<path d="M${points.join("L")}"/></g>`;
  });
  plot.innerHTML = `<svg viewBox="0 0 ${frames} 1000" preserveAspectRatio="none">${grid.join("")}${paths.join("")}</svg>`;
  mark(plot);
}

/** The smallest and largest sample of every time slice; a frame is centred on its time. */
function waveform(section) {
  const peaks = matrix(data.waveform);
  const slices = peaks.numbers.length / 2;
  const loudest = size(peaks.numbers);
  const plot = panel(section, { title: "sound", note: "waveform", grow: 0.7,
    label: `waveform of ${data.duration.toFixed(2)} seconds` });
  const point = (n, side) => {
    const at = 0.5 + (data.duration / seconds) * (n + 0.5) / slices;
    return `${at.toFixed(3)} ${(500 * (1 - peaks.at(n, side) / loudest)).toFixed(1)}`;
  };
  const up = Array.from({ length: slices }, (_, n) => point(n, 1));
  const down = Array.from({ length: slices }, (_, n) => point(slices - 1 - n, 0));
  plot.innerHTML = `<svg viewBox="0 0 ${frames} 1000" preserveAspectRatio="none" class="blue">
    <path class="filled" d="M${[...up, ...down].join("L")}Z"/></svg>`;
  mark(plot);
}

/** Seconds below a column of panels. */
function ticks(section) {
  const end = frames * seconds;
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((step) => end / step <= 8) ?? 10;
  const marks = [];
  for (let n = 0; n * step < end - 0.5 * seconds; n++) {
    const text = `${fixed(n * step, step < 1 ? 1 : 0)}${n === 0 ? " s" : ""}`;
    marks.push(`<span style="left:${(100 * (n * step / seconds + 0.5)) / frames}%">${text}</span>`);
  }
  section.insertAdjacentHTML("beforeend", `<div class="ticks">${marks.join("")}</div>`);
}

const ends = (first, last) => [[0, first, "start"], [1, last, "end"]];

function clipPanels() {
  const section = byId("clip-panels");
  waveform(section);
  const featureNames = ends(data.features[0], data.features.at(-1));
  heatMap(section, x, [-3, 3], { title: "x", note: "features, in standard deviations", grow: 1.7, names: featureNames, clipped: true,
    label: `heat map of ${x.columns} features, normalised, over ${frames} frames` });
  const most = size(attention.numbers);
  lines(section, [{ numbers: attention.numbers, style: "blue", filled: true }], (alpha) => alpha / most, {
    title: "α", note: "attention: weight of each frame", grow: 0.8, names: ends(short(most), "0"), label: "attention weights over the frames" });
  const classes = labels.map((name, k) => [(k + 0.5) / labels.length, name, k === data.label ? "label" : ""]);
  heatMap(section, probabilities, [0, 1], { title: "P", note: "probabilities of the clip so far", grow: 1.5, names: classes,
    label: `heat map of the probabilities of ${data.labels.length} classes after every frame` });
  gradients(section);
  heatMap(section, saliency, [0, size(saliency.numbers, 0.005)], { title: "|∂L/∂x|", note: "saliency of the inputs", grow: 1.7,
    names: featureNames, clipped: true, label: "heat map: how much the loss depends on every feature of every frame" });
  ticks(section);
}

/** Norms of the gradients over the frames, on a logarithmic axis. */
function gradients(section) {
  const styles = ["blue", "vermillion", "green"];
  const series = lstms.map(({ name, gradient }, n) => ({ name, numbers: gradient.numbers, style: styles[n] }));
  series.push({ name: "x", numbers: matrix(data.input_gradient).numbers, style: styles[lstms.length] });
  const logs = series.flatMap(({ numbers }) => Array.from(numbers)).filter((norm) => norm > 0).map(Math.log10);
  const high = Math.ceil(Math.max(...logs, -30));
  const low = Math.min(high - 1, Math.max(Math.floor(Math.min(...logs, high)), high - 12));
  const height = (norm) => (Math.log10(Math.max(norm, 10 ** low)) - low) / (high - low);
  lines(section, series, height, { title: "‖∂L/∂h‖", note: "gradient flow", grow: 1.1,
    names: ends(`1e${high}`.replace("-", "−"), `1e${low}`.replace("-", "−")),
    label: "length of the loss's gradient at every frame, for each LSTM and the input, logarithmic" });
}

function lstmPanels(lstm, n) {
  const section = document.createElement("section");
  section.id = `lstm-${n}`;
  section.setAttribute("aria-label", `gates and states of ${lstm.name}`);
  byId("unit").before(section);
  const cell = size(lstm.c.numbers, 0.01);
  for (const [name, range, note] of [
    ["i", [0, 1], "input gate: lets in"], ["f", [0, 1], "forget gate: keeps"], ["g", [-1, 1], "candidate"],
    ["o", [0, 1], "output gate: shows"], ["c", [-cell, cell], "cell: memory"], ["h", [-1, 1], "hidden state"],
  ]) {
    heatMap(section, lstm[name], range, { title: `${lstm.name} ${name}`, note, lstm: n, clipped: name === "c",
      names: ends("0", lstm.units - 1), label: `heat map: ${note}, ${lstm.units} units over ${frames} frames` });
  }
  ticks(section);
}

// ---------------------------------------------------------------- the unit's equations

const ACTIVATIONS = { i: "σ", f: "σ", g: "tanh", o: "σ" };
const NAMES = { i: "input gate", f: "forget gate", g: "candidate", o: "output gate" };

/** A formula, and below it the lines with its numbers. */
const equation = (formula, note, ...steps) =>
  `<div class="equation"><p>${formula} <span class="note">${note}</span></p>${steps.map((step) => `<p>${step}</p>`).join("")}</div>`;

const result = (number) => `= <b>${fixed(number)}</b>`;

function gateEquation(gate, g) {
  const lstm = lstms[now.lstm];
  const column = g * lstm.units + now.unit;
  const terms = [["input", lstm.input.at(now.t, column)], ["recurrent", lstm.recurrent.at(now.t, column)],
    ["bias", lstm.bias.numbers[column]]];
  const total = terms.reduce((total, [, number]) => total + number, 0);
  const f = ACTIVATIONS[gate];
  return equation(
    `<i>${gate}</i> = ${f}(<span class="input"><i>W</i><sub>i${gate}</sub> <i>x</i></span> + ` +
    `<span class="recurrent"><i>W</i><sub>h${gate}</sub> <i>h</i><sub>t−1</sub></span> + <span class="bias"><i>b</i><sub>${gate}</sub></span>)`,
    NAMES[gate], `= ${f}(${sum(terms)})`, `= ${f}(${fixed(total)}) ${result(lstm[gate].at(now.t, now.unit))}`,
  );
}

const product = (a, b) => `${fixed(a)}·${b < 0 ? `(${fixed(b)})` : fixed(b)}`;

function forwardEquations(of) {
  const [kept, added] = [of("f") * of("c", now.t - 1), of("i") * of("g")];
  return GATES.map(gateEquation).join("") +
    equation("<i>c</i> = <i>f</i>·<i>c</i><sub>t−1</sub> + <i>i</i>·<i>g</i>", "cell",
      `= ${product(of("f"), of("c", now.t - 1))} + ${product(of("i"), of("g"))}`,
      `= ${sum([["", kept], ["", added]])} ${result(of("c"))}`) +
    equation("<i>h</i> = <i>o</i>·tanh(<i>c</i>)", "hidden state", `= ${product(of("o"), of("tanh_c"))} ${result(of("h"))}`);
}

/** The same lines undone, last line first, in the notation of lesson 5: dx is ∂L/∂x, a hat is before the activation. */
function backwardEquations(of) {
  const number = (value) => fixed(value, 5);
  const times = (value, ...factors) => `${number(value)}·${factors.map((it) => (typeof it === "string" ? it : it < 0 ? `(${fixed(it)})` : fixed(it))).join("·")}`;
  const line = (formula, note, steps, value) => equation(formula, note, `= ${steps} = <b>${number(value)}</b>`);
  const both = (a, b) => `${number(a)} ${b < 0 ? "−" : "+"} ${number(Math.abs(b))}`;
  const [dh, dc, above] = [of("dh"), of("dc"), of("above")];
  const [own, next] = [dh * of("o") * (1 - of("tanh_c") ** 2), of("dc", now.t + 1) * of("f", now.t + 1)];
  const slope = (gate) => [of(gate), `(1 − ${fixed(of(gate))})`];
  return line("<i>dh</i> = from above + <i>W</i><sub>hh</sub><sup>T</sup>·<i>dâ</i><sub>t+1</sub>", "two arms add up", both(above, dh - above), dh) +
    line("<i>dc</i> = <i>dh</i>·<i>o</i>·(1 − tanh²<i>c</i>) + <i>dc</i><sub>t+1</sub>·<i>f</i><sub>t+1</sub>", "two arms add up", both(own, next), dc) +
    line("<i>do</i> = <i>dh</i>·tanh(<i>c</i>)", "", times(dh, of("tanh_c")), dh * of("tanh_c")) +
    line("<i>df</i> = <i>dc</i>·<i>c</i><sub>t−1</sub>", "", times(dc, of("c", now.t - 1)), dc * of("c", now.t - 1)) +
    line("<i>di</i> = <i>dc</i>·<i>g</i>", "", times(dc, of("g")), dc * of("g")) +
    line("<i>dg</i> = <i>dc</i>·<i>i</i>", "", times(dc, of("i")), dc * of("i")) +
    line("<i>dî</i> = <i>di</i>·<i>i</i>·(1 − <i>i</i>)", "", times(dc * of("g"), ...slope("i")), of("di")) +
    line("<i>df̂</i> = <i>df</i>·<i>f</i>·(1 − <i>f</i>)", "", times(dc * of("c", now.t - 1), ...slope("f")), of("df")) +
    line("<i>dĝ</i> = <i>dg</i>·(1 − <i>g</i>²)", "", times(dc * of("i"), `(1 − ${fixed(Math.abs(of("g")))}²)`), of("dg")) +
    line("<i>dô</i> = <i>do</i>·<i>o</i>·(1 − <i>o</i>)", "", times(dh * of("tanh_c"), ...slope("o")), of("do")) +
    line("<i>dc</i>·<i>f</i>", "to the frame before", times(dc, of("f")), dc * of("f"));
}

/** From the loss down to the hidden state of a unit: what arrives at the last LSTM from above; between two LSTMs, what passes the
    connection. */
function lossEquations() {
  const last = lstms.length - 1;
  const unit = Math.min(now.unit, lstms[last].units - 1);
  const at = (name) => answer[name].at(0, unit);
  const top = lossTable(answer, labels, data.label, fixed) +
    equation(`<i>dy</i> = <i>W</i><sup>T</sup>·<i>dz</i> = <b>${fixed(at("dy"), 5)}</b>`, `the classifier, unit ${unit} of ${lstms[last].name}`) +
    normEquations(equation, fixed, { norm: answer.norm, unit, x: at("ctx"), y: at("y"), dy: at("dy"), dx: at("dctx") }, ["ctx", "y"]);
  if (!answer.bridge || now.lstm === last) return top;
  const of = (name) => answer.bridge[name].at(now.t, now.unit);
  return top + `<h2>Residual connection</h2>` + normEquations(equation, fixed,
    { norm: answer.bridge.norm, unit: now.unit, x: of("sum"), y: of("enriched"), dy: of("denriched"), dx: of("dsum") }, ["s", "x̂"]) +
    equation(`<i>s</i> = <i>x</i> + <i>h</i>: <i>ds</i> goes to both`, "a sum is a fork on the way back");
}

/** What the attention hands to a hidden state of the last LSTM: as a value, and through its score. */
function fromAbove() {
  const lstm = lstms.at(-1);
  const unit = Math.min(now.unit, lstm.units - 1);
  const alpha = attention.at(now.t, 0);
  const terms = [alpha * answer.dctx.at(0, unit)];
  for (let v = 0; v < dscores.columns; v++) terms.push(dscores.at(now.t, v) * answer.u.at(unit, v));
  const both = terms.map((term, n) => (n === 0 ? fixed(term, 5) : `${term < 0 ? "−" : "+"} ${fixed(Math.abs(term), 5)}`)).join(" ");
  return equation("<i>dh</i> gets <i>α</i>·<i>dctx</i> + <i>de</i>·<i>u</i>", `unit ${unit} of ${lstm.name}, from above`,
    `= ${both} = <b>${fixed(lstm.above.at(now.t, unit), 5)}</b>`);
}

function equations() {
  const lstm = lstms[now.lstm];
  const of = (name, t = now.t) => (t < 0 || t >= frames ? 0 : lstm[name].at(t, now.unit));
  byId("reads").innerHTML = now.way === "forward" ? `<i>x</i> is ${lstm.reads}` : `<i>dx</i> is ∂<i>L</i>/∂<i>x</i>, <i>L</i> = −ln P(${labels[data.label]})`;
  byId("equations").innerHTML = { forward: () => forwardEquations(of), loss: lossEquations, backward: () => backwardEquations(of) }[now.way]();
  for (const way of WAYS) byId(way).setAttribute("aria-pressed", now.way === way);
  byId("attention-equation").innerHTML =
    { forward: attentionForward, loss: () => attentionBackward() + fromAbove(), backward: attentionBackward }[now.way]();
}

function attentionForward() {
  const alpha = attention.at(now.t, 0);
  const each = Array.from({ length: scores.columns }, (_, v) => fixed(scores.at(now.t, v))).join(", ");
  return equation(`<i>e</i> = <i>u</i><sup>T</sup><i>h</i> = ${each}`, `h of ${lstms.at(-1).name}`,
    `<i>α</i> = softmax<sub>t</sub>(<i>e</i>) ${result(alpha)} <span class="note">${(100 * alpha).toFixed(1)} % of the clip</span>`);
}

/** With several attention vectors, α is the mean of their softmaxes, and each has its own mean m. */
function attentionBackward() {
  const mean = attention.numbers.reduce((total, alpha, t) => total + alpha * dalpha.at(t, 0), 0);
  const each = Array.from({ length: dscores.columns }, (_, v) => fixed(dscores.at(now.t, v), 6)).join(", ");
  const steps = dscores.columns === 1 ? `${fixed(attention.at(now.t, 0))}·(${sum([["", dalpha.at(now.t, 0)], ["", -mean]])}) = ` : "";
  return equation(`<i>dα</i> = <i>dctx</i>·<i>h</i> ${result(dalpha.at(now.t, 0))}`, "",
    `<i>de</i> = <i>α</i>·(<i>dα</i> − <i>m</i>)`, `= ${steps}<b>${each}</b>`);
}

function bars() {
  const row = data.labels.map((_, k) => probabilities.at(now.t, k));
  const most = row.indexOf(Math.max(...row));
  byId("bars").innerHTML = labels.map((name, k) =>
    `<tr class="${k === data.label ? "label" : ""} ${k === most ? "most" : ""}"><th scope="row">${name}</th>` +
    `<td><i style="width:${(100 * row[k]).toFixed(1)}%"></i></td><td>${row[k].toFixed(3)}</td></tr>`).join("");
  byId("answer").textContent = `${now.t === frames - 1 ? "The whole clip" : "Up to this frame"}: ${data.labels[most]}, ${(100 * row[most]).toFixed(0)} %`;
  return `${data.labels[most]} ${row[most].toFixed(2)}`;
}

// ---------------------------------------------------------------- where we are

/** Changes the selection and updates every panel. */
function show(change) {
  Object.assign(now, change);
  now.t = Math.min(Math.max(now.t, 0), frames - 1);
  now.unit = Math.min(Math.max(now.unit, 0), lstms[now.lstm].units - 1);
  document.body.style.setProperty("--frame", `${(100 * (now.t + 0.5)) / frames}%`);
  lstms.forEach((lstm, n) => {
    byId(`lstm-${n}`).classList.toggle("selected", n === now.lstm);
    byId(`lstm-${n}`).style.setProperty("--row", `${(100 * (now.unit + 0.5)) / lstm.units}%`);
  });
  Object.assign(document.body.dataset, { view: now.view, way: now.way });
  for (const view of ["story", "all"]) byId(`view-${view}`).setAttribute("aria-pressed", now.view === view);
  byId("time").value = now.t;
  byId("unit-number").max = lstms[now.lstm].units - 1;
  byId("unit-number").value = now.unit;
  byId("unit-lstm").value = now.lstm;
  equations();
  byId("now").textContent = `${now.t}/${frames - 1} · ${(now.t * seconds).toFixed(2)} s · ${bars()}${now.held ? " · held" : ""}`;
}

/** Plays the sound; the frame follows. */
function player() {
  if (!data.sound) return;
  const sound = new Audio(data.sound);
  const button = byId("play");
  button.hidden = false;
  const follow = () => {
    if (sound.paused) return;
    show({ t: Math.round(sound.currentTime / seconds) });
    requestAnimationFrame(follow);
  };
  sound.addEventListener("play", () => { button.textContent = "❚❚ pause"; follow(); });
  sound.addEventListener("pause", () => { button.textContent = "▶ play"; });
  const toggle = () => {
    if (!sound.paused) return sound.pause();
    sound.currentTime = now.t === frames - 1 ? 0 : now.t * seconds;
    sound.play();
  };
  button.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target !== document.body) return;
    event.preventDefault();
    toggle();
  });
}

function listen() {
  byId("time").max = frames - 1;
  byId("time").addEventListener("input", (event) => show({ t: event.target.valueAsNumber }));
  for (const view of ["story", "all"]) byId(`view-${view}`).addEventListener("click", () => show({ view }));
  for (const way of WAYS) byId(way).addEventListener("click", () => show({ way }));
  byId("unit-lstm").innerHTML = lstms.map(({ name }, n) => `<option value="${n}">${name}</option>`).join("");
  byId("unit-lstm").addEventListener("change", (event) => show({ lstm: Number(event.target.value) }));
  byId("unit-number").addEventListener("input", (event) => {
    if (event.target.value !== "") show({ unit: event.target.valueAsNumber });
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: now.t - step, ArrowRight: now.t + step, Home: 0, End: frames - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show({ t: to });
  });
  const colour = () => heatMaps.forEach((draw) => draw());
  theme.listeners.push(colour);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colour);
  // Paper is white.
  let screen;
  addEventListener("beforeprint", () => { screen = document.documentElement.dataset.theme ?? ""; theme.set("light"); });
  addEventListener("afterprint", () => theme.set(screen));
}

byId("clip").textContent = data.clip;
byId("verdict").textContent = data.verdict;
byId("footer").textContent = data.footer;
lstms.forEach(lstmPanels);
clipPanels();
heatMaps.forEach((draw) => draw());
listen();
player();
const given = (name, otherwise) => (address.has(name) ? Number(address.get(name)) : otherwise);
const view = ["lstm", "unit"].some((name) => address.has(name)) || address.get("view") === "all" ? "all" : "story";
show({ view, way: WAYS.includes(address.get("way")) ? address.get("way") : "forward", t: given("t", view === "story" ? frames - 1 : 0), lstm: Math.min(Math.max(given("lstm", lstms.length) - 1, 0), lstms.length - 1), unit: given("unit", 0) });
