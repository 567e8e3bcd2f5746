//! A cross-validation: its settings, runs and folds.

use crate::label_map::LabelMap;
use reslstm::data::folds::FoldPlan;
use reslstm::train::CheckedSettings;
use serde::{Deserialize, Serialize};

/// A cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of each training.
    pub settings: CheckedSettings,
    /// Runs over all folds, each with its own seed.
    pub runs: usize,
    /// Which folds.
    pub folds: FoldPlan,
    /// How the labels of the data are read.
    #[serde(default, skip_serializing_if = "LabelMap::is_empty")]
    pub map: LabelMap,
}
