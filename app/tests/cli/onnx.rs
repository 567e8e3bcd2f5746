//! `export` and `import`. Where a Python with ONNX Runtime is at hand, it runs what `export` writes.

use crate::test_dir::{CLIP, TestDir, model, python_with};
use reslstm::audio::{FeatureSettings, FrontEnd, Recording};
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, Model, ModelFile, Prediction, Predictor, TrainingClips};
use reslstm::rng::RandomStream;
use reslstm_cli::corpus::npy;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The model that comes with the command: with pitch and deltas among its features.
const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/reslstm-sa-h64-ravdess.safetensors");
/// The other: with branches, and a temperature that grows with the distance of a clip from the training clips.
const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/speech-ravdess.safetensors");
/// Models as PyTorch's exporters write them, with what PyTorch makes of them.
const TORCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/torch");

fn python() -> Option<String> {
    python_with("onnxruntime, onnx")
}

/// What ONNX Runtime gives for files of the directory, one after the other.
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

/// What a graph gives: the probabilities, and how unlike the training clips the clip is, if the model has them.
fn outputs(prediction: Prediction) -> Vec<f32> {
    prediction.probabilities.iter().copied().chain(prediction.unlike).collect()
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
            ours[kind].push(outputs(predictor.predict_features(&features).unwrap()));
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
    // With branches, training clips and a growing temperature; its weights are 16-bit floats.
    dir.does("export speech -o speech.onnx");
    dir.does("import speech.onnx -o speech.safetensors");
    let speech = ModelFile::from_bytes(&std::fs::read(SPEECH).unwrap()).unwrap();
    assert!(dir.read("speech.safetensors") == speech.to_bytes());
}

/// A model of two branches that read as many columns, with its training clips and a growing temperature.
fn of_two_branches(labels: usize) -> ModelFile {
    let few = |settings: &mut FeatureSettings| (settings.mfcc, settings.pitch, settings.deltas) = (3, 2, 2);
    let features = FeatureSettings::default().with(few).unwrap();
    let width = features.width();
    let names: Vec<String> = (0..labels).map(|label| format!("label {label}")).collect();
    let mut metadata = Metadata::new("2x reslstm-sa-h5".into(), names.try_into().unwrap(), 48_000, features);
    metadata.mean = (0..width).map(|column| column as f64 / 7.0).collect();
    metadata.std = (0..width).map(|column| 0.7 + column as f64 / 9.0).collect();
    metadata.branches = "mfcc+pitch,mfcc+deltas".parse().unwrap();
    (metadata.temperature, metadata.temperature_growth) = (Some(0.8), Some(1.7));
    let network = |seed| {
        let mut stream = RandomStream::new(seed, "init", 0);
        Model::init("reslstm-sa-h5".parse().unwrap(), 5, labels, &mut stream)
    };
    let clips: Vec<Matrix<f32>> = (0..60).map(|seed| noise(seed, width)).collect();
    let file = ModelFile::with_branches(vec![network(1), network(2)], metadata).unwrap();
    file.with_training_clips(TrainingClips::fit(&clips)).unwrap()
}

/// Features of noise; the last column never changes.
fn noise(seed: u64, width: usize) -> Matrix<f32> {
    let mut stream = RandomStream::new(seed, "noise", 0);
    let frames = 1 + stream.below(30);
    let mut values = || (1.3 * stream.normal()) as f32;
    let mut noise = Matrix::from_vec(frames, width, (0..frames * width).map(|_| values()).collect());
    (0..frames).for_each(|frame| noise.row_mut(frame)[width - 1] = 0.3);
    noise
}

#[test]
fn onnx_runtime_gives_the_mean_of_branches_at_the_temperature_of_the_distance() {
    let Some(python) = python() else { return };
    let dir = TestDir::new("onnx-branches");
    let compare = |model: &str, clips: &[Matrix<f32>]| {
        let mut predictor = Predictor::from_bytes(&dir.read(model)).unwrap();
        dir.does(&format!("export {model} -o {model}.onnx"));
        let name = |n: usize| format!("{n}.npy");
        clips.iter().enumerate().for_each(|(n, clip)| dir.write(&name(n), npy::to_bytes(clip)));
        let names: Vec<String> = (0..clips.len()).map(name).collect();
        let all = onnxruntime(&dir, &python, &format!("{model}.onnx"), &names);
        let (mut probabilities, mut unlike) = (0.0f32, 0.0f32);
        for (clip, theirs) in clips.iter().zip(all) {
            let ours = outputs(predictor.predict_features(clip).unwrap());
            let classes = ours.len() - 1;
            probabilities = probabilities.max(largest_difference(&ours[..classes], &theirs[..classes]));
            unlike = unlike.max((ours[classes] - theirs[classes]).abs() / ours[classes]);
        }
        println!("{model}: {probabilities:e}, unlike {unlike:e} of it, {} clips", clips.len());
        assert!(probabilities < 1e-6 && unlike < 1e-5, "{model}: {probabilities:e}, {unlike:e}");
    };
    let two = of_two_branches(3);
    dir.write("two", two.to_bytes());
    let clips: Vec<Matrix<f32>> = (100..130).map(|seed| noise(seed, two.inputs())).collect();
    assert!(clips.iter().any(|clip| clip.rows() == 1));
    compare("two", &clips);

    dir.write("speech", std::fs::read(SPEECH).unwrap());
    dir.does("features ../speech/Actor_03 --inputs speech -o features");
    let clips =
        dir.list("features").into_iter().map(|name| npy::from_bytes(&dir.read(&format!("features/{name}"))).unwrap());
    compare("speech", &clips.collect::<Vec<_>>());
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
    dir.write("branches.safetensors", of_two_branches(2).to_bytes());
    dir.does("export branches.safetensors -o branches.onnx");
    let branches = dir.read("branches.onnx");
    let gru = changed(&changed(&good, "\u{4}LSTM", "\u{4}GRU1"), "\u{4}LSTM", "\u{4}GRU1");
    for (name, bytes, problem) in [
        ("text.onnx", b"these are not the weights".to_vec(), "expected an ONNX file, got 25 bytes beginning \"these"),
        ("empty.onnx", Vec::new(), "expected an ONNX file, got an empty one"),
        ("model.onnx", dir.read(model), "model files of this program (.safetensors) need no import"),
        ("cut.onnx", good[..good.len() / 2].to_vec(), "expected a whole ONNX file"),
        ("gru.onnx", gru, "(GRU1): no such step in LSTM-SA"),
        ("sigmoid.onnx", changed(&good, "\u{7}Softmax", "\u{7}Sigmoid"), "(Sigmoid): no such step in LSTM-SA"),
        // The softmax of the attention, over the vectors instead of the frames.
        ("axis.onnx", changed(&good, "axis\u{18}\u{0}", "axis\u{18}\u{1}"), "Softmax of the attention scores"),
        ("reverse.onnx", changed(&good, "forward", "reverse"), "(LSTM): expected a forward LSTM"),
        ("protocol.onnx", changed(&good, "\u{8}\"strict\"", "\u{8}\"strict,"), "metadata protocol: EOF"),
        (
            "columns.onnx",
            changed(&branches, "mfcc+pitch,mfcc+deltas", "mfcc+deltas,mfcc+pitch"),
            "expected branch 1 to read",
        ),
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
