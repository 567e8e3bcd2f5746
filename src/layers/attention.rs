//! Lesson 4. Soft attention: one vector for a whole clip, a weighted mean of its frames, the weights learned (Eq. 3 and
//! 4).
//!
//! | symbol | shape     | meaning                                                                  |
//! |--------|-----------|--------------------------------------------------------------------------|
//! | `h`    | `[F,H]`   | hidden states of all frames, packed ([`Packed`])                          |
//! | `u`    | `[H,V]`   | attention vectors, `V` of them; the paper's figures are for one           |
//! | `e`    | `[F,V]`   | scores                                                                    |
//! | `a`    | `[F,V]`   | softmax of the scores over the frames of each clip                        |
//! | `α`    | `[F]`     | attention: mean of the `V` softmaxes                                      |
//! | `ctx`  | `[N,H]`   | context vector of each clip                                               |
//!
//! Where padding counts, a clip's softmax has further frames of score 0, whose hidden states are zero.
//!
//! # Why it exists
//!
//! A clip of RAVDESS has 69 to 124 frames, a classifier takes one row. The last hidden state has half forgotten the
//! beginning, the plain mean gives silence the weight of speech. Attention lets frames compete: each gets a score,
//! softmax turns scores into shares, and the shares can be printed, to see which frames the model used
//! (`examples/read_attention.rs`).
//!
//! # Formula
//!
//! At [`Attention::forward`]. With one vector:
//! ```text
//!        scores                    shares  values
//! h₀ ──▶ e₀ = uᵀ·h₀ ──┐           ┌──▶ α₀ ──▶ α₀·h₀ ──┐
//! h₁ ──▶ e₁ = uᵀ·h₁ ──┼─ softmax ─┼──▶ α₁ ──▶ α₁·h₁ ──┼─(+)──▶ ctx
//! h₂ ──▶ e₂ = uᵀ·h₂ ──┘  over t   └──▶ α₂ ──▶ α₂·h₂ ──┘
//! ```
//!
//! # Derivation
//!
//! Every `h` is in the picture twice: it makes the *score*, and it is the *value* that is averaged. So `dh` is a
//! sum of two terms. Backwards through the picture, `V = 1`:
//! ```text
//! ctx = Σ_t α_t·h_t   linear in α and h:     dα_t = dctx·h_t (a number)   dh_t gets α_t·dctx
//! α = softmax(e)      kept from lesson 2:    de_t = α_t·(dα_t − m)        m = Σ_t α_t·dα_t
//! e_t = uᵀ·h_t        lesson 1, one class:   du = Σ_t de_t·h_t            dh_t gets de_t·u
//! ```
//! Two readings worth keeping. `de_t` is negative, so that a step against the gradient raises the score, where a frame
//! helps more than the average frame under the present α. And as the α of a clip add up to 1, its `de` add up to 0: attention
//! given to one frame is taken from the others. The code is [`Attention::backward`].
//!
//! # Worked by hand
//!
//! Two clips, of two frames and of one. Rows are time-major: frame 0 of both, then frame 1 of the first.
//! ```
//! use reslstm::layers::{Attention, AttentionTape};
//! use reslstm::matrix::Matrix;
//! use reslstm::packed::{Packed, Padding};
//!
//! let close = |got: &[f64], by_hand: &[f64]| {
//!     approx::assert_abs_diff_eq!(got, by_hand, epsilon = 1e-14);
//! };
//! let ln3 = 3f64.ln();
//! // u = (ln 3, 0): only the first unit counts.
//! let layer = Attention { vector: Matrix::from_rows(&[[ln3], [0.0]]) };
//! let layout = Packed::new(&[2, 1], Padding::Ignored);
//! let h = Matrix::from_rows(&[[0.0, 4.0], [5.0, 6.0], [1.0, 0.0]]);
//! let (mut tape, mut ctx) = (AttentionTape::default(), Matrix::default());
//! layer.forward(&layout, &h, &mut tape, &mut ctx);
//! // Clip 0: e = 0·ln 3, 1·ln 3; e^e = 1, 3; α = 1/4, 3/4.
//! // Clip 1 has one frame: α = 1 for any score.
//! close(&tape.alpha, &[1.0 / 4.0, 1.0, 3.0 / 4.0]);
//! close(ctx.row(0), &[3.0 / 4.0, 1.0]); // 1/4·(0, 4) + 3/4·(1, 0)
//! close(ctx.row(1), &[5.0, 6.0]);
//!
//! let dctx = Matrix::from_rows(&[[1.0, 1.0], [1.0, 1.0]]);
//! let (mut grads, mut dh) = (Attention::zeros(2, 1), Matrix::default());
//! layer.backward(&layout, &h, &mut tape, &dctx, &mut grads, &mut dh);
//! // Clip 0: dα = 0 + 4, 1 + 0; their mean is m = 1/4·4 + 3/4·1 = 7/4.
//! //         de = 1/4·(4 − 7/4), 3/4·(1 − 7/4) = 9/16, −9/16
//! // Clip 1: dα = 11 = m, so de = 0.
//! close(dh.row(0), &[1.0 / 4.0 + 9.0 / 16.0 * ln3, 1.0 / 4.0]); // α·dctx + de·u
//! close(dh.row(2), &[3.0 / 4.0 - 9.0 / 16.0 * ln3, 3.0 / 4.0]);
//! close(dh.row(1), &[1.0, 1.0]);
//! close(grads.vector.as_slice(), &[-9.0 / 16.0, 9.0 / 4.0]); // 9/16·(0, 4) − 9/16·(1, 0)
//! ```
//!
//! # Mistakes worth knowing
//!
//! - The mean term `m` forgotten, as in lesson 2. (`MeanTermMissing`)
//! - One of the two paths into `dh` forgotten; either half alone looks like a gradient. (`WeightedPathMissing`: no
//!   `α·dctx`)
//! - Softmax over the wrong axis: over units, or over all rows of a batch instead of each clip's own.
//! - Padded frames that count. A zero frame scores 0 and e⁰ = 1 is attention, so a clip's result depends on its
//!   neighbours' length: the published code does this, protocol `strict` does not. (`PaddingOutsideTheSoftmax` is
//!   forgetting it where it counts.)
//!
//! Tests: [how the gradients are verified](super#how-the-gradients-are-verified).
//! Next: [lesson 5](super::lstm).

use crate::kernels::{add_scaled, dot, simd};
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::params::parameters;
use crate::prelude::*;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// `ctx = Σ_t α_t·h_t`. Also the shape of its own gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention<S> {
    /// `[H,V]`
    pub vector: Matrix<S>,
}

parameters!(Attention { "attention_vector" => vector });

/// What forward stores for backward, and scratch memory.
#[derive(Clone, Debug, Default)]
pub struct AttentionTape<S> {
    /// The vectors as rows, `[V,H]`.
    u: Matrix<S>,
    /// Softmax of every vector, `[F,V]`.
    pub a: Matrix<S>,
    /// α: mean of the softmaxes, `[F]`.
    pub alpha: Vec<S>,
    /// Largest score of each clip and vector, then the sum of exponentials; `[N,V]`.
    max: Matrix<S>,
    sum: Matrix<S>,
    /// ∂L/∂α, `[F]`.
    pub dalpha: Vec<S>,
    /// Σ_t a·dα of each clip and vector, `[N,V]`.
    expected_dalpha: Matrix<S>,
    /// ∂L/∂u as rows, `[V,H]`.
    du: Matrix<S>,
}

impl<S: Scalar> Attention<S> {
    /// All zeros.
    pub fn zeros(hidden: usize, vectors: usize) -> Self {
        Attention { vector: Matrix::zeros(hidden, vectors) }
    }

    /// Normal with variance `2 / (H + V)` (Xavier, PyTorch's `xavier_normal_` of an `[H,V]` tensor).
    pub fn init(hidden: usize, vectors: usize, stream: &mut RandomStream) -> Self {
        let mut layer = Self::zeros(hidden, vectors);
        let std = Scalar::sqrt(2.0 / (hidden + vectors) as f64);
        layer.vector.as_mut_slice().fill_with(|| S::from_f64(std * stream.normal()));
        layer
    }

    /// Context vector of every clip.
    ///
    /// # Formula
    /// ```text
    /// e[t,v] = Σ_h h[t,h]·u[h,v]                                                 (Eq. 4)
    /// a[t,v] = e^e[t,v] / (Σ_t' e^e[t',v] + padded·e^0)         t' over the clip's frames
    /// α[t]   = (1/V) Σ_v a[t,v]
    /// ctx[n] = Σ_t α[t]·h[t]                                                    (Eq. 3)
    /// ```
    /// # Panics
    /// If `h` is not `[F,H]` for this layout.
    pub fn forward(&self, layout: &Packed, h: &Matrix<S>, tape: &mut AttentionTape<S>, context: &mut Matrix<S>) {
        let [hidden, vectors] = self.vector.shape();
        let (clips, frames) = (layout.clips(), layout.frames());
        assert_eq!(h.shape(), [frames, hidden], "attention over [F,H] hidden states");
        tape.u.resize(vectors, hidden);
        for v in 0..vectors {
            for k in 0..hidden {
                tape.u[(v, k)] = self.vector[(k, v)];
            }
        }
        tape.a.resize(frames, vectors);
        tape.alpha.resize(frames, S::ZERO);
        tape.max.resize(clips, vectors);
        tape.sum.resize(clips, vectors);
        context.resize(clips, hidden);
        context.fill(S::ZERO);
        simd!(|level| {
            for (h, e) in h.as_slice().chunks_exact(hidden).zip(tape.a.as_mut_slice().chunks_exact_mut(vectors)) {
                for (v, e) in e.iter_mut().enumerate() {
                    *e = dot(level, h, tape.u.row(v));
                }
            }
            // Frame 0 of every clip is the block of rows 0..N: the first candidate for the largest score.
            for n in 0..clips {
                for v in 0..vectors {
                    tape.max[(n, v)] = tape.a[(n, v)];
                    tape.sum[(n, v)] = S::ZERO;
                }
            }
            for t in 1..layout.steps() {
                for (n, row) in layout.rows(t).enumerate() {
                    for v in 0..vectors {
                        if tape.a[(row, v)] > tape.max[(n, v)] {
                            tape.max[(n, v)] = tape.a[(row, v)];
                        }
                    }
                }
            }
            for t in 0..layout.steps() {
                for (n, row) in layout.rows(t).enumerate() {
                    for v in 0..vectors {
                        let exp = (tape.a[(row, v)] - tape.max[(n, v)]).exp();
                        tape.a[(row, v)] = exp;
                        tape.sum[(n, v)] += exp;
                    }
                }
            }
            for n in (0..clips).filter(|&n| layout.padded(n) > 0) {
                let padded = S::from_f64(layout.padded(n) as f64);
                for v in 0..vectors {
                    // Infinite where all scores are far below the padded frames' 0: then these get all the attention.
                    tape.sum[(n, v)] += padded * (-tape.max[(n, v)]).exp();
                }
            }
            for t in 0..layout.steps() {
                for (n, row) in layout.rows(t).enumerate() {
                    let mut alpha = S::ZERO;
                    for v in 0..vectors {
                        tape.a[(row, v)] = tape.a[(row, v)] / tape.sum[(n, v)];
                        alpha += tape.a[(row, v)];
                    }
                    tape.alpha[row] = alpha / S::from_f64(vectors as f64);
                    add_scaled(level, tape.alpha[row], h.row(row), context.row_mut(n));
                }
            }
        });
    }

    /// Adds ∂L/∂u to `grads`, writes ∂L/∂h to `dh`.
    ///
    /// # Derivation
    /// ```text
    /// ctx = Σ_t α_t·h_t:          dα_t = dctx·h_t,   and dh_t gets α_t·dctx
    /// α = (1/V) Σ_v a_v:          da_v = dα / V
    /// a = softmax(e) over t:      de_t = a_t·(da_t − Σ_t' a_t'·da_t')
    /// e_t = uᵀh_t:                dh_t gets de_t·u,   du gets Σ_t de_t·h_t
    /// A padded frame has h = 0, so its dα is 0 and it adds nothing to any sum.
    /// ```
    pub fn backward(
        &self,
        layout: &Packed,
        h: &Matrix<S>,
        tape: &mut AttentionTape<S>,
        dcontext: &Matrix<S>,
        grads: &mut Self,
        dh: &mut Matrix<S>,
    ) {
        let [hidden, vectors] = self.vector.shape();
        let share = S::from_f64(1.0 / vectors as f64);
        tape.dalpha.resize(layout.frames(), S::ZERO);
        tape.expected_dalpha.resize(layout.clips(), vectors);
        tape.expected_dalpha.fill(S::ZERO);
        tape.du.resize(vectors, hidden);
        tape.du.fill(S::ZERO);
        dh.resize(layout.frames(), hidden);
        dh.fill(S::ZERO);
        simd!(|level| {
            for t in 0..layout.steps() {
                for (n, row) in layout.rows(t).enumerate() {
                    // forward: ctx = Σ_t α_t·h_t
                    tape.dalpha[row] = dot(level, dcontext.row(n), h.row(row));
                    add_scaled(level, tape.alpha[row], dcontext.row(n), dh.row_mut(row));
                    for v in 0..vectors {
                        tape.expected_dalpha[(n, v)] += tape.a[(row, v)] * tape.dalpha[row];
                    }
                }
            }
            for t in 0..layout.steps() {
                for (n, row) in layout.rows(t).enumerate() {
                    for v in 0..vectors {
                        // forward: α = (1/V) Σ_v a_v,  a = softmax(e)
                        let de = share * tape.a[(row, v)] * (tape.dalpha[row] - tape.expected_dalpha[(n, v)]);
                        // forward: e = uᵀh
                        add_scaled(level, de, tape.u.row(v), dh.row_mut(row));
                        add_scaled(level, de, h.row(row), tape.du.row_mut(v));
                    }
                }
            }
        });
        for v in 0..vectors {
            for k in 0..hidden {
                grads.vector[(k, v)] += tape.du[(v, k)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{assert_gradients, subjects::AttentionSubject};
    use crate::packed::Padding;

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        for padding in [Padding::Ignored, Padding::Counted] {
            for (lengths, hidden, vectors) in [(&[5, 3, 1][..], 2, 1), (&[4, 4, 2], 7, 3), (&[1], 17, 2)] {
                assert_gradients(&AttentionSubject { layout: Packed::new(lengths, padding), hidden, vectors });
            }
        }
    }

    #[test]
    fn initial_values_have_xaviers_variance() {
        let layer = Attention::<f64>::init(60, 20, &mut RandomStream::new(5, "init", 0));
        let variance = layer.vector.as_slice().iter().map(|u| u * u).sum::<f64>() / 1200.0;
        // 1,200 values: the standard error of the variance is 4 %.
        approx::assert_relative_eq!(variance, 2.0 / 80.0, max_relative = 0.12);
    }

    #[test]
    fn two_frames_worked_by_hand() {
        // u = ln 3, h = 0 and 1: scores 0 and ln 3, weights 1/4 and 3/4, context 3/4; a padded frame (score 0) makes it 3/5.
        let layer = Attention { vector: Matrix::from_rows(&[[3f64.ln()]]) };
        let (mut tape, mut context) = (AttentionTape::default(), Matrix::default());
        layer.forward(
            &Packed::new(&[2], Padding::Ignored),
            &Matrix::from_rows(&[[0.0], [1.0]]),
            &mut tape,
            &mut context,
        );
        approx::assert_abs_diff_eq!(tape.alpha[0], 0.25, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(context[(0, 0)], 0.75, epsilon = 1e-15);
        // Time-major: frame 0 of both clips, frame 1 of both, frame 2 of the longer.
        let h = Matrix::from_rows(&[[9.0], [0.0], [9.0], [1.0], [9.0]]);
        layer.forward(&Packed::new(&[3, 2], Padding::Counted), &h, &mut tape, &mut context);
        approx::assert_abs_diff_eq!(context[(1, 0)], 0.6, epsilon = 1e-15);
    }

    #[test]
    fn scores_far_below_zero_do_not_underflow_to_nan() {
        let layer = Attention { vector: Matrix::from_rows(&[[1f32]]) };
        let (mut tape, mut context) = (AttentionTape::default(), Matrix::default());
        let h = Matrix::from_rows(&[[-600f32], [-400.0]]);
        layer.forward(&Packed::new(&[2], Padding::Ignored), &h, &mut tape, &mut context);
        assert_eq!(tape.alpha, [0.0, 1.0]);
        // Next to a longer clip the first has a padded frame of score 0, which leaves nothing to the others.
        let h = Matrix::from_rows(&[[-600f32], [-600.0], [-400.0], [-400.0], [-500.0]]);
        layer.forward(&Packed::new(&[3, 2], Padding::Counted), &h, &mut tape, &mut context);
        assert_eq!((tape.alpha[1], tape.alpha[3], context[(1, 0)]), (0.0, 0.0, 0.0));
        assert_eq!(context[(0, 0)], -400.0);
    }
}
