use super::super::trial::State;
use super::*;
use crate::tune::Space;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

const SPACE: &str = "x = { type = \"float\", low = -1, high = 1 }\nc = { type = \"categorical\", choices = [4, 8] }";

fn search(trials: usize) -> Search {
    Search { space: Space::from_toml(SPACE).unwrap(), seed: 5, trials }
}

fn open(path: &Path, trials: usize) -> Result<Study> {
    Study::open(Journal::open(path, "us")?, None, search(trials), &json!({}), |_| Ok(()))
}

fn x(claim: &Claim) -> f64 {
    claim.parameters["x"].as_f64().unwrap()
}

/// A trial that reports three folds.
fn work(study: &Study, claim: &Claim) -> Result<Ending> {
    for step in 0..3 {
        let value = -x(claim).abs() - step as f64;
        if study.report(claim, step, value, ("fold", json!(step)))? == Verdict::Prune && step < 2 {
            return Ok(Ending::Pruned);
        }
    }
    Ok(Ending::Complete(-x(claim).abs()))
}

/// The trials of a journal's only study, without worker ids and times.
fn trials(path: &Path) -> Vec<Trial> {
    let mut journal = Journal::open(path, "reader").unwrap();
    journal.replay().unwrap().trials(0).into_iter().cloned().collect()
}

fn append(path: &Path, lines: &str) {
    use std::io::Write;
    File::options().append(true).open(path).unwrap().write_all(lines.as_bytes()).unwrap();
}

#[test]
fn workers_of_several_processes_make_the_wanted_number_of_trials() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.journal");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A study opened twice simulates two processes.
        for workers in [1, 2] {
            let (path, stop) = (&path, &stop);
            scope.spawn(move || {
                let study = open(path, 40).unwrap();
                assert_eq!(study.name(), "study");
                optimise(&study, workers, stop, |claim| work(&study, claim)).unwrap();
            });
        }
    });
    let trials = trials(&path);
    assert_eq!(trials.len(), 40);
    assert!(trials.iter().all(Trial::is_observed));
    let distinct = |a: &Trial, b: &Trial| a.parameters["x"] != b.parameters["x"];
    assert!((1..40).all(|b| (0..b).all(|a| distinct(&trials[a], &trials[b]))));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing but the journal is left");
    let progress = open(&path, 40).unwrap().progress().unwrap();
    assert!(progress.pruned > 0 && progress.complete + progress.pruned == 40, "{progress:?}");
    let (number, value, parameters) = progress.best.unwrap();
    assert_eq!(parameters["x"].as_f64().unwrap(), trials[number].parameters["x"]);
    assert!(trials.iter().filter(|t| t.state == State::Complete).all(|t| t.value.unwrap() <= value));
    // No more trials than wanted.
    assert!(open(&path, 40).unwrap().ask().unwrap().is_none());
    assert_eq!(open(&path, 41).unwrap().ask().unwrap().unwrap().number, 40);
}

/// The lines of a journal, without worker ids and times.
fn lines(path: &Path) -> Vec<Value> {
    let read = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["worker_id", "datetime_start", "datetime_complete"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    };
    std::fs::read_to_string(path).unwrap().lines().map(read).collect()
}

#[test]
fn a_journal_cut_off_anywhere_is_completed_to_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name).join("study.journal"));
    let finish = |path: &Path| {
        let study = open(path, 3).unwrap();
        optimise(&study, 1, &AtomicBool::new(false), |claim| work(&study, claim)).unwrap();
    };
    finish(&whole);
    let (text, expected) = (std::fs::read_to_string(&whole).unwrap(), lines(&whole));
    std::fs::create_dir(cut.parent().unwrap()).unwrap();
    for (end, _) in text.match_indices('\n') {
        // Killed after this line, or in the midst of the next.
        for end in [end + 1, (end + 9).min(text.len())] {
            std::fs::write(&cut, &text[..end]).unwrap();
            finish(&cut);
            assert_eq!(lines(&cut), expected, "cut after byte {end}: ...{}", &text[end.saturating_sub(80)..end]);
        }
    }
}

#[test]
fn a_search_stopped_anywhere_ends_with_the_same_trials() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name).join("study.journal"));
    let study = open(&whole, 25).unwrap();
    optimise(&study, 1, &AtomicBool::new(false), |claim| work(&study, claim)).unwrap();
    // Every worker dies after its third report: between two folds, or before it tells the result.
    loop {
        let (study, reports) = (open(&parts, 25).unwrap(), AtomicUsize::new(0));
        let dying = |claim: &Claim| {
            for step in claim.reported.unwrap_or(0)..3 {
                let value = -x(claim).abs() - step as f64;
                let verdict = study.report(claim, step, value, ("fold", json!(step)))?;
                if reports.fetch_add(1, Ordering::Relaxed) == 2 {
                    return Err(Error::new(Kind::Io, "killed"));
                }
                if verdict == Verdict::Prune && step < 2 {
                    return Ok(Ending::Pruned);
                }
            }
            Ok(Ending::Complete(-x(claim).abs()))
        };
        match optimise(&study, 1, &AtomicBool::new(false), dying) {
            Ok(()) => break,
            Err(error) => assert_eq!(error.to_string(), "killed"),
        }
    }
    assert_eq!(trials(&parts), trials(&whole));
    // A worker killed after telling the result leaves the trial's folder; the worker that ends the search removes it.
    let left = parts.with_extension("journal.trials").join("3");
    std::fs::create_dir_all(left).unwrap();
    let study = open(&parts, 25).unwrap();
    optimise(&study, 1, &AtomicBool::new(false), |_| panic!("nothing is left to do")).unwrap();
    assert_eq!(parts.parent().unwrap().read_dir().unwrap().count(), 1);
}

#[test]
fn only_trials_of_dead_workers_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.journal");
    let study = open(&path, 4).unwrap();
    let [first, second] = [0, 1].map(|_| study.ask().unwrap().unwrap());
    assert_eq!([first.number, second.number], [0, 1]);
    std::fs::write(first.folder.join("checkpoint"), "half").unwrap();
    study.report(&first, 0, 0.5, ("fold", json!(0))).unwrap();
    let parameters = first.parameters.clone();
    drop(first);
    // A running trial of Optuna is not taken over, and counts.
    append(&path, "{\"op_code\":4,\"worker_id\":\"p\",\"study_id\":0,\"datetime_start\":null}\n");
    let other = open(&path, 4).unwrap();
    let again = other.ask().unwrap().unwrap();
    assert_eq!((again.number, &again.parameters, again.reported), (0, &parameters, Some(0)));
    assert_eq!(std::fs::read_to_string(again.folder.join("checkpoint")).unwrap(), "half");
    let new = other.ask().unwrap().unwrap();
    assert_eq!(new.number, 3, "1 is held, 2 belongs to Optuna");
    assert!(other.ask().unwrap().is_none());
    // A trial that failed does not count.
    append(&path, "{\"op_code\":6,\"worker_id\":\"p\",\"trial_id\":2,\"state\":3,\"values\":null}\n");
    let next = other.ask().unwrap().unwrap();
    assert_eq!(next.number, 4);
    // Of two trials left behind, the first is taken.
    drop((again, new));
    assert_eq!(open(&path, 3).unwrap().ask().unwrap().unwrap().number, 0);
    assert!(open(&path, 2).unwrap().ask().unwrap().is_none(), "1 and 4 are running");
}

/// Adds a waiting trial, as `study.enqueue_trial` in Python writes it.
fn enqueue(path: &Path, fixed: &str) {
    let line = "{\"op_code\":4,\"worker_id\":\"p\",\"study_id\":0,\"datetime_start\":null,\"state\":4,\"value\":null,\
                \"values\":null,\"distributions\":{},\"params\":{},\"user_attrs\":{},\"system_attrs\":{\"fixed_params\":";
    append(path, &format!("{line}{fixed}}},\"intermediate_values\":{{}}}}\n"));
}

#[test]
fn queued_trials_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.journal");
    let study = open(&path, 9).unwrap();
    enqueue(&path, "{\"x\": 0.25}");
    enqueue(&path, "{\"x\": 7.0, \"c\": 8}");
    let [first, second] = [0, 1].map(|_| study.ask().unwrap().unwrap());
    assert_eq!((first.number, x(&first)), (0, 0.25));
    assert_eq!((second.number, &second.parameters["c"]), (1, &json!(8)));
    assert_eq!((x(&second), second.warnings.len()), (7.0, 1), "outside the range, and used with a warning");
    assert_eq!((first.warnings.len(), &first.refusal, &second.refusal), (0, &None, &None));
    let trials = trials(&path);
    assert_eq!(trials[0].state, State::Running);
    assert_eq!(trials[0].parameters["x"], 0.25);
    assert_eq!(trials[0].distributions.len(), 2);
    // From now on it is a trial of this program.
    drop(first);
    assert_eq!(study.ask().unwrap().unwrap().number, 0);
}

#[test]
fn a_queued_trial_that_is_refused_fails_and_the_search_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.journal");
    let study = open(&path, 2).unwrap();
    enqueue(&path, "{\"c\": 5}");
    let claim = study.ask().unwrap().unwrap();
    assert_eq!(claim.refusal.as_deref(), Some("c: expected one of 4, 8, got 5"));
    assert!(claim.parameters.is_empty(), "no other value is tried in its place");
    // If this worker dies, the next one reads the same.
    drop(claim);
    let claim = study.ask().unwrap().unwrap();
    assert!(claim.number == 0 && claim.refusal.is_some() && claim.parameters.is_empty());
    study.tell(claim, Ending::Failed).unwrap();
    optimise(&study, 1, &AtomicBool::new(false), |claim| work(&study, claim)).unwrap();
    let states: Vec<State> = trials(&path).iter().map(|trial| trial.state).collect();
    assert_eq!(states, [State::Failed, State::Complete, State::Complete], "a failed trial does not count");
}

#[test]
fn trials_left_running_are_named_and_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.journal");
    let study = open(&path, 9).unwrap();
    let [alive, dead] = [0, 1].map(|_| study.ask().unwrap().unwrap());
    drop(dead);
    append(&path, "{\"op_code\":4,\"worker_id\":\"p\",\"study_id\":0,\"datetime_start\":null}\n");
    enqueue(&path, "{}");
    let other = open(&path, 9).unwrap();
    assert_eq!(other.maybe_abandoned().unwrap(), [1, 2], "of Optuna's worker nobody knows");
    for (numbers, problem) in [
        ([2, 0], "trial 0: expected a trial that nobody works on, but its process is alive"),
        ([2, 3], "trial 3: expected a running trial, but it is Waiting"),
        ([2, 4], "trial 4: expected the number of one of 4 trials"),
    ] {
        assert!(other.fail(&numbers).unwrap_err().to_string().contains(problem));
        assert_eq!(trials(&path)[2].state, State::Running, "none is ended");
    }
    // Again is no error: a command that was killed is repeated.
    for _ in 0..2 {
        other.fail(&[1, 2]).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().matches("\"state\":3").count(), 2);
    assert!(other.maybe_abandoned().unwrap().is_empty());
    study.tell(alive, Ending::Complete(0.5)).unwrap();
    let states: Vec<State> = trials(&path).iter().map(|trial| trial.state).collect();
    assert_eq!(states, [State::Complete, State::Failed, State::Failed, State::Waiting]);
}

#[test]
fn a_study_that_cannot_be_continued_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.journal");
    let refused = |line: &str, part: &str| {
        append(&path, line);
        let error = open(&path, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
        assert!(error.to_string().contains("study.journal: ") && error.to_string().contains(part), "{error}");
    };
    std::fs::write(&path, "").unwrap();
    refused("{\"op_code\":0,\"study_name\":\"a\",\"directions\":[1]}\n", "study 'a': expected one value to maximise");
    refused(
        "{\"op_code\":0,\"study_name\":\"b\",\"directions\":[2]}\n",
        "expected one study in the journal, found 2: a, b",
    );
    append(&path, "{\"op_code\":4,\"study_id\":1,\"datetime_start\":null}\n");
    append(
        &path,
        "{\"op_code\":5,\"trial_id\":0,\"param_name\":\"c\",\"param_value_internal\":0,\"distribution\":\"{\\\"name\\\": \
         \\\"CategoricalDistribution\\\", \\\"attributes\\\": {\\\"choices\\\": [4]}}\"}\n",
    );
    let journal = || Journal::open(&path, "us").unwrap();
    let error = Study::open(journal(), Some("b"), search(1), &json!({}), |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("study 'b': parameter 'c' of trial 0 has the range"), "{error}");
    // The identity that an earlier command stored is shown to the next one.
    let made =
        Study::open(journal(), Some("c"), search(1), &json!({"seed": 1}), |_| panic!("no identity is stored yet"))
            .unwrap();
    assert_eq!(made.name(), "c");
    let refuse = |earlier: &Value| Err(Error::new(Kind::Settings, earlier.to_string()));
    let error = Study::open(journal(), Some("c"), search(1), &json!({"seed": 2}), refuse).unwrap_err();
    assert!(error.to_string().ends_with("{\"seed\":1}"), "{error}");
}

#[test]
fn an_error_of_one_worker_stops_all() {
    let folder = tempfile::tempdir().unwrap();
    let study = open(&folder.path().join("study.journal"), 100).unwrap();
    let stop = AtomicBool::new(false);
    let error = optimise(&study, 2, &stop, |claim| {
        std::thread::sleep(Duration::from_millis(5));
        if claim.number == 3 { Err(Error::new(Kind::Io, "disk full")) } else { work(&study, claim) }
    });
    assert_eq!(error.unwrap_err().to_string(), "disk full");
    assert!(study.progress().unwrap().running.contains(&3));
    let error = optimise(&study, 2, &stop, |_| panic!("the stop flag is set")).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
}
