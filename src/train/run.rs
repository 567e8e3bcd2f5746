//! One training: one model, one task, epoch after epoch.

use super::augment::Augment;
use super::calibration::fit_temperature;
use super::metrics::Confusion;
use super::settings::{CheckedSettings, Weights};
use super::step::Step;
use super::task::{Scratch, Task, count, evaluate, predict, predict_together, scores};
use crate::data::batch::{Batch, Example, batches};
use crate::matrix::Matrix;
use crate::models::Model;
use crate::optim::{Adam, CosineWarmRestarts};
use crate::packed::Padding;
use crate::params::{Parameters, Path};
use crate::rng::{Stream, derive_seed};
use serde::{Deserialize, Serialize};

/// What one epoch did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Mean training loss, in nats a clip.
    pub loss: f64,
    /// UAR on the validation speakers after it, where there are any.
    pub validation_uar: Option<f64>,
    /// Seconds of training alone.
    pub seconds: f64,
}

/// The model of the best validation epoch so far; the earliest of equals.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Its UAR on the validation speakers.
    pub validation_uar: f64,
    /// Its weights.
    pub model: Model<f32>,
}

/// A training between two epochs: everything that decides how it goes on.
#[derive(Clone, Debug)]
pub struct State {
    /// Weights and running statistics.
    pub model: Model<f32>,
    /// The optimiser's memory.
    pub adam: Adam<f32>,
    /// The best epoch so far; `None` before the first, and where nobody validates.
    pub best: Option<Best>,
    /// Weights to be averaged, of the epochs that [`Settings::snapshots`](super::Settings::snapshots) names.
    pub snapshots: Vec<Model<f32>>,
    /// One record an epoch done.
    pub history: Vec<EpochRecord>,
}

/// A training in progress. Random numbers come from streams named by `seed` and epoch, so [`State`] is all there is to save.
pub struct Training<'a> {
    settings: &'a CheckedSettings,
    task: &'a Task,
    seed: u64,
    state: State,
    step: Step<f32>,
    scratch: Scratch,
    order: Vec<usize>,
    heard: Heard,
}

/// What a finished training leaves.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights that are kept; of the last epoch where the best is wanted and nobody validates.
    pub model: Model<f32>,
    /// The epoch they are of, from 0; for an average the last.
    pub epoch: usize,
    /// Their UAR on the validation speakers, where there are any.
    pub validation_uar: Option<f64>,
    /// The temperature that the validation speakers fitted, where there are any and one fits; the model's scores are divided by it.
    pub temperature: Option<f64>,
    /// One record an epoch.
    pub history: Vec<EpochRecord>,
    /// The class predicted for each test clip, in the task's order; the test speakers are looked at once, here.
    pub predictions: Vec<usize>,
    /// These predictions, counted; empty where there are no test speakers.
    pub confusion: Confusion,
    /// The same of the last epoch's weights: what choosing an epoch gains or costs. Nothing is chosen by it.
    pub last_confusion: Confusion,
    /// What else this training predicts, where it is the average that is kept. Nothing is chosen by it.
    pub others: Vec<Other>,
}

/// What a training predicts in another way than by the weights it keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Other {
    /// Which way.
    pub name: String,
    /// How many models of the size of the one that is kept it takes.
    pub models: usize,
    /// The class predicted for each test clip, in the task's order.
    pub predictions: Vec<usize>,
    /// The same, counted.
    pub confusion: Confusion,
}

impl<'a> Training<'a> {
    /// Before the first epoch: weights drawn from `seed`.
    pub fn new(settings: &'a CheckedSettings, task: &'a Task, seed: u64) -> Self {
        let model = Model::init(settings.arch, task.inputs, task.classes, &mut Stream::new(seed, "init", 0));
        let adam = Adam::new(model.parameter_count(), settings.weight_decay);
        Self::resume(
            settings,
            task,
            seed,
            State { model, adam, best: None, snapshots: Vec::new(), history: Vec::new() },
        )
    }

    /// Where an earlier one stopped.
    pub fn resume(settings: &'a CheckedSettings, task: &'a Task, seed: u64, state: State) -> Self {
        let step = Step::new(&state.model);
        let order = Vec::with_capacity(task.train.len());
        Training { settings, task, seed, state, step, scratch: Scratch::default(), order, heard: Heard::default() }
    }

    /// What to save between two epochs.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Epochs done.
    pub fn epochs_done(&self) -> usize {
        self.state.history.len()
    }

    /// Whether every epoch is done.
    pub fn is_finished(&self) -> bool {
        self.epochs_done() == self.settings.epochs
    }

    /// One pass over the training clips in a fresh random order, then the validation. `clock` returns seconds since any fixed
    /// moment; it is read before and after the pass, and decides nothing: `&|| 0.0` where there is no clock.
    pub fn epoch(&mut self, clock: &dyn Fn() -> f64) -> &EpochRecord {
        let epoch = self.epochs_done();
        let start = clock();
        let loss = self.train_epoch(epoch);
        let seconds = clock() - start;
        let validation_uar = (!self.task.validation.is_empty()).then(|| self.validate(epoch));
        self.state.history.push(EpochRecord { loss, validation_uar, seconds });
        &self.state.history[epoch]
    }

    fn train_epoch(&mut self, epoch: usize) -> f64 {
        let Training { settings, task, seed, state, step, scratch: Scratch { batch, tape }, order, heard } = self;
        let lr = CosineWarmRestarts::published(settings.lr, settings.t0).rate(epoch);
        order.clear();
        order.extend_from_slice(&task.train);
        Stream::new(*seed, "shuffle", epoch as u64).shuffle(order);
        let mut masks = Stream::new(*seed, "dropout", epoch as u64);
        let mut loss = 0.0;
        for picks in batches(order, settings.batch) {
            match &settings.augment {
                None => batch.fill(&task.examples, picks, settings.protocol.padding()),
                Some(augment) => {
                    heard.fill(augment, task, picks, derive_seed(*seed, "augment", epoch as u64), batch);
                }
            }
            let dropout = (settings.dropout, &mut masks);
            let mean = step.take(&mut state.model, &mut state.adam, batch, tape, dropout, lr);
            loss += mean as f64 * picks.len() as f64;
        }
        if settings.snapshots().any(|snapshot| snapshot == epoch) {
            state.snapshots.push(state.model.clone());
        }
        loss / task.train.len() as f64
    }

    fn validate(&mut self, epoch: usize) -> f64 {
        let Training { settings, task, state, scratch, .. } = self;
        let uar = evaluate(&state.model, settings, &task.examples, &task.validation, scratch).uar();
        if state.best.as_ref().is_none_or(|best| uar > best.validation_uar) {
            state.best = Some(Best { epoch, validation_uar: uar, model: state.model.clone() });
        }
        uar
    }

    /// Looks at the test speakers, once.
    pub fn finish(self) -> Outcome {
        let Training { settings, task, state, mut scratch, .. } = self;
        let State { model: last, best, snapshots, history, .. } = state;
        let last_predictions = predict(&last, settings, &task.examples, &task.test, &mut scratch);
        let count = |predictions: &[usize]| count(predictions, &task.examples, &task.test, task.classes);
        let last_confusion = count(&last_predictions);
        let mut others = Vec::new();
        let validated = history.last().and_then(|epoch| epoch.validation_uar);
        let final_epoch = history.len().saturating_sub(1);
        let (mut model, epoch, validation_uar) = match (settings.weights, best) {
            (Weights::Best, Some(best)) => (best.model, best.epoch, Some(best.validation_uar)),
            (Weights::Average, _) => {
                let model = mean(&snapshots);
                if !task.test.is_empty() {
                    others.push(("last epoch", 1, last_predictions));
                    others.extend(together(settings, task, &model, &snapshots, &mut scratch));
                }
                let validated = (!task.validation.is_empty())
                    .then(|| evaluate(&model, settings, &task.examples, &task.validation, &mut scratch).uar());
                (model, final_epoch, validated)
            }
            (_, _) => (last, final_epoch, validated),
        };
        let mut temperature = None;
        if !task.validation.is_empty() {
            let scores = scores(&model, settings, &task.examples, &task.validation, &mut scratch);
            let labels: Vec<usize> = task.validation.iter().map(|&clip| task.examples[clip].label).collect();
            temperature = fit_temperature(&scores, &labels);
        }
        if let Some(temperature) = temperature {
            model.divide_scores(temperature);
        }
        let predictions = predict(&model, settings, &task.examples, &task.test, &mut scratch);
        let confusion = count(&predictions);
        let other = |(name, models, predictions): (&str, usize, Vec<usize>)| {
            let confusion = count(&predictions);
            Other { name: name.into(), models, predictions, confusion }
        };
        let others = others.into_iter().map(other).collect();
        Outcome { model, epoch, validation_uar, temperature, history, predictions, confusion, last_confusion, others }
    }
}

/// The mean of several models, running statistics included: a model of the same size.
///
/// # Panics
/// If there are none.
fn mean(models: &[Model<f32>]) -> Model<f32> {
    let mut mean = models.first().expect("a training that averages has snapshots").clone();
    for model in &models[1..] {
        mean.visit_pairs(model, &mut |_, sum, values| sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += x));
    }
    let share = 1.0 / models.len() as f32;
    mean.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.iter_mut().for_each(|x| *x *= share));
    mean
}

/// What the test clips are taken for by several models, or heard at several speeds, or both: by its name, with how many models
/// it takes.
fn together(
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
    let mut others = vec![("snapshots together", snapshots.len(), predict_together(&of_snapshots))];
    let speeds = settings.augment.as_ref().map(Augment::other_speeds).unwrap_or_default();
    for &speed in &speeds {
        let mut scratch = Matrix::default();
        let heard: Vec<Example<f32>> =
            task.test.iter().map(|&clip| task.example_in(speed, clip, &mut scratch)).collect();
        let clips: Vec<usize> = (0..heard.len()).collect();
        of_mean.extend(all(mean, &heard, &clips));
        of_snapshots.extend(all(snapshots, &heard, &clips));
    }
    if !speeds.is_empty() {
        others.push(("average at every speed", 1, predict_together(&of_mean)));
        others.push(("snapshots at every speed", snapshots.len(), predict_together(&of_snapshots)));
    }
    others
}

/// A batch of clips as an epoch hears them, in memory that is used again.
#[derive(Debug, Default)]
struct Heard {
    examples: Vec<Example<f32>>,
    order: Vec<usize>,
    scratch: Matrix<f32>,
}

impl Heard {
    fn fill(&mut self, augment: &Augment, task: &Task, picks: &[usize], seed: u64, batch: &mut Batch<f32>) {
        let Heard { examples, order, scratch } = self;
        examples.resize_with(picks.len().max(examples.len()), || Example { frames: Matrix::default(), label: 0 });
        for (example, &clip) in examples.iter_mut().zip(picks) {
            let mut stream = Stream::new(seed, "clip", clip as u64);
            augment.vary(|condition| task.frames_in(condition, clip, scratch), &mut stream, &mut example.frames);
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
    fn the_mean_of_models_is_taken_value_by_value() {
        let arch = "reslstm-sa-h3".parse().unwrap();
        let models: Vec<Model<f32>> =
            (0..3).map(|seed| Model::init(arch, 5, 4, &mut Stream::new(seed, "init", 0))).collect();
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
