//! The data of one training: normalised clips, split into training, validation and test.

use super::augment::per_decibel;
use super::enrolment::SpeakerSums;
use super::metrics::Confusion;
use super::settings::{CheckedSettings, Protocol, Validation};
use crate::data::batch::{Batch, Example, batches};
use crate::data::condition::Condition;
use crate::data::folds::Split;
use crate::data::{ConditionedClips, Dataset};
use crate::error::{Error, Kind, Result};
use crate::layers::Packing;
use crate::matrix::{Matrix, argmax};
use crate::models::branches::mean_probabilities;
use crate::models::{Branch, Model, PackedModel, Tape};
use crate::normalise::Normaliser;
use std::sync::Arc;

/// Clips per evaluation batch where the batch size does not change the result.
const EVALUATION_BATCH: usize = 32;

/// One split of a corpus, normalised by its own statistics.
#[derive(Clone, Debug)]
pub struct Task {
    /// All clips of the corpus, normalised.
    pub examples: Vec<Example<f32>>,
    /// The clips in other recording conditions, not normalised.
    pub conditioned: Arc<[ConditionedClips]>,
    /// Training clips, as indices into `examples`.
    pub train: Vec<usize>,
    /// Validation clips, which choose the best epoch; empty if all speakers train.
    pub validation: Vec<usize>,
    /// Test clips, whose score is reported, in the order in which they are batched; empty if all speakers train.
    pub test: Vec<usize>,
    /// Mean and standard deviation of each feature column of the training.
    pub statistics: Normaliser,
    /// The normalisation of unknown speakers.
    normaliser: Normaliser,
    /// What one decibel of level adds to the first column, normalised.
    pub decibel: f32,
    /// Sums of every clip, in a training with enrolment.
    pub speakers: Option<SpeakerSums>,
    /// The columns of the corpus's features that these examples have; `None` for all.
    columns: Option<Vec<usize>>,
    /// Number of feature columns, `D`.
    pub inputs: usize,
    /// Number of classes, `K`.
    pub classes: usize,
}

impl Task {
    /// The task of `split`; with [`Validation::Train`] the validation speakers train too. Normalisation statistics come from the
    /// training speakers (strict) or from all speakers (published, table1).
    ///
    /// # Errors
    /// [`Kind::Data`] if a speaker is not in the data, or there are fewer than two clips to train on.
    pub fn for_split(dataset: &Dataset, split: &Split, settings: &CheckedSettings) -> Result<Self> {
        split.check_speakers(&dataset.speakers())?;
        let (train, validation) = match settings.validation {
            Validation::Apart => (dataset.clips_of(split.train()), dataset.clips_of(split.validation())),
            Validation::Train => (dataset.clips_of(&[split.train(), split.validation()].concat()), Vec::new()),
        };
        let normalised_by = match settings.protocol {
            Protocol::Strict => train.clone(),
            Protocol::Published | Protocol::Table1 => (0..dataset.clips().len()).collect(),
        };
        let test = in_batching_order(dataset.clips_of(split.test()), dataset, settings.protocol);
        Self::new(dataset, settings, &normalised_by, train, validation, test)
    }

    /// The task in which all clips train; no validation, no test.
    ///
    /// # Errors
    /// [`Kind::Settings`] under the table1 protocol, as no test speakers are left to choose its epoch; [`Kind::Data`] if there are
    /// fewer than two clips.
    pub fn for_all(dataset: &Dataset, settings: &CheckedSettings) -> Result<Self> {
        check_all_speakers(settings)?;
        let all: Vec<usize> = (0..dataset.clips().len()).collect();
        Self::new(dataset, settings, &all, all.clone(), Vec::new(), Vec::new())
    }

    fn new(
        dataset: &Dataset,
        settings: &CheckedSettings,
        normalised_by: &[usize],
        train: Vec<usize>,
        validation: Vec<usize>,
        test: Vec<usize>,
    ) -> Result<Self> {
        if train.len() < 2 {
            let problem = format!("expected at least two clips to train on, got {}", train.len());
            return Err(Error::new(Kind::Data, problem).advice("batch norm needs two: record more, or use other folds"));
        }
        let clips = dataset.clips();
        let statistics = Normaliser::fit(normalised_by.iter().map(|&clip| &clips[clip].features))?;
        let features = settings.inputs.features();
        let level = features.level_column().filter(|_| features.width() == dataset.width());
        let normaliser = statistics.clone().without_speaker(level);
        let example =
            |clip: &crate::data::Clip| Ok(Example { frames: normaliser.apply(&clip.features)?, label: clip.label });
        let examples = clips.iter().map(example).collect::<Result<Vec<_>>>()?;
        let (inputs, classes) = (dataset.width(), dataset.labels().count());
        let conditioned = dataset.conditioned().clone();
        let decibel = per_decibel(&features, statistics.std()[0]);
        settings.branches.columns(&features, inputs)?;
        let speakers =
            settings.enrolment.map(|_| SpeakerSums::new(dataset, &examples, &conditioned, &statistics, level));
        Ok(Task {
            examples,
            conditioned,
            train,
            validation,
            test,
            statistics,
            normaliser,
            decibel,
            speakers,
            columns: None,
            inputs,
            classes,
        })
    }

    /// The task of a branch, which reads some of the columns.
    pub fn for_branch(&self, columns: &[usize]) -> Self {
        let select = |example: &Example<f32>| {
            let mut frames = Matrix::default();
            example.frames.select_columns(columns, &mut frames);
            Example { frames, label: example.label }
        };
        Task {
            examples: self.examples.iter().map(select).collect(),
            conditioned: self.conditioned.clone(),
            train: self.train.clone(),
            validation: self.validation.clone(),
            test: self.test.clone(),
            statistics: self.statistics.select_columns(columns),
            normaliser: self.normaliser.select_columns(columns),
            // The level is in the first column of all.
            decibel: if columns.first() == Some(&0) { self.decibel } else { 0.0 },
            speakers: self.speakers.as_ref().map(|speakers| speakers.for_branch(columns)),
            columns: Some(columns.to_vec()),
            inputs: columns.len(),
            classes: self.classes,
        }
    }

    /// The weight of each class in the loss with [`Balance::Weights`](super::Balance::Weights), `[K]`, by which every class that
    /// occurs in the training clips counts the same. They are scikit-learn's `class_weight="balanced"`. A class without training
    /// clips has the weight 0.
    ///
    /// # Formula
    /// ```text
    /// w[k] = n / (C·n[k])    n training clips, n[k] of them of class k; C classes that occur
    /// ```
    /// The weights of all training clips add up to `n`, so losses stay comparable with those without weights.
    pub fn class_weights(&self) -> Vec<f64> {
        let mut clips = vec![0u64; self.classes];
        self.train.iter().for_each(|&clip| clips[self.examples[clip].label] += 1);
        let occurring = clips.iter().filter(|&&count| count > 0).count();
        let weight = |&count: &u64| match count {
            0 => 0.0,
            count => self.train.len() as f64 / (occurring as f64 * count as f64),
        };
        clips.iter().map(weight).collect()
    }

    /// Values of the test clips, in the order of the data, given in their order of batching.
    pub fn in_order_of_data(&self, values: Vec<usize>) -> Vec<usize> {
        let mut by_clip: Vec<(usize, usize)> = self.test.iter().copied().zip(values).collect();
        by_clip.sort_unstable();
        by_clip.into_iter().map(|(_, value)| value).collect()
    }

    /// A clip in a recording condition.
    pub fn example_in(&self, condition: Condition, clip: usize, scratch: &mut Matrix<f32>) -> Example<f32> {
        Example { frames: self.frames_in(condition, clip, scratch).clone(), label: self.examples[clip].label }
    }

    /// Normalised features `[T,D]` of a clip in a recording condition; those of another condition than as recorded are written to
    /// `scratch`.
    ///
    /// # Panics
    /// If the dataset has no features in this condition.
    pub fn frames_in<'a>(&'a self, condition: Condition, clip: usize, scratch: &'a mut Matrix<f32>) -> &'a Matrix<f32> {
        if condition == Condition::AsRecorded {
            return &self.examples[clip].frames;
        }
        let conditioned = self.conditioned.iter().find(|clips| clips.condition == condition);
        let features = &conditioned.unwrap_or_else(|| panic!("no features in condition {condition}")).features[clip];
        match &self.columns {
            None => self.normaliser.apply_into(features, scratch),
            Some(columns) => {
                features.select_columns(columns, scratch);
                self.normaliser.apply_in_place(scratch);
            }
        }
        scratch
    }
}

/// Checks that settings can train on all speakers.
///
/// # Errors
/// [`Kind::Settings`] under the table1 protocol.
pub fn check_all_speakers(settings: &CheckedSettings) -> Result<()> {
    if settings.protocol == Protocol::Table1 {
        let problem = "protocol: expected strict or published to train on all speakers, got table1, which chooses its epoch on \
                       test speakers";
        return Err(
            Error::new(Kind::Settings, problem).advice("table1 explains the paper's scores: use strict for a model")
        );
    }
    Ok(())
}

/// Clips in the order in which a protocol batches them for evaluation, where padding makes it matter: as in the data or, under
/// table1, by speaker and then by name. Speakers whose names are numbers come in the order of these numbers.
pub fn in_batching_order(mut clips: Vec<usize>, dataset: &Dataset, protocol: Protocol) -> Vec<usize> {
    if protocol == Protocol::Table1 {
        clips.sort_by_key(|&clip| {
            let crate::data::Clip { speaker, name, .. } = &dataset.clips()[clip];
            (speaker.parse::<u64>().unwrap_or(u64::MAX), speaker, name)
        });
    }
    clips
}

/// Memory of a forward pass, reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The current batch.
    pub batch: Batch<f32>,
    /// The model's intermediate values for it.
    pub tape: Tape<f32>,
}

/// Scores (logits) `[N,K]` of `clips`, given as indices into `examples`, in their order. Clips are batched in the order given.
/// The published and table1 protocols pad batches, so there the scores depend on the batch size, which is the training's.
pub fn scores(
    model: &Model<f32>,
    settings: &CheckedSettings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Matrix<f32> {
    let size = match settings.protocol {
        Protocol::Strict => EVALUATION_BATCH,
        Protocol::Published | Protocol::Table1 => settings.batch,
    };
    let Scratch { batch, tape } = scratch;
    let packed = PackedModel::new(model, Packing::Batches);
    let mut all = Matrix::zeros(clips.len(), model.classes());
    let mut first = 0;
    for picks in batches(clips, size) {
        batch.fill(examples, picks, settings.protocol.padding());
        packed.forward_eval(&batch.layout, &batch.x, tape);
        for (scores, &pick) in tape.top.logits.iter_rows().zip(&batch.order) {
            all.row_mut(first + pick).copy_from_slice(scores);
        }
        first += picks.len();
    }
    all
}

/// The [`scores`] of every branch, each `[N,K]`; `examples` have all columns.
pub fn branch_scores(
    branches: &[Branch],
    settings: &CheckedSettings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Vec<Matrix<f32>> {
    let mut of_branch = |branch: &Branch| {
        if examples.first().is_none_or(|example| branch.columns().len() == example.frames.cols()) {
            return scores(branch.model(), settings, examples, clips, scratch);
        }
        let own =
            |&clip: &usize| Example { frames: branch.select(&examples[clip].frames), label: examples[clip].label };
        let own: Vec<Example<f32>> = clips.iter().map(own).collect();
        let all: Vec<usize> = (0..own.len()).collect();
        scores(branch.model(), settings, &own, &all, scratch)
    };
    branches.iter().map(&mut of_branch).collect()
}

/// The class that branches, or several models or versions of the clips, predict for each clip, `[N]`, given the scores `[N,K]` of each:
/// the largest mean probability; of one the largest score.
pub fn predict_by_branches(scores: &[Matrix<f32>]) -> Vec<usize> {
    match scores {
        [one] => one.iter_rows().map(argmax).collect(),
        several => mean_probabilities(several).iter_rows().map(argmax).collect(),
    }
}

/// The predicted class of each of `clips`, `[N]`: that of the largest of its [`scores`].
pub fn predict(
    model: &Model<f32>,
    settings: &CheckedSettings,
    examples: &[Example<f32>],
    clips: &[usize],
    scratch: &mut Scratch,
) -> Vec<usize> {
    scores(model, settings, examples, clips, scratch).iter_rows().map(argmax).collect()
}

/// Confusion matrix of `predictions` `[N]` of `clips`.
pub fn count(predictions: &[usize], examples: &[Example<f32>], clips: &[usize], classes: usize) -> Confusion {
    let mut confusion = Confusion::new(classes);
    clips.iter().zip(predictions).for_each(|(&clip, &prediction)| confusion.count(examples[clip].label, prediction));
    confusion
}

/// Predicts `clips` and returns their confusion matrix.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Clip;
    use crate::labels::Labels;
    use crate::rng::RandomStream;
    use crate::train::{Settings, Validation};

    /// Twelve clips of speakers 10, 9, b and c in turn, of different lengths; names run backwards.
    fn dataset() -> Dataset {
        let mut stream = RandomStream::new(1, "clips", 0);
        let clip = |n: usize| {
            let frames = 2 + 5 * (n % 3);
            let values = (0..frames * 46).map(|_| stream.normal() as f32).collect();
            let features = Matrix::from_vec(frames, 46, values);
            Clip {
                name: format!("clip {:02}", 12 - n),
                label: n % 2,
                speaker: ["10", "9", "b", "c"][n % 4].into(),
                features,
            }
        };
        Dataset::new(Labels::new(vec!["x".into(), "y".into()]).unwrap(), (0..12).map(clip).collect()).unwrap()
    }

    #[test]
    fn class_weights_are_those_of_scikit_learn() {
        let settings = Settings::default().check().unwrap();
        let mut task = Task::for_all(&dataset(), &settings).unwrap();
        // Clips 0, 2, 4 are of class x, 1 of class y. compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1])
        // is [0.66666667, 2.]: 4 / (2·3) and 4 / (2·1).
        task.train = vec![0, 2, 4, 1];
        assert_eq!(task.class_weights(), [4.0 / 6.0, 2.0]);
        let sum: f64 = task.train.iter().map(|&clip| task.class_weights()[task.examples[clip].label]).sum();
        assert_eq!(sum, 4.0);
        // A class that does not occur is not counted.
        task.train = vec![0, 2];
        assert_eq!(task.class_weights(), [1.0, 0.0]);
    }

    #[test]
    fn table1_batches_test_clips_by_speaker_and_then_by_name() {
        let dataset = dataset();
        let all = || (0..12).collect::<Vec<usize>>();
        assert_eq!(in_batching_order(all(), &dataset, Protocol::Published), all());
        assert_eq!(in_batching_order(all(), &dataset, Protocol::Table1), [9, 5, 1, 8, 4, 0, 10, 6, 2, 11, 7, 3]);
    }

    #[test]
    fn predictions_come_in_the_order_of_the_data_whatever_the_order_of_batching() {
        let dataset = dataset();
        let settings = Settings { arch: "reslstm-sa-h4".parse().unwrap(), epochs: 1, batch: 2, ..Settings::default() };
        let table1 = Settings { protocol: Protocol::Table1, validation: Validation::Train, ..settings };
        let settings = table1.check().unwrap();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let split = Split::new(0, names(&["b"]), names(&["c"]), names(&["10", "9"])).unwrap();
        let task = Task::for_split(&dataset, &split, &settings).unwrap();
        assert_eq!(task.test, [9, 5, 1, 8, 4, 0]);
        let mut training = crate::train::Training::new(&settings, &task, 0);
        training.epoch(&|| 0.0).unwrap();
        let outcome = training.finish();
        let batched = predict(&outcome.models[0], &settings, &task.examples, &task.test, &mut Scratch::default());
        let of_clip = |clip| batched[task.test.iter().position(|&other| other == clip).unwrap()];
        assert_eq!(outcome.predictions, [0, 1, 4, 5, 8, 9].map(of_clip));
        // The order matters, as padding counts: other neighbours, other scores.
        let scores =
            |clips: &[usize]| scores(&outcome.models[0], &settings, &task.examples, clips, &mut Scratch::default());
        assert_ne!(scores(&[9, 5]).row(0), scores(&[9, 1]).row(0));
    }
}
