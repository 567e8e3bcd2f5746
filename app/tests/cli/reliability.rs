//! What comes from strangers, and what the system takes away: special files, closed streams, locks of others, limits, hostile names.

use crate::test_dir::{CLIP, Ran, SMALL, TestDir, model};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Waits for a process, and kills it after ten seconds: the command must end at once.
fn ends(line: &str, mut child: Child) -> Ran {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            panic!("{line}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ran::new(line, child.wait_with_output().unwrap())
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A table of the shared corpus's clips with other labels.
fn table(dir: &TestDir, name: &str, label: impl Fn(&str) -> String) {
    dir.does(&format!("corpus ../speech -o {name}"));
    let text = String::from_utf8(dir.read(name)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let mut changed = lines.next().unwrap().join(",");
    for fields in lines {
        changed += &format!("\n{},{},{}", fields[0], label(fields[1]), fields[2]);
    }
    dir.write(name, changed + "\n");
}

#[cfg(unix)]
#[test]
fn named_pipes_sockets_devices_and_folders_are_refused_at_once_in_place_of_files() {
    let (dir, model) = (TestDir::new("special-files"), model());
    for name in ["pipe.wav", "pipe.csv", "pipe.toml"] {
        assert!(Command::new("mkfifo").arg(dir.path(name)).status().unwrap().success());
    }
    let _socket = std::os::unix::net::UnixListener::bind(dir.path("socket.wav")).unwrap();
    std::fs::create_dir(dir.path("folder.toml")).unwrap();
    for (line, kind) in [
        (format!("predict --model {model} pipe.wav"), "a named pipe"),
        (format!("predict --model {model} socket.wav"), "a socket"),
        (format!("predict --model {model} /dev/zero"), "a device"),
        (format!("predict --model pipe.wav {CLIP}"), "a named pipe"),
        (format!("predict --model /dev/zero {CLIP}"), "a device"),
        ("info pipe.wav".into(), "a named pipe"),
        ("import pipe.wav -o m.safetensors".into(), "a named pipe"),
        ("features pipe.wav -o features".into(), "a named pipe"),
        ("features socket.wav -o features".into(), "a socket"),
        (format!("eval {model} pipe.csv"), "a named pipe"),
        ("corpus pipe.csv".into(), "a named pipe"),
        ("corpus ../speech --map pipe.toml".into(), "a named pipe"),
        ("corpus ../speech --map folder.toml".into(), "a folder"),
        ("train ../speech -o m.safetensors --recipe pipe.toml".into(), "a named pipe"),
        ("train ../speech -o m.safetensors --config pipe.toml".into(), "a named pipe"),
        ("train ../speech -o m.safetensors --augment pipe.toml".into(), "a named pipe"),
        ("sweep plan pipe.toml ../speech -o s".into(), "a named pipe"),
        ("nested ../speech -o n --candidates pipe.toml".into(), "a named pipe"),
        ("tune ../speech --study pipe.csv --trials 1".into(), "a named pipe"),
        ("tune ../speech --study s.journal --trials 1 --space folder.toml".into(), "a folder"),
        ("report pipe.csv".into(), "a named pipe"),
    ] {
        let ran = ends(&line, dir.start(&line));
        let expected = format!("expected a file, found {kind}");
        assert!([1, 2].contains(&ran.code) && ran.stderr.contains(&expected), "{line}: {ran:?}");
    }
    // Read from stdin instead, as the advice says.
    dir.refuses_saying(&format!("predict --model {model} pipe.wav"), &["give - as the file"]);
}

/// A folder from a stranger: what a command writes there must stay there.
#[cfg(unix)]
#[test]
fn links_and_named_pipes_in_a_folder_that_is_worked_in_are_refused() {
    let dir = TestDir::new("links-in-folders");
    dir.write("elsewhere", "mine");
    let cv = format!("cv ../speech -o cv --folds 0 --resume {SMALL}");
    dir.does(&cv);
    dir.write("grid.toml", "arch = 'lstm-sa-h2'\nepochs = 1\nfolds = [0]\n");
    dir.does("sweep plan grid.toml ../speech -o sweep");
    let job = dir.json("sweep/plan.json")["jobs"][0]["id"].as_str().unwrap().to_string();
    let result = format!("sweep/results/{job}.json");
    let tune = "tune ../speech --study s.journal --arch lstm-sa-h2 --folds 0 --epochs 1 --trials 1".to_string();
    let run = "sweep run sweep".to_string();
    for (line, name) in [
        (&cv, "cv/clips.json"),
        (&cv, "cv/summary.json"),
        (&cv, "cv/models/run0-fold0.safetensors"),
        (&cv, "cv/unfinished/run0-fold1.json"),
        (&run, &result),
        (&tune, "s.journal.trials/0/fold0.checkpoint"),
    ] {
        let path = dir.path(name);
        let before = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for kind in ["a link", "a named pipe"] {
            match kind {
                "a link" => std::os::unix::fs::symlink(dir.path("elsewhere"), &path).unwrap(),
                _ => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
            }
            let ran = ends(line, dir.start(line));
            let expected = format!("{name}: expected a file, found {kind} (remove it");
            assert!(ran.code == 1 && ran.stderr.contains(&expected), "{line}: {ran:?}");
            std::fs::remove_file(&path).unwrap();
        }
        if let Some(before) = before {
            dir.write(name, before);
        }
    }
    assert_eq!(dir.read("elsewhere"), b"mine");
    // A folder in place of a result is no result.
    std::fs::create_dir(dir.path(&result)).unwrap();
    dir.refuses_saying(&run, &["expected a file, found a folder"]);
    std::fs::remove_dir(dir.path(&result)).unwrap();
    for line in [&cv, &run, &tune] {
        dir.does(line);
    }
}

#[cfg(unix)]
#[test]
fn work_goes_on_and_ends_with_its_own_code_when_nobody_reads_stderr() {
    let dir = TestDir::new("stderr-gone");
    dir.write("grid.toml", "arch = ['lstm-sa-h2', 'lstm-sa-h3']\nepochs = 2\nfolds = 'k=3'\n");
    dir.does("sweep plan grid.toml ../speech -o grid");
    let mut child = dir.start("sweep run grid --threads 1");
    let mut first = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("1/6 "), "{first}");
    assert_eq!(ends("sweep run", child).code, 0);
    assert_eq!(dir.list("grid/results").len(), 6);

    let line = "train ../speech -o stopped.safetensors --recipe paper --arch lstm-sa-h8 --epochs 4000";
    let mut child = dir.start(line);
    drop(child.stderr.take());
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "TERM");
    assert_eq!(ends(line, child).code, 75);
    assert!(dir.path("stopped.safetensors.checkpoint").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_an_error() {
    let dir = TestDir::new("full");
    for line in ["--help", "--version", "recipes", "completions bash"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let child = dir.command(line).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let ran = ends(line, child);
        assert!(ran.code == 1 && ran.stderr.contains("No space left on device"), "{line}: {ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_beyond_the_limit_is_an_error_and_not_the_end() {
    let dir = TestDir::new("file-limit");
    let program = env!("CARGO_BIN_EXE_reslstm");
    let mut shell = Command::new("sh");
    shell.current_dir(dir.path(".")).env("XDG_CACHE_HOME", dir.path("cache"));
    let script = format!("ulimit -f 1; exec {program} synth speech --speakers 1");
    let ran = Ran::new("synth", shell.args(["-c", &script]).output().unwrap());
    assert!(ran.code == 1 && ran.stderr.contains("File too large"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_a_command_that_waits() {
    let (dir, model) = (TestDir::new("second-signal"), model());
    for name in ["TERM", "INT"] {
        let line = format!("predict --model {model} -");
        let mut command = dir.command(&line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        signal(&child, name);
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "the first one lets it save");
        signal(&child, name);
        let stdin = child.stdin.take();
        assert_eq!(ends(&line, child).code, 130);
        drop(stdin);
    }
}

#[test]
fn an_unknown_instruction_set_is_refused() {
    let dir = TestDir::new("simd");
    let output = dir.command("recipes").env("RESLSTM_SIMD", "nonsense").output().unwrap();
    let ran = Ran::new("recipes", output);
    assert!(ran.code == 1 && ran.stdout.is_empty(), "{ran:?}");
    assert!(ran.stderr.starts_with("error: RESLSTM_SIMD: ") && ran.stderr.contains("nonsense"), "{ran:?}");
}

#[test]
fn a_folder_that_another_process_works_in_is_refused_naming_it() {
    let dir = TestDir::new("two-at-work");
    let line = "cv ../speech -o out --recipe paper --arch lstm-sa-h8 --folds k=3 --epochs 2000";
    let mut first = dir.start(line);
    while !dir.path("out/unfinished").exists() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(first.try_wait().unwrap().is_none());
    }
    let works = if cfg!(target_os = "linux") { format!("process {} works", first.id()) } else { " works".into() };
    for again in [line.to_string(), format!("{line} --resume")] {
        dir.refuses_saying(&again, &["out: ", &works, "wait until it ends, or choose another folder"]);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // A killed process holds no lock.
    let short = line.replace("2000", "2");
    assert!(dir.refuses(&format!("{short} --resume")).contains("epochs was 2000, now 2"));
    let nested = "nested ../speech -o nested --candidates candidates.toml --runs 1 --inner 2 --folds 0";
    dir.write(
        "candidates.toml",
        "[all]\narch = 'lstm-sa-h8'\nepochs = 2000\n[candidates.plain]\n[candidates.other]\nlr = 0.002\n",
    );
    let mut first = dir.start(nested);
    while !dir.path("nested").exists() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(first.try_wait().unwrap().is_none());
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(dir.refuses(&format!("{nested} --resume")).contains(" works in this folder"));
    first.kill().unwrap();
    first.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_search_says_for_whose_lock_it_waits_and_stops_when_it_is_asked_to() {
    let dir = TestDir::new("tune-lock");
    let line = format!("tune ../speech --study s.journal --trials 1 {SMALL}");
    std::os::unix::fs::symlink("s.journal", dir.path("s.journal.lock")).unwrap();
    dir.write("s.journal", "");
    let mut child = dir.start(&line);
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let start = Instant::now();
    while !said.contains("waiting for ") {
        assert!(stderr.read_line(&mut said).unwrap() > 0 && start.elapsed() < Duration::from_secs(20), "{said}");
    }
    assert!(said.contains("s.journal.lock: a process of user ") && said.contains(" has the lock"), "{said}");
    signal(&child, "TERM");
    assert_eq!(ends(&line, child).code, 75);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("stopped while waiting for the lock"), "{rest}");

    std::fs::remove_file(dir.path("s.journal.lock")).unwrap();
    std::fs::create_dir(dir.path("s.journal.lock")).unwrap();
    let ran = ends(&line, dir.start(&line));
    assert!(ran.code == 1 && ran.stderr.contains("expected the lock of the study, found a folder"), "{ran:?}");
}

#[test]
fn labels_of_strangers_reach_no_terminal_and_run_in_no_spreadsheet() {
    let dir = TestDir::new("hostile-labels");
    // Every character that a terminal obeys is in one of them; two labels are enough to train.
    table(&dir, "table.csv", |label| if label < "fearful" { "=1+1".into() } else { "\u{1b}[31m\u{9b}2J\u{7}b".into() });
    dir.does(&format!("train table.csv -o m.safetensors {SMALL}"));
    // `Ran` refuses escape characters in everything that is printed.
    let text = dir.does(&format!("predict --model m.safetensors --no-gate {CLIP}"));
    assert!(text.contains("=1+1") && text.contains("\\u001b[31m\\u009b2J\\u0007b"), "{text}");
    let json = dir.does_json(&format!("predict --model m.safetensors --json --no-gate {CLIP}"));
    assert!(json["probabilities"].get("\u{1b}[31m\u{9b}2J\u{7}b").is_some(), "{json}");
    assert!(dir.does("info m.safetensors").contains("=1+1"));
    dir.does("eval m.safetensors table.csv");
    let header = |line: &str| dir.does(line).lines().next().unwrap().to_string();
    let csv = header(&format!("predict --model m.safetensors --csv {CLIP}"));
    assert!(csv.starts_with("file,label,'=1+1,") || csv.contains(",'=1+1,"), "{csv}");
    let ran = dir.command(&format!("predict --model m.safetensors --csv --raw {CLIP}")).output().unwrap();
    let raw = String::from_utf8(ran.stdout).unwrap();
    assert!(raw.lines().next().unwrap().contains(",=1+1,"), "{raw}");
    // A table of this program is read as it was written.
    dir.does("corpus table.csv -o again.csv");
    assert!(String::from_utf8(dir.read("again.csv")).unwrap().contains(",'=1+1,"));
    let labels = |name: &str| dir.does_json(&format!("corpus {name} --json"))["labels"].clone();
    assert_eq!(labels("again.csv"), labels("table.csv"));
}

#[test]
fn a_label_of_several_lines_is_no_other_line_of_info() {
    let dir = TestDir::new("label-of-lines");
    table(&dir, "table.csv", |label| if label < "fearful" { "\"a\nlicence: none\"".into() } else { "b".into() });
    dir.does(&format!("train table.csv -o m.safetensors {SMALL}"));
    let text = dir.does("info m.safetensors");
    assert!(text.contains("\nlabels: a\\u000alicence: none, b\n") && !text.contains("\nlicence: none"), "{text}");
}

#[test]
fn hostile_journals_give_a_page_or_an_error() {
    let dir = TestDir::new("hostile-journals");
    let study = r#"{"op_code":0,"study_name":"s","directions":[2]}"#;
    let trial = |distribution: &str, value: &str| {
        let quoted = serde_json::json!(distribution);
        format!(
            "{study}\n{{\"op_code\":4,\"study_id\":0,\"state\":0}}\n{{\"op_code\":5,\"trial_id\":0,\"param_name\":\"l\u{7f}r\",\
             \"param_value_internal\":{value},\"distribution\":{quoted}}}\n{{\"op_code\":6,\"trial_id\":0,\"state\":1,\"values\":[0.5]}}\n"
        )
    };
    let float = |low: &str, high: &str, log: bool| {
        format!(r#"{{"name":"FloatDistribution","attributes":{{"step":null,"low":{low},"high":{high},"log":{log}}}}}"#)
    };
    let int = |low: i64, high: i64| {
        format!(r#"{{"name":"IntDistribution","attributes":{{"step":1,"low":{low},"high":{high},"log":false}}}}"#)
    };
    let choice = r#"{"name":"CategoricalDistribution","attributes":{"choices":["\u0001a","b"]}}"#;
    for (n, text) in [
        trial(&float("-1e308", "1e308", false), "0.1"),
        trial(&float("0", "1", true), "0.1"),
        trial(&float("5e-324", "1e308", true), "5e-324"),
        trial(&int(1_000_000, 1_000_000), "1000000"),
        trial(&int(i64::MIN, i64::MAX), "1e16"),
        trial(&int(10_000_000_000_000_000, 10_000_000_000_000_000), "1e16"),
        trial(choice, "0"),
        trial(choice, "7"),
        trial(choice, "-1"),
    ]
    .into_iter()
    .enumerate()
    {
        dir.write(&format!("{n}.journal"), text);
        let ran = dir.run(&format!("report {n}.journal -o {n}.html"));
        assert!(ran.code <= 1, "{n}: {ran:?}");
        if ran.code == 0 {
            let page = String::from_utf8(dir.read(&format!("{n}.html"))).unwrap();
            assert!(!page.contains("NaN") && !page.contains(['\u{1}', '\u{7f}']), "{n}: {page}");
        }
    }
    // A command to copy has its words quoted.
    let identity = r#"{"op_code":2,"study_id":0,"user_attr":{"reslstm":{"data":"x","folds":"all","settings":{"seed":"0 $(touch PWNED)","arch":"lstm-sa-h4","protocol":"strict"},"space":{"lr":{"name":"FloatDistribution","attributes":{"step":null,"low":0.0001,"high":0.01,"log":true}}}}}}"#;
    dir.write("a $(touch PWNED).journal", format!("{study}\n{identity}\n"));
    let mut command = dir.command("report");
    let ran = Ran::new("report", command.args(["a $(touch PWNED).journal", "-o", "p.html"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = String::from_utf8(dir.read("p.html")).unwrap();
    for command in page.split("<code>").skip(1).map(|rest| rest.split("</code>").next().unwrap()) {
        let unquoted: String = command.split('\'').step_by(2).collect();
        assert!(!unquoted.contains("$("), "{command}");
    }
}

#[cfg(unix)]
#[test]
fn results_and_plans_of_a_grid_are_not_trusted() {
    let dir = TestDir::new("hostile-grid");
    dir.write("grid.toml", "arch = 'lstm-sa-h2'\nepochs = 2\nfolds = 'k=3'\n");
    dir.does("sweep plan grid.toml ../speech -o grid");
    let job = dir.json("grid/plan.json")["jobs"][0]["id"].as_str().unwrap().to_string();
    // A link in place of a job's file is not written through.
    dir.write("mine", "mine");
    for name in [format!("unfinished/{job}.error"), format!("unfinished/{job}.lock"), format!("results/{job}.json")] {
        let path = dir.path("grid").join(&name);
        std::os::unix::fs::symlink(dir.path("mine"), &path).unwrap();
        dir.refuses_saying("sweep run grid", &[&name, "expected a file, found a link"]);
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(dir.read("mine"), b"mine");
    dir.does("sweep run grid");
    // Counts that overflow, and a class that does not exist.
    let result = format!("grid/results/{job}.json");
    let good = dir.json(&result);
    let refused = |change: &dyn Fn(&mut Value), part: &str| {
        let mut changed = good.clone();
        change(&mut changed["result"]["record"]);
        dir.write(&result, changed.to_string());
        dir.refuses_saying("sweep collect grid -o collected", &[part]);
    };
    refused(&|it| it["confusion"][0][0] = u64::MAX.into(), "expected at most 4294967296 clips");
    refused(&|it| it["predictions"][0] = 99.into(), "predictions of 8 classes");
    refused(&|it| it["best_epoch"] = 7.into(), "records of 2 epochs");
    refused(&|it| it["test_uar"] = (-1).into(), "expected scores from 0 to 1, got -1");
    // An id that leads out of the folder.
    let plan = String::from_utf8(dir.read("grid/plan.json")).unwrap();
    dir.write("grid/plan.json", plan.replace(&job, &format!("../../{job}")));
    dir.refuses_saying("sweep run grid", &["plan.json", "expected a name of a file, got the id"]);
}

#[test]
fn a_plan_of_a_quintillion_runs_is_refused() {
    let dir = TestDir::new("many-runs");
    dir.does(&format!("cv ../speech -o out --folds k=3 {SMALL}"));
    let mut plan = dir.json("out/plan.json");
    plan["plan"]["runs"] = 1_000_000_000_000_000_000u64.into();
    dir.write("out/plan.json", plan.to_string());
    for line in ["report out", "compare out out"] {
        let ran = ends(line, dir.start(line));
        assert!(ran.code == 1 && ran.stderr.contains("runs: expected 1 to 10,000"), "{line}: {ran:?}");
    }
}

#[test]
fn damaged_runs_are_refused_by_name() {
    let dir = TestDir::new("damaged-runs");
    dir.does(&format!("cv ../speech -o out --runs 2 --folds k=3 {SMALL}"));
    let good = dir.json("out/runs/run1.json");
    let refused = |change: &dyn Fn(&mut Value), problem: &str| {
        let mut changed = good.clone();
        change(&mut changed);
        dir.write("out/runs/run1.json", changed.to_string());
        for line in [
            "report out -o page.html",
            "figure seeds out -o seeds.svg",
            "compare out out",
            "robustness out ../speech",
            "cv ../speech -o out --resume",
        ] {
            dir.refuses_saying(line, &["out/runs/run1.json: ", problem]);
        }
    };
    refused(&|run| run["folds"] = json!([]), "expected at least one fold, got none");
    let other_folds = "expected the folds and speakers of the folder's first run, got others";
    refused(&|run| drop(run["folds"].as_array_mut().unwrap().pop()), other_folds);
    let other_length = "fold 1: its predictions for the clips do not give its confusion matrix";
    refused(&|run| run["folds"][1]["predictions"] = json!([0]), other_length);
}

#[test]
fn the_cache_is_shown_and_cleared() {
    let dir = TestDir::new("cache-command");
    dir.does(&format!("train ../speech -o m.safetensors --cache kept {SMALL}"));
    let shown = dir.does_json("cache --cache kept --json");
    assert_eq!((&shown["entries"], &shown["cleared"]), (&90.into(), &false.into()));
    assert!(dir.does("cache --cache kept").starts_with("kept: entries 90, "));
    assert_eq!(dir.does_json("cache --cache kept --clear --json")["entries"], 90);
    assert_eq!(dir.list("kept"), [""; 0]);
    assert_eq!(dir.does_json("cache --cache nowhere --json")["entries"], 0);
    assert!(!dir.path("nowhere").exists());
    dir.write("file", "no folder");
    for line in ["cache --cache file", "cache --cache file --clear", "cache --cache file/kept --json"] {
        dir.refuses_saying(line, &["file", "Not a directory"]);
    }
}
