//! `cv DATA -o DIR`

use super::options::{Begun, CV, DataOptions, ExactLabels, TrainingOptions, thread_pool};
use super::source::{Found, Licensed};
use super::{Done, Outcome, interrupt, print_line, progress, table};
use crate::experiment::Plan;
use crate::experiment::baseline::{self, Baseline};
use crate::experiment::cross_validate::{Event, Execution, begun_plan, check_folder, cross_validate};
use crate::experiment::results::Summary;
use crate::files;
use clap::{Args, ValueEnum};
use reslstm::error::Result;
use reslstm::train::CheckedSettings;
use std::path::{Path, PathBuf};

/// Cross-validate: train and test on every fold, once per seed, and print the table.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: reslstm cv ravdess -o results --recipe speech --runs 3",
    after_long_help = "Writes DIR/runs/runN.json, DIR/models/runN-foldM.safetensors, DIR/clips.json and DIR/summary.json. If it is \
                       interrupted, even by SIGKILL, run the same command with --resume: the result is the same to the byte.

Example: reslstm cv ravdess -o results --recipe speech --runs 3
         reslstm cv ravdess EMOVO -o across --folds corpus"
)]
pub struct Cv {
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    ///
    /// Several are pooled: with the labels that all of them have, and speakers named CORPUS/NAME. --folds corpus then leaves out one
    /// at a time.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    reading: DataOptions,
    #[command(flatten)]
    exact: ExactLabels,
    /// Folder for results
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Add the scores of another kind of model on the same folds: svm
    ///
    /// svm: a linear support vector machine on mean and standard deviation of every feature column over a clip's frames, its C chosen
    /// among the speakers that a fold does not test. A second row has every speaker's clips normalised by all clips of that speaker,
    /// which is transductive. Written to DIR/baseline.json; for work that is finished, add --resume.
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    baseline: Option<BaselineName>,
    #[command(flatten)]
    options: TrainingOptions<CV>,
}

/// A kind of baseline.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BaselineName {
    /// Linear support vector machine on time averages
    Svm,
}

impl Cv {
    pub fn run(self) -> Outcome {
        let request = self.options.with_config()?;
        let reading = self.reading.reading();
        let corpus = Found::find_all(&self.data, &reading, self.exact.exact_labels)?;
        let begun = if request.work.resume { begun_plan(&self.output)? } else { None };
        let begun = begun.map(|plan| Begun::new(self.output.display(), &plan.settings, Some(&plan)));
        let frames = begun.as_ref().map(Begun::frames);
        let mut plan = request.plan(begun, || corpus.holds_features_only())?;
        plan.map = reading.map;
        corpus.print_notes();
        corpus.settle_frames([&mut plan.settings], frames)?;
        corpus.splits_with_notes(&plan.folds, plan.settings.validation)?;
        let (threads, resume) = (request.work.threads(), request.work.resume);
        check_folder(&self.output, &plan, resume)?;
        let data = corpus.load_for(&plan.settings, request.work.cache(), threads).map_err(interrupt::resumable)?;
        let summary = run_plan(&data, &plan, &self.output, threads, resume).map_err(interrupt::resumable)?;
        let baselines = match self.baseline {
            Some(BaselineName::Svm) => self.linear_svm(&data, &plan, threads)?,
            None => Vec::new(),
        };
        if self.json && !baselines.is_empty() {
            let mut all = serde_json::to_value(&summary)?;
            all["baselines"] = serde_json::to_value(&baselines)?;
            print_line(all.to_string())?;
            return Ok(Done::Everything);
        }
        print(&summary, self.json)?;
        if !baselines.is_empty() {
            print_line(table::baselines(&baselines))?;
        }
        Ok(Done::Everything)
    }

    /// The baseline on the plan's folds, written beside the results.
    fn linear_svm(&self, data: &Licensed, plan: &Plan, threads: usize) -> Result<Vec<Baseline>> {
        let splits = plan.folds.splits_of(data.dataset().speakers_and_labels())?;
        let pool = thread_pool(threads)?;
        let baselines = pool.install(|| baseline::linear_svm(data.dataset(), &splits))?.to_vec();
        files::write_json(&self.output.join("baseline.json"), &baselines)?;
        Ok(baselines)
    }
}

/// Cross-validates with progress.
pub fn run_plan(data: &Licensed, plan: &Plan, out: &Path, threads: usize, resume: bool) -> Result<Summary> {
    let folds = plan.folds.splits_of(data.dataset().speakers_and_labels())?.len();
    let epochs = (plan.runs * folds * plan.settings.total_epochs()) as u64;
    let bar = progress::bar(epochs, &plan.settings.model_name(), "epochs");
    let observe = |_: &CheckedSettings, event: Event<'_>| progress::epochs(&bar, 1, &event);
    let execution = Execution { threads, resume, stop: interrupt::stop_flag(), observe: &observe };
    let summary = cross_validate(&data.source()?, &[(plan.clone(), out.to_path_buf())], &execution);
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
