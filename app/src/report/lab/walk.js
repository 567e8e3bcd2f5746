// Room 2: one frame, one unit, forward and backward, with all numbers.

const walk = { way: "forward" };

addRoom("walk", {
  build(section) {
    section.classList.add("timed");
    walk.forward = make("button", { textContent: TEXTS.walkForward });
    walk.backward = make("button", { textContent: TEXTS.walkBackward });
    walk.forward.addEventListener("click", () => chooseWay("forward"));
    walk.backward.addEventListener("click", () => chooseWay("backward"));
    walk.lstm = make("select", { id: "walk-lstm" });
    walk.lstm.addEventListener("change", () => moveTo({ lstm: Number(walk.lstm.value), unit: 0 }));
    walk.unit = make("input", { type: "number", min: 0, id: "walk-unit" });
    walk.unit.addEventListener("input", () => walk.unit.value !== "" && moveTo({ unit: Number(walk.unit.value) }));
    walk.note = make("p", { className: "note" });
    walk.cell = make("div", { className: "cell" });
    walk.equations = make("div", { className: "equations" });
    walk.attention = make("div", { className: "equations" });
    walk.norm = make("div", { className: "equations" });
    walk.bridge = make("div", { className: "equations" });
    walk.scores = make("div", { className: "scroll" });
    section.append(
      make("div", { className: "controls", role: "group" }, make("span", { className: "switch" }, walk.forward, walk.backward),
        control(TEXTS.lstm, walk.lstm), control(TEXTS.unit, walk.unit), labelChoice("walk-label")),
      make("article", { className: "panel" }, walk.title = make("h2"), walk.note, walk.cell),
      make("article", { className: "panel" }, make("h2", {}, TEXTS.equations), walk.equations),
      panel(TEXTS.attention, TEXTS.walkAttentionNote, walk.attention),
      panel(TEXTS.batchNorm, TEXTS.batchNormNote, walk.norm),
      walk.bridgePanel = panel(TEXTS.bridge, TEXTS.bridgeNote, walk.bridge),
      make("article", { className: "panel wide" }, make("h2", {}, TEXTS.softmax), walk.scoresNote = make("p", { className: "note" }), walk.scores),
    );
    // The drawing fits the panel.
    new ResizeObserver(() => state.view && room?.name === "walk" && drawCell(numbersOf(state.view, now))).observe(walk.cell);
  },
  load(view) {
    walk.lstm.replaceChildren(...view.units.map((units, l) =>
      make("option", { value: l }, TEXTS.lstmTitle(l, view.units.length, units))));
    chooseWay(walk.way);
  },
  move: showWalk,
});

function chooseWay(way) {
  walk.way = way;
  walk.forward.setAttribute("aria-pressed", way === "forward");
  walk.backward.setAttribute("aria-pressed", way === "backward");
  if (state.view && room?.name === "walk") showWalk(state.view);
}

/** All numbers of a unit at a frame, forward and backward. */
function numbersOf(view, { t, lstm, unit }) {
  const at = (name, frame = t) => (frame < 0 || frame >= view.frames ? 0 : view.get(`${lstm}.${name}`).at(frame, unit));
  const n = { terms: view.clip.terms(lstm, t, unit), arms: view.clip.arms(lstm, t, unit) };
  for (const name of ["i", "f", "g", "o", "c", "tanh_c", "h", "above", "dh", "dc"]) n[name] = at(name);
  // The layer's gradients of gates are of those before activation: dî, df̂, dĝ, dô.
  [n.di_, n.df_, n.dg_, n.do_] = ["di", "df", "dg", "do"].map((name) => at(name));
  n.c_prev = at("c", t - 1);
  n.dh_next = n.arms.reduce((sum, arm) => sum + arm, 0);
  n.dc_next = at("dc", t + 1) * at("f", t + 1);
  n.dc_own = n.dh * n.o * (1 - n.tanh_c ** 2);
  n.dc_prev = n.dc * n.f;
  return n;
}

/** One equation: name, right-hand side in symbols, in numbers, value. */
function equation(name, symbols, numbers, value) {
  return make("p", { className: "equation" }, make("b", {}, name), make("span", {}, ` = ${symbols}`),
    make("span", { className: "numbers" }, numbers ? ` = ${numbers} = ` : " = "), make("strong", {}, value));
}

/** `a + b − c` */
function sum(numbers, digits = 4) {
  return numbers.map((number, n) => {
    if (n === 0) return fixed(number, digits);
    return `${number < 0 ? "−" : "+"} ${fixed(Math.abs(number), digits)}`;
  }).join(" ");
}

/** `a·b·c`, negative factors in brackets. */
function product(...factors) {
  return factors.map((it, n) => (typeof it === "string" ? it : it < 0 && n > 0 ? `(${fixed(it)})` : fixed(it))).join("·");
}

/** `a·b·c` with five digits of `a`, a gradient. */
function product5(gradient, ...factors) {
  return product(fixed(gradient, 5), ...factors);
}

function forwardEquations(n) {
  const hats = ["î", "f̂", "ĝ", "ô"];
  const gates = GATES.flatMap((gate, k) => {
    const terms = [...n.terms].slice(3 * k, 3 * k + 3);
    const total = terms[0] + terms[1] + terms[2];
    return [
      equation(hats[k], "W_ih·x + W_hh·h₋₁ + b", sum(terms), fixed(total)),
      equation(gate, `${gate === "g" ? "tanh" : "σ"}(${hats[k]})`, "", fixed(n[gate])),
    ];
  });
  return [
    ...gates,
    equation("c", "f⊙c₋₁ + i⊙g", `${product(n.f, n.c_prev)} + ${product(n.i, n.g)}`, fixed(n.c)),
    equation("h", "o⊙tanh(c)", product(n.o, n.tanh_c), fixed(n.h)),
  ];
}

function backwardEquations(n) {
  const slope = (x) => `${fixed(x)}·(1 − ${fixed(x)})`;
  const signed = (x) => (x < 0 ? `(${fixed(x)})` : fixed(x));
  const [di, df, dg] = [n.dc * n.g, n.dc * n.c_prev, n.dc * n.i];
  return [
    make("h3", {}, TEXTS.twoArms),
    equation("dh_next", "W_hhᵀ·dâ₊₁", sum([...n.arms], 5), fixed(n.dh_next, 5)),
    equation("dh", TEXTS.aboveAndNext, sum([n.above, n.dh_next], 5), fixed(n.dh, 5)),
    equation("dc_next", "dc₊₁⊙f₊₁", "", fixed(n.dc_next, 5)),
    equation("dc", "dh⊙o⊙(1 − tanh²(c)) + dc_next", sum([n.dc_own, n.dc_next], 5), fixed(n.dc, 5)),
    make("h3", {}, TEXTS.insideFrame),
    equation("do", "dh⊙tanh(c)", `${fixed(n.dh, 5)}·${signed(n.tanh_c)}`, fixed(n.dh * n.tanh_c, 5)),
    equation("di", "dc⊙g", `${fixed(n.dc, 5)}·${signed(n.g)}`, fixed(di, 5)),
    equation("df", "dc⊙c₋₁", `${fixed(n.dc, 5)}·${signed(n.c_prev)}`, fixed(df, 5)),
    equation("dg", "dc⊙i", `${fixed(n.dc, 5)}·${fixed(n.i)}`, fixed(dg, 5)),
    equation("dî", "di⊙i⊙(1 − i)", `${fixed(di, 5)}·${slope(n.i)}`, fixed(n.di_, 5)),
    equation("df̂", "df⊙f⊙(1 − f)", `${fixed(df, 5)}·${slope(n.f)}`, fixed(n.df_, 5)),
    equation("dĝ", "dg⊙(1 − g²)", `${fixed(dg, 5)}·(1 − ${signed(n.g)}²)`, fixed(n.dg_, 5)),
    equation("dô", "do⊙o⊙(1 − o)", `${fixed(n.dh * n.tanh_c, 5)}·${slope(n.o)}`, fixed(n.do_, 5)),
    make("h3", {}, TEXTS.toFrameBefore),
    equation(TEXTS.nextOfBefore, "dc⊙f", `${fixed(n.dc, 5)}·${fixed(n.f)}`, fixed(n.dc_prev, 5)),
  ];
}

/** What a hidden state of the last LSTM gets from the attention: as a value, and through its score. */
function fromAbove(view, last, vectors) {
  const unit = Math.min(now.unit, view.units[last] - 1);
  const terms = [view.get("alpha").at(now.t) * view.get("dcontext", 1).at(0, unit)];
  for (let v = 0; v < vectors; v += 1) {
    terms.push(view.get("dscores").at(now.t, v) * view.get("vector", view.units[last]).at(unit, v));
  }
  return equation(TEXTS.fromAboveOf(unit), "α⊙dctx + de⊙u", sum(terms, 5), fixed(view.get(`${last}.above`).at(now.t, unit), 5));
}

/** Between two LSTMs: a sum, and batch norm. Backward, the sum is a fork. */
function bridgeEquations(view, unit, forward) {
  const at = (name) => view.get(name).at(now.t, unit);
  const [mu, scale, gamma, beta] = view.clip.bridge_norm(unit);
  if (forward) {
    return [
      equation("s", "x + h", sum([at("x"), view.get("0.h").at(now.t, unit)]), fixed(at("sum"))),
      equation("x̂", "γ⊙(s − μ)/√(v + ε) + β",
        `${fixed(gamma)}·(${sum([at("sum"), -mu])})·${fixed(scale)} ${beta < 0 ? "−" : "+"} ${fixed(Math.abs(beta))}`, fixed(at("enriched"))),
    ];
  }
  const [ds, dx] = [at("dsum"), at("dx")];
  return [
    equation("dx̂", TEXTS.fromLstm(2, "W_ihᵀ·dâ"), "", fixed(at("denriched"), 5)),
    equation("ds", "dx̂⊙γ/√(v + ε)", product5(at("denriched"), gamma, scale), fixed(ds, 5)),
    equation(TEXTS.fromAboveOf(unit), "ds", "", fixed(view.get("0.above").at(now.t, unit), 5)),
    equation("dx", `ds + ${TEXTS.fromLstm(1, "W_ihᵀ·dâ")}`, sum([ds, dx - ds], 5), fixed(dx, 5)),
  ];
}

/** The drawing; in a narrow panel with larger numbers of fewer digits. */
function drawCell(n) {
  const narrow = walk.cell.clientWidth < 520;
  walk.cell.classList.toggle("narrow", narrow);
  walk.cell.innerHTML = cellDrawing(n, walk.way === "forward", narrow);
}

function showWalk(view) {
  const last = view.units.length - 1;
  walk.lstm.value = now.lstm;
  walk.unit.max = view.units[now.lstm] - 1;
  if (Number(walk.unit.value) !== now.unit || walk.unit.value === "") walk.unit.value = now.unit;
  const n = numbersOf(view, now);
  const forward = walk.way === "forward";
  walk.title.textContent = forward ? TEXTS.walkForwardTitle : TEXTS.walkBackwardTitle;
  walk.note.textContent = forward ? TEXTS.walkForwardNote : TEXTS.walkBackwardNote(labelName(LABELS[view.label]));
  drawCell(n);
  walk.equations.replaceChildren(...(forward ? forwardEquations(n) : backwardEquations(n)));

  // Attention, of the last LSTM's hidden states.
  const vectors = view.get("vector", view.units[last]).columns;
  const [alpha, dalpha] = [view.get("alpha").at(now.t), view.get("dalpha").at(now.t)];
  const mean = view.get("alpha").values.reduce((total, a, t) => total + a * view.get("dalpha").at(t), 0);
  const dscore = view.get("dscores").at(now.t, 0);
  const score = view.get("vector", view.units[last]).values
    .reduce((total, u, k) => (k % vectors === 0 ? total + u * view.get(`${last}.h`).at(now.t, k / vectors) : total), 0);
  walk.attention.replaceChildren(...(forward
    ? [equation("e", "uᵀ·h", "", fixed(score)), equation("α", "softmax(e)", "", `${fixed(alpha)} (${percent(alpha)})`)]
    : [equation("dα", "dctx·h", "", fixed(dalpha, 5)), equation("m", "Σ α⊙dα", "", fixed(mean, 5)),
      equation("de", "α⊙(dα − m)", vectors === 1 ? `${fixed(alpha)}·(${sum([dalpha, -mean], 5)})` : "", fixed(dscore, 6)),
      fromAbove(view, last, vectors)]));

  // Batch norm of the context vector, by running statistics.
  const unit = Math.min(now.unit, view.units[last] - 1);
  const [mu, scale, gamma, beta] = view.clip.norm(unit);
  const [context, y] = [view.get("context", 1).at(0, unit), view.get("normalised", 1).at(0, unit)];
  const [dy, dcontext] = [view.get("dnormalised", 1).at(0, unit), view.get("dcontext", 1).at(0, unit)];
  walk.norm.replaceChildren(...(forward
    ? [equation("y", "γ⊙(ctx − μ)/√(v + ε) + β",
      `${fixed(gamma)}·(${sum([context, -mu])})·${fixed(scale)} ${beta < 0 ? "−" : "+"} ${fixed(Math.abs(beta))}`, fixed(y))]
    : [equation("dy", "Wᵀ·dz", "", fixed(dy, 5)), equation("dctx", "dy⊙γ/√(v + ε)", product5(dy, gamma, scale), fixed(dcontext, 5))]));

  walk.bridgePanel.hidden = last === 0;
  if (last > 0) walk.bridge.replaceChildren(...bridgeEquations(view, Math.min(now.unit, view.units[0] - 1), forward));

  const [z, p, dz] = [view.get("logits", 1).values, view.probabilities, view.get("dlogits", 1).values];
  walk.scoresNote.textContent = TEXTS.softmaxNote(labelName(LABELS[view.label]), fixed(view.loss));
  const head = make("tr", {}, ...["", "z", "p = softmax(z)", "y", "dz = p − y"].map((text) => make("th", { scope: "col" }, text)));
  const rows = LABELS.map((label, k) => make("tr", k === view.label ? { className: "best" } : {},
    make("th", { scope: "row" }, labelName(label)),
    ...[fixed(z[k]), fixed(p[k]), k === view.label ? "1" : "0", fixed(dz[k], 5)].map((text) => make("td", { className: "number" }, text))));
  walk.scores.replaceChildren(make("table", { className: "numbers" }, make("thead", {}, head), make("tbody", {}, ...rows)));
}
