//! The audit itself, and its result: one entry per tensor.

use super::probe::{self, Along, Task};
use super::{Gradient, Point, Subject, analytic, cast, dual, finite_difference, listed, random_point, recast};
use super::{scaled_error, scaled_errors};
use serde::Serialize;
use std::sync::OnceLock;

/// How much dual numbers and backward may differ, of a tensor's largest derivative: both round in f64, a few hundred times.
pub const DUAL_BOUND: f64 = 1e-12;
/// How much central differences and backward may differ: truncation and cancellation leave some 1e-9.
pub const DIFFERENCE_BOUND: f64 = 1e-7;

/// How far one tensor's gradient is from what each witness finds.
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
    /// Cost of training precision: scaled error of the gradient computed in `f32`, against `f64`, over all elements.
    pub f32_error: f64,
}

/// The largest difference between backward and a witness.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// `max|a − b| / max|b|` over the tensor's derivatives, `b` being the witness's.
    pub scaled_error: f64,
    /// Where it is: the element's indices, or the number of the direction.
    pub at: Vec<usize>,
    /// What backward computes there.
    pub backward: f64,
    /// What the witness finds there.
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

/// All derivatives of one tensor, as backward and each witness computes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivatives {
    /// The tensor's name; `"input"` is the subject's input.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What is compared: elements, row after row, or directions.
    pub along: Along,
    /// By backward, in `f64`.
    pub backward: Vec<f64>,
    /// By dual numbers.
    pub dual: Vec<f64>,
    /// By central differences.
    pub differences: Vec<f64>,
    /// Every element of the gradient by backward, in `f64`.
    pub gradient: Vec<f64>,
    /// Every element of the gradient by backward, in `f32`.
    pub gradient_f32: Vec<f64>,
}

impl Derivatives {
    /// The largest disagreement with each witness.
    pub fn summary(&self) -> TensorAudit {
        let disagreement = |witness| disagreement(&self.backward, witness, &self.shape, self.along);
        TensorAudit {
            name: self.name.clone(),
            shape: self.shape.clone(),
            dual: disagreement(&self.dual),
            differences: disagreement(&self.differences),
            f32_error: scaled_error(&self.gradient_f32, &self.gradient).1,
        }
    }

    /// Error of every derivative against dual numbers, as in [`Disagreement::scaled_error`].
    pub fn dual_errors(&self) -> Vec<f64> {
        scaled_errors(&self.backward, &self.dual)
    }

    /// Error of every derivative against central differences.
    pub fn difference_errors(&self) -> Vec<f64> {
        scaled_errors(&self.backward, &self.differences)
    }

    /// Error of every element of the gradient in `f32`, against `f64`.
    pub fn f32_errors(&self) -> Vec<f64> {
        scaled_errors(&self.gradient_f32, &self.gradient)
    }
}

/// Audits a subject at a point: the [summaries](Derivatives::summary) of all [`derivatives`].
///
/// # Panics
/// If `run` leaves out a task.
pub fn audit<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    along: Along,
    run: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) -> Vec<TensorAudit> {
    derivatives(subject, point, along, run).iter().map(Derivatives::summary).collect()
}

/// The derivatives of a subject at a point: every learned tensor in the order of the visit, and then the input.
///
/// The work is divided into tasks. `run` is called once, with their number and a function that runs one of them, and calls that for
/// every number from 0, in any order and on any threads; the result is the same. [`in_order`] runs them on
/// this thread; `in_parallel` (feature `threads`) on all cores.
///
/// # Panics
/// If `run` leaves out a task.
pub fn derivatives<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    along: Along,
    run: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) -> Vec<Derivatives> {
    let directions = probe::directions(point, along);
    let tasks = probe::tasks(&directions);
    // Two witnesses per task: first dual numbers, then differences.
    let found: Vec<OnceLock<Vec<f64>>> = (0..2 * tasks.len()).map(|_| OnceLock::new()).collect();
    run(found.len(), &|n| {
        let Task { tensor, directions: some } = &tasks[n / 2];
        let directions = &directions[*tensor][some.clone()];
        found[n].get_or_init(|| match n % 2 {
            0 => dual::derivatives(subject, point, *tensor, directions),
            _ => finite_difference::derivatives(subject, point, *tensor, directions),
        });
    });
    let (mut exact, mut approximate) = (vec![Vec::new(); directions.len()], vec![Vec::new(); directions.len()]);
    for (n, values) in found.into_iter().enumerate() {
        let witness = if n % 2 == 0 { &mut exact } else { &mut approximate };
        witness[tasks[n / 2].tensor].extend(values.into_inner().expect("every task is run"));
    }
    let gradients = analytic(subject, point).into_iter().zip(analytic_f32(subject, point));
    let witnesses = exact.into_iter().zip(approximate);
    let tensors = gradients.zip(witnesses).zip(&directions);
    tensors
        .map(|(((gradient, gradient_f32), (dual, differences)), directions)| Derivatives {
            backward: probe::derivatives(&gradient, directions),
            name: gradient.name,
            shape: gradient.shape,
            along,
            dual,
            differences,
            gradient: gradient.values,
            gradient_f32: gradient_f32.values,
        })
        .collect()
}

/// Runs tasks 0, 1, 2, … on this thread: the simplest `run` of [`derivatives`].
pub fn in_order(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..tasks).for_each(task);
}

/// Runs tasks on the threads of the rayon pool it is called in: the fast `run` of [`derivatives`].
#[cfg(feature = "threads")]
pub fn in_parallel(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    use rayon::prelude::*;
    (0..tasks).into_par_iter().for_each(task);
}

fn analytic_f32<A: Subject>(subject: &A, point: &Point<A::Layer<f64>>) -> Vec<Gradient> {
    let (mut layer, mut grads) = (subject.zeros::<f32>(), subject.zeros::<f32>());
    recast(&point.layer, &mut layer);
    let dx = subject.backward(&layer, &cast(&point.x), &cast(&point.dy), &mut grads);
    listed(&grads, &dx, |&value| f64::from(value))
}

fn disagreement(backward: &[f64], witness: &[f64], shape: &[usize], along: Along) -> Disagreement {
    let (worst, scaled_error) = scaled_error(backward, witness);
    let at = match along {
        Along::Elements => indices(worst, shape),
        Along::Directions(_) => vec![worst],
    };
    let value = |derivatives: &[f64]| derivatives.get(worst).copied().unwrap_or_default();
    Disagreement { scaled_error, at, backward: value(backward), witness: value(witness) }
}

/// The indices of a flat index, the last running fastest.
pub(super) fn indices(mut flat: usize, shape: &[usize]) -> Vec<usize> {
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
        for tensor in audit(subject, &random_point(subject, seed), Along::Elements, in_order) {
            assert!(tensor.passes(), "point {seed}: {tensor:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::subjects::LinearSubject;

    #[test]
    fn threads_and_the_order_of_tasks_change_nothing() {
        let subject = LinearSubject { rows: 3, inputs: 30, outputs: 5 };
        let point = random_point(&subject, 1);
        for along in [Along::Elements, Along::Directions(3)] {
            let expected = audit(&subject, &point, along, in_order);
            let backwards = audit(&subject, &point, along, |tasks, task| (0..tasks).rev().for_each(task));
            assert_eq!(backwards, expected);
            let threads = audit(&subject, &point, along, |tasks, task| {
                std::thread::scope(|scope| (0..tasks).for_each(|n| drop(scope.spawn(move || task(n)))));
            });
            assert_eq!(threads, expected);
        }
    }

    #[test]
    #[should_panic(expected = "every task is run")]
    fn a_task_left_out_is_noticed() {
        let subject = LinearSubject { rows: 3, inputs: 2, outputs: 1 };
        audit(&subject, &random_point(&subject, 1), Along::Elements, |tasks, task| (1..tasks).for_each(task));
    }

    #[test]
    fn a_flat_index_is_named_by_row_and_column() {
        assert_eq!(indices(17, &[4, 5]), [3, 2]);
        assert_eq!(indices(3, &[7]), [3]);
    }
}
