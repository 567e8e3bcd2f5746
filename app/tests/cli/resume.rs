//! Killed and gone on with: the same bytes. Changed in between: refused.

use crate::test_dir::{CLIP, Ran, SMALL, TestDir};
use serde_json::Value;
use std::time::Duration;

/// A cross-validation of a second or more, with the end still open.
const LONG: &str = "--recipe paper --arch lstm-sa-h8 --folds k=3 --runs 2 --epochs";

fn assert_same(dir: &TestDir, a: &str, b: &str) {
    let models = dir.list(&format!("{a}/models"));
    let visible =
        |folder: &str| -> Vec<String> { dir.list(folder).into_iter().filter(|name| !name.starts_with('.')).collect() };
    assert_eq!(visible(&format!("{a}/models")), visible(&format!("{b}/models")));
    for model in models.iter().filter(|name| !name.starts_with('.')) {
        assert!(dir.read(&format!("{a}/models/{model}")) == dir.read(&format!("{b}/models/{model}")), "{model}");
    }
    assert!(dir.read(&format!("{a}/summary.json")) == dir.read(&format!("{b}/summary.json")));
}

/// Sends a signal later and later, until it meets the work and leaves what `begun` names; the process's end.
#[cfg(unix)]
pub fn stop(dir: &TestDir, line: &str, signal: &str, begun: &str) -> Ran {
    for wait in (1..40).map(|tenths| Duration::from_millis(100 * tenths)) {
        let child = dir.start(line);
        std::thread::sleep(wait);
        let sent = std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "the work must take longer than {wait:?}");
        if dir.path(begun).exists() {
            return Ran::new(line, output);
        }
    }
    panic!("{line}: nothing is started within seconds");
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bytes() {
    let dir = TestDir::new("killed");
    dir.does(&format!("cv ../speech -o whole {LONG} 150"));
    let kills = dir.kill_until_it_ends(1.6, |kills| {
        let threads = 1 + kills % 2;
        format!("cv ../speech -o parts --resume --threads {threads} {LONG} 150")
    });
    assert!(kills > 2, "killed {kills} times only");
    assert_same(&dir, "whole", "parts");
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_saves_and_says_how_to_go_on() {
    let dir = TestDir::new("stopped");
    let line =
        |out: &str| format!("train ../speech -o {out}.safetensors --recipe paper --arch lstm-sa-h8 --epochs 1200");
    dir.does(&line("whole"));
    for name in ["INT", "TERM"] {
        let checkpoint = format!("{name}.safetensors.checkpoint");
        let ran = stop(&dir, &line(name), name, &checkpoint);
        assert_eq!(ran.code, 75, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("the same command with --resume continues"), "{}", ran.stderr);
        assert!(!dir.path(&format!("{name}.safetensors")).exists());
        let before = dir.read(&checkpoint);
        dir.refuses_saying(&line(name), &[&checkpoint, "an earlier training was not finished", "--resume"]);
        let others = [("--seed 7", "settings.seed was 0, now 7"), ("--lr 0.5", "settings.lr was 0.01, now 0.5")];
        for (flag, difference) in others {
            dir.refuses_saying(&format!("{} --resume {flag}", line(name)), &[&checkpoint, difference]);
        }
        assert!(dir.read(&checkpoint) == before, "nothing is lost");
        // Without a recipe the settings of the checkpoint hold.
        dir.does(&format!("train ../speech -o {name}.safetensors --resume"));
        assert!(dir.read(&format!("{name}.safetensors")) == dir.read("whole.safetensors"));
        assert!(!dir.path(&checkpoint).exists());
    }
}

#[cfg(unix)]
#[test]
fn a_cross_validation_asked_to_stop_goes_on_too() {
    let dir = TestDir::new("stopped-cv");
    dir.does(&format!("cv ../speech -o whole {LONG} 300"));
    // Of six trainings the first are begun, as the folder shows.
    let ran = stop(&dir, &format!("cv ../speech -o parts --resume {LONG} 300"), "INT", "parts/plan.json");
    assert_eq!((ran.code, ran.stdout.as_str()), (75, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("--resume continues"), "{}", ran.stderr);
    dir.does(&format!("cv ../speech -o parts --resume {LONG} 300"));
    assert_same(&dir, "whole", "parts");
}

#[test]
fn what_was_begun_is_not_gone_on_with_otherwise() {
    let dir = TestDir::new("resume-refuses");
    let line = format!("cv ../speech -o out --folds 0 {SMALL}");
    dir.does(&format!("{line} --resume"));
    let before = dir.read("out/summary.json");
    dir.refuses_saying(&line, &["out: expected a new or empty folder", "--resume"]);
    for (flag, difference) in [
        ("--batch 9", "settings.batch was 8, now 9"),
        ("--seed 3", "settings.seed was 0, now 3"),
        ("--protocol published", "settings.protocol was \"strict\", now \"published\""),
    ] {
        dir.refuses_saying(&format!("{line} --resume {flag}"), &["out: ", "other settings or data: ", difference]);
    }
    let other = format!("cv ../speech -o out --resume --folds 1 {SMALL}");
    dir.refuses_saying(&other, &["folds was \"0\", now \"1\""]);
    dir.does(&format!("{line} --resume --threads 1"));
    // Without a recipe the settings, runs and folds of the folder hold.
    let ran = dir.run("cv ../speech -o out --resume");
    assert!(ran.code == 0 && ran.stderr.starts_with("settings: those that out was started with"), "{}", ran.stderr);
    dir.refuses_saying("cv ../speech -o out --resume --seed 3", &["settings.seed was 0, now 3"]);
    assert!(dir.read("out/summary.json") == before);
    dir.write("mine/notes.txt", "mine");
    let mine = format!("cv ../speech -o mine --resume {SMALL}");
    dir.refuses_saying(&mine, &["mine: expected a folder begun by this command"]);
    assert_eq!(dir.list("mine"), ["notes.txt"]);
}

#[test]
fn a_finished_cross_validation_can_get_more_runs() {
    let dir = TestDir::new("resume-grows");
    let line = |out: &str, rest: &str| format!("cv ../speech -o {out} --folds k=3 {SMALL} {rest}");
    dir.does(&line("whole", "--runs 3"));
    dir.does(&line("parts", "--runs 1"));
    let first = dir.read("parts/runs/run0.json");
    dir.refuses_saying(&line("parts", "--runs 3"), &["parts: expected a new or empty folder", "--resume"]);
    // The score of one run has no deviation.
    assert!(!dir.does(&line("parts", "--runs 1 --resume")).contains(" ± 0"));
    let printed = dir.does("cv ../speech -o parts --resume --runs 3");
    assert!(printed.contains(" ± 0"), "{printed}");
    assert_same(&dir, "whole", "parts");
    assert!(dir.read("parts/runs/run0.json") == first && dir.read("parts/plan.json") == dir.read("whole/plan.json"));
    dir.refuses_saying(&line("parts", "--runs 2 --resume"), &["runs was 3, now 2"]);
}

#[test]
fn changed_recordings_are_noticed() {
    let dir = TestDir::new("resume-data");
    dir.does("synth speech --speakers 3 --statements 1 --repetitions 1");
    let cv = format!("cv speech -o out --folds loso --resume --cache cache {SMALL}");
    let train = format!("train speech -o m.safetensors --all --resume --cache cache {SMALL}");
    dir.does(&cv);
    dir.does(&train);
    // The same clip of another actor, under the first one's name: as it stands in the cache it is not the same any more.
    let name = "speech/Actor_01/03-01-05-01-01-01-01.wav";
    let before = dir.read(name);
    dir.write(name, dir.read(CLIP));
    for line in [&cv, &train] {
        dir.refuses_saying(line, &["other settings or data: data was "]);
    }
    dir.write(name, before);
    dir.does(&cv);
    dir.does(&train);
}

/// Adds a chunk that is no sound to a WAV file.
fn add_chunk(dir: &TestDir, name: &str) {
    let mut bytes = dir.read(name);
    bytes.extend(b"note\x04\0\0\0same");
    let length = (bytes.len() - 8) as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    dir.write(name, bytes);
}

/// A safetensors file as earlier versions wrote it: `key` is missing in the JSON of its metadata called `name`, and what follows
/// the JSON, a checksum.
fn without_content(file: &[u8], name: &str, key: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let text = header["__metadata__"][name].as_str().unwrap();
    let mut metadata: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let holder = if metadata.get("identity").is_some() { &mut metadata["identity"] } else { &mut metadata };
    holder.as_object_mut().unwrap().remove(key).expect("the content of the files");
    header["__metadata__"][name] = metadata.to_string().into();
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &file[8 + length..]].concat()
}

#[test]
fn files_with_other_content_are_noticed_where_their_features_are_the_same() {
    let dir = TestDir::new("resume-content");
    dir.does("synth speech --speakers 3 --statements 1 --repetitions 1");
    let cv = format!("cv speech -o out --folds loso --resume {SMALL}");
    dir.does(&cv);
    let eval = "eval out/models/run0-fold0.safetensors speech";
    assert!(!dir.run(eval).stderr.contains("content"));
    add_chunk(&dir, "speech/Actor_01/03-01-05-01-01-01-01.wav");
    dir.refuses_saying(&cv, &["other settings or data: content of the files was "]);
    let ran = dir.run(eval);
    assert!(ran.code == 0 && ran.stderr.contains("the files are others: their content was "), "{}", ran.stderr);

    // Of an earlier version.
    let mut plan = dir.json("out/plan.json");
    plan.as_object_mut().unwrap().remove("content").expect("the content of the files");
    dir.write("out/plan.json", plan.to_string());
    let ran = dir.run(&cv.replace("--resume", "--resume --runs 2"));
    assert!(ran.code == 0 && ran.stderr.contains("note: out: begun by an earlier version"), "{}", ran.stderr);
    assert!(dir.json("out/plan.json").get("content").is_none(), "what the first run was trained on is not known");
    let model = dir.read("out/models/run0-fold0.safetensors");
    dir.write("old.safetensors", without_content(&model, "reslstm", "data_content"));
    for model in ["old.safetensors", "out/models/run1-fold0.safetensors"] {
        let ran = dir.run(&format!("eval {model} speech"));
        assert!(ran.code == 0 && ran.stderr.contains("note: the model does not say the content"), "{}", ran.stderr);
    }
}

/// As above, of work that has no plan of a cross-validation.
#[cfg(unix)]
#[test]
fn grids_searches_and_checkpoints_notice_files_with_other_content() {
    let dir = TestDir::new("resume-content-of-others");
    dir.does("synth speech --speakers 3 --statements 1 --repetitions 1");
    dir.write("grid.toml", "arch = 'lstm-sa-h4'\nfolds = [0, 1]\nepochs = 2\n");
    let (plan, run) = ("sweep plan grid.toml speech -o sweep", "sweep run sweep");
    dir.does(plan);
    let tune = "tune speech --study s.journal --arch lstm-sa-h4 --folds 0 --epochs 2 --trials";
    dir.does(&format!("{tune} 1"));
    let train = "train speech -o m.safetensors --recipe paper --arch lstm-sa-h8 --epochs 1200";
    let checkpoint = "m.safetensors.checkpoint";
    stop(&dir, train, "TERM", checkpoint);
    add_chunk(&dir, "speech/Actor_01/03-01-05-01-01-01-01.wav");
    dir.refuses_saying(run, &["speech: expected the files that sweep was planned with: content of the files was "]);
    for plan in [plan, &format!("{plan} --replace")] {
        dir.refuses_saying(plan, &["sweep: its jobs are of files with other content: content of the files was "]);
    }
    dir.refuses_saying(&format!("{tune} 2"), &["other settings or data: content of the files was "]);
    dir.refuses_saying(&format!("{train} --resume"), &["other settings or data: content of the files was "]);

    // Of an earlier version: it goes on, with a note.
    let note = |line: &str, of: &str| {
        let ran = dir.run(line);
        let expected = format!("note: {of}: begun by an earlier version, which did not keep the content of files");
        assert!(ran.code == 0 && ran.stderr.contains(&expected), "{line}: {}", ran.stderr);
    };
    let mut old = dir.json("sweep/plan.json");
    old.as_object_mut().unwrap().remove("content").expect("the content of the files");
    dir.write("sweep/plan.json", old.to_string());
    dir.does(plan);
    assert!(dir.json("sweep/plan.json").get("content").is_none(), "what finished jobs were trained on is not known");
    note(run, "sweep");
    let journal = String::from_utf8(dir.read("s.journal")).unwrap();
    let at = journal.find("\"content\":\"").expect("the content of the files");
    let end = at + journal[at..].find(',').unwrap() + 1;
    dir.write("s.journal", [&journal[..at], &journal[end..]].concat());
    note(&format!("{tune} 2"), "s.journal");
    dir.write(checkpoint, without_content(&dir.read(checkpoint), "training", "content"));
    note(&format!("{train} --resume"), checkpoint);
}
