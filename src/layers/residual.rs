//! Lesson 6. Residual connection: a layer's input is added to its output.
//!
//! `y = x + f(x)`: where `f` is still near zero, the input passes unchanged, and so does the gradient on its way
//! back.
//!
//! | symbol     | shape   | meaning                                                         |
//! |------------|---------|-----------------------------------------------------------------|
//! | `x, f(x)`  | `[F,D]` | input and output of the layer that is bridged; in ResLSTM-SA, LSTM1 |
//! | `y`        | `[F,D]` | their sum                                                       |
//!
//! # Why it exists
//!
//! A chain of layers multiplies slopes, and a product of many small numbers is nothing. A bridge adds 1 to each of
//! them. The bridged layer need not repeat its input, only compute what to change in it: the paper's LSTM1
//! "enriches" the 46 features of a frame with context and leaves them in place. (Sum and input must have one width, so
//! LSTM1 has as many units as the frame has features.)
//!
//! # Formula
//!
//! `y = x + f(x)` at [`forward`]; He and others (2016), Eq. 1; Fig. 2 of the paper, which gives it no number.
//!
//! # Derivation
//!
//! Forward, `x` is copied and the copies meet in a sum. Backward, the sum hands its gradient to both, and the copies'
//! gradients meet in a sum: **a fork on the way there is a sum on the way back, and a sum a fork**.
//! ```text
//! x ──┬───────────▶(+)──▶ y            dx ◀──(+)◀───────────┬── dy
//!     └──▶ f ───────┘                          └── (∂f/∂x)ᵀ ◀┘
//! ```
//! So `dx = dy + (∂f/∂x)ᵀ·dy`. You have met this fork already: a hidden state in [lesson 4](super::attention) (as value
//! and through its score), a cell in [lesson 5](super::lstm) (to `h` and to the next frame). [`backward`] is the `+=`
//! of the straight path; the other term is `f`'s own backward.
//!
//! # Worked by hand
//!
//! Around a linear layer without bias.
//! ```
//! use reslstm::layers::{Linear, LinearTape, residual};
//! use reslstm::matrix::Matrix;
//!
//! let f = Linear { weight: Matrix::from_rows(&[[0.0, 1.0], [2.0, 0.0]]), bias: vec![0.0; 2] };
//! let x = Matrix::from_rows(&[[1.0, 2.0]]);
//! let (mut tape, mut fx, mut y) = Default::default();
//! f.forward(&x, &mut tape, &mut fx); // f(x) = (2, 2·1) = (2, 2)
//! residual::forward(&x, &fx, &mut y);
//! assert_eq!(y.row(0), [3.0, 4.0]); // (1, 2) + (2, 2)
//!
//! let dy = Matrix::from_rows(&[[1.0, -1.0]]);
//! let (mut grads, mut dx) = (Linear::zeros(2, 2), Matrix::default());
//! f.backward(&x, &mut tape, &dy, &mut grads, &mut dx);
//! assert_eq!(dx.row(0), [-2.0, 1.0]); // 1·(0, 1) − 1·(2, 0): through f
//! residual::backward(&dy, &mut dx);
//! assert_eq!(dx.row(0), [-1.0, 0.0]); // and straight: + (1, −1)
//! ```
//! Ten layers in a row, each with the slope 1/10, without and with bridges: what is left of a gradient of 1 is 0.1¹⁰ =
//! 0.0000000001, or 1.1¹⁰ = 2.59.
//! ```
//! # use reslstm::layers::{Linear, LinearTape, residual};
//! # use reslstm::matrix::Matrix;
//! let f = Linear { weight: Matrix::from_rows(&[[0.1]]), bias: vec![0.0] };
//! let x = Matrix::from_rows(&[[1.0]]); // any: dx of a linear layer does not depend on x
//! let left_of_one = |bridged: bool| {
//!     let (mut dy, mut dx) = (Matrix::from_rows(&[[1.0]]), Matrix::default());
//!     for _ in 0..10 {
//!         f.backward(&x, &mut LinearTape::default(), &dy, &mut Linear::zeros(1, 1), &mut dx);
//!         if bridged {
//!             residual::backward(&dy, &mut dx);
//!         }
//!         std::mem::swap(&mut dy, &mut dx);
//!     }
//!     dy[(0, 0)]
//! };
//! approx::assert_relative_eq!(left_of_one(false), 1e-10, max_relative = 1e-12);
//! approx::assert_abs_diff_eq!(left_of_one(true), 2.59, epsilon = 0.005);
//! ```
//! On a real clip the effect is smaller than this: `reslstm audit --flow` draws it.
//!
//! # Mistakes worth knowing
//!
//! - `=` where `+=` belongs, in either direction: one of the two gradients is lost. (`StraightPathMissing`)
//! - The order: `f`'s backward *writes* `dx`, this one *adds*. The other way round the straight gradient is
//!   overwritten.
//!
//! Tests: [how the gradients are verified](super#how-the-gradients-are-verified).
//! This was the last lesson; [`running`](super::running) is an appendix, and [`res_lstm_sa`](crate::models::res_lstm_sa)
//! is the model with all layers.

use crate::matrix::Matrix;
use crate::scalar::Scalar;

/// `y = x + fx`, all of one shape.
///
/// # Panics
/// If `x` and `fx` differ in shape.
pub fn forward<S: Scalar>(x: &Matrix<S>, fx: &Matrix<S>, y: &mut Matrix<S>) {
    assert_eq!(x.shape(), fx.shape(), "a residual connection adds matrices of one shape");
    y.resize(x.rows(), x.cols());
    for ((y, &x), &fx) in y.as_mut_slice().iter_mut().zip(x.as_slice()).zip(fx.as_slice()) {
        *y = x + fx;
    }
}

/// Adds to `dx`, which holds the gradient that came back through `f`, the one that comes straight: `dx += dy`.
///
/// # Derivation
/// ```text
/// y = x + f(x):   dx = dy + (∂f/∂x)ᵀ·dy;   the second term is f's own backward, called with dy
/// ```
pub fn backward<S: Scalar>(dy: &Matrix<S>, dx: &mut Matrix<S>) {
    assert_eq!(dy.shape(), dx.shape(), "a residual connection adds matrices of one shape");
    // forward: y = x + …
    for (dx, &dy) in dx.as_mut_slice().iter_mut().zip(dy.as_slice()) {
        *dx += dy;
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{assert_gradients, subjects::ResidualSubject};

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        assert_gradients(&ResidualSubject { rows: 3, width: 5 });
    }
}
