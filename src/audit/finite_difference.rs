//! Central differences: move a little both ways along a direction, and compare the outputs.

use super::probe::{Direction, Probe};
use super::{Point, Subject};
use crate::matrix::Matrix;

/// The step, for values of about 1: differences lose digits when it is smaller, and include curvature when it is larger.
const STEP: f64 = 1e-3;

/// The derivative of `L = ⟨dy, forward(x)⟩` along each of `directions` of tensor number `tensor`: four forwards each.
///
/// # Formula
/// ```text
/// D(ε) = (L(θ + ε·v) − L(θ − ε·v)) / 2ε = L' + O(ε²)
/// (4·D(ε/2) − D(ε)) / 3                 = L' + O(ε⁴)          Richardson's extrapolation
/// ```
pub(super) fn derivatives<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    tensor: usize,
    directions: &[Direction],
) -> Vec<f64> {
    let mut probe = Probe::<_, f64>::new(subject, point, tensor);
    let derivative = |direction: &Direction| {
        let mut start = Vec::with_capacity(direction.len());
        probe.change(|values| start.extend(direction.iter().map(|&(index, _)| values[index])));
        let mut objective = |step: f64| {
            probe.change(|values| {
                for (&(index, component), start) in direction.iter().zip(&start) {
                    values[index] = start + step * component;
                }
            });
            objective(subject, &probe.layer, &probe.x, &point.dy)
        };
        let mut central = |step: f64| (objective(step) - objective(-step)) / (2.0 * step);
        let derivative = (4.0 * central(STEP / 2.0) - central(STEP)) / 3.0;
        probe.change(|values| direction.iter().zip(start).for_each(|(&(index, _), start)| values[index] = start));
        derivative
    };
    directions.iter().map(derivative).collect()
}

/// `L = ⟨dy, forward(x)⟩`
fn objective<A: Subject>(subject: &A, layer: &A::Layer<f64>, x: &Matrix<f64>, dy: &Matrix<f64>) -> f64 {
    let y = subject.forward(layer, x);
    y.as_slice().iter().zip(dy.as_slice()).map(|(y, dy)| y * dy).sum()
}
