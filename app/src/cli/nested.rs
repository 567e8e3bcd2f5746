//! `nested DATA -o DIR --candidates FILE.toml`

use super::options::{
    Begun, DataOptions, Layers, PAPER, Recipe, WorkOptions, Written, WrongCall, built_in, wrong_call,
};
use super::source::Found;
use super::{Done, Outcome, cv, interrupt, progress};
use crate::experiment::Plan;
use crate::experiment::cross_validate::{Event, Execution, check_folder, check_new, cross_validate};
use crate::experiment::nested::{Candidate, Choice, Nested, begun_settings, choices_path, earlier_choices, join};
use crate::experiment::plan::check_runs;
use crate::files::{self, FolderLock};
use clap::Args;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::CheckedSettings;
use reslstm::train::identity::first_difference;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Nested cross-validation: choose settings per fold without its test speakers.
///
/// Choosing settings by test scores makes these scores too good. Here every fold chooses among candidates by its own training and
/// validation speakers, and its test speakers are scored once, with the chosen settings.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: reslstm nested ravdess -o nested --candidates candidates.toml --recipe voices --choose-only
         reslstm nested ravdess -o nested --candidates candidates.toml --recipe voices --resume --runs 10",
    after_long_help = "FILE.toml has the settings of all candidates, and for each candidate those that differ; both win over the recipe:
  [all]
  weights = 'average'
  t0 = 10
  augment = 'voices'

  [candidates.plain]
  [candidates.deltas]
  inputs = 'deltas'
  [candidates.louder]
  augment = { noise = 0.8 }

For every fold, each candidate is cross-validated among the speakers that the fold does not test. The best one is trained on the \
                       fold with new seeds, and only then scored on the test speakers. DIR/tested is a folder as cv makes it, with \
                       all folds pooled. If it is interrupted, even by SIGKILL, run the same command with --resume. Until the test \
                       speakers are scored, candidates may be added.

Example: reslstm nested ravdess -o nested --candidates candidates.toml --recipe voices --choose-only
         reslstm nested ravdess -o nested --candidates candidates.toml --recipe voices --resume --runs 10"
)]
pub struct NestedCommand {
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    /// Folder for results
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Candidates to choose from
    #[arg(long, value_name = "FILE.toml")]
    candidates: PathBuf,
    /// Named settings: paper, voices, anywhere, speech, table1, or a TOML file [default: paper]
    ///
    /// The candidates change them. `reslstm recipes` shows them; a file has the same form. With --resume the default is what a
    /// candidate was started with.
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: Option<String>,
    /// Standard folds: all, or some as 0,3
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    folds: FoldPlan,
    /// Number of inner folds, of the speakers that a fold does not test
    #[arg(long, value_name = "K", default_value_t = 4)]
    inner: usize,
    /// Runs of each candidate in a choice, each with its own seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    inner_runs: usize,
    /// Final runs over all folds, each with its own seed
    #[arg(long, value_name = "N", default_value_t = 10)]
    runs: usize,
    /// Seed of the final runs
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Stop after the choices, before any test speaker is scored
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
        let mut nested = self.plan()?;
        let corpus = Found::open(&self.data, &self.reading.reading())?;
        let _lock = FolderLock::acquire(&self.output)?;
        if !self.work.resume {
            check_new(&self.output)?;
        }
        self.settle_frames(&corpus, &mut nested)?;
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

    /// Frames of all candidates that set none: those of the candidates that were begun, or those that fit the sample rate.
    fn settle_frames(&self, corpus: &Found, nested: &mut Nested) -> Result<()> {
        let mut frames = None;
        for Candidate { name, .. } in nested.candidates.iter().filter(|_| self.work.resume) {
            let begun = begun_settings(&self.output, &nested.folds, name)?;
            frames = frames.or(begun.map(|begun| (begun.window_ms, begun.hop_ms)));
        }
        corpus.settle_frames(nested.candidates.iter_mut().map(|candidate| &mut candidate.settings), frames)
    }

    fn plan(&self) -> anyhow::Result<Nested> {
        let FoldPlan::Standard(folds) = &self.folds else {
            return Err(wrong_call(
                format!("--folds: expected all, or a list as 0,3, got {}", self.folds),
                "nested chooses for standard folds",
            )
            .into());
        };
        for (name, runs) in [("--inner-runs", self.inner_runs), ("--runs", self.runs)] {
            check_runs(name, runs).map_err(WrongCall)?;
        }
        let candidates = self.read_candidates(folds)?;
        let (inner, inner_runs, map) = (self.inner, self.inner_runs, self.reading.reading().map);
        Ok(Nested { candidates, folds: folds.clone(), inner, inner_runs, map })
    }

    /// The candidates of the file, by name: the recipe, or what a candidate was started with, under `all`, under its own.
    fn read_candidates(&self, folds: &[usize]) -> anyhow::Result<Vec<Candidate>> {
        let path = self.candidates.display();
        let mut file = Written::read(&self.candidates).map_err(WrongCall)?;
        let wrong = |problem: String| WrongCall(Error::new(Kind::Settings, problem).at(&path));
        let mut table = |name: &str| match file.table.remove(name) {
            None => Ok(Map::new()),
            Some(Value::Object(table)) => Ok(table),
            Some(other) => Err(wrong(format!("{name}: expected a table, got {other}"))),
        };
        let (all, candidates) = (table("all")?, table("candidates")?);
        if let Some(unknown) = file.table.keys().next() {
            return Err(wrong(format!("expected all and candidates, got {unknown}")).into());
        }
        if candidates.is_empty() {
            let error = Error::new(Kind::Settings, "expected a table of candidates, found none").at(&path);
            return Err(WrongCall(error.advice("for example: [candidates.plain]")).into());
        }
        let recipe = self.recipe.as_deref().map_or_else(|| Ok(built_in(PAPER)), Recipe::read).map_err(WrongCall)?;
        let (mut read, mut new, mut other_recipe) = (Vec::new(), None, false);
        for (name, own) in candidates {
            let place = format!("{path}: candidate {name}");
            let over = |base: Layers| candidate_settings(base, &all, &own, &place).map_err(WrongCall);
            let mut settings = over(recipe.layers.clone())?;
            if self.work.resume && self.recipe.is_none() {
                match begun_settings(&self.output, folds, &name)? {
                    Some(begun) => {
                        let (begun, mut base) = (Begun::new(self.output.display(), &begun, None), Layers::default());
                        base.set_all(begun.settings, &|_| begun.place.clone()).map_err(WrongCall)?;
                        let begun = over(base)?;
                        other_recipe |= begun != settings;
                        settings = begun;
                    }
                    None => new = Some(name.clone()),
                }
            }
            read.push(Candidate::new(&name, settings).map_err(|error| WrongCall(error.at(&path)))?);
        }
        if let Some(new) = new.filter(|_| other_recipe) {
            let problem =
                format!("candidate {new} is new, and the others were started with another recipe than {PAPER}");
            return Err(wrong_call(problem, "name their recipe with --recipe").into());
        }
        Ok(read)
    }

    /// Writes the choices. Once test speakers have been scored, they cannot change.
    fn keep(&self, choices: &[Choice]) -> Result<()> {
        let earlier = earlier_choices(&self.output)?;
        let tested = self.output.join("final").exists();
        let difference = earlier.and_then(|earlier| first_difference("choices", &json!(earlier), &json!(choices)));
        if let Some(difference) = difference.filter(|_| tested) {
            let problem = format!("the test speakers were scored after another choice: {difference}");
            let advice = "a new choice needs a new folder, and is no longer independent of the test speakers";
            return Err(Error::new(Kind::Settings, problem).at(self.output.display()).advice(advice));
        }
        files::write_json(&choices_path(&self.output), &choices)
    }

    /// Cross-validates, plans with the same features together, with one bar whose steps are multiply-adds.
    fn train(&self, corpus: &Found, plans: &[(&Candidate, Plan, PathBuf)], what: &str) -> Result<()> {
        let threads = self.work.threads();
        plans.iter().try_for_each(|(_, plan, folder)| check_folder(folder, plan, self.work.resume))?;
        let frames = |settings: &CheckedSettings| (settings.window_ms, settings.hop_ms);
        let reads =
            |settings: &CheckedSettings| (settings.inputs.features(), frames(settings), settings.other_conditions());
        let width = |settings: &CheckedSettings| settings.inputs.features().width();
        let epoch = |settings: &CheckedSettings| settings.arch.multiply_adds(width(settings)) as u64;
        let mut total = 0;
        for (_, plan, _) in plans {
            let trainings = plan.runs * corpus.splits(&plan.folds)?.len();
            total += (trainings * plan.settings.total_epochs()) as u64 * epoch(&plan.settings);
        }
        let bar = progress::share_bar(total, what);
        let observe = |settings: &CheckedSettings, event: Event<'_>| progress::epochs(&bar, epoch(settings), &event);
        let mut left: Vec<&(&Candidate, Plan, PathBuf)> = plans.iter().collect();
        while let Some((_, first, _)) = left.first() {
            let same = |(_, plan, _): &&&(&Candidate, Plan, PathBuf)| reads(&plan.settings) == reads(&first.settings);
            let now: Vec<(Plan, PathBuf)> =
                left.iter().filter(same).map(|(_, plan, folder)| (plan.clone(), folder.clone())).collect();
            let later = left.iter().filter(|plan| !same(plan)).copied().collect();
            let data = corpus.clone().load_for(&first.settings, self.work.cache(), threads);
            let data = data.map_err(interrupt::resumable)?;
            let execution =
                Execution { threads, resume: self.work.resume, stop: interrupt::stop_flag(), observe: &observe };
            cross_validate(&data.source()?, &now, &execution).map_err(interrupt::resumable)?;
            left = later;
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// One line per candidate, one column per fold: mean UAR among the fold's training and validation speakers, with a star where it was
/// chosen.
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

/// A recipe's settings under those of all candidates, under one's own.
fn candidate_settings(mut base: Layers, all: &Map<String, Value>, own: &Value, place: &str) -> Result<CheckedSettings> {
    let Value::Object(own) = own else {
        return Err(Error::new(Kind::Settings, format!("expected a table, got {own}")).at(place));
    };
    base.set_all(all.clone(), &|_| place.into())?;
    base.set_all(own.clone(), &|_| place.into())?;
    base.settings()
}
