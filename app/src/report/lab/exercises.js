// Room 6: twelve exercises, two per lesson, which the page checks. Their texts are in texts.js, in the same order.

/** One wrong backward pass among four: the fault's number, and the place of the wrong pass. */
const PLANTED = { fault: 1, place: 2, seeds: [11, 12, 13, 14] };

/** A number within a tolerance, a choice (or two), or a state of the page. */
const EXERCISES = [
  { number: () => -1, tolerance: 0.001 },
  { choices: [1] },
  { number: () => state.view.probabilities[state.view.label] - 1, tolerance: 0.0006, room: "walk" },
  { choices: [0] },
  { number: () => 0.5, tolerance: 0.001 },
  { choices: [2] },
  { reached: () => now.t === indexOfLargest(state.view.get("alpha").values), room: "listen" },
  { number: () => 0.35, tolerance: 0.001 },
  { reached: () => forgetting.halfLife >= 15 && Number.isFinite(forgetting.halfLife), room: "whatif" },
  { choices: [PLANTED.place, 1], show: faultTables, room: "train" },
  { number: () => 1.1 ** 10, tolerance: 0.006 },
  { reached: () => whatIf.cut && state.changed !== null, room: "whatif" },
];

const STORE = "reslstm-lab";
const exercises = { solved: new Set(), cards: [] };

addRoom("exercises", {
  build(section) {
    try {
      exercises.solved = new Set(JSON.parse(localStorage.getItem(STORE) ?? "[]"));
    } catch {
      // A browser that keeps nothing: progress lasts as long as the page.
    }
    exercises.progress = make("p", { className: "verdict", role: "status" });
    const forgetAll = make("button", { id: "forget-progress" }, TEXTS.forgetProgress);
    forgetAll.addEventListener("click", () => {
      exercises.solved.clear();
      keepProgress();
    });
    section.append(make("article", { className: "panel wide" }, make("h2", {}, TEXTS.rooms.exercises),
      make("p", { className: "note" }, TEXTS.exercisesNote), exercises.progress, forgetAll));
    exercises.cards = EXERCISES.map((exercise, n) => exerciseCard(exercise, n));
    section.append(...exercises.cards);
    keepProgress();
  },
});

function keepProgress() {
  try {
    localStorage.setItem(STORE, JSON.stringify([...exercises.solved]));
  } catch {
    // As above.
  }
  exercises.progress.textContent = TEXTS.progressSaid(exercises.solved.size, EXERCISES.length);
  exercises.cards.forEach((card, n) => {
    card.classList.toggle("solved", exercises.solved.has(n));
    card.querySelector(".mark").textContent = exercises.solved.has(n) ? `✓ ${TEXTS.solved}` : "";
  });
}

function exerciseCard(exercise, n) {
  const { title, question, options = [], hint, solution } = TEXTS.exercises[n];
  const answer = answerInputs(exercise, options, n);
  const said = make("p", { className: "verdict", role: "status", id: `said-${n}` });
  const submit = make("button", { id: `check-${n}`, className: "primary" }, TEXTS.checkAnswer);
  submit.addEventListener("click", () => {
    const right = isRight(exercise, answer.read());
    said.textContent = right ? TEXTS.right : TEXTS.notYet;
    said.classList.toggle("wrong", !right);
    if (right) exercises.solved.add(n);
    keepProgress();
  });
  const go = exercise.room ? [make("button", {}, TEXTS.goTo(TEXTS.rooms[exercise.room]))] : [];
  go.forEach((button) => button.addEventListener("click", () => openRoom(exercise.room)));
  return make("article", { className: exercise.show ? "panel exercise wide" : "panel exercise", id: `exercise-${n}` },
    make("h2", {}, `${n + 1}. ${title}`, make("span", { className: "mark" })),
    make("p", { className: "lesson" }, TEXTS.lesson(Math.floor(n / 2) + 1)),
    make("p", {}, question), ...(exercise.show ? [exercise.show()] : []), ...answer.elements,
    make("p", { className: "switch" }, submit, ...go), said,
    make("details", {}, make("summary", {}, TEXTS.hint), make("p", {}, hint)),
    make("details", {}, make("summary", {}, TEXTS.solution), ...solution.split("\n").map((line) => make("p", {}, line))));
}

/** The inputs of an exercise, and how their answer is read. */
function answerInputs(exercise, options, n) {
  if (exercise.number) {
    const input = make("input", { type: "text", inputMode: "decimal", id: `answer-${n}`, autocomplete: "off" });
    return { elements: [control(TEXTS.yourNumber, input)], read: () => Number(input.value.trim().replace(",", ".").replace("−", "-") || NaN) };
  }
  if (exercise.choices) {
    const selects = options.map((texts, part) =>
      make("select", { id: `answer-${n}-${part}` }, ...["…", ...texts].map((text, k) => make("option", { value: k - 1 }, text))));
    return { elements: selects.map((select) => control(TEXTS.yourChoice, select)), read: () => selects.map((select) => Number(select.value)) };
  }
  return { elements: [], read: () => null };
}

function isRight(exercise, answer) {
  if (exercise.number) return Math.abs(answer - exercise.number()) <= exercise.tolerance;
  if (exercise.choices) return exercise.choices.every((right, part) => answer[part] === right);
  return exercise.reached();
}

/** Four backward passes of a small LSTM: where each disagrees most with dual numbers. */
function faultTables() {
  const tables = PLANTED.seeds.map((seed, place) => {
    const audits = JSON.parse(wasm_bindgen.audit_fault(place === PLANTED.place ? PLANTED.fault : 0, seed));
    const rows = audits.map(({ name, backward, dual }) => make("tr", {}, make("th", { scope: "row" }, name),
      ...[backward, dual].map((value) => make("td", { className: "number" }, fixed(value, 6)))));
    const head = make("tr", {}, ...["", TEXTS.byBackward, TEXTS.byDual].map((text) => make("th", { scope: "col" }, text)));
    return make("div", {}, make("h3", {}, TEXTS.passes[place]),
      make("table", { className: "numbers" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  });
  return make("div", { className: "grid scroll" }, ...tables);
}
