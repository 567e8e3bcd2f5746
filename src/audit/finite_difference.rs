//! Central differences: move one number a little both ways, and see how the output moves.

use super::{Gradient, Point, Subject};
use crate::matrix::Matrix;

/// The step, for values of about 1: differences lose digits when it is smaller, and see curvature when it is larger.
const STEP: f64 = 1e-3;

/// ∂⟨dy, forward(x)⟩/∂θ for every element of every learned tensor, and of the input, in the order of
/// [`analytic`](super::analytic).
///
/// # Formula
/// ```text
/// D(ε) = (L(θ + ε) − L(θ − ε)) / 2ε = L' + O(ε²)
/// (4·D(ε/2) − D(ε)) / 3             = L' + O(ε⁴)          Richardson's extrapolation
/// ```
pub fn gradients<A: Subject>(subject: &A, point: &Point<A::Layer<f64>>) -> Vec<Gradient> {
    let mut layer = subject.zeros::<f64>();
    super::recast(&point.layer, &mut layer);
    let mut all = super::listed(&point.layer, &point.x, |&value| value);
    let (input, tensors) = all.split_last_mut().expect("the input is listed last");
    for (tensor, gradient) in tensors.iter_mut().enumerate() {
        for (index, value) in gradient.values.iter_mut().enumerate() {
            let at = *value;
            *value = derivative(|moved| {
                super::with_element(&mut layer, tensor, |values| values[index] = at + moved);
                objective(subject, &layer, &point.x, &point.dy)
            });
            super::with_element(&mut layer, tensor, |values| values[index] = at);
        }
    }
    let mut x = point.x.clone();
    for index in 0..x.as_slice().len() {
        let at = x.as_slice()[index];
        input.values[index] = derivative(|moved| {
            x.as_mut_slice()[index] = at + moved;
            objective(subject, &layer, &x, &point.dy)
        });
        x.as_mut_slice()[index] = at;
    }
    all
}

fn derivative(mut objective: impl FnMut(f64) -> f64) -> f64 {
    let mut central = |step: f64| (objective(step) - objective(-step)) / (2.0 * step);
    (4.0 * central(STEP / 2.0) - central(STEP)) / 3.0
}

/// `L = ⟨dy, forward(x)⟩`
fn objective<A: Subject>(subject: &A, layer: &A::Layer<f64>, x: &Matrix<f64>, dy: &Matrix<f64>) -> f64 {
    let y = subject.forward(layer, x);
    y.as_slice().iter().zip(dy.as_slice()).map(|(y, dy)| y * dy).sum()
}
