//! One training: one model, one task, epoch after epoch.

use super::metrics::Confusion;
use super::settings::Settings;
use super::step::Step;
use super::task::{Scratch, Task, count, evaluate, predict};
use crate::data::batch::batches;
use crate::models::Model;
use crate::optim::{Adam, CosineWarmRestarts};
use crate::params::Parameters;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::time::Instant;

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
    /// One record an epoch done.
    pub history: Vec<EpochRecord>,
}

/// A training in progress. Random numbers come from streams named by `seed` and epoch, so [`State`] is all there is to save.
pub struct Training<'a> {
    settings: &'a Settings,
    task: &'a Task,
    seed: u64,
    state: State,
    step: Step<f32>,
    scratch: Scratch,
    order: Vec<usize>,
}

/// What a finished training leaves.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Weights of the best validation epoch; of the last where nobody validates.
    pub model: Model<f32>,
    /// That epoch, from 0, and its validation UAR; `None` where nobody validates.
    pub best: Option<(usize, f64)>,
    /// One record an epoch.
    pub history: Vec<EpochRecord>,
    /// The class predicted for each test clip, in the task's order; the test speakers are looked at once, here.
    pub predictions: Vec<usize>,
    /// These predictions, counted; empty where there are no test speakers.
    pub confusion: Confusion,
    /// The same of the last epoch's weights: what choosing an epoch gains or costs. Nothing is chosen by it.
    pub last_confusion: Confusion,
}

impl<'a> Training<'a> {
    /// Before the first epoch: weights drawn from `seed`.
    pub fn new(settings: &'a Settings, task: &'a Task, seed: u64) -> Self {
        let model = Model::init(settings.arch, task.inputs, task.classes, &mut Stream::new(seed, "init", 0));
        let adam = Adam::new(model.parameter_count(), settings.weight_decay);
        Self::resume(settings, task, seed, State { model, adam, best: None, history: Vec::new() })
    }

    /// Where an earlier one stopped.
    pub fn resume(settings: &'a Settings, task: &'a Task, seed: u64, state: State) -> Self {
        let step = Step::new(&state.model);
        let order = Vec::with_capacity(task.train.len());
        Training { settings, task, seed, state, step, scratch: Scratch::default(), order }
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

    /// One pass over the training clips in a fresh random order, then the validation.
    pub fn epoch(&mut self) -> &EpochRecord {
        let epoch = self.epochs_done();
        let start = Instant::now();
        let loss = self.train_epoch(epoch);
        let seconds = start.elapsed().as_secs_f64();
        let validation_uar = (!self.task.validation.is_empty()).then(|| self.validate(epoch));
        self.state.history.push(EpochRecord { loss, validation_uar, seconds });
        &self.state.history[epoch]
    }

    fn train_epoch(&mut self, epoch: usize) -> f64 {
        let Training { settings, task, seed, state, step, scratch: Scratch { batch, tape }, order } = self;
        let lr = CosineWarmRestarts::published(settings.lr, settings.t0).rate(epoch);
        order.clear();
        order.extend_from_slice(&task.train);
        Stream::new(*seed, "shuffle", epoch as u64).shuffle(order);
        let mut masks = Stream::new(*seed, "dropout", epoch as u64);
        let mut loss = 0.0;
        for picks in batches(order, settings.batch) {
            batch.fill(&task.examples, picks, settings.protocol.padding());
            let dropout = (settings.dropout, &mut masks);
            let mean = step.take(&mut state.model, &mut state.adam, batch, tape, dropout, lr);
            loss += mean as f64 * picks.len() as f64;
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
        let mut test = |model: &Model<f32>| predict(model, settings, &task.examples, &task.test, &mut scratch);
        let counted = |predictions: &[usize]| count(predictions, &task.examples, &task.test, task.classes);
        let last_confusion = counted(&test(&state.model));
        let (model, best) = match state.best {
            Some(best) => (best.model, Some((best.epoch, best.validation_uar))),
            None => (state.model, None),
        };
        let predictions = test(&model);
        let confusion = counted(&predictions);
        Outcome { model, best, history: state.history, predictions, confusion, last_confusion }
    }
}
