// Room 4: the derivative of the loss by one weight, by backward, by dual numbers, by central differences.

/** Frames that are read: differences run the forward pass hundreds of times. */
const CHECK_FRAMES = 16;
/** The exponents of the steps: 0 to −12. */
const exponentOf = (n) => -0.25 * n;
const STEPS = Array.from({ length: 49 }, (_, n) => 10 ** exponentOf(n));
const check = { tensors: [], tensor: null, row: 0, column: 0, guess: null, result: null };

addRoom("check", {
  build(section) {
    check.select = make("select", { id: "check-tensor" });
    check.select.addEventListener("change", () => chooseWeight({ tensor: Number(check.select.value), row: 0, column: 0 }));
    const place = (name) => {
      const input = make("input", { type: "number", min: 0, value: 0, id: `check-${name}` });
      input.addEventListener("input", () => input.value !== "" && chooseWeight({ [name]: Number(input.value) }));
      return input;
    };
    [check.rowInput, check.columnInput] = [place("row"), place("column")];
    const guess = (sign, text) => {
      const button = make("button", { id: `guess-${sign}` }, text);
      button.addEventListener("click", () => guessSign(sign));
      return button;
    };
    check.buttons = [guess("negative", TEXTS.negative), guess("positive", TEXTS.positive)];
    const largest = make("button", { id: "check-largest" }, TEXTS.largest);
    largest.addEventListener("click", chooseLargest);
    check.shape = make("p", { className: "note" });
    check.said = make("p", { className: "verdict", role: "status" });
    check.table = make("table", { className: "numbers" });
    check.plot = figure({ title: TEXTS.errors, note: TEXTS.errorsNote, height: 260, axis: false });
    check.plot.draw = drawErrors;
    check.step = slider({ min: 0, max: STEPS.length - 1, step: 1, value: 12, show: (n) => TEXTS.power(exponentOf(n)) }, showStep);
    check.step.querySelector("input").id = "check-step";
    check.results = make("div", { hidden: true },
      make("div", { className: "scroll" }, check.table), control(TEXTS.step, check.step), check.plot.element,
      legend([{ colour: "blue", text: TEXTS.inF64 }, { colour: "vermillion", dash: [6, 4], text: TEXTS.inF32 }]));
    section.append(
      panel(TEXTS.chooseWeight, TEXTS.chooseWeightNote(CHECK_FRAMES),
        make("div", { className: "controls" }, control(TEXTS.tensor, check.select), control(TEXTS.row, check.rowInput), control(TEXTS.column, check.columnInput), largest),
        check.shape),
      panel(TEXTS.guessTitle, TEXTS.guessNote, make("p", { className: "switch" }, ...check.buttons), check.said),
      make("article", { className: "panel wide" }, make("h2", {}, TEXTS.threeWays), make("p", { className: "note" }, TEXTS.threeWaysNote), check.results),
    );
  },
  load(view) {
    check.tensors = JSON.parse(view.clip.tensors());
    check.select.replaceChildren(...check.tensors.map(({ name, shape }, n) => make("option", { value: n }, `${name} [${shape.join(", ")}]`)));
    const start = check.tensors.findIndex(({ name }) => name.includes("weight_hh"));
    if (check.tensor === null) {
      check.tensor = start;
      chooseLargest();
    } else {
      chooseWeight({});
    }
  },
  forget() {
    check.tensor = null;
  },
});

/** The frames that are read: around the selected one. */
function checkFrames(view) {
  const count = Math.min(CHECK_FRAMES, view.frames);
  return [clamp(now.t - CHECK_FRAMES / 2, 0, view.frames - count), count];
}

/** Chooses the element of the tensor with the largest gradient. */
function chooseLargest() {
  const element = state.view.clip.largest(...checkFrames(state.view), check.tensor);
  const columns = check.tensors[check.tensor].shape[1] ?? 1;
  chooseWeight({ row: Math.floor(element / columns), column: element % columns });
}

function chooseWeight({ tensor = check.tensor, row = check.row, column = check.column }) {
  const { name, shape } = check.tensors[tensor];
  const [rows, columns] = name === "input" ? [checkFrames(state.view)[1], shape[1]] : [shape[0], shape[1] ?? 1];
  Object.assign(check, { tensor, row: clamp(Math.round(row), 0, rows - 1), column: clamp(Math.round(column), 0, columns - 1), guess: null, result: null });
  check.select.value = tensor;
  for (const [input, value, most] of [[check.rowInput, check.row, rows - 1], [check.columnInput, check.column, columns - 1]]) {
    input.max = most;
    if (Number(input.value) !== value) input.value = value;
  }
  check.shape.textContent = TEXTS.weightPlace(name, rows, columns, gateOfRow(name, check.row, rows));
  check.said.textContent = TEXTS.guessFirst;
  check.buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
  check.results.hidden = true;
}

/** The gate and unit of a row of an LSTM's tensor, or none. */
function gateOfRow(name, row, rows) {
  if (!/_(ih|hh)/.test(name)) return null;
  return { gate: GATES[Math.floor(row / (rows / 4))], unit: row % (rows / 4) };
}

function guessSign(sign) {
  const { view } = state;
  const [first, count] = checkFrames(view);
  const { shape } = check.tensors[check.tensor];
  const element = check.row * (shape[1] ?? 1) + check.column;
  const [value, backward, dual, ...differences] = view.clip.derivative(first, count, check.tensor, element, Float64Array.from(STEPS));
  check.guess = sign;
  check.result = { value, backward, dual, in_f64: differences.slice(0, STEPS.length), in_f32: differences.slice(STEPS.length) };
  const actual = backward < 0 ? "negative" : backward > 0 ? "positive" : "zero";
  check.said.textContent = TEXTS.guessSaid(sign === actual, TEXTS.signs[actual], fixed(backward, 6), fixed(value, 4));
  check.buttons.forEach((button) => button.setAttribute("aria-pressed", button.id === `guess-${sign}`));
  check.results.hidden = false;
  showStep(Number(check.step.querySelector("input").value));
}

const relative = (difference) => Math.abs(difference - check.result.dual) / Math.abs(check.result.dual);

function showStep(n) {
  const { backward, dual, in_f64, in_f32 } = check.result;
  const row = (name, value, error) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", { className: "number" }, value.toPrecision(12).replace("-", "−")), make("td", { className: "number" }, !error ? (error === null ? "" : "0") : error.toExponential(1).replace("-", "−")));
  check.n = n;
  check.table.replaceChildren(
    make("thead", {}, make("tr", {}, ...["", TEXTS.derivative, TEXTS.relativeError].map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, row(TEXTS.byBackward, backward, relative(backward)), row(TEXTS.byDual, dual, null),
      row(TEXTS.byF64, in_f64[n], relative(in_f64[n])), row(TEXTS.byF32, in_f32[n], relative(in_f32[n]))),
  );
  check.plot.paint();
}

/** Errors by step, both on logarithmic axes: steps from large to small, errors from 10⁻¹⁴ up to 10². */
function drawErrors(context, width, height) {
  if (!check.result) return;
  const [left, bottom] = [46, 24];
  const x = (n) => left + (n / (STEPS.length - 1)) * (width - left - 8);
  const y = (error) => (1 - (clamp(Math.log10(error || 1e-16), -14, 2) + 14) / 16) * (height - bottom - 8) + 8;
  context.fillStyle = colour("faint");
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  for (let power = -14; power <= 2; power += 4) {
    context.fillText(TEXTS.power(power), 4, y(10 ** power) + 4);
    context.beginPath();
    context.moveTo(left, y(10 ** power));
    context.lineTo(width - 8, y(10 ** power));
    context.stroke();
  }
  for (let n = 0; n < STEPS.length; n += width < 480 ? 16 : 8) context.fillText(TEXTS.power(exponentOf(n)), Math.min(x(n) - 12, width - 34), height - 6);
  for (const [values, name, dash] of [[check.result.in_f64, "blue", []], [check.result.in_f32, "vermillion", [6, 4]]]) {
    context.strokeStyle = colour(name);
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    values.forEach((value, n) => (n === 0 ? context.moveTo(x(n), y(relative(value))) : context.lineTo(x(n), y(relative(value)))));
    context.stroke();
  }
  context.setLineDash([]);
  context.strokeStyle = colour("ink");
  context.beginPath();
  context.moveTo(x(check.n), 8);
  context.lineTo(x(check.n), height - bottom);
  context.stroke();
}
