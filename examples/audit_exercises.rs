//! Exercises: two layers for you to write. The solutions are below the tasks; cover them first.
//!
//! ```text
//! cargo run --release --example audit_exercises
//! ```
//! says whether the gradients are right: yours, once you have replaced the solutions.
//!
//! # Exercise 1: layer norm
//!
//! Batch norm ([lesson 3](reslstm::layers::batch_norm)) takes mean and variance of a column over the rows. Layer norm (Ba and
//! others, 2016) takes them of a row over its `C` columns, so that no row depends on another:
//! ```text
//! x̂ = (x − μ)/√(v + ε),   y = γ⊙x̂ + β        μ, v: mean and biased variance of the row;   γ, β [C];   ε = 1e-5
//! ```
//! Which lines of batch norm's derivation change? Over which index do dγ and dβ sum, and over which the two means in dx?
//!
//! # Exercise 2: a bidirectional LSTM
//!
//! One LSTM reads every clip from its first frame, a second from its last; a frame's output is both hidden states, side by
//! side, `[F,2H]`. Write it around the engine's [`Lstm`] without a new line of backpropagation through time.
//! Where does the input fork, and what does a fork do to its gradient? What undoes a reversal?
//!
//! Hints: [`Packed::row`] is the row of a frame of a clip. Clips differ in length, and each is reversed within its own.
//! PyTorch calls the second one's tensors `weight_ih_l0_reverse` and so on.

use reslstm::audit::{Along, Subject, audit, in_order, random_point};
use reslstm::layers::{Lstm, LstmTape};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use reslstm::params::parameters;
use reslstm::scalar::Scalar;

// Solution 1.

/// `y = γ⊙x̂ + β`. Also the type of its own gradient.
struct LayerNorm<S> {
    /// γ, `[C]`
    weight: Vec<S>,
    /// β, `[C]`
    bias: Vec<S>,
}

parameters!(LayerNorm { "weight" => weight, "bias" => bias });

/// One row's `x̂` `[C]`, and `s = 1/√(v + ε)`.
fn normalised<S: Scalar>(x: &[S]) -> (Vec<S>, S) {
    let mean = mean_of(x.iter().copied());
    let variance = mean_of(x.iter().map(|&x| (x - mean).powi(2)));
    let s = S::ONE / (variance + S::from_f64(1e-5)).sqrt();
    (x.iter().map(|&x| (x - mean) * s).collect(), s)
}

fn mean_of<S: Scalar>(values: impl ExactSizeIterator<Item = S>) -> S {
    let count = S::from_f64(values.len() as f64);
    values.fold(S::ZERO, |sum, value| sum + value) / count
}

/// Layer norm of `[rows, C]`.
struct LayerNormSubject {
    rows: usize,
    features: usize,
}

impl Subject for LayerNormSubject {
    type Layer<S: Scalar> = LayerNorm<S>;

    fn zeros<S: Scalar>(&self) -> LayerNorm<S> {
        LayerNorm { weight: vec![S::ZERO; self.features], bias: vec![S::ZERO; self.features] }
    }

    fn input_shape(&self) -> [usize; 2] {
        [self.rows, self.features]
    }

    fn forward<S: Scalar>(&self, layer: &LayerNorm<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut y = Matrix::zeros(x.rows(), x.cols());
        for r in 0..x.rows() {
            let (x_hat, _) = normalised(x.row(r));
            for c in 0..x.cols() {
                y[(r, c)] = layer.weight[c] * x_hat[c] + layer.bias[c];
            }
        }
        y
    }

    /// Batch norm's derivation with rows and columns exchanged, for all that concerns the statistics:
    /// `dx = s·(dx̂ − mean(dx̂) − x̂·mean(dx̂⊙x̂))`, means over the row. γ and β belong to a column, as before.
    fn backward<S: Scalar>(
        &self,
        layer: &LayerNorm<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut LayerNorm<S>,
    ) -> Matrix<S> {
        let mut dx = Matrix::zeros(x.rows(), x.cols());
        for r in 0..x.rows() {
            let ((x_hat, s), dy) = (normalised(x.row(r)), dy.row(r));
            // forward: y = γ⊙x̂ + β
            for c in 0..x.cols() {
                grads.weight[c] += dy[c] * x_hat[c];
                grads.bias[c] += dy[c];
            }
            let dx_hat: Vec<S> = dy.iter().zip(&layer.weight).map(|(&dy, &weight)| dy * weight).collect();
            // forward: x̂ = (x − μ)·s
            let mean = mean_of(dx_hat.iter().copied());
            let mean_along = mean_of(dx_hat.iter().zip(&x_hat).map(|(&dx_hat, &x_hat)| dx_hat * x_hat));
            for c in 0..x.cols() {
                dx[(r, c)] = s * (dx_hat[c] - mean - x_hat[c] * mean_along);
            }
        }
        dx
    }
}

// Solution 2.

/// Two LSTMs that read in opposite directions. Also the type of its own gradient.
struct BidirectionalLstm<S> {
    forward: Lstm<S>,
    reverse: Lstm<S>,
}

parameters!(BidirectionalLstm {
    "weight_ih_l0" => forward.weight_ih,
    "weight_hh_l0" => forward.weight_hh,
    "bias_ih_l0" => forward.bias_ih,
    "bias_hh_l0" => forward.bias_hh,
    "weight_ih_l0_reverse" => reverse.weight_ih,
    "weight_hh_l0_reverse" => reverse.weight_hh,
    "bias_ih_l0_reverse" => reverse.bias_ih,
    "bias_hh_l0_reverse" => reverse.bias_hh,
});

/// Frames `[F,D]` with every clip reversed in time. Twice is nothing: it undoes itself, and is its own backward.
fn reversed<S: Scalar>(layout: &Packed, x: &Matrix<S>) -> Matrix<S> {
    let mut y = Matrix::zeros(x.rows(), x.cols());
    for n in 0..layout.clips() {
        for t in 0..layout.length(n) {
            let mirror = layout.row(layout.length(n) - 1 - t, n);
            y.row_mut(layout.row(t, n)).copy_from_slice(x.row(mirror));
        }
    }
    y
}

/// A bidirectional LSTM, frames `[F,D]` to `[F,2H]`.
struct BidirectionalSubject {
    layout: Packed,
    inputs: usize,
    hidden: usize,
}

impl Subject for BidirectionalSubject {
    type Layer<S: Scalar> = BidirectionalLstm<S>;

    fn zeros<S: Scalar>(&self) -> BidirectionalLstm<S> {
        let [forward, reverse] = [(); 2].map(|()| Lstm::zeros(self.inputs, self.hidden));
        BidirectionalLstm { forward, reverse }
    }

    fn input_shape(&self) -> [usize; 2] {
        [self.layout.frames(), self.inputs]
    }

    fn forward<S: Scalar>(&self, layer: &BidirectionalLstm<S>, x: &Matrix<S>) -> Matrix<S> {
        let (mut tape, mut tape_reverse) = (LstmTape::default(), LstmTape::default());
        layer.forward.forward(&self.layout, x, &mut tape);
        layer.reverse.forward(&self.layout, &reversed(&self.layout, x), &mut tape_reverse);
        // h of the second, in the order of the frames again.
        let h_reverse = reversed(&self.layout, &tape_reverse.h);
        let rows: Vec<_> = tape.h.iter_rows().zip(h_reverse.iter_rows()).map(|(a, b)| [a, b].concat()).collect();
        Matrix::from_rows(&rows)
    }

    fn backward<S: Scalar>(
        &self,
        layer: &BidirectionalLstm<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut BidirectionalLstm<S>,
    ) -> Matrix<S> {
        let (layout, x_reverse) = (&self.layout, reversed(&self.layout, x));
        // forward: y = [h, reversed(h_reverse)]
        let half = |from: usize| -> Vec<&[S]> { dy.iter_rows().map(|dy| &dy[from..from + self.hidden]).collect() };
        let (dh, dh_reverse) = (Matrix::from_rows(&half(0)), Matrix::from_rows(&half(self.hidden)));
        // forward: h_reverse = lstm(reversed(x)),  h = lstm(x)
        let (mut tape, mut dx, mut dx_reverse) = (LstmTape::default(), Matrix::default(), Matrix::default());
        layer.reverse.forward(layout, &x_reverse, &mut tape);
        let dh_reverse = reversed(layout, &dh_reverse);
        layer.reverse.backward(layout, &x_reverse, &mut tape, &dh_reverse, &mut grads.reverse, Some(&mut dx_reverse));
        layer.forward.forward(layout, x, &mut tape);
        layer.forward.backward(layout, x, &mut tape, &dh, &mut grads.forward, Some(&mut dx));
        // x forks into both: its gradients add up.
        let other = reversed(layout, &dx_reverse);
        dx.as_mut_slice().iter_mut().zip(other.as_slice()).for_each(|(dx, &other)| *dx += other);
        dx
    }
}

/// One line per tensor.
fn print_audit<A: Subject>(name: &str, subject: &A) {
    println!("{name}");
    for tensor in audit(subject, &random_point(subject, 0), Along::Elements, in_order) {
        let verdict = if tensor.passes() { "right" } else { "WRONG" };
        println!("  {:20} {verdict} to {:.0e} of its largest element", tensor.name, tensor.dual.scaled_error);
    }
}

/// Clips of 4, 3 and 1 frames.
fn bidirectional() -> BidirectionalSubject {
    BidirectionalSubject { layout: Packed::new(&[4, 3, 1], Padding::Ignored), inputs: 5, hidden: 3 }
}

fn main() {
    print_audit("layer norm", &LayerNormSubject { rows: 3, features: 7 });
    print_audit("bidirectional LSTM", &bidirectional());
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audit::assert_gradients;

    #[test]
    fn layer_norms_backward_is_the_derivative_of_its_forward() {
        assert_gradients(&LayerNormSubject { rows: 3, features: 7 });
        assert_gradients(&LayerNormSubject { rows: 1, features: 18 });
    }

    #[test]
    fn layer_norm_worked_by_hand() {
        // 1 and 5: μ = 3, v = 4, x̂ = ∓1 (ε changes the sixth digit); y = 2·(−1) + 10, 3·1 + 20.
        let layer = LayerNorm { weight: vec![2.0, 3.0], bias: vec![10.0, 20.0] };
        let y = LayerNormSubject { rows: 1, features: 2 }.forward(&layer, &Matrix::from_rows(&[[1.0, 5.0]]));
        approx::assert_abs_diff_eq!(y.as_slice(), &[8.0, 23.0][..], epsilon = 1e-5);
    }

    #[test]
    fn the_bidirectional_backward_is_the_derivative_of_its_forward() {
        assert_gradients(&bidirectional());
    }

    #[test]
    fn the_second_lstm_sees_the_frames_of_each_clip_from_the_end() {
        let subject = bidirectional();
        let point = random_point(&subject, 3);
        let y = subject.forward(&point.layer, &point.x);
        // Both exchanged and every clip turned round: the halves change places, and time runs the other way.
        let exchanged = BidirectionalLstm { forward: point.layer.reverse, reverse: point.layer.forward };
        let turned = reversed(&subject.layout, &subject.forward(&exchanged, &reversed(&subject.layout, &point.x)));
        for (y, turned) in y.iter_rows().zip(turned.iter_rows()) {
            assert_eq!(y, [&turned[3..], &turned[..3]].concat());
        }
        // The last frame of a clip is the first that the second LSTM sees: the frames before it do not matter there.
        let mut x = point.x.clone();
        x.row_mut(subject.layout.row(0, 0)).fill(0.25);
        let other = subject.forward(&exchanged, &x);
        let same = subject.forward(&exchanged, &point.x);
        let last = subject.layout.row(3, 0);
        assert_eq!(other.row(last)[3..], same.row(last)[3..]);
        assert_ne!(other.row(last)[..3], same.row(last)[..3]);
    }
}
