//! The directions of an audit: every element of a tensor, or random directions, each within one tensor.

use super::{Gradient, Point, Subject};
use crate::matrix::Matrix;
use crate::params::{Parameters, Path, Role};
use crate::rng::RandomStream;
use crate::scalar::Scalar;
use std::ops::Range;

/// What is compared in each tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// Every element of the gradient.
    Elements,
    /// The derivative along so many random directions `v` of length 1: `⟨backward(g), v⟩ = ⟨g, jvp(v)⟩`. A wrong element shows
    /// in all of them.
    Directions(usize),
}

/// A direction within one tensor: components by flat index; the others are zero.
pub(super) type Direction = Vec<(usize, f64)>;

/// The directions of every learned tensor and the input, in the order of [`analytic`](super::analytic).
pub(super) fn directions<L: Parameters<f64>>(point: &Point<L>, along: Along) -> Vec<Vec<Direction>> {
    let mut stream = RandomStream::new(0, "audit directions", 0);
    let mut random = |elements: usize| -> Direction {
        let components: Vec<f64> = (0..elements).map(|_| stream.normal()).collect();
        let length = components.iter().map(|x| x * x).sum::<f64>().sqrt();
        components.into_iter().map(|x| x / length).enumerate().collect()
    };
    let tensors = super::listed(&point.layer, &point.x, |&value| value).into_iter();
    tensors
        .map(|Gradient { values, .. }| match along {
            Along::Elements => (0..values.len()).map(|index| vec![(index, 1.0)]).collect(),
            Along::Directions(count) => (0..count).map(|_| random(values.len())).collect(),
        })
        .collect()
}

/// The derivatives along `directions` that follow from a tensor's gradient.
pub(super) fn derivatives(gradient: &Gradient, directions: &[Direction]) -> Vec<f64> {
    let along = |direction: &Direction| direction.iter().map(|&(index, v)| gradient.values[index] * v).sum();
    directions.iter().map(along).collect()
}

/// A copy of a point in some number type, one of whose tensors is about to be changed.
pub(super) struct Probe<L, S> {
    /// Parameters.
    pub layer: L,
    /// Input.
    pub x: Matrix<S>,
    /// The tensor in question; the input comes after the last.
    tensor: usize,
}

impl<L: Parameters<S>, S: Scalar> Probe<L, S> {
    /// A copy of `point` to change in tensor number `tensor`, in the order of [`analytic`](super::analytic).
    pub fn new<A: Subject<Layer<S> = L>>(subject: &A, point: &Point<A::Layer<f64>>, tensor: usize) -> Self {
        let mut layer = subject.zeros::<S>();
        super::recast(&point.layer, &mut layer);
        Probe { layer, x: super::cast(&point.x), tensor }
    }

    /// Lets `change` write to the tensor in question.
    pub fn change(&mut self, change: impl FnOnce(&mut [S])) {
        let (mut seen, mut change) = (0, Some(change));
        self.layer.visit_mut(&Path::ROOT, &mut |_, role, _, values| {
            if role == Role::Parameter {
                if seen == self.tensor
                    && let Some(change) = change.take()
                {
                    change(values);
                }
                seen += 1;
            }
        });
        if let Some(change) = change {
            change(self.x.as_mut_slice());
        }
    }
}

/// Directions of one task. Making a [`Probe`] costs about as much as a forward: not for each of few directions, and not for
/// each of many either.
const DIRECTIONS_PER_TASK: usize = 64;

/// Some directions of one tensor, for one witness at a time.
pub(super) struct Task {
    /// The tensor's number.
    pub tensor: usize,
    /// Which of its directions.
    pub directions: Range<usize>,
}

/// Tasks that cover all directions, in their order.
pub(super) fn tasks(all: &[Vec<Direction>]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (tensor, directions) in all.iter().enumerate() {
        for first in (0..directions.len()).step_by(DIRECTIONS_PER_TASK) {
            let end = directions.len().min(first + DIRECTIONS_PER_TASK);
            tasks.push(Task { tensor, directions: first..end });
        }
    }
    tasks
}
