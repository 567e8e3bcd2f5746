//! Constants of a graph.

use crate::onnx::proto::{DOUBLE, FLOAT, GraphProto, INT64, TensorProto};
use reslstm::error::{Error, Kind, Result};
use std::collections::HashMap;
use std::rc::Rc;

/// A tensor of floats, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    pub dims: Vec<i64>,
    pub values: Vec<f32>,
    /// The values as whole numbers, where the file has such: sizes, axes and places.
    pub whole: Option<Vec<i64>>,
}

impl Constant {
    /// A tensor of this shape.
    pub fn new(shape: &[usize], values: Vec<f32>) -> Self {
        Constant { dims: shape.iter().map(|&size| size as i64).collect(), values, whole: None }
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|&size| size as usize).collect()
    }

    /// # Errors
    /// [`Kind::Model`] if the values are in another file, of a type without use here, or not as many as the shape says.
    pub fn read(tensor: &TensorProto) -> Result<Self> {
        let wrong = |problem: String| Error::new(Kind::Model, problem).at(format!("tensor {}", tensor.name));
        if tensor.data_location != 0 {
            return Err(wrong("its values are in another file".into())
                .advice("export the model with its weights inside: external_data=False in torch.onnx.export"));
        }
        let raw = &tensor.raw_data[..];
        let mut whole = None;
        let values: Vec<f32> = match tensor.data_type {
            FLOAT if raw.is_empty() => tensor.float_data.clone(),
            FLOAT => raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            DOUBLE if raw.is_empty() => tensor.double_data.iter().map(|&value| value as f32).collect(),
            DOUBLE => raw.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
            INT64 => {
                let numbers: Vec<i64> = match raw {
                    [] => tensor.int64_data.clone(),
                    _ => raw.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
                };
                whole.insert(numbers).iter().map(|&number| number as f32).collect()
            }
            other => {
                let problem = format!("expected 32 or 64-bit floats or 64-bit integers, got ONNX type {other}");
                return Err(wrong(problem).advice("export the model in float32: model.float()"));
            }
        };
        let count = tensor.dims.iter().try_fold(1i64, |count, &size| count.checked_mul(size).filter(|_| size >= 0));
        if count != Some(values.len() as i64) {
            let problem = format!("expected the values of shape {:?}, got {}", tensor.dims, values.len());
            return Err(wrong(problem).advice(super::DAMAGED));
        }
        Ok(Constant { dims: tensor.dims.clone(), values, whole })
    }
}

/// All constants by name: those listed as such, and the outputs of `Constant` nodes.
pub fn all(graph: &GraphProto) -> Result<HashMap<&str, Rc<Constant>>> {
    let mut constants = HashMap::new();
    for tensor in &graph.initializer {
        constants.insert(tensor.name.as_str(), Rc::new(Constant::read(tensor)?));
    }
    for node in graph.node.iter().filter(|node| node.op_type == "Constant") {
        let value = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
        let (Some(name), Some(tensor)) = (node.output.first(), value) else {
            return Err(super::node::Node(node).error("expected a tensor as its value"));
        };
        let constant = Constant::read(tensor).map_err(|error| error.at(format!("node {name}")))?;
        constants.insert(name, Rc::new(constant));
    }
    Ok(constants)
}
