//! Where an audit looks: along every element of a tensor, or along random directions, each within one tensor.

use super::{Gradient, Point, Subject};
use crate::matrix::Matrix;
use crate::params::{Parameters, Path, Role};
use crate::rng::RandomStream;
use crate::scalar::Scalar;
#[cfg(feature = "threads")]
use rayon::prelude::*;

/// What of each tensor is compared.
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

/// The directions to look along in one tensor.
pub(super) struct Directions {
    /// The tensor's name.
    pub name: String,
    /// The tensor's shape.
    pub shape: Vec<usize>,
    /// What to look along.
    pub directions: Vec<Direction>,
}

impl Directions {
    /// Those of every learned tensor and the input, in the order of [`analytic`](super::analytic).
    pub fn all<L: Parameters<f64>>(point: &Point<L>, along: Along) -> Vec<Directions> {
        let mut stream = RandomStream::new(0, "audit directions", 0);
        let mut random = |elements: usize| -> Direction {
            let components: Vec<f64> = (0..elements).map(|_| stream.normal()).collect();
            let length = components.iter().map(|x| x * x).sum::<f64>().sqrt();
            components.into_iter().map(|x| x / length).enumerate().collect()
        };
        let tensors = super::listed(&point.layer, &point.x, |&value| value).into_iter();
        tensors
            .map(|Gradient { name, shape, values }| {
                let directions = match along {
                    Along::Elements => (0..values.len()).map(|index| vec![(index, 1.0)]).collect(),
                    Along::Directions(count) => (0..count).map(|_| random(values.len())).collect(),
                };
                Directions { name, shape, directions }
            })
            .collect()
    }

    /// The derivatives that a gradient says there are along these directions.
    pub fn derivatives(&self, gradient: &Gradient) -> Gradient {
        let along = |direction: &Direction| direction.iter().map(|&(index, v)| gradient.values[index] * v).sum();
        let values = self.directions.iter().map(along).collect();
        Gradient { name: self.name.clone(), shape: self.shape.clone(), values }
    }
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

/// What `derivative` finds along every direction, on all cores. It is given a probe of its own, and must leave it as it was; `tick`
/// is called after each.
pub(super) fn along_all<A: Subject, S: Scalar>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    directions: &[Directions],
    tick: &(dyn Fn() + Sync),
    derivative: impl Fn(&mut Probe<A::Layer<S>, S>, &Direction) -> f64 + Sync,
) -> Vec<Gradient> {
    let probe = |tensor: usize| {
        let mut layer = subject.zeros::<S>();
        super::recast(&point.layer, &mut layer);
        Probe { layer, x: super::cast(&point.x), tensor }
    };
    let look = |(tensor, all): (usize, &Directions)| {
        let look = |probe: &mut Probe<A::Layer<S>, S>, direction: &Direction| {
            let found = derivative(probe, direction);
            tick();
            found
        };
        // Making a probe costs about as much as a forward: not for each of few directions, and not for each of many either.
        #[cfg(feature = "threads")]
        let values = all.directions.par_iter().with_min_len(16).map_init(|| probe(tensor), look).collect();
        #[cfg(not(feature = "threads"))]
        let values = {
            let mut probe = probe(tensor);
            all.directions.iter().map(|direction| look(&mut probe, direction)).collect()
        };
        Gradient { name: all.name.clone(), shape: all.shape.clone(), values }
    };
    directions.iter().enumerate().map(look).collect()
}
