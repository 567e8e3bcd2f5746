//! A node's settings and errors.

use super::WHAT_IS_READ;
use crate::onnx::proto::{AttributeProto, NodeProto};
use reslstm::error::{Error, Kind};

/// A node of the graph.
#[derive(Clone, Copy)]
pub struct Node<'a>(pub &'a NodeProto);

impl<'a> Node<'a> {
    /// The operation, such as `MatMul`.
    pub fn op(self) -> &'a str {
        &self.0.op_type
    }

    fn attribute(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// A whole number among the attributes, or what ONNX takes for it where it is left out.
    pub fn int(self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i.unwrap_or(0))
    }

    /// Whole numbers among the attributes.
    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// A number among the attributes, or what ONNX takes for it where it is left out.
    pub fn float(self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f.unwrap_or(0.0))
    }

    /// Whether an attribute is there.
    pub fn has(self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// Whether a text among the attributes is this one, or left out.
    pub fn text_is(self, name: &str, expected: &str) -> bool {
        !self.has(name) || self.text(name) == Some(expected)
    }

    /// A text among the attributes.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.attribute(name).and_then(|attribute| std::str::from_utf8(attribute.s.as_deref()?).ok())
    }

    /// Whether a tensor among the attributes has zeros alone, or is left out.
    pub fn is_zero(self, name: &str) -> bool {
        let zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        let tensor = self.attribute(name).and_then(|attribute| attribute.t.as_ref());
        tensor.is_none_or(|tensor| zero(&tensor.raw_data) && tensor.float_data.iter().all(|&value| value == 0.0))
    }

    /// The error that names this node.
    pub fn error(self, problem: impl Into<String>) -> Error {
        let name = if self.0.name.is_empty() { self.0.output.first() } else { Some(&self.0.name) };
        let name = name.map_or("", String::as_str);
        Error::new(Kind::Model, problem).at(format!("node {name} ({})", self.op())).advice(WHAT_IS_READ)
    }
}
