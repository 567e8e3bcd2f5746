//! LSTM-SA: LSTM, soft attention, batch norm, dropout, linear.
//!
//! ```text
//! x [F,D] → LSTM → h [F,H] → attention → ctx [N,H] → batch norm → dropout → linear → logits [N,K]
//! ```

use crate::layers::dropout;
use crate::layers::{
    Attention, AttentionTape, BatchNorm, BatchNormTape, Linear, LinearTape, Lstm, LstmTape, PackedLinear, PackedLstm,
    Packing,
};
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::params::parameters;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// The model's parameters; its gradient has the same type.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmSa<S> {
    /// Reads the frames, `D` → `H`.
    pub lstm: Lstm<S>,
    /// Weighs the frames.
    pub attention: Attention<S>,
    /// Over the clips of a batch.
    pub bn: BatchNorm<S>,
    /// `H` → `K`
    pub fc: Linear<S>,
}

parameters!(LstmSa { "lstm" => lstm, "" => attention, "bn" => bn, "fc" => fc });

/// [`LstmSa`] packed for many evaluations: a copy, which later changes of the model do not reach.
#[derive(Clone, Debug)]
pub struct PackedLstmSa<S> {
    lstm: PackedLstm<S>,
    attention: Attention<S>,
    bn: BatchNorm<S>,
    fc: PackedLinear<S>,
}

/// Intermediate values of the forward pass, and buffers of the backward pass.
#[derive(Clone, Debug, Default)]
pub struct LstmSaTape<S> {
    /// Gates and states of the LSTM.
    pub lstm: LstmTape<S>,
    /// Attention weights.
    pub attention: AttentionTape<S>,
    /// Context vectors, `[N,H]`: the utterance embeddings of Fig. 5.
    pub context: Matrix<S>,
    bn: BatchNormTape<S>,
    /// The context vectors after batch norm, `[N,H]`.
    pub normalised: Matrix<S>,
    /// Dropout mask, `[N,H]`, drawn by the caller before each training forward.
    pub mask: Matrix<S>,
    dropped: Matrix<S>,
    fc: LinearTape<S>,
    /// Scores, `[N,K]`.
    pub logits: Matrix<S>,
    /// Gradient of the context vectors, `[N,H]`.
    pub dcontext: Matrix<S>,
    /// Gradient of the context vectors after batch norm, `[N,H]`.
    pub dnormalised: Matrix<S>,
    ddropped: Matrix<S>,
    /// Gradient of the hidden states from the attention, `[F,H]`.
    pub dh: Matrix<S>,
}

impl<S: Scalar> LstmSa<S> {
    /// All zeros: a gradient before its first batch.
    pub fn zeros(inputs: usize, hidden: usize, vectors: usize, classes: usize) -> Self {
        let mut bn = BatchNorm::init(hidden);
        crate::params::Parameters::set_zero(&mut bn);
        LstmSa {
            lstm: Lstm::zeros(inputs, hidden),
            attention: Attention::zeros(hidden, vectors),
            bn,
            fc: Linear::zeros(hidden, classes),
        }
    }

    /// The published initialisation of every layer.
    pub fn init(inputs: usize, hidden: usize, vectors: usize, classes: usize, stream: &mut RandomStream) -> Self {
        LstmSa {
            lstm: Lstm::init(inputs, hidden, stream),
            attention: Attention::init(hidden, vectors, stream),
            bn: BatchNorm::init(hidden),
            fc: Linear::init(hidden, classes, stream),
        }
    }

    /// Scores in training, into `tape.logits`; `tape.mask` is the dropout mask.
    pub fn forward_train(&self, layout: &Packed, x: &Matrix<S>, tape: &mut LstmSaTape<S>) {
        self.lstm.forward(layout, x, &mut tape.lstm);
        self.attention.forward(layout, &tape.lstm.h, &mut tape.attention, &mut tape.context);
        self.bn.forward_train(&tape.context, 0, &mut tape.bn, &mut tape.normalised);
        dropout::forward(&tape.normalised, &tape.mask, &mut tape.dropped);
        self.fc.forward(&tape.dropped, &mut tape.fc, &mut tape.logits);
    }

    /// Undoes [`forward_train`](Self::forward_train), layer by layer in reverse. `dx` is written if it is given.
    pub fn backward(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut LstmSaTape<S>,
        dlogits: &Matrix<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        self.fc.backward(&tape.dropped, &mut tape.fc, dlogits, &mut grads.fc, &mut tape.ddropped);
        dropout::backward(&tape.ddropped, &tape.mask, &mut tape.dnormalised);
        self.bn.backward(&mut tape.bn, &tape.dnormalised, &mut grads.bn, &mut tape.dcontext);
        self.backward_context(layout, x, tape, grads, dx);
    }

    /// The part below the context vectors, the same in training and evaluation: attention and LSTM.
    fn backward_context(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut LstmSaTape<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        let (h, dh) = (&tape.lstm.h, &mut tape.dh);
        self.attention.backward(layout, h, &mut tape.attention, &tape.dcontext, &mut grads.attention, dh);
        self.lstm.backward(layout, x, &mut tape.lstm, &tape.dh, &mut grads.lstm, dx);
    }

    /// Moves batch norm's running statistics to those of the last training forward.
    pub fn update_running(&mut self, tape: &LstmSaTape<S>) {
        self.bn.update_running(&tape.bn);
    }

    /// Scores in evaluation, into `tape.logits`: running statistics, no dropout, clips independent of each other.
    pub fn forward_eval(&self, layout: &Packed, x: &Matrix<S>, tape: &mut LstmSaTape<S>) {
        PackedLstmSa::new(self, Packing::for_layout(layout)).forward_eval(layout, x, tape);
    }

    /// Undoes [`forward_eval`](Self::forward_eval): the gradient of a trained model.
    pub fn backward_eval(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut LstmSaTape<S>,
        dlogits: &Matrix<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        self.fc.backward(&tape.normalised, &mut tape.fc, dlogits, &mut grads.fc, &mut tape.dnormalised);
        self.bn.backward_eval(&tape.context, &tape.dnormalised, &mut grads.bn, &mut tape.dcontext);
        self.backward_context(layout, x, tape, grads, dx);
    }
}

impl<S: Scalar> PackedLstmSa<S> {
    /// A packed copy of `model`.
    pub fn new(model: &LstmSa<S>, packing: Packing) -> Self {
        PackedLstmSa {
            lstm: PackedLstm::new(&model.lstm, packing),
            attention: model.attention.clone(),
            bn: model.bn.clone(),
            fc: PackedLinear::new(&model.fc),
        }
    }

    /// Scores in evaluation, into `tape.logits`: [`LstmSa::forward_eval`] of the model that was copied, to the bit.
    ///
    /// # Panics
    /// If `x` is not `[F,D]` for this layout; if the weights are packed for one clip, and there are more.
    pub fn forward_eval(&self, layout: &Packed, x: &Matrix<S>, tape: &mut LstmSaTape<S>) {
        self.lstm.forward(layout, x, &mut tape.lstm);
        self.attention.forward(layout, &tape.lstm.h, &mut tape.attention, &mut tape.context);
        self.bn.forward_eval(&tape.context, &mut tape.normalised);
        self.fc.forward(&tape.normalised, &mut tape.logits);
    }
}
