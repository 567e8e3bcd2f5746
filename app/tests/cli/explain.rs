//! `explain`: a page with the numbers of the engine that works in a browser.

use crate::browser::{ask, ask_in_window, assert_closed};
use crate::test_dir::{CLIP, TestDir, model, tone, wav};
use reslstm::audio::{FeatureSettings, Recording};
use reslstm::audit::clip_gradients::{ClipGradients, Connection};
use reslstm::audit::{cast, recast};
use reslstm::models::{Metadata, Model, ModelFile, Predictor, Trace};
use reslstm::rng::RandomStream;
use serde_json::Value;

/// An untrained model for recordings at 16 kHz with the classes `labels`.
pub fn untrained(arch: &str, labels: &[&str]) -> Vec<u8> {
    let names = labels.iter().map(ToString::to_string).collect::<Vec<_>>().try_into().unwrap();
    let mut metadata = Metadata::new(arch.into(), names, 16_000, FeatureSettings::default());
    (metadata.mean, metadata.std) = (vec![0.0; 46], vec![10.0; 46]);
    let model = Model::init(arch.parse().unwrap(), 46, labels.len(), &mut RandomStream::new(1, "init", 0));
    ModelFile::new(model, Some(metadata)).unwrap().to_bytes()
}

/// JavaScript: colours of every heat map, and length of every line, whose panel has a size.
const DRAWINGS: &str = "
    const plots = [...document.querySelectorAll('.plot')].filter((plot) => plot.clientWidth > 50 && plot.clientHeight > 20);
    const drawn = plots.map((plot) => {
      const [canvas, path] = [plot.querySelector('canvas'), plot.querySelector('path:not(.grid)')];
      if (!canvas) return path.getTotalLength();
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });";

#[test]
fn every_panel_is_drawn_and_follows_keys_and_pointer() {
    let dir = TestDir::new("explain-page");
    let output = dir.run(&format!("explain {CLIP} -o page.html --model {} --label angry", model()));
    assert_eq!((output.code, output.stdout.as_str()), (0, ""), "{}", output.stderr);
    assert!(output.stderr.starts_with("page.html: "), "{}", output.stderr);
    assert_closed(&dir, "page.html");
    let size = dir.read("page.html").len();
    assert!(size < 3_000_000, "{size} bytes");
    // The same clip and model give the same page; without its sound it is smaller.
    dir.does(&format!("explain {CLIP} -o again.html --model {} --label angry", model()));
    assert!(dir.read("again.html") == dir.read("page.html"));
    dir.does(&format!("explain {CLIP} -o silent.html --model {} --no-sound", model()));
    let silent = String::from_utf8(dir.read("silent.html")).unwrap();
    assert!(silent.len() + dir.read(CLIP).len() < size && !silent.contains("data:audio"));

    let question = format!(
        "{DRAWINGS}
        const state = () => [now.t, now.lstm, now.unit, now.held, document.getElementById('now').textContent];
        const began = state();
        document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'ArrowRight', bubbles: true }}));
        const right = state();
        document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'End', bubbles: true }}));
        const end = state();
        const plot = document.querySelector('#lstm-0 .plot');
        const box = plot.getBoundingClientRect();
        const at = {{ clientX: box.left + 0.01 * box.width, clientY: box.bottom - 0.4, bubbles: true }};
        plot.dispatchEvent(new PointerEvent('pointermove', at));
        const moved = state();
        plot.dispatchEvent(new PointerEvent('click', at));
        const clicked = state();
        plot.dispatchEvent(new PointerEvent('pointermove', {{ ...at, clientX: box.right - 1 }}));
        const held = state();
        const dark = theme.dark;
        document.getElementById('theme').click();
        return {{ drawn, began, right, end, moved, clicked, held, play: !document.getElementById('play').hidden,
                 toggled: theme.dark !== dark, frames }};"
    );
    let Some(page) = ask(&dir, "page.html", "t=4&lstm=2&unit=3", &question) else { return };
    let drawn = page["drawn"].as_array().unwrap();
    // Sound, features, attention, probabilities, gradients, saliency; i, f, g, o, c, h of two LSTMs.
    assert_eq!(drawn.len(), 6 + 2 * 6, "{page}");
    assert!(drawn.iter().all(|size| size.as_f64().unwrap() > 3.0), "{page}");
    let last = page["frames"].as_u64().unwrap() - 1;
    let at = |name: &str| page[name].as_array().unwrap()[..4].to_vec();
    let state = |t: u64, lstm: u64, unit: u64, held: bool| vec![t.into(), lstm.into(), unit.into(), Value::from(held)];
    assert_eq!(at("began"), state(4, 1, 3, false), "{page}");
    assert_eq!(at("right"), state(5, 1, 3, false), "{page}");
    assert_eq!(at("end"), state(last, 1, 3, false), "{page}");
    assert_eq!(at("moved"), state(0, 1, 3, false), "{page}");
    assert_eq!(at("clicked"), state(0, 0, 45, true), "a click holds the frame and takes the unit: {page}");
    assert_eq!(page["held"], page["clicked"], "{page}");
    assert!(page["right"][4].as_str().unwrap().starts_with(&format!("5/{last} · 0.21 s · ")), "{page}");
    assert_eq!((&page["play"], &page["toggled"]), (&true.into(), &true.into()));
}

#[test]
fn equations_have_the_numbers_of_the_engine_and_add_up() {
    let dir = TestDir::new("explain-equations");
    dir.does(&format!("explain {CLIP} -o page.html --model {}", model()));
    let question = "return [[0, 0, 0], [0, 7, 31], [1, 20, 3]].map(([lstm, t, unit]) => {
        show({ lstm, t, unit });
        const text = (id) => [...document.querySelectorAll(`#${id} .equation`)].map((equation) => equation.innerText);
        return [...text('equations'), ...text('attention-equation'), ...[...document.querySelectorAll('#bars td:last-child')]
          .map((cell) => cell.textContent)];
    });";
    let Some(shown) = ask(&dir, "page.html", "view=all", question) else { return };

    let mut predictor = Predictor::from_bytes(&dir.read(model())).unwrap();
    let recording = Recording::from_wav(&dir.read(CLIP)).unwrap();
    let features = predictor.features(&recording.samples).unwrap();
    let x = predictor.normalised(&features).unwrap().clone();
    let trace = Trace::new(predictor.model(), &x);
    for (equations, (l, t, unit)) in shown.as_array().unwrap().iter().zip([(0, 0, 0), (0, 7, 31), (1, 20, 3)]) {
        let equation = |n: usize| numbers(equations[n].as_str().unwrap());
        let close = |got: f64, expected: f32, what: &str| {
            assert!((got - f64::from(expected)).abs() <= 0.6e-4, "{what} of unit {unit}, frame {t}: {got} {expected}");
        };
        let lstm = &trace.lstms[l];
        for (g, name) in ["i", "f", "g", "o"].into_iter().enumerate() {
            let [input, recurrent, bias, sum, value] = equation(g)[..] else { panic!("{name}: {equations}") };
            let column = g * lstm.tape.h.cols() + unit;
            close(input, lstm.input[(t, column)], name);
            close(recurrent, lstm.recurrent[(t, column)], name);
            close(bias, lstm.bias[column], name);
            close(value, lstm.tape.gates[g][(t, unit)], name);
            // Three numbers, each rounded to four digits.
            assert!((input + recurrent + bias - sum).abs() < 2.1e-4, "{name}: {equations}");
            let activated = if name == "g" { sum.tanh() } else { 1.0 / (1.0 + (-sum).exp()) };
            assert!((activated - value).abs() < 1.1e-4, "{name}: {equations}");
        }
        close(*equation(4).last().unwrap(), lstm.tape.c[(t, unit)], "c");
        close(*equation(5).last().unwrap(), lstm.tape.h[(t, unit)], "h");
        let [e, alpha, _percent] = equation(6)[..] else { panic!("{equations}") };
        close(e, trace.scores[(t, 0)], "e");
        close(alpha, trace.attention[t], "α");
        for (k, &probability) in trace.probabilities.row(t).iter().enumerate() {
            let got: f64 = equations[7 + k].as_str().unwrap().parse().unwrap();
            assert!((got - f64::from(probability)).abs() <= 0.51e-3, "class {k}: {got} {probability}");
        }
    }
}

/// The engine's gradients of the clip against "angry", in f64, and the number of this label.
fn gradients_of_angry(dir: &TestDir) -> (ClipGradients, usize) {
    let mut predictor = Predictor::from_bytes(&dir.read(model())).unwrap();
    let features = predictor.features(&Recording::from_wav(&dir.read(CLIP)).unwrap().samples).unwrap();
    let x = cast(predictor.normalised(&features).unwrap());
    let label = predictor.labels().iter().position(|label| label == "angry").unwrap();
    let network = predictor.model();
    let mut precise = Model::zeros(network.architecture(), network.inputs(), network.classes());
    recast(network, &mut precise);
    (ClipGradients::new(&precise, &x, label, Connection::Residual), label)
}

#[test]
fn the_way_back_has_the_numbers_of_the_engine() {
    let dir = TestDir::new("explain-backward");
    dir.does(&format!("explain {CLIP} -o page.html --model {} --label angry", model()));
    let question = "return [[0, 0, 0], [0, 7, 31], [1, 20, 3]].map(([lstm, t, unit]) => {
        show({ lstm, t, unit });
        const of = (id) => [...document.querySelectorAll(`#${id} .equation`)].map((equation) => equation.innerText);
        return [...of('equations'), ...of('attention-equation')];
    });";
    let Some(shown) = ask(&dir, "page.html", "view=all&way=backward", question) else { return };

    let (all, _) = gradients_of_angry(&dir);
    for (equations, (l, t, unit)) in shown.as_array().unwrap().iter().zip([(0, 0, 0), (0, 7, 31), (1, 20, 3)]) {
        let lstm = &all.lstms[l];
        let [i, f, g, o] = lstm.tape.gates.each_ref().map(|gate| gate[(t, unit)]);
        let (dh, dc, tanh_c) = (lstm.all.h[(t, unit)], lstm.all.c[(t, unit)], lstm.tape.tanh_c[(t, unit)]);
        let c_prev = if t == 0 { 0.0 } else { lstm.tape.c[(t - 1, unit)] };
        let [di, df, dg, d_o] = lstm.all.gates.each_ref().map(|gate| gate[(t, unit)]);
        let expected = [dh, dc, dh * tanh_c, dc * c_prev, dc * g, dc * i, di, df, dg, d_o, dc * f];
        assert_eq!(equations.as_array().unwrap().len(), expected.len() + 1, "{equations}");
        assert!((d_o - dh * tanh_c * o * (1.0 - o)).abs() < 1e-15);
        for (n, expected) in expected.into_iter().enumerate() {
            let got = *numbers(equations[n].as_str().unwrap()).last().unwrap();
            assert!(
                (got - expected).abs() <= 0.06 * expected.abs().max(1e-4),
                "line {n}, unit {unit}: {got} {expected}"
            );
        }
        // Two arms add up to dh: five digits each, or two where the number is small.
        let [above, next, sum] = numbers(equations[0].as_str().unwrap())[..] else { panic!("{equations}") };
        assert!((above - lstm.dh[(t, unit)]).abs() <= 0.06 * above.abs().max(1e-4), "{equations}");
        assert!((above + next - sum).abs() <= 0.1 * above.abs().max(sum.abs()).max(1e-4), "{equations}");
        let de = *numbers(equations[11].as_str().unwrap()).last().unwrap();
        assert!((de - all.dscores[(t, 0)]).abs() <= 0.06 * de.abs().max(1e-5), "{equations}");
    }
}

#[test]
fn the_way_back_from_the_loss_has_the_numbers_of_the_engine() {
    let dir = TestDir::new("explain-loss");
    dir.does(&format!("explain {CLIP} -o page.html --model {} --label angry", model()));
    let question = "return [[0, 7, 3], [1, 20, 2]].map(([lstm, t, unit]) => {
        show({ lstm, t, unit });
        const of = (selector) => [...document.querySelectorAll(selector)].map((element) => element.innerText);
        return { equations: of('#equations .equation'), attention: of('#attention-equation .equation'), cells: of('.classes tbody td') };
    });";
    let Some(shown) = ask(&dir, "page.html", "view=all&way=loss", question) else { return };

    let (all, label) = gradients_of_angry(&dir);
    let bridge = all.bridge.as_ref().unwrap();
    let last = |equation: &Value| *numbers(equation.as_str().unwrap()).last().unwrap();
    let close = |got: f64, expected: f64| {
        assert!((got - expected).abs() <= 0.06 * expected.abs().max(1e-4), "{got} {expected}: {shown}");
    };
    for (page, (l, t, unit)) in shown.as_array().unwrap().iter().zip([(0, 7, 3), (1, 20, 2)]) {
        for k in 0..all.probabilities.cols() {
            let cell = |column: usize| {
                page["cells"][4 * k + column].as_str().unwrap().replace('−', "-").parse::<f64>().unwrap()
            };
            close(cell(0), all.top.logits[(0, k)]);
            close(cell(1), all.probabilities[(0, k)]);
            assert_eq!(cell(2), f64::from(u8::from(k == label)));
            close(cell(3), all.probabilities[(0, k)] - cell(2));
        }
        let expected = [&all.top.dnormalised, &all.top.normalised, &all.top.dcontext].map(|it| it[(0, unit)]);
        for (equation, expected) in page["equations"].as_array().unwrap().iter().zip(expected) {
            close(last(equation), expected);
        }
        // Between the LSTMs, where the lower one is chosen.
        if l == 0 {
            close(last(&page["equations"][3]), bridge.enriched[(t, unit)]);
            close(last(&page["equations"][4]), bridge.dsum[(t, unit)]);
        }
        assert_eq!(page["equations"].as_array().unwrap().len(), if l == 0 { 6 } else { 3 });
        let [value, score, sum] = numbers(page["attention"][1].as_str().unwrap())[..] else { panic!("{page}") };
        close(sum, all.lstms[1].dh[(t, unit)]);
        assert!((value + score - sum).abs() <= 0.1 * value.abs().max(score.abs()).max(1e-4), "{page}");
    }
}

#[test]
fn a_page_begins_with_the_story_and_never_scrolls_sideways() {
    let dir = TestDir::new("explain-story");
    dir.does(&format!("explain {CLIP} -o page.html --model {}", model()));
    let question = "
        const shown = () => [...document.querySelectorAll('.plot')].filter((plot) => plot.clientHeight > 20).length;
        const fits = () => document.documentElement.scrollWidth <= innerWidth;
        // No text ends outside of its box or of the window.
        const cut = () => [...document.querySelectorAll('header *, figcaption *, #unit *, .names span')].filter((element) =>
          element.checkVisibility({ visibilityProperty: true }) && element.childElementCount === 0 && element.textContent &&
          (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === 'hidden' ||
           element.getBoundingClientRect().right > innerWidth + 1)).map((element) => element.outerHTML);
        const story = { shown: shown(), fits: fits(), cut: cut(), answer: document.getElementById('answer').textContent, t: now.t };
        document.getElementById('view-all').click();
        const all = { shown: shown(), fits: fits(), cut: cut() };
        document.getElementById('loss').click();
        now.lstm = 0;
        show({});
        const loss = { shown: shown(), fits: fits(), cut: cut() };
        document.getElementById('backward').click();
        return { story, all, loss, back: { shown: shown(), fits: fits(), cut: cut() }, last: frames - 1 };";
    for window in [[1024, 768], [1920, 1080], [390, 844]] {
        let Some(page) = ask_in_window(&dir, "page.html", "", window, question) else { return };
        for (view, panels) in [("story", 3), ("all", 18), ("loss", 18), ("back", 18)] {
            let view = &page[view];
            assert_eq!(view["shown"], panels, "{window:?}: {page}");
            assert_eq!(view["fits"], true, "{window:?} scrolls sideways: {page}");
            assert_eq!(view["cut"], serde_json::json!([]), "{window:?}");
        }
        let answer = page["story"]["answer"].as_str().unwrap();
        assert!(answer.starts_with("The whole clip: ") && answer.ends_with(" %"), "{answer}");
        assert_eq!(page["story"]["t"], page["last"]);
    }
}

/// The numbers with a decimal point in an equation: a sign before a space belongs to the number behind it.
fn numbers(equation: &str) -> Vec<f64> {
    let plain = equation.replace('−', "-").replace("- ", "-").replace("+ ", "");
    let words = plain.split(|c: char| !(c.is_ascii_digit() || "-.e".contains(c)));
    words.filter(|word| word.contains('.')).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn every_architecture_and_any_name_of_a_class_has_a_page() {
    let dir = TestDir::new("explain-models");
    dir.write("clip.wav", wav(1, 1, 44_100, 16, &tone(44_100, 1.0)));
    for (arch, lstms, vectors) in [("lstm-sa-h1", 1, 1), ("reslstm-sa-h70-2vectors", 2, 2)] {
        dir.write("m.safetensors", untrained(arch, &["calm & <i>cross</i>", "fed up"]));
        dir.does("explain clip.wav -o page.html --model m.safetensors");
        let question = format!(
            "{DRAWINGS}
            return {{ drawn, labels: [...document.querySelectorAll('#bars th')].map((name) => name.textContent),
                     scores: document.getElementById('attention-equation').innerText }};"
        );
        let Some(page) = ask(&dir, "page.html", "lstm=9&t=999&unit=-3&theme=dark", &question) else { return };
        assert_eq!(page["drawn"].as_array().unwrap().len(), 6 + 6 * lstms, "{page}");
        assert_eq!(page["labels"], serde_json::json!(["calm & <i>cross</i>", "fed up"]));
        assert_eq!(numbers(page["scores"].as_str().unwrap()).len(), vectors + 2, "{page}");
    }
}

#[test]
fn impossible_pages_are_refused_before_anything_is_written() {
    let (dir, model) = (TestDir::new("explain-refuses"), model());
    let refuses = |line: &str, parts: &[&str]| dir.refuses_saying(&format!("explain {line}"), parts);
    refuses("missing.wav -o page.html", &["error: missing.wav: No such file"]);
    refuses(&format!("{CLIP} -o page.html --model none.safetensors"), &["error: none.safetensors: No such file"]);
    let label = format!("{CLIP} -o page.html --model {model} --label grumpy");
    dir.is_wrong_call(&format!("explain {label}"), &["--label: expected one of neutral, calm", "got grumpy"]);
    dir.write("cut.wav", &dir.read(CLIP)[..30]);
    refuses(&format!("cut.wav -o page.html --model {model}"), &["error: cut.wav: expected"]);

    dir.write("long.wav", wav(1, 1, 8_000, 16, &tone(8_000, 30.5)));
    let long = ["long.wav: expected a recording of at most 30 seconds, got 30.5", "ffmpeg"];
    refuses(&format!("long.wav -o page.html --model {model}"), &long);

    // A state dict as PyTorch leaves it: how its features are normalised it does not say.
    let plain = Model::init("lstm-sa-h2".parse().unwrap(), 46, 8, &mut RandomStream::new(1, "init", 0));
    dir.write("plain.safetensors", ModelFile::new(plain, None).unwrap().to_bytes());
    let plain = format!("{CLIP} -o page.html --model plain.safetensors");
    refuses(&plain, &["expected a model file with the mean and standard deviation"]);
    assert!(!dir.path("page.html").exists());

    // Outputs are tried first.
    dir.write("file", "mine");
    refuses("missing.wav -o file/page.html", &["error: file/page.html: "]);
    refuses("missing.wav -o .", &["found a folder"]);
    assert_eq!(dir.read("file"), b"mine");
    assert_eq!(dir.run(&format!("explain {CLIP}")).code, 2, "where to write is asked for");
}
