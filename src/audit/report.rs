//! What an audit says of a subject: a verdict a tensor.

use super::probe::{Along, Directions};
use super::scaled_error;
use super::{Gradient, Point, Subject, analytic, cast, dual, finite_difference, listed, random_point, recast};
use serde::Serialize;

/// What dual numbers and backward may differ by, of a tensor's largest derivative: both round in f64, a few hundred times.
pub const DUAL_BOUND: f64 = 1e-12;
/// What central differences and backward may differ by: truncation and cancellation leave some 1e-9.
pub const DIFFERENCE_BOUND: f64 = 1e-7;

/// How far one tensor's gradient is from what each witness says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorAudit {
    /// The tensor's name; `"input"` is the subject's input.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Against dual numbers.
    pub dual: Disagreement,
    /// Against central differences.
    pub differences: Disagreement,
    /// What training precision costs: scaled error of the gradient computed in `f32`, against `f64`, over all elements.
    pub f32_error: f64,
}

/// The largest difference between backward and a witness.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// `max|a − b| / max|b|` over the tensor's derivatives, `b` being the witness's.
    pub scaled_error: f64,
    /// Where it is: the element's indices, or the number of the direction.
    pub at: Vec<usize>,
    /// What backward says there.
    pub backward: f64,
    /// What the witness says there.
    pub witness: f64,
}

impl TensorAudit {
    /// Whether both witnesses agree with backward.
    pub fn passes(&self) -> bool {
        self.dual.scaled_error <= DUAL_BOUND && self.differences.scaled_error <= DIFFERENCE_BOUND
    }

    /// Elements of the tensor.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Audits a subject at a point: every learned tensor in the order of the visit, and then the input. Runs on all cores; `tick` is
/// called after every derivative a witness has found, and told how many there are in all.
pub fn audit<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    along: Along,
    tick: &(dyn Fn(usize) + Sync),
) -> Vec<TensorAudit> {
    let directions = Directions::all(point, along);
    let total = 2 * directions.iter().map(|tensor| tensor.directions.len()).sum::<usize>();
    let tick = || tick(total);
    let exact = dual::derivatives(subject, point, &directions, &tick);
    let approximate = finite_difference::derivatives(subject, point, &directions, &tick);
    let gradients = analytic(subject, point);
    let single = analytic_f32(subject, point);
    let mut audits = Vec::new();
    for (t, gradient) in gradients.iter().enumerate() {
        let ours = directions[t].derivatives(gradient);
        audits.push(TensorAudit {
            name: gradient.name.clone(),
            shape: gradient.shape.clone(),
            dual: disagreement(&ours, &exact[t], along),
            differences: disagreement(&ours, &approximate[t], along),
            f32_error: scaled_error(&single[t].values, &gradient.values).1,
        });
    }
    audits
}

fn analytic_f32<A: Subject>(subject: &A, point: &Point<A::Layer<f64>>) -> Vec<Gradient> {
    let (mut layer, mut grads) = (subject.zeros::<f32>(), subject.zeros::<f32>());
    recast(&point.layer, &mut layer);
    let dx = subject.backward(&layer, &cast(&point.x), &cast(&point.dy), &mut grads);
    listed(&grads, &dx, |&value| f64::from(value))
}

fn disagreement(backward: &Gradient, witness: &Gradient, along: Along) -> Disagreement {
    let (worst, scaled_error) = scaled_error(&backward.values, &witness.values);
    let at = match along {
        Along::Elements => indices(worst, &witness.shape),
        Along::Directions(_) => vec![worst],
    };
    let value = |gradient: &Gradient| gradient.values.get(worst).copied().unwrap_or_default();
    Disagreement { scaled_error, at, backward: value(backward), witness: value(witness) }
}

/// The indices of a flat index, the last running fastest.
fn indices(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices = vec![0; shape.len()];
    for (index, &size) in indices.iter_mut().zip(shape).rev() {
        (*index, flat) = (flat % size.max(1), flat / size.max(1));
    }
    indices
}

/// Panics, naming the tensor and element, unless backward agrees with both witnesses in every element at three random points: with
/// dual numbers to [`DUAL_BOUND`], with central differences to [`DIFFERENCE_BOUND`]. A gradient off by a thousandth in one element of
/// ordinary size is 1e-3 off.
pub fn assert_gradients<A: Subject>(subject: &A) {
    for seed in 0..3 {
        for tensor in audit(subject, &random_point(subject, seed), Along::Elements, &|_| {}) {
            assert!(tensor.passes(), "point {seed}: {tensor:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_index_is_named_by_row_and_column() {
        assert_eq!(indices(17, &[4, 5]), [3, 2]);
        assert_eq!(indices(3, &[7]), [3]);
    }
}
