//! `predict`, `info` and `eval`.

use crate::room::{CLIP, Ran, Room, SMALL, model, tone, wav};
use reslstm::corpus::npy;
use reslstm::models::ModelFile;
use reslstm::normalise::Normaliser;
use safetensors::SafeTensors;
use serde_json::Value;

const RAVDESS: [&str; 8] = ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprised"];

/// One object a line, each checked: labels in class order, probabilities that add up to 1, the label of the largest.
fn predictions(stdout: &str) -> Vec<Value> {
    let check = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let places: Vec<usize> = RAVDESS.iter().map(|label| line.find(&format!("\"{label}\": ")).unwrap()).collect();
        assert!(places.is_sorted(), "class order: {line}");
        let probabilities = probabilities(&value);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        let best = (0..8).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap();
        assert_eq!(value["label"], RAVDESS[best], "{line}");
        value
    };
    stdout.lines().map(check).collect()
}

fn probabilities(prediction: &Value) -> Vec<f64> {
    RAVDESS.iter().map(|label| prediction["probabilities"][label].as_f64().unwrap()).collect()
}

#[test]
fn the_same_clip_is_the_same_emotion_however_it_is_given() {
    let (room, model) = (Room::new("predict"), model());
    room.does(&format!("features {CLIP} -o f"));
    let npy = "f/03-01-05-01-01-01-02.npy";
    let stdout = room.does(&format!("predict --model {model} --json {CLIP} {npy} ../speech/Actor_02"));
    let all = predictions(&stdout);
    assert_eq!(all.len(), 2 + 15);
    assert_eq!((&all[0]["file"], &all[1]["file"]), (&CLIP.into(), &npy.into()));
    assert_eq!(all[0]["probabilities"], all[1]["probabilities"], "audio and its features");
    let again = all[2..].iter().find(|prediction| prediction["file"] == CLIP).expect("as found in its folder");
    assert_eq!(again, &all[0]);

    let mut piped = assert_cmd::Command::from_std(room.command(&format!("predict --model {model} --json -")));
    let piped = Ran::of("stdin", piped.write_stdin(room.read(CLIP)).output().unwrap());
    let piped = predictions(&piped.stdout);
    assert_eq!((&piped[0]["file"], &piped[0]["probabilities"]), (&"-".into(), &all[0]["probabilities"]));
}

#[test]
fn text_and_csv_say_what_json_says() {
    let (room, model) = (Room::new("predict-formats"), model());
    let prediction = &predictions(&room.does(&format!("predict --model {model} --json {CLIP}")))[0];
    let label = prediction["label"].as_str().unwrap();
    let csv = room.does(&format!("predict --model {model} --csv {CLIP}"));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], format!("file,label,{}", RAVDESS.join(",")));
    let fields: Vec<&str> = lines[1].split(',').collect();
    assert_eq!((fields[0], fields[1], lines.len()), (CLIP, label, 2));
    let numbers: Vec<f64> = fields[2..].iter().map(|field| field.parse().unwrap()).collect();
    assert_eq!(numbers, probabilities(prediction));
    let text = room.does(&format!("predict --model {model} {CLIP}"));
    assert!(text.starts_with(&format!("{CLIP}: {label}  (neutral 0.")), "{text}");
    assert_eq!(room.run(&format!("predict --model {model} --csv --json {CLIP}")).code, 2);
}

#[test]
fn a_long_recording_is_labelled_over_time() {
    let (room, model) = (Room::new("predict-windows"), model());
    room.write("long.wav", wav(1, 1, 48_000, 16, &tone(48_000, 4.5)));
    let windows = predictions(&room.does(&format!("predict --model {model} --json --window 3 --step 1 long.wav")));
    let spans: Vec<[f64; 2]> = windows.iter().map(|w| ["start", "end"].map(|key| w[key].as_f64().unwrap())).collect();
    assert_eq!(spans, [[0.0, 3.0], [1.0, 4.0], [1.5, 4.5]]);
    // A window is a clip of its own.
    room.write("first.wav", wav(1, 1, 48_000, 16, &tone(48_000, 4.5)[..3 * 48_000 * 2]));
    let alone = &predictions(&room.does(&format!("predict --model {model} --json first.wav")))[0];
    assert_eq!(alone["probabilities"], windows[0]["probabilities"]);
    let csv = room.does(&format!("predict --model {model} --csv --window 2 long.wav"));
    assert!(csv.starts_with("file,start,end,label,") && csv.lines().count() == 4, "{csv}");
    assert!(csv.contains("\nlong.wav,2.5,4.5,"), "{csv}");
    for seconds in ["0", "-1", "nan", "1e9"] {
        room.refuses_saying(
            &format!("predict --model {model} --window={seconds} long.wav"),
            &["window: expected 0.01 to"],
        );
    }
}

#[test]
fn another_sample_rate_is_resampled_and_said_so() {
    let (room, model) = (Room::new("predict-rates"), model());
    for (name, rate) in [("a.wav", 8_000), ("b.wav", 8_000), ("c.wav", 44_100)] {
        room.write(name, wav(1, 1, rate, 16, &tone(rate, 1.0)));
    }
    room.write("short.wav", wav(1, 1, 8_000, 16, &tone(8_000, 0.001)));
    let ran = room.run(&format!("predict --model {model} --json a.wav b.wav c.wav short.wav"));
    assert_eq!((ran.code, predictions(&ran.stdout).len()), (0, 4), "{}", ran.stderr);
    let notes: Vec<&str> = ran.stderr.lines().collect();
    let expected = ["8000", "44100"].map(|rate| format!("note: {rate} Hz is resampled to the model's 48000 Hz"));
    assert_eq!(notes, expected);
}

#[test]
fn the_bundled_weights_know_ravdesss_emotions_and_their_licence() {
    let room = Room::new("bundled");
    let predicted = predictions(&room.does(&format!("predict --json {CLIP}")));
    assert_eq!(predicted[0]["file"], CLIP);
    std::fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/reslstm-sa-h64-ravdess.safetensors"),
        room.path("bundled.safetensors"),
    )
    .unwrap();
    let info: Value = serde_json::from_str(&room.does("info --json bundled.safetensors")).unwrap();
    assert_eq!((&info["arch"], &info["parameters"]), (&"reslstm-sa-h64".into(), &62_368.into()));
    assert_eq!(info["labels"], serde_json::json!(RAVDESS));
    assert!(info["metadata"]["temperature"].as_f64().unwrap() > 1.0, "its probabilities are calibrated");
    // What it reads of a frame, as the help says, gives what the recording gives.
    room.does(&format!("features {CLIP} --inputs pitch -o f"));
    let of_features = predictions(&room.does("predict --json f/03-01-05-01-01-01-02.npy"));
    assert_eq!(of_features[0]["probabilities"], predicted[0]["probabilities"]);
    room.does(&format!("features {CLIP} -o paper"));
    room.refuses_saying("predict paper/03-01-05-01-01-01-02.npy", &["60", "46"]);
    assert_eq!(info["metadata"]["train_speakers"].as_array().unwrap().len(), 24);
    assert!(room.does("info bundled.safetensors").contains("CC BY-NC-SA"));
    assert!(room.does("predict --help").contains("CC BY-NC-SA"));
}

#[test]
fn info_shows_what_a_file_holds() {
    let (room, model) = (Room::new("info"), model());
    let text = room.does(&format!("info {model}"));
    assert!(text.starts_with("reslstm-sa-h4: ") && text.contains("labels: neutral, calm, happy"), "{text}");
    assert!(text.contains("licence: Trained on synthetic speech"), "{text}");
    let info: Value = serde_json::from_str(&room.does(&format!("info --json {model}"))).unwrap();
    assert_eq!((&info["inputs"], &info["classes"]), (&46.into(), &8.into()));
    assert_eq!((&info["metadata"]["protocol"], &info["metadata"]["fold"]), (&"strict".into(), &0.into()));
    let count =
        |tensor: &Value| -> u64 { tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product() };
    let learned = info["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["learned"] == true);
    assert_eq!(learned.map(count).sum::<u64>(), info["parameters"]);
}

#[test]
fn a_state_dict_from_pytorch_takes_features_and_refuses_audio() {
    let (room, model) = (Room::new("state-dict"), model());
    // What torch.save_file(model.state_dict()) leaves: the same tensors, batch norm's count of batches, no metadata.
    let bytes = room.read(model);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut dict: Vec<_> = tensors.tensors();
    let count = 7i64.to_le_bytes();
    let count = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![], &count).unwrap();
    let norms: Vec<String> = dict
        .iter()
        .filter_map(|(name, _)| Some(format!("{}.num_batches_tracked", name.strip_suffix(".running_var")?)))
        .collect();
    assert!(!norms.is_empty());
    dict.extend(norms.into_iter().map(|name| (name, count.clone())));
    room.write("dict.safetensors", safetensors::serialize(dict, None).unwrap());

    room.does(&format!("features {CLIP} -o f"));
    let npy = "f/03-01-05-01-01-01-02.npy";
    let metadata = ModelFile::from_bytes(&bytes).unwrap().metadata().unwrap().clone();
    let normaliser = Normaliser::new(metadata.mean, metadata.std).unwrap();
    let normalised = normaliser.apply(&npy::from_bytes(&room.read(npy)).unwrap()).unwrap();
    room.write("normalised.npy", npy::to_bytes(&normalised));
    let ours = &predictions(&room.does(&format!("predict --json --model {model} {npy}")))[0];
    let plain = &predictions(&room.does("predict --json --model dict.safetensors normalised.npy"))[0];
    assert_eq!(ours["probabilities"], plain["probabilities"]);

    let audio = format!("predict --model dict.safetensors {CLIP}");
    room.refuses_saying(&audio, &[CLIP, "expected a model file with the mean and standard deviation", "no recordings"]);
    assert!(room.does("info dict.safetensors").contains("plain state dict"));
    room.refuses_saying("eval dict.safetensors ../speech", &["dict.safetensors", "no metadata"]);
}

#[test]
fn eval_scores_speakers_the_model_has_not_heard() {
    let room = Room::new("eval");
    room.does(&format!("cv ../speech -o cv --folds 1,3 {SMALL}"));
    for (at, fold) in [(0, 1), (1, 3)] {
        let ran = room.run(&format!("eval --json cv/models/run0-fold{fold}.safetensors ../speech"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("test speakers (fold {fold}) alone")), "{}", ran.stderr);
        let scores: Value = serde_json::from_str(&ran.stdout).unwrap();
        let record = &room.json("cv/runs/run0.json")["folds"][at];
        assert_eq!(scores["scores"]["uar"], record["test_uar"]);
        assert_eq!((&scores["confusion"], &scores["speakers"]), (&record["confusion"], &record["split"]["test"]));
    }
    room.does(&format!("train ../speech -o all.safetensors --all {SMALL}"));
    let ran = room.run("eval all.safetensors ../speech");
    assert!(ran.stderr.contains("warning: the model was trained on all of these clips"), "{}", ran.stderr);
    assert!(ran.code == 0 && ran.stdout.contains(" on 90 clips"), "{}", ran.stdout);
    room.does("synth others --speakers 1 --statements 1 --repetitions 1 --seed 9");
    let ran = room.run("eval all.safetensors others");
    assert!(ran.code == 0 && ran.stderr.contains("some speakers have names of speakers"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (room, model) = (Room::new("pipe"), model());
    let lines =
        [format!("predict --csv --model {model} ../speech"), format!("info {model}"), "completions bash".into()];
    for line in lines {
        let mut child = room.start(&line);
        drop(child.stdout.take());
        let ran = Ran::of(&line, child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    }
}

#[test]
fn bench_measures_this_machine() {
    let bench: Value = serde_json::from_str(&Room::new("bench").does("bench --json")).unwrap();
    let number = |value: &Value| value.as_f64().filter(|number| *number > 0.0).unwrap_or_else(|| panic!("{bench}"));
    let peak = number(&bench["peak_gflops"]);
    for (step, batch) in bench["steps"].as_array().unwrap().iter().zip([8, 16, 64]) {
        assert_eq!(step["batch"], batch);
        // A product that does nothing but multiply and add is faster than a training; by how much is no test's business.
        assert!(number(&step["gflops"]) < 1.2 * peak, "{bench}");
        assert!((number(&step["of_peak"]) - number(&step["gflops"]) / peak).abs() < 1e-9);
        // 24.0 GFLOP an epoch.
        let gflop = number(&step["gflops"]) * number(&step["fold_0_epoch_seconds"]);
        assert!((gflop - 24.04).abs() < 0.01, "{gflop}");
    }
    let column = |table: &str, name: &str| -> Vec<f64> {
        bench[table].as_array().unwrap().iter().map(|row| number(&row[name])).collect()
    };
    assert_eq!(column("models", "hidden"), [16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);
    assert_eq!(column("data", "clips"), [10.0, 100.0, 1_000.0, 10_000.0]);
    assert_eq!((column("models", "gflops").len(), column("data", "us_a_frame").len()), (6, 4));
    let use_of = &bench["inference"];
    for name in ["clip_us", "frame_us", "live_frame_us", "features_ms", "wav_seconds", "wav_ms", "load_ms"] {
        number(&use_of[name]);
    }
}

#[test]
fn every_subcommand_helps_with_an_example() {
    let room = Room::new("help");
    let help = room.does("--help");
    for name in [
        "demo",
        "synth",
        "features",
        "train",
        "cv",
        "eval",
        "predict",
        "info",
        "explain",
        "figure",
        "report",
        "bench",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        let help = room.does(&format!("{name} --help"));
        assert!(help.contains("Example") && help.contains(&format!("reslstm {name}")), "{help}");
    }
    assert_eq!(room.run("").code, 2);
    assert_eq!(room.run("--nonsense").code, 2);
}
