//! After the lessons. LSTM and attention one frame at a time: the results of [`Lstm`] and [`Attention`] for the clip so far,
//! after every frame, in memory that does not grow.
//!
//! | symbol | shape   | meaning                                                              |
//! |--------|---------|----------------------------------------------------------------------|
//! | `x`    | `[D]`   | the current frame                                                    |
//! | `h`    | `[H]`   | its hidden state                                                     |
//! | `m`    | `[V]`   | largest score so far, one per attention vector                       |
//! | `s`    | `[V]`   | sum of exponentials so far, relative to `m`                          |
//! | `w`    | `[V,H]` | sum of the hidden states so far, each times its exponential          |

use super::attention::Attention;
use super::lstm::{Lstm, PackedLstm, Packing, cell_forward};
use crate::kernels::{Start, StoredMatrix, Term, dot, product, simd};
use crate::matrix::Matrix;
use crate::prelude::*;
use crate::scalar::Scalar;

/// An LSTM in the middle of a clip: its weights and its states.
#[derive(Clone, Debug)]
pub struct RunningLstm<S> {
    weights: Weights<S>,
    /// i, f, g, o of the last frame, before and after their activation, `[4H]` each.
    before_activation: Vec<S>,
    gates: Vec<S>,
    /// States of the last frame and of the one before it, `[H]`.
    c: Vec<S>,
    c_prev: Vec<S>,
    h: Vec<S>,
    tanh_c: Vec<S>,
}

/// The weights of an LSTM.
#[derive(Clone, Debug)]
enum Weights<S> {
    /// A copy, in the order in which a product reads it.
    Packed(Box<PackedLstm<S>>),
    /// Where they are: `[4H,D]`, `[4H,H]`, and the sum of both biases `[4H]`.
    Stored { ih: StoredMatrix, hh: StoredMatrix, bias: Vec<S> },
}

impl<S: Scalar> RunningLstm<S> {
    /// Before the first frame: `h` and `c` are zero. The weights are packed here, once for all frames.
    pub fn new(layer: &Lstm<S>) -> Self {
        Self::with_weights(layer.hidden(), Weights::Packed(Box::new(PackedLstm::new(layer, Packing::OneClip))))
    }

    /// [`new`](Self::new) with weights that are left where they are: `ih` `[4H,D]`, `hh` `[4H,H]`, and the sum of both biases
    /// `[4H]`.
    pub fn in_place(ih: StoredMatrix, hh: StoredMatrix, bias: Vec<S>) -> Self {
        Self::with_weights(bias.len() / 4, Weights::Stored { ih, hh, bias })
    }

    fn with_weights(hidden: usize, weights: Weights<S>) -> Self {
        RunningLstm {
            weights,
            before_activation: vec![S::ZERO; 4 * hidden],
            gates: vec![S::ZERO; 4 * hidden],
            c: vec![S::ZERO; hidden],
            c_prev: vec![S::ZERO; hidden],
            h: vec![S::ZERO; hidden],
            tanh_c: vec![S::ZERO; hidden],
        }
    }

    /// Back to before the first frame.
    pub fn reset(&mut self) {
        self.c.fill(S::ZERO);
        self.h.fill(S::ZERO);
    }

    /// Hidden state `[H]` of the next frame `x` `[D]`: to the bit that of [`Lstm::forward`], whose formula this is. Weights
    /// [in place](Self::in_place) are added up in another order.
    ///
    /// # Panics
    /// If `x` has not `D` values.
    pub fn push(&mut self, x: &[S]) -> &[S] {
        match &self.weights {
            Weights::Packed(packed) => {
                let PackedLstm { stacked_ih, stacked_hh, bias, .. } = &**packed;
                let terms = [Term { a: x, b: stacked_ih }, Term { a: &self.h, b: stacked_hh }];
                product(Start::Row(bias), &terms, &mut self.before_activation);
            }
            Weights::Stored { ih, hh, bias } => {
                self.before_activation.copy_from_slice(bias);
                ih.add_product(x, &mut self.before_activation);
                hh.add_product(&self.h, &mut self.before_activation);
            }
        }
        core::mem::swap(&mut self.c, &mut self.c_prev);
        let (if_gates, go_gates) = self.gates.split_at_mut(2 * self.h.len());
        let ((i, f), (g, o)) = (if_gates.split_at_mut(self.h.len()), go_gates.split_at_mut(self.h.len()));
        let (c, tanh_c, h) = (&mut self.c, &mut self.tanh_c, &mut self.h);
        cell_forward(&self.before_activation, &self.c_prev, [i, f, g, o], c, tanh_c, h);
        &self.h
    }
}

/// Attention over the frames so far.
#[derive(Clone, Debug)]
pub struct RunningAttention<S> {
    /// The vectors as rows, `[V,H]`.
    u: Matrix<S>,
    /// m, `[V]`
    max: Vec<S>,
    /// s, `[V]`
    sum: Vec<S>,
    /// w, `[V,H]`
    weighted: Matrix<S>,
    /// `[H]`
    context: Vec<S>,
}

impl<S: Scalar> RunningAttention<S> {
    /// Before the first frame.
    pub fn new(layer: &Attention<S>) -> Self {
        let [hidden, vectors] = layer.vector.shape();
        let mut u = Matrix::zeros(vectors, hidden);
        for v in 0..vectors {
            for k in 0..hidden {
                u[(v, k)] = layer.vector[(k, v)];
            }
        }
        let mut attention = RunningAttention {
            u,
            max: vec![S::ZERO; vectors],
            sum: vec![S::ZERO; vectors],
            weighted: Matrix::zeros(vectors, hidden),
            context: vec![S::ZERO; hidden],
        };
        attention.reset();
        attention
    }

    /// Back to before the first frame.
    pub fn reset(&mut self) {
        // Any score is larger, and e^(−∞ − score) is the weight of no frames: 0.
        self.max.fill(S::from_f64(f64::NEG_INFINITY));
        self.sum.fill(S::ZERO);
        self.weighted.fill(S::ZERO);
    }

    /// Context vector `[H]` of the frames so far, of which `h` `[H]` is the newest.
    ///
    /// # Formula
    /// For each attention vector, with `e = uᵀh`:
    /// ```text
    /// m' = max(m, e)      s' = s·e^(m − m') + e^(e − m')      w' = w·e^(m − m') + e^(e − m')·h
    /// ctx = (1/V) Σ_v w'[v] / s'[v]
    /// ```
    /// # Derivation
    /// With `m` the largest of the scores `e_t` so far, `s = Σ_t e^(e_t − m)` and `w = Σ_t e^(e_t − m)·h_t`, so `w/s` is Eq. 3
    /// with the softmax of Eq. 4, and `m` cancels: it keeps the exponentials at 1 or below. When it grows to `m'`, every
    /// exponential so far shrinks by the one factor `e^(m − m')`.
    ///
    /// # Panics
    /// If `h` has not `H` values.
    pub fn push(&mut self, h: &[S]) -> &[S] {
        let RunningAttention { u, max, sum, weighted, context } = self;
        let share = S::from_f64(1.0 / max.len() as f64);
        context.fill(S::ZERO);
        simd!(|level| {
            for v in 0..max.len() {
                let score = dot(level, h, u.row(v));
                let largest = if score > max[v] { score } else { max[v] };
                let (shrunk, weight) = ((max[v] - largest).exp(), (score - largest).exp());
                max[v] = largest;
                sum[v] = sum[v] * shrunk + weight;
                let scale = share / sum[v];
                for ((w, &h), context) in weighted.row_mut(v).iter_mut().zip(h).zip(context.iter_mut()) {
                    *w = *w * shrunk + weight * h;
                    *context += scale * *w;
                }
            }
        });
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{AttentionTape, LstmTape};
    use crate::packed::{Packed, Padding};
    use crate::rng::RandomStream;

    fn random(rows: usize, cols: usize, scale: f64, stream: &mut RandomStream) -> Matrix<f64> {
        Matrix::from_vec(rows, cols, (0..rows * cols).map(|_| scale * stream.normal()).collect())
    }

    #[test]
    fn an_lstm_frame_by_frame_is_the_lstm() {
        let mut stream = RandomStream::new(4, "running lstm", 0);
        for (inputs, hidden) in [(1, 1), (3, 5), (46, 64)] {
            let layer = Lstm::<f64>::init(inputs, hidden, &mut stream);
            let x = random(9, inputs, 1.0, &mut stream);
            let mut tape = LstmTape::default();
            layer.forward(&Packed::new(&[9], Padding::Ignored), &x, &mut tape);
            let mut running = RunningLstm::new(&layer);
            for _ in 0..2 {
                for (x, h) in x.iter_rows().zip(tape.h.iter_rows()) {
                    assert_eq!(running.push(x), h);
                }
                running.reset();
            }
        }
    }

    #[test]
    fn running_attention_is_the_attention_of_every_prefix() {
        let mut stream = RandomStream::new(4, "running attention", 0);
        // Scores of a few units and of hundreds: the largest grows often, and what was before may count for nothing.
        for (hidden, vectors, scale) in [(1, 1, 1.0), (7, 1, 3.0), (18, 3, 1.0), (5, 2, 200.0)] {
            let layer = Attention { vector: random(hidden, vectors, 1.0, &mut stream) };
            let h = random(12, hidden, scale, &mut stream);
            let mut running = RunningAttention::new(&layer);
            for _ in 0..2 {
                for t in 1..=h.rows() {
                    let prefix = Matrix::from_vec(t, hidden, h.rows_between(0, t).to_vec());
                    let (mut tape, mut expected) = (AttentionTape::default(), Matrix::default());
                    layer.forward(&Packed::new(&[t], Padding::Ignored), &prefix, &mut tape, &mut expected);
                    for (got, expected) in running.push(h.row(t - 1)).iter().zip(expected.row(0)) {
                        approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-13 * scale);
                    }
                }
                running.reset();
            }
        }
    }

    #[test]
    fn three_frames_worked_by_hand() {
        // u = 1; scores 0, ln 3, ln 2: weights 1, 3, 2 of the states 0, ln 3, ln 2.
        let mut running = RunningAttention::new(&Attention { vector: Matrix::from_rows(&[[1.0]]) });
        let [ln2, ln3] = [2f64.ln(), 3f64.ln()];
        for (h, expected) in [(0.0, 0.0), (ln3, 0.75 * ln3), (ln2, (3.0 * ln3 + 2.0 * ln2) / 6.0)] {
            approx::assert_abs_diff_eq!(running.push(&[h])[0], expected, epsilon = 1e-15);
        }
    }
}
