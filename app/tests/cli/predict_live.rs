//! `predict --live` and `eval --live`.

use crate::test_dir::{CLIP, Ran, SMALL, TestDir, model, tone, wav};
use reslstm::audio::Recording;
use reslstm::models::{LivePredictor, ModelFile};
use reslstm_cli::corpus::sound::SignalCheck;
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
    for (model, tolerance) in [(format!("--model {model}"), 0.05), ("--model paper".into(), 0.2)] {
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
    let line = format!("predict --model {model} --live --json --rate 48000");
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
        (vec![1], "but stdin ended after 1 bytes (pipe in a recorder"),
        (dir.read(CLIP)[..44].to_vec(), "but stdin ended after 44 bytes"),
        (
            dir.read(CLIP)[..30].to_vec(),
            "expected 16 bytes of \"fmt \" as the header says, got 10 (the file was cut off",
        ),
        (b"fLaC\0\0\0\x22 and so on".to_vec(), "expected raw samples or a WAV file, got FLAC (decode it first"),
    ] {
        let ran = dir.run_with_stdin(&line, bytes);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("error: stdin: ") && ran.stderr.contains(problem), "{}", ran.stderr);
    }
    dir.is_wrong_call(&format!("{line} --rate 12"), &["--rate: expected a sample rate of 1000 to 1000000 Hz, got 12"]);
    dir.is_wrong_call(&format!("{line} --channels 17"), &["--channels: expected 1 to 16 channels, got 17"]);
    dir.is_wrong_call(&format!("{line} --format s12"), &["invalid value 's12' for '--format <FORMAT>'"]);
    let ran = dir.run_with_stdin(&format!("{line} --side right"), tone(48_000, 0.5));
    assert!(ran.code == 1 && ran.stderr.contains("expected two channels, of which to take the right one"), "{ran:?}");
    dir.is_wrong_call(&format!("{line} --step=-1"), &["--step: expected 0.01 to 86,400 seconds, got -1"]);
    for line in [
        format!("{line} {CLIP}"),
        format!("{line} --window 1"),
        format!("predict --rate 16000 {CLIP}"),
        format!("predict --format u8 {CLIP}"),
    ] {
        assert_eq!(dir.run(&line).code, 2, "{line}");
    }
    assert_eq!(dir.run(&format!("predict --step 1 {CLIP}")).code, 2, "--step needs --window or --live");
}

/// The clip of [`raw`] in another format, as `reslstm::audio` decodes it.
fn samples(dir: &TestDir) -> Vec<f32> {
    Recording::from_wav(&dir.read(CLIP)).unwrap().samples
}

#[test]
fn every_format_of_raw_samples_is_the_same_sound() {
    let (dir, model) = (TestDir::new("live-formats"), model());
    let line = format!("predict --model {model} --live --json --no-gate --step 1 --rate 48000");
    let expected = dir.run_with_stdin(&line, raw(&dir)).stdout;
    assert!(expected.lines().count() > 2);
    // Every 16-bit sample is one in these formats too.
    let wider = |bytes: fn(i32) -> Vec<u8>| -> Vec<u8> {
        samples(&dir).iter().flat_map(|sample| bytes((sample * 32_768.0) as i32)).collect()
    };
    let s24 = wider(|sample| (sample << 8).to_le_bytes()[..3].to_vec());
    let s32 = wider(|sample| (sample << 16).to_le_bytes().to_vec());
    let f32 = wider(|sample| (sample as f32 / 32_768.0).to_le_bytes().to_vec());
    for (format, bytes) in [("s16", raw(&dir)), ("s24", s24), ("s32", s32), ("f32", f32)] {
        let ran = dir.run_with_stdin(&format!("{line} --format {format}"), bytes);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (&expected[..], ""), "{format}");
    }
    // 8 bits are fewer: the same as a WAV file of that kind.
    let bytes: Vec<u8> =
        samples(&dir).iter().map(|sample| (sample * 400.0).clamp(-100.0, 100.0) as u8 ^ 0x80).collect();
    for (format, tag) in [("u8", 1), ("alaw", 6), ("mulaw", 7)] {
        dir.write("eight.wav", wav(tag, 1, 48_000, 8, &bytes));
        let raw = dir.run_with_stdin(&format!("{line} --format {format}"), bytes.clone());
        let file = dir.run_with_stdin(&line, dir.read("eight.wav"));
        assert_eq!((raw.code, &raw.stdout), (0, &file.stdout), "{format}: {}", raw.stderr);
        let whole = dir.does_json(&format!("predict --model {model} --json eight.wav"));
        assert!(largest_difference(&lines(&raw).pop().unwrap(), &whole) < 0.05, "{format}: {whole}");
    }
}

#[test]
fn sides_of_a_stream_are_predicted_apart() {
    let (dir, model) = (TestDir::new("live-sides"), model());
    let line = format!("predict --model {model} --live --json --no-gate --step 1 --rate 48000");
    let left = raw(&dir);
    let right: Vec<u8> = tone(48_000, 10.0)[..left.len()].to_vec();
    let both: Vec<u8> = left.chunks(2).zip(right.chunks(2)).flat_map(|(l, r)| [l, r].concat()).collect();
    let of = |options: &str, bytes: &[u8]| {
        let ran = dir.run_with_stdin(&format!("{line} {options}"), bytes.to_vec());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{options}");
        ran.stdout
    };
    let (left, right) = (of("", &left), of("", &right));
    assert_ne!(left, right);
    assert_eq!(of("--channels 2 --side left", &both), left);
    assert_eq!(of("--channels 2 --side right", &both), right);
    let each = of("--channels 2 --side each", &both);
    for (name, expected) in [("left", &left), ("right", &right)] {
        let prefix = format!("{{\"side\": \"{name}\", ");
        let lines: String =
            each.lines().filter_map(|line| Some(format!("{{{}\n", line.strip_prefix(&prefix)?))).collect();
        assert_eq!(&lines, expected, "{name}");
    }
    assert_eq!(each.lines().count(), left.lines().count() + right.lines().count());
    let csv =
        dir.run_with_stdin(&format!("predict --model {model} --live --csv --channels 2 --side each"), both.clone());
    assert!(csv.stdout.starts_with("side,time,label,") && csv.stdout.contains("\nright,0.0000,"), "{}", csv.stdout);
    // The mean, as of a file.
    dir.write("both.wav", wav(1, 2, 48_000, 16, &both));
    let mixed = lines(&dir.run_with_stdin(&format!("{line} --channels 2"), both)).pop().unwrap();
    let whole = dir.does_json(&format!("predict --model {model} --json both.wav"));
    assert!(largest_difference(&mixed, &whole) < 0.05, "{mixed} {whole}");
}

#[test]
fn a_wav_stream_is_recognised_by_its_header() {
    let (dir, model) = (TestDir::new("live-wav"), model());
    let line = format!("predict --model {model} --live --json --no-gate --step 1");
    let stereo: Vec<u8> = tone(16_000, 2.0).chunks(2).flat_map(|sample| sample.repeat(2)).collect();
    let expected = dir.run_with_stdin(&format!("{line} --rate 16000 --channels 2"), stereo.clone()).stdout;
    let file = wav(1, 2, 16_000, 16, &stereo);
    for (riff, data) in [(None, None), (Some(u32::MAX), Some(u32::MAX)), (Some(0), Some(0)), (Some(1036), Some(1000))] {
        let mut bytes = file.clone();
        for (place, length) in [(4, riff), (40, data)] {
            if let Some(length) = length {
                bytes[place..place + 4].copy_from_slice(&u32::to_le_bytes(length));
            }
        }
        // What the options say of raw samples does not count.
        let ran = dir.run_with_stdin(&format!("{line} --format u8 --rate 8000"), bytes);
        assert_eq!((ran.code, &ran.stdout), (0, &expected), "{data:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("note: stdin is a WAV file: 16000 Hz, channels: 2\n"), "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("longer than its header says"), data == Some(1000), "{}", ran.stderr);
    }
}

#[test]
fn a_stream_that_is_something_else_is_noted() {
    let (dir, model) = (TestDir::new("live-wrong"), model());
    let line = format!("predict --model {model} --live --step 100");
    let good = raw(&dir);
    let samples = samples(&dir);
    let stereo: Vec<u8> = good.chunks(2).flat_map(|sample| sample.repeat(2)).collect();
    let big_endian: Vec<u8> = good.chunks(2).flat_map(|sample| [sample[1], sample[0]]).collect();
    let float: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let eight: Vec<u8> = samples.iter().map(|sample| (sample * 127.0 + 128.0) as u8).collect();
    for (what, bytes, note) in [
        ("good", good.clone(), ""),
        ("stereo", stereo, "note: the samples alternate between two sounds"),
        ("big-endian", big_endian.clone(), "note: the sound is loud noise"),
        ("float", float, "note: the sound is loud noise"),
        ("8-bit", eight, "note: the samples are at their limits"),
        ("out of step", good[1..good.len() - 1].to_vec(), "note: the sound is loud noise"),
    ] {
        let ran = dir.run_with_stdin(&line, bytes);
        let first = "note: raw samples are read as 48000 Hz, the model's rate; --rate says another\n";
        let rest = ran.stderr.strip_prefix(first).unwrap_or_else(|| panic!("{what}: {}", ran.stderr));
        assert!(ran.code == 0 && rest.starts_with(note) && note.is_empty() == rest.is_empty(), "{what}: {rest}");
    }
    // The header of a file says what it is: noise in it is noise.
    let ran = dir.run_with_stdin(&line, wav(1, 1, 48_000, 16, &big_endian));
    assert!(ran.code == 0 && !ran.stderr.contains("see --format"), "{}", ran.stderr);
}

#[test]
fn no_recording_is_taken_for_another_format() {
    let mut folders = vec![("../speech".to_string(), 90)];
    match std::env::var("RAVDESS_DIR") {
        Ok(folder) => folders.push((folder, 1440)),
        Err(_) => eprintln!("RAVDESS is left out: RAVDESS_DIR is not set"),
    }
    let dir = TestDir::new("live-signal");
    for (folder, expected) in folders {
        let mut clips = 0;
        for actor in dir.list(&folder).iter().filter(|name| name.starts_with("Actor_")) {
            for name in dir.list(&format!("{folder}/{actor}")) {
                let Recording { sample_rate, samples } =
                    Recording::from_wav(&dir.read(&format!("{folder}/{actor}/{name}"))).unwrap();
                let mut check = SignalCheck::new(sample_rate, 1);
                let mut findings = check.push(&samples);
                findings.extend(check.finish());
                assert_eq!(findings, [""; 0], "{name}");
                clips += 1;
            }
        }
        assert_eq!(clips, expected, "{folder}");
    }
}

#[cfg(unix)]
#[test]
fn lines_come_while_sound_arrives_and_ctrl_c_ends_the_command() {
    let (dir, model) = (TestDir::new("live-ctrl-c"), model());
    for signal in ["INT", "TERM"] {
        let line = format!("predict --model {model} --live --rate 48000");
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
        let line = format!("predict --model {model} --live --rate 48000 {format}");
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
