//! What every training command takes: flags, or a TOML file of the same names; flags win.

use anyhow::Context;
use clap::Args;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind};
use reslstm::train::cross_validate::Plan;
use reslstm::train::{Protocol, Recipe};
use serde::Deserialize;
use std::path::PathBuf;

/// The settings of a training; what is not said has the default in brackets.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainingOptions {
    /// The model: lstm-sa-hH, reslstm-sa-hH or lstm-sa-hH-2vectors, H being its hidden units [reslstm-sa-h64]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// strict (honest) or published (as the paper's code) [strict]
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// all, some as 0,3, k=5 for other divisions, or loso (leave one speaker out)
    #[arg(long, value_name = "FOLDS")]
    folds: Option<String>,
    /// Seeds, each a run over all folds [1]
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Every random number comes from it [0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Passes over the training clips [100]
    #[arg(long, value_name = "E")]
    epochs: Option<usize>,
    /// Clips in a batch [8]
    #[arg(long, value_name = "B")]
    batch: Option<usize>,
    /// Learning rate at the start of each cosine cycle [0.01]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Factor of the L2 penalty [0.0016]
    #[arg(long, value_name = "FACTOR")]
    weight_decay: Option<f64>,
    /// Probability that a feature is switched off before the last layer [0.2]
    #[arg(long, value_name = "P")]
    dropout: Option<f64>,
    /// Epochs of a cosine cycle [10]
    #[arg(long, value_name = "EPOCHS")]
    t0: Option<usize>,
    /// Trainings at a time [all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// A TOML file with these names, e.g. weight-decay = 0.001; flags win over it
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Go on with earlier work, or start where there is none
    #[arg(long)]
    #[serde(skip)]
    pub resume: bool,
    /// Folder of the feature cache [reslstm in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    pub cache: Option<PathBuf>,
}

impl TrainingOptions {
    /// What to run, checked: flags over the file over the defaults, with `folds` where nothing names any.
    pub fn plan(&self, folds: &str) -> anyhow::Result<Plan> {
        let file = self.read_config()?;
        let default = Recipe::default();
        let text = |flag: &Option<String>, file: &Option<String>| flag.clone().or_else(|| file.clone());
        let recipe = Recipe {
            arch: text(&self.arch, &file.arch).map_or(Ok(default.arch), |name| name.parse())?,
            protocol: text(&self.protocol, &file.protocol).map_or(Ok(Protocol::Strict), |name| name.parse())?,
            epochs: self.epochs.or(file.epochs).unwrap_or(default.epochs),
            batch: self.batch.or(file.batch).unwrap_or(default.batch),
            lr: self.lr.or(file.lr).unwrap_or(default.lr),
            weight_decay: self.weight_decay.or(file.weight_decay).unwrap_or(default.weight_decay),
            dropout: self.dropout.or(file.dropout).unwrap_or(default.dropout),
            t0: self.t0.or(file.t0).unwrap_or(default.t0),
            seed: self.seed.or(file.seed).unwrap_or(default.seed),
        };
        let folds: FoldPlan = text(&self.folds, &file.folds).as_deref().unwrap_or(folds).parse()?;
        Ok(Plan { settings: recipe.check()?, runs: self.runs.or(file.runs).unwrap_or(1), folds })
    }

    /// Trainings at a time.
    pub fn threads(&self) -> anyhow::Result<usize> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.threads.or(self.read_config()?.threads).unwrap_or(cores) {
            threads @ 1..=1024 => Ok(threads),
            other => Err(Error::new(Kind::Settings, format!("threads: expected 1 to 1024, got {other}")).into()),
        }
    }

    fn read_config(&self) -> anyhow::Result<TrainingOptions> {
        let Some(path) = &self.config else { return Ok(TrainingOptions::default()) };
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }
}
