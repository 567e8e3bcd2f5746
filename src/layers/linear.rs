//! Linear: the classifier on top, `K` class scores from `H` features.
//!
//! | symbol | shape   | meaning                                  |
//! |--------|---------|------------------------------------------|
//! | `x`    | `[N,H]` | one feature row per clip                 |
//! | `W`    | `[K,H]` | weight, as PyTorch's `nn.Linear.weight`  |
//! | `b`    | `[K]`   | bias                                     |
//! | `y`    | `[N,K]` | scores before softmax                    |

use crate::kernels::{Panels, Start, Term, add_column_sums, add_outer, product};
use crate::matrix::Matrix;
use crate::params::parameters;
use crate::rng::Stream;
use crate::scalar::Scalar;

/// `y = x·Wᵀ + b`. Also the shape of its own gradient: `grads.weight` is ∂L/∂W.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear<S> {
    /// `[K,H]`
    pub weight: Matrix<S>,
    /// `[K]`
    pub bias: Vec<S>,
}

parameters!(Linear { "weight" => weight, "bias" => bias });

/// Scratch of one call, reused.
#[derive(Clone, Debug, Default)]
pub struct LinearTape<S> {
    weight: Panels<S>,
    x: Panels<S>,
}

impl<S: Scalar> Linear<S> {
    /// All zeros, `H` inputs, `K` outputs.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Linear { weight: Matrix::zeros(outputs, inputs), bias: vec![S::ZERO; outputs] }
    }

    /// Weight uniform in `±√(6 / (H + K))` (Xavier, PyTorch's `xavier_uniform_`), bias zero.
    pub fn init(inputs: usize, outputs: usize, stream: &mut Stream) -> Self {
        let mut layer = Self::zeros(inputs, outputs);
        let bound = (6.0 / (inputs + outputs) as f64).sqrt();
        layer.weight.as_mut_slice().fill_with(|| S::from_f64(stream.between(-bound, bound)));
        layer
    }

    /// Scores of every row.
    ///
    /// # Formula
    /// ```text
    /// y[n,k] = b[k] + Σ_h x[n,h]·W[k,h]
    /// ```
    /// # Panics
    /// If `x` is not `[N,H]`.
    pub fn forward(&self, x: &Matrix<S>, tape: &mut LinearTape<S>, y: &mut Matrix<S>) {
        self.pack(tape);
        self.forward_packed(x, tape, y);
    }

    /// The first half of [`forward`](Self::forward), to be done once for many calls of the second.
    pub fn pack(&self, tape: &mut LinearTape<S>) {
        tape.weight.pack_transposed(self.weight.as_slice(), self.weight.cols());
    }

    /// The second half: scores of every row by the weights that [`pack`](Self::pack) left in `tape`.
    ///
    /// # Panics
    /// If `x` is not `[N,H]`, or nothing is packed.
    pub fn forward_packed(&self, x: &Matrix<S>, tape: &LinearTape<S>, y: &mut Matrix<S>) {
        y.resize(x.rows(), self.weight.rows());
        product(Start::Row(&self.bias), &[Term { a: x.as_slice(), b: &tape.weight }], y.as_mut_slice());
    }

    /// Adds ∂L/∂W and ∂L/∂b to `grads`, writes ∂L/∂x to `dx`. `x` is what `forward` saw.
    ///
    /// # Derivation
    /// ```text
    /// y[n,k] depends on W[k,h] through x[n,h] alone:   dW[k,h] = Σ_n dy[n,k]·x[n,h]   = dyᵀ·x
    /// on b[k] directly:                                db[k]   = Σ_n dy[n,k]
    /// x[n,h] reaches the loss through every class:     dx[n,h] = Σ_k dy[n,k]·W[k,h]   = dy·W
    /// ```
    pub fn backward(
        &self,
        x: &Matrix<S>,
        tape: &mut LinearTape<S>,
        dy: &Matrix<S>,
        grads: &mut Self,
        dx: &mut Matrix<S>,
    ) {
        // forward: y += x·Wᵀ
        tape.x.pack(x.as_slice(), x.cols());
        add_outer(dy.as_slice(), &tape.x, grads.weight.as_mut_slice());
        dx.resize(x.rows(), x.cols());
        tape.weight.pack(self.weight.as_slice(), self.weight.cols());
        product(Start::Zero, &[Term { a: dy.as_slice(), b: &tape.weight }], dx.as_mut_slice());
        // forward: y = b
        add_column_sums(dy.as_slice(), &mut grads.bias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{assert_gradients, subjects::LinearSubject};

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        // No two sizes alike, so a swapped index cannot pass.
        assert_gradients(&LinearSubject { rows: 3, inputs: 7, outputs: 2 });
        assert_gradients(&LinearSubject { rows: 1, inputs: 33, outputs: 18 });
    }

    #[test]
    fn initial_weights_fill_xaviers_interval() {
        let layer = Linear::<f64>::init(60, 20, &mut Stream::new(5, "init", 0));
        let largest = layer.weight.as_slice().iter().fold(0.0f64, |largest, w| largest.max(w.abs()));
        let bound = (6.0 / 80.0f64).sqrt();
        assert!(largest <= bound && largest > 0.99 * bound, "{largest} of {bound}");
        let mean = layer.weight.as_slice().iter().sum::<f64>() / 1200.0;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!(layer.bias.iter().all(|&b| b == 0.0));
    }

    #[test]
    fn one_score_worked_by_hand() {
        let layer = Linear { weight: Matrix::from_rows(&[[2.0, -3.0]]), bias: vec![0.5] };
        let mut y = Matrix::default();
        layer.forward(&Matrix::from_rows(&[[5.0, 7.0]]), &mut LinearTape::default(), &mut y);
        assert_eq!(y[(0, 0)], 0.5 + 2.0 * 5.0 - 3.0 * 7.0);
    }
}
