// The drawing of an LSTM cell, as in lesson 5: the same edges carry values forward and gradients backward.

/** SVG of the cell with the numbers `n` of a unit at a frame; `narrow`: for a small screen, with larger letters. */
function cellDrawing(n, forward, narrow) {
  const way = forward ? "values" : "gradients";
  const line = (points) => {
    const path = `M${points.map((point) => point.join(" ")).join("L")}`;
    return `<path d="${path}" class="edge ${way}" ${forward ? "marker-end" : "marker-start"}="url(#tip-${way})"/>`;
  };
  const node = ([x, y], text, wide = 0) =>
    `<rect x="${x - 17 - wide}" y="${y - 17}" width="${34 + 2 * wide}" height="34" rx="17" class="node"/>` +
    `<text x="${x}" y="${y + 5}" class="symbol">${text}</text>`;
  const digits = (forward ? 4 : 5) - (narrow ? 1 : 0);
  const number = (x, y, name, value, anchor = "middle") =>
    `<text x="${x}" y="${narrow ? y - 4 : y}" class="name" text-anchor="${anchor}">${name}</text>` +
    `<text x="${x}" y="${narrow ? y + 22 : y + 18}" class="value ${way}" text-anchor="${anchor}">${fixed(value, digits)}</text>`;
  const [forget, add, write, squash, show] = [[170, 70], [330, 70], [330, 150], [520, 135], [520, 215]];
  const gates = { f: [170, 300], i: [260, 300], g: [400, 300], o: [470, 300] };
  const edges = [
    [[20, 70], [151, 70]], [[189, 70], [311, 70]], [[349, 70], [680, 70]], [[520, 70], [520, 116]], [[520, 154], [520, 196]],
    [[539, 215], [680, 215]],
    [[170, 281], [170, 89]], [[260, 281], [260, 150], [311, 150]], [[400, 281], [400, 150], [349, 150]],
    [[330, 131], [330, 89]], [[470, 281], [470, 215], [501, 215]],
    ...Object.values(gates).map(([x]) => [[x, 356], [x, 319]]),
  ];
  const labels = forward
    ? [
      number(70, 26, "c₋₁", n.c_prev), number(610, 26, "c", n.c), number(narrow ? 544 : 536, 177, "tanh(c)", n.tanh_c, "start"), number(620, narrow ? 254 : 246, "h", n.h),
      number(162, 180, "f", n.f, "end"), number(252, 220, "i", n.i, "end"), number(392, 220, "g", n.g, "end"), number(478, 250, "o", n.o, "start"),
    ]
    : [
      number(70, 26, narrow ? "dc⊙f" : TEXTS.toBefore, n.dc_prev), number(470, 26, "dc", n.dc), number(630, 26, "dc_next", n.dc_next),
      number(532, 100, narrow ? TEXTS.fromDh : "dh⊙o⊙(1 − tanh²c)", n.dc_own, "start"), number(620, 172, "dh", n.dh),
      number(162, 180, "df", n.dc * n.c_prev, "end"), number(252, 220, "di", n.dc * n.g, "end"),
      number(392, 220, "dg", n.dc * n.i, "end"), number(478, 250, "do", n.dh * n.tanh_c, "start"),
      number(620, 240, narrow ? TEXTS.above : TEXTS.fromAbove, n.above), number(620, narrow ? 302 : 286, "dh_next", n.dh_next),
    ];
  const tip = `<marker id="tip-${way}" viewBox="0 0 10 10" refX="${forward ? 9 : 1}" refY="5" markerWidth="7" markerHeight="7" orient="auto">` +
    `<path d="${forward ? "M0 0L10 5L0 10z" : "M10 0L0 5L10 10z"}" class="tip ${way}"/></marker>`;
  return `<svg viewBox="0 0 700 390" role="img" aria-label="${forward ? TEXTS.cellForward : TEXTS.cellBackward}"><defs>${tip}</defs>` +
    edges.map(line).join("") +
    node(forget, "⊙") + node(add, "+") + node(write, "⊙") + node(squash, "tanh", 6) + node(show, "⊙") +
    node(gates.f, "σ") + node(gates.i, "σ") + node(gates.g, "tanh", 6) + node(gates.o, "σ") +
    `<path d="M20 356L520 356" class="edge plain"/><text x="24" y="378" class="name">h₋₁, x</text>` + labels.join("") + `</svg>`;
}
