//! `predict`.

use crate::test_dir::{CLIP, Ran, TestDir, model, tone, wav};
use reslstm::matrix::Matrix;
use reslstm::models::ModelFile;
use reslstm::normalise::Normaliser;
use reslstm_cli::corpus::npy;
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::Path;

const RAVDESS: [&str; 8] = ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprised"];

/// Parses one JSON object per line and checks it: labels in class order, probabilities sum to 1, the label is that of the
/// largest, or `none` where nobody speaks.
fn predictions(stdout: &str) -> Vec<Value> {
    let check = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let places: Vec<usize> = RAVDESS.iter().map(|label| line.find(&format!("\"{label}\": ")).unwrap()).collect();
        assert!(places.is_sorted(), "class order: {line}");
        let probabilities = probabilities(&value);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        let best = (0..8).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap();
        let label = if value["gate"] == "no speech" { "none" } else { RAVDESS[best] };
        assert_eq!(value["label"], label, "{line}");
        value
    };
    stdout.lines().map(check).collect()
}

fn probabilities(prediction: &Value) -> Vec<f64> {
    RAVDESS.iter().map(|label| prediction["probabilities"][label].as_f64().unwrap()).collect()
}

#[test]
fn a_clip_its_features_and_stdin_give_the_same_prediction() {
    let (dir, model) = (TestDir::new("predict"), model());
    dir.does(&format!("features {CLIP} -o f"));
    let npy = "f/03-01-05-01-01-01-02.npy";
    let stdout = dir.does(&format!("predict --model {model} --json {CLIP} {npy} ../speech/Actor_02"));
    let all = predictions(&stdout);
    assert_eq!(all.len(), 2 + 15);
    assert_eq!((&all[0]["file"], &all[1]["file"]), (&CLIP.into(), &npy.into()));
    assert_eq!(all[0]["probabilities"], all[1]["probabilities"], "audio and its features");
    let again = all[2..].iter().find(|prediction| prediction["file"] == CLIP).expect("the clip in its folder");
    assert_eq!(again, &all[0]);

    let piped = dir.run_with_stdin(&format!("predict --model {model} --json -"), dir.read(CLIP));
    let piped = predictions(&piped.stdout);
    assert_eq!((&piped[0]["file"], &piped[0]["probabilities"]), (&"-".into(), &all[0]["probabilities"]));
}

#[test]
fn text_and_csv_agree_with_json() {
    let (dir, model) = (TestDir::new("predict-formats"), model());
    let prediction = &predictions(&dir.does(&format!("predict --model {model} --json {CLIP}")))[0];
    let label = prediction["label"].as_str().unwrap();
    let csv = dir.does(&format!("predict --model {model} --csv {CLIP}"));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], format!("file,label,{},level,speech,gate,unlike", RAVDESS.join(",")));
    let fields: Vec<&str> = lines[1].split(',').collect();
    assert_eq!((fields[0], fields[1], lines.len()), (CLIP, label, 2));
    let numbers: Vec<f64> = fields[2..10].iter().map(|field| field.parse().unwrap()).collect();
    assert_eq!(numbers, probabilities(prediction));
    let sound = [10, 11].map(|column| fields[column].parse::<f64>().unwrap());
    assert_eq!(sound, ["level", "speech"].map(|key| prediction[key].as_f64().unwrap()));
    assert_eq!((fields[12], &prediction["gate"]), ("", &Value::Null));
    let unlike = prediction["unlike"].as_f64().unwrap();
    assert_eq!(fields[13].parse::<f64>().unwrap(), unlike);
    let text = dir.does(&format!("predict --model {model} {CLIP}"));
    assert!(text.starts_with(&format!("{CLIP}: {label}  (neutral 0.")), "{text}");
    assert!(text.trim_end().ends_with(&format!("  unlike {unlike:.1}")), "{text}");
    assert_eq!(dir.run(&format!("predict --model {model} --csv --json {CLIP}")).code, 2);
    // A distance beyond any number is none in JSON.
    dir.write("far.npy", npy::to_bytes(&Matrix::from_vec(1, 46, vec![1e25; 46])));
    let far = &predictions(&dir.does(&format!("predict --model {model} --json far.npy")))[0];
    assert_eq!(far["unlike"], Value::Null);
    assert!(dir.does(&format!("predict --model {model} far.npy")).contains("  unlike inf"));
}

#[test]
fn a_long_recording_is_predicted_in_windows() {
    let (dir, model) = (TestDir::new("predict-windows"), model());
    dir.write("long.wav", wav(1, 1, 48_000, 16, &tone(48_000, 4.5)));
    let windows = predictions(&dir.does(&format!("predict --model {model} --json --window 3 --step 1 long.wav")));
    let spans: Vec<[f64; 2]> = windows.iter().map(|w| ["start", "end"].map(|key| w[key].as_f64().unwrap())).collect();
    assert_eq!(spans, [[0.0, 3.0], [1.0, 4.0], [1.5, 4.5]]);
    // A window is a clip of its own.
    dir.write("first.wav", wav(1, 1, 48_000, 16, &tone(48_000, 4.5)[..3 * 48_000 * 2]));
    let alone = &predictions(&dir.does(&format!("predict --model {model} --json first.wav")))[0];
    assert_eq!(alone["probabilities"], windows[0]["probabilities"]);
    let csv = dir.does(&format!("predict --model {model} --csv --window 2 long.wav"));
    assert!(csv.starts_with("file,start,end,label,") && csv.lines().count() == 4, "{csv}");
    assert!(csv.contains("\nlong.wav,2.5,4.5,"), "{csv}");
    for seconds in ["0", "-1", "nan", "1e9"] {
        dir.is_wrong_call(
            &format!("predict --model {model} --window={seconds} long.wav"),
            &["window: expected 0.01 to"],
        );
    }
}

#[test]
fn both_sides_of_a_call_are_predicted() {
    let (dir, model) = (TestDir::new("predict-sides"), model());
    let (left, right) = (tone(48_000, 2.0), tone(24_000, 4.0));
    let both: Vec<u8> = left.chunks(2).zip(right.chunks(2)).flat_map(|(l, r)| [l, r].concat()).collect();
    for (name, channels, bytes) in [("left.wav", 1, &left), ("right.wav", 1, &right), ("call.wav", 2, &both)] {
        dir.write(name, wav(1, channels, 48_000, 16, bytes));
    }
    let of = |line: &str| predictions(&dir.does(&format!("predict --model {model} --json {line}")));
    let alone = of("left.wav right.wav");
    assert_ne!(alone[0]["probabilities"], alone[1]["probabilities"]);
    let each = of("--side each call.wav");
    assert_eq!(each.len(), 2);
    for ((line, alone), side) in each.iter().zip(&alone).zip(["left", "right"]) {
        assert_eq!((&line["file"], &line["side"]), (&"call.wav".into(), &side.into()));
        assert_eq!(line["probabilities"], alone["probabilities"], "{side}");
        let one = &of(&format!("--side {side} call.wav"))[0];
        assert_eq!((&one["probabilities"], one.get("side")), (&alone["probabilities"], None));
    }
    let windows = dir.does(&format!("predict --model {model} --csv --side each --window 1 call.wav"));
    let lines: Vec<&str> = windows.lines().collect();
    assert!(lines[0].starts_with("file,side,start,end,label,") && lines.len() == 5, "{windows}");
    assert!(lines[2].starts_with("call.wav,left,1,2,") && lines[3].starts_with("call.wav,right,0,1,"), "{windows}");
    let text = dir.does(&format!("predict --model {model} --side each call.wav"));
    assert!(text.starts_with("call.wav left: ") && text.contains("\ncall.wav right: "), "{text}");
    let mono = format!("predict --model {model} --side each left.wav");
    dir.refuses_saying(&mono, &["left.wav", "expected two channels", "leave out --side"]);
    dir.does("features left.wav -o f");
    dir.refuses_saying(&format!("predict --model {model} --side left f/left.npy"), &["--side is for recordings"]);
}

#[test]
fn another_sample_rate_is_resampled_with_a_note() {
    let (dir, model) = (TestDir::new("predict-rates"), model());
    for (name, rate) in [("a.wav", 8_000), ("b.wav", 8_000), ("c.wav", 44_100)] {
        dir.write(name, wav(1, 1, rate, 16, &tone(rate, 1.0)));
    }
    dir.write("short.wav", wav(1, 1, 8_000, 16, &tone(8_000, 0.001)));
    let ran = dir.run(&format!("predict --model {model} --json --no-gate a.wav b.wav c.wav short.wav"));
    assert_eq!((ran.code, predictions(&ran.stdout).len()), (0, 4), "{}", ran.stderr);
    let notes: Vec<&str> = ran.stderr.lines().collect();
    let expected = ["8000", "44100"].map(|rate| format!("note: resampled from {rate} Hz to 48000 Hz"));
    assert_eq!(notes, expected);
}

#[test]
fn the_bundled_models_have_names_ravdess_labels_and_a_licence() {
    let dir = TestDir::new("bundled");
    for (name, file, arch, inputs, parameters) in [
        ("speech", "speech-ravdess.safetensors", "3x reslstm-sa-h32", "speech", 92_538),
        ("paper", "reslstm-sa-h64-ravdess.safetensors", "reslstm-sa-h64", "pitch", 62_368),
    ] {
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file), dir.path(file)).unwrap();
        let predicted = dir.does(&format!("predict --model {name} --json {CLIP}"));
        assert_eq!(predicted, dir.does(&format!("predict --model {file} --json {CLIP}")), "{name}");
        let info = dir.does_json(&format!("info --json {file}"));
        assert_eq!((&info["arch"], &info["parameters"]), (&arch.into(), &parameters.into()));
        assert_eq!(info["labels"], serde_json::json!(RAVDESS));
        assert_ne!(info["metadata"]["temperature"], 1.0, "its probabilities are calibrated");
        assert_eq!(info["metadata"]["train_speakers"].as_array().unwrap().len(), 24);
        assert!(dir.does(&format!("info {file}")).contains("CC BY-NC-SA"));
        // Features of the model's feature set give the same prediction as the recording.
        dir.does(&format!("features {CLIP} --inputs {inputs} -o {inputs}"));
        let of_features = dir.does(&format!("predict --model {name} --json {inputs}/03-01-05-01-01-01-02.npy"));
        assert_eq!(predictions(&of_features)[0]["probabilities"], predictions(&predicted)[0]["probabilities"]);
    }
    let predicted = dir.does(&format!("predict --json {CLIP}"));
    assert_eq!(predicted, dir.does(&format!("predict --model speech --json {CLIP}")), "the default");
    assert_eq!(predictions(&predicted)[0]["file"], CLIP);
    dir.does(&format!("features {CLIP} -o of-the-paper"));
    dir.refuses_saying("predict of-the-paper/03-01-05-01-01-01-02.npy", &["61", "46"]);
    dir.refuses_saying("predict --model papers x.wav", &["papers: ", "the bundled models are speech and paper"]);
    let help = dir.does("predict --help");
    assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains("CC BY-NC-SA"), "{help}");
}

#[test]
fn a_state_dict_from_pytorch_takes_features_and_refuses_audio() {
    let (dir, model) = (TestDir::new("state-dict"), model());
    // As torch.save_file(model.state_dict()) writes it: the same tensors, batch norm's count of batches, no metadata.
    let bytes = dir.read(model);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut dict: Vec<_> = tensors.tensors();
    dict.retain(|(name, _)| !name.starts_with("training."));
    let count = 7i64.to_le_bytes();
    let count = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![], &count).unwrap();
    let norms: Vec<String> = dict
        .iter()
        .filter_map(|(name, _)| Some(format!("{}.num_batches_tracked", name.strip_suffix(".running_var")?)))
        .collect();
    assert!(!norms.is_empty());
    dict.extend(norms.into_iter().map(|name| (name, count.clone())));
    let compiled = dict.iter().map(|(name, view)| (format!("_orig_mod.{name}"), view.clone()));
    dir.write("compiled.safetensors", safetensors::serialize(compiled, None).unwrap());
    dir.write("dict.safetensors", safetensors::serialize(dict, None).unwrap());

    dir.does(&format!("features {CLIP} -o f"));
    let npy = "f/03-01-05-01-01-01-02.npy";
    let metadata = ModelFile::from_bytes(&bytes).unwrap().metadata().unwrap().clone();
    let normaliser = Normaliser::new(metadata.mean, metadata.std).unwrap();
    let normalised = normaliser.apply(&npy::from_bytes(&dir.read(npy)).unwrap()).unwrap();
    dir.write("normalised.npy", npy::to_bytes(&normalised));
    let ours = &predictions(&dir.does(&format!("predict --json --model {model} {npy}")))[0];
    let plain = &predictions(&dir.does("predict --json --model dict.safetensors normalised.npy"))[0];
    assert_eq!(ours["probabilities"], plain["probabilities"]);
    let ran = dir.run("predict --json --model compiled.safetensors normalised.npy");
    assert_eq!((ran.code, &predictions(&ran.stdout)[0]["probabilities"]), (0, &plain["probabilities"]));
    assert_eq!(ran.stderr, "note: compiled.safetensors: removed '_orig_mod.' from the names of all tensors\n");

    let audio = format!("predict --model dict.safetensors {CLIP}");
    dir.refuses_saying(&audio, &[CLIP, "expected a model file with the mean and standard deviation", "no recordings"]);
    assert!(dir.does("info dict.safetensors").contains("plain state dict"));
    dir.refuses_saying("eval dict.safetensors ../speech", &["dict.safetensors", "no metadata"]);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_not_an_error() {
    let (dir, model) = (TestDir::new("pipe"), model());
    let lines =
        [format!("predict --csv --model {model} ../speech"), format!("info {model}"), "completions bash".into()];
    for line in lines {
        let mut child = dir.start(&line);
        drop(child.stdout.take());
        let ran = Ran::new(&line, child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    }
}
