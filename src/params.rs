//! The parameters of a model, listed once.
//!
//! Every layer names its tensors in one place, with the macro `parameters!`; the optimiser, the weights file, the audit and
//! the report all walk that list. Names are those of the published PyTorch state dict.

use crate::matrix::Matrix;
use crate::prelude::*;
use crate::scalar::Scalar;
use core::fmt;

/// The role of a tensor in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Learned by gradient.
    Parameter,
    /// Kept and saved with the parameters, not learned by gradient: batch norm's running statistics.
    Buffer,
}

/// The dotted name of a tensor, without building a string.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'a str,
}

impl<'a> Path<'a> {
    /// The empty name, from which every other is built.
    pub const ROOT: Path<'static> = Path { parent: None, name: "" };

    /// `self.name`; an empty name adds nothing.
    pub fn child(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), name }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        if self.name.is_empty() {
            return parent.fmt(f);
        }
        let parent = parent.to_string();
        if parent.is_empty() { f.write_str(self.name) } else { write!(f, "{parent}.{}", self.name) }
    }
}

/// A layer or a model as a list of named tensors. A gradient has the type of its layer or model.
#[allow(clippy::type_complexity, reason = "name, role, shape, values: the visitor's arguments are what this is about")]
pub trait Parameters<S> {
    /// Calls `see` with every tensor's name, role, shape and values, always in the same order.
    fn visit<'a>(&'a self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &'a [S]));
    /// [`visit`](Parameters::visit), values to write.
    fn visit_mut(&mut self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &mut [S]));

    /// Calls `see` with the role and values of every tensor, to write, and those of the same tensor of `other`, which has the same
    /// shapes: a gradient, or other weights.
    fn visit_pairs(&mut self, other: &Self, see: &mut dyn FnMut(Role, &mut [S], &[S]));

    /// Number of learned values.
    fn parameter_count(&self) -> usize {
        let mut count = 0;
        self.visit(&Path::ROOT, &mut |_, role, _, values| {
            if role == Role::Parameter {
                count += values.len();
            }
        });
        count
    }

    /// Sets every value to zero, buffers included: a gradient before its first batch.
    fn set_zero(&mut self)
    where
        S: Scalar,
    {
        self.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.fill(S::ZERO));
    }
}

impl<S> Parameters<S> for Matrix<S> {
    fn visit<'a>(&'a self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &'a [S])) {
        see(path, Role::Parameter, &self.shape(), self.as_slice());
    }
    fn visit_mut(&mut self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &mut [S])) {
        see(path, Role::Parameter, &self.shape(), self.as_mut_slice());
    }
    fn visit_pairs(&mut self, other: &Self, see: &mut dyn FnMut(Role, &mut [S], &[S])) {
        see(Role::Parameter, self.as_mut_slice(), other.as_slice());
    }
}

impl<S> Parameters<S> for Vec<S> {
    fn visit<'a>(&'a self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &'a [S])) {
        see(path, Role::Parameter, &[self.len()], self);
    }
    fn visit_mut(&mut self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &mut [S])) {
        see(path, Role::Parameter, &[self.len()], self);
    }
    fn visit_pairs(&mut self, other: &Self, see: &mut dyn FnMut(Role, &mut [S], &[S])) {
        see(Role::Parameter, self, other);
    }
}

/// A vector that is saved with the parameters but not learned by gradient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buffer<S>(pub Vec<S>);

impl<S> Parameters<S> for Buffer<S> {
    fn visit<'a>(&'a self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &'a [S])) {
        see(path, Role::Buffer, &[self.0.len()], &self.0);
    }
    fn visit_mut(&mut self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &mut [S])) {
        see(path, Role::Buffer, &[self.0.len()], &mut self.0);
    }
    fn visit_pairs(&mut self, other: &Self, see: &mut dyn FnMut(Role, &mut [S], &[S])) {
        see(Role::Buffer, &mut self.0, &other.0);
    }
}

/// Implements [`Parameters`] for a layer or a model: lists its tensors once, as `"name" => field`.
///
/// The type is generic in the number type and made of [`Matrix`] and `Vec` (learned), [`Buffer`] (saved, not learned), and other
/// types with parameters. A name is part of the tensor's dotted name; a part with the name `""` adds nothing to it. A field may be
/// nested: `"lstm2" => top.lstm`.
///
/// ```
/// use reslstm::layers::Linear;
/// use reslstm::optim::Adam;
/// use reslstm::params::{Parameters, Path, parameters};
///
/// /// A gate in front of a linear layer: `y = linear(x ⊙ σ(w ⊙ x))`.
/// struct GatedLinear<S> {
///     /// w, `[H]`
///     gate: Vec<S>,
///     linear: Linear<S>,
/// }
///
/// parameters!(GatedLinear { "gate" => gate, "fc" => linear });
///
/// let mut layer = GatedLinear { gate: vec![1.0; 3], linear: Linear::zeros(3, 2) };
/// let mut names = Vec::new();
/// layer.visit(&Path::ROOT, &mut |path, _, shape, _| names.push(format!("{path} {shape:?}")));
/// assert_eq!(names, ["gate [3]", "fc.weight [2, 3]", "fc.bias [2]"]);
/// assert_eq!(layer.parameter_count(), 3 + 6 + 2);
///
/// // A gradient has the layer's own type. The optimiser walks both lists together.
/// let mut grads = GatedLinear { gate: vec![0.0; 3], linear: Linear::zeros(3, 2) };
/// grads.gate[1] = 0.5;
/// Adam::new(layer.parameter_count(), 0.0).step(&mut layer, &grads, 0.1);
/// assert!(layer.gate[1] < 1.0 && layer.gate[0] == 1.0);
/// ```
/// `examples/audit_your_layer.rs` proves such a layer's backward; `examples/audit_gru.rs` is a whole GRU.
#[macro_export]
macro_rules! parameters {
    ($type:ident { $($name:literal => $($field:ident).+),+ $(,)? }) => {
        impl<S: $crate::scalar::Scalar> $crate::params::Parameters<S> for $type<S> {
            fn visit<'a>(
                &'a self,
                path: &$crate::params::Path<'_>,
                see: &mut dyn FnMut(&$crate::params::Path<'_>, $crate::params::Role, &[usize], &'a [S]),
            ) {
                $(self.$($field).+.visit(&path.child($name), see);)+
            }
            fn visit_mut(
                &mut self,
                path: &$crate::params::Path<'_>,
                see: &mut dyn FnMut(&$crate::params::Path<'_>, $crate::params::Role, &[usize], &mut [S]),
            ) {
                $(self.$($field).+.visit_mut(&path.child($name), see);)+
            }
            fn visit_pairs(
                &mut self,
                other: &Self,
                see: &mut dyn FnMut($crate::params::Role, &mut [S], &[S]),
            ) {
                $(self.$($field).+.visit_pairs(&other.$($field).+, see);)+
            }
        }
    };
}
#[doc(inline)]
pub use parameters;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_with_dots_and_empty_ones_vanish() {
        let lstm = Path::ROOT.child("lstm1");
        assert_eq!(lstm.child("weight_ih_l0").to_string(), "lstm1.weight_ih_l0");
        assert_eq!(Path::ROOT.child("").child("attention_vector").to_string(), "attention_vector");
    }
}
