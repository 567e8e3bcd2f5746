// The beginning of the way back, from the loss to the hidden states: softmax and cross-entropy, the classifier, batch norm, attention.

/** Of the clip `[1, …]`: scores, probabilities, context vector, and the gradients of each; of a norm: mean, 1/√(v + ε), γ, β. */
function readAnswer({ bridge, ...clip }, matrix) {
  const read = (all) => Object.fromEntries(Object.entries(all).map(([name, values]) => [name, matrix(values)]));
  return { ...read(clip), bridge: bridge && read(bridge) };
}

/** Softmax and cross-entropy: a row for each class, `p = softmax(z)`. */
function lossTable(answer, names, label, fixed) {
  const rows = names.map((name, k) => {
    const numbers = [fixed(answer.z.at(0, k)), fixed(answer.p.at(0, k)), k === label ? "1" : "0", fixed(answer.dz.at(0, k), 5)];
    return `<tr class="${k === label ? "label" : ""}"><th scope="row">${name}</th>${numbers.map((text) => `<td>${text}</td>`).join("")}</tr>`;
  });
  const head = ["", "<i>z</i>", "<i>p</i>", "<i>y</i>", "<i>dz</i> = <i>p</i> − <i>y</i>"];
  return `<table class="classes"><thead><tr>${head.map((text) => `<th scope="col">${text}</th>`).join("")}</tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table>`;
}

/** Batch norm in evaluation at one place: forward, and undone. Its statistics are constants. */
function normEquations(equation, fixed, { norm, unit, x, y, dy, dx }, [from, to]) {
  const [mean, scale, gamma, beta] = [0, 1, 2, 3].map((row) => norm.at(row, unit));
  const sign = (number) => `${number < 0 ? "−" : "+"} ${fixed(Math.abs(number))}`;
  return equation(`<i>${to}</i> = <i>γ</i>·(<i>${from}</i> − <i>μ</i>)/√(<i>v</i> + <i>ε</i>) + <i>β</i>`, "batch norm",
    `= ${fixed(gamma)}·(${fixed(x)} ${sign(-mean)})·${fixed(scale)} ${sign(beta)} = <b>${fixed(y)}</b>`) +
    equation(`<i>d${from}</i> = <i>d${to}</i>·<i>γ</i>/√(<i>v</i> + <i>ε</i>)`, "the way back",
      `= ${fixed(dy, 5)}·${gamma < 0 ? `(${fixed(gamma)})` : fixed(gamma)}·${fixed(scale)} = <b>${fixed(dx, 5)}</b>`);
}
