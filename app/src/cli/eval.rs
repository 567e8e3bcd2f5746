//! `eval MODEL DATA`

mod enrolled;

use self::enrolled::{Enrolled, EnrolledClips};
use super::options::{CacheOption, DataOptions, ExactLabels, all_cores};
use super::source::{Found, Licensed};
use super::{Done, Outcome, clip, interrupt, print_line, progress, table};
use crate::corpus::common_labels::SharedLabels;
use crate::experiment::results::{NoSpeech, Scores};
use crate::experiment::statistics::upper_median;
use clap::Args;
use rayon::prelude::*;
use reslstm::data::Clip;
use reslstm::data::batch::Example;
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;
use reslstm::models::branches::mean_probabilities;
use reslstm::models::{LivePredictor, Metadata, ModelFile};
use reslstm::normalise::ColumnSums;
use reslstm::train::calibration::Reliability;
use reslstm::train::task::{self, Scratch, in_batching_order};
use reslstm::train::{CheckedSettings, Confusion, Protocol};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Score a model on a corpus.
///
/// If the model was trained on a fold of this corpus, only the test speakers of that fold are scored. Of a corpus with other labels, the
/// clips of the labels that the model knows are scored twice: among these labels, and among all labels of the model. Recordings are
/// resampled to the model's sample rate.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm eval cv-h64/models/run0-fold2.safetensors ravdess
         reslstm eval model.safetensors EMOVO
         reslstm eval model.safetensors EMOVO --enrol 8    # and 8 clips of each speaker")]
pub struct Eval {
    /// Model file
    model: PathBuf,
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    #[command(flatten)]
    exact: ExactLabels,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Score the last line of predict --live for each recording
    ///
    /// The model then reads a clip frame by frame. The floor of the features (80 dB below the loudest mel band, librosa's `top_db`)
    /// and the tuning of the chroma features are estimated from the sound so far.
    #[arg(long)]
    live: bool,
    /// Give the model K clips of each speaker, without their labels
    ///
    /// K, or K:random, are other clips of the speaker than the scored one, at random; K:neutral are clips labelled neutral;
    /// K:one-emotion are clips of one label, drawn for every scored clip. The scores are transductive: not those of unknown speakers.
    /// The model must be trained with --enrolment.
    #[arg(long, value_name = "K[:CHOICE]", conflicts_with = "live")]
    enrol: Option<EnrolledClips>,
    #[command(flatten)]
    cache: CacheOption,
}

impl Eval {
    pub fn run(self) -> Outcome {
        let file = clip::read_model(&self.model)?;
        let metadata = require_metadata(&file).map_err(|error| error.at(self.model.display()))?;
        let settings = CheckedSettings::of_model(metadata).map_err(|error| error.at(self.model.display()))?;
        let found = Found::open(&self.data, &self.reading.reading())?;
        let shared = SharedLabels::between(&metadata.labels, found.labels(), self.exact.exact_labels);
        check_shared(&shared, &metadata.labels, found.labels()).map_err(|error| error.at(self.data.display()))?;
        let (features, rate) = (metadata.features.clone(), metadata.sample_rate);
        let data = found.load(features, rate, self.cache.cache.as_deref(), all_cores())?;
        let left_out = LeftOut::new(&shared, &metadata.labels, &data);
        print_notes(&shared, &metadata.labels, &left_out);
        let mut clips = self.clips_to_score(metadata, settings.protocol, &data)?;
        clips.retain(|&clip| shared.model_class[data.dataset().clips()[clip].label].is_some());
        if clips.is_empty() {
            let problem = "the test speakers have no clip of a label that the model knows";
            return Err(Error::new(Kind::Data, problem).at(self.data.display()).into());
        }

        let (Scored { scores, unlike }, enrolled) = match self.live {
            true => (scores_live(&file, &data, &clips)?, None),
            false => scores_of_clips(&file, metadata, &settings, &data, &clips, self.enrol)?,
        };
        let truth =
            |&clip: &usize| shared.model_class[data.dataset().clips()[clip].label].expect("others are left out");
        let truths: Vec<usize> = clips.iter().map(truth).collect();
        let every: Vec<usize> = (0..metadata.labels.count()).collect();
        let among_all = Score::new(&scores, &truths, &every, &metadata.labels);
        let among_shared = Score::new(&scores, &truths, &shared.shared, &metadata.labels);
        let no_speech = NoSpeech::count(data.dataset(), clips.iter().copied());
        let unlike = upper_median(unlike.into_iter().map(f64::from).collect());
        if self.json {
            let speakers = speakers_of(&data, &clips);
            let Score { labels, scores, confusion, calibration_error } = among_all;
            print_line(json!({ "model": self.model, "data": self.data, "live": self.live, "clips": clips.len(),
                               "speakers": speakers, "scores": scores, "score_note": metadata.score_note,
                               "confusion": confusion, "labels": labels, "calibration_error": calibration_error,
                               "no_speech": no_speech, "unlike": unlike, "enrolment": enrolled, "shared": among_shared, "renamed": shared.renamed, "left_out": left_out,
                               "sample_rate": metadata.sample_rate }))?;
        } else {
            if let Some(enrolled) = enrolled {
                print_line(enrolled)?;
            }
            let (clips, some, all) = (clips.len(), shared.shared.len(), every.len());
            if some == all {
                print_line(format_args!("{among_all} on {clips} clips\n"))?;
            } else {
                print_line(format_args!("{among_shared} on {clips} clips, among the {some} shared labels"))?;
                print_line(format_args!("{among_all} on {clips} clips, among all {all} labels of the model\n"))?;
            }
            print_line(table::confusion(&among_shared.confusion, &among_shared.labels))?;
            if let Some(no_speech) = no_speech {
                print_line(no_speech)?;
            }
            if let Some(median) = unlike {
                print_line(format_args!(
                    "unlike the training clips: {median:.2} (median; a training clip has about 1)"
                ))?;
            }
        }
        Ok(Done::Everything)
    }

    /// The clips to score: all, or those of the fold's test speakers. Prints on stderr which and why.
    fn clips_to_score(&self, metadata: &Metadata, protocol: Protocol, data: &Licensed) -> Result<Vec<usize>> {
        if protocol != Protocol::Strict {
            let batches =
                if self.live { "without the padding of its training" } else { "in batches as in its training" };
            message!("note: a model of the {protocol} protocol: normalised by all speakers, scored {batches}");
        }
        let overlap = SpeakerOverlap::between(metadata, data);
        if matches!(overlap, SpeakerOverlap::Fold(_) | SpeakerOverlap::All)
            && let Some(note) = data.content_note(metadata)?
        {
            message!("{note}");
        }
        match overlap {
            SpeakerOverlap::Fold(fold) => {
                message!("the model was trained on this corpus: scoring the test speakers (fold {fold}) alone");
            }
            SpeakerOverlap::All => message!(
                "warning: the model was trained on all of these clips: the score does not hold for new speakers"
            ),
            SpeakerOverlap::SameNames => message!(
                "warning: some speakers have names of training speakers: if they are the same people, the score is too high"
            ),
            SpeakerOverlap::None => {}
        }
        Ok(in_batching_order(overlap.clips(metadata, data), data.dataset(), protocol))
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
        // A model of several corpora names them as CORPUS/NAME.
        let is_known = |speaker: &String| {
            let mut trained = metadata.train_speakers.iter().chain(&metadata.validation_speakers);
            trained.any(|known| known == speaker || known.split_once('/').is_some_and(|(_, name)| name == speaker))
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

/// Refuses labels of which fewer than two are the model's: nothing could be mistaken for another.
fn check_shared(shared: &SharedLabels, model: &Labels, data: &Labels) -> Result<()> {
    if shared.shared.len() >= 2 {
        return Ok(());
    }
    let found = shared.shared.first().map_or("none".into(), |&class| format!("only {}", model.name(class)));
    let problem = format!(
        "expected at least two of the model's labels ({}), found {found} among {}",
        model.join(", "),
        data.join(", ")
    );
    Err(Error::new(Kind::Data, problem).advice("--map FILE.toml gives the labels of DATA other names"))
}

/// What model and corpus do not share.
#[derive(Debug, Serialize)]
struct LeftOut {
    /// Labels of the model that the corpus does not have.
    model: Vec<String>,
    /// Clips of each label of the corpus that the model does not know.
    data: BTreeMap<String, usize>,
}

impl LeftOut {
    fn new(shared: &SharedLabels, model: &Labels, data: &Licensed) -> Self {
        let unknown = data.dataset().labels().iter().zip(&shared.model_class).enumerate();
        let unknown = unknown.filter(|(_, (_, class))| class.is_none());
        let clips = |label| data.dataset().clips().iter().filter(|clip| clip.label == label).count();
        let others = model.iter().enumerate().filter(|(class, _)| !shared.shared.contains(class));
        LeftOut {
            model: others.map(|(_, name)| name.clone()).collect(),
            data: unknown.map(|(label, (name, _))| (name.clone(), clips(label))).collect(),
        }
    }
}

/// Says which names count as others, and what is left out.
fn print_notes(shared: &SharedLabels, model: &Labels, left_out: &LeftOut) {
    for (name, label) in &shared.renamed {
        message!("note: `{name}` counts as the model's `{label}` (--exact-labels keeps them apart)");
    }
    if left_out.model.is_empty() && left_out.data.is_empty() {
        return;
    }
    let labels: Vec<&str> = shared.shared.iter().map(|&class| model.name(class)).collect();
    message!("note: labels that model and data share: {}", labels.join(", "));
    if !left_out.model.is_empty() {
        message!("note: labels of the model without clips: {}", left_out.model.join(", "));
    }
    if !left_out.data.is_empty() {
        let all: Vec<String> = left_out.data.iter().map(|(name, clips)| format!("{name} ({clips} clips)")).collect();
        message!("note: left out, as the model does not know them: {}", all.join(", "));
    }
}

/// The scores of a model whose prediction is one of some of its labels.
#[derive(Debug, Serialize)]
struct Score {
    labels: Vec<String>,
    scores: Scores,
    confusion: Confusion,
    /// Expected calibration error of the probabilities among these labels.
    calibration_error: f64,
}

impl Score {
    /// Of logits `[N,K]` of clips whose classes are `truths` `[N]`, predicted among `classes`, which these are all of.
    fn new(logits: &[Vec<f64>], truths: &[usize], classes: &[usize], labels: &Labels) -> Self {
        let mut confusion = Confusion::new(classes.len());
        let mut predictions = Vec::with_capacity(truths.len());
        for (row, truth) in logits.iter().zip(truths) {
            // The first of several equal ones, as everywhere.
            let better = |best, k| if row[classes[k]] > row[classes[best]] { k } else { best };
            let predicted = (1..classes.len()).fold(0, better);
            let truth = classes.iter().position(|class| class == truth).expect("clips of these classes");
            confusion.count(truth, predicted);
            let sum: f64 = classes.iter().map(|&class| (row[class] - row[classes[predicted]]).exp()).sum();
            predictions.push((1.0 / sum, truth == predicted));
        }
        let labels: Vec<String> = classes.iter().map(|&class| labels.name(class).to_string()).collect();
        let scores = Scores::new(&confusion, &labels);
        let calibration_error = Reliability::from_predictions(predictions).ece();
        Score { labels, scores, confusion, calibration_error }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scores { uar, war, macro_f1, .. } = &self.scores;
        let error = self.calibration_error;
        write!(f, "UAR {uar:.4}  WAR {war:.4}  macro-F1 {macro_f1:.4}  calibration error {error:.4}")
    }
}

/// What a model says of clips.
struct Scored {
    /// Logits `[N,K]`.
    scores: Vec<Vec<f64>>,
    /// How unlike the training clips each is, of those of which the model says it.
    unlike: Vec<f32>,
}

/// Scores whole clips, batched as in training; with clips of their speakers if they are to be enrolled.
fn scores_of_clips(
    file: &ModelFile,
    metadata: &Metadata,
    settings: &CheckedSettings,
    data: &Licensed,
    clips: &[usize],
    wanted: Option<EnrolledClips>,
) -> Result<(Scored, Option<Enrolled>)> {
    let normaliser = metadata.require_normaliser()?;
    let example = |clip: &Clip| Ok(Example { frames: normaliser.apply(&clip.features)?, label: clip.label });
    let mut examples = data.dataset().clips().iter().map(example).collect::<Result<Vec<_>>>()?;
    let enrol = |wanted| enrolled::enrol(&mut examples, clips, data.dataset(), metadata, wanted);
    let enrolled = wanted.map(enrol).transpose()?;
    let scores = task::branch_scores(file.branches(), settings, &examples, clips, &mut Scratch::default());
    let mut probabilities = mean_probabilities(&scores);
    let mut unlike = Vec::new();
    if let Some(likeness) = file.likeness() {
        for (n, &clip) in clips.iter().enumerate() {
            unlike.push(likeness.temper(&ColumnSums::of(&examples[clip].frames), probabilities.row_mut(n)));
        }
    }
    let scores = match &scores[..] {
        [one] if metadata.temperature_growth.is_none() => {
            one.iter_rows().map(|row| row.iter().map(|&score| score.into()).collect()).collect()
        }
        _ => probabilities.iter_rows().map(logarithms).collect(),
    };
    Ok((Scored { scores, unlike }, enrolled))
}

/// Scores the last prediction of each recording, read as a stream, by the logarithms of its probabilities.
fn scores_live(file: &ModelFile, data: &Licensed, clips: &[usize]) -> Result<Scored> {
    let bar = progress::bar(clips.len() as u64, "scoring", "clips");
    let live = LivePredictor::new(file)?;
    let last_scores = |live: &mut LivePredictor, &clip: &usize| {
        if interrupt::stopped() {
            return Err(Error::new(Kind::Interrupted, "stopped before all recordings were scored"));
        }
        let mut moments = live.push(&data.recording(clip)?.samples)?;
        moments.extend(live.finish()?);
        bar.inc(1);
        // Of a prepared recording without a voice, live prediction says nothing: all classes are equal.
        let Some(last) = moments.pop() else { return Ok((vec![0.0; file.labels().count()], None)) };
        Ok((logarithms(&last.prediction.probabilities), last.prediction.unlike))
    };
    let scored = clips.par_iter().map_init(|| live.clone(), last_scores).collect::<Result<Vec<_>>>();
    bar.finish_and_clear();
    let (scores, unlike): (Vec<_>, Vec<_>) = scored?.into_iter().unzip();
    Ok(Scored { scores, unlike: unlike.into_iter().flatten().collect() })
}

/// The logarithms of probabilities, of which they are the softmax.
fn logarithms(probabilities: &[f32]) -> Vec<f64> {
    // A probability that is 0 in f32 is no smaller than this.
    probabilities.iter().map(|&p| f64::from(p).max(f64::MIN_POSITIVE).ln()).collect()
}

/// The metadata of a model, which must hold feature settings and normalisation.
pub(super) fn require_metadata(file: &ModelFile) -> Result<&Metadata> {
    let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
    metadata.ok_or_else(|| {
        let problem = "expected a model with feature settings and normalisation, but this file has no metadata";
        Error::new(Kind::Model, problem).advice("use a plain state dict with predict and feature files (.npy)")
    })
}

fn speakers_of(data: &Licensed, clips: &[usize]) -> Vec<String> {
    let speakers: std::collections::BTreeSet<_> =
        clips.iter().map(|&clip| data.dataset().clips()[clip].speaker.clone()).collect();
    speakers.into_iter().collect()
}
