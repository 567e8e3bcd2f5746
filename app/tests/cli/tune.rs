//! `tune`: a search that survives its processes, and that Optuna understands.

use crate::resume::stop;
use crate::test_dir::{Ran, TestDir, python_with};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Trials of a moment each.
const QUICK: &str = "--arch lstm-sa-h4 --folds k=3 --epochs 2 --threads 1";

/// The lines of a journal, without who wrote them, when, and how long it took.
fn journal(dir: &TestDir, name: &str) -> Vec<Value> {
    let text = String::from_utf8(dir.read(name)).unwrap();
    assert!(text.ends_with('\n'));
    let read = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        for who_and_when in ["worker_id", "datetime_start", "datetime_complete", "study_name"] {
            line.as_object_mut().unwrap().remove(who_and_when);
        }
        for detail in line["user_attr"].as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
            detail.as_object_mut().and_then(|detail| detail.remove("seconds"));
        }
        line
    };
    text.lines().map(read).collect()
}

fn of_kind(lines: &[Value], op_code: u64) -> Vec<&Value> {
    lines.iter().filter(|line| line["op_code"] == op_code).collect()
}

#[test]
fn a_search_says_what_it_found_and_cv_finds_the_same() {
    let dir = TestDir::new("tune");
    let line = format!("tune ../speech --study studies/s.journal --trials 7 --space code --protocol published {QUICK}");
    let ran = dir.run(&line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: published scores trials on the test speakers"), "{}", ran.stderr);
    assert!(ran.stdout.contains("pooled test UAR") && ran.stdout.contains("weight_decay"), "{}", ran.stdout);
    let more = ran.stderr.lines().find_map(|line| line.strip_prefix("to continue:      reslstm ")).unwrap();
    assert!(
        more.starts_with("tune ../speech --study studies/s.journal --trials 14 ") && more.ends_with(" --recipe paper"),
        "{more}"
    );
    assert_eq!(dir.list("studies"), ["s.journal"], "nothing else is left");

    let lines = journal(&dir, "studies/s.journal");
    let ends = of_kind(&lines, 6);
    assert_eq!(ends.len(), 7);
    let best =
        ends.iter().filter(|end| end["state"] == 1).map(|end| end["values"][0].as_f64().unwrap()).fold(0.0, f64::max);
    assert!(ran.stdout.contains(&format!("{best:.4}")), "{}", ran.stdout);
    // The command that is recommended gives the same score.
    let command = ran.stderr.lines().find_map(|line| line.strip_prefix("to train with it: reslstm ")).unwrap();
    assert!(command.contains(" --recipe paper "), "{command}");
    dir.does(&command.replace("DIR", "cv"));
    assert_eq!(dir.json("cv/summary.json")["models"][0]["uar"]["mean"].as_f64(), Some(best));

    // Again there is nothing to do; more is more.
    let before = dir.read("studies/s.journal");
    dir.does(&line);
    assert!(dir.read("studies/s.journal") == before);
    dir.does(&line.replace("--trials 7", "--trials 9"));
    assert_eq!(of_kind(&journal(&dir, "studies/s.journal"), 6).len(), 9);
}

#[test]
fn table1_is_searched_by_epochs_and_trials_that_the_test_speakers_choose() {
    let dir = TestDir::new("tune-table1");
    let ran = dir.run(&format!("tune ../speech --study s.journal --trials 3 --protocol table1 {QUICK}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: table1 chooses every epoch and every trial on the test"), "{}", ran.stderr);
    // The command that continues it names its recipe: another would be refused.
    let more = ran.stderr.lines().find_map(|line| line.strip_prefix("to continue:      reslstm ")).unwrap();
    assert!(more.ends_with(" --recipe table1"), "{more}");
    dir.does(&more.replace("--trials 6", "--trials 3"));
    let lines = journal(&dir, "s.journal");
    let end = of_kind(&lines, 6).into_iter().find(|end| end["state"] == 1).unwrap();
    let fold = of_kind(&lines, 8).into_iter().rfind(|line| line["trial_id"] == end["trial_id"]).unwrap();
    let detail = fold["user_attr"].as_object().unwrap().values().next().unwrap();
    assert_eq!((&detail["pooled_test_uar"], &detail["validation_uar"]), (&end["values"][0], &Value::Null));
    assert!(!of_kind(&lines, 4)[0]["params"].as_object().unwrap().contains_key("batch_size"));
    // cv with the settings it recommends gives the same score, and says what it is.
    let command = ran.stderr.lines().find_map(|line| line.strip_prefix("to train with it: reslstm ")).unwrap();
    let printed = dir.does(&command.replace("DIR", "cv"));
    assert!(printed.contains("\ntable1: chosen on its test speakers\n"), "{printed}");
    assert!(
        ran.stdout
            .contains(&format!("{:.4}", dir.json("cv/summary.json")["models"][0]["uar"]["mean"].as_f64().unwrap()))
    );
}

#[test]
fn strict_searches_by_the_validation_speakers_and_programs_can_listen() {
    let dir = TestDir::new("tune-json");
    let stdout = dir.does(&format!("tune ../speech --study s --trials 3 --json {QUICK}"));
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    let counts = ["trial", "epoch", "fold", "complete", "pruned", "done"].map(count);
    assert_eq!(counts, [3, 18, 9, 3, 0, 1]);
    let mut trial = Vec::new();
    for event in &events {
        match event["event"].as_str().unwrap() {
            "fold" => {
                let detail = &event["detail"];
                let uar = |name: &str| detail[name].as_f64().unwrap_or_else(|| panic!("{name}: {detail}"));
                for name in
                    ["last_validation_uar", "test_uar", "last_test_uar", "pooled_test_uar", "pooled_last_test_uar"]
                {
                    assert!((0.0..=1.0).contains(&uar(name)), "{name}");
                }
                assert!((1..=2).contains(&detail["best_epoch"].as_u64().unwrap()));
                trial.push(uar("validation_uar"));
                let mean = trial.iter().sum::<f64>() / trial.len() as f64;
                assert!((event["value"].as_f64().unwrap() - mean).abs() < 1e-15);
            }
            "complete" => {
                assert_eq!(trial.len(), 3);
                trial.clear();
            }
            _ => {}
        }
    }
    let best = &events.last().unwrap()["best"];
    assert!(best["parameters"]["batch_size"].is_u64(), "{best}");
}

#[test]
fn killed_again_and_again_the_search_ends_with_the_same_values() {
    let dir = TestDir::new("tune-killed");
    let line = "tune ../speech --arch lstm-sa-h4 --folds k=3 --epochs 9 --threads 1 --space code --trials 13 --study";
    dir.does(&format!("{line} whole/s.journal"));
    let kills = dir.kill_until_it_ends(1.5, |_| format!("{line} parts/s.journal"));
    assert!(kills > 4, "killed {kills} times only");
    assert_eq!(journal(&dir, "parts/s.journal"), journal(&dir, "whole/s.journal"));
    assert_eq!(dir.list("parts"), ["s.journal"]);
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_says_how_to_go_on_and_does() {
    let dir = TestDir::new("tune-stopped");
    let line = "tune ../speech --arch lstm-sa-h8 --folds k=3 --epochs 300 --threads 1 --trials 2 --study";
    dir.does(&format!("{line} whole.journal"));
    for signal in ["INT", "TERM"] {
        let line = format!("{line} {signal}.journal");
        let ran = stop(&dir, &line, signal, &format!("{signal}.journal.trials/0/fold0.checkpoint"));
        assert_eq!((ran.code, ran.stdout.as_str()), (75, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("(continue with: reslstm {line} --recipe paper)")), "{}", ran.stderr);
        dir.does(&line);
        assert_eq!(journal(&dir, &format!("{signal}.journal")), journal(&dir, "whole.journal"));
    }
}

#[test]
fn a_torn_line_is_repaired_and_two_processes_share_what_follows() {
    let dir = TestDir::new("tune-shared");
    let line = format!("tune ../speech --study s.journal {QUICK} --trials");
    dir.does(&format!("{line} 2"));
    let whole = dir.read("s.journal");
    dir.write("s.journal", [whole.as_slice(), b"{\"op_code\":6,\"trial_id\":1,\"sta"].concat());
    let children: Vec<_> = (0..2).map(|_| dir.start(&format!("{line} 14"))).collect();
    for child in children {
        let ran = Ran::new(&line, child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(dir.read("s.journal").starts_with(&whole));
    let lines = journal(&dir, "s.journal");
    let made = of_kind(&lines, 4);
    assert_eq!((made.len(), of_kind(&lines, 6).len()), (14, 14));
    for (i, trial) in made.iter().enumerate() {
        assert!(made[..i].iter().all(|earlier| earlier["params"]["lr"] != trial["params"]["lr"]));
    }
    assert_eq!(dir.list("."), ["s.journal"]);
}

#[cfg(unix)]
#[test]
fn a_lock_that_a_killed_process_left_is_taken_after_optunas_grace_period() {
    let dir = TestDir::new("tune-stale-lock");
    let journal = dir.path("s.journal");
    dir.write("s.journal", "");
    std::os::unix::fs::symlink(&journal, dir.path("s.journal.lock")).unwrap();
    let start = Instant::now();
    dir.does(&format!("tune ../speech --study s.journal {QUICK} --trials 1"));
    assert!(start.elapsed() >= Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(dir.list("."), ["s.journal"]);
}

#[test]
fn what_cannot_be_searched_is_refused_before_any_work() {
    let dir = TestDir::new("tune-refuses");
    let line = |rest: &str| format!("tune ../speech --study s.journal {QUICK} {rest}");
    let spaces = [
        ("broken.toml", "lr = {", "TOML parse error"),
        (
            "unknown.toml",
            "width = { type = \"int\", low = 1, high = 2 }",
            "parameter 'width': expected one of lr, weight_decay",
        ),
        ("half.toml", "lr = { type = \"float\", low = 1e-5 }", "lr: missing field `high`"),
        ("odd.toml", "lr = { type = \"float\", low = 1e-5, high = 1, lgo = true }", "lgo"),
        (
            "range.toml",
            "dropout = { type = \"float\", low = 0, high = 1 }",
            "dropout: expected at least 0 and below 1, got 1",
        ),
        (
            "batch.toml",
            "batch_size = { type = \"categorical\", choices = [8, \"many\"] }",
            "a whole number, got \"many\"",
        ),
        (
            "real.toml",
            "t0 = { type = \"float\", low = 1.5, high = 3 }",
            "parameter 't0': expected a whole number, got 1.5",
        ),
    ];
    for (name, text, problem) in spaces {
        dir.write(name, text);
        dir.is_wrong_call(&line(&format!("--trials 1 --space {name}")), &[problem]);
    }
    dir.is_wrong_call(
        &line("--trials 1 --space nowhere.toml"),
        &["nowhere.toml: ", "expected paper, code, table1 or a TOML file"],
    );
    dir.is_wrong_call(&line("--trials 0"), &["--trials: expected at least 1, got 0"]);
    dir.is_wrong_call(&line("--trials 1 --runs 2"), &["--runs: expected 1, got 2"]);
    dir.is_wrong_call(&line("--trials 1 --lr 0.1"), &["--lr: expected no value, as it is searched"]);
    dir.is_wrong_call(
        &line("--trials 1 --recipe voices --t0 1"),
        &["validation: expected apart, got train", "--validation apart"],
    );
    dir.is_wrong_call(
        &line("--trials 1 --protocol table1 --space code"),
        &["batch_size: expected one batch size under table1", "--space table1"],
    );
    assert!(!dir.path("s.journal").exists());
    let study = |path: &str| format!("tune ../speech --study {path} {QUICK} --trials 1");
    dir.write("wav/clip.wav", "RIFF\nWAVE");
    dir.refuses_saying(&study("wav/clip.wav"), &["wav/clip.wav: line 1: not a line of an Optuna journal"]);
    dir.refuses_saying(&study("wav"), &["wav: expected a file to write, found a folder"]);
    dir.refuses_saying(&study("wav/clip.wav/s.journal"), &["wav/clip.wav"]);
    assert_eq!(dir.read("wav/clip.wav"), b"RIFF\nWAVE");
}

#[test]
fn a_study_is_of_its_data_and_settings() {
    let dir = TestDir::new("tune-identity");
    let line = |data: &str, rest: &str| format!("tune {data} --study s.journal {QUICK} --trials 1 {rest}");
    dir.does(&line("../speech", ""));
    let before = dir.read("s.journal");
    dir.does("synth other --speakers 6 --statements 1 --repetitions 1 --seed 1");
    for (data, flags, difference) in [
        ("../speech", "--seed 3", "settings.seed was 0, now 3"),
        ("../speech", "--protocol published", "settings.protocol was \"strict\", now \"published\""),
        ("../speech", "--space code", "space.batch_size.attributes.choices was [8,16,32,64], now [4,8,16,32,64]"),
        ("other", "", "data was "),
    ] {
        let begun = "this study was started with other settings or data: ";
        dir.refuses_saying(&line(data, flags), &["s.journal: ", begun, difference]);
    }
    let epochs = line("../speech", "").replace("--epochs 2", "--epochs 3").replace("k=3", "k=2");
    dir.refuses_saying(&epochs, &["folds was \"k=3\", now \"k=2\""]);
    assert!(dir.read("s.journal") == before);
    // Another study may live in the same journal, and is chosen by its name.
    dir.does(&line("../speech", "--seed 3 --study-name other"));
    // Resumed without a recipe, its own settings hold.
    let ran = dir.run("tune ../speech --study s.journal --study-name other --trials 1 --threads 1 --resume");
    assert!(ran.code == 0 && ran.stderr.contains("settings: those that s.journal was started with"), "{}", ran.stderr);
    dir.refuses_saying(&line("../speech", ""), &["expected one study in the journal, found 2: s, other"]);
    dir.does(&line("../speech", "--study-name s"));
    // One parameter alone can be searched; the others have their values.
    dir.write("lr.toml", "lr = { type = \"float\", low = 1e-4, high = 1e-2, log = true }");
    dir.does(&line("../speech", "--space lr.toml --batch 16 --study-name lr"));
}

/// A Python that has Optuna: `RESLSTM_PYTHON`, which must, or the system's.
pub fn python() -> Option<&'static str> {
    static PYTHON: OnceLock<Option<String>> = OnceLock::new();
    PYTHON.get_or_init(|| python_with("optuna")).as_deref()
}

/// The other side's command on a journal of the dir.
pub fn optuna(dir: &TestDir, python: &str, rest: &str) -> Command {
    let mut command = Command::new(python);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/optuna_side.py");
    command.current_dir(dir.path(".")).arg(script).args(rest.split_whitespace());
    command
}

/// What Optuna says of a study, after doing something with it.
pub fn seen_by_optuna(mut command: Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn states(study: &Value) -> Vec<&str> {
    study["trials"].as_array().unwrap().iter().map(|trial| trial["state"].as_str().unwrap()).collect()
}

#[test]
fn optuna_opens_our_study() {
    let Some(python) = python() else { return };
    let dir = TestDir::new("tune-optuna-opens");
    let events = dir.does(&format!("tune ../speech --study s.journal --trials 14 --json {QUICK}"));
    let done: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    let study = seen_by_optuna(optuna(&dir, python, "inspect s.journal"));
    assert_eq!((&study["name"], &study["direction"]), (&json!("s"), &json!("MAXIMIZE")));
    assert_eq!(study["best"], done["best"]);
    assert_eq!(study["ours"]["settings"]["arch"], "lstm-sa-h4");
    let trials = study["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 14);
    for (number, trial) in trials.iter().enumerate() {
        assert_eq!(trial["number"], number);
        assert!(
            trial["state"] == "COMPLETE" && trial["steps"] == 3 || trial["state"] == "PRUNED" && trial["steps"] == 2
        );
        assert_eq!(trial["parameters"].as_object().unwrap().len(), 5);
        assert!(trial["seconds"].as_f64().unwrap() < 600.0);
        assert!(trial["attributes"]["fold0"]["validation_uar"].is_f64());
    }
}

#[test]
fn a_study_that_python_began_is_gone_on_with() {
    let Some(python) = python() else { return };
    let dir = TestDir::new("tune-optuna-begins");
    let begun = seen_by_optuna(optuna(&dir, python, "begin s.journal"));
    assert_eq!(states(&begun)[11..], ["COMPLETE", "RUNNING", "WAITING"]);
    // Twelve are finished, one is under way; three are wanted beside these.
    dir.does(&format!("tune ../speech --study s.journal --trials 16 {QUICK}"));
    let study = seen_by_optuna(optuna(&dir, python, "inspect s.journal"));
    assert_eq!(study["name"], "ours");
    let trials = study["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 16);
    assert_eq!(trials[..12], begun["trials"].as_array().unwrap()[..12]);
    assert_eq!(trials[12]["state"], "RUNNING", "Python's is left alone");
    let enqueued = &trials[13]["parameters"];
    assert_eq!(
        (&enqueued["lr"], &enqueued["batch_size"], enqueued.as_object().unwrap().len()),
        (&json!(1e-4), &json!(16), 5)
    );
    for trial in &trials[13..] {
        assert!(trial["ours"] == true && ["COMPLETE", "PRUNED"].contains(&trial["state"].as_str().unwrap()), "{trial}");
    }
    assert_eq!(study["ours"]["settings"]["arch"], "lstm-sa-h4");
    // And Python goes on after us.
    assert_eq!(states(&seen_by_optuna(optuna(&dir, python, "work s.journal 2"))).len(), 18);
}

#[test]
fn two_of_ours_and_one_of_pythons_work_at_once() {
    let Some(python) = python() else { return };
    let dir = TestDir::new("tune-optuna-joins");
    let line = format!("tune ../speech --study s.journal {QUICK} --trials");
    dir.does(&format!("{line} 1"));
    let mut worker = optuna(&dir, python, "work s.journal 15").stdout(Stdio::null()).spawn().unwrap();
    let ours: Vec<_> = (0..2).map(|_| dir.start(&format!("{line} 60"))).collect();
    for child in ours {
        let ran = Ran::new(&line, child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(worker.wait().unwrap().success());
    let study = seen_by_optuna(optuna(&dir, python, "inspect s.journal"));
    let trials = study["trials"].as_array().unwrap();
    // Python, which knows no total, may begin a trial after ours had counted.
    assert!((60..=75).contains(&trials.len()), "{}", trials.len());
    assert_eq!(trials.iter().filter(|trial| trial["ours"] == false).count(), 15);
    for (number, trial) in trials.iter().enumerate() {
        assert_eq!(trial["number"], number);
        assert!(trial["state"] == "COMPLETE" || trial["state"] == "PRUNED", "{trial}");
        assert_eq!(
            trial["steps"].as_u64().unwrap() + u64::from(trial["state"] == "PRUNED" && trial["ours"] == true),
            3,
            "{trial}"
        );
        let same = |earlier: &Value| earlier["parameters"] == trial["parameters"];
        assert!(!trials[..number].iter().any(same), "{trial}");
    }
}
