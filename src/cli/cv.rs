//! `cv DATA -o DIR`

use super::options::TrainingOptions;
use super::source::{Licensed, load};
use super::{Done, Outcome, interrupt, progress, table};
use clap::Args;
use reslstm::error::Kind;
use reslstm::train::cross_validate::{Execution, Plan, cross_validate};
use reslstm::train::results::Summary;
use std::path::{Path, PathBuf};

/// Cross-validate: train and test on every fold, once a seed, and print the table.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes DIR/runs/runN.json, DIR/models/runN-foldM.safetensors and DIR/summary.json. Killed at any moment, the
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
        let plan = self.options.plan("all")?;
        let threads = self.options.threads()?;
        let data = load(&self.data, self.options.cache.as_deref(), threads)?;
        let summary = run_plan(&data, &plan, &self.output, threads, self.options.resume)?;
        print(&summary, self.json)?;
        Ok(Done::Everything)
    }
}

/// Cross-validates with progress.
pub fn run_plan(data: &Licensed, plan: &Plan, out: &Path, threads: usize, resume: bool) -> anyhow::Result<Summary> {
    let folds = plan.folds.splits(&data.dataset().speakers())?.len();
    let bar = progress::bar((plan.runs * folds * plan.settings.epochs) as u64, &plan.settings.arch.to_string());
    let execution = Execution { threads, resume, stop: interrupt::stop_flag(), observe: &|_, _, _, _| bar.inc(1) };
    let summary = cross_validate(&data.source(), plan, out, &execution);
    bar.finish_and_clear();
    summary.map_err(|error| match error.kind() {
        Kind::Interrupted => error.advice("the same command with --resume goes on from here").into(),
        _ => error.into(),
    })
}

fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(summary)?)?;
        return Ok(());
    }
    writeln!(out, "{}", table::scores(summary))?;
    for model in &summary.models {
        writeln!(out, "{}", table::confusion(&model.confusion, &model.labels))?;
    }
    Ok(())
}
