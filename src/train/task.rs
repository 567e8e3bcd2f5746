//! What one training learns from, and is judged by: normalised clips, and who stands on which side.

use super::metrics::Confusion;
use super::settings::{CheckedSettings, Protocol, Validation};
use crate::data::batch::{Batch, Example, batches};
use crate::data::condition::Condition;
use crate::data::folds::Split;
use crate::data::normalise::Normaliser;
use crate::data::{Dataset, Heard};
use crate::error::{Error, Kind, Result};
use crate::layers::PackedFor;
use crate::layers::softmax_cross_entropy::softmax;
use crate::matrix::Matrix;
use crate::models::{Model, Tape};
use std::sync::Arc;

/// Clips in a batch of an evaluation where that does not change the result.
const EVALUATION_BATCH: usize = 32;

/// One division of a corpus, normalised by its own statistics.
#[derive(Clone, Debug)]
pub struct Task {
    /// Every clip of the corpus, normalised.
    pub examples: Vec<Example<f32>>,
    /// The clips in other conditions, not normalised.
    pub heard: Arc<[Heard]>,
    /// Clips to learn from.
    pub train: Vec<usize>,
    /// Clips that choose the best epoch; empty where every speaker trains.
    pub validation: Vec<usize>,
    /// Clips whose score is reported; empty where every speaker trains.
    pub test: Vec<usize>,
    /// Mean and standard deviation of every column.
    pub normaliser: Normaliser,
    /// `D`
    pub inputs: usize,
    /// `K`
    pub classes: usize,
}

impl Task {
    /// The sides of `split`; with [`Validation::Train`] the validation speakers are on the training side. Statistics come from
    /// the training speakers (strict) or from everybody (published).
    ///
    /// # Errors
    /// [`Kind::Data`] if a speaker is not in the data, or there are fewer than two clips to train on.
    pub fn for_split(dataset: &Dataset, split: &Split, settings: &CheckedSettings) -> Result<Self> {
        split.check_speakers(&dataset.speakers())?;
        let (train, validation) = match settings.validation {
            Validation::Apart => (dataset.clips_of(split.train()), dataset.clips_of(split.validation())),
            Validation::Train => (dataset.clips_of(&[split.train(), split.validation()].concat()), Vec::new()),
        };
        let seen = match settings.protocol {
            Protocol::Strict => train.clone(),
            Protocol::Published => (0..dataset.clips().len()).collect(),
        };
        Self::new(dataset, &seen, train, validation, dataset.clips_of(split.test()))
    }

    /// Everybody trains; nobody is left to validate or test.
    ///
    /// # Errors
    /// [`Kind::Data`] if there are fewer than two clips.
    pub fn for_all(dataset: &Dataset) -> Result<Self> {
        let everyone: Vec<usize> = (0..dataset.clips().len()).collect();
        Self::new(dataset, &everyone, everyone.clone(), Vec::new(), Vec::new())
    }

    fn new(
        dataset: &Dataset,
        seen: &[usize],
        train: Vec<usize>,
        validation: Vec<usize>,
        test: Vec<usize>,
    ) -> Result<Self> {
        if train.len() < 2 {
            let problem = format!("expected at least two clips to train on, got {}", train.len());
            return Err(Error::new(Kind::Data, problem).advice("batch norm needs two: record more, or use other folds"));
        }
        let clips = dataset.clips();
        let normaliser = Normaliser::fit(seen.iter().map(|&clip| &clips[clip].features))?;
        let example =
            |clip: &crate::data::Clip| Ok(Example { frames: normaliser.apply(&clip.features)?, label: clip.label });
        let examples = clips.iter().map(example).collect::<Result<_>>()?;
        let (inputs, classes) = (dataset.width(), dataset.labels().count());
        let heard = dataset.heard().clone();
        Ok(Task { examples, heard, train, validation, test, normaliser, inputs, classes })
    }

    /// A clip as it is heard in a condition.
    pub fn example_in(&self, condition: Condition, clip: usize, scratch: &mut Matrix<f32>) -> Example<f32> {
        Example { frames: self.frames_in(condition, clip, scratch).clone(), label: self.examples[clip].label }
    }

    /// Normalised features of a clip in a condition: its own, or made in `scratch`.
    ///
    /// # Panics
    /// If the clips were not heard in this condition.
    pub fn frames_in<'a>(&'a self, condition: Condition, clip: usize, scratch: &'a mut Matrix<f32>) -> &'a Matrix<f32> {
        if condition == Condition::AsRecorded {
            return &self.examples[clip].frames;
        }
        let heard = self.heard.iter().find(|heard| heard.condition == condition);
        let features = &heard.unwrap_or_else(|| panic!("features, {condition}, were not made")).features[clip];
        self.normaliser.apply_into(features, scratch);
        scratch
    }
}

/// Memory of a forward, reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The batch at hand.
    pub batch: Batch<f32>,
    /// What the model remembers of it.
    pub tape: Tape<f32>,
}

/// The scores of each of `clips` of `examples`, `[N,K]`, in their order. Clips are batched in the order given; in the strict protocol
/// the batches do not matter, in the published one they do, and have the training's size.
pub fn scores(
    model: &Model<f32>,
    settings: &CheckedSettings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Matrix<f32> {
    let size = match settings.protocol {
        Protocol::Strict => EVALUATION_BATCH,
        Protocol::Published => settings.batch,
    };
    let Scratch { batch, tape } = scratch;
    model.pack(PackedFor::Batches, tape);
    let mut all = Matrix::zeros(clips.len(), model.classes());
    let mut first = 0;
    for picks in batches(clips, size) {
        batch.fill(examples, picks, settings.protocol.padding());
        model.forward_eval_packed(&batch.layout, &batch.x, tape);
        for (scores, &pick) in tape.top.logits.iter_rows().zip(&batch.order) {
            all.row_mut(first + pick).copy_from_slice(scores);
        }
        first += picks.len();
    }
    all
}

/// The class predicted for each of `clips` of `examples`: that of the largest of its [`scores`].
pub fn predict(
    model: &Model<f32>,
    settings: &CheckedSettings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Vec<usize> {
    scores(model, settings, examples, clips, scratch).iter_rows().map(argmax).collect()
}

/// The class predicted for each clip by several of its scores, `[N,K]` each, of several models or of several ways to hear it: the
/// largest mean probability.
///
/// # Panics
/// If there are no scores.
pub fn predict_together<'a>(all: impl IntoIterator<Item = &'a Matrix<f32>>) -> Vec<usize> {
    let (mut sum, mut probabilities) = (Matrix::<f32>::default(), Matrix::default());
    for scores in all {
        softmax(scores, &mut probabilities);
        if sum.rows() == 0 {
            sum.resize(scores.rows(), scores.cols());
            sum.fill(0.0);
        }
        sum.as_mut_slice().iter_mut().zip(probabilities.as_slice()).for_each(|(sum, &p)| *sum += p);
    }
    assert!(sum.rows() > 0, "at least one model is asked");
    sum.iter_rows().map(argmax).collect()
}

/// How often each class of `clips` was taken for each, `predictions` being [`predict`]'s.
pub fn count(predictions: &[usize], examples: &[Example<f32>], clips: &[usize], classes: usize) -> Confusion {
    let mut confusion = Confusion::new(classes);
    clips.iter().zip(predictions).for_each(|(&clip, &prediction)| confusion.count(examples[clip].label, prediction));
    confusion
}

/// Predicts `clips` of `examples` and counts.
pub fn evaluate(
    model: &Model<f32>,
    settings: &CheckedSettings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Confusion {
    let predictions = predict(model, settings, examples, clips, scratch);
    count(&predictions, examples, clips, model.classes())
}

/// Index of the largest score, the first of equals.
pub fn argmax(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best })
}
