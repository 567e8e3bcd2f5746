//! One pass of a network over a batch, forward and backward, with everything that two programs can compare.

use crate::data::batch::Batch;
use crate::layers::softmax_cross_entropy;
use crate::matrix::Matrix;
use crate::models::{Model, Tape};

/// Which statistics batch norm uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The batch's; the running ones are moved.
    Training,
    /// The running ones.
    Evaluation,
}

/// What a pass computes; rows and clips in the order of the batch's layout.
pub struct Pass {
    /// Scores, `[N,K]`.
    pub logits: Matrix<f64>,
    /// Attention weight of every frame, `[F]`.
    pub attention: Vec<f64>,
    /// Context vectors, `[N,H]`.
    pub context: Matrix<f64>,
    /// Cross-entropy, nats.
    pub loss: f64,
    /// Gradient of every parameter.
    pub grads: Model<f64>,
    /// Gradient of the input, `[F,D]`.
    pub dx: Matrix<f64>,
    /// The model with its running statistics moved.
    pub after: Model<f64>,
}

/// Memory of the engine's passes, reused from one to the next.
pub struct Scratch {
    tape: Tape<f64>,
    p: Matrix<f64>,
    dlogits: Matrix<f64>,
    dx: Matrix<f64>,
}

impl Scratch {
    /// Filled with NaN, so that a result that is not written is seen.
    pub fn new(batch: &Batch<f64>) -> Self {
        let nan = || Matrix::from_vec(batch.x.rows(), batch.x.cols(), vec![f64::NAN; batch.x.as_slice().len()]);
        Scratch { tape: Tape::default(), p: nan(), dlogits: nan(), dx: nan() }
    }

    /// The engine's own pass, without dropout.
    pub fn pass(&mut self, model: &Model<f64>, batch: &Batch<f64>, mode: Mode) -> Pass {
        let Scratch { tape, p, dlogits, dx } = self;
        let (layout, x, hidden) = (&batch.layout, &batch.x, model.architecture().hidden());
        tape.top.mask.resize(layout.clips(), hidden);
        tape.top.mask.fill(1.0);
        match mode {
            Mode::Training => model.forward_train(layout, x, tape),
            Mode::Evaluation => model.forward_eval(layout, x, tape),
        }
        let loss = softmax_cross_entropy::forward(&tape.top.logits, &batch.labels, p);
        softmax_cross_entropy::backward(p, &batch.labels, dlogits);
        let mut grads = Model::zeros(model.architecture(), model.inputs(), model.classes());
        let mut after = model.clone();
        match mode {
            Mode::Training => {
                model.backward(layout, x, tape, dlogits, &mut grads, Some(dx));
                after.update_running(tape);
            }
            Mode::Evaluation => model.backward_eval(layout, x, tape, dlogits, &mut grads, Some(dx)),
        }
        Pass {
            logits: tape.top.logits.clone(),
            attention: tape.top.attention.alpha.clone(),
            context: tape.top.context.clone(),
            loss,
            grads,
            dx: dx.clone(),
            after,
        }
    }
}
