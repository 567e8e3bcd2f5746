//! A cross-validation: its settings, runs and folds.

use crate::label_map::LabelMap;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::CheckedSettings;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The most runs of a cross-validation.
pub const MAX_RUNS: usize = 10_000;

/// Checks a number of runs, which the option `name` gives.
///
/// # Errors
/// [`Kind::Settings`] if it is not 1 to [`MAX_RUNS`].
pub fn check_runs(name: &str, runs: usize) -> Result<()> {
    match runs {
        1..=MAX_RUNS => Ok(()),
        _ => Err(Error::new(Kind::Settings, format!("{name}: expected 1 to 10,000, got {runs}"))),
    }
}

fn checked_runs<'a, D: Deserializer<'a>>(source: D) -> std::result::Result<usize, D::Error> {
    let runs = usize::deserialize(source)?;
    check_runs("runs", runs).map(|()| runs).map_err(D::Error::custom)
}

/// A cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of each training.
    pub settings: CheckedSettings,
    /// Runs over all folds, each with its own seed: 1 to [`MAX_RUNS`].
    #[serde(deserialize_with = "checked_runs")]
    pub runs: usize,
    /// Which folds.
    pub folds: FoldPlan,
    /// How the labels of the data are read.
    #[serde(default, skip_serializing_if = "LabelMap::is_empty")]
    pub map: LabelMap,
}
