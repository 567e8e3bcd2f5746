//! A study at one moment, read from its journal without lock or writing: workers are not disturbed.

use super::journal::read;
use super::replay::MAXIMIZE;
use super::study::{USER_ATTRIBUTE, choose};
use super::trial::{State, Trial};
use reslstm::error::{Error, Kind, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A study at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// What it searches for; `None` if another program made it.
    pub identity: Option<Value>,
    /// Its trials, by number.
    pub trials: Vec<Trial>,
}

impl Snapshot {
    /// Reads the study called `name` from the journal at `path`; without a name, its only study.
    ///
    /// # Errors
    /// [`Kind::Io`] if the journal cannot be read; [`Kind::Data`] if it is not a journal, or the study minimises;
    /// [`Kind::Settings`] if there is no such study, or there are several and no name is given.
    pub fn read(path: &Path, name: Option<&str>) -> Result<Self> {
        let replay = read(path)?;
        let Some((id, study)) = choose(&replay, name).map_err(|error| error.at(path.display()))? else {
            let names: Vec<&str> = replay.studies().map(|(_, study)| study.name.as_str()).collect();
            let problem = match name {
                Some(name) => format!("expected a study called '{name}', found {}", names.join(", ")),
                None => "expected a study, found none".into(),
            };
            return Err(Error::new(Kind::Settings, problem).at(path.display()));
        };
        if study.directions != [MAXIMIZE] {
            let problem =
                format!("expected one value to maximise (direction 2), got directions {:?}", study.directions);
            return Err(Error::new(Kind::Data, problem).at(format!("{}: study '{}'", path.display(), study.name)));
        }
        let trials = replay.trials(id).into_iter().cloned().collect();
        Ok(Snapshot { name: study.name.clone(), identity: study.user_attributes.get(USER_ATTRIBUTE).cloned(), trials })
    }

    /// Number of trials in a state.
    pub fn count(&self, state: State) -> usize {
        self.trials.iter().filter(|trial| trial.state == state).count()
    }

    /// Names of all parameters of all trials.
    pub fn parameters(&self) -> BTreeSet<&str> {
        self.trials.iter().flat_map(|trial| trial.distributions.keys().map(String::as_str)).collect()
    }

    /// The best complete trial; of equal trials the first.
    pub fn best(&self) -> Option<&Trial> {
        let complete = self.trials.iter().filter(|trial| trial.state == State::Complete && trial.value.is_some());
        complete.reduce(|best, trial| if trial.value > best.value { trial } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn journal(lines: &[Value]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(file.path(), text + "{\"op_code\":4,\"stu").unwrap();
        file
    }

    #[test]
    fn a_study_is_read_without_changing_its_journal() {
        let study = |name: &str, direction: u64| json!({ "op_code": 0, "study_name": name, "directions": [direction] });
        let trial =
            |study: usize| json!({ "op_code": 4, "study_id": study, "datetime_start": "2026-11-23T17:07:30.6+00:00" });
        let end = |trial: usize, state: u64, value: Value| json!({ "op_code": 6, "trial_id": trial, "state": state, "values": value });
        let mut lines =
            vec![study("a", 2), json!({ "op_code": 2, "study_id": 0, "user_attr": { "reslstm": { "data": "f" } } })];
        lines.extend([trial(0), trial(0), trial(0), trial(0), trial(0)]);
        lines.extend([
            end(0, 1, json!([0.5])),
            end(1, 1, json!([0.7])),
            end(2, 1, json!([0.7])),
            end(3, 2, json!([0.9])),
        ]);
        let file = journal(&lines);
        let before = std::fs::read(file.path()).unwrap();
        let snapshot = Snapshot::read(file.path(), None).unwrap();
        assert_eq!((snapshot.name.as_str(), &snapshot.identity), ("a", &Some(json!({ "data": "f" }))));
        let counts = [State::Complete, State::Pruned, State::Running, State::Failed].map(|state| snapshot.count(state));
        assert_eq!(counts, [3, 1, 1, 0]);
        assert_eq!(snapshot.best().map(|trial| trial.number), Some(1), "pruned trials are not complete");
        assert_eq!(std::fs::read(file.path()).unwrap(), before);

        lines.extend([study("b", 1), study("c", 2)]);
        let file = journal(&lines);
        for (name, problem) in [
            (None, "expected one study in the journal, found 3: a, b, c"),
            (Some("x"), "expected a study called 'x', found a, b, c"),
            (Some("b"), "study 'b': expected one value to maximise (direction 2), got directions [1]"),
        ] {
            let error = Snapshot::read(file.path(), name).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert_eq!(Snapshot::read(file.path(), Some("c")).unwrap().best(), None);
        let missing = Snapshot::read(&file.path().with_extension("none"), None).unwrap_err();
        assert_eq!(missing.kind(), Kind::Io);
    }
}
