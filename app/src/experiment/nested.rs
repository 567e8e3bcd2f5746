//! Nested cross-validation: the settings of a fold are chosen by its own training and validation speakers; only then are its test
//! speakers scored.
//!
//! ```text
//! OUT/choosing/fold0/NAME/    every candidate, cross-validated among the speakers that fold 0 does not test
//! OUT/choices.json            each fold's scores, and the candidate with the best
//! OUT/final/NAME/             each chosen candidate, cross-validated on the folds that chose it
//! OUT/tested/                 all folds pooled: a folder as cv makes it
//! ```
//! Varma and Simon, *Bias in error estimation when using cross-validation for model selection*, 2006.

use super::cross_validate::begun_plan;
use super::folder::{Begun, CLIPS, DAMAGED, Results, plan_path, read_plan, run_path};
use super::plan::Plan;
use super::results::{FoldRecord, ModelSummary, RunResult, Summary};
use crate::files::{self, read_json, write_json};
use crate::label_map::LabelMap;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{CheckedSettings, Protocol, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A set of settings to choose from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name in results; also the name of its folder.
    pub name: String,
    /// Its settings.
    pub settings: CheckedSettings,
}

impl Candidate {
    /// `name` must be of letters, digits, `-`, `_` and `.`, and begin with a letter or digit.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it is not, or if the settings choose anything on test speakers.
    pub fn new(name: &str, settings: CheckedSettings) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(plain) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let problem = format!("expected a name of letters, digits, '-', '_' and '.', got '{name}'");
            return Err(Error::new(Kind::Settings, problem).at("candidates"));
        }
        if settings.protocol == Protocol::Table1 {
            let problem =
                "protocol: expected strict or published, got table1, which chooses its epoch on test speakers";
            return Err(Error::new(Kind::Settings, problem).at(format!("candidate {name}")));
        }
        Ok(Candidate { name: name.into(), settings })
    }
}

/// A nested cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    /// At least one, each name once.
    pub candidates: Vec<Candidate>,
    /// The standard folds that choose and are tested.
    pub folds: Vec<usize>,
    /// Folds of the speakers that a fold does not test.
    pub inner: usize,
    /// Seeds a candidate is judged by.
    pub inner_runs: usize,
    /// How the labels of the data are read.
    pub map: LabelMap,
}

/// What a fold chose, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The fold.
    pub fold: usize,
    /// Name of the candidate with the largest mean; the first of equals.
    pub chosen: String,
    /// UAR of every candidate among the fold's training and validation speakers, pooled over the inner folds, one value per seed.
    pub uar: BTreeMap<String, Vec<f64>>,
}

impl Nested {
    /// The cross-validations before anything is chosen: every candidate for every fold, each in a folder of its own.
    pub fn choosing(&self, root: &Path) -> Vec<(&Candidate, Plan, PathBuf)> {
        let of_fold = |&fold: &usize| {
            self.candidates.iter().map(move |candidate| {
                let folds = FoldPlan::Within { fold, folds: self.inner };
                let (settings, runs, map) = (candidate.settings.clone(), self.inner_runs, self.map.clone());
                let plan = Plan { settings, runs, folds, map };
                (candidate, plan, choosing_folder(root, fold, &candidate.name))
            })
        };
        self.folds.iter().flat_map(of_fold).collect()
    }

    /// The choice of every fold, after [`choosing`](Self::choosing).
    ///
    /// # Errors
    /// Those of [`Results::read`].
    pub fn choices(&self, root: &Path) -> Result<Vec<Choice>> {
        self.folds.iter().map(|&fold| self.choice(root, fold)).collect()
    }

    fn choice(&self, root: &Path, fold: usize) -> Result<Choice> {
        let mut choice = Choice { fold, chosen: String::new(), uar: BTreeMap::new() };
        for candidate in &self.candidates {
            let results = Results::read(&choosing_folder(root, fold, &candidate.name))?;
            let uar = results.runs.iter().map(|run| run.scores.uar).collect();
            choice.uar.insert(candidate.name.clone(), uar);
            if choice.chosen.is_empty() || choice.mean(&candidate.name) > choice.mean(&choice.chosen) {
                choice.chosen = candidate.name.clone();
            }
        }
        Ok(choice)
    }

    /// The cross-validations after the choice: every chosen candidate on the folds that chose it, with `runs` seeds that
    /// come from `seed`.
    pub fn finals(&self, choices: &[Choice], runs: usize, seed: u64, root: &Path) -> Vec<(&Candidate, Plan, PathBuf)> {
        let mut finals = Vec::new();
        for candidate in &self.candidates {
            let chose = choices.iter().filter(|choice| choice.chosen == candidate.name);
            let folds: Vec<usize> = chose.map(|choice| choice.fold).collect();
            if !folds.is_empty() {
                let settings = Settings::clone(&candidate.settings).with(|it| it.seed = seed);
                let settings = settings.check().expect("another seed is as good");
                let plan = Plan { settings, runs, folds: FoldPlan::Standard(folds), map: self.map.clone() };
                finals.push((candidate, plan, root.join("final").join(&candidate.name)));
            }
        }
        finals
    }
}

impl Choice {
    /// Mean UAR of a candidate over its seeds.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn mean(&self, candidate: &str) -> f64 {
        let uar = &self.uar[candidate];
        uar.iter().sum::<f64>() / uar.len() as f64
    }
}

fn choosing_folder(root: &Path, fold: usize, candidate: &str) -> PathBuf {
    root.join(format!("choosing/fold{fold}")).join(candidate)
}

/// The settings that a candidate of this name was started with, for any of the folds.
///
/// # Errors
/// Those of [`begun_plan`].
pub fn begun_settings(root: &Path, folds: &[usize], candidate: &str) -> Result<Option<CheckedSettings>> {
    for &fold in folds {
        if let Some(plan) = begun_plan(&choosing_folder(root, fold, candidate))? {
            return Ok(Some(plan.settings));
        }
    }
    Ok(None)
}

/// Pools cross-validations of different folds in a folder as `cv` makes it. Its settings are those that most folds were
/// trained with.
///
/// # Errors
/// [`Kind::Data`] if they are not of the same data, or not all of their runs are finished; or if files cannot be read or written.
pub fn join(parts: &[PathBuf], out: &Path) -> Result<Summary> {
    let all = parts.iter().map(|folder| Results::read(folder)).collect::<Result<Vec<_>>>()?;
    let most = all.iter().rev().max_by_key(|part| part.runs[0].folds.len()).expect("there are parts");
    let mut folds: Vec<usize> = all.iter().flat_map(|part| &part.runs[0].folds).map(|fold| fold.split.fold()).collect();
    folds.sort_unstable();
    let plan = Plan { folds: FoldPlan::Standard(folds), ..most.plan.clone() };
    let mut runs = Vec::new();
    for number in 0..plan.runs {
        let of_part = |part: &Results| part.runs.get(number).filter(|run| run.run == number).cloned();
        let Some(parts) = all.iter().map(of_part).collect::<Option<Vec<RunResult>>>() else {
            let problem = format!("run {number} is not finished on every fold");
            return Err(Error::new(Kind::Data, problem).at(out.display()));
        };
        runs.push(join_run(&plan, parts)?);
    }
    for folder in ["runs", "models"].map(|name| out.join(name)) {
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
    }
    let begun: Begun = read_plan(&parts[0])?;
    write_json(&plan_path(out), &Begun { plan, data: runs[0].data.clone(), ..begun })?;
    write_json(&out.join(CLIPS), &all[0].clips)?;
    runs.iter().try_for_each(|run| write_json(&run_path(out, run.run), run))?;
    for models in parts.iter().map(|folder| folder.join("models")) {
        let failed = |error| Error::io(models.display(), error);
        for entry in models.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            files::write_atomically(&out.join("models").join(entry.file_name()), &files::read(&entry.path())?)?;
        }
    }
    let summary = Summary { models: vec![ModelSummary::new(&runs)] };
    write_json(&out.join("summary.json"), &summary)?;
    Ok(summary)
}

/// The folds of one run, of several cross-validations with different folds.
fn join_run(plan: &Plan, parts: Vec<RunResult>) -> Result<RunResult> {
    let RunResult { run, labels, data, made, .. } = parts[0].clone();
    if let Some(other) = parts.iter().find(|part| part.labels != labels) {
        let problem = format!("expected classes {}, got {}", labels.join(", "), other.labels.join(", "));
        return Err(Error::new(Kind::Data, problem));
    }
    let parameters = parts.iter().map(|part| part.parameters).max().expect("there are parts");
    let mut folds: Vec<FoldRecord> = parts.into_iter().flat_map(|part| part.folds).collect();
    folds.sort_by_key(|fold| fold.split.fold());
    Ok(RunResult::pool(run, &plan.settings, labels, &data, parameters, folds, made))
}

/// What was chosen before, if the folder has it.
///
/// # Errors
/// [`Kind::Data`] if the file cannot be understood.
pub fn earlier_choices(root: &Path) -> Result<Option<Vec<Choice>>> {
    let path = choices_path(root);
    path.exists().then(|| read_json(&path, DAMAGED)).transpose()
}

/// Where the choices are kept.
pub fn choices_path(root: &Path) -> PathBuf {
    root.join("choices.json")
}
