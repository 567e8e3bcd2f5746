//! What a queued trial asks for: the parameters that `study.enqueue_trial` in Python fixes, or those of a waiting trial that
//! `study.add_trial` adds. They are read as Optuna's `suggest_*` functions read them; no value is replaced by another.
//!
//! | given                                       | Optuna 5                     | here                         |
//! |---------------------------------------------|------------------------------|------------------------------|
//! | a number outside the range                  | used, with a warning         | used, with a warning         |
//! | a number as text                            | used                         | used                         |
//! | a fraction for a whole number               | used, but stored without it  | refused                      |
//! | an infinite number                          | used, with a warning         | refused                      |
//! | NaN, no number, not positive on a log scale | refused                      | refused                      |
//! | a category that is none of the choices      | refused                      | refused                      |
//! | a name that is not searched                 | ignored                      | ignored, with a warning      |
//!
//! A refused trial fails.

use super::space::{Distribution, Space};
use super::trial::Trial;
use serde_json::Value;
use std::collections::BTreeMap;

/// System attribute in which Optuna keeps the parameters of a queued trial.
const FIXED_PARAMETERS: &str = "fixed_params";

/// What a queued trial asks for; nothing for any other trial.
#[derive(Debug, Default)]
pub struct Enqueued {
    /// Numbers of the journal, by parameter.
    pub numbers: BTreeMap<String, f64>,
    /// What a user must know, though the trial runs.
    pub warnings: Vec<String>,
    /// Why the trial cannot run.
    pub refusal: Option<String>,
}

impl Enqueued {
    /// Reads what `trial` asks for of the parameters of `space`.
    pub fn read(trial: &Trial, space: &Space) -> Self {
        let mut given = trial.values();
        if let Some(fixed) = trial.system_attributes.get(FIXED_PARAMETERS).and_then(Value::as_object) {
            for (name, value) in fixed {
                given.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let mut enqueued = Enqueued::default();
        for (name, value) in given {
            let Some(range) = space.get(&name) else {
                let names: Vec<&str> = space.names().collect();
                let problem = format!("{name}: expected one of {}, got another name", names.join(", "));
                enqueued.warnings.push(format!("{problem}: its value {value} is ignored, as in Optuna"));
                continue;
            };
            match enqueued_number(range, &value) {
                Some(number) => {
                    if !range.contains(number) {
                        let problem = format!("{name}: expected {range}, got {value}");
                        enqueued.warnings.push(format!("{problem}: used, as in Optuna"));
                    }
                    enqueued.numbers.insert(name, number);
                }
                None => {
                    let problem = format!("{name}: expected {range}, got {value}");
                    enqueued.refusal.get_or_insert(problem);
                }
            }
        }
        enqueued
    }
}

/// The number of a given value, which may be outside the range; `None` if it is no value of such a range.
fn enqueued_number(range: &Distribution, value: &Value) -> Option<f64> {
    let text = match range {
        Distribution::Categorical { .. } => None,
        _ => value.as_str().and_then(|text| text.trim().parse::<f64>().ok()),
    };
    let number = range.to_number(&text.map_or_else(|| value.clone(), Value::from))?;
    // A whole number that an integer holds exactly.
    let whole = number.fract() == 0.0 && number.abs() < 9e15;
    (whole || !matches!(range, Distribution::Int { .. })).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::trial::State;
    use super::*;
    use serde_json::json;

    const SPACE: &str = "lr = { type = \"float\", low = 1e-4, high = 1e-2, log = true }\n\
                         t0 = { type = \"int\", low = 1, high = 10 }\n\
                         batch_size = { type = \"categorical\", choices = [8, 16] }";

    fn read(fixed: Value) -> Enqueued {
        let mut trial = Trial::new(0, 0, State::Waiting);
        trial.system_attributes.insert(FIXED_PARAMETERS.into(), fixed);
        Enqueued::read(&trial, &Space::from_toml(SPACE).unwrap())
    }

    #[test]
    fn values_outside_the_range_are_used_with_a_warning() {
        for (name, value, number, shown) in [
            ("lr", json!(0.5), 0.5, "lr: expected 0.0001 to 0.01, got 0.5: used, as in Optuna"),
            ("lr", json!("0.5"), 0.5, "lr: expected 0.0001 to 0.01, got \"0.5\": used, as in Optuna"),
            ("t0", json!(20), 20.0, "t0: expected a whole number from 1 to 10, got 20: used, as in Optuna"),
            ("t0", json!(-3), -3.0, "got -3: used"),
        ] {
            let Enqueued { numbers, warnings, refusal } = read(json!({ name: value }));
            assert_eq!((numbers, refusal), (BTreeMap::from([(name.to_string(), number)]), None));
            assert!(warnings.len() == 1 && warnings[0].contains(shown), "{warnings:?}");
        }
    }

    #[test]
    fn values_in_the_range_are_used_without_a_word() {
        let enqueued = read(json!({ "lr": "0.002", "t0": 3.0, "batch_size": 16.0 }));
        assert_eq!((enqueued.warnings.len(), enqueued.refusal), (0, None));
        let expected = [("lr", 0.002), ("t0", 3.0), ("batch_size", 1.0)].map(|(name, n)| (name.to_string(), n));
        assert_eq!(enqueued.numbers, BTreeMap::from(expected));
    }

    #[test]
    fn values_that_no_range_of_the_kind_holds_are_refused() {
        for (name, value) in [
            ("lr", json!(0)),
            ("lr", json!(-1)),
            ("lr", json!(null)),
            ("lr", json!("fast")),
            // As bare NaN and Infinity of the journal are read.
            ("lr", json!("NaN")),
            ("lr", json!("Infinity")),
            ("t0", json!(2.5)),
            ("t0", json!(1e300)),
            ("t0", json!([1])),
            ("batch_size", json!(7)),
            ("batch_size", json!("8")),
            ("batch_size", json!(null)),
        ] {
            let enqueued = read(json!({ name: value }));
            assert!(enqueued.numbers.is_empty() && enqueued.warnings.is_empty(), "{name} {value}: {enqueued:?}");
            let refusal = enqueued.refusal.unwrap();
            assert!(refusal.starts_with(&format!("{name}: expected ")), "{refusal}");
            assert!(refusal.ends_with(&format!(", got {value}")), "{refusal}");
        }
        let choices = read(json!({ "batch_size": 7 })).refusal.unwrap();
        assert_eq!(choices, "batch_size: expected one of 8, 16, got 7");
    }

    #[test]
    fn names_that_are_not_searched_are_ignored_with_a_warning() {
        let enqueued = read(json!({ "LR": 0.002, "hidden": 64, "lr": 0.002 }));
        assert_eq!((enqueued.numbers.len(), enqueued.refusal), (1, None));
        assert_eq!(enqueued.warnings.len(), 2);
        let expected =
            "LR: expected one of batch_size, lr, t0, got another name: its value 0.002 is ignored, as in Optuna";
        assert_eq!(enqueued.warnings[0], expected);
    }

    #[test]
    fn parameters_of_a_waiting_trial_count_as_well() {
        let mut trial = Trial::new(0, 0, State::Waiting);
        trial.parameters = BTreeMap::from([("t0".to_string(), 12.0), ("width".to_string(), 3.0)]);
        let range = Distribution::Int { log: false, step: 1, low: 1, high: 20 };
        trial.distributions = trial.parameters.keys().map(|name| (name.clone(), range.clone())).collect();
        let enqueued = Enqueued::read(&trial, &Space::from_toml(SPACE).unwrap());
        assert_eq!(enqueued.numbers, BTreeMap::from([("t0".to_string(), 12.0)]));
        assert_eq!(enqueued.warnings.len(), 2);
    }
}
