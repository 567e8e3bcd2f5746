//! Residual connection: a layer's input is added to its output.
//!
//! `y = x + f(x)`: where `f` has nothing to say yet, the input passes unchanged, and so does the gradient on its way back.

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
