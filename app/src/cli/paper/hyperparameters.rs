//! `hyperparameters.toml`: what each family of models is trained with under each protocol, and which search found it.

use crate::files;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Architecture, architecture::Family};
use reslstm::train::{CheckedSettings, Protocol, Settings, Validation};
use serde::Deserialize;
use std::fmt;
use std::path::Path;

/// The project's own.
const OURS: &str = include_str!("../../../data/hyperparameters.toml");

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hyperparameters {
    #[serde(default)]
    lstm_sa: ByProtocol,
    #[serde(default)]
    reslstm_sa: ByProtocol,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByProtocol {
    strict: Option<Choice>,
    published: Option<Choice>,
    table1: Option<Choice>,
}

/// One choice. The models of a family share it.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Choice {
    lr: f64,
    weight_decay: f64,
    dropout: f64,
    t0: usize,
    batch: usize,
    search: Option<Search>,
}

/// Where a choice comes from.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Search {
    /// The journal.
    study: String,
    /// Number of the trial.
    trial: u64,
    /// What the study maximises.
    value: f64,
}

impl Hyperparameters {
    /// Reads the given file, or the one of this program.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it is not TOML of this form; [`Kind::Io`] if it cannot be read.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(toml::from_str(OURS).expect("our own file is checked by a test")) };
        let wrong = |problem: String| Error::new(Kind::Settings, problem).at(path.display());
        let text = String::from_utf8(files::read(path)?).map_err(|error| wrong(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| error.at(path.display()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it is not TOML of this form.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| Error::new(Kind::Settings, error.to_string().trim_end()))
    }

    /// What a model is trained with.
    pub fn choice(&self, family: Family, protocol: Protocol) -> Result<&Choice> {
        let (name, choices) = match family {
            Family::LstmSa => ("lstm-sa", &self.lstm_sa),
            Family::ResLstmSa => ("reslstm-sa", &self.reslstm_sa),
        };
        let choice = match protocol {
            Protocol::Strict => &choices.strict,
            Protocol::Published => &choices.published,
            Protocol::Table1 => &choices.table1,
        };
        choice.as_ref().ok_or_else(|| {
            let problem = format!("expected hyper-parameters for [{name}.{protocol}], found none");
            Error::new(Kind::Settings, problem).advice("--arch and --protocol choose what is trained")
        })
    }
}

impl Choice {
    /// Checked, for a model of the family.
    pub fn settings(&self, arch: Architecture, protocol: Protocol, epochs: usize) -> Result<CheckedSettings> {
        let Choice { lr, weight_decay, dropout, t0, batch, .. } = *self;
        let settings = Settings::default().with(|it| {
            (it.arch, it.protocol, it.epochs, it.batch) = (arch, protocol, epochs, batch);
            (it.lr, it.weight_decay, it.dropout, it.t0) = (lr, weight_decay, dropout, t0);
            it.validation = if protocol == Protocol::Table1 { Validation::Train } else { Validation::Apart };
        });
        settings.check().map_err(|error| error.at(format!("hyper-parameters of {arch}, {protocol}")))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice { lr, weight_decay, dropout, t0, batch, search } = self;
        write!(f, "lr {lr}, weight decay {weight_decay}, dropout {dropout}, T0 {t0}, batch {batch}")?;
        match search {
            Some(Search { study, trial, value }) => write!(f, "; {study}, trial {trial}, {value:.4}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::State;
    use crate::tune::replay::Replay;

    #[test]
    fn our_own_file_has_every_choice_within_its_range() {
        let ours = Hyperparameters::read(None).unwrap();
        for arch in crate::report::table1::MODELS {
            let arch: Architecture = arch.parse().unwrap();
            for protocol in crate::report::table1::PROTOCOLS {
                let choice = ours.choice(arch.family(), protocol).unwrap();
                assert_eq!(choice.settings(arch, protocol, 100).unwrap().lr, choice.lr);
            }
        }
    }

    #[test]
    fn what_a_search_found_is_what_its_journal_says() {
        let ours = Hyperparameters::read(None).unwrap();
        let choices = [&ours.lstm_sa, &ours.reslstm_sa].map(|it| [&it.strict, &it.published, &it.table1]);
        let searched: Vec<&Choice> = choices.into_iter().flatten().flatten().filter(|c| c.search.is_some()).collect();
        assert!(!searched.is_empty());
        for choice in searched {
            let Search { study, trial, value } = choice.search.as_ref().unwrap();
            let journal = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(study);
            let mut replay = Replay::default();
            for line in std::fs::read_to_string(journal).unwrap().lines() {
                replay.apply(line.as_bytes()).unwrap();
            }
            let trial = replay.trials(0)[*trial as usize];
            let found = |name: &str| trial.distributions[name].to_value(trial.parameters[name]);
            assert_eq!((trial.state, trial.value), (State::Complete, Some(*value)), "{study}");
            assert_eq!([found("lr"), found("dropout")], [choice.lr, choice.dropout], "{study}");
            assert_eq!(found("weight_decay"), choice.weight_decay, "{study}");
            assert_eq!(found("t0"), choice.t0, "{study}");
            // Under table1 the batch size is not searched.
            if trial.parameters.contains_key("batch_size") {
                assert_eq!(found("batch_size"), choice.batch, "{study}");
            }
        }
    }

    #[test]
    fn each_family_and_protocol_has_its_own() {
        let text = "
            [lstm-sa.strict]
            lr = 0.001
            weight-decay = 0.002
            dropout = 0.3
            t0 = 4
            batch = 5
            [reslstm-sa.published]
            lr = 0.006
            weight-decay = 0.007
            dropout = 0.8
            t0 = 9
            batch = 10
            search = { study = 's.journal', trial = 11, value = 0.12 }";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        let mine = Hyperparameters::read(Some(&path)).unwrap();
        let plain = mine.choice(Family::LstmSa, Protocol::Strict).unwrap();
        assert_eq!(plain.to_string(), "lr 0.001, weight decay 0.002, dropout 0.3, T0 4, batch 5");
        let settings = plain.settings("lstm-sa-h4".parse().unwrap(), Protocol::Strict, 6).unwrap();
        let expected = Settings::default().with(|it| {
            (it.arch, it.protocol, it.epochs) = ("lstm-sa-h4".parse().unwrap(), Protocol::Strict, 6);
            (it.batch, it.lr, it.weight_decay, it.dropout, it.t0) = (5, 0.001, 0.002, 0.3, 4);
        });
        assert_eq!(*settings, expected);
        let residual = mine.choice(Family::ResLstmSa, Protocol::Published).unwrap();
        assert!(residual.to_string().ends_with("batch 10; s.journal, trial 11, 0.1200"), "{residual}");
        let error = mine.choice(Family::ResLstmSa, Protocol::Strict).unwrap_err();
        assert!(error.to_string().starts_with("expected hyper-parameters for [reslstm-sa.strict]"), "{error}");
    }
}
