//! `tune` on the journals that people have: what they queued, what a crash or an editor left, and trials that nobody ends. Where a
//! Python with Optuna is at hand, Optuna itself says what is right.

use crate::test_dir::{Ran, TestDir};
use crate::tune::{optuna, python, seen_by_optuna};
use serde_json::{Value, json};

const SPACE: &str = "lr = { type = \"float\", low = 1e-4, high = 1e-2, log = true }\n\
                     t0 = { type = \"int\", low = 1, high = 10 }\n\
                     batch_size = { type = \"categorical\", choices = [8, 16] }";

/// Lines of a complete trial with a learning rate, as Optuna 5 writes them.
const STUDY: &str = r#"{"op_code":0,"worker_id":"p","study_name":"x","directions":[2]}"#;
const TRIAL: &str = r#"{"op_code":4,"worker_id":"p","study_id":0,"datetime_start":"2026-11-26T17:25:38.981791+00:00"}"#;
const END: &str = r#"{"op_code":6,"worker_id":"p","trial_id":0,"state":1,"values":[0.5],"datetime_complete":"2026-11-26T17:25:39.002067+00:00"}"#;

fn parameter(trial: usize) -> String {
    let range = r#"{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0001, \"high\": 0.01, \"log\": true}}"#;
    format!(
        r#"{{"op_code":5,"worker_id":"p","trial_id":{trial},"param_name":"lr","param_value_internal":0.0005,"distribution":"{range}"}}"#
    )
}

/// A directory with the space, and the command for so many trials.
fn start(name: &str) -> (TestDir, impl Fn(usize) -> String) {
    let dir = TestDir::new(name);
    dir.write("space.toml", SPACE);
    (dir, |trials| {
        let quick = "--arch lstm-sa-h4 --folds k=3 --epochs 2 --threads 1";
        format!("tune ../speech --study s.journal --space space.toml --trials {trials} {quick}")
    })
}

/// A study of trials that Python queued, with these parameters.
fn queue(fixed: &[&str]) -> String {
    let waiting = |fixed: &&str| {
        let attributes = r#""distributions":{},"params":{},"user_attrs":{}"#;
        format!(
            r#"{{"op_code":4,"worker_id":"p","study_id":0,"datetime_start":null,"state":4,"value":null,"values":null,{attributes},"system_attrs":{{"fixed_params":{fixed}}},"intermediate_values":{{}}}}"#
        ) + "\n"
    };
    format!("{}\n{}", STUDY.replace("\"x\"", "\"queued\""), fixed.iter().map(waiting).collect::<String>())
}

/// Events of a run, by kind.
fn events(ran: &Ran, kind: &str) -> Vec<Value> {
    let events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

#[test]
fn queued_values_are_used_or_refused_and_never_replaced() {
    let (dir, line) = start("studies-queued");
    dir.write(
        "s.journal",
        queue(&[
            r#"{"lr":0.5,"t0":20}"#,
            r#"{"LR":0.002}"#,
            r#"{"lr":0.002,"hidden":64}"#,
            r#"{"batch_size":7}"#,
            r#"{"lr":"fast"}"#,
            r#"{"t0":-3}"#,
            r#"{"lr":0.001}"#,
        ]),
    );
    let ran = dir.run(&format!("{} --json", line(4)));
    assert_eq!(ran.code, 1, "a refused trial was named: {}", ran.stderr);
    let given = |trial: usize, name: &str| events(&ran, "trial")[trial]["parameters"][name].clone();
    assert_eq!((given(0, "lr"), given(0, "t0")), (json!(0.5), json!(20)));
    assert_eq!([given(2, "lr"), given(6, "lr")], [json!(0.002), json!(0.001)]);
    assert!(given(3, "batch_size").is_null() && given(4, "lr").is_null());
    let failed: Vec<Value> = events(&ran, "failed").iter().map(|event| event["trial"].clone()).collect();
    assert_eq!(failed, [3, 4, 5]);
    assert_eq!(events(&ran, "trial").len(), 7, "four count beside those that failed");
    for message in [
        "warning: trial 0: lr: expected 0.0001 to 0.01, got 0.5: used, as in Optuna",
        "warning: trial 0: t0: expected a whole number from 1 to 10, got 20: used, as in Optuna",
        "warning: trial 1: LR: expected one of batch_size, lr, t0, got another name: its value 0.002 is ignored",
        "warning: trial 2: hidden: expected one of batch_size, lr, t0, got another name: its value 64 is ignored",
        "error: trial 3: batch_size: expected one of 8, 16, got 7: the trial failed, the search goes on",
        "error: trial 4: lr: expected 0.0001 to 0.01, got \"fast\": the trial failed",
        "error: trial 5: parameter 't0': expected a whole number, got -3: the trial failed",
    ] {
        assert!(ran.stderr.contains(message), "{message}\n{}", ran.stderr);
    }
    // The journal says why, and nothing is left to refuse.
    let journal = String::from_utf8(dir.read("s.journal")).unwrap();
    assert!(journal.contains(r#"{"error":"batch_size: expected one of 8, 16, got 7"}"#), "{journal}");
    dir.does(&line(4));
}

#[test]
fn queued_trials_end_as_they_do_in_optuna() {
    let Some(python) = python() else { return };
    let (dir, line) = start("studies-queued-optuna");
    // Optuna stores 2 for 2.5, and takes infinity; both are refused here, and tested in tune::enqueued.
    let fixed = [
        r#"{"lr":0.5}"#,
        r#"{"lr":"0.002"}"#,
        r#"{"lr":"abc"}"#,
        r#"{"lr":0}"#,
        r#"{"lr":NaN}"#,
        r#"{"lr":null}"#,
        r#"{"t0":20}"#,
        r#"{"t0":2.0}"#,
        r#"{"t0":"3"}"#,
        r#"{"batch_size":7}"#,
        r#"{"batch_size":8.0}"#,
        r#"{"batch_size":"8"}"#,
        r#"{"LR":0.002}"#,
        r#"{"lr":0.002,"hidden":64}"#,
    ];
    let list = format!("[{}]", fixed.join(","));
    for name in ["s.journal", "python.journal"] {
        seen_by_optuna(optuna(&dir, python, &format!("queue {name} {list}")));
    }
    let theirs = seen_by_optuna(optuna(&dir, python, &format!("run python.journal {}", fixed.len())));
    let used = theirs.as_array().unwrap().iter().filter(|trial| trial["state"] == "COMPLETE").count();
    assert_eq!(dir.run(&line(used)).code, 1);
    let ours = seen_by_optuna(optuna(&dir, python, "run s.journal 0"));
    for (number, fixed) in fixed.into_iter().enumerate() {
        let [theirs, ours] = [&theirs[number], &ours[number]];
        assert_eq!(theirs["state"] == "FAIL", ours["state"] == "FAIL", "{fixed}: {theirs} {ours}");
        let text = fixed.replace("NaN", "null");
        for name in serde_json::from_str::<Value>(&text).unwrap().as_object().unwrap().keys() {
            assert_eq!(theirs["parameters"][name], ours["parameters"][name], "{fixed}");
        }
    }
}

#[test]
fn journals_are_read_as_optuna_reads_them() {
    let (dir, line) = start("studies-read");
    let [trial, parameter] = [TRIAL.to_string(), parameter(0)];
    let good = [STUDY, &trial, &parameter, END].map(|line| format!("{line}\n"));
    let whole = good.concat();
    let (front, back) = (good[..2].concat(), good[2..].concat());
    // Name, bytes, and the number of trials that Optuna 5 reads; none if it raises an exception.
    let cases: Vec<(&str, String, Option<usize>)> = vec![
        ("good", whole.clone(), Some(1)),
        ("byte order mark", format!("\u{feff}{whole}"), Some(1)),
        ("byte order mark in the middle", format!("{front}\u{feff}{back}"), Some(1)),
        ("CRLF", whole.replace('\n', "\r\n"), Some(1)),
        ("indented", whole.replace("{\"op", " \t{\"op"), Some(1)),
        ("blank line at the end", format!("{whole}\n"), Some(1)),
        ("blanks at the end", format!("{whole}  "), Some(1)),
        ("null bytes at the end", format!("{whole}\0\0\0\0\0\0\0\0"), Some(1)),
        ("torn at the end", whole[..whole.len() - 30].into(), Some(1)),
        ("created twice", format!("{}{whole}", good[0]), Some(1)),
        ("blank line first", format!("\n{whole}"), None),
        ("blank line in the middle", format!("{front}\n{back}"), None),
        ("two blank lines at the end", format!("{whole}\n\n"), None),
        ("null bytes in the middle", format!("{front}\0\0\0\0\n{back}"), None),
        ("null bytes before a line", format!("{front}\0\0\0{back}"), None),
        ("torn in the middle", format!("{front}{}\n{back}", &back[..40]), None),
        ("torn and written on", format!("{front}{}{back}", &back[..40]), None),
        ("distribution without a name", whole.replace(r#"\"name\": \"FloatDistribution\", "#, ""), None),
        ("a comment", format!("# mine\n{whole}"), None),
    ];
    for (n, (name, text, trials)) in cases.iter().enumerate() {
        dir.write(&format!("{n}.journal"), text);
        dir.write("s.journal", text);
        match trials {
            Some(_) => {
                // The trial that was read counts unless it is torn, and what is appended can be read.
                dir.does(&format!("report {n}.journal"));
                dir.does(&line(3));
                let lines = String::from_utf8(dir.read("s.journal")).unwrap();
                assert!(lines.ends_with("}\n") && !lines.contains('\0') && !lines.contains("\n\n"), "{name}: {lines}");
                dir.write(&format!("after{n}.journal"), lines);
            }
            None => {
                for command in [line(3), format!("report {n}.journal")] {
                    let message = dir.refuses(&command);
                    assert!(message.contains(".journal: line ") && message.contains("journal: "), "{name}: {message}");
                    let advice = ["then remove the line", "give a journal"];
                    assert!(advice.iter().any(|advice| message.contains(advice)), "{name}: {message}");
                }
                assert_eq!(dir.read("s.journal"), text.as_bytes(), "{name}: nothing is lost");
            }
        }
    }
    let Some(python) = python() else { return };
    let names = |prefix: &str| -> String {
        let read = cases.iter().enumerate().filter(|(_, (_, _, trials))| prefix.is_empty() || trials.is_some());
        read.map(|(n, _)| format!(" {prefix}{n}.journal")).collect()
    };
    let before = seen_by_optuna(optuna(&dir, python, &format!("read{}", names(""))));
    assert_eq!(before, json!(cases.iter().map(|(_, _, trials)| trials).collect::<Vec<_>>()));
    let after = seen_by_optuna(optuna(&dir, python, &format!("read{}", names("after"))));
    assert!(after.as_array().unwrap().iter().all(|trials| trials.as_u64() >= Some(3)), "{after}");
}

#[test]
fn trials_left_running_are_named_with_the_command_that_ends_them() {
    let (dir, line) = start("studies-running");
    let begun = [TRIAL.to_string(), parameter(0), TRIAL.to_string(), parameter(1)].join("\n");
    dir.write("s.journal", format!("{STUDY}\n{begun}\n"));
    let ran = dir.run(&line(3));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let note = "note: trials 0,1 count as running: Optuna works on them, or their process ended without a result";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    let command = ran.stderr.lines().find_map(|line| line.strip_prefix("to end them as failed: reslstm ")).unwrap();
    assert!(command.ends_with("--fail-trials 0,1"), "{command}");
    let ends = |state: u64| {
        let journal = String::from_utf8(dir.read("s.journal")).unwrap();
        let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["op_code"] == 6 && line["state"] == state).count()
    };
    assert_eq!((ends(1) + ends(2), ends(3)), (1, 0));
    // They no longer count, so the command makes two more trials; again it has nothing left to do.
    let ran = dir.run(command);
    assert!(ran.code == 0 && !ran.stderr.contains("note: trials"), "{}", ran.stderr);
    assert_eq!((ends(1) + ends(2), ends(3)), (3, 2));
    dir.does(command);
    assert_eq!((ends(1) + ends(2), ends(3)), (3, 2));
    let wrong = ["--fail-trials: trial 2: expected a running trial, but it is Complete"];
    dir.refuses_saying(&format!("{} --fail-trials 2", line(3)), &wrong);
    let wrong = ["--fail-trials: trial 9: expected the number of one of 5 trials"];
    dir.refuses_saying(&format!("{} --fail-trials 0,9", line(3)), &wrong);
}

#[cfg(unix)]
#[test]
fn names_in_a_command_to_copy_are_quoted() {
    let (dir, line) = start("studies-quoted");
    let line = line(1).replace("s.journal", "$(touch${IFS}PWNED).journal") + " --study-name $(touch${IFS}PWNED)";
    let ran = dir.run(&line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let more = ran.stderr.lines().find_map(|line| line.strip_prefix("to continue:      ")).unwrap();
    for part in ["--study '$(touch${IFS}PWNED).journal'", "--study-name '$(touch${IFS}PWNED)'"] {
        assert!(more.contains(part), "{more}");
    }
    // What a shell makes of it is what was given.
    let echo = more.replace("reslstm", "printf '%s '").replace("--trials 2", "--trials 1");
    let output = std::process::Command::new("sh").current_dir(dir.path(".")).args(["-c", &echo]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(&line), "{more}");
    assert!(!dir.path("PWNED").exists());
}
