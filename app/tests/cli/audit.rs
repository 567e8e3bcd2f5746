//! `audit`

use crate::browser::{ask, ask_in_window, assert_closed};
use crate::test_dir::{CLIP, TestDir, model};
use serde_json::Value;
use std::process::Command;

#[test]
fn small_models_pass_and_their_parameters_are_counted() {
    let dir = TestDir::new("audit-batch");
    let json = dir.does_json("audit --arch lstm-sa-h3 --arch reslstm-sa-h2-2vectors --json");
    assert_eq!((&json["passes"], &json["bounds"]["dual"]), (&Value::from(true), &Value::from(1e-12)));
    let models = json["models"].as_array().unwrap();
    assert_eq!(models.len(), 2);
    // 4·3·(46 + 3 + 2) + 3 + 2·3 + 8·(3 + 1); the audit also has 9 frames of 46 inputs.
    assert_eq!(models[0]["parameters"], 653);
    for model in models {
        let tensors = model["tensors"].as_array().unwrap();
        let elements: u64 = tensors.iter().map(|tensor| tensor["elements"].as_u64().unwrap()).sum();
        assert_eq!(elements, model["parameters"].as_u64().unwrap() + 9 * 46);
        for tensor in tensors {
            assert!(tensor["dual"]["scaled_error"].as_f64().unwrap() <= 1e-12, "{tensor}");
            assert!(tensor["differences"]["scaled_error"].as_f64().unwrap() <= 1e-7, "{tensor}");
            assert!(tensor["f32_error"].as_f64().unwrap() < 1e-3, "{tensor}");
            assert_eq!(tensor["shape"].as_array().unwrap().len(), tensor["dual"]["at"].as_array().unwrap().len());
        }
    }
    let table = dir.does("audit --arch lstm-sa-h1 --seed 3 --per direction");
    assert!(table.contains("lstm.weight_hh_l0") && table.contains("attention_vector"), "{table}");
    assert_eq!(table.matches("  ok").count(), 11, "ten tensors including the input, and the total: {table}");
}

#[test]
fn a_trained_model_is_audited_on_a_clip() {
    let dir = TestDir::new("audit-clip");
    let line = format!("audit --model {} --audio {CLIP}", model());
    let predicted = dir.does_json(&format!("{line} --json"));
    assert_eq!((predicted["passes"].as_bool(), predicted["models"].as_array().unwrap().len()), (Some(true), 1));
    // The default is the predicted class; another class gives another loss.
    let what = predicted["models"][0]["what"].as_str().unwrap().to_string();
    let other = if what.contains("as angry") { "calm" } else { "angry" };
    let json = dir.does_json(&format!("{line} --label {other} --json"));
    assert!(json["models"][0]["what"].as_str().unwrap().contains(&format!("as {other}")));
    assert_ne!(
        json["models"][0]["tensors"][0]["dual"]["witness"],
        predicted["models"][0]["tensors"][0]["dual"]["witness"]
    );

    dir.is_wrong_call(&format!("{line} --label grumpy"), &["--label: expected one of ", "angry", "got grumpy"]);
    dir.refuses_saying("audit --audio missing.wav", &["error: missing.wav: No such file"]);
    dir.write("cut.wav", &dir.read(CLIP)[..30]);
    dir.refuses_saying("audit --audio cut.wav", &["cut.wav"]);
    dir.is_wrong_call(
        &format!("audit --audio {CLIP} --arch lstm-sa-h2 --arch lstm-sa-h3"),
        &["one model", "lstm-sa-h3"],
    );
}

#[test]
fn an_exceeded_bound_is_reported_with_exit_code_1() {
    // With one enormous bias, the loss of another class is 3e12: central differences lose all digits of gradients of order 1, dual
    // numbers do not.
    let dir = TestDir::new("audit-exceeds");
    let mut bytes = dir.read(model());
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let names: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let at = header + names["fc.bias"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&3e12f32.to_le_bytes());
    dir.write("huge.safetensors", bytes);
    let labels = dir.does_json("info huge.safetensors --json");
    let label = labels["labels"][1].as_str().unwrap();
    let ran = dir.run(&format!("audit --model huge.safetensors --audio {CLIP} --label {label}"));
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("EXCEEDS"), "{}", ran.stdout);
    assert!(ran.stderr.contains("attention_vector: at "), "{}", ran.stderr);
}

#[test]
fn gradient_flow_is_printed_and_drawn() {
    let dir = TestDir::new("audit-flow");
    let line = format!("audit --model {} --audio {CLIP} --label angry --flow flow.svg", model());
    let table = dir.does(&line);
    let json = dir.does_json(&format!("{line} --json"));
    let flows = json["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 2);
    let frames = flows[0]["norms"]["lstm1.h"].as_array().unwrap().len();
    assert_eq!(table.lines().count(), 2 + 1 + frames);
    for name in ["lstm1.h", "lstm1.c", "lstm2.h", "lstm2.c", "input"] {
        assert!(flows.iter().all(|flow| flow["norms"][name].as_array().unwrap().len() == frames), "{name}");
    }
    let svg = String::from_utf8(dir.read("flow.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in ["LSTM1", "LSTM2", "‖∂L/∂h‖", "‖∂L/∂c‖", "‖∂L/∂x‖", "seconds", "connection cut", "as angry"]
    {
        assert!(svg.contains(text), "{text}");
    }
    // The picture has a default name; LSTM-SA has one LSTM and no residual connection.
    dir.does(&format!("audit --audio {CLIP} --arch lstm-sa-h3 --flow"));
    assert!(!String::from_utf8(dir.read("gradient-flow.svg")).unwrap().contains("LSTM2"));
    dir.refuses_saying(&format!("{} --flow flow.svg/x.svg", line.replace(" --flow flow.svg", "")), &["flow.svg/x.svg"]);
}

/// JavaScript: what is wider than the window, the number of colours of every map, and what a map says under the pointer.
const PICTURES: &str = "
    const canvases = [...document.querySelectorAll('canvas')];
    const colours = canvases.map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    const box = canvases[0].getBoundingClientRect();
    const at = { clientX: box.right - 1, clientY: box.bottom - 1 };
    canvases[0].dispatchEvent(new PointerEvent('pointermove', at));
    const tables = [...document.querySelectorAll('.wide')].map((wide) => wide.scrollWidth - wide.clientWidth);
    const { scrollWidth, clientWidth } = document.documentElement;
    return { window: innerWidth, beyond_window: scrollWidth - clientWidth, beyond_tables: Math.max(...tables), colours,
             tip: document.getElementById('element').textContent, hidden: document.getElementById('element').hidden };";

#[test]
fn the_page_shows_every_element_and_refers_to_nothing_else() {
    let dir = TestDir::new("audit-page");
    let ran = dir.run("audit --arch reslstm-sa-h4 --arch lstm-sa-h3 --html page.html");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("lstm1.weight_ih_l0") && ran.stderr.contains("page.html: "), "{}", ran.stderr);
    assert_closed(&dir, "page.html");
    let html = String::from_utf8(dir.read("page.html")).unwrap();
    for text in ["<p class=\"lead\">Passed: ", "reslstm-sa-h4 and lstm-sa-h3", "lstm2.weight_hh_l0", "attention_vector"]
    {
        assert!(html.contains(text), "{text}");
    }
    // 16 and 10 tensors, three maps each.
    assert_eq!(html.matches("<canvas").count(), 78);
    if let Some(page) = ask_in_window(&dir, "page.html", "", [1024, 768], PICTURES) {
        let colours = page["colours"].as_array().unwrap();
        // lstm1.weight_ih_l0 of a ResLSTM is as wide as the features: 184×46.
        assert!(colours[..3].iter().all(|count| count.as_u64().unwrap() > 20), "{page}");
        assert_eq!((&page["window"], &page["beyond_window"]), (&1024.into(), &0.into()), "{page}");
        assert_eq!(page["beyond_tables"], 0, "{page}");
        let tip = page["tip"].as_str().unwrap();
        assert!(tip.starts_with("lstm1.weight_ih_l0 [183, 45], gate o of unit 45\nbackward: "), "{tip}");
        assert!(tip.contains("\ndual numbers: ") && page["hidden"] == false, "{tip}");
    }

    // The default name; JSON on stdout all the same, no larger than without a page.
    let json = dir.does_json("audit --arch lstm-sa-h1 --json --html");
    assert_eq!(json["passes"], true);
    assert!(json.to_string().len() < 10_000 && dir.list("").contains(&"audit.html".to_string()));
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_the_work() {
    let dir = TestDir::new("audit-page-refuses");
    dir.write("file", "");
    dir.refuses_saying("audit --html file/page.html", &["file/page.html"]);
    dir.is_wrong_call(&format!("audit --audio {CLIP} --flow --html"), &["--html"]);
}

#[test]
fn an_audit_of_a_clip_has_a_page_too() {
    let dir = TestDir::new("audit-page-clip");
    dir.does(&format!("audit --model {} --audio {CLIP} --html page.html", model()));
    let html = String::from_utf8(dir.read("page.html")).unwrap();
    assert!(html.contains("8 directions, at most ") && html.contains("eight random directions per tensor"));
    let Some(page) = ask(&dir, "page.html", "", PICTURES) else { return };
    assert!(page["tip"].as_str().unwrap().starts_with("lstm1.weight_ih_l0 direction 7\n"), "{page}");
}

/// A case that PyTorch computed.
fn pytorch_case(name: &str) -> String {
    format!("{}/../tests/golden/against/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))
}

/// Cases with a fault, and how it is named.
const WRONG_CASES: [(&str, &str, usize); 4] = [
    ("detached-attention", "attention weights are detached: no gradient flows through them (alpha.detach())", 0),
    ("transposed-weight", "lstm2.weight_hh_l0: the weight is used transposed (each gate's block, in an LSTM)", 0),
    ("dropout-left-on", "dropout is left on, with probability 0.300", 0),
    ("biased-variance", "the running variance takes the biased variance: the factor n/(n − 1) is missing", 2),
];

fn check_pytorch_cases(dir: &TestDir, path: impl Fn(&str) -> String) {
    let ran = dir.run(&format!("audit --against {}", path("right")));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    // 3 + 2 results of forward, the gradient of 15 weights and of the input, 4 running statistics, 15 weights after 1 and 5 steps.
    assert_eq!(ran.stdout.matches("  ok").count(), 3 + 2 + 16 + 4 + 30 + 1, "{}", ran.stdout);
    for (name, fault, wrong) in WRONG_CASES {
        let ran = dir.run(&format!("audit --against {}", path(name)));
        assert_eq!(ran.code, 1, "{name}: {}", ran.stdout);
        assert!(ran.stdout.contains("EXCEEDS") && ran.stderr.contains("exceed their bound"), "{name}: {}", ran.stderr);
        assert!(ran.stdout.contains(&format!("\n{fault}\n")), "{name}: {}", ran.stdout);
        assert!(!ran.stdout.contains("none of the known faults"), "{name}: {}", ran.stdout);

        let ran = dir.run(&format!("audit --json --against {}", path(name)));
        let json: Value = serde_json::from_str(&ran.stdout).unwrap();
        let exceeding = json["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["passes"] == false).count();
        let explanations = json["diagnosis"]["explanations"].as_array().unwrap();
        assert_eq!((ran.code, &json["passes"], explanations.len()), (1, &Value::from(false), 1), "{name}: {json}");
        assert_eq!(explanations[0]["tensors"].as_array().unwrap().len(), exceeding, "{name}: {json}");
        assert!(exceeding == wrong || wrong == 0 && exceeding > 10, "{name}: {exceeding}");
    }
}

#[test]
fn a_right_case_of_pytorch_passes_and_wrong_ones_are_named() {
    check_pytorch_cases(&TestDir::new("audit-against"), pytorch_case);
}

/// A Python that has PyTorch: `RESLSTM_PYTHON`, or the system's.
fn python_with_torch() -> Option<String> {
    let python = std::env::var("RESLSTM_PYTHON").unwrap_or_else(|_| "python3".into());
    let imports = Command::new(&python).args(["-c", "import torch, numpy, safetensors"]).output();
    imports.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn cases_made_by_the_pytorch_at_hand_are_judged_alike() {
    let Some(python) = python_with_torch() else {
        println!("skipped: no python3 with torch and safetensors; RESLSTM_PYTHON may name one");
        return;
    };
    let dir = TestDir::new("audit-torch");
    let script = pytorch_case("make_cases").replace(".safetensors", ".py");
    let mut command = Command::new(&python);
    command.arg("-B").arg(script).arg(dir.path("."));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check_pytorch_cases(&dir, |name| format!("{name}.safetensors"));
}

#[test]
fn gradients_written_are_a_case_that_passes() {
    let dir = TestDir::new("audit-gradients");
    let written = |line: &str| {
        dir.does(&format!("audit --gradients ours.safetensors {line}"));
        let json = dir.does_json("audit --against ours.safetensors --json");
        assert!(json["ignored"].as_array().unwrap().is_empty(), "{json}");
        json
    };
    let random = written("--arch lstm-sa-h3-2vectors --seed 7");
    assert_eq!((&random["arch"], &random["clips"]), (&"lstm-sa-h3-2vectors".into(), &3.into()));
    let names = |json: &Value| -> Vec<String> {
        json["tensors"].as_array().unwrap().iter().map(|tensor| tensor["name"].as_str().unwrap().into()).collect()
    };
    for name in ["out.loss", "grad.attention_vector", "grad.in.x", "after.bn.running_var", "eval.grad.fc.bias"] {
        assert!(names(&random).contains(&name.to_string()), "{name}");
    }
    // A wrong case's batch and weights with our results is a right case.
    let wrong = pytorch_case("transposed-weight");
    let ran = dir.run(&format!("audit --against {wrong} --gradients ours.safetensors"));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let ours = dir.does_json("audit --against ours.safetensors --json");
    assert!(names(&ours).contains(&"adam.5.lstm1.weight_hh_l0".to_string()), "{ours}");

    // A real clip is a batch of one: evaluation mode.
    let clip = written(&format!("--model {} --audio {CLIP} --label angry", model()));
    assert!(names(&clip).iter().all(|name| name.starts_with("eval.")) && names(&clip).len() > 10, "{clip}");
}

#[test]
fn wrong_calls_and_damaged_cases_are_named() {
    let dir = TestDir::new("audit-against-bad");
    let right = pytorch_case("right");
    for other in ["--arch lstm-sa-h3", "--seed 1", "--per element", &format!("--audio {CLIP}")] {
        dir.is_wrong_call(&format!("audit --against {right} {other}"), &["cannot be used with"]);
    }
    dir.is_wrong_call("audit --gradients o.safetensors", &["--gradients: expected one --arch", "got 0"]);
    dir.is_wrong_call("audit --gradients o.safetensors --arch lstm-sa-h2 --arch lstm-sa-h3", &["got 2"]);
    dir.refuses_saying("audit --against missing.safetensors", &["missing.safetensors: No such file"]);
    dir.write("cut.safetensors", &dir.read(&right)[..400]);
    dir.refuses_saying("audit --against cut.safetensors", &["cut.safetensors: expected a safetensors file"]);
    dir.refuses_saying(
        &format!("audit --against {}", model()),
        &["param.*: tensor lstm.weight_ih_l0: expected this tensor"],
    );
    assert!(!dir.path("o.safetensors").exists());
}
