const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
/** 32-bit floats. */
const floats = (text) => new Float32Array(decoded(text));
/** 32-bit floats without their lower halves. */
function upperHalves(text) {
  const halves = new Uint16Array(decoded(text));
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}
const values = data.values.map(floats);
const maps = data.maps.map((map) => ({ ...map, values: values[map.values], errors: upperHalves(map.errors) }));

/** The colour of an error: red, green, blue. */
function colour(error, bound) {
  const size = Math.abs(error);
  if (size === 0) return data.zero;
  if (bound !== null && !(size <= bound)) return data.exceeds;
  const [low, high] = data.decades;
  const last = data.colours.length - 1;
  const place = last * Math.min(1, Math.max(0, (Math.log10(size) - low) / (high - low)));
  const first = Math.min(Math.floor(place), last - 1);
  return data.colours[first].map((from, k) => from + (place - first) * (data.colours[first + 1][k] - from));
}

function draw(canvas, map) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  map.errors.forEach((error, n) => image.data.set([...colour(error, map.bound), 255], 4 * n));
  context.putImageData(image, 0, 0);
}

/** Element number `flat` of a map in words. */
function described(map, flat) {
  const value = map.values[flat];
  const error = map.errors[flat];
  const lines = [`${map.name} ${place(map, flat)}`, `backward: ${value.toExponential(6)}`];
  lines.push(`${map.witness}: ${(value + error * map.largest).toExponential(6)}`);
  lines.push(error === 0 ? "no difference" : `error: ${Math.abs(error).toExponential(1)} of the largest, ${map.largest.toExponential(2)}`);
  return lines.join("\n");
}

function place(map, flat) {
  if (map.directions) return `direction ${flat}`;
  const indices = [];
  let rest = flat;
  for (const size of [...map.shape].reverse()) {
    indices.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  const units = map.shape[0] / 4;
  const gate = map.gates ? `, gate ${"ifgo"[Math.floor(indices[0] / units)]} of unit ${indices[0] % units}` : "";
  return `[${indices.join(", ")}]${gate}`;
}

const tip = document.getElementById("element");
for (const canvas of document.querySelectorAll("canvas[data-map]")) {
  const map = maps[canvas.dataset.map];
  draw(canvas, map);
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const cell = (at, start, size, cells) => Math.min(cells - 1, Math.max(0, Math.floor((cells * (at - start)) / size)));
    const column = cell(event.clientX, box.left, box.width, canvas.width);
    const row = cell(event.clientY, box.top, box.height, canvas.height);
    tip.textContent = described(map, row * canvas.width + column);
    tip.hidden = false;
    tip.style.left = `${Math.max(0, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(0, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
}
