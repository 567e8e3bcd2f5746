//! `eval MODEL DATA`

use super::options::all_cores;
use super::source::{Found, Licensed};
use super::{Done, Outcome, interrupt, print_line, progress, table};
use crate::experiment::results::Scores;
use crate::files;
use clap::Args;
use rayon::prelude::*;
use reslstm::audio::Recording;
use reslstm::data::Clip;
use reslstm::data::batch::Example;
use reslstm::data::normalise::Normaliser;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{LivePredictor, Metadata, ModelFile};
use reslstm::train::task::{Scratch, evaluate};
use reslstm::train::{CheckedSettings, Confusion, Protocol};
use serde_json::json;
use std::path::PathBuf;

/// Score a model on data; where it was trained on them, on its fold's test speakers alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Live, the floor of the features (80 dB below the loudest) and the tuning of the pitch classes come from what was heard \
                  so far in a clip, and the model reads it frame by frame; scored is what it says at the end.

Example: reslstm eval cv-h64/models/run0-fold2.safetensors ravdess"
)]
pub struct Eval {
    /// A model file
    model: PathBuf,
    /// A RAVDESS folder, or a manifest .csv with the columns path,label,speaker
    data: PathBuf,
    /// Print the scores as JSON
    #[arg(long)]
    json: bool,
    /// Score what predict --live says at the end of each recording
    #[arg(long)]
    live: bool,
    /// Folder of the feature cache [reslstm in the user's cache folder, or none where that cannot be written]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl Eval {
    pub fn run(self) -> Outcome {
        let file = ModelFile::from_bytes(&files::read(&self.model)?).map_err(|error| error.at(self.model.display()))?;
        let metadata = described(&file).map_err(|error| error.at(self.model.display()))?;
        let settings = CheckedSettings::of_model(metadata).map_err(|error| error.at(self.model.display()))?;
        let data = Found::open(&self.data)?.load(metadata.features.clone(), self.cache.as_deref(), all_cores())?;
        check_fit(metadata, &data).map_err(|error| error.at(self.data.display()))?;
        let clips = self.clips_to_score(metadata, &data);

        let confusion = match self.live {
            true => confusion_live(&file, &data, &clips)?,
            false => confusion_of_clips(&file, metadata, &settings, &data, &clips)?,
        };
        let scores = Scores::of(&confusion, &metadata.labels);
        if self.json {
            let speakers = speakers_of(&data, &clips);
            print_line(
                json!({ "model": self.model, "data": self.data, "live": self.live, "clips": clips.len(), "speakers": speakers,
                               "scores": scores, "confusion": confusion, "labels": metadata.labels }),
            )?;
        } else {
            let Scores { uar, war, macro_f1, .. } = scores;
            let clips = clips.len();
            print_line(format_args!("UAR {uar:.4}  WAR {war:.4}  macro-F1 {macro_f1:.4}  on {clips} clips\n"))?;
            print_line(table::confusion(&confusion, &metadata.labels))?;
        }
        Ok(Done::Everything)
    }

    /// All clips, unless the model knows some: then those of speakers it never heard. Says on stderr which and why.
    fn clips_to_score(&self, metadata: &Metadata, data: &Licensed) -> Vec<usize> {
        let protocol: Protocol = metadata.protocol.parse().unwrap_or_default();
        if protocol == Protocol::Published {
            let how = if self.live {
                "without the padding it was trained with"
            } else {
                "scored in batches as it was trained"
            };
            eprintln!("note: a published-protocol model: normalised by all speakers, {how}");
        }
        let acquaintance = Acquaintance::of(metadata, data);
        match acquaintance {
            Acquaintance::Fold(fold) => {
                eprintln!("the model was trained on these data: scoring its test speakers (fold {fold}) alone");
            }
            Acquaintance::Everybody => eprintln!(
                "warning: the model was trained on all of these clips: the score says what it remembers, not what it can do"
            ),
            Acquaintance::Namesakes => eprintln!(
                "warning: some speakers have names of speakers the model was trained on: if they are the same people, the score is too high"
            ),
            Acquaintance::Strangers => {}
        }
        acquaintance.clips(metadata, data)
    }
}

/// Whom of the data a model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// It was trained on a fold of these data: all but its test speakers.
    Fold(usize),
    /// It was trained on all of these data.
    Everybody,
    /// The data are others, but some names are the same.
    Namesakes,
    /// Nobody.
    Strangers,
}

impl Acquaintance {
    pub(super) fn of(metadata: &Metadata, data: &Licensed) -> Self {
        if metadata.data_fingerprint == data.fingerprint() {
            return metadata.fold.map_or(Acquaintance::Everybody, Acquaintance::Fold);
        }
        let heard = |speaker: &String| {
            metadata.train_speakers.contains(speaker) || metadata.validation_speakers.contains(speaker)
        };
        match data.dataset().speakers().iter().any(heard) {
            true => Acquaintance::Namesakes,
            false => Acquaintance::Strangers,
        }
    }

    /// All clips, unless the model knows some: then those of speakers it never heard.
    pub(super) fn clips(self, metadata: &Metadata, data: &Licensed) -> Vec<usize> {
        match self {
            Acquaintance::Fold(_) => data.dataset().clips_of(&metadata.test_speakers),
            _ => (0..data.dataset().clips().len()).collect(),
        }
    }
}

/// Clips whole, as in training.
fn confusion_of_clips(
    file: &ModelFile,
    metadata: &Metadata,
    settings: &CheckedSettings,
    data: &Licensed,
    clips: &[usize],
) -> Result<Confusion> {
    let normaliser = Normaliser::new(metadata.mean.clone(), metadata.std.clone())?;
    let example = |clip: &Clip| Ok(Example { frames: normaliser.apply(&clip.features)?, label: clip.label });
    let examples = data.dataset().clips().iter().map(example).collect::<Result<Vec<_>>>()?;
    Ok(evaluate(file.model(), settings, &examples, clips, &mut Scratch::default()))
}

/// Recordings sample by sample.
fn confusion_live(file: &ModelFile, data: &Licensed, clips: &[usize]) -> Result<Confusion> {
    let bar = progress::bar(clips.len() as u64, "listening");
    let live = LivePredictor::new(file)?;
    let said_last = |live: &mut LivePredictor, &clip: &usize| {
        if interrupt::stopped() {
            return Err(Error::new(Kind::Interrupted, "stopped before every recording was heard"));
        }
        let path = data.path(clip);
        let recording = Recording::from_wav(&files::read(path)?).map_err(|error| error.at(path.display()))?;
        live.push(&recording.samples)?;
        let last = live.finish()?.pop().expect("a recording has a frame that reaches beyond its end");
        bar.inc(1);
        Ok(last.prediction.label)
    };
    let labels = clips.par_iter().map_init(|| live.clone(), said_last).collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    let mut confusion = Confusion::new(file.model().classes());
    for (&clip, label) in clips.iter().zip(labels) {
        confusion.count(data.dataset().clips()[clip].label, label);
    }
    Ok(confusion)
}

/// The metadata, with what the use on recordings needs.
pub(super) fn described(file: &ModelFile) -> Result<&Metadata> {
    let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
    metadata.ok_or_else(|| {
        let problem = "expected a model that says how features are made and normalised, but this file has no metadata";
        Error::new(Kind::Model, problem).advice("a plain state dict can be given features (.npy) with predict")
    })
}

/// That the data are what the model was made for.
pub(super) fn check_fit(metadata: &Metadata, data: &Licensed) -> Result<()> {
    let (ours, theirs) = (&metadata.labels, data.dataset().labels().names());
    if ours != theirs {
        let problem = format!("expected the model's labels {}, got {}", ours.join(", "), theirs.join(", "));
        return Err(Error::new(Kind::Data, problem));
    }
    if metadata.sample_rate != data.sample_rate() {
        let problem =
            format!("expected recordings at {} Hz as the model's, got {} Hz", metadata.sample_rate, data.sample_rate());
        return Err(Error::new(Kind::Data, problem).advice("resample them first; predict does so by itself"));
    }
    Ok(())
}

fn speakers_of(data: &Licensed, clips: &[usize]) -> Vec<String> {
    let speakers: std::collections::BTreeSet<_> =
        clips.iter().map(|&clip| data.dataset().clips()[clip].speaker.clone()).collect();
    speakers.into_iter().collect()
}
