//! Studies and trials from the lines of a journal, read in order, as Optuna's journal storage does. Each line is an operation
//! on a study or trial; ids count these in order of creation. An operation that comes too late, as a value for a finished
//! trial, is ignored.

use super::space::Distribution;
use super::trial::{State, Trial};
use reslstm::error::{Error, Kind, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Numbers of the operations, the `op_code` of a line.
pub mod operation {
    #![allow(missing_docs)]
    pub const CREATE_STUDY: u64 = 0;
    pub const DELETE_STUDY: u64 = 1;
    pub const SET_STUDY_USER_ATTRIBUTE: u64 = 2;
    pub const SET_STUDY_SYSTEM_ATTRIBUTE: u64 = 3;
    pub const CREATE_TRIAL: u64 = 4;
    pub const SET_TRIAL_PARAMETER: u64 = 5;
    pub const SET_TRIAL_STATE_VALUES: u64 = 6;
    pub const SET_TRIAL_INTERMEDIATE_VALUE: u64 = 7;
    pub const SET_TRIAL_USER_ATTRIBUTE: u64 = 8;
    pub const SET_TRIAL_SYSTEM_ATTRIBUTE: u64 = 9;
    /// Of another implementation; Optuna ignores it.
    pub const DISCARD_TRIALS: u64 = 10;
}

/// Some editors put it at the beginning of a text file.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The direction of a study that maximises.
pub const MAXIMIZE: u64 = 2;

/// A study of a journal.
#[derive(Clone, Debug, Default)]
pub struct StudyRecord {
    /// Its name.
    pub name: String,
    /// One direction per value of a trial.
    pub directions: Vec<u64>,
    /// User attributes.
    pub user_attributes: Map<String, Value>,
    /// Ids of its trials, by number.
    trials: Vec<usize>,
    deleted: bool,
}

/// The content of a journal so far.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    studies: Vec<StudyRecord>,
    /// By id, each with the id of its study.
    trials: Vec<(usize, Trial)>,
}

/// A line; its fields depend on the operation.
#[derive(Deserialize)]
struct Line {
    op_code: u64,
    study_name: Option<String>,
    directions: Option<Vec<u64>>,
    study_id: Option<usize>,
    trial_id: Option<usize>,
    state: Option<u64>,
    value: Option<Value>,
    values: Option<Vec<Value>>,
    param_name: Option<String>,
    param_value_internal: Option<Value>,
    distribution: Option<String>,
    step: Option<u64>,
    #[serde(default)]
    intermediate_value: Value,
    #[serde(default)]
    distributions: Map<String, Value>,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default)]
    intermediate_values: Map<String, Value>,
    #[serde(default, alias = "user_attr")]
    user_attrs: Map<String, Value>,
    #[serde(default, alias = "system_attr")]
    system_attrs: Map<String, Value>,
}

impl Replay {
    /// The studies with their ids, deleted ones left out.
    pub fn studies(&self) -> impl Iterator<Item = (usize, &StudyRecord)> {
        self.studies.iter().enumerate().filter(|(_, study)| !study.deleted)
    }

    /// Trials of a study, by number.
    pub fn trials(&self, study: usize) -> Vec<&Trial> {
        self.studies[study].trials.iter().map(|&id| &self.trials[id].1).collect()
    }

    /// The id of the next study to be created.
    pub fn next_study_id(&self) -> usize {
        self.studies.len()
    }

    /// The id of the next trial to be created.
    pub fn next_trial_id(&self) -> usize {
        self.trials.len()
    }

    /// Reads one more line.
    ///
    /// # Errors
    /// [`Kind::Data`] if the line is not one of a journal.
    pub fn apply(&mut self, line: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(line).map_err(|error| not_an_object(line, &error.to_string()))?;
        // As in Python, any line may begin with a byte order mark.
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let line: Line = serde_json::from_str(&quote_bare_numbers(text)).map_err(|error| {
            let cause = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            not_an_object(line, &cause.replace(&place, &format!(" at column {}", error.column())))
        })?;
        match line.op_code {
            operation::CREATE_STUDY => self.create_study(line),
            operation::DELETE_STUDY | operation::SET_STUDY_USER_ATTRIBUTE => self.change_study(line),
            operation::CREATE_TRIAL => self.create_trial(line),
            operation::SET_TRIAL_PARAMETER..=operation::SET_TRIAL_SYSTEM_ATTRIBUTE => self.change_trial(line),
            operation::SET_STUDY_SYSTEM_ATTRIBUTE | operation::DISCARD_TRIALS => Ok(()),
            other => Err(not_a_line(format!("op_code: expected 0 to 10, got {other}"))),
        }
    }

    fn create_study(&mut self, line: Line) -> Result<()> {
        let name = field(line.study_name, "study_name")?;
        let directions = field(line.directions, "directions")?;
        if self.studies().all(|(_, study)| study.name != name) {
            self.studies.push(StudyRecord { name, directions, ..StudyRecord::default() });
        }
        Ok(())
    }

    fn change_study(&mut self, line: Line) -> Result<()> {
        let id = field(line.study_id, "study_id")?;
        if let Some(study) = self.studies.get_mut(id) {
            study.user_attributes.extend(line.user_attrs);
            study.deleted |= line.op_code == operation::DELETE_STUDY;
        }
        Ok(())
    }

    fn create_trial(&mut self, line: Line) -> Result<()> {
        let (study_id, id) = (field(line.study_id, "study_id")?, self.trials.len());
        let Some(study) = self.studies.get_mut(study_id).filter(|study| !study.deleted) else { return Ok(()) };
        let state = line.state.map_or(Some(State::Running), State::from_number);
        let mut trial = Trial::new(study.trials.len(), id, field(state, "state")?);
        trial.value = line.value.or_else(|| line.values?.into_iter().next()).as_ref().and_then(number);
        for (name, text) in line.distributions {
            trial.distributions.insert(name, distribution(text.as_str().unwrap_or_default())?);
        }
        for (name, value) in line.params {
            let number = field(number(&value), "params")?;
            check_choice(trial.distributions.get(&name), number)?;
            trial.parameters.insert(name, number);
        }
        for (step, value) in line.intermediate_values {
            let step = field(step.parse().ok(), "intermediate_values")?;
            trial.intermediate.insert(step, number(&value).unwrap_or(f64::NAN));
        }
        (trial.user_attributes, trial.system_attributes) = (line.user_attrs, line.system_attrs);
        study.trials.push(id);
        self.trials.push((study_id, trial));
        Ok(())
    }

    fn change_trial(&mut self, line: Line) -> Result<()> {
        let id = field(line.trial_id, "trial_id")?;
        match self.trials.get(id) {
            Some((_, trial)) if !trial.state.is_finished() => {}
            _ => return Ok(()),
        }
        match line.op_code {
            operation::SET_TRIAL_PARAMETER => {
                let name = field(line.param_name, "param_name")?;
                let value = field(line.param_value_internal.as_ref().and_then(number), "param_value_internal")?;
                let distribution = distribution(&field(line.distribution, "distribution")?)?;
                check_choice(Some(&distribution), value)?;
                let study = &self.studies[self.trials[id].0];
                let earlier = study.trials.iter().find_map(|&id| self.trials[id].1.distributions.get(&name));
                if earlier.is_none_or(|earlier| earlier.is_compatible(&distribution)) {
                    let trial = &mut self.trials[id].1;
                    trial.parameters.insert(name.clone(), value);
                    trial.distributions.insert(name, distribution);
                }
            }
            operation::SET_TRIAL_STATE_VALUES => {
                let trial = &mut self.trials[id].1;
                trial.state = field(line.state.and_then(State::from_number), "state")?;
                if let Some(value) = line.values.and_then(|values| number(values.first()?)) {
                    trial.value = Some(value);
                }
            }
            operation::SET_TRIAL_INTERMEDIATE_VALUE => {
                let value = number(&line.intermediate_value).unwrap_or(f64::NAN);
                self.trials[id].1.intermediate.insert(field(line.step, "step")?, value);
            }
            _ => {
                let trial = &mut self.trials[id].1;
                trial.user_attributes.extend(line.user_attrs);
                trial.system_attributes.extend(line.system_attrs);
            }
        }
        Ok(())
    }
}

/// The line that creates a running trial of `study` with all its parameters.
pub fn create_trial_line(study: usize, trial: &Trial, now: &str) -> Value {
    let distributions: Map<String, Value> =
        trial.distributions.iter().map(|(name, range)| (name.clone(), range.to_json().into())).collect();
    json!({
        "op_code": operation::CREATE_TRIAL, "study_id": study, "datetime_start": now, "state": trial.state as u64,
        "value": null, "values": null, "params": trial.parameters, "distributions": distributions,
        "user_attrs": trial.user_attributes, "system_attrs": trial.system_attributes, "intermediate_values": {},
    })
}

fn not_a_line(problem: String) -> Error {
    Error::new(Kind::Data, format!("not a line of an Optuna journal: {problem}"))
}

fn not_an_object(line: &[u8], cause: &str) -> Error {
    let beginning = line[..line.len().min(40)].escape_ascii();
    let more = if line.len() > 40 { "…" } else { "" };
    not_a_line(format!("expected a JSON object, got \"{beginning}{more}\": {cause}"))
}

fn field<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| not_a_line(format!("expected a valid '{name}'")))
}

fn distribution(text: &str) -> Result<Distribution> {
    let wrong = |problem: String| not_a_line(format!("distribution '{text}': {problem}"));
    let distribution: Distribution = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    distribution.check().map_err(|error| wrong(error.to_string()))
}

/// Refuses the index of a choice that does not exist.
fn check_choice(distribution: Option<&Distribution>, number: f64) -> Result<()> {
    match distribution {
        Some(range @ Distribution::Categorical { choices }) if !range.can_be_observed(number) => {
            Err(not_a_line(format!("expected the index of one of {} choices, got {number}", choices.len())))
        }
        _ => Ok(()),
    }
}

/// A number, or one of the words that [`quote_bare_numbers`] quotes.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| match value.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    })
}

/// Turns bare `NaN`, `Infinity` and `-Infinity` into strings: Python writes them, but they are not JSON. The same words inside a
/// string stay as they are.
fn quote_bare_numbers(line: &str) -> std::borrow::Cow<'_, str> {
    if !line.contains("NaN") && !line.contains("Infinity") {
        return line.into();
    }
    let mut quoted = String::with_capacity(line.len() + 8);
    let (mut rest, mut in_text) = (line, false);
    while let Some(c) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !in_text && rest.starts_with(word));
        let length = match (word, c) {
            (Some(word), _) => word.len(),
            // A backslash and the character it escapes.
            (None, '\\') => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, c) => c.len_utf8(),
        };
        match word {
            Some(word) => quoted.extend(["\"", word, "\""]),
            None => quoted.push_str(&rest[..length]),
        }
        in_text ^= c == '"';
        rest = &rest[length..];
    }
    quoted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that Optuna 5 wrote, worker ids shortened.
    const PYTHON: [&str; 15] = [
        r#"{"op_code":0,"worker_id":"p","study_name":"x","directions":[2]}"#,
        r#"{"op_code":2,"worker_id":"p","study_id":0,"user_attr":{"k":{"a":NaN,"b":"NaN \"Infinity"}}}"#,
        r#"{"op_code":4,"worker_id":"p","study_id":0,"datetime_start":"2026-11-23T17:07:30.600531+00:00"}"#,
        r#"{"op_code":5,"worker_id":"p","trial_id":0,"param_name":"lr","param_value_internal":6.617734348402523e-05,"distribution":"{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 3e-05, \"high\": 0.0002, \"log\": true}}"}"#,
        r#"{"op_code":5,"worker_id":"p","trial_id":0,"param_name":"batch_size","param_value_internal":1,"distribution":"{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [8, 16, 32]}}"}"#,
        r#"{"op_code":7,"worker_id":"p","trial_id":0,"step":0,"intermediate_value":0.5}"#,
        r#"{"op_code":7,"worker_id":"p","trial_id":0,"step":1,"intermediate_value":NaN}"#,
        r#"{"op_code":8,"worker_id":"p","trial_id":0,"user_attr":{"q":"\u00c4"}}"#,
        r#"{"op_code":6,"worker_id":"p","trial_id":0,"state":1,"values":[-Infinity],"datetime_complete":"2026-11-23T17:07:30.604383+00:00"}"#,
        r#"{"op_code":7,"worker_id":"p","trial_id":0,"step":2,"intermediate_value":0.9}"#,
        r#"{"op_code":4,"worker_id":"p","study_id":0,"datetime_start":"2026-11-23T17:07:30.613564+00:00"}"#,
        r#"{"op_code":9,"worker_id":"p","trial_id":1,"system_attr":{"tpe:relative_params:0":"{\"batch_size\": 16}"}}"#,
        r#"{"op_code":4,"worker_id":"p","study_id":7,"datetime_start":"2026-11-23T17:07:30.613564+00:00"}"#,
        r#"{"op_code":4,"worker_id":"p","study_id":0,"datetime_start":null,"state":4,"value":null,"values":null,"distributions":{},"params":{},"user_attrs":{},"system_attrs":{"fixed_params":{"lr":0.0001}},"intermediate_values":{"3":Infinity}}"#,
        r#"{"op_code":10,"worker_id":"p","study_id":0}"#,
    ];

    fn replay(lines: &[&str]) -> Replay {
        let mut replay = Replay::default();
        lines.iter().for_each(|line| replay.apply(line.as_bytes()).unwrap());
        replay
    }

    #[test]
    fn lines_that_optuna_wrote_are_understood() {
        let replay = replay(&PYTHON);
        let (id, study) = replay.studies().next().unwrap();
        assert_eq!((id, study.name.as_str(), study.directions.as_slice()), (0, "x", [MAXIMIZE].as_slice()));
        assert_eq!(study.user_attributes["k"]["b"], "NaN \"Infinity");
        let trials = replay.trials(0);
        assert_eq!(
            trials.iter().map(|t| t.state).collect::<Vec<_>>(),
            [State::Complete, State::Running, State::Waiting]
        );
        assert_eq!(trials[0].parameters["lr"], 6.617734348402523e-05);
        assert_eq!(trials[0].distributions["batch_size"].to_value(trials[0].parameters["batch_size"]), json!(16));
        assert_eq!(trials[0].value, Some(f64::NEG_INFINITY));
        assert!(trials[0].intermediate[&0] == 0.5 && trials[0].intermediate[&1].is_nan());
        assert!(!trials[0].intermediate.contains_key(&2), "it came after the trial was finished");
        assert_eq!(trials[0].user_attributes["q"], "Ä");
        assert!(trials[1].system_attributes.contains_key("tpe:relative_params:0"));
        assert_eq!(trials[2].intermediate[&3], f64::INFINITY);
        assert_eq!(replay.next_trial_id(), 3, "a trial of an unknown study is ignored");
    }

    #[test]
    fn the_first_of_two_conflicting_operations_counts() {
        let mut lines = PYTHON.to_vec();
        lines.push(r#"{"op_code":0,"worker_id":"q","study_name":"x","directions":[1]}"#);
        lines.push(r#"{"op_code":5,"worker_id":"q","trial_id":1,"param_name":"batch_size","param_value_internal":0,"distribution":"{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [4]}}"}"#);
        let replay = replay(&lines);
        assert_eq!(replay.studies().count(), 1);
        assert!(replay.trials(0)[1].parameters.is_empty(), "other choices than the first trial's");
    }

    #[test]
    fn the_name_of_a_deleted_study_is_free() {
        let mut lines = PYTHON.to_vec();
        lines.push(r#"{"op_code":1,"worker_id":"q","study_id":0}"#);
        lines.push(r#"{"op_code":0,"worker_id":"q","study_name":"x","directions":[1]}"#);
        let replay = replay(&lines);
        assert_eq!(replay.studies().map(|(id, study)| (id, study.directions[0])).collect::<Vec<_>>(), [(1, 1)]);
    }

    #[test]
    fn a_created_trial_is_read_back() {
        let mut trial = Trial::new(3, 3, State::Running);
        trial.parameters.insert("t0".into(), 2.0);
        trial.distributions.insert("t0".into(), Distribution::Int { log: false, step: 1, low: 1, high: 5 });
        trial.user_attributes.insert("by".into(), "us".into());
        let mut replay = replay(&PYTHON);
        replay.apply(create_trial_line(0, &trial, "2026-11-23T17:07:30.613564+00:00").to_string().as_bytes()).unwrap();
        assert_eq!(*replay.trials(0)[3], trial);
    }

    #[test]
    fn invalid_lines_are_refused() {
        for (line, problem) in [
            ("{\"op_code\":11}", "op_code: expected 0 to 10, got 11"),
            ("{\"op_code\":4}", "'study_id'"),
            ("{\"a\":1}", "op_code"),
            ("RIFF", "expected value"),
            ("{\"op_code\":4,\"study_id\":0,\"state\":9}", "'state'"),
            ("[\"op_code\"]", "expected a JSON object, got \"[\\\"op_code\\\"]\": "),
        ] {
            let error = replay(&PYTHON[..1]).apply(line.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            assert!(error.to_string().contains(problem), "{line}: {error}");
        }
        assert!(Replay::default().apply(b"\xff").is_err());
    }

    #[test]
    fn parameters_that_optuna_cannot_read_either_are_refused() {
        let float = |low, high, log| {
            format!(
                r#"{{"name": "FloatDistribution", "attributes": {{"step": null, "low": {low}, "high": {high}, "log": {log}}}}}"#
            )
        };
        let choices =
            |choices: &str| format!(r#"{{"name": "CategoricalDistribution", "attributes": {{"choices": {choices}}}}}"#);
        for (distribution, problem) in [
            (choices("[8, 16]"), "expected the index of one of 2 choices, got 2"),
            (choices("[]"), "expected at least one choice"),
            (float(2, 1, false), "expected low up to high, got 2 to 1"),
            (float(0, 9, true), "expected low above 0"),
            (r#"{"low": 1, "high": 5}"#.into(), "missing field `name`"),
        ] {
            let set = json!({ "op_code": 5, "trial_id": 0, "param_name": "p", "param_value_internal": 2, "distribution": distribution });
            let create =
                json!({ "op_code": 4, "study_id": 0, "params": { "p": 2 }, "distributions": { "p": distribution } });
            for line in [set, create] {
                let error = replay(&PYTHON[..3]).apply(line.to_string().as_bytes()).unwrap_err();
                assert!(error.to_string().contains(problem), "{distribution}: {error}");
            }
        }
    }
}
