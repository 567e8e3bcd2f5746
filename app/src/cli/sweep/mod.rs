//! `sweep plan|run|status|collect|emit`: many trainings, on any number of processes and machines.

mod emit;
mod grid;
mod run;

use super::options::{CacheOption, DataOptions, PAPER, Recipe, WrongCall};
use super::source::Found;
use super::{Done, Outcome, cv, interrupt, print_line};
use crate::experiment::job::{self, Trained};
use crate::files::{self, Existing};
use crate::sweep::{Copies, Folder, State};
use anyhow::Context;
use clap::{Args, Subcommand};
pub use grid::Grid;
use reslstm::error::{Error, Kind};
use reslstm::train::{Identity, Validation};
use serde_json::{Value, json};
use std::path::PathBuf;

/// How to continue a sweep after an interruption.
const SAME_COMMAND: &str = "the same command continues";

/// Train every combination of a grid of settings, on one or many machines.
#[derive(Debug, Args)]
#[command(after_help = "\
GRID.toml holds the settings of cv, each with a value or a list; every combination is a row of the table:
  model = ['lstm-sa', 'reslstm-sa']     # or arch = ['lstm-sa-h64', …]
  hidden = [32, 64]
  protocol = ['strict', 'published']
  runs = 3                              # seeds of each row, derived from `seed`
  folds = 'all'
What it leaves out comes from --recipe. inputs and augment have one value for all rows, \
because features are computed once for all rows.

Example: a plan, two processes that train it, and the table
  reslstm sweep plan grid.toml ravdess -o sweep --recipe paper
  reslstm sweep run sweep --shard 1/2 & reslstm sweep run sweep --shard 2/2; wait
  reslstm sweep collect sweep -o summary.json")]
pub struct Sweep {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(Plan),
    Run(run::Run),
    Status(Status),
    Collect(Collect),
    Emit(emit::Emit),
}

impl Sweep {
    pub fn run(self) -> Outcome {
        match self.command {
            Command::Plan(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Collect(command) => command.run(),
            Command::Emit(command) => command.run(),
        }
    }
}

/// Make a folder with the jobs of a grid.
#[derive(Debug, Args)]
#[command(after_help = "A job is named by its settings and data alone: a grid that grows keeps the results it has.

Example: reslstm sweep plan grid.toml ravdess -o sweep --recipe paper")]
struct Plan {
    /// The grid
    #[arg(value_name = "GRID.toml")]
    grid: PathBuf,
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    /// Folder of the plan, its jobs and their results
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Named settings: paper, voices, anywhere, speech, table1, or a TOML file
    #[arg(long, value_name = "NAME|FILE.toml", default_value = PAPER)]
    recipe: String,
    /// Replace the folder's plan; jobs in both keep their results
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    cache: CacheOption,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

impl Plan {
    fn run(self) -> Outcome {
        let recipe = Recipe::read(&self.recipe).map_err(WrongCall)?;
        let mut grid = Grid::read(&self.grid, &recipe).map_err(WrongCall)?;
        let reading = self.reading.reading();
        let corpus = Found::open(&self.data, &reading)?;
        // A grid that grows goes on with the frames that it has.
        let begun = Folder::<Identity>::open(&self.output).ok();
        let begun = begun.map(|folder| folder.plan().jobs[0].work.settings.clone());
        let frames = begun.map(|settings| (settings.window_ms, settings.hop_ms));
        corpus.settle_frames(&mut grid.rows, frames)?;
        let apart = grid.rows.iter().any(|row| row.validation == Validation::Apart);
        let validation = if apart { Validation::Apart } else { Validation::Train };
        let splits = corpus.splits_with_notes(&grid.folds, validation)?;
        Folder::<Identity>::check(&self.output)?;
        let threads = super::options::all_cores();
        let data = corpus
            .load_for(&grid.rows[0], self.cache.cache.as_deref(), threads)
            .map_err(interrupt::resumable_by(SAME_COMMAND))?;
        let place = emit::absolute(&self.data)?;
        let plan = job::plan(&grid.rows, grid.runs, &splits, &place, data.fingerprint());
        let plan = plan.with_context(|| self.grid.display().to_string())?;
        let Ok(Value::Object(reading)) = serde_json::to_value(&reading) else { unreachable!("a struct is an object") };
        let plan = plan.with_reading(reading).with_content(Some(data.content()?.to_string()));
        let existing = if self.replace { Existing::Replace } else { Existing::Refuse };
        let folder = Folder::create(&self.output, plan, existing)?;
        let (plan, dir) = (folder.plan(), self.output.display());
        let (rows, runs, folds, jobs) = (grid.rows.len(), grid.runs, splits.len(), plan.jobs.len());
        if self.json {
            let ids: Vec<&str> = plan.jobs.iter().map(|job| job.id.as_str()).collect();
            print_line(json!({ "plan": plan.fingerprint(), "rows": rows, "runs": runs, "folds": folds, "jobs": ids }))?;
        }
        let next = emit::quoted(&dir.to_string());
        message!("{dir}: {jobs} jobs: {rows} rows × {runs} runs × {folds} folds; next: reslstm sweep run {next}");
        Ok(Done::Everything)
    }
}

/// Show how much of a plan is done.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm sweep status sweep")]
struct Status {
    /// The folder of the plan, or copies of it from several machines
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Print the state of every job as JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    fn run(self) -> Outcome {
        let copies = Copies::<Identity>::open(&self.dirs)?;
        let (jobs, states) = (&copies.plan().jobs, copies.states()?);
        let results = copies.results(Trained::agrees)?;
        let count = |wanted: fn(&State) -> bool| states.iter().filter(|state| wanted(state)).count();
        let done = count(|state| *state == State::Done);
        let running = count(|state| *state == State::Running);
        let begun = count(|state| *state == State::Begun);
        let failed = count(|state| matches!(state, State::Failed(_)));
        let waiting = count(|state| *state == State::Waiting);
        let seconds: f64 = results.iter().flatten().map(|trained| trained.record.seconds).sum();
        let left = (done > 0).then(|| seconds / done as f64 * (jobs.len() - done) as f64);
        let plan = copies.plan().fingerprint();
        if self.json {
            let states: serde_json::Map<_, _> =
                jobs.iter().zip(&states).map(|(job, state)| (job.id.clone(), json!(state))).collect();
            print_line(json!({ "plan": plan, "done": done, "running": running, "begun": begun, "failed": failed,
                               "waiting": waiting, "seconds": seconds, "seconds_left": left, "jobs": states }))?;
            return Ok(Done::Everything);
        }
        let total = jobs.len();
        print_line(format_args!(
            "plan {plan}, {total} jobs: {done} done, {running} running, {begun} begun, {failed} failed, {waiting} waiting"
        ))?;
        if let Some(left) = left.filter(|&left| left > 0.0) {
            let minutes = left / 60.0;
            print_line(format_args!("about {minutes:.1} minutes of training left, one job at a time"))?;
        }
        for (job, state) in jobs.iter().zip(&states) {
            match state {
                State::Failed(problem) => print_line(format_args!("failed: {}: {problem}", job.id))?,
                State::Running => print_line(format_args!("running: {}", job.id))?,
                _ => {}
            }
        }
        Ok(Done::Everything)
    }
}

/// Print the results table, as cv does.
#[derive(Debug, Args)]
#[command(after_help = "The same bytes however the jobs were divided. Folders of several machines complete each other.

Example: reslstm sweep collect sweep copy-of-node-2/sweep -o summary.json")]
struct Collect {
    /// The folder of the plan, or copies of it from several machines
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Write summary.json here
    #[arg(short, long, value_name = "SUMMARY.json")]
    output: Option<PathBuf>,
    /// Print the rows that are complete
    #[arg(long)]
    partial: bool,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Collect {
    /// How many missing jobs are named.
    const MOST_NAMED: usize = 10;

    fn run(self) -> Outcome {
        if let Some(path) = &self.output {
            files::check_writable(path, Existing::Replace)?;
        }
        let copies = Copies::<Identity>::open(&self.dirs)?;
        let results = job::results(&copies)?;
        let (summary, missing) = job::summary(copies.plan(), &results);
        if !missing.is_empty() {
            let mut problem = format!("{} of {} jobs are missing", missing.len(), results.len());
            missing.iter().take(Self::MOST_NAMED).for_each(|id| problem += &format!("\n  {id}"));
            if missing.len() > Self::MOST_NAMED {
                problem += &format!("\n  and {} more", missing.len() - Self::MOST_NAMED);
            }
            if !self.partial || summary.models.is_empty() {
                let advice = "reslstm sweep run does them; --partial makes the table of the rows that are complete";
                return Err(Error::new(Kind::Data, problem).at(self.dirs[0].display()).advice(advice).into());
            }
            message!("note: {problem}\nthe table has the rows that are complete");
        }
        if let Some(path) = &self.output {
            files::write_json(path, &summary)?;
        }
        cv::print(&summary, self.json)?;
        Ok(Done::Everything)
    }
}
