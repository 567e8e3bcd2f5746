//! `cv DATA -o DIR`

use super::options::TrainingOptions;
use super::source::{Found, Licensed};
use super::{Done, Outcome, interrupt, print_line, progress, table};
use crate::experiment::Plan;
use crate::experiment::cross_validate::{Event, Execution, check_folder, cross_validate};
use crate::experiment::results::Summary;
use clap::Args;
use reslstm::error::Result;
use reslstm::train::Settings;
use std::path::{Path, PathBuf};

/// Cross-validate: train and test on every fold, once a seed, and print the table.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes DIR/runs/runN.json, DIR/models/runN-foldM.safetensors, DIR/clips.json and DIR/summary.json. Killed at any moment, the \
                  same command with --resume goes on and ends with the same bytes.

Example: reslstm cv ravdess -o cv-h64 --arch reslstm-sa-h64 --runs 3"
)]
pub struct Cv {
    /// A RAVDESS folder, or a manifest .csv with the columns path,label,speaker
    data: PathBuf,
    /// Folder for results
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: TrainingOptions,
}

impl Cv {
    pub fn run(self) -> Outcome {
        let options = self.options.with_config()?;
        let (plan, threads) = (options.plan("all")?, options.threads()?);
        let corpus = Found::open(&self.data)?;
        corpus.splits(&plan.folds)?;
        check_folder(&self.output, &plan, options.resume)?;
        let data = corpus.load_for(&plan.settings, options.cache.as_deref(), threads).map_err(interrupt::resumable)?;
        let summary = run_plan(&data, &plan, &self.output, threads, options.resume).map_err(interrupt::resumable)?;
        print(&summary, self.json)?;
        Ok(Done::Everything)
    }
}

/// Cross-validates with progress.
pub fn run_plan(data: &Licensed, plan: &Plan, out: &Path, threads: usize, resume: bool) -> Result<Summary> {
    let folds = plan.folds.splits(&data.dataset().speakers())?.len();
    let bar = progress::bar((plan.runs * folds * plan.settings.epochs) as u64, &plan.settings.arch.to_string());
    let observe = |_: &Settings, event: Event<'_>| progress::epochs(&bar, 1, &event);
    let execution = Execution { threads, resume, stop: interrupt::stop_flag(), observe: &observe };
    let summary = cross_validate(&data.source(), &[(plan.clone(), out.to_path_buf())], &execution);
    bar.finish_and_clear();
    summary
}

/// Prints the table; for a single row its confusion matrix too.
pub fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        return print_line(serde_json::to_string(summary)?);
    }
    print_line(table::scores(summary))?;
    match &summary.models[..] {
        [model] => print_line(table::confusion(&model.confusion, &model.labels)),
        _ => Ok(()),
    }
}
