//! All intermediate values of a model for one clip, for figures and explanations.

use super::{LstmSa, Model, StreamingModel, Tape};
use crate::kernels::{Panels, Start, Term, product};
use crate::layers::{Lstm, LstmTape};
use crate::matrix::Matrix;
use crate::packed::{Packed, Padding};
use crate::prelude::*;
use crate::scalar::Scalar;

/// The intermediate values of a model in evaluation, for one clip of `T` frames.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    /// The LSTMs, from the input up.
    pub lstms: Vec<LstmTrace<S>>,
    /// e, the attention's score of every frame, `[T,V]` (Eq. 4).
    pub scores: Matrix<S>,
    /// α, `[T]`.
    pub attention: Vec<S>,
    /// After every frame the probabilities of the clip so far, `[T,K]`: the last row is the whole clip's.
    pub probabilities: Matrix<S>,
}

/// Gates and states of one LSTM, and the terms of its gates.
#[derive(Clone, Debug)]
pub struct LstmTrace<S> {
    /// The LSTM's name in the model: `lstm`, or `lstm1` and `lstm2`.
    pub name: &'static str,
    /// The input's part of every gate's sum, `W_ih·x`, gates i, f, g, o side by side, `[T,4H]`.
    pub input: Matrix<S>,
    /// The previous state's part, `W_hh·h₋₁`, `[T,4H]`.
    pub recurrent: Matrix<S>,
    /// The constant part, `b_ih + b_hh`, `[4H]`.
    pub bias: Vec<S>,
    /// Gates after their activation, and states.
    pub tape: LstmTape<S>,
}

impl<S: Scalar> Trace<S> {
    /// Runs `model` on clip `x`, `[T,D]`, normalised as in training.
    ///
    /// # Panics
    /// If `x` has not `D` columns, or no rows.
    pub fn new(model: &Model<S>, x: &Matrix<S>) -> Self {
        let mut tape = Tape::default();
        model.forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), x, &mut tape);
        let (top, lstms) = match model {
            Model::LstmSa(top) => (top, vec![LstmTrace::new("lstm", &top.lstm, x, tape.top.lstm)]),
            Model::ResLstmSa(model) => {
                let below = LstmTrace::new("lstm1", &model.lstm1, x, tape.lstm1);
                (&model.top, vec![below, LstmTrace::new("lstm2", &model.top.lstm, &tape.enriched, tape.top.lstm)])
            }
        };
        let h = &lstms.last().expect("a model has an LSTM").tape.h;
        Trace {
            scores: attention_scores(top, h),
            attention: tape.top.attention.alpha,
            probabilities: running_probabilities(model, x),
            lstms,
        }
    }
}

impl<S: Scalar> LstmTrace<S> {
    /// Of `layer`, which read `x` and left `tape`.
    fn new(name: &'static str, layer: &Lstm<S>, x: &Matrix<S>, tape: LstmTape<S>) -> Self {
        let mut before = vec![S::ZERO; layer.hidden()];
        before.extend_from_slice(tape.h.rows_between(0, x.rows() - 1));
        LstmTrace {
            name,
            input: times(x.as_slice(), &layer.weight_ih),
            recurrent: times(&before, &layer.weight_hh),
            bias: layer.bias_ih.iter().zip(&layer.bias_hh).map(|(&ih, &hh)| ih + hh).collect(),
            tape,
        }
    }
}

/// `a·weightᵀ`: `a` is `[rows, depth]`, `weight` `[columns, depth]`.
fn times<S: Scalar>(a: &[S], weight: &Matrix<S>) -> Matrix<S> {
    let mut panels = Panels::default();
    panels.pack_transposed(weight.as_slice(), weight.cols());
    let mut out = Matrix::zeros(a.len() / weight.cols(), weight.rows());
    product(Start::Zero, &[Term { a, b: &panels }], out.as_mut_slice());
    out
}

/// `e = h·u`, `[T,V]`.
fn attention_scores<S: Scalar>(top: &LstmSa<S>, h: &Matrix<S>) -> Matrix<S> {
    let vector = &top.attention.vector;
    let mut panels = Panels::default();
    panels.pack(vector.as_slice(), vector.cols());
    let mut scores = Matrix::zeros(h.rows(), vector.cols());
    product(Start::Zero, &[Term { a: h.as_slice(), b: &panels }], scores.as_mut_slice());
    scores
}

fn running_probabilities<S: Scalar>(model: &Model<S>, x: &Matrix<S>) -> Matrix<S> {
    let mut stream = StreamingModel::new(model);
    let mut probabilities = Matrix::zeros(x.rows(), model.classes());
    for (t, frame) in x.iter_rows().enumerate() {
        probabilities.row_mut(t).copy_from_slice(stream.push(frame));
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::softmax_cross_entropy::softmax;
    use crate::rng;

    /// A clip of seven frames, and every model that differs in what it has.
    fn traced() -> impl Iterator<Item = (Model<f32>, Matrix<f32>, Trace<f32>)> {
        ["lstm-sa-h5", "reslstm-sa-h9", "reslstm-sa-h3-2vectors"].into_iter().map(|name| {
            let mut stream = rng::RandomStream::new(6, "trace", 0);
            let model = Model::init(name.parse().unwrap(), 11, 4, &mut stream);
            let x = Matrix::from_vec(7, 11, (0..77).map(|_| stream.normal() as f32).collect());
            let trace = Trace::new(&model, &x);
            (model, x, trace)
        })
    }

    #[test]
    fn the_terms_of_a_gate_add_up_to_it() {
        for (model, _, trace) in traced() {
            let names: Vec<_> = trace.lstms.iter().map(|lstm| lstm.name).collect();
            assert_eq!(names, if matches!(model, Model::LstmSa(_)) { vec!["lstm"] } else { vec!["lstm1", "lstm2"] });
            for LstmTrace { name, input, recurrent, bias, tape } in &trace.lstms {
                let hidden = tape.h.cols();
                assert!(recurrent.row(0).iter().all(|&share| share == 0.0), "nothing comes before the first frame");
                assert!(recurrent.row(1).iter().any(|&share| share != 0.0));
                for t in 0..7 {
                    for column in 0..4 * hidden {
                        let (gate, unit) = (column / hidden, column % hidden);
                        let sum = input[(t, column)] + recurrent[(t, column)] + bias[column];
                        let value = if gate == 2 { sum.tanh() } else { Scalar::sigmoid(sum) };
                        let (got, place) = (tape.gates[gate][(t, unit)], format!("{name}, frame {t}, column {column}"));
                        assert!((value - got).abs() < 1e-5, "{place}: {value} {got}");
                    }
                    for unit in 0..hidden {
                        let [i, f, g, o] = tape.gates.each_ref().map(|gate| gate[(t, unit)]);
                        let before = if t == 0 { 0.0 } else { tape.c[(t - 1, unit)] };
                        assert!((f * before + i * g - tape.c[(t, unit)]).abs() < 1e-5);
                        assert!((o * tape.tanh_c[(t, unit)] - tape.h[(t, unit)]).abs() < 1e-5);
                    }
                }
            }
        }
    }

    #[test]
    fn attention_is_the_softmax_of_the_scores() {
        for (_, _, trace) in traced() {
            let vectors = trace.scores.cols();
            let mut attention = [0.0f32; 7];
            for v in 0..vectors {
                let exps: Vec<f32> = (0..7).map(|t| trace.scores[(t, v)].exp()).collect();
                let sum: f32 = exps.iter().sum();
                attention.iter_mut().zip(&exps).for_each(|(a, exp)| *a += exp / sum / vectors as f32);
            }
            for (got, expected) in trace.attention.iter().zip(attention) {
                assert!((got - expected).abs() < 1e-6, "{got} {expected}");
            }
        }
    }

    #[test]
    fn the_last_probabilities_are_those_of_the_whole_clip() {
        for (model, x, trace) in traced() {
            let (mut tape, mut whole) = (Tape::default(), Matrix::default());
            model.forward_eval(&Packed::new(&[7], Padding::Ignored), &x, &mut tape);
            softmax(&tape.top.logits, &mut whole);
            assert_eq!(trace.probabilities.shape(), [7, 4]);
            for (got, expected) in trace.probabilities.row(6).iter().zip(whole.row(0)) {
                assert!((got - expected).abs() < 1e-6, "{got} {expected}");
            }
        }
    }
}
