//! One training: one model on one task, epoch by epoch. The [branches](crate::models::branches) of a model are trained one after the
//! other, each like an ordinary model on its columns, with random streams of its own.

use super::augment::Augment;
use super::calibration::fit_branches_temperature;
use super::enrolment::{COUNTS, count_name};
use super::metrics::Confusion;
use super::settings::{Balance, CheckedSettings, Protocol, Weights};
use super::step::Step;
use super::task::{Scratch, Task, branch_scores, count, evaluate, predict_by_branches, scores};
use crate::data::batch::{Batch, Example, batches};
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::models::{Branch, Model};
use crate::optim::{Adam, CosineWarmRestarts};
use crate::packed::Padding;
use crate::params::{Parameters, Path};
use crate::rng::{RandomStream, derive_seed};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Result of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Mean training loss, nats per clip; with class weights the weighted mean.
    pub loss: f64,
    /// UAR on the validation speakers after the epoch, `0..=1`; `None` without validation speakers.
    pub validation_uar: Option<f64>,
    /// Test clips of each class that were recognised after the epoch, `[K]`. Empty but under [`Protocol::Table1`], the one that
    /// looks at test speakers before the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_correct: Vec<u64>,
    /// Training time without the validation, seconds.
    pub seconds: f64,
}

/// The model of the best epoch so far; of equal epochs the earliest.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Its UAR, `0..=1`, on the speakers that choose the epoch: those for validation, or under [`Protocol::Table1`] for test.
    pub uar: f64,
    /// Its weights.
    pub model: Model<f32>,
}

/// A branch that is trained, before those that are not.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedBranch {
    /// The weights that are kept.
    pub kept: Model<f32>,
    /// The weights after the last epoch.
    pub last: Model<f32>,
    /// The epoch of the kept weights, from 0; for an average the last epoch.
    pub epoch: usize,
    /// One record per epoch.
    pub history: Vec<EpochRecord>,
}

/// The state of a training between two epochs: all that the next epochs depend on.
#[derive(Clone, Debug)]
pub struct State {
    /// The branches before the current one; the other fields are those of the current one.
    pub finished: Vec<FinishedBranch>,
    /// Weights and running statistics.
    pub model: Model<f32>,
    /// The optimiser's moments.
    pub adam: Adam<f32>,
    /// The best epoch so far; `None` before the first epoch and if no speakers choose one.
    pub best: Option<Best>,
    /// Weights to be averaged, from the epochs that [`Settings::snapshots`](super::Settings::snapshots) names.
    pub snapshots: Vec<Model<f32>>,
    /// One record per finished epoch.
    pub history: Vec<EpochRecord>,
}

/// A training in progress. Random streams are named by `seed` and epoch, so [`State`] is all that must be saved.
pub struct Training<'a> {
    settings: &'a CheckedSettings,
    /// The task with all columns.
    whole: &'a Task,
    /// The columns of each branch, of an ordinary model all.
    columns: Vec<Vec<usize>>,
    /// The seed of the whole training.
    base_seed: u64,
    /// The task and the seed of the current branch.
    task: Cow<'a, Task>,
    seed: u64,
    state: State,
    /// Weight of each class in the loss, `[K]`; `None` if every clip counts the same.
    class_weights: Option<Vec<f64>>,
    step: Step<f32>,
    scratch: Scratch,
    order: Vec<usize>,
    augmented: AugmentedBatch,
}

/// Result of a finished training.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights that are kept of every branch, of an ordinary model one. If no speakers choose an epoch, these are the last
    /// epoch's.
    pub models: Vec<Model<f32>>,
    /// The epoch of these weights, from 0; for an average the last epoch; of several branches the latest.
    pub epoch: usize,
    /// UAR of the kept weights on the validation speakers, `0..=1`; `None` without validation speakers.
    pub validation_uar: Option<f64>,
    /// Temperature fitted on the validation speakers; the model's scores are divided by it already. `None` without validation
    /// speakers, or if no temperature fits.
    pub temperature: Option<f64>,
    /// How a temperature that is given to the trained model grows with the distance of a clip; `None` here.
    pub temperature_growth: Option<f64>,
    /// One record per epoch. Of several branches loss and UAR are means over them, seconds the sum.
    pub history: Vec<EpochRecord>,
    /// The class predicted for each test clip, in the order of the data. Test speakers are used here only, but under
    /// [`Protocol::Table1`].
    pub predictions: Vec<usize>,
    /// Confusion matrix of these predictions; all zero without test speakers.
    pub confusion: Confusion,
    /// Confusion matrix of the last epoch's weights. It shows what choosing an epoch gains; nothing is chosen by it.
    pub last_confusion: Confusion,
    /// The same test clips with enrolment, by the number of clips of the speaker; empty in a training without. Transductive.
    pub enrolment: Vec<EnrolmentResult>,
    /// Other predictors from the same training, if the average is kept. Nothing is chosen by them.
    pub variants: Vec<PredictorVariant>,
}

/// Predictions of the test clips, each normalised by some random clips of its speaker, without their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolmentResult {
    /// Number of clips: `8`, or `all`.
    pub clips: String,
    /// The class predicted for each test clip, in the order of the data.
    pub predictions: Vec<usize>,
    /// Confusion matrix of these predictions.
    pub confusion: Confusion,
}

/// Predictions of the test clips by other weights of a training than the kept ones, or by an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictorVariant {
    /// The variant's name, e.g. `last epoch`.
    pub name: String,
    /// Number of models in it, each of the size of the kept one.
    pub models: usize,
    /// The class predicted for each test clip, in the order of the data.
    pub predictions: Vec<usize>,
    /// Confusion matrix of these predictions.
    pub confusion: Confusion,
}

impl<'a> Training<'a> {
    /// A new training with weights drawn from `seed`.
    pub fn new(settings: &'a CheckedSettings, task: &'a Task, seed: u64) -> Self {
        Self::resume(settings, task, seed, new_state(settings, branch_task(settings, task, 0).inputs, task, seed))
    }

    /// A training that continues from a saved state.
    pub fn resume(settings: &'a CheckedSettings, task: &'a Task, seed: u64, state: State) -> Self {
        let class_weights = (settings.balance == Balance::Weights).then(|| task.class_weights());
        let columns = columns_of(settings, task);
        Training {
            settings,
            whole: task,
            columns,
            base_seed: seed,
            task: branch_task(settings, task, state.finished.len()),
            seed: branch_seed(seed, state.finished.len()),
            step: new_step(&state.model, class_weights.as_deref(), settings),
            state,
            class_weights,
            scratch: Scratch::default(),
            order: Vec::with_capacity(task.train.len()),
            augmented: AugmentedBatch::default(),
        }
    }

    /// Ends the training of the current branch.
    fn finish_branch(&mut self) {
        let State { model: last, best, snapshots, history, .. } = &mut self.state;
        let final_epoch = history.len().saturating_sub(1);
        let (kept, epoch) = match (self.settings.weights, best.take()) {
            (Weights::Best, Some(best)) => (best.model, best.epoch),
            (Weights::Average, _) => (mean(snapshots), final_epoch),
            _ => (last.clone(), final_epoch),
        };
        let (last, history) = (last.clone(), std::mem::take(history));
        self.state.finished.push(FinishedBranch { kept, last, epoch, history });
    }

    /// Begins the training of the branch after the finished ones.
    fn begin_branch(&mut self) {
        let branch = self.state.finished.len();
        self.seed = branch_seed(self.base_seed, branch);
        self.task = branch_task(self.settings, self.whole, branch);
        let finished = std::mem::take(&mut self.state.finished);
        self.state = State { finished, ..new_state(self.settings, self.task.inputs, self.whole, self.seed) };
        self.step = new_step(&self.state.model, self.class_weights.as_deref(), self.settings);
        self.scratch = Scratch::default();
    }

    /// The state to save between two epochs.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state, to go on from later.
    pub fn into_state(self) -> State {
        self.state
    }

    /// The records of all finished epochs, those of earlier branches first.
    pub fn records(&self) -> impl Iterator<Item = &EpochRecord> {
        self.state.finished.iter().flat_map(|branch| &branch.history).chain(&self.state.history)
    }

    /// Number of finished epochs, of all branches.
    pub fn epochs_done(&self) -> usize {
        self.records().count()
    }

    /// Whether all epochs of all branches are finished.
    pub fn is_finished(&self) -> bool {
        self.epochs_done() == self.settings.total_epochs()
    }

    /// Runs one epoch: all training clips in a new random order, then the validation. `clock` returns seconds since any fixed
    /// moment and is used for [`EpochRecord::seconds`] alone; pass `&|| 0.0` where there is no clock.
    ///
    /// # Errors
    /// [`Kind::Diverged`] if the loss is not finite.
    pub fn epoch(&mut self, clock: &dyn Fn() -> f64) -> Result<&EpochRecord> {
        if self.state.history.len() == self.settings.epochs && !self.is_finished() {
            self.finish_branch();
            self.begin_branch();
        }
        let epoch = self.state.history.len();
        let start = clock();
        let loss = self.train_epoch(epoch);
        let seconds = clock() - start;
        let validation_uar = (!self.task.validation.is_empty()).then(|| self.evaluate(&self.whole.validation).uar());
        let test = (self.settings.protocol == Protocol::Table1).then(|| self.evaluate(&self.whole.test));
        if let Some(uar) = test.as_ref().map(Confusion::uar).or(validation_uar)
            && self.state.best.as_ref().is_none_or(|best| uar > best.uar)
        {
            self.state.best = Some(Best { epoch, uar, model: self.state.model.clone() });
        }
        let test_correct = test.map_or(Vec::new(), |test| test.correct());
        self.state.history.push(EpochRecord { loss, validation_uar, test_correct, seconds });
        if !loss.is_finite() {
            let problem = format!("the training diverged: its loss is {loss} in epoch {}", epoch + 1);
            return Err(Error::new(Kind::Diverged, problem).advice("a lower learning rate may help"));
        }
        Ok(&self.state.history[epoch])
    }

    fn train_epoch(&mut self, epoch: usize) -> f64 {
        let Training { settings, task, seed, state, class_weights, step, scratch, order, augmented, .. } = self;
        let Scratch { batch, tape } = scratch;
        let lr = CosineWarmRestarts::published(settings.lr, settings.t0).rate(epoch);
        order.clear();
        order.extend_from_slice(&task.train);
        RandomStream::new(*seed, "shuffle", epoch as u64).shuffle(order);
        let mut masks = RandomStream::new(*seed, "dropout", epoch as u64);
        let mut loss = 0.0;
        for picks in batches(order, settings.batch) {
            let seed = |name: &str| derive_seed(*seed, name, epoch as u64);
            match (&settings.augment, settings.enrolment) {
                (None, None) => batch.fill(&task.examples, picks, settings.protocol.padding()),
                (augment, kappa) => {
                    let enrolment = kappa.map(|kappa| (kappa, seed("enrolment")));
                    let augment = augment.as_ref().map_or_else(|| Cow::Owned(Augment::default()), Cow::Borrowed);
                    augmented.fill((&augment, seed("augment")), enrolment, task, picks, batch);
                }
            }
            let dropout = (settings.dropout, &mut masks);
            let mean = step.take(&mut state.model, &mut state.adam, batch, tape, dropout, lr);
            let counted = match class_weights {
                None => picks.len() as f64,
                Some(weights) => picks.iter().map(|&clip| weights[task.examples[clip].label]).sum(),
            };
            loss += mean as f64 * counted;
        }
        if settings.snapshots().any(|snapshot| snapshot == epoch) {
            state.snapshots.push(state.model.clone());
        }
        loss / task.train.len() as f64
    }

    fn evaluate(&mut self, clips: &[usize]) -> Confusion {
        evaluate(&self.state.model, self.settings, &self.task.examples, clips, &mut self.scratch)
    }

    /// Ends the training: fits the temperature and predicts the test clips.
    pub fn finish(mut self) -> Outcome {
        self.finish_branch();
        let Training { settings, whole: task, columns, base_seed, state, mut scratch, .. } = self;
        let State { finished, snapshots, .. } = state;
        let branches = |model: fn(&FinishedBranch) -> &Model<f32>| -> Vec<Branch> {
            let branch = |(columns, branch): (&Vec<usize>, _)| Branch::new(columns.clone(), model(branch).clone());
            columns.iter().zip(&finished).map(branch).collect()
        };
        let mut scores = |branches: &[Branch], clips: &[usize]| {
            branch_scores(branches, settings, &task.examples, clips, &mut scratch)
        };
        let (mut kept, last) = (branches(|branch| &branch.kept), branches(|branch| &branch.last));
        let last_predictions = predict_by_branches(&scores(&last, &task.test));
        let count_test = |predictions: &[usize]| count(predictions, &task.examples, &task.test, task.classes);
        let last_confusion = count_test(&last_predictions);
        let (mut validation_uar, mut temperature) = (None, None);
        if !task.validation.is_empty() {
            let scores = scores(&kept, &task.validation);
            let predictions = predict_by_branches(&scores);
            validation_uar = Some(count(&predictions, &task.examples, &task.validation, task.classes).uar());
            let labels: Vec<usize> = task.validation.iter().map(|&clip| task.examples[clip].label).collect();
            temperature = fit_branches_temperature(&scores, &labels);
        }
        let mut variants = Vec::new();
        if settings.weights == Weights::Average && settings.branches.is_none() && !task.test.is_empty() {
            variants.push(("last epoch", 1, last_predictions));
            variants.extend(predict_ensembles(settings, task, kept[0].model(), &snapshots, &mut scratch));
        }
        if let Some(temperature) = temperature {
            kept.iter_mut().for_each(|branch| branch.model_mut().divide_scores(temperature));
        }
        let scores = branch_scores(&kept, settings, &task.examples, &task.test, &mut scratch);
        let predictions = predict_by_branches(&scores);
        let confusion = count_test(&predictions);
        let mut enrolment = Vec::new();
        if let (Some(speakers), Some(kappa), false) = (&task.speakers, settings.enrolment, task.test.is_empty()) {
            let all: Vec<usize> = (0..task.test.len()).collect();
            for count in COUNTS {
                let examples = speakers.enrolled_examples(&task.examples, &task.test, count, kappa, base_seed);
                let predictions = predict_by_branches(&branch_scores(&kept, settings, &examples, &all, &mut scratch));
                let confusion = count_test(&predictions);
                let clips = count_name(count);
                enrolment.push(EnrolmentResult { clips, predictions: task.in_order_of_data(predictions), confusion });
            }
        }
        let predictions = task.in_order_of_data(predictions);
        let variant = |(name, models, predictions): (&str, usize, Vec<usize>)| {
            let confusion = count_test(&predictions);
            PredictorVariant { name: name.into(), models, predictions, confusion }
        };
        let variants = variants.into_iter().map(variant).collect();
        Outcome {
            models: kept.into_iter().map(|branch| branch.model().clone()).collect(),
            epoch: finished.iter().map(|branch| branch.epoch).max().unwrap_or(0),
            validation_uar,
            temperature,
            temperature_growth: None,
            history: mean_history(&finished),
            predictions,
            confusion,
            last_confusion,
            enrolment,
            variants,
        }
    }
}

/// The columns that each network reads.
fn columns_of(settings: &CheckedSettings, task: &Task) -> Vec<Vec<usize>> {
    let columns = settings.branches.columns(&settings.inputs.features(), task.inputs);
    columns.expect("a task has checked the columns of its branches")
}

/// The task of branch `branch`; that of an ordinary model is the whole task.
fn branch_task<'a>(settings: &CheckedSettings, task: &'a Task, branch: usize) -> Cow<'a, Task> {
    match settings.branches.is_none() {
        true => Cow::Borrowed(task),
        false => Cow::Owned(task.for_branch(&columns_of(settings, task)[branch])),
    }
}

/// The seed of a branch. The first has that of the training, so that one branch of all columns is the ordinary model.
fn branch_seed(seed: u64, branch: usize) -> u64 {
    if branch == 0 { seed } else { derive_seed(seed, "branch", branch as u64) }
}

/// The state of a network of so many inputs before its first epoch.
fn new_state(settings: &CheckedSettings, inputs: usize, task: &Task, seed: u64) -> State {
    let model = Model::init(settings.arch, inputs, task.classes, &mut RandomStream::new(seed, "init", 0));
    let adam = Adam::new(model.parameter_count(), settings.weight_decay);
    State { finished: Vec::new(), model, adam, best: None, snapshots: Vec::new(), history: Vec::new() }
}

fn new_step(model: &Model<f32>, class_weights: Option<&[f64]>, settings: &CheckedSettings) -> Step<f32> {
    let step = Step::new(model);
    let step = match class_weights {
        Some(weights) => step.with_class_weights(weights),
        None => step,
    };
    step.with_label_smoothing(settings.label_smoothing)
}

/// One record per epoch: the means over all branches, and the sum of their seconds. Of one branch, its records.
fn mean_history(branches: &[FinishedBranch]) -> Vec<EpochRecord> {
    if let [one] = branches {
        return one.history.clone();
    }
    let epochs = branches.iter().map(|branch| branch.history.len()).min().unwrap_or(0);
    let of_epoch = |epoch: usize| {
        let all = || branches.iter().map(|branch| &branch.history[epoch]);
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        EpochRecord {
            loss: mean(all().map(|record| record.loss).collect()),
            validation_uar: all().map(|record| record.validation_uar).collect::<Option<Vec<f64>>>().map(mean),
            test_correct: Vec::new(),
            seconds: all().map(|record| record.seconds).sum(),
        }
    };
    (0..epochs).map(of_epoch).collect()
}

/// Mean of all weights and running statistics of several models.
///
/// # Panics
/// If `models` is empty.
fn mean(models: &[Model<f32>]) -> Model<f32> {
    let mut mean = models.first().expect("a training that averages has snapshots").clone();
    for model in &models[1..] {
        mean.visit_pairs(model, &mut |_, sum, values| sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += x));
    }
    let share = 1.0 / models.len() as f32;
    mean.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.iter_mut().for_each(|x| *x *= share));
    mean
}

/// Predictions of ensembles: several models, several playback speeds of each clip, or both. Returns each ensemble's name, number
/// of models and predicted classes.
fn predict_ensembles(
    settings: &CheckedSettings,
    task: &Task,
    mean: &Model<f32>,
    snapshots: &[Model<f32>],
    scratch: &mut Scratch,
) -> Vec<(&'static str, usize, Vec<usize>)> {
    let mut all = |models: &[Model<f32>], examples: &[Example<f32>], clips: &[usize]| -> Vec<Matrix<f32>> {
        models.iter().map(|model| scores(model, settings, examples, clips, scratch)).collect()
    };
    let mean = std::slice::from_ref(mean);
    let mut of_mean = all(mean, &task.examples, &task.test);
    let mut of_snapshots = all(snapshots, &task.examples, &task.test);
    let mut ensembles = vec![("snapshots together", snapshots.len(), predict_by_branches(&of_snapshots))];
    let speeds = settings.augment.as_ref().map(Augment::other_speeds).unwrap_or_default();
    for &speed in &speeds {
        let mut scratch = Matrix::default();
        let examples: Vec<Example<f32>> =
            task.test.iter().map(|&clip| task.example_in(speed, clip, &mut scratch)).collect();
        let clips: Vec<usize> = (0..examples.len()).collect();
        of_mean.extend(all(mean, &examples, &clips));
        of_snapshots.extend(all(snapshots, &examples, &clips));
    }
    if !speeds.is_empty() {
        ensembles.push(("average at every speed", 1, predict_by_branches(&of_mean)));
        ensembles.push(("snapshots at every speed", snapshots.len(), predict_by_branches(&of_snapshots)));
    }
    ensembles
}

/// The randomly augmented clips of a batch. Its memory is reused from batch to batch.
#[derive(Debug, Default)]
struct AugmentedBatch {
    examples: Vec<Example<f32>>,
    order: Vec<usize>,
    scratch: Matrix<f32>,
    enrolled: Matrix<f32>,
}

impl AugmentedBatch {
    /// Fills `batch`, with augmentation and its seed, and κ and the seed of enrolment.
    fn fill(
        &mut self,
        (augment, seed): (&Augment, u64),
        enrolment: Option<(f64, u64)>,
        task: &Task,
        picks: &[usize],
        batch: &mut Batch<f32>,
    ) {
        let AugmentedBatch { examples, order, scratch, enrolled } = self;
        examples.resize_with(picks.len().max(examples.len()), || Example { frames: Matrix::default(), label: 0 });
        for (example, &clip) in examples.iter_mut().zip(picks) {
            let mut stream = RandomStream::new(seed, "clip", clip as u64);
            augment.vary(
                |condition| {
                    let frames = task.frames_in(condition, clip, scratch);
                    let normaliser = task.speakers.as_ref().zip(enrolment).and_then(|(speakers, (kappa, seed))| {
                        speakers.draw(condition, clip, kappa, &mut RandomStream::new(seed, "clip", clip as u64))
                    });
                    match normaliser {
                        None => frames,
                        Some(normaliser) => {
                            normaliser.apply_into(frames, enrolled);
                            enrolled
                        }
                    }
                },
                task.decibel,
                &mut stream,
                &mut example.frames,
            );
            example.label = task.examples[clip].label;
        }
        order.clear();
        order.extend(0..picks.len());
        batch.fill(examples, order, Padding::Ignored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_models_is_the_mean_of_each_value() {
        let arch = "reslstm-sa-h3".parse().unwrap();
        let models: Vec<Model<f32>> =
            (0..3).map(|seed| Model::init(arch, 5, 4, &mut RandomStream::new(seed, "init", 0))).collect();
        let values = |model: &Model<f32>| {
            let mut all = Vec::new();
            model.visit(&Path::ROOT, &mut |_, _, _, values| all.extend_from_slice(values));
            all
        };
        let all: Vec<Vec<f32>> = models.iter().map(values).collect();
        for (n, &got) in values(&mean(&models)).iter().enumerate() {
            approx::assert_abs_diff_eq!(got, (all[0][n] + all[1][n] + all[2][n]) / 3.0, epsilon = 1e-6);
        }
        assert_eq!(values(&mean(&models[..1])), all[0]);
    }
}
