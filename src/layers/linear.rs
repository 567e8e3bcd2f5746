//! Lesson 1. Linear: the classifier on top, `K` class scores from `H` features.
//!
//! | symbol | shape   | meaning                                  |
//! |--------|---------|------------------------------------------|
//! | `x`    | `[N,H]` | one feature row per clip                 |
//! | `W`    | `[K,H]` | weight, as PyTorch's `nn.Linear.weight`  |
//! | `b`    | `[K]`   | bias                                     |
//! | `y`    | `[N,K]` | scores before softmax                    |
//!
//! # Why it exists
//!
//! All other layers prepare features; this one decides. Every class owns one row of `W`: its score is how far the
//! features point along that row, plus `b`, the score of the class where all features are 0. Every gate of an LSTM has
//! the same weighted sum inside, so this backward returns in [lesson 5](super::lstm).
//!
//! # Formula
//!
//! `y = x·Wᵀ + b`, number by number at [`Linear::forward`]; the paper's fully connected layer, without an equation
//! number.
//!
//! # Derivation
//!
//! Pick one number, find the scores that depend on it, and add up a term from each.
//! ```text
//!            used by                             slope ∂y/∂…    so
//! W[k,h]     y[0,k], y[1,k], … of every clip      x[n,h]        dW[k,h] = Σ_n dy[n,k]·x[n,h]
//! b[k]       the same scores                      1             db[k]   = Σ_n dy[n,k]
//! x[n,h]     y[n,0], y[n,1], … of its own clip    W[k,h]        dx[n,h] = Σ_k dy[n,k]·W[k,h]
//! ```
//! These sums are products of matrices: `dW = dyᵀ·x`, `dx = dy·W`. Forward multiplied by `Wᵀ`, backward multiplies by
//! `W`: the way back through a product is always its transpose. Shapes are the first check: `dW` is `[K,H]` as `W` is,
//! and of `dy` `[N,K]` and `x` `[N,H]` there is one product of that shape. The code is [`Linear::backward`].
//!
//! # Worked by hand
//!
//! Two clips, three features, two classes; whole numbers, so the layer must agree exactly.
//! ```
//! use reslstm::layers::{Linear, LinearTape};
//! use reslstm::matrix::Matrix;
//!
//! let weight = Matrix::from_rows(&[[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]]);
//! let mut layer = Linear { weight, bias: vec![1.0, -2.0] };
//! let x = Matrix::from_rows(&[[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]]);
//! let (mut tape, mut y) = (LinearTape::default(), Matrix::default());
//! layer.forward(&x, &mut tape, &mut y);
//! // y[0,0] = 1·1 + 2·0 + 3·(−1) + 1 = −1        y[0,1] = 1·2 + 2·1 + 3·0 − 2 = 2
//! // y[1,0] = 4·1 + 0·0 − 1·(−1) + 1 =  6        y[1,1] = 4·2 + 0·1 − 1·0 − 2 = 6
//! assert_eq!(y, Matrix::from_rows(&[[-1.0, 2.0], [6.0, 6.0]]));
//!
//! // From above: a little more of y[0,0] raises the loss as much, of y[0,1] lowers it.
//! let dy = Matrix::from_rows(&[[1.0, -1.0], [2.0, 3.0]]);
//! let (mut grads, mut dx) = (Linear::zeros(3, 2), Matrix::default());
//! layer.backward(&x, &mut tape, &dy, &mut grads, &mut dx);
//! // dW[0,:] =  1·(1, 2, 3) + 2·(4, 0, −1) = ( 9,  2,  1)        db[0] =  1 + 2 = 3
//! // dW[1,:] = −1·(1, 2, 3) + 3·(4, 0, −1) = (11, −2, −6)        db[1] = −1 + 3 = 2
//! let dw = Matrix::from_rows(&[[9.0, 2.0, 1.0], [11.0, -2.0, -6.0]]);
//! assert_eq!(grads, Linear { weight: dw, bias: vec![3.0, 2.0] });
//! // dx[0,:] = 1·(1, 0, −1) − 1·(2, 1, 0) = (−1, −1, −1)
//! // dx[1,:] = 2·(1, 0, −1) + 3·(2, 1, 0) = ( 8,  3, −2)
//! assert_eq!(dx, Matrix::from_rows(&[[-1.0, -1.0, -1.0], [8.0, 3.0, -2.0]]));
//!
//! // What dW[1,2] = −6 means: a step of ½ in W[1,2] changes L = Σ dy⊙y by −6·½ = −3.
//! let loss = |y: &Matrix<f64>| {
//!     dy.as_slice().iter().zip(y.as_slice()).map(|(dy, y)| dy * y).sum::<f64>()
//! };
//! let before = loss(&y);
//! layer.weight[(1, 2)] += 0.5;
//! layer.forward(&x, &mut tape, &mut y);
//! assert_eq!(loss(&y) - before, -3.0);
//! ```
//!
//! # Mistakes worth knowing
//!
//! - `dx = dy·Wᵀ`. Where `K = H` it runs, and only the numbers are wrong; this is why tests use sizes that all differ.
//!   (`WeightTransposed`)
//! - A mean over the clips instead of the sum. The mean belongs to the loss, which has put its 1/N into `dy` already.
//!   (`BiasGradientAveraged`)
//! - `grads = …` where `grads += …` is meant. Every use of a shared parameter adds its part; the caller sets `grads` to
//!   zero before a step.
//!
//! The names in brackets are planted faults, see [how the gradients are
//! verified](super#how-the-gradients-are-verified). Next: [lesson 2](super::softmax_cross_entropy).

use crate::kernels::{Panels, Start, Term, add_column_sums, add_outer, product};
use crate::matrix::Matrix;
use crate::params::parameters;
use crate::prelude::*;
use crate::rng::RandomStream;
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

/// Scratch memory of forward and backward, reused.
#[derive(Clone, Debug, Default)]
pub struct LinearTape<S> {
    /// What forward multiplies by: `Wᵀ`, and the bias.
    packed: PackedLinear<S>,
    /// What backward multiplies by: `W`, and `x`.
    weight: Panels<S>,
    x: Panels<S>,
}

/// A [`Linear`] packed for many forwards: a copy of its parameters, laid out as a product reads them. Later changes of the
/// layer do not reach it, and no backward does.
#[derive(Clone, Debug, Default)]
pub struct PackedLinear<S> {
    /// `Wᵀ`, `[H,K]`
    weight: Panels<S>,
    /// `[K]`
    bias: Vec<S>,
}

impl<S: Scalar> Linear<S> {
    /// All zeros, `H` inputs, `K` outputs.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Linear { weight: Matrix::zeros(outputs, inputs), bias: vec![S::ZERO; outputs] }
    }

    /// Weight uniform in `±√(6 / (H + K))` (Xavier, PyTorch's `xavier_uniform_`), bias zero.
    pub fn init(inputs: usize, outputs: usize, stream: &mut RandomStream) -> Self {
        let mut layer = Self::zeros(inputs, outputs);
        let bound = Scalar::sqrt(6.0 / (inputs + outputs) as f64);
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
        tape.packed.pack(self);
        tape.packed.forward(x, y);
    }

    /// Adds ∂L/∂W and ∂L/∂b to `grads`, writes ∂L/∂x to `dx`. `x` is the input of `forward`.
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

impl<S: Scalar> PackedLinear<S> {
    /// A packed copy of `layer`.
    pub fn new(layer: &Linear<S>) -> Self {
        let mut packed = PackedLinear::default();
        packed.pack(layer);
        packed
    }

    /// Becomes a copy of `layer`, reusing memory.
    fn pack(&mut self, layer: &Linear<S>) {
        self.weight.pack_transposed(layer.weight.as_slice(), layer.weight.cols());
        self.bias.clone_from(&layer.bias);
    }

    /// Scores of every row, `x` `[N,H]` to `y` `[N,K]`: [`Linear::forward`] of the layer that was copied, to the bit.
    ///
    /// # Panics
    /// If `x` is not `[N,H]`.
    pub fn forward(&self, x: &Matrix<S>, y: &mut Matrix<S>) {
        y.resize(x.rows(), self.bias.len());
        product(Start::Row(&self.bias), &[Term { a: x.as_slice(), b: &self.weight }], y.as_mut_slice());
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
    fn a_backward_between_forwards_leaves_the_packed_weights_alone() {
        // A square layer too: there a product with the transpose would run unnoticed.
        for (inputs, outputs) in [(4, 4), (18, 18), (5, 3)] {
            let layer = Linear::<f64>::init(inputs, outputs, &mut RandomStream::new(6, "init", 0));
            let x = Matrix::from_vec(2, inputs, (0..2 * inputs).map(|i| i as f64 - 2.5).collect());
            let (mut tape, mut expected, mut y, mut dx) =
                (LinearTape::default(), Matrix::default(), Matrix::default(), Matrix::default());
            let packed = PackedLinear::new(&layer);
            layer.forward(&x, &mut tape, &mut expected);
            for _ in 0..2 {
                layer.backward(&x, &mut tape, &expected, &mut Linear::zeros(inputs, outputs), &mut dx);
                packed.forward(&x, &mut y);
                assert_eq!(y, expected, "packed, {inputs} to {outputs}");
                layer.forward(&x, &mut tape, &mut y);
                assert_eq!(y, expected, "{inputs} to {outputs}");
            }
        }
    }

    #[test]
    fn initial_weights_fill_xaviers_interval() {
        let layer = Linear::<f64>::init(60, 20, &mut RandomStream::new(5, "init", 0));
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
