//! Sample rates: corpora of several, and frames in milliseconds.

use crate::test_dir::{SMALL, TestDir, tone, wav};
use reslstm::models::{Metadata, ModelFile};
use reslstm_cli::corpus::npy;
use serde_json::json;

fn metadata(dir: &TestDir, model: &str) -> Metadata {
    ModelFile::from_bytes(&dir.read(model)).unwrap().metadata().unwrap().clone()
}

/// A table of twenty clips of five speakers and two labels; clip `n` at the rate that `rate` gives it.
fn write_corpus(dir: &TestDir, rate: impl Fn(usize) -> u32) {
    let mut table = "path,label,speaker\n".to_string();
    for clip in 0..20 {
        let (name, rate) = (format!("{clip:02}.wav"), rate(clip));
        let samples = tone(rate, 0.3 + 0.02 * clip as f64);
        dir.write(&name, wav(1, 1, rate, 16, &samples));
        table += &format!("{name},{},{}\n", ["low", "high"][clip % 2], ["a", "b", "c", "d", "e"][clip / 4]);
    }
    // One of them with two channels, one from a telephone.
    if rate(18) != rate(0) {
        let stereo: Vec<u8> = tone(44_100, 0.5).chunks(2).flat_map(|sample| [sample, sample].concat()).collect();
        dir.write("18.wav", wav(1, 2, 44_100, 16, &stereo));
        dir.write("19.wav", wav(7, 1, 8_000, 8, &[0x80, 0x9f, 0x20, 0x55].repeat(1000)));
    }
    dir.write("corpus.csv", table);
}

#[test]
fn clips_of_several_rates_are_resampled_to_the_most_common_one() {
    let dir = TestDir::new("rates-mixed");
    write_corpus(&dir, |clip| if clip < 10 { 16_000 } else { 44_100 });
    let line = format!("cv corpus.csv -o cv --folds k=5 {SMALL}");
    let ran = dir.run(&line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let note = "note: corpus.csv: 1 clip at 8000 Hz, 9 clips at 44100 Hz resampled to 16000 Hz, as 10 clips\n";
    let frames = "note: at 16000 Hz, frames are 85.33 ms long and 42.67 ms apart, 1365 and 683 samples, as the paper's";
    assert!(ran.stderr.matches(note).count() == 1 && ran.stderr.contains(frames), "{}", ran.stderr);
    let made = metadata(&dir, "cv/models/run0-fold0.safetensors");
    assert_eq!(made.sample_rate, 16_000);
    let features = json!({ "n_fft": 2048, "win_length": 1365, "hop": 683, "mel_bands": 128, "mfcc": 34, "chroma": 12 });
    assert_eq!(json!(made.features), features);
    let plan = dir.json("cv/plan.json");
    let ms = |name: &str| plan["plan"]["settings"][name].as_f64().unwrap();
    assert_eq!((ms("window-ms"), ms("hop-ms")), (4096.0 / 48.0, 2048.0 / 48.0));
    assert_eq!(plan["sample_rate"], 16_000);
    assert!(dir.run(&format!("{line} --resume")).code == 0);
    // The model's rate decides, whatever the rates of the data are.
    for options in ["", " --live"] {
        let scored = dir.does_json(&format!("eval cv/models/run0-fold0.safetensors corpus.csv --json{options}"));
        assert_eq!(scored["clips"], 4, "{options}");
    }
    let ran = dir.run("eval cv/models/run0-fold0.safetensors ../speech");
    assert!(ran.stderr.contains("expected at least two of the model's labels (high, low)"), "{}", ran.stderr);
}

#[test]
fn work_that_was_begun_with_frames_in_samples_goes_on_with_them() {
    let dir = TestDir::new("rates-begun");
    write_corpus(&dir, |_| 16_000);
    // 256 and 128 ms are 4096 and 2048 samples: the features that plans without milliseconds have at every rate.
    dir.does(&format!("cv corpus.csv -o new --folds k=5 --window-ms 256 --hop-ms 128 {SMALL}"));
    let mut plan = dir.json("new/plan.json");
    for name in ["window-ms", "hop-ms"] {
        plan["plan"]["settings"].as_object_mut().unwrap().remove(name).unwrap();
    }
    for (folder, options) in [("a", SMALL), ("b", "")] {
        dir.write(&format!("{folder}/plan.json"), plan.to_string());
        let ran = dir.run(&format!(
            "cv corpus.csv -o {folder} --resume {options} {}",
            if options.is_empty() { "" } else { "--folds k=5" }
        ));
        assert!(ran.code == 0 && !ran.stderr.contains("85.33"), "{}", ran.stderr);
        assert_eq!(json!(metadata(&dir, &format!("{folder}/models/run0-fold3.safetensors")).features)["n_fft"], 4096);
        assert_eq!(dir.json(&format!("{folder}/plan.json")), plan);
    }
    // Frames are a setting like the others.
    let changed = format!("cv corpus.csv -o new --folds k=5 --resume --window-ms 64 --hop-ms 32 {SMALL}");
    dir.refuses_saying(&changed, &["settings.hop-ms was 128.0, now 32.0"]);
    dir.is_wrong_call(
        &format!("train corpus.csv -o m.safetensors --window-ms 25 {SMALL}"),
        &["hop-ms: expected 0.1 to 25, the window, got 42.67"],
    );
}

#[test]
fn feature_files_have_frames_in_samples_unless_a_duration_is_given() {
    let dir = TestDir::new("rates-features");
    dir.write("in/a.wav", wav(1, 1, 16_000, 16, &tone(16_000, 1.0)));
    dir.write("in/b.wav", wav(1, 1, 48_000, 16, &tone(48_000, 1.0)));
    let rows = |name: &str| npy::from_bytes(&dir.read(name)).unwrap().rows();
    let ran = dir.run("features in -o samples");
    let note = "note: 1 recordings at 16000 Hz: windows of 4096 samples are 256.00 ms there, and 85.33 ms at 48000 Hz";
    assert!(
        ran.code == 0 && ran.stderr.matches("recordings at").count() == 1 && ran.stderr.contains(note),
        "{}",
        ran.stderr
    );
    assert_eq!((rows("samples/a.npy"), rows("samples/b.npy")), (1 + 16_000 / 2048, 1 + 48_000 / 2048));
    let ran = dir.run("features in -o ms --window-ms 85.3333 --hop-ms 42.6667");
    assert!(ran.code == 0 && !ran.stderr.contains("note"), "{}", ran.stderr);
    assert_eq!((rows("ms/a.npy"), rows("ms/b.npy")), (1 + 16_000 / 683, 1 + 48_000 / 2048));
    assert_eq!(dir.read("ms/b.npy"), dir.read("samples/b.npy"));
    dir.does("features in -o rate --rate 48000");
    assert_eq!((rows("rate/a.npy"), dir.read("rate/b.npy")), (1 + 48_000 / 2048, dir.read("samples/b.npy")));
    dir.is_wrong_call("features in -o wrong --rate 999", &["--rate: expected a sample rate of 1000 to", "got 999"]);
    dir.is_wrong_call("features in -o wrong --hop-ms 90", &["--hop-ms: expected 0.1 to 85.33, the window, got 90"]);
}
