//! `train DATA -o MODEL.safetensors`

use super::options::TrainingOptions;
use super::source::load;
use super::{Done, Outcome, interrupt, progress};
use clap::Args;
use reslstm::data::folds::Split;
use reslstm::error::{Error, Kind};
use reslstm::files::{self, Existing};
use reslstm::train::cross_validate::{fold_record, model_file, training_seed};
use reslstm::train::fit::fit;
use reslstm::train::{EpochRecord, Task};
use std::path::PathBuf;

/// Train one model, of one fold or of every speaker.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --folds this is fold 0, whose test speakers stay unseen. Killed at any moment, the same command with
--resume goes on and ends with the same bytes.

Example: reslstm train ravdess -o angry-or-sad.safetensors --folds 2"
)]
pub struct Train {
    /// A RAVDESS folder, or a manifest .csv with the columns path,label,speaker
    data: PathBuf,
    /// The model file
    #[arg(short, long, value_name = "MODEL.safetensors")]
    output: PathBuf,
    /// Train on every speaker and keep the last epoch: for use, not for scores
    #[arg(long, conflicts_with = "folds")]
    all: bool,
    /// Print the scores as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: TrainingOptions,
}

impl Train {
    pub fn run(self) -> Outcome {
        let plan = self.options.plan("0")?;
        if plan.runs != 1 {
            return Err(Error::new(Kind::Settings, format!("expected one run, got {}", plan.runs))
                .advice("cv runs several")
                .into());
        }
        let checkpoint = self.output.with_added_extension("checkpoint");
        let existing = if self.options.resume { Existing::Replace } else { Existing::Refuse };
        files::check_writable(&self.output, existing)?;
        if checkpoint.exists() && !self.options.resume {
            let problem = "an earlier training was not finished";
            let advice = "go on with --resume, or delete the file to start again";
            return Err(Error::new(Kind::Settings, problem).at(checkpoint.display()).advice(advice).into());
        }
        let data = load(&self.data, self.options.cache.as_deref(), self.options.threads()?)?;
        let split: Option<Split> = if self.all {
            None
        } else {
            let splits = plan.folds.splits(&data.dataset().speakers())?;
            let [split] = &splits[..] else {
                let problem = format!("expected one fold, got {}", splits.len());
                return Err(Error::new(Kind::Settings, problem).advice("name one as in --folds 0, or use cv").into());
            };
            Some(split.clone())
        };
        let settings = &plan.settings;
        let task = match &split {
            Some(split) => Task::for_split(data.dataset(), split, settings.protocol)?,
            None => Task::for_all(data.dataset())?,
        };
        let fold = split.as_ref().map_or(usize::MAX, Split::fold);
        let seed = training_seed(settings.seed, 0, fold);

        let bar = progress::bar(settings.epochs as u64, &settings.arch.to_string());
        let mut observe = |epoch: usize, record: &EpochRecord| {
            let validation = record.validation_uar.map_or(String::new(), |uar| format!(" validation UAR {uar:.3}"));
            bar.set_message(format!("epoch {} loss {:.3}{validation}", epoch + 1, record.loss));
            bar.inc(1);
        };
        let outcome = fit(settings, &task, seed, &checkpoint, interrupt::stop_flag(), &mut observe);
        bar.finish_and_clear();
        let outcome = outcome.map_err(|error| match error.kind() {
            Kind::Interrupted => error.advice("the same command with --resume goes on from here"),
            _ => error,
        })?;
        let record = split.as_ref().map(|split| fold_record(split, &outcome));
        let model = model_file(&data.source(), settings, record.as_ref().map(|record| (0, record)), &task, outcome);
        files::write_atomically(&self.output, &model.to_bytes())?;
        if checkpoint.exists() {
            std::fs::remove_file(&checkpoint)?;
        }
        match &record {
            Some(record) if self.json => println!("{}", serde_json::to_string(record)?),
            Some(record) => eprintln!(
                "{}: best epoch {}, validation UAR {:.4}, test UAR {:.4} on speakers {}",
                self.output.display(),
                record.best_epoch + 1,
                record.validation_uar,
                record.test_uar,
                record.split.test().join(" ")
            ),
            None => eprintln!("{}: trained on every speaker, {} epochs", self.output.display(), settings.epochs),
        }
        Ok(Done::Everything)
    }
}
