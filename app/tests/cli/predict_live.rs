//! `predict --live` and `eval --live`.

use crate::test_dir::{CLIP, Ran, SMALL, TestDir, model, tone, wav};
use reslstm::audio::Recording;
use reslstm::models::{LivePredictor, ModelFile};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// A clip of the shared corpus as raw samples from a recorder.
fn raw(dir: &TestDir) -> Vec<u8> {
    let samples = Recording::from_wav(&dir.read(CLIP)).unwrap().samples;
    samples.iter().flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes()).collect()
}

fn lines(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

fn probabilities(line: &Value) -> Vec<f64> {
    line["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).collect()
}

fn largest_difference(a: &Value, b: &Value) -> f64 {
    let pairs = probabilities(a).into_iter().zip(probabilities(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn each_frame_gives_a_line_and_the_last_agrees_with_the_whole_file() {
    let (dir, model) = (TestDir::new("live"), model());
    let bytes = raw(&dir);
    for (model, tolerance) in [(format!("--model {model}"), 0.05), (String::new(), 0.2)] {
        let live = lines(&dir.run_with_stdin(&format!("predict {model} --live --json"), bytes.clone()));
        assert_eq!(live.len(), 1 + bytes.len() / 2 / 2048);
        for (t, line) in live.iter().enumerate() {
            assert!((line["time"].as_f64().unwrap() - t as f64 * 2048.0 / 48e3).abs() < 1e-4, "{line}");
            assert!((probabilities(line).iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        }
        let whole = dir.does_json(&format!("predict {model} --json {CLIP}"));
        let last = live.last().unwrap();
        let distance = largest_difference(last, &whole);
        assert!(distance < tolerance, "off by {distance}: {last}, the whole file: {whole}");
    }
    // The same numbers as from the library's live predictor.
    let mut library = LivePredictor::new(&ModelFile::from_bytes(&dir.read(model)).unwrap()).unwrap();
    library.push(&Recording::from_wav(&dir.read(CLIP)).unwrap().samples).unwrap();
    let expected = library.finish().unwrap().pop().unwrap().prediction;
    let last = lines(&dir.run_with_stdin(&format!("predict --model {model} --live --json"), bytes)).pop().unwrap();
    assert_eq!(last["label"], library.labels()[expected.label]);
    for (label, p) in library.labels().iter().zip(&expected.probabilities) {
        assert_eq!(last["probabilities"][label].as_f64().unwrap() as f32, *p, "{label}");
    }
}

#[test]
fn lines_come_once_per_step_and_at_the_end() {
    let (dir, model) = (TestDir::new("live-steps"), model());
    let sound = tone(48_000, 2.6);
    let line = format!("predict --model {model} --live --step 1");
    let every = lines(&dir.run_with_stdin(&format!("predict --model {model} --live --json"), sound.clone()));
    let steps = lines(&dir.run_with_stdin(&format!("{line} --json"), sound.clone()));
    // The first frame at or after 0, 1 and 2 s, and the last.
    let places: Vec<usize> = steps.iter().map(|step| every.iter().position(|line| line == step).unwrap()).collect();
    assert_eq!(places, [0, 24, 47, every.len() - 1]);

    let csv = dir.run_with_stdin(&format!("{line} --csv"), sound.clone()).stdout;
    let csv: Vec<&str> = csv.lines().collect();
    assert!(csv[0].starts_with("time,label,neutral,calm,") && csv.len() == 5, "{csv:?}");
    let label = steps[1]["label"].as_str().unwrap();
    assert!(csv[2].starts_with(&format!("1.0240,{label},0.")), "{csv:?}");
    let text = dir.run_with_stdin(&line, sound).stdout;
    assert!(text.lines().nth(1).unwrap().starts_with(&format!("   1.02 s: {label}  (neutral 0.")), "{text}");
}

#[test]
fn half_a_sample_at_the_end_is_ignored() {
    let (dir, model) = (TestDir::new("live-odd"), model());
    let line = format!("predict --model {model} --live --json");
    let mut sound = tone(48_000, 0.5);
    let even = dir.run_with_stdin(&line, sound.clone());
    sound.push(77);
    let odd = dir.run_with_stdin(&line, sound);
    assert_eq!((odd.code, &odd.stdout, even.stderr.as_str()), (0, &even.stdout, ""));
    assert!(odd.stderr.contains("note: stdin ended in the middle of a sample"), "{}", odd.stderr);
}

#[test]
fn another_rate_is_resampled() {
    let (dir, model) = (TestDir::new("live-rates"), model());
    dir.write("tone.wav", wav(1, 1, 16_000, 16, &tone(16_000, 2.0)));
    let line = format!("predict --model {model} --live --json");
    let live = lines(&dir.run_with_stdin(&format!("{line} --rate 16000"), tone(16_000, 2.0)));
    assert_eq!(live.len(), 1 + 2 * 48_000 / 2048);
    let whole = dir.does_json(&format!("predict --model {model} --json tone.wav"));
    assert!(largest_difference(live.last().unwrap(), &whole) < 0.02, "{live:?} {whole}");
    let same = dir.run_with_stdin(&format!("{line} --rate 48000"), tone(48_000, 1.0));
    assert_eq!(same.stdout, dir.run_with_stdin(&line, tone(48_000, 1.0)).stdout);
}

#[test]
fn input_that_is_not_raw_sound_is_refused() {
    let (dir, model) = (TestDir::new("live-refusals"), model());
    let line = format!("predict --model {model} --live");
    for (bytes, problem) in [
        (Vec::new(), "but stdin ended after 0 bytes (pipe in a recorder"),
        (dir.read(CLIP), "expected raw 16-bit samples, got a WAV file (remove its header"),
        (b"fLaC\0\0\0\x22 and so on".to_vec(), "got a FLAC file"),
    ] {
        let ran = dir.run_with_stdin(&line, bytes);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: stdin: ") && ran.stderr.contains(problem), "{}", ran.stderr);
    }
    dir.is_wrong_call(&format!("{line} --rate 12"), &["--rate: expected 1,000 to 1,000,000 Hz, got 12"]);
    dir.is_wrong_call(&format!("{line} --step=-1"), &["--step: expected 0.01 to 86,400 seconds, got -1"]);
    for line in [format!("{line} {CLIP}"), format!("{line} --window 1"), format!("predict --rate 16000 {CLIP}")] {
        assert_eq!(dir.run(&line).code, 2, "{line}");
    }
    assert_eq!(dir.run(&format!("predict --step 1 {CLIP}")).code, 2, "--step needs --window or --live");
}

#[cfg(unix)]
#[test]
fn lines_come_while_sound_arrives_and_ctrl_c_ends_the_command() {
    let (dir, model) = (TestDir::new("live-ctrl-c"), model());
    for signal in ["INT", "TERM"] {
        let line = format!("predict --model {model} --live");
        let mut command = dir.command(&line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&tone(48_000, 1.0)).unwrap();
        stdin.flush().unwrap();
        // Frames 0 to 22 are complete; the pipe stays open.
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        for t in 0..23 {
            let line = out.next().unwrap().unwrap();
            assert!(line.starts_with(&format!("{:7.2} s: ", t as f64 * 2048.0 / 48e3)), "{line}");
        }
        let sent = std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let rest: Vec<String> = out.map(Result::unwrap).collect();
        assert!(rest.len() == 1 && rest[0].starts_with("   0.98 s: "), "the last, incomplete frame: {rest:?}");
        let ran = Ran::new(&line, child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, "\nstopped\n"));
        drop(stdin);
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_the_command() {
    let (dir, model) = (TestDir::new("live-pipe"), model());
    for format in ["", "--csv", "--json"] {
        let line = format!("predict --model {model} --live {format}");
        let mut command = dir.command(&line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().unwrap();
        // Until the command has ended.
        let sound = tone(48_000, 0.5);
        while stdin.write_all(&sound).is_ok() {}
        let ran = Ran::new(&line, child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    }
}

#[test]
fn eval_live_scores_the_last_prediction_of_each_recording() {
    let dir = TestDir::new("eval-live");
    dir.does(&format!("train ../speech -o m.safetensors --folds 1 {SMALL}"));
    let score = |line: &str| -> Value {
        let ran = dir.run(line);
        assert!(ran.code == 0 && ran.stderr.contains("test speakers (fold 1) alone"), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let whole = score("eval m.safetensors ../speech --json");
    let live = score("eval m.safetensors ../speech --json --live");
    assert_eq!((&whole["live"], &live["live"]), (&false.into(), &true.into()));
    assert_eq!((&whole["clips"], &whole["speakers"]), (&live["clips"], &live["speakers"]));
    // The counts are those of the last live prediction of each clip.
    let actor = live["speakers"][0].as_str().unwrap();
    let mut counts = vec![vec![0u64; 8]; 8];
    for speaker in live["speakers"].as_array().unwrap() {
        for name in dir.list(&format!("../speech/Actor_{}", speaker.as_str().unwrap())) {
            let samples =
                Recording::from_wav(&dir.read(&format!("../speech/Actor_{}/{name}", speaker.as_str().unwrap())));
            let mut library = LivePredictor::new(&ModelFile::from_bytes(&dir.read("m.safetensors")).unwrap()).unwrap();
            library.push(&samples.unwrap().samples).unwrap();
            let label = library.finish().unwrap().pop().unwrap().prediction.label;
            counts[name[6..8].parse::<usize>().unwrap() - 1][label] += 1;
        }
    }
    assert_eq!(live["confusion"], serde_json::json!(counts), "speakers from {actor}");
    let text = dir.does("eval m.safetensors ../speech --live");
    assert!(text.starts_with("UAR 0."), "{text}");
}
