//! ResLSTM-SA: a first LSTM, as wide as its input and added to it, in front of [LSTM-SA](super::lstm_sa).
//!
//! ```text
//! x [F,D] → LSTM1 → + x → batch norm → LSTM-SA with LSTM2 → logits [N,K]
//! ```

use super::lstm_sa::{LstmSa, LstmSaTape, PackedLstmSa};
use crate::layers::residual;
use crate::layers::{BatchNorm, BatchNormTape, Lstm, LstmTape, PackedLstm, Packing};
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::params::parameters;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// The model's parameters; its gradient has the same type.
#[derive(Clone, Debug, PartialEq)]
pub struct ResLstmSa<S> {
    /// Enriches the frames with context, `D` → `D`.
    pub lstm1: Lstm<S>,
    /// Over the frames of a batch.
    pub bn_residual: BatchNorm<S>,
    /// LSTM2 and everything above it.
    pub top: LstmSa<S>,
}

parameters!(ResLstmSa {
    "lstm1" => lstm1,
    "bn_residual" => bn_residual,
    "lstm2" => top.lstm,
    "" => top.attention,
    "bn" => top.bn,
    "fc" => top.fc,
});

/// [`ResLstmSa`] packed for many evaluations: a copy, which later changes of the model do not reach.
#[derive(Clone, Debug)]
pub struct PackedResLstmSa<S> {
    lstm1: PackedLstm<S>,
    bn_residual: BatchNorm<S>,
    top: PackedLstmSa<S>,
}

/// Intermediate values of the forward pass, and buffers of the backward pass.
#[derive(Clone, Debug, Default)]
pub struct ResLstmSaTape<S> {
    /// Gates and states of LSTM1.
    pub lstm1: LstmTape<S>,
    sum: Matrix<S>,
    bn_residual: BatchNormTape<S>,
    /// Input of LSTM2, `[F,D]`.
    pub enriched: Matrix<S>,
    /// LSTM2 and everything above it.
    pub top: LstmSaTape<S>,
    denriched: Matrix<S>,
    dsum: Matrix<S>,
}

impl<S: Scalar> ResLstmSa<S> {
    /// All zeros: a gradient before its first batch.
    pub fn zeros(inputs: usize, hidden: usize, vectors: usize, classes: usize) -> Self {
        let mut bn_residual = BatchNorm::init(inputs);
        crate::params::Parameters::set_zero(&mut bn_residual);
        ResLstmSa {
            lstm1: Lstm::zeros(inputs, inputs),
            bn_residual,
            top: LstmSa::zeros(inputs, hidden, vectors, classes),
        }
    }

    /// The published initialisation of every layer.
    pub fn init(inputs: usize, hidden: usize, vectors: usize, classes: usize, stream: &mut RandomStream) -> Self {
        ResLstmSa {
            lstm1: Lstm::init(inputs, inputs, stream),
            bn_residual: BatchNorm::init(inputs),
            top: LstmSa::init(inputs, hidden, vectors, classes, stream),
        }
    }

    /// Scores in training, into `tape.top.logits`.
    pub fn forward_train(&self, layout: &Packed, x: &Matrix<S>, tape: &mut ResLstmSaTape<S>) {
        self.lstm1.forward(layout, x, &mut tape.lstm1);
        residual::forward(x, &tape.lstm1.h, &mut tape.sum);
        let padded = layout.padded_frames();
        self.bn_residual.forward_train(&tape.sum, padded, &mut tape.bn_residual, &mut tape.enriched);
        self.top.forward_train(layout, &tape.enriched, &mut tape.top);
    }

    /// Undoes [`forward_train`](Self::forward_train), layer by layer in reverse. `dx` is written if it is given.
    pub fn backward(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut ResLstmSaTape<S>,
        dlogits: &Matrix<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        let denriched = &mut tape.denriched;
        self.top.backward(layout, &tape.enriched, &mut tape.top, dlogits, &mut grads.top, Some(&mut *denriched));
        self.bn_residual.backward(&mut tape.bn_residual, denriched, &mut grads.bn_residual, &mut tape.dsum);
        self.backward_sum(layout, x, tape, grads, dx);
    }

    /// The part below the sum, the same in training and evaluation: LSTM1 and the residual connection.
    fn backward_sum(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut ResLstmSaTape<S>,
        grads: &mut Self,
        mut dx: Option<&mut Matrix<S>>,
    ) {
        self.lstm1.backward(layout, x, &mut tape.lstm1, &tape.dsum, &mut grads.lstm1, dx.as_deref_mut());
        if let Some(dx) = dx {
            residual::backward(&tape.dsum, dx);
        }
    }

    /// Moves both batch norms' running statistics to those of the last training forward.
    pub fn update_running(&mut self, tape: &ResLstmSaTape<S>) {
        self.bn_residual.update_running(&tape.bn_residual);
        self.top.update_running(&tape.top);
    }

    /// Scores in evaluation, into `tape.top.logits`: running statistics, no dropout, clips independent of each other.
    pub fn forward_eval(&self, layout: &Packed, x: &Matrix<S>, tape: &mut ResLstmSaTape<S>) {
        PackedResLstmSa::new(self, Packing::for_layout(layout)).forward_eval(layout, x, tape);
    }

    /// Undoes [`forward_eval`](Self::forward_eval): the gradient of a trained model.
    pub fn backward_eval(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut ResLstmSaTape<S>,
        dlogits: &Matrix<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        let denriched = &mut tape.denriched;
        self.top.backward_eval(layout, &tape.enriched, &mut tape.top, dlogits, &mut grads.top, Some(&mut *denriched));
        self.bn_residual.backward_eval(&tape.sum, denriched, &mut grads.bn_residual, &mut tape.dsum);
        self.backward_sum(layout, x, tape, grads, dx);
    }
}

impl<S: Scalar> PackedResLstmSa<S> {
    /// A packed copy of `model`.
    pub fn new(model: &ResLstmSa<S>, packing: Packing) -> Self {
        PackedResLstmSa {
            lstm1: PackedLstm::new(&model.lstm1, packing),
            bn_residual: model.bn_residual.clone(),
            top: PackedLstmSa::new(&model.top, packing),
        }
    }

    /// Scores in evaluation, into `tape.top.logits`: [`ResLstmSa::forward_eval`] of the model that was copied, to the bit.
    ///
    /// # Panics
    /// If `x` is not `[F,D]` for this layout; if the weights are packed for one clip, and there are more.
    pub fn forward_eval(&self, layout: &Packed, x: &Matrix<S>, tape: &mut ResLstmSaTape<S>) {
        self.lstm1.forward(layout, x, &mut tape.lstm1);
        residual::forward(x, &tape.lstm1.h, &mut tape.sum);
        self.bn_residual.forward_eval(&tape.sum, &mut tape.enriched);
        self.top.forward_eval(layout, &tape.enriched, &mut tape.top);
    }
}
