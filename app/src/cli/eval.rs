//! `eval MODEL DATA`

use super::options::{CacheOption, DataOptions, all_cores};
use super::source::{Found, Licensed};
use super::{Done, Outcome, clip, interrupt, print_line, progress, table};
use crate::experiment::results::{NoSpeech, Scores};
use clap::Args;
use rayon::prelude::*;
use reslstm::data::Clip;
use reslstm::data::batch::Example;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{LivePredictor, Metadata, ModelFile};
use reslstm::normalise::Normaliser;
use reslstm::train::task::{Scratch, evaluate, in_batching_order};
use reslstm::train::{CheckedSettings, Confusion, Protocol};
use serde_json::json;
use std::path::PathBuf;

/// Score a model on a corpus.
///
/// If the model was trained on a fold of this corpus, only the test speakers of that fold are scored.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm eval cv-h64/models/run0-fold2.safetensors ravdess")]
pub struct Eval {
    /// Model file
    model: PathBuf,
    /// Folder of a known corpus such as RAVDESS, or a table .csv with the columns path,label,speaker
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Score the last line of predict --live for each recording
    ///
    /// The model then reads a clip frame by frame. The floor of the features (80 dB below the loudest mel band, librosa's `top_db`)
    /// and the tuning of the chroma features are estimated from the sound so far.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    cache: CacheOption,
}

impl Eval {
    pub fn run(self) -> Outcome {
        let file = clip::read_model(&self.model)?;
        let metadata = require_metadata(&file).map_err(|error| error.at(self.model.display()))?;
        let settings = CheckedSettings::of_model(metadata).map_err(|error| error.at(self.model.display()))?;
        let corpus = Found::open(&self.data, &self.reading.reading())?;
        let (features, rate) = (metadata.features.clone(), metadata.sample_rate);
        let data = corpus.load(features, rate, self.cache.cache.as_deref(), all_cores())?;
        check_fit(metadata, &data).map_err(|error| error.at(self.data.display()))?;
        let clips = self.clips_to_score(metadata, &data);

        let confusion = match self.live {
            true => confusion_live(&file, &data, &clips)?,
            false => confusion_of_clips(&file, metadata, &settings, &data, &clips)?,
        };
        let scores = Scores::new(&confusion, &metadata.labels);
        let no_speech = NoSpeech::count(data.dataset(), clips.iter().copied());
        if self.json {
            let speakers = speakers_of(&data, &clips);
            print_line(json!({ "model": self.model, "data": self.data, "live": self.live, "clips": clips.len(),
                               "speakers": speakers, "scores": scores, "score_note": metadata.score_note,
                               "no_speech": no_speech,
                               "confusion": confusion, "labels": metadata.labels }))?;
        } else {
            let Scores { uar, war, macro_f1, .. } = scores;
            let clips = clips.len();
            print_line(format_args!("UAR {uar:.4}  WAR {war:.4}  macro-F1 {macro_f1:.4}  on {clips} clips\n"))?;
            print_line(table::confusion(&confusion, &metadata.labels))?;
            if let Some(no_speech) = no_speech {
                print_line(no_speech)?;
            }
        }
        Ok(Done::Everything)
    }

    /// The clips to score: all, or those of the fold's test speakers. Prints on stderr which and why.
    fn clips_to_score(&self, metadata: &Metadata, data: &Licensed) -> Vec<usize> {
        let protocol: Protocol = metadata.protocol.parse().unwrap_or_default();
        if protocol != Protocol::Strict {
            let batches =
                if self.live { "without the padding of its training" } else { "in batches as in its training" };
            eprintln!("note: a model of the {protocol} protocol: normalised by all speakers, scored {batches}");
        }
        let overlap = SpeakerOverlap::between(metadata, data);
        match overlap {
            SpeakerOverlap::Fold(fold) => {
                eprintln!("the model was trained on this corpus: scoring the test speakers (fold {fold}) alone");
            }
            SpeakerOverlap::All => eprintln!(
                "warning: the model was trained on all of these clips: the score does not hold for new speakers"
            ),
            SpeakerOverlap::SameNames => eprintln!(
                "warning: some speakers have names of training speakers: if they are the same people, the score is too high"
            ),
            SpeakerOverlap::None => {}
        }
        in_batching_order(overlap.clips(metadata, data), data.dataset(), protocol)
    }
}

/// Overlap between a corpus and the speakers a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpeakerOverlap {
    /// The model was trained on this fold of the corpus: on all but its test speakers.
    Fold(usize),
    /// The model was trained on the whole corpus.
    All,
    /// The corpus is another, but some speakers' names are the same.
    SameNames,
    /// No name is the same.
    None,
}

impl SpeakerOverlap {
    pub(super) fn between(metadata: &Metadata, data: &Licensed) -> Self {
        if metadata.data_fingerprint == data.fingerprint() {
            return metadata.fold.map_or(SpeakerOverlap::All, SpeakerOverlap::Fold);
        }
        let is_known = |speaker: &String| {
            metadata.train_speakers.contains(speaker) || metadata.validation_speakers.contains(speaker)
        };
        match data.dataset().speakers().iter().any(is_known) {
            true => SpeakerOverlap::SameNames,
            false => SpeakerOverlap::None,
        }
    }

    /// The clips to score: those of the fold's test speakers, otherwise all.
    pub(super) fn clips(self, metadata: &Metadata, data: &Licensed) -> Vec<usize> {
        match self {
            SpeakerOverlap::Fold(_) => data.dataset().clips_of(&metadata.test_speakers),
            _ => (0..data.dataset().clips().len()).collect(),
        }
    }
}

/// Scores whole clips, as in training.
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

/// Scores the last prediction of each recording, read as a stream.
fn confusion_live(file: &ModelFile, data: &Licensed, clips: &[usize]) -> Result<Confusion> {
    let bar = progress::bar(clips.len() as u64, "scoring", "clips");
    let live = LivePredictor::new(file)?;
    let last_label = |live: &mut LivePredictor, &clip: &usize| {
        if interrupt::stopped() {
            return Err(Error::new(Kind::Interrupted, "stopped before all recordings were scored"));
        }
        live.push(&data.recording(clip)?.samples)?;
        let last = live.finish()?.pop().expect("a recording has a frame that reaches beyond its end");
        bar.inc(1);
        Ok(last.prediction.label)
    };
    let labels = clips.par_iter().map_init(|| live.clone(), last_label).collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    let mut confusion = Confusion::new(file.model().classes());
    for (&clip, label) in clips.iter().zip(labels) {
        confusion.count(data.dataset().clips()[clip].label, label);
    }
    Ok(confusion)
}

/// The metadata of a model, which must hold feature settings and normalisation.
pub(super) fn require_metadata(file: &ModelFile) -> Result<&Metadata> {
    let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
    metadata.ok_or_else(|| {
        let problem = "expected a model with feature settings and normalisation, but this file has no metadata";
        Error::new(Kind::Model, problem).advice("use a plain state dict with predict and feature files (.npy)")
    })
}

/// Checks that the corpus has the model's labels.
pub(super) fn check_fit(metadata: &Metadata, data: &Licensed) -> Result<()> {
    let (ours, theirs) = (metadata.labels.names(), data.dataset().labels().names());
    if ours != theirs {
        let problem = format!("expected the model's labels {}, got {}", ours.join(", "), theirs.join(", "));
        return Err(Error::new(Kind::Data, problem));
    }
    Ok(())
}

fn speakers_of(data: &Licensed, clips: &[usize]) -> Vec<String> {
    let speakers: std::collections::BTreeSet<_> =
        clips.iter().map(|&clip| data.dataset().clips()[clip].speaker.clone()).collect();
    speakers.into_iter().collect()
}
