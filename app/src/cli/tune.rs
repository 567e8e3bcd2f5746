//! `tune DATA --study FILE --trials N`

use super::options::{Begun, DataOptions, PAPER, Request, TABLE1, TUNE, TrainingOptions, WrongCall, wrong_call};
use super::source::Found;
use super::{Done, Outcome, commands, interrupt, print_line, progress};
use crate::experiment::results::Made;
use crate::experiment::trial::{
    Objective, Observer, StudyIdentity, caution, check_space, maximised, option_of, settings,
};
use crate::experiment::{CONTENT_UNKNOWN, Plan};
use crate::files;
use crate::terminal::print_event;
use crate::tune::study::Progress;
use crate::tune::{Claim, Ending, Journal, Search, Snapshot, Space, Study, optimise};
use clap::Args;
use indicatif::ProgressBar;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{EpochRecord, Protocol, Validation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Search hyper-parameters by cross-validation.
///
/// They are learning rate, weight decay, dropout, cycle length and batch size, or those of a search space of your own.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: reslstm tune ravdess --study study.journal --trials 50 --recipe paper --space code",
    after_long_help = "FILE is an Optuna journal: optuna-dashboard shows it, and Python workers and any number of these commands may \
                       work on it at the same time. If it is interrupted, even by SIGKILL, run the same command again.

SPACE.toml: lr = { type = \"float\", low = 1e-4, high = 1e-2, log = true }
            t0 = { type = \"int\", low = 1, high = 10 }
            batch_size = { type = \"categorical\", choices = [8, 16] }

Example: reslstm tune ravdess --study study.journal --trials 50 --recipe paper --space code"
)]
pub struct Tune {
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    /// Optuna journal file; created if missing
    ///
    /// Unfinished trials are kept in FILE.trials.
    #[arg(long, value_name = "FILE")]
    study: PathBuf,
    /// Total number of trials, including those in the journal
    #[arg(long, value_name = "N")]
    trials: usize,
    /// Search space: paper, code (wider, of the paper's code), table1 (code without the batch size) or a TOML file [default: paper;
    /// table1 under that protocol]
    #[arg(long, value_name = "NAME|FILE.toml")]
    space: Option<String>,
    /// Study of the journal [default: the only one, or named as the file]
    #[arg(long, value_name = "NAME")]
    study_name: Option<String>,
    /// First end these running trials as failed, such as 0,3
    ///
    /// A trial whose process ended without a result counts as running, as in Optuna. The search names such trials.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    fail_trials: Vec<usize>,
    /// Print events and the result as JSON, one per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: TrainingOptions<TUNE>,
}

impl Tune {
    pub fn run(self) -> Outcome {
        let request = self.options.with_config()?;
        let begun = if request.work.resume { self.begun() } else { None };
        let is_new = begun.is_none();
        let frames = begun.as_ref().map(Begun::frames);
        let mut plan = request.plan(begun, || false)?;
        let table1 = plan.settings.protocol == Protocol::Table1;
        let space = self.space.as_deref().unwrap_or(if table1 { "table1" } else { "paper" });
        let space = read_space(space).map_err(WrongCall)?;
        self.check(&request, &plan, &space)?;
        let threads = request.work.threads();
        let recipe = if table1 { TABLE1 } else { PAPER };
        let repeat = |trials| repeat_command(trials, (is_new && request.names_no_recipe()).then_some(recipe));
        let corpus = Found::open(&self.data, &self.reading.reading())?;
        plan.map = self.reading.reading().map;
        corpus.settle_frames([&mut plan.settings], frames)?;
        let splits = corpus.splits_with_notes(&plan.folds, plan.settings.validation)?;
        if self.study.is_dir() {
            let error = Error::new(Kind::Settings, "expected a file to write, found a folder");
            return Err(error.at(self.study.display()).into());
        }
        let made = Made::now(threads);
        let journal = Journal::open(&self.study, &format!("reslstm-{}-{}", made.host, std::process::id()))?;
        let journal = journal.stopped_by(interrupt::stop_flag());
        if let Some(caution) = caution(plan.settings.protocol) {
            message!("warning: {caution}");
        }
        let continuing = format!("continue with: {}", repeat(self.trials));
        let resumable = interrupt::resumable_by(&continuing);
        let data = corpus.load_for(&plan.settings, request.work.cache(), threads).map_err(&resumable)?;

        let identity = StudyIdentity::new(data.fingerprint(), data.content()?, &plan, &space);
        let accept = |earlier: &Value| match identity.difference(earlier) {
            None => {
                if earlier.get("content").is_none() {
                    message!("note: {}: {CONTENT_UNKNOWN}", self.study.display());
                }
                Ok(())
            }
            Some(difference) => {
                let problem = format!("this study was started with other settings or data: {difference}");
                let advice = "use the settings it was started with, or start another study";
                Err(Error::new(Kind::Settings, problem).advice(advice))
            }
        };
        let search = Search { space: space.clone(), seed: plan.settings.seed, trials: self.trials };
        let study = Study::open(journal, self.study_name.as_deref(), search, &json!(identity), accept)?;
        study.fail(&self.fail_trials).map_err(|error| error.at("--fail-trials"))?;
        let monitor = Monitor::new(&study, self.trials, (splits.len(), plan.settings.total_epochs()), self.json);
        let base = &plan.settings;
        let objective = Objective {
            source: data.source()?,
            base,
            splits: &splits,
            space: &space,
            study: &study,
            observer: &monitor,
            stop: interrupt::stop_flag(),
        };
        let outcome = optimise(&study, threads, interrupt::stop_flag(), |claim| objective.run(claim));
        monitor.bar.finish_and_clear();
        outcome.map_err(resumable)?;
        self.report(&study, &space, &plan, &repeat(self.trials * 2))?;
        name_running(&study, &repeat(self.trials))?;
        Ok(if monitor.refused.load(Ordering::Relaxed) { Done::SomeFailed } else { Done::Everything })
    }

    /// Refuses settings that a search cannot have.
    fn check(&self, request: &Request, plan: &Plan, space: &Space) -> std::result::Result<(), WrongCall> {
        if self.trials == 0 {
            return Err(wrong_call("--trials: expected at least 1, got 0", "it is the total number of trials"));
        }
        if plan.runs != 1 {
            let problem = format!("--runs: expected 1, got {}", plan.runs);
            return Err(wrong_call(problem, "a trial is one run over the folds"));
        }
        let table1 = plan.settings.protocol == Protocol::Table1;
        if table1 && space.get("batch_size").is_some() {
            let advice = "--space table1 has the other parameters of code";
            return Err(wrong_call("batch_size: expected one batch size under table1, got a range", advice));
        }
        if plan.settings.validation != Validation::Apart && !table1 {
            let advice = "a search scores its trials on the validation speakers: --validation apart";
            return Err(wrong_call("--validation: expected apart, got train", advice));
        }
        let mut searched = space.names().filter_map(option_of);
        if let Some(option) = searched.find(|option| request.gives(option)) {
            let problem = format!("--{option}: expected no value, as it is searched");
            return Err(wrong_call(problem, "leave it out, or search a space without it"));
        }
        check_space(space, &plan.settings).map_err(WrongCall)
    }

    /// The settings of the study, if there is one. What cannot be read is refused later, with its reason.
    fn begun(&self) -> Option<Begun> {
        let identity = Snapshot::read(&self.study, self.study_name.as_deref()).ok()?.identity?;
        let StudyIdentity { settings, folds, .. } = serde_json::from_value(identity).ok()?;
        Some(Begun { place: self.study.display().to_string(), settings, plan: Some((1, folds.to_string())) })
    }

    /// Prints the best trial, and what to do with it; `more` is the command that continues the search.
    fn report(&self, study: &Study, space: &Space, plan: &Plan, more: &str) -> anyhow::Result<()> {
        let Progress { complete, pruned, failed, running, best } = study.progress()?;
        if self.json {
            let best = best
                .map(|(trial, value, parameters)| json!({ "trial": trial, "value": value, "parameters": parameters }));
            print_line(
                json!({ "event": "done", "study": study.name(), "complete": complete, "pruned": pruned, "failed": failed,
                               "running": running, "best": best }),
            )?;
            return Ok(());
        }
        let what = maximised(plan.settings.protocol);
        if let Some((number, value, parameters)) = &best {
            print_line(format!(
                "trial {number}: {what} {value:.4}, the best of {complete} complete and {pruned} pruned trials"
            ))?;
            for name in space.names() {
                print_line(format!("  {name:<12} {}", parameters.get(name).unwrap_or(&Value::Null)))?;
            }
            message!("to continue:      {more}");
            let settings = settings(space, &plan.settings, parameters)?;
            let trial = Plan { settings, ..plan.clone() };
            message!("to train with it: {}{}", commands::cv(&self.data.display().to_string(), &trial), self.reading);
        } else {
            print_line(format!("no trial is complete, {pruned} are pruned"))?;
        }
        Ok(())
    }
}

/// Names the trials that are running, and how to end those that nobody may work on; `again` is the command of this process.
fn name_running(study: &Study, again: &str) -> Result<()> {
    let list = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let abandoned = study.maybe_abandoned()?;
    let mut running = study.progress()?.running;
    running.retain(|number| !abandoned.contains(number));
    if !running.is_empty() {
        message!("note: trials {} are still running in another process", list(&running));
    }
    if !abandoned.is_empty() {
        let numbers = list(&abandoned);
        message!(
            "note: trials {numbers} count as running: Optuna works on them, or their process ended without a result"
        );
        message!("to end them as failed: {again} --fail-trials {numbers}");
    }
    Ok(())
}

/// A preset, or a file.
fn read_space(name: &str) -> Result<Space> {
    if let Some(space) = Space::preset(name) {
        return Ok(space);
    }
    let path = Path::new(name);
    let bytes = files::read(path)
        .map_err(|error| error.advice(format!("expected {} or a TOML file", Space::PRESETS.join(", "))))?;
    let text = String::from_utf8_lossy(&bytes);
    Space::from_toml(&text).map_err(|error| error.at(path.display()))
}

/// The command of this process, with this many trials, and with the name of its recipe where it names none.
fn repeat_command(trials: usize, recipe: Option<&str>) -> String {
    let mut words = vec!["reslstm".to_string()];
    let mut value_follows = false;
    for word in std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()) {
        words.push(match word.strip_prefix("--trials") {
            _ if value_follows => trials.to_string(),
            Some(value) if value.starts_with('=') => format!("--trials={trials}"),
            _ => commands::quote(&word),
        });
        value_follows = word == "--trials" && !value_follows;
    }
    if let Some(recipe) = recipe {
        words.extend(["--recipe", recipe].map(String::from));
    }
    words.join(" ")
}

/// A progress bar for people, events for programs.
struct Monitor<'a> {
    study: &'a Study,
    bar: ProgressBar,
    json: bool,
    trials: usize,
    folds: u64,
    epochs: u64,
    /// Epochs that each trial under way here still has before it.
    open: Mutex<BTreeMap<usize, u64>>,
    /// Whether a queued trial was refused.
    refused: AtomicBool,
}

impl<'a> Monitor<'a> {
    fn new(study: &'a Study, trials: usize, (folds, epochs): (usize, usize), json: bool) -> Self {
        let (folds, epochs) = (folds as u64, epochs as u64);
        Monitor {
            study,
            bar: progress::bar(0, "search", "epochs"),
            json,
            trials,
            folds,
            epochs,
            open: Mutex::default(),
            refused: AtomicBool::default(),
        }
    }

    /// Fits the bar to the epochs that are left.
    fn resize(&self) -> Result<()> {
        let Progress { complete, pruned, running, best, .. } = self.study.progress()?;
        let finished = complete + pruned;
        let untouched = self.trials.saturating_sub(finished + running.len()) as u64;
        let open: u64 = self.open().values().sum();
        self.bar.set_length(self.bar.position() + open + untouched * self.folds * self.epochs);
        let best = best.map_or(String::new(), |(_, value, _)| format!(", best {value:.4}"));
        self.bar.set_message(format!("{finished} of {} trials{best}", self.trials));
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, u64>> {
        self.open.lock().expect("no worker panics")
    }

    fn event(&self, event: impl FnOnce() -> Value) {
        if self.json {
            print_event(&event());
        }
    }
}

impl Observer for Monitor<'_> {
    fn begin(&self, claim: &Claim) -> Result<()> {
        self.open().insert(claim.number, self.folds * self.epochs);
        self.resize()?;
        for warning in &claim.warnings {
            self.bar.suspend(|| message!("warning: trial {}: {warning}", claim.number));
        }
        self.event(|| {
            json!({ "event": "trial", "trial": claim.number, "parameters": claim.parameters, "warnings": claim.warnings,
                         "folds_reported": claim.reported.map_or(0, |last| last + 1) })
        });
        Ok(())
    }

    fn epoch(&self, trial: usize, fold: usize, epoch: usize, record: &EpochRecord) {
        self.open().entry(trial).and_modify(|left| *left = left.saturating_sub(1));
        self.bar.inc(1);
        self.event(|| {
            json!({ "event": "epoch", "trial": trial, "fold": fold, "epoch": epoch + 1,
                         "loss": record.loss, "validation_uar": record.validation_uar })
        });
    }

    fn fold(&self, trial: usize, fold: usize, done: usize, value: f64, detail: &Value) -> Result<()> {
        self.open().insert(trial, (self.folds - done as u64) * self.epochs);
        self.resize()?;
        self.event(|| json!({ "event": "fold", "trial": trial, "fold": fold, "value": value, "detail": detail }));
        Ok(())
    }

    fn refused(&self, trial: usize, problem: &Error) {
        self.refused.store(true, Ordering::Relaxed);
        self.bar.suspend(|| message!("error: trial {trial}: {problem}: the trial failed, the search goes on"));
    }

    fn end(&self, trial: usize, ending: Ending) -> Result<()> {
        self.open().remove(&trial);
        self.resize()?;
        self.event(|| match ending {
            Ending::Complete(value) => json!({ "event": "complete", "trial": trial, "value": value }),
            Ending::Pruned => json!({ "event": "pruned", "trial": trial }),
            Ending::Failed => json!({ "event": "failed", "trial": trial }),
        });
        Ok(())
    }
}
