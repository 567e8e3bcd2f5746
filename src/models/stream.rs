//! A model that reads a clip frame by frame: one frame in, the probabilities of the clip so far out, in constant memory.
//!
//! The LSTMs keep their states, the attention keeps a running softmax ([`RunningAttention`]), and batch norm in evaluation
//! sees one row at a time anyway. So after every frame the probabilities are those that
//! [`Model::forward_eval`] gives the frames so far as one clip: within 1e-6, which is what a sum in another order costs.
//!
//! The attention is over all frames since the beginning: after minutes one more frame changes little, and after a million
//! frames (twelve hours at 48 kHz) it nearly vanishes in the rounding of `f32` sums. [`StreamingModel::reset`] begins a new clip.

use super::Model;
use super::in_place::StoredNetwork;
use crate::layers::softmax_cross_entropy::softmax;
use crate::layers::{Attention, BatchNorm, Linear, PackedLinear, RunningAttention, RunningLstm};
use crate::matrix::Matrix;
use crate::prelude::*;
use crate::scalar::Scalar;

/// A model and its state after the frames so far.
///
/// ```
/// use reslstm::models::{Model, StreamingModel};
/// use reslstm::rng;
///
/// let model = Model::<f32>::init("reslstm-sa-h64".parse()?, 46, 8, &mut rng::RandomStream::new(1, "init", 0));
/// let mut stream = StreamingModel::new(&model);
/// for frame in [[0.5; 46], [-0.5; 46]] {
///     let probabilities = stream.push(&frame); // of the clip so far
///     assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
/// }
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StreamingModel<S> {
    lstms: RunningLstms<S>,
    attention: RunningAttention<S>,
    bn: RunningNorm<S>,
    /// `[1,H]`
    normalised: Matrix<S>,
    fc: PackedLinear<S>,
    /// `[1,K]`
    logits: Matrix<S>,
    probabilities: Matrix<S>,
}

/// The part of a model below the attention, in the middle of a clip.
#[derive(Clone, Debug)]
pub(super) struct RunningLstms<S> {
    residual: Option<Residual<S>>,
    lstm: RunningLstm<S>,
}

/// The part of ResLSTM-SA in front of LSTM-SA.
#[derive(Clone, Debug)]
struct Residual<S> {
    lstm1: RunningLstm<S>,
    bn: RunningNorm<S>,
    /// `x + h`, then normalised, `[D]`.
    sum: Vec<S>,
    enriched: Vec<S>,
}

/// Batch norm in evaluation, with `1/√(var + ε)` computed once.
#[derive(Clone, Debug)]
struct RunningNorm<S> {
    layer: BatchNorm<S>,
    inv_std: Vec<S>,
}

impl<S: Scalar> RunningNorm<S> {
    fn new(layer: &BatchNorm<S>) -> Self {
        RunningNorm { inv_std: layer.running_inv_std(), layer: layer.clone() }
    }

    fn push(&self, x: &[S], y: &mut [S]) {
        self.layer.forward_eval_row(&self.inv_std, x, y);
    }
}

impl<S: Scalar> Residual<S> {
    fn new(lstm1: RunningLstm<S>, bn: &BatchNorm<S>) -> Self {
        let inputs = bn.weight.len();
        Residual { lstm1, bn: RunningNorm::new(bn), sum: vec![S::ZERO; inputs], enriched: vec![S::ZERO; inputs] }
    }

    /// Input of LSTM2, `[D]`.
    fn push(&mut self, x: &[S]) -> &[S] {
        for ((sum, &x), &h) in self.sum.iter_mut().zip(x).zip(self.lstm1.push(x)) {
            *sum = x + h;
        }
        self.bn.push(&self.sum, &mut self.enriched);
        &self.enriched
    }
}

impl<S: Scalar> RunningLstms<S> {
    /// Before the first frame.
    pub(super) fn new(model: &Model<S>) -> Self {
        let residual = match model {
            Model::LstmSa(_) => None,
            Model::ResLstmSa(model) => Some(Residual::new(RunningLstm::new(&model.lstm1), &model.bn_residual)),
        };
        RunningLstms { residual, lstm: RunningLstm::new(&model.top().lstm) }
    }

    /// Hidden state `[H]` of the next `frame` `[D]`, to the bit that of the whole clip.
    pub(super) fn push(&mut self, frame: &[S]) -> &[S] {
        let frame = match &mut self.residual {
            Some(residual) => residual.push(frame),
            None => frame,
        };
        self.lstm.push(frame)
    }

    /// Begins a new clip.
    pub(super) fn reset(&mut self) {
        if let Some(residual) = &mut self.residual {
            residual.lstm1.reset();
        }
        self.lstm.reset();
    }
}

impl<S: Scalar> StreamingModel<S> {
    /// The state before the first frame. The weights are copied: later changes of `model` have no effect.
    pub fn new(model: &Model<S>) -> Self {
        let top = model.top();
        Self::of_layers(RunningLstms::new(model), &top.attention, &top.bn, &top.fc)
    }

    fn of_layers(lstms: RunningLstms<S>, attention: &Attention<S>, bn: &BatchNorm<S>, fc: &Linear<S>) -> Self {
        let (hidden, classes) = (bn.weight.len(), fc.bias.len());
        StreamingModel {
            lstms,
            attention: RunningAttention::new(attention),
            bn: RunningNorm::new(bn),
            normalised: Matrix::zeros(1, hidden),
            fc: PackedLinear::new(fc),
            logits: Matrix::zeros(1, classes),
            probabilities: Matrix::zeros(1, classes),
        }
    }

    /// Probabilities `[K]` of the clip so far, after its next `frame` `[D]`, normalised as in training. Allocates nothing.
    ///
    /// # Panics
    /// If `frame` has not `D` values.
    pub fn push(&mut self, frame: &[S]) -> &[S] {
        let context = self.attention.push(self.lstms.push(frame));
        self.bn.push(context, self.normalised.row_mut(0));
        self.fc.forward(&self.normalised, &mut self.logits);
        softmax(&self.logits, &mut self.probabilities);
        self.probabilities.row(0)
    }

    /// Begins a new clip.
    pub fn reset(&mut self) {
        self.lstms.reset();
        self.attention.reset();
    }
}

impl From<StoredNetwork> for StreamingModel<f32> {
    fn from(network: StoredNetwork) -> Self {
        let StoredNetwork { residual, lstm, attention, bn, fc, .. } = network;
        let lstms = RunningLstms { residual: residual.map(|(lstm1, bn)| Residual::new(lstm1, &bn)), lstm };
        Self::of_layers(lstms, &attention, &bn, &fc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Tape;
    use crate::packed::{Packed, Padding};
    use crate::params::{Parameters, Path, Role};
    use crate::rng;
    use proptest::prelude::*;

    /// As training leaves it: every tensor away from its initial value, the running statistics too.
    fn trained<S: Scalar>(name: &str, inputs: usize, seed: u64) -> Model<S> {
        let mut stream = rng::RandomStream::new(seed, "trained", 0);
        let mut model = Model::init(name.parse().unwrap(), inputs, 5, &mut stream);
        model.visit_mut(&Path::ROOT, &mut |path, role, _, values| {
            let variance = path.to_string().ends_with("running_var");
            for value in values {
                let change = S::from_f64(0.3 * stream.normal());
                *value = match role {
                    Role::Buffer if variance => S::from_f64(stream.between(0.3, 2.0)),
                    _ => *value + change,
                };
            }
        });
        model
    }

    fn frames<S: Scalar>(count: usize, inputs: usize, seed: u64) -> Matrix<S> {
        let mut stream = rng::RandomStream::new(seed, "frames", 0);
        Matrix::from_vec(count, inputs, (0..count * inputs).map(|_| S::from_f64(stream.normal())).collect())
    }

    /// Largest difference between the stream and the whole clip of every prefix.
    fn worst<S: Scalar>(model: &Model<S>, stream: &mut StreamingModel<S>, x: &Matrix<S>) -> f64 {
        let (mut tape, mut expected, mut worst) = (Tape::default(), Matrix::default(), 0.0f64);
        for t in 1..=x.rows() {
            let prefix = Matrix::from_vec(t, x.cols(), x.rows_between(0, t).to_vec());
            model.forward_eval(&Packed::new(&[t], Padding::Ignored), &prefix, &mut tape);
            softmax(&tape.top.logits, &mut expected);
            let got = stream.push(x.row(t - 1));
            assert_eq!(got.len(), expected.cols());
            for (got, expected) in got.iter().zip(expected.row(0)) {
                worst = worst.max((got.value() - expected.value()).abs());
            }
        }
        worst
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_prefix_has_the_probabilities_of_the_whole_clip(
            residual: bool, hidden in 1usize..40, vectors in 1usize..4, inputs in 1usize..20, length in 1usize..40, seed: u64,
        ) {
            let family = if residual { "reslstm-sa" } else { "lstm-sa" };
            let name = format!("{family}-h{hidden}") + &if vectors > 1 { format!("-{vectors}vectors") } else { String::new() };
            let model = trained::<f32>(&name, inputs, seed);
            let mut stream = StreamingModel::new(&model);
            let difference = worst(&model, &mut stream, &frames(length, inputs, seed));
            prop_assert!(difference <= 1e-6, "{name}: {difference:e}");
            // Another clip, of which the first must leave no trace.
            stream.reset();
            let difference = worst(&model, &mut stream, &frames(3, inputs, seed ^ 1));
            prop_assert!(difference <= 1e-6, "{name} after a reset: {difference:e}");
        }
    }

    #[test]
    fn in_f64_only_the_order_of_sums_is_left() {
        for name in ["lstm-sa-h9", "reslstm-sa-h20", "reslstm-sa-h7-3vectors"] {
            let model = trained::<f64>(name, 11, 3);
            let difference = worst(&model, &mut StreamingModel::new(&model), &frames(30, 11, 4));
            assert!(difference < 1e-14, "{name}: {difference:e}");
        }
    }

    #[test]
    fn a_clip_of_a_minute_keeps_its_precision() {
        let model = trained::<f32>("reslstm-sa-h64", 46, 8);
        let x = frames::<f32>(1_400, 46, 9);
        let (mut tape, mut expected, mut stream) = (Tape::default(), Matrix::default(), StreamingModel::new(&model));
        model.forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), &x, &mut tape);
        softmax(&tape.top.logits, &mut expected);
        let mut last = Vec::new();
        for frame in x.iter_rows() {
            last = stream.push(frame).to_vec();
        }
        for (got, expected) in last.iter().zip(expected.row(0)) {
            approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-6);
        }
    }
}
