//! Figures of the results of `cv`: `figure confusion`, `learning-curves`, `seeds`, `groups`, `parameters`; and of those of
//! `robustness`: `robustness`, `reliability`.

use super::super::{Done, Outcome};
use super::Output;
use crate::experiment::Results;
use crate::experiment::results::{ModelSummary, RunResult, Summary};
use crate::experiment::robustness::Robustness;
use crate::files::read_json;
use crate::report::{Figure, confusion, groups, learning_curves, note_behind, parameters, robustness, seeds, title};
use clap::Args;
use reslstm::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// Reads a folder made by cv, with a note if runs are not finished.
fn read(folder: &Path) -> Result<Results> {
    let results = Results::read(folder)?;
    let (finished, planned) = (results.runs.len(), results.plan.runs);
    if finished < planned {
        message!("note: {}: {finished} of {planned} runs are finished", folder.display());
    }
    Ok(results)
}

/// Draw the confusion matrix (Fig. 4), in per cent, over all runs and folds.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm figure confusion cv-h64 -o confusion.svg")]
pub struct Confusion {
    /// A folder made by cv
    results: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Confusion {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        self.output.write(&draw_confusion(&read(&self.results)?))?;
        Ok(Done::Everything)
    }
}

/// Draws all runs and folds, pooled.
pub fn draw_confusion(results: &Results) -> Figure {
    let ModelSummary { confusion, labels, .. } = ModelSummary::new(&results.runs);
    Figure { svg: confusion::svg(&title(results), &confusion, &labels), csv: confusion::csv(&confusion, &labels) }
}

/// Draw loss and validation UAR of a run by epoch, with warm restarts and the kept epochs.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm figure learning-curves cv-h64 --run 0 -o curves.svg")]
pub struct LearningCurves {
    /// A folder made by cv
    results: PathBuf,
    /// Number of the run
    #[arg(long, value_name = "N", default_value_t = 0)]
    run: usize,
    /// Number of a fold [default: all]
    #[arg(long, value_name = "N")]
    fold: Option<usize>,
    #[command(flatten)]
    output: Output,
}

impl LearningCurves {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let results = read(&self.results)?;
        let (run, fold) = (self.run, self.fold);
        let among = |what: &str, numbers: Vec<usize>, got: usize| -> Result<()> {
            if numbers.contains(&got) {
                return Ok(());
            }
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            let problem = format!("{what}: expected one of {}, got {got}", numbers.join(", "));
            Err(Error::new(Kind::Settings, problem).at(self.results.display()))
        };
        among("run", results.runs.iter().map(|run| run.run).collect(), run)?;
        let shown = results.runs.iter().find(|result| result.run == run).expect("just found");
        fold.map_or(Ok(()), |fold| among("fold", shown.folds.iter().map(|fold| fold.split.fold()).collect(), fold))?;
        self.output.write(&draw_learning_curves(shown, fold))?;
        Ok(Done::Everything)
    }
}

/// Draws every fold of a run, or one.
pub fn draw_learning_curves(run: &RunResult, fold: Option<usize>) -> Figure {
    let (arch, protocol) = (run.settings.arch, run.settings.protocol);
    let note = note_behind(protocol);
    let title = format!("{arch}, {protocol} protocol, run {}: learning curves{note}", run.run);
    Figure { svg: learning_curves::svg(&title, run, fold), csv: learning_curves::csv(run, fold) }
}

/// Draw the UAR of every fold of every run, and pooled.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm figure seeds cv-h64 -o seeds.svg")]
pub struct Seeds {
    /// A folder made by cv
    results: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Seeds {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        self.output.write(&draw_seeds(&read(&self.results)?))?;
        Ok(Done::Everything)
    }
}

/// Draws all runs.
pub fn draw_seeds(results: &Results) -> Figure {
    Figure { svg: seeds::svg(&title(results), &results.runs), csv: seeds::csv(&results.runs) }
}

/// Draw the recall by emotion, sex and intensity, with its spread over runs.
#[derive(Debug, Args)]
#[command(
    after_help = "For sex and intensity the recall is the UAR over the classes that occur: RAVDESS has no strong neutral. \
                  Both are read from RAVDESS file names; other corpora are grouped by emotion alone.

Example: reslstm figure groups cv-h64 -o groups.svg"
)]
pub struct Groups {
    /// A folder made by cv
    results: PathBuf,
    /// Add the recalls of the paper's Fig. 4, one run of ResLSTM-SA-h64
    #[arg(long)]
    paper: bool,
    #[command(flatten)]
    output: Output,
}

impl Groups {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        self.output.write(&draw_groups(&read(&self.results)?, self.paper))?;
        Ok(Done::Everything)
    }
}

/// Draws all runs, with the recalls of the paper's Fig. 4 if `paper`.
pub fn draw_groups(results: &Results, paper: bool) -> Figure {
    let groups = groups::groups(results);
    Figure { svg: groups::svg(&title(results), &groups, paper), csv: groups::csv(&groups, &results.runs) }
}

/// Reads the result of robustness.
fn read_robustness(path: &Path) -> Result<Robustness> {
    let advice = "give a file that robustness -o wrote";
    let found: Robustness = read_json(path, advice)?;
    if found.conditions.is_empty() {
        let problem = "expected the result of robustness, found no conditions";
        return Err(Error::new(Kind::Data, problem).at(path.display()).advice(advice));
    }
    Ok(found)
}

/// Draw the UAR on the test speakers in every condition.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm robustness cv-h64 ravdess -o robustness.json
         reslstm figure robustness robustness.json -o robustness.svg")]
pub struct RobustnessFigure {
    /// A file written by robustness -o
    result: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl RobustnessFigure {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let found = read_robustness(&self.result)?;
        let (svg, csv) = (robustness::conditions_svg(&found), robustness::conditions_csv(&found));
        self.output.write(&Figure { svg, csv })?;
        Ok(Done::Everything)
    }
}

/// Draw the reliability diagram: accuracy against confidence, as recorded.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm robustness cv-h64 ravdess -o robustness.json
         reslstm figure reliability robustness.json -o reliability.svg")]
pub struct Reliability {
    /// A file written by robustness -o
    result: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Reliability {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let found = read_robustness(&self.result)?;
        let (svg, csv) = (robustness::reliability_svg(&found), robustness::reliability_csv(&found));
        self.output.write(&Figure { svg, csv })?;
        Ok(Done::Everything)
    }
}

/// Draw the UAR against the number of parameters, with the paper's Tables I and II.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm figure parameters cv-h32 cv-h64 cv-h128 -o parameters.svg")]
pub struct Parameters {
    /// Folders made by cv, or summary.json files
    #[arg(required = true)]
    results: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Parameters {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let mut models = Vec::new();
        for path in &self.results {
            match path.is_file() {
                true => {
                    models.extend(read_json::<Summary>(path, "give a folder that cv made, or its summary.json")?.models)
                }
                false => models.push(ModelSummary::new(&read(path)?.runs)),
            }
        }
        self.output.write(&draw_parameters(&models))?;
        Ok(Done::Everything)
    }
}

/// Draws several models, with those of the paper.
pub fn draw_parameters(models: &[ModelSummary]) -> Figure {
    let svg = parameters::svg("UAR on RAVDESS against the size of the model", models);
    Figure { svg, csv: parameters::csv(models) }
}
