// Figures: heat maps and curves on canvases that follow the theme and the width of the page.

/** The red, green and blue of a colour of the page, in the current theme. */
function rgb(name) {
  const probe = make("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return parts;
}

const colour = (name) => `rgb(${rgb(name)})`;

const figures = new Set();

/** A canvas that `draw(context, width, height)` fills, again whenever its size or the theme changes. `scale(top, bottom)` writes next to
    it what its upper and lower edge mean; `axis`: whether there is room for that. */
function figure({ title, note = "", height = 90, timed = false, rowsOf = null, describe = "", axis = true }) {
  const canvas = make("canvas", { role: "img", "aria-label": describe || title });
  const plot = make("div", { className: timed ? "plot timed" : "plot" }, canvas);
  plot.style.height = `${height}px`;
  if (timed) plot.append(make("div", { className: "cursor", "aria-hidden": "true" }));
  const caption = make("figcaption", {}, make("b", {}, title), note ? ` ${note}` : "");
  const edges = [make("span"), make("span")];
  const drawing = axis ? make("div", { className: "drawing" }, make("div", { className: "axis" }, ...edges), plot) : plot;
  const element = make("figure", {}, caption, drawing);
  const it = { element, plot, canvas, caption, draw: () => {}, rowsOf };
  it.scale = (...texts) => texts.forEach((text, n) => { edges[n].textContent = text; });
  it.paint = () => {
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    if (width === 0) return;
    const scale = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    it.draw(context, width, height);
  };
  new ResizeObserver(it.paint).observe(plot);
  figures.add(it);
  if (timed) followPointer(it);
  return it;
}

theme.listeners.push(() => figures.forEach((it) => it.paint()));

/** Pointer on a figure with a time axis: the frame, and with a click the unit or feature of a heat map. */
function followPointer({ plot, rowsOf }) {
  const select = (event, withUnit) => {
    const box = plot.getBoundingClientRect();
    const t = Math.floor(((event.clientX - box.left) / box.width) * state.view.frames);
    const of = withUnit && rowsOf ? rowsOf() : null;
    if (!of) return moveTo({ t });
    const row = Math.floor(((event.clientY - box.top) / box.height) * of.rows);
    moveTo(of.lstm === undefined ? { t, column: row } : { t, lstm: of.lstm, unit: row });
  };
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    select(event, true);
  });
  plot.addEventListener("pointermove", (event) => {
    if (event.buttons) select(event, false);
  });
}

/** Seconds below figures with a time axis. */
function secondsAxis() {
  const element = make("div", { className: "ticks" });
  const show = ({ frames }) => {
    const end = frames * data.seconds;
    const step = [0.1, 0.2, 0.5, 1, 2].find((it) => end / it <= 6) ?? 5;
    element.replaceChildren(...Array.from({ length: Math.ceil(end / step - 0.25) }, (_, n) => {
      const mark = make("span", {}, TEXTS.seconds(fixed(n * step, step < 1 ? 1 : 0), n === 0));
      mark.style.left = `${(100 * ((n * step) / data.seconds + 0.5)) / frames}%`;
      return mark;
    }));
  };
  return { element, show };
}

/** The magnitude that all but a hundredth of the numbers are below; never 0. */
function magnitude(values, beyond = 0.01) {
  const sizes = Float64Array.from(values, Math.abs).sort();
  return sizes[Math.floor((1 - beyond) * (sizes.length - 1))] || sizes.at(-1) || 1;
}

/** Pixels from one stripe to the next, on negative values. */
const STRIPES = 5;

/** A matrix as colours, one band per column of the matrix, frames to the right. `kind`: "signed" or "share". Negative values have
    stripes: their sign does not depend on colour. Returns the magnitude of the strongest colour. */
function heatmap(context, width, height, matrix, kind = "signed") {
  const { rows, columns, values } = matrix;
  const [paper, high, low] = [rgb("paper"), rgb(kind === "signed" ? "vermillion" : "ink"), rgb("blue")];
  const size = kind === "signed" ? magnitude(values) : 1;
  const scale = devicePixelRatio || 1;
  const [wide, tall] = [Math.round(width * scale), Math.round(height * scale)];
  const pixels = new ImageData(wide, tall);
  const frameAt = Int32Array.from({ length: wide }, (_, x) => Math.floor((x / wide) * rows));
  const period = Math.round(STRIPES * scale);
  for (let y = 0; y < tall; y += 1) {
    const c = Math.floor((y / tall) * columns);
    for (let x = 0; x < wide; x += 1) {
      const share = clamp(values[frameAt[x] * columns + c] / size, -1, 1);
      const stripe = share < -0.1 && (x + y) % period < scale;
      // A stripe is pale on a strong colour, and strong on a pale one.
      const strength = stripe ? (share < -0.5 ? 0 : 1) : Math.abs(share);
      const to = share < 0 ? low : high;
      const place = 4 * (y * wide + x);
      for (let k = 0; k < 3; k += 1) pixels.data[place + k] = paper[k] + strength * (to[k] - paper[k]);
      pixels.data[place + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
  return size;
}

/** The legend of heat maps with signs. */
function signs(plus = TEXTS.plus, minus = TEXTS.minus) {
  return make("p", { className: "legend" }, ...[["positive", plus], ["negative", minus]].map(([sign, text]) =>
    make("span", {}, make("i", { className: sign, "aria-hidden": "true" }), text)));
}

/** Curves over frames: `{ values, colour, dash, name }` each, from `least` to `most`. */
function curves(context, width, height, lines, { least = 0, most = null, log = false } = {}) {
  const all = lines.flatMap(({ values }) => [...values]).filter((value) => Number.isFinite(value) && (!log || value > 0));
  const top = most ?? (Math.max(...all) || 1);
  const bottom = log ? Math.max(Math.min(...all), top * 1e-12) : least;
  const place = (value) => {
    const share = log
      ? Math.log(Math.max(value, bottom) / bottom) / Math.log(top / bottom || 2)
      : (value - bottom) / (top - bottom || 1);
    return height - 2 - clamp(share, 0, 1) * (height - 4);
  };
  for (const { values, colour: name, dash = [], width: thick = 2 } of lines) {
    context.beginPath();
    context.strokeStyle = colour(name);
    context.lineWidth = thick;
    context.setLineDash(dash);
    values.forEach((value, t) => {
      const x = ((t + 0.5) / values.length) * width;
      if (t === 0) context.moveTo(x, place(value));
      else context.lineTo(x, place(value));
    });
    context.stroke();
  }
  context.setLineDash([]);
  return { top, bottom };
}

/** A legend line under a figure: dashes and name of every curve. */
function legend(entries) {
  return make("p", { className: "legend" }, ...entries.map(({ colour: name, dash = [], text }) => {
    const mark = make("i", { "aria-hidden": "true" });
    mark.innerHTML = `<svg viewBox="0 0 40 6"><path d="M0 3H40" style="stroke: var(--${name}); stroke-width: 3; stroke-dasharray: ${dash.join(" ") || "none"}"/></svg>`;
    return make("span", {}, mark, text);
  }));
}

/** Bars of probabilities, with names and numbers. */
function bars() {
  const rows = LABELS.map((label) => {
    const [bar, second, number] = [make("i"), make("i", { className: "second" }), make("td", { className: "number" })];
    const row = make("tr", {}, make("th", { scope: "row" }, labelName(label)), make("td", { className: "bar" }, bar, second), number);
    return { row, bar, second, number };
  });
  const table = make("table", { className: "bars" }, make("tbody", {}, ...rows.map(({ row }) => row)));
  const show = (shares, others = null) => {
    const best = shares.indexOf(Math.max(...shares));
    rows.forEach(({ row, bar, second, number }, k) => {
      bar.style.width = `${100 * shares[k]}%`;
      second.style.width = others ? `${100 * others[k]}%` : "0";
      number.textContent = others ? `${percent(others[k])} → ${percent(shares[k])}` : percent(shares[k]);
      row.classList.toggle("best", k === best);
    });
  };
  return { table, show };
}
