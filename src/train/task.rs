//! What one training learns from, and is judged by: normalised clips, and who stands on which side.

use super::metrics::Confusion;
use super::settings::{Protocol, Settings};
use crate::data::Dataset;
use crate::data::batch::{Batch, Example, batches};
use crate::data::folds::Split;
use crate::data::normalise::Normaliser;
use crate::error::{Error, Kind, Result};
use crate::layers::PackedFor;
use crate::models::{Model, Tape};

/// Clips in a batch of an evaluation where that does not change the result.
const EVALUATION_BATCH: usize = 32;

/// One division of a corpus, normalised by its own statistics.
#[derive(Clone, Debug)]
pub struct Task {
    /// Every clip of the corpus, normalised.
    pub examples: Vec<Example<f32>>,
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
    /// The sides of `split`. Statistics come from the training speakers (strict) or from everybody (published).
    ///
    /// # Errors
    /// [`Kind::Data`] if a speaker is not in the data, or there are fewer than two clips to train on.
    pub fn for_split(dataset: &Dataset, split: &Split, protocol: Protocol) -> Result<Self> {
        split.check_speakers(&dataset.speakers())?;
        let train = dataset.clips_of(split.train());
        let seen = match protocol {
            Protocol::Strict => train.clone(),
            Protocol::Published => (0..dataset.clips().len()).collect(),
        };
        let (validation, test) = (dataset.clips_of(split.validation()), dataset.clips_of(split.test()));
        Self::new(dataset, &seen, train, validation, test)
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
        Ok(Task { examples, train, validation, test, normaliser, inputs, classes })
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

/// The class predicted for each of `clips` of `examples`, in their order. Clips are batched in the order given; in the strict
/// protocol the batches do not matter, in the published one they do, and have the training's size.
pub fn predict(
    model: &Model<f32>,
    settings: &Settings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Vec<usize> {
    let size = match settings.protocol {
        Protocol::Strict => EVALUATION_BATCH,
        Protocol::Published => settings.batch,
    };
    let Scratch { batch, tape } = scratch;
    model.pack(PackedFor::Batches, tape);
    let mut predictions = vec![0; clips.len()];
    let mut rest = &mut predictions[..];
    for picks in batches(clips, size) {
        let here;
        (here, rest) = rest.split_at_mut(picks.len());
        batch.fill(examples, picks, settings.protocol.padding());
        model.forward_eval_packed(&batch.layout, &batch.x, tape);
        for (scores, &pick) in tape.top.logits.iter_rows().zip(&batch.order) {
            here[pick] = largest(scores);
        }
    }
    predictions
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
    settings: &Settings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Confusion {
    let predictions = predict(model, settings, examples, clips, scratch);
    count(&predictions, examples, clips, model.classes())
}

/// Index of the largest score, the first of equals.
fn largest(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best })
}
