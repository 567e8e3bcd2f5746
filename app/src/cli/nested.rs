//! `nested DATA -o DIR --candidates FILE.toml`

use super::options::WorkOptions;
use super::source::Found;
use super::{Done, Outcome, cv, interrupt, progress};
use crate::experiment::Plan;
use crate::experiment::cross_validate::{Event, Execution, check_folder, check_new, cross_validate};
use crate::experiment::nested::{Candidate, Choice, Nested, choices_path, earlier_choices, join};
use crate::files;
use anyhow::Context;
use clap::Args;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::identity::first_difference;
use reslstm::train::{Recipe, Settings};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Choose a recipe for every fold without its test speakers, then test it on them once.
#[derive(Debug, Args)]
#[command(
    after_help = "The candidates, each the settings of cv that differ from [all] (an augment is a table, as --augment FILE.toml has it):
  all = { weights = 'average', t0 = 10, augment = { speeds = [0.9, 1.0, 1.1], stretch = 0.2, noise = 0.5 } }
  [candidates]
  plain = {}
  deltas = { inputs = 'deltas' }
  louder = { augment = { noise = 0.8 } }

For every fold each candidate is cross-validated among the speakers that the fold does not test; the best is trained on the fold with
new seeds, and only then do its test speakers come in. DIR/tested is a folder as cv leaves, of all folds together. Killed at any
moment, the same command with --resume goes on. Until the test speakers come in, candidates may be added.

Example: reslstm nested ravdess -o nested --candidates candidates.toml --choose-only
         reslstm nested ravdess -o nested --candidates candidates.toml --resume --runs 10"
)]
pub struct NestedCommand {
    /// A RAVDESS folder, or a manifest .csv with the columns path,label,speaker
    data: PathBuf,
    /// Folder for results
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// The recipes to choose among
    #[arg(long, value_name = "FILE.toml")]
    candidates: PathBuf,
    /// Standard folds: all, or some as 0,3
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    folds: FoldPlan,
    /// Folds of the speakers that a fold does not test
    #[arg(long, value_name = "K", default_value_t = 4)]
    inner: usize,
    /// Seeds that a candidate is judged by
    #[arg(long, value_name = "N", default_value_t = 1)]
    inner_runs: usize,
    /// Seeds of the final runs, each over all folds
    #[arg(long, value_name = "N", default_value_t = 10)]
    runs: usize,
    /// The final runs' random numbers come from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Stop when every fold has chosen, before any test speaker comes in
    #[arg(long)]
    choose_only: bool,
    #[command(flatten)]
    work: WorkOptions,
    /// Print the choices, then the summary, as JSON
    #[arg(long)]
    json: bool,
}

impl NestedCommand {
    pub fn run(self) -> Outcome {
        let nested = self.plan()?;
        if !self.work.resume {
            check_new(&self.output)?;
        }
        let corpus = Found::open(&self.data)?;
        self.train(&corpus, &nested.choosing(&self.output), "choosing")?;
        let choices = nested.choices(&self.output)?;
        self.keep(&choices)?;
        match self.json {
            true => super::print_line(serde_json::to_string(&choices)?)?,
            false => super::print_line(table(&nested, &choices))?,
        }
        if self.choose_only {
            return Ok(Done::Everything);
        }
        let finals = nested.finals(&choices, self.runs, self.seed, &self.output);
        self.train(&corpus, &finals, "final")?;
        let parts: Vec<PathBuf> = finals.into_iter().map(|(_, _, folder)| folder).collect();
        cv::print(&join(&parts, &self.output.join("tested"))?, self.json)?;
        Ok(Done::Everything)
    }

    fn plan(&self) -> anyhow::Result<Nested> {
        let FoldPlan::Standard(folds) = &self.folds else {
            let problem = format!("folds: expected all or some as 0,3, got {}", self.folds);
            return Err(Error::new(Kind::Settings, problem).into());
        };
        let candidates = candidates(&self.candidates).with_context(|| self.candidates.display().to_string())?;
        Ok(Nested { candidates, folds: folds.clone(), inner: self.inner, inner_runs: self.inner_runs })
    }

    /// Writes the choices down. Once test speakers have come in, they are what they are.
    fn keep(&self, choices: &[Choice]) -> Result<()> {
        let earlier = earlier_choices(&self.output)?;
        let tested = self.output.join("final").exists();
        let difference = earlier.and_then(|earlier| first_difference("choices", &json!(earlier), &json!(choices)));
        if let Some(difference) = difference.filter(|_| tested) {
            let problem = format!("the test speakers came in after another choice: {difference}");
            let advice = "a new choice needs a new folder, and is no longer made without a look at the test speakers";
            return Err(Error::new(Kind::Settings, problem).at(self.output.display()).advice(advice));
        }
        files::write_json(&choices_path(&self.output), &choices)
    }

    /// Cross-validates, those that read the same of a clip together, with one bar whose steps are multiply-adds.
    fn train(&self, corpus: &Found, plans: &[(&Candidate, Plan, PathBuf)], what: &str) -> Result<()> {
        let threads = self.work.threads();
        plans.iter().try_for_each(|(_, plan, folder)| check_folder(folder, plan, self.work.resume))?;
        let reads = |settings: &Settings| (settings.inputs.features(), settings.other_conditions());
        let width = |settings: &Settings| settings.inputs.features().width();
        let epoch = |settings: &Settings| settings.arch.multiply_adds(width(settings)) as u64;
        let mut total = 0;
        for (_, plan, _) in plans {
            let trainings = plan.runs * corpus.splits(&plan.folds)?.len();
            total += (trainings * plan.settings.epochs) as u64 * epoch(&plan.settings);
        }
        let bar = progress::share_bar(total, what);
        let observe = |settings: &Settings, event: Event<'_>| progress::epochs(&bar, epoch(settings), &event);
        let mut left: Vec<&(&Candidate, Plan, PathBuf)> = plans.iter().collect();
        while let Some((_, first, _)) = left.first() {
            let same = |(_, plan, _): &&&(&Candidate, Plan, PathBuf)| reads(&plan.settings) == reads(&first.settings);
            let now: Vec<(Plan, PathBuf)> =
                left.iter().filter(same).map(|(_, plan, folder)| (plan.clone(), folder.clone())).collect();
            let later = left.iter().filter(|plan| !same(plan)).copied().collect();
            let data = corpus.clone().load_for(&first.settings, self.work.cache.as_deref(), threads);
            let data = data.map_err(interrupt::resumable)?;
            let execution =
                Execution { threads, resume: self.work.resume, stop: interrupt::stop_flag(), observe: &observe };
            cross_validate(&data.source(), &now, &execution).map_err(interrupt::resumable)?;
            left = later;
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// The candidates of a file, by name.
fn candidates(path: &Path) -> anyhow::Result<Vec<Candidate>> {
    let mut file: toml::Table = std::fs::read_to_string(path)?.parse()?;
    let mut table = |name: &str| match file.remove(name) {
        None => Ok(toml::Table::new()),
        Some(toml::Value::Table(table)) => Ok(table),
        Some(other) => {
            let problem = format!("{name}: expected a table, got {}", other.type_str());
            Err(Error::new(Kind::Settings, problem))
        }
    };
    let (all, candidates) = (table("all")?, table("candidates")?);
    if let Some(unknown) = file.keys().next() {
        anyhow::bail!(Error::new(Kind::Settings, format!("expected all and candidates, got {unknown}")));
    }
    if candidates.is_empty() {
        let error = Error::new(Kind::Settings, "expected a table of candidates, found none");
        anyhow::bail!(error.advice("for example: [candidates] plain = {}"));
    }
    let candidate = |(name, own): (String, toml::Value)| {
        let recipe: Recipe = merged(toml::Value::Table(all.clone()), own).try_into().context(name.clone())?;
        anyhow::Ok(Candidate::new(&name, recipe)?)
    };
    candidates.into_iter().map(candidate).collect()
}

/// `own` over `all`, table by table.
fn merged(all: toml::Value, own: toml::Value) -> toml::Value {
    match (all, own) {
        (toml::Value::Table(mut all), toml::Value::Table(own)) => {
            for (name, value) in own {
                let value = match all.remove(&name) {
                    Some(before) => merged(before, value),
                    None => value,
                };
                all.insert(name, value);
            }
            toml::Value::Table(all)
        }
        (_, own) => own,
    }
}

/// A line a candidate, a column a fold: its mean UAR among the fold's training and validation speakers, with a star where it was chosen.
fn table(nested: &Nested, choices: &[Choice]) -> String {
    let width = nested.candidates.iter().map(|candidate| candidate.name.len()).max().unwrap_or(0).max(9);
    let mut text = format!("{:width$}", "candidate");
    for choice in choices {
        write!(text, "  fold {} ", choice.fold).expect("writing to a string");
    }
    text += "    mean\n";
    for Candidate { name, .. } in &nested.candidates {
        write!(text, "{name:width$}").expect("writing to a string");
        for choice in choices {
            let star = if choice.chosen == *name { '*' } else { ' ' };
            write!(text, "  {:.4}{star}", choice.mean(name)).expect("writing to a string");
        }
        let total: f64 = choices.iter().map(|choice| choice.mean(name)).sum();
        writeln!(text, "  {:.4}", total / choices.len() as f64).expect("writing to a string");
    }
    text
}
