//! `export` and `import`. Where a Python with ONNX Runtime is at hand, it runs what `export` writes.

use crate::test_dir::{CLIP, SMALL, TestDir, model, python_with};
use reslstm::audio::{FrontEnd, Recording};
use reslstm::models::{ModelFile, Predictor};
use reslstm_cli::corpus::npy;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The model that comes with the command: with pitch and deltas among its features.
const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/reslstm-sa-h64-ravdess.safetensors");
/// Models as PyTorch's exporters write them, with what PyTorch makes of them.
const TORCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/torch");

fn python() -> Option<String> {
    python_with("onnxruntime, onnx")
}

/// Probabilities that ONNX Runtime gives for files of the directory, one after the other.
fn onnxruntime(dir: &TestDir, python: &str, model: &str, inputs: &[String]) -> Vec<Vec<f32>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/run.py");
    let output = Command::new(python).current_dir(dir.path(".")).arg(script).arg(model).args(inputs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Exports a model both ways and compares ONNX Runtime with the engine on these recordings. Returns the largest differences for
/// features and for samples.
fn differences(dir: &TestDir, python: &str, model: &str, recordings: &[PathBuf]) -> [f32; 2] {
    dir.does(&format!("export {model} -o features.onnx"));
    dir.does(&format!("export {model} -o samples.onnx --with-front-end"));
    let mut predictor = Predictor::from_bytes(&dir.read(model)).unwrap();
    let metadata = predictor.metadata().unwrap().clone();
    let mut front_end = FrontEnd::new(metadata.features, metadata.sample_rate).unwrap();
    let (mut ours, mut names) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (n, path) in recordings.iter().enumerate() {
        let recording = Recording::from_wav(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(recording.sample_rate, metadata.sample_rate);
        let features = front_end.features(&recording.samples).unwrap();
        dir.write(&format!("{n}.npy"), npy::to_bytes(&features));
        let bytes: Vec<u8> = recording.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        dir.write(&format!("{n}.f32"), bytes);
        let in_concert_pitch = front_end.features_with_tuning(&recording.samples, 0.0).unwrap();
        for (kind, (features, extension)) in [(features, "npy"), (in_concert_pitch, "f32")].into_iter().enumerate() {
            ours[kind].push(predictor.predict_features(&features).unwrap().probabilities);
            names[kind].push(format!("{n}.{extension}"));
        }
    }
    std::array::from_fn(|kind| {
        let theirs = onnxruntime(dir, python, ["features.onnx", "samples.onnx"][kind], &names[kind]);
        ours[kind].iter().zip(theirs).map(|(ours, theirs)| largest_difference(ours, &theirs)).fold(0.0, f32::max)
    })
}

/// The model of a file's bytes with a window shorter than its transform, as at other rates than 48 kHz.
fn with_a_shorter_window(bytes: &[u8]) -> Vec<u8> {
    let file = ModelFile::from_bytes(bytes).unwrap();
    let (model, metadata) = (file.model().clone(), file.metadata().cloned());
    let mut metadata = metadata.unwrap();
    metadata.features.win_length = Some(3763);
    ModelFile::new(model, Some(metadata)).unwrap().to_bytes()
}

#[test]
fn onnx_runtime_gives_our_probabilities_for_synthetic_speech() {
    let Some(python) = python() else { return };
    let windowed = "windowed.safetensors";
    for (name, model) in [("onnx-bundled", BUNDLED), ("onnx-small", model()), ("onnx-windowed", windowed)] {
        let dir = TestDir::new(name);
        dir.write(windowed, with_a_shorter_window(&std::fs::read(BUNDLED).unwrap()));
        let speech = dir.path("../speech/Actor_03");
        let mut clips: Vec<PathBuf> = speech.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        clips.sort();
        let [features, samples] = differences(&dir, &python, model, &clips);
        println!("{name}: {features:e} for features, {samples:e} for samples, {} clips", clips.len());
        assert!(features < 1e-6 && samples < 1e-5, "{name}: {features:e} for features, {samples:e} for samples");
    }
}

#[test]
fn onnx_runtime_gives_our_probabilities_for_100_clips_of_ravdess() {
    let Some(python) = python() else { return };
    let Some(ravdess) = std::env::var_os("RAVDESS_DIR") else {
        println!("skipped: RAVDESS_DIR does not name the folder of RAVDESS");
        return;
    };
    let mut clips = Vec::new();
    for actor in Path::new(&ravdess).read_dir().unwrap() {
        let files = actor.unwrap().path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        clips.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "wav")));
    }
    clips.sort();
    // Of every actor and emotion: 14 and the 60 clips of an actor have only 2 in common.
    let clips: Vec<PathBuf> = clips.into_iter().step_by(14).take(100).collect();
    assert_eq!(clips.len(), 100);
    let dir = TestDir::new("onnx-ravdess");
    let [features, samples] = differences(&dir, &python, BUNDLED, &clips);
    println!("100 clips of RAVDESS: {features:e} for features, {samples:e} for samples");
    assert!(features < 1e-6 && samples < 1e-5, "{features:e} for features, {samples:e} for samples");
}

#[test]
fn what_is_exported_is_imported_to_the_byte() {
    let dir = TestDir::new("onnx-round-trip");
    let ran = dir.run("export -o bundled.onnx --with-front-end");
    assert!(ran.code == 0 && ran.stderr.starts_with("note: chroma is tuned to concert pitch"), "{}", ran.stderr);
    for (n, model) in [BUNDLED, model()].into_iter().enumerate() {
        for (kind, option) in [("features", ""), ("samples", "--with-front-end")] {
            dir.does(&format!("export {model} -o {n}-{kind}.onnx {option}"));
            dir.does(&format!("import {n}-{kind}.onnx -o {n}-{kind}.safetensors"));
            assert!(dir.read(&format!("{n}-{kind}.safetensors")) == dir.read(model), "{model}, {kind}");
        }
    }
    assert!(dir.read("bundled.onnx") == dir.read("0-samples.onnx"), "the same model gives the same bytes");
    dir.does(&format!("train ../speech -o growing.safetensors --all --temperature 1.3,1.5 {SMALL}"));
    dir.refuses_saying(
        "export growing.safetensors -o growing.onnx",
        &["got one whose temperature grows with a distance"],
    );
}

#[test]
fn models_of_pytorchs_exporters_have_its_weights_and_probabilities() {
    let dir = TestDir::new("onnx-torch");
    let mut count = 0;
    for file in Path::new(TORCH).read_dir().unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let name = file.file_stem().unwrap().to_str().unwrap();
        dir.does(&format!("import {} -o {name}.safetensors", file.display()));
        let (bytes, truth) =
            (dir.read(&format!("{name}.safetensors")), std::fs::read(file.with_extension("safetensors")).unwrap());
        let (imported, truth) = (SafeTensors::deserialize(&bytes).unwrap(), SafeTensors::deserialize(&truth).unwrap());
        for (tensor, imported) in imported.tensors() {
            // Batch norm that was folded into the last layer is the identity.
            let folded = name.contains("folded") && ["bn.", "fc."].iter().any(|layer| tensor.starts_with(layer));
            assert!(folded || truth.tensor(&tensor).unwrap() == imported, "{name}: {tensor}");
        }
        let floats = |name: &str| -> Vec<f32> {
            let chunks = truth.tensor(name).unwrap().data().as_chunks().0;
            chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
        };
        let x = reslstm::matrix::Matrix::from_vec(6, 4, floats("x"));
        let ours = Predictor::from_bytes(&bytes).unwrap().predict_features(&x).unwrap().probabilities;
        let difference = largest_difference(&ours, &floats("probabilities"));
        assert!(difference < 1e-6, "{name}: {difference:e}");
        // Without metadata, and with two attention vectors among them: our own graph is read back alike.
        dir.does(&format!("export {name}.safetensors -o {name}.onnx"));
        dir.does(&format!("import {name}.onnx -o {name}-again.safetensors"));
        assert!(dir.read(&format!("{name}-again.safetensors")) == bytes, "{name}");
        if let Some(python) = python() {
            dir.write("x.npy", npy::to_bytes(&x));
            let theirs = onnxruntime(&dir, &python, &format!("{name}.onnx"), &["x.npy".into()]);
            assert!(largest_difference(&ours, &theirs[0]) < 1e-6, "{name}: {ours:?}, {theirs:?}");
        }
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn the_python_example_of_the_documentation_runs() {
    let Some(python) = python() else { return };
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/embedding.md")).unwrap();
    let example = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(example.contains("onnxruntime") && example.lines().count() <= 12, "{example}");
    let dir = TestDir::new("onnx-example");
    dir.does("export -o model.onnx");
    dir.does(&format!("features {CLIP} --inputs pitch -o ."));
    let clip = Path::new(CLIP).file_stem().unwrap().to_str().unwrap();
    std::fs::rename(dir.path(&format!("{clip}.npy")), dir.path("clip.npy")).unwrap();
    let output = Command::new(python).current_dir(dir.path(".")).args(["-c", example]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let predicted = dir.does_json("predict --model paper --json clip.npy");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with(predicted["label"].as_str().unwrap()), "{printed}");
}

/// A file's bytes with another text of the same length in the last place of `from`. Before a text the format has its length.
fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut places = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from.as_bytes());
    let (at, _) = places.next_back().unwrap_or_else(|| panic!("no {from} in the file"));
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn files_that_are_no_such_model_are_refused_and_nothing_is_written() {
    let (dir, model) = (TestDir::new("onnx-bad"), model());
    dir.does(&format!("export {model} -o good.onnx"));
    let good = dir.read("good.onnx");
    let gru = changed(&changed(&good, "\u{4}LSTM", "\u{4}GRU1"), "\u{4}LSTM", "\u{4}GRU1");
    for (name, bytes, problem) in [
        ("text.onnx", b"these are not the weights".to_vec(), "expected an ONNX file, got 25 bytes beginning \"these"),
        ("empty.onnx", Vec::new(), "expected an ONNX file, got an empty one"),
        ("model.onnx", dir.read(model), "model files of this program (.safetensors) need no import"),
        ("cut.onnx", good[..good.len() / 2].to_vec(), "expected a whole ONNX file"),
        ("gru.onnx", gru, "expected one LSTM node or two, got none"),
        ("sigmoid.onnx", changed(&good, "\u{7}Softmax", "\u{7}Sigmoid"), "(Sigmoid): no such step in LSTM-SA"),
        // The softmax of the attention, over the vectors instead of the frames.
        ("axis.onnx", changed(&good, "axis\u{18}\u{0}", "axis\u{18}\u{1}"), "Softmax of the attention scores"),
        ("reverse.onnx", changed(&good, "forward", "reverse"), "(LSTM): expected a forward LSTM"),
        ("protocol.onnx", changed(&good, "\u{8}\"strict\"", "\u{8}\"strict,"), "metadata protocol: EOF"),
        ("mean.onnx", changed(&good, "\u{4}mean\u{12}", "\u{4}MEAN\u{12}"), "expected mean and std of 46 columns each"),
    ] {
        dir.write(name, bytes);
        let line = format!("import {name} -o out.safetensors");
        dir.refuses_saying(&line, &[&format!("error: {name}: "), problem]);
    }
    dir.does("import good.onnx -o plain.safetensors");
    let plain = ModelFile::from_bytes(&dir.read("plain.safetensors")).unwrap().model().clone();
    dir.write("plain.safetensors", ModelFile::new(plain, None).unwrap().to_bytes());
    let line = "export plain.safetensors -o out.onnx --with-front-end";
    dir.refuses_saying(
        line,
        &["error: plain.safetensors: --with-front-end: expected a model file with feature settings"],
    );
    dir.refuses_saying("import missing.onnx -o out.safetensors", &["error: missing.onnx: No such file"]);
    assert!(!dir.path("out.safetensors").exists() && !dir.path("out.onnx").exists());
    for line in [format!("export {model} -o good.onnx"), "import good.onnx -o plain.safetensors".into()] {
        dir.refuses_saying(&line, &["the file exists already"]);
    }
    assert_eq!(dir.read("good.onnx"), good);
    // A damaged byte leads to a model or an error, never to a crash.
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x55;
        dir.write("damaged.onnx", damaged);
        assert!(dir.run(&format!("import damaged.onnx -o damaged-{at}.safetensors")).code <= 1, "byte {at}");
    }
}
