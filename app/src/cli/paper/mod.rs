//! `paper DATA -o DIR`: the paper's tables and figures from one command.

mod figures;
mod hyperparameters;
mod tables;

use super::options::{DataOptions, WorkOptions, WrongCall};
use super::source::{Found, Licensed};
use super::{Done, Outcome, interrupt, print_line, progress};
use crate::experiment::Plan;
use crate::experiment::Results;
use crate::experiment::cross_validate::{Event, Execution, begun_plan, check_folder, check_new, cross_validate};
use crate::experiment::folder::write_clips;
use crate::experiment::plan::check_runs;
use crate::files::FolderLock;
use crate::report::decomposition::{self, DECOMPOSED};
use crate::report::table1::{MODELS, PROTOCOLS, difference, name};
use clap::Args;
pub use hyperparameters::Hyperparameters;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::Architecture;
use reslstm::train::{CheckedSettings, Protocol, Validation};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tables::Tables;

/// Train the paper's models under three protocols, and make its tables and figures.
#[derive(Debug, Args)]
#[command(
    after_help = "Each model and protocol is a cross-validation in DIR/MODEL-PROTOCOL, as cv makes it, all with the same seeds. Run 0 of \
                  every one comes first, then run 1. After each run the tables in DIR are updated; figures come last, in \
                  DIR/figures. If it is interrupted, even by SIGKILL, run the same command with --resume: the result is the \
                  same to the byte.

strict chooses nothing on the test speakers. published does as the paper's code. table1 does as the paper's Table I seems to have been \
made: it also keeps the epoch that is best on the test speakers, so its scores are too high. For the two h64 models it also trains \
without the validation speakers (MODEL-table1-apart), to show what each choice is worth (decomposition.txt).

Example: all of Table I, 1,150 trainings; and its tables and figures again, without the corpus
  reslstm paper ravdess -o paper
  reslstm paper --tables -o paper"
)]
pub struct Paper {
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    #[arg(required_unless_present = "tables")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: DataOptions,
    /// Folder for results, tables and figures
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Only make tables and figures again, from the runs in DIR
    #[arg(long, conflicts_with_all = ["data", "arch", "protocol", "runs", "epochs", "folds", "hyperparameters", "threads", "resume",
                                      "cache"])]
    tables: bool,
    /// Models, separated by commas [default: the seven of Table I]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    arch: Vec<Architecture>,
    /// Protocols, separated by commas [default: strict, published and table1]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    protocol: Vec<Protocol>,
    /// Runs over all folds of each model and protocol, each with its own seed
    #[arg(long, value_name = "N", default_value_t = 10)]
    runs: usize,
    /// Passes over the training clips
    #[arg(long, value_name = "E", default_value_t = 100)]
    epochs: usize,
    /// Folds: all, some as 0,3, k=5 for other divisions, or loso (leave one speaker out)
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    folds: FoldPlan,
    /// Hyper-parameters of each family and protocol [default: those found for this program]
    ///
    /// The file has lr, weight-decay, dropout, t0 and batch in [lstm-sa.strict], [lstm-sa.published], [lstm-sa.table1] and the same
    /// three of reslstm-sa, as app/data/hyperparameters.toml of the sources.
    #[arg(long, value_name = "FILE.toml")]
    hyperparameters: Option<PathBuf>,
    #[command(flatten)]
    work: WorkOptions,
    /// Print the tables as JSON
    #[arg(long)]
    json: bool,
}

impl Paper {
    pub fn run(self) -> Outcome {
        if let Some(data) = &self.data {
            self.train(data)?;
        }
        let tables = Tables::new(&self.output)?;
        tables.write(&self.output)?;
        figures::draw_results(&self.output)?;
        message!("figures are in {}", self.output.join("figures").display());
        print_line(if self.json { serde_json::to_string(&tables)? } else { tables.text() })?;
        Ok(Done::Everything)
    }

    fn train(&self, data: &Path) -> anyhow::Result<()> {
        let mut plans = self.plans().map_err(WrongCall)?;
        let threads = self.work.threads();
        let corpus = Found::open(data, &self.reading.reading())?;
        let splits = corpus.splits_with_notes(&self.folds, Validation::Apart)?;
        let _lock = FolderLock::acquire(&self.output)?;
        if !self.work.resume {
            check_new(&self.output)?;
        }
        let begun = plans.iter().map(|(_, folder)| begun_plan(folder)).collect::<Result<Vec<_>>>()?;
        let frames = begun.into_iter().flatten().next().map(|plan| (plan.settings.window_ms, plan.settings.hop_ms));
        corpus.settle_frames(plans.iter_mut().map(|(plan, _)| &mut plan.settings), frames)?;
        plans.iter().try_for_each(|(plan, folder)| check_folder(folder, plan, self.work.resume))?;
        Tables::check_writable(&self.output)?;
        let data = corpus.load_for(&plans[0].0.settings, self.work.cache(), threads);
        let data = data.map_err(interrupt::resumable)?;
        for there in Results::read_all(&self.output)? {
            if let Some(difference) = difference(&there, &plans[0].0, data.fingerprint()) {
                let row = name(&there.plan.settings);
                let problem = format!("{row} would not be of one table with these settings: {difference}");
                let error = Error::new(Kind::Settings, problem).at(self.output.display());
                return Err(error.advice("use what the folder was started with, or choose another one").into());
            }
        }
        write_clips(&self.output, data.dataset())?;
        self.cross_validate(&data, &plans, splits.len(), threads).map_err(interrupt::resumable)?;
        let mut rows = plans.iter().map(|(plan, _)| name(&plan.settings));
        rows.try_for_each(|row| figures::draw_model(&self.output, &row, &splits[0], &data))?;
        Ok(())
    }

    /// Every row of the table, and its folder.
    fn plans(&self) -> Result<Vec<(Plan, PathBuf)>> {
        check_runs("--runs", self.runs)?;
        let hyperparameters = Hyperparameters::read(self.hyperparameters.as_deref())?;
        let models = if self.arch.is_empty() {
            MODELS.map(|name| name.parse().expect("a valid name")).to_vec()
        } else {
            self.arch.clone()
        };
        let mut plans: Vec<(Plan, PathBuf)> = Vec::new();
        let is_wanted = |protocol: &Protocol| self.protocol.is_empty() || self.protocol.contains(protocol);
        for protocol in PROTOCOLS.into_iter().filter(is_wanted) {
            for &arch in &models {
                let choice = hyperparameters.choice(arch.family(), protocol)?;
                let settings = choice.settings(arch, protocol, self.epochs)?;
                let mut all = vec![settings.clone()];
                if protocol == Protocol::Table1 && DECOMPOSED.contains(&&*arch.to_string()) {
                    all.push(decomposition::apart(&settings));
                }
                for settings in all {
                    let folder = self.output.join(name(&settings));
                    let plan =
                        Plan { settings, runs: self.runs, folds: self.folds.clone(), map: self.reading.reading().map };
                    if !plans.iter().any(|(other, _)| *other == plan) {
                        message!("{}: {choice}", name(&plan.settings));
                        plans.push((plan, folder));
                    }
                }
            }
        }
        Ok(plans)
    }

    /// Trains, with one bar over everything whose steps are multiply-adds of a frame, so that time left is honest.
    fn cross_validate(&self, data: &Licensed, plans: &[(Plan, PathBuf)], folds: usize, threads: usize) -> Result<()> {
        let epoch = |settings: &CheckedSettings| settings.arch.multiply_adds(data.dataset().width()) as u64;
        let all = |plan: &Plan| (plan.runs * folds * plan.settings.total_epochs()) as u64 * epoch(&plan.settings);
        let bar = progress::share_bar(plans.iter().map(|(plan, _)| all(plan)).sum(), "paper");
        let writing = Mutex::new(());
        let observe = |settings: &CheckedSettings, event: Event<'_>| {
            progress::epochs(&bar, epoch(settings), &event);
            let Event::Run(result) = event else { return };
            bar.suspend(|| message!("{} run {}: UAR {:.4}", name(settings), result.run, result.scores.uar));
            let _one_at_a_time = writing.lock().expect("no writer panics");
            // The work goes on where a table cannot be written; whether the last one can is seen at the end.
            if let Err(error) = Tables::new(&self.output).and_then(|tables| tables.write(&self.output)) {
                bar.suspend(|| message!("warning: the tables are not up to date: {error}"));
            }
        };
        let stop = interrupt::stop_flag();
        let execution = Execution { threads, resume: self.work.resume, stop, observe: &observe };
        let summary = cross_validate(&data.source()?, plans, &execution);
        bar.finish_and_clear();
        summary.map(|_| ())
    }
}
