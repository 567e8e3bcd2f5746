//! `train DATA -o MODEL.safetensors`

use super::options::{Begun, DataOptions, ExactLabels, TRAIN, TrainingOptions, WrongCall, wrong_call};
use super::source::Found;
use super::{Done, Outcome, interrupt, print_line, progress};
use crate::experiment::fit::fit;
use crate::experiment::temperature::Temperature;
use crate::experiment::{CONTENT_UNKNOWN, Plan};
use crate::files::{self, Existing};
use clap::Args;
use reslstm::data::folds::Split;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Metadata, ModelFile};
use reslstm::train::task::check_all_speakers;
use reslstm::train::{CheckedSettings, EpochRecord, Identity, Task, Weights, checkpoint, model_file};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Train one model; one fold is held out for testing, or use all speakers with --all.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: reslstm train ravdess -o emotions.safetensors --recipe speech",
    after_long_help = "The test speakers of the fold stay unseen until the model is finished. If it is interrupted, even by SIGKILL, run \
                       the same command with --resume: the result is the same to the byte.

Example: reslstm train ravdess -o emotions.safetensors --recipe speech --folds 2"
)]
pub struct Train {
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    ///
    /// Several are pooled: with the labels that all of them have, and speakers named CORPUS/NAME.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    reading: DataOptions,
    #[command(flatten)]
    exact: ExactLabels,
    /// Model file to write
    #[arg(short, long, value_name = "MODEL.safetensors")]
    output: PathBuf,
    /// Train on all speakers, without a score
    ///
    /// With --weights best, the last epoch is used.
    #[arg(long, conflicts_with = "folds")]
    all: bool,
    /// Softmax temperature (calibration), with --all
    ///
    /// Scores are divided by it before they become probabilities. With --all, no validation speakers remain to fit it. `reslstm
    /// robustness` prints one for a cross-validation: with --validation apart the mean temperature of its models, without it the
    /// pooled temperature, which is fitted on the test speakers of all folds. T,B: the temperature of a clip is T·d^B, where d is
    /// how unlike the training clips it is (`unlike` of `predict --json`).
    #[arg(long, value_name = "T[,B]", requires = "all")]
    temperature: Option<Temperature>,
    /// Print scores and epochs as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: TrainingOptions<TRAIN>,
}

impl Train {
    pub fn run(self) -> Outcome {
        let request = self.options.with_config()?;
        let mut checkpoint = self.output.clone().into_os_string();
        checkpoint.push(".checkpoint");
        let checkpoint = PathBuf::from(checkpoint);
        let corpus = Found::find_all(&self.data, &self.reading.reading(), self.exact.exact_labels)?;
        let unfinished = if request.work.resume { of_checkpoint(&checkpoint) } else { None };
        let begun = if request.work.resume { begun(&self.output, &checkpoint, unfinished.as_ref()) } else { None };
        let frames = begun.as_ref().map(Begun::frames);
        let mut plan = request.plan(begun, || corpus.holds_features_only())?;
        if plan.runs != 1 {
            return Err(wrong_call(format!("--runs: expected 1, got {}", plan.runs), "cv does several runs").into());
        }
        if self.all {
            check_all_speakers(&plan.settings).map_err(WrongCall)?;
        }
        corpus.print_notes();
        corpus.settle_frames([&mut plan.settings], frames)?;
        let settings = &plan.settings;
        let split = if self.all { None } else { Some(only_split(&corpus, &plan)?) };
        let (threads, cache) = (request.work.threads(), request.work.cache());
        self.check_output(&checkpoint, request.work.resume)?;
        let data = corpus.load_for(settings, cache, threads).map_err(interrupt::resumable)?;
        let mut source = data.source()?;
        if unfinished.is_some_and(|unfinished| unfinished.content.is_empty()) {
            message!("note: {}: {CONTENT_UNKNOWN}", checkpoint.display());
            // What its epochs were trained on is not known.
            source.content = "";
        }
        let identity = Identity::new(settings, 0, split.as_ref(), source.fingerprint).with_content(source.content);
        if self.output.is_file() {
            let metadata =
                finished(&self.output, &identity, self.temperature).map_err(|error| error.at(self.output.display()))?;
            files::remove(&checkpoint)?;
            if let Some(note) = data.content_note(&metadata)? {
                message!("{note}");
            }
            message!("{}: finished already, nothing to do", self.output.display());
            return self.report(&metadata, settings.weights, &[]);
        }
        let task = match &split {
            Some(split) => Task::for_split(data.dataset(), split, settings)?,
            None => Task::for_all(data.dataset(), settings)?,
        };
        let bar = progress::bar(settings.total_epochs() as u64, &settings.model_name(), "epochs");
        let mut observe = |epoch: usize, record: &EpochRecord| {
            let validation = record.validation_uar.map_or(String::new(), |uar| format!(" validation UAR {uar:.3}"));
            let branch = match settings.branches.count() {
                1 => String::new(),
                count => format!("branch {} of {count}, ", epoch / settings.epochs + 1),
            };
            bar.set_message(format!(
                "{branch}epoch {} loss {:.3}{validation}",
                epoch % settings.epochs + 1,
                record.loss
            ));
            bar.inc(1);
        };
        let outcome = fit(&identity, &task, &checkpoint, interrupt::stop_flag(), &mut observe);
        bar.finish_and_clear();
        let mut outcome = outcome.map_err(interrupt::resumable)?;
        if let Some(temperature) = self.temperature {
            if let Temperature::Constant(temperature) = temperature {
                outcome.models.iter_mut().for_each(|model| model.divide_scores(temperature));
            }
            (outcome.temperature, outcome.temperature_growth) = (Some(temperature.at_one()), temperature.growth());
        }
        let epochs = outcome.history.clone();
        let model = model_file(&source, settings, 0, split.as_ref(), &task, outcome)?;
        files::write_atomically(&self.output, &model.to_bytes())?;
        files::remove(&checkpoint)?;
        self.report(model.metadata().expect("a model trained here has metadata"), settings.weights, &epochs)
    }

    /// Refuses files that exist, unless their training is to be continued; checks that the model can be written.
    fn check_output(&self, checkpoint: &Path, resume: bool) -> Result<()> {
        files::check_writable(&self.output, if resume { Existing::Replace } else { Existing::Refuse })?;
        if checkpoint.exists() && !resume {
            let problem = "an earlier training was not finished";
            let advice = "continue it with --resume, or delete the file to start again";
            return Err(Error::new(Kind::Settings, problem).at(checkpoint.display()).advice(advice));
        }
        Ok(())
    }

    /// Prints scores for people, or scores and epochs as JSON. `epochs` is empty where nothing had to be trained.
    fn report(&self, metadata: &Metadata, weights: Weights, epochs: &[EpochRecord]) -> Outcome {
        let Metadata { scores, score_note, test_speakers, .. } = metadata;
        // Files name the last epoch where none was chosen.
        let best_epoch = metadata.best_epoch.filter(|_| weights == Weights::Best);
        match (metadata.fold, scores.get("validation_uar"), scores.get("test_uar")) {
            _ if self.json => print_line(json!({ "model": self.output, "best_epoch": best_epoch, "scores": scores,
                                                 "score_note": score_note, "test_speakers": test_speakers,
                                                 "epochs": epochs }))?,
            (Some(_), validation, Some(test)) => message!(
                "{}: {},{} test UAR {test:.4} on speakers {}{}{score_note}",
                self.output.display(),
                match (weights, best_epoch) {
                    (Weights::Average, _) => "averaged weights".to_string(),
                    (_, None) => "weights of the last epoch".into(),
                    (_, Some(epoch)) => format!("weights of epoch {epoch}"),
                },
                validation.map_or(String::new(), |uar| format!(" validation UAR {uar:.4},")),
                test_speakers.join(" "),
                if score_note.is_empty() { "" } else { ", " },
            ),
            _ => message!("{}: trained on every speaker, {} epochs", self.output.display(), metadata.epochs),
        }
        Ok(Done::Everything)
    }
}

/// The one fold that the plan names.
fn only_split(corpus: &Found, Plan { folds, settings, .. }: &Plan) -> anyhow::Result<Split> {
    let mut splits = corpus.splits_with_notes(folds, settings.validation)?;
    if splits.len() != 1 {
        let problem = format!("--folds {folds}: expected one fold, got {}", splits.len());
        return Err(wrong_call(problem, "name one as in --folds 0, or use cv").into());
    }
    Ok(splits.remove(0))
}

/// The settings of the finished model, or of the checkpoint, if it can be read. What cannot is refused later, with its reason.
fn begun(model: &Path, checkpoint: &Path, unfinished: Option<&Identity>) -> Option<Begun> {
    let of_model = || {
        let file = ModelFile::from_bytes(&files::read(model).ok()?).ok()?;
        CheckedSettings::of_model(file.metadata()?).ok()
    };
    match (of_model(), unfinished) {
        (Some(settings), _) => Some(Begun::new(model.display(), &settings, None)),
        (None, unfinished) => Some(Begun::new(checkpoint.display(), &unfinished?.settings, None)),
    }
}

/// What the checkpoint is of, if there is one that can be read.
fn of_checkpoint(path: &Path) -> Option<Identity> {
    checkpoint::identity(&files::read(path).ok()?).ok()
}

/// The metadata of the model that this training has written; a model of another training is not overwritten.
fn finished(path: &Path, identity: &Identity, temperature: Option<Temperature>) -> Result<Metadata> {
    let metadata = ModelFile::from_bytes(&files::read(path)?)?.metadata().cloned();
    let earlier = metadata.as_ref().and_then(Identity::of_model);
    let same = |metadata: &Metadata| {
        let theirs = (metadata.temperature, metadata.temperature_growth);
        temperature.is_none_or(|it| (Some(it.at_one()), it.growth()) == theirs)
    };
    let difference = match &earlier {
        Some(_) if !metadata.as_ref().is_some_and(same) => Some("its temperature is not the given one".into()),
        Some(earlier) => identity.difference(earlier),
        None => Some("its file does not name them".into()),
    };
    match (metadata, difference) {
        (Some(metadata), None) => Ok(metadata),
        (_, difference) => {
            let problem = format!("a model trained with other settings or data: {}", difference.unwrap_or_default());
            Err(Error::new(Kind::Settings, problem).advice("choose another name"))
        }
    }
}
