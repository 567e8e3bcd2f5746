//! The search compared with Optuna: splits, and densities at fixed points, for every case in `tests/golden/tpe`, or in
//! `$RESLSTM_GOLDEN_DIR/tpe`.

use reslstm_cli::tune::{Space, State, Trial, tpe};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Both programs take logarithms of sums of the same terms in f64; `erfc` of two libraries differs in the last digits.
const TOLERANCE: f64 = 1e-9;

#[test]
fn golden_tpe_cases_are_reproduced() {
    let root = std::env::var_os("RESLSTM_GOLDEN_DIR").map_or("tests/golden".into(), PathBuf::from);
    // Tests run in the folder of their package; relative paths start at the workspace.
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(root).join("tpe");
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut cases, mut worst) = (0, 0.0f64);
    for file in &files {
        let golden: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(golden["direction"], "maximize", "{}", file.display());
        for (i, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
            worst = worst.max(reproduce(file, i, case));
            cases += 1;
        }
    }
    assert!(cases > 0, "no case in {}", dir.display());
    println!("{} files, {cases} cases, largest error {worst:.1e}", files.len());
}

/// Compares one case; returns the largest error of a logarithm.
fn reproduce(file: &Path, case_number: usize, case: &Value) -> f64 {
    let place = format!("{}, case {case_number}", file.display());
    let space = Space::preset("paper").unwrap();
    let trials: Vec<Trial> =
        case["trials"].as_array().unwrap().iter().enumerate().map(|(n, t)| trial(&space, n, t)).collect();
    let trials: Vec<&Trial> = trials.iter().collect();
    let observed = trials.iter().filter(|trial| trial.is_observed()).count();
    let (below, above) = tpe::split(&trials, tpe::good_count(observed));
    for (key, side) in [("below", &below), ("above", &above)] {
        let numbers: Vec<usize> = side.iter().map(|trial| trial.number).collect();
        assert_eq!(serde_json::json!(numbers), case[key], "{place}: {key}");
    }
    let all: Vec<&str> = space.names().collect();
    let mut groups = vec![(all.clone(), &case["joint"], "joint".to_string())];
    groups.extend(all.iter().map(|name| (vec![*name], &case["univariate"][name], format!("univariate.{name}"))));
    let mut worst = 0.0f64;
    for (names, expected, key) in groups {
        let (l, g) = (tpe::density(&space, &names, &below), tpe::density(&space, &names, &above));
        for (i, candidate) in case["candidates"].as_array().unwrap().iter().enumerate() {
            let number = |name: &&str| space.get(name).unwrap().to_number(&candidate[*name]).unwrap();
            let point: Vec<f64> = names.iter().map(number).collect();
            let (log_l, log_g) = (l.log_density(&point), g.log_density(&point));
            for (what, got) in [("log_l", log_l), ("log_g", log_g), ("acquisition", log_l - log_g)] {
                let optuna = expected[what][i].as_f64().unwrap();
                let error = (got - optuna).abs();
                assert!(
                    error <= TOLERANCE,
                    "{place}: {key}.{what}[{i}]: got {got}, Optuna {optuna} (error {error:.1e})"
                );
                worst = worst.max(error);
            }
        }
    }
    worst
}

fn trial(space: &Space, number: usize, golden: &Value) -> Trial {
    let state = match golden["state"].as_str().unwrap() {
        "COMPLETE" => State::Complete,
        "PRUNED" => State::Pruned,
        "RUNNING" => State::Running,
        other => panic!("unknown state {other}"),
    };
    let mut trial = Trial::new(number, number, state);
    trial.value = golden["value"].as_f64();
    for (name, value) in golden["params"].as_object().unwrap() {
        trial.parameters.insert(name.clone(), space.get(name).unwrap().to_number(value).unwrap());
    }
    for (step, value) in golden["intermediate"].as_object().unwrap() {
        trial.intermediate.insert(step.parse().unwrap(), value.as_f64().unwrap_or(f64::NAN));
    }
    trial
}
