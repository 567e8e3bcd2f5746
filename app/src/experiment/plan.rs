//! What to cross-validate.

use reslstm::data::folds::FoldPlan;
use reslstm::train::Settings;
use serde::{Deserialize, Serialize};

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Each training.
    pub settings: Settings,
    /// Seeds, each a run over all folds.
    pub runs: usize,
    /// Which folds.
    pub folds: FoldPlan,
}
