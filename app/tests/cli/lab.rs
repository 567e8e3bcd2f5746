//! `lab`: a page in which the engine runs, with the numbers of the library.

use crate::browser::{ask, ask_in_window};
use crate::test_dir::TestDir;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reslstm::audio::Recording;
use reslstm::audit::clip_gradients::{ClipGradients, Connection};
use reslstm::audit::{cast, recast};
use reslstm::models::{Model, Predictor};
use serde_json::Value;

const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/reslstm-sa-h64-ravdess.safetensors");

fn page(name: &str) -> TestDir {
    let dir = TestDir::new(name);
    let output = dir.run("lab -o lab.html");
    assert_eq!((output.code, output.stdout.as_str()), (0, ""), "{}", output.stderr);
    assert!(output.stderr.starts_with("lab.html: "), "{}", output.stderr);
    dir
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
}

/// Checks that the largest difference is at most `tolerance` of the largest expected number.
fn assert_close(name: &str, got: &Value, expected: &[f64], tolerance: f64) {
    let got = numbers(got);
    assert_eq!(got.len(), expected.len(), "{name}");
    let size = expected.iter().fold(0.0, |most: f64, it| most.max(it.abs()));
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(size > 0.0 && worst <= tolerance * size, "{name}: {worst} of {size}");
}

#[test]
fn forward_and_backward_are_the_librarys() {
    let dir = page("lab-numbers");
    let html = String::from_utf8(dir.read("lab.html")).unwrap();
    assert!(html.len() <= 2_500_000, "{} bytes", html.len());
    assert!(html.contains("default-src 'none'") && !html.contains("http://") && !html.contains("https://"));
    let question = "
        const { view } = state;
        const names = ['probabilities', 'running', 'alpha', 'dx', '0.f', '0.di', '1.i', '1.c', '1.h', '1.dh', '1.dc',
          '1.di', '1.df', '1.dg', '1.do', 'dscores', 'dalpha', 'dcontext', 'dnormalised', 'dlogits', 'sum', 'enriched',
          'dsum', 'denriched'];
        const values = Object.fromEntries(names.map((name) => [name, [...view.clip.values(name)]]));
        chooseWay('backward');
        moveTo({ t: 20, lstm: 1, unit: 7 });
        const results = (element) => [...element.querySelectorAll('strong')].map((it) => it.textContent.replace('−', '-'));
        const [above, bridge] = [results(walk.attention).at(-1), results(walk.bridge)];
        return { above, bridge, values, label: view.label, loss: view.loss, n: numbersOf(state.view, now), weight: state.view.clip.weight_gradient(1, 70, 3) };";
    let Some(answer) = ask(&dir, "lab.html", "room=walk", question) else { return };

    let (_, data) = html.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let wav = BASE64_STANDARD.decode(data["clip"].as_str().unwrap()).unwrap();
    dir.write("clip.wav", &wav);
    let predicted: Value = serde_json::from_str(&dir.does("predict clip.wav --model paper --no-gate --json")).unwrap();
    let probabilities: Vec<f64> = data["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| predicted["probabilities"][label.as_str().unwrap()].as_f64().unwrap())
        .collect();
    for (got, expected) in numbers(&answer["values"]["probabilities"]).iter().zip(&probabilities) {
        assert!((got - expected).abs() <= 1e-5, "{got} {expected}");
    }

    let mut predictor = Predictor::from_bytes(&std::fs::read(BUNDLED).unwrap()).unwrap();
    let features = predictor.features(&Recording::from_wav(&wav).unwrap().samples).unwrap();
    let x = cast(predictor.normalised(&features).unwrap());
    let network = predictor.file().branches()[0].model();
    let mut model = Model::<f64>::zeros(network.architecture(), network.inputs(), network.classes());
    recast(network, &mut model);
    let label = answer["label"].as_u64().unwrap() as usize;
    let all = ClipGradients::new(&model, &x, label, Connection::Residual);
    let [lower, upper] = &all.lstms[..] else { panic!("two LSTMs") };
    let bridge = all.bridge.as_ref().unwrap();
    // Features are f32, and their last bits differ between the machines.
    for (name, expected) in [
        ("probabilities", &all.probabilities),
        ("dx", &all.dx),
        ("0.f", &lower.tape.gates[1]),
        ("0.di", &lower.all.gates[0]),
        ("1.i", &upper.tape.gates[0]),
        ("1.c", &upper.tape.c),
        ("1.h", &upper.tape.h),
        ("1.dh", &upper.all.h),
        ("1.dc", &upper.all.c),
        ("1.di", &upper.all.gates[0]),
        ("1.df", &upper.all.gates[1]),
        ("1.dg", &upper.all.gates[2]),
        ("1.do", &upper.all.gates[3]),
        ("dscores", &all.dscores),
        ("dcontext", &all.top.dcontext),
        ("dnormalised", &all.top.dnormalised),
        ("dlogits", &all.dlogits),
        ("sum", &bridge.sum),
        ("enriched", &bridge.enriched),
        ("dsum", &bridge.dsum),
        ("denriched", &bridge.denriched),
    ] {
        assert_close(name, &answer["values"][name], expected.as_slice(), 1e-4);
    }
    assert_close("alpha", &answer["values"]["alpha"], &all.top.attention.alpha, 1e-4);
    assert!((answer["loss"].as_f64().unwrap() - all.loss).abs() < 1e-4);
    let written = |it: &Value, expected: f64| {
        let got: f64 = it.as_str().unwrap().parse().unwrap();
        assert!((got - expected).abs() <= 0.06 * got.abs().max(1e-4), "{got} {expected}");
    };
    written(&answer["above"], upper.dh[(20, 7)]);
    let dsum = bridge.dsum[(20, 7)];
    for (n, expected) in [bridge.denriched[(20, 7)], dsum, dsum, all.dx[(20, 7)]].into_iter().enumerate() {
        written(&answer["bridge"][n], expected);
    }
    // What the drawing and the equations show.
    let shown = |name: &str| answer["n"][name].as_f64().unwrap();
    for (name, expected) in [
        ("i", upper.tape.gates[0][(20, 7)]),
        ("dh", upper.all.h[(20, 7)]),
        ("dc", upper.all.c[(20, 7)]),
        ("dc_prev", upper.all.c[(20, 7)] * upper.tape.gates[1][(20, 7)]),
        ("dh_next", upper.all.h[(20, 7)] - upper.dh[(20, 7)]),
        ("dc_next", upper.all.c[(21, 7)] * upper.tape.gates[1][(21, 7)]),
        ("df_", upper.all.gates[1][(20, 7)]),
    ] {
        assert!(
            (shown(name) - expected).abs() <= 1e-4 * expected.abs().max(1e-2),
            "{name}: {} {expected}",
            shown(name)
        );
    }
    assert!((shown("above") + shown("dh_next") - shown("dh")).abs() < 1e-9);
    assert!((shown("dc_own") + shown("dc_next") - shown("dc")).abs() < 1e-9);
    let Model::ResLstmSa(grads) = &all.grads else { panic!("a ResLSTM-SA") };
    let weight = grads.top.lstm.weight_hh[(70, 3)];
    assert!((answer["weight"].as_f64().unwrap() - weight).abs() <= 1e-3 * weight.abs(), "{weight}");
}

#[test]
fn a_derivative_is_checked_in_three_ways() {
    let dir = page("lab-check");
    let question = "
        const rounds = ['lstm2.weight_hh_l0', 'lstm1.weight_ih_l0', 'fc.weight', 'input'].map((wanted) => {
          chooseWeight({ tensor: check.tensors.findIndex(({ name }) => name.endsWith(wanted)), row: 1, column: 2 });
          const hidden = check.results.hidden;
          byId('guess-positive').click();
          const { backward, dual, in_f64, in_f32 } = check.result;
          const errors = (all) => all.map((it) => Math.abs(it - dual) / Math.abs(dual));
          const right = check.said.textContent.startsWith('Right');
          return { wanted, hidden, shown: !check.results.hidden, backward, dual, right, f64: errors(in_f64), f32: errors(in_f32) };
        });
        check.step.querySelector('input').value = 20;
        check.step.querySelector('input').dispatchEvent(new Event('input'));
        return { rounds, n: check.n, rows: check.table.querySelectorAll('tbody tr').length };";
    let Some(answer) = ask(&dir, "lab.html", "room=check", question) else { return };
    assert_eq!((&answer["n"], &answer["rows"]), (&20.into(), &4.into()));
    for round in answer["rounds"].as_array().unwrap() {
        let [backward, dual] = ["backward", "dual"].map(|name| round[name].as_f64().unwrap());
        assert!((backward - dual).abs() <= 1e-10 * dual.abs(), "{round}");
        assert_eq!(
            (&round["hidden"], &round["shown"], &round["right"]),
            (&true.into(), &true.into(), &(dual > 0.0).into())
        );
        let [double, single] = ["f64", "f32"].map(|name| numbers(&round[name]));
        let least = |errors: &[f64]| errors.iter().copied().fold(f64::INFINITY, f64::min);
        let (first, last) = (double[0], double[double.len() - 1]);
        let best = least(&double);
        assert!(best < 1e-6 && first > 10.0 * best && last > 10.0 * best, "{}: {first} {best} {last}", round["wanted"]);
        assert!(least(&single) > 10.0 * best, "{}", round["wanted"]);
    }
}

#[test]
fn changes_show_at_once_and_can_be_undone() {
    let dir = page("lab-changes");
    let question = "
        const choose = (id, value) => { byId(id).value = value; byId(id).dispatchEvent(new Event('change')); };
        const shares = () => [...state.changed.probabilities];
        const before = shares();
        choose('hold-1-f', '0');
        const [held, forget] = [shares(), state.changed.get('1.f').values.every((it) => it === 0)];
        choose('hold-1-f', '');
        const free = shares();
        byId('cut').click();
        const cut = shares();
        byId('silence-MFCC').click();
        const silent = state.changed.get('x').at(10, 3);
        byId('reset-changes').click();
        const undone = shares();
        whatIf.noise = 0;
        applyChanges();
        const noisy = shares();
        const bias = byId('forget-bias');
        const [two, half] = [forgetting.measured[10], forgetting.halfLife];
        bias.value = 3;
        bias.dispatchEvent(new Event('input'));
        return { before, held, forget, free, cut, silent, undone, noisy, two, half, three: forgetting.measured[10], longer: forgetting.halfLife };";
    let Some(answer) = ask(&dir, "lab.html", "room=whatif", question) else { return };
    let before = &answer["before"];
    for name in ["held", "cut", "noisy"] {
        let moved: f64 = numbers(&answer[name]).iter().zip(numbers(before)).map(|(a, b)| (a - b).abs()).sum();
        assert!(moved > 0.01, "{name}: {moved}");
    }
    assert_eq!((&answer["free"], &answer["undone"]), (before, before));
    assert_eq!((&answer["forget"], answer["silent"].as_f64()), (&true.into(), Some(0.0)));
    let [two, three] = ["two", "three"].map(|name| answer[name].as_f64().unwrap());
    assert!(two < three && answer["half"].as_u64().unwrap() < answer["longer"].as_u64().unwrap(), "{answer}");
}

#[test]
fn a_network_learns_in_the_page() {
    let dir = page("lab-train");
    let question = "
        const before = training.network.accuracy(500);
        const gates = () => training.example.gates.flat();
        const start = gates();
        for (let n = 0; n < 400; n += 1) trainStep();
        examine();
        return { start, gates: gates(), before, after: training.network.accuracy(500), said: training.said.textContent, losses: training.losses };";
    let Some(answer) = ask(&dir, "lab.html", "room=train", question) else { return };
    let [before, after] = ["before", "after"].map(|name| answer[name].as_f64().unwrap());
    assert!(before < 0.8 && after == 1.0, "{before} {after}");
    let losses = numbers(&answer["losses"]);
    assert!((losses[0] - 2f64.ln()).abs() < 0.1 && losses[399] < 0.05, "{losses:?}");
    assert!(answer["said"].as_str().unwrap().starts_with("400 steps"), "{answer}");
    // The gates i, f and o of a unit move with training.
    let [start, gates] = ["start", "gates"].map(|name| numbers(&answer[name]));
    let moved = start.iter().zip(&gates).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(start.len() % 3 == 0 && gates.iter().all(|it| (0.0..=1.0).contains(it)) && moved > 0.1, "{moved}");
}

#[test]
fn voices_are_learned_and_told_apart_from_new_speakers() {
    let dir = page("lab-voices");
    let question = "
        const input = document.getElementById('train-task');
        input.value = 'voices';
        input.dispatchEvent(new Event('change'));
        const before = training.network.accuracy(1);
        for (let step = 0; step < 200; step += 1) trainStep();
        examine();
        const { x, frames, alpha } = training.example;
        return { before, after: training.accuracy.at(-1), losses: training.losses, tested: data.voices.tested,
                 example: [x.length, frames, alpha.length, data.voices.columns], length_shown: training.longest.checkVisibility() };";
    let Some(answer) = ask(&dir, "lab.html", "room=train", question) else { return };
    let losses = numbers(&answer["losses"]);
    assert!((losses[0] - 2f64.ln()).abs() < 0.3 && losses[199] < 0.05, "{} {}", losses[0], losses[199]);
    let [before, after] = ["before", "after"].map(|name| answer[name].as_f64().unwrap());
    // Clips of two speakers that training never saw.
    assert_eq!(answer["tested"], 16);
    assert!(before < 0.9 && after >= 0.9, "{before} {after}");
    let [x, frames, alpha, columns] = numbers(&answer["example"])[..] else { panic!("{answer}") };
    assert!(x == columns * frames && alpha == frames && columns == 12.0, "{answer}");
    assert_eq!(answer["length_shown"], false, "the length of clips is what it is");
}

#[test]
fn exercises_accept_right_answers_and_refuse_wrong_ones() {
    let dir = page("lab-exercises");
    let question = "
        localStorage.clear();
        const answers = [['-1', '1'], [1], [(state.view.probabilities[state.view.label] - 1).toFixed(3), '0.5'], [0], ['0,5', '2'],
          [2], null, ['0.35', '0.5'], null, [2, 1], ['2.594', '1']];
        const submit = (n) => { byId(`check-${n}`).click(); return byId(`said-${n}`).textContent; };
        const fill = (id, value) => { byId(id).value = value; };
        const loudest = indexOfLargest(state.view.get('alpha').values);
        const bias = (value) => { byId('forget-bias').value = value; byId('forget-bias').dispatchEvent(new Event('input')); };
        openRoom('whatif');
        const reached = {
          6: [() => moveTo({ t: loudest - 1 }), () => moveTo({ t: loudest })],
          8: [() => bias(2), () => bias(3)],
          11: [() => {}, () => byId('cut').click()],
        };
        const said = EXERCISES.map((exercise, n) => {
          if (exercise.number) {
            return [answers[n][1], answers[n][0]].map((value) => { fill(`answer-${n}`, value); return submit(n); });
          }
          if (exercise.choices) {
            const wrong = answers[n].map((right) => (right + 1) % 3);
            return [wrong, answers[n]].map((values) => { values.forEach((value, part) => fill(`answer-${n}-${part}`, value)); return submit(n); });
          }
          return reached[n].map((reach) => { reach(); return submit(n); });
        });
        return { said, solved: exercises.progress.textContent, kept: localStorage.getItem(STORE) };";
    let Some(answer) = ask(&dir, "lab.html", "room=exercises", question) else { return };
    let said = answer["said"].as_array().unwrap();
    assert_eq!(said.len(), 12);
    for (n, said) in said.iter().enumerate() {
        assert_eq!(said, &serde_json::json!(["Not yet.", "Right."]), "exercise {}", n + 1);
    }
    assert_eq!(answer["solved"], "12 of 12 solved.");
    assert_eq!(answer["kept"], "[0,1,2,3,4,5,6,7,8,9,10,11]");
}

#[test]
fn every_room_fits_and_follows_keys() {
    let dir = page("lab-rooms");
    let question = "
        const fits = rooms.map(({ name }) => {
          openRoom(name);
          return [name, document.documentElement.scrollWidth <= innerWidth];
        });
        const unnamed = [...document.querySelectorAll('button, input, select, canvas, svg[role]')].filter((it) =>
          !it.hidden && !it.getAttribute('aria-label') && !it.closest('label') && !it.textContent.trim()).map((it) => it.outerHTML);
        openRoom('walk');
        moveTo({ t: 5 });
        const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        const frames = ['ArrowRight', 'ArrowLeft', 'PageDown', 'Home', 'End'].map((key) => { press(key); return now.t; });
        return { fits, unnamed, frames, last: state.view.frames - 1 };";
    for window in [[1024, 768], [1920, 1080]] {
        let Some(answer) = ask_in_window(&dir, "lab.html", "", window, question) else { return };
        for fit in answer["fits"].as_array().unwrap() {
            assert_eq!(fit[1], true, "{fit} in {window:?}");
        }
        assert_eq!(answer["unnamed"], serde_json::json!([]));
        assert_eq!(answer["frames"], serde_json::json!([6, 5, 15, 0, answer["last"]]));
    }
}

#[test]
fn models_that_read_no_recordings_are_refused_and_branches_are_named() {
    let dir = TestDir::new("lab-models");
    dir.write("no.safetensors", b"no model");
    dir.refuses_saying("lab -o lab.html --model no.safetensors", &["no.safetensors"]);
    assert_eq!(dir.run("lab").code, 2, "where to write is asked for");
    dir.write("small.safetensors", crate::explain::untrained("lstm-sa-h5", &["calm", "cross"]));
    dir.does("lab -o small.html --model small.safetensors");
    let question = "return [LABELS, data.rate, [...state.view.units], [...state.view.probabilities].length];";
    let Some(answer) = ask(&dir, "small.html", "room=walk", question) else { return };
    assert_eq!(answer, serde_json::json!([["calm", "cross"], 16_000, [5], 2]));
}

#[test]
fn the_branch_that_is_shown_can_be_chosen() {
    let dir = TestDir::new("lab-branches");
    dir.does("train ../speech -o m.safetensors --all --epochs 1 --recipe paper --arch lstm-sa-h4 --inputs pitch --branches mfcc,pitch+deltas");
    let output = dir.run("lab -o lab.html --model m.safetensors");
    assert!(output.code == 0 && output.stderr.contains("one of 2 branches at a time"), "{}", output.stderr);
    let question = "
        openRoom('whatif');
        const select = byId('branch');
        const state_now = () => [select.value, state.view.get('x').columns, [...document.querySelectorAll('[id^=silence-]')].map((it) => it.id)];
        const first = state_now();
        const alone = [...state.view.probabilities];
        select.value = '1';
        select.dispatchEvent(new Event('change'));
        const second = state_now();
        const other = [...state.view.probabilities];
        for (const { name } of rooms) openRoom(name);
        return { first, second, alone, other, together: state.answer, about: byId('about').textContent, names: [...select.options].map((it) => it.text) };";
    let Some(answer) = ask(&dir, "lab.html", "", question) else { return };
    assert_eq!(answer["first"], serde_json::json!(["0", 34, ["silence-MFCC"]]));
    assert_eq!(answer["second"][1], 14, "{answer}");
    assert_eq!(answer["names"], serde_json::json!(["1 of 2: mfcc", "2 of 2: pitch+deltas"]));
    // Together they answer as `predict` does: the mean of both.
    let [alone, other, together] = ["alone", "other", "together"].map(|name| numbers(&answer[name]));
    for ((a, b), mean) in alone.iter().zip(&other).zip(together) {
        assert!(((a + b) / 2.0 - mean).abs() < 1e-5, "{answer}");
    }
    assert!(answer["about"].as_str().unwrap().contains("all 2 branches together"), "{answer}");
}

#[test]
fn a_second_click_opens_no_second_microphone() {
    let dir = page("lab-microphone");
    let question = "
        let opened = 0;
        const getUserMedia = () => { opened += 1; return new Promise(() => {}); };
        Object.defineProperty(navigator, 'mediaDevices', { value: { getUserMedia } });
        for (let click = 0; click < 3; click += 1) byId('microphone').click();
        return opened;";
    let Some(opened) = ask(&dir, "lab.html", "room=listen", question) else { return };
    assert_eq!(opened, 1);
}
