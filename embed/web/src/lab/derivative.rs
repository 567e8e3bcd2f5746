//! The derivative of a clip's loss by one weight, in three ways.

use super::clip::Clip;
use crate::thrown;
use reslstm::audit::finite_difference::{ElementDerivatives, element_derivatives};
use reslstm::audit::subjects::LossSubject;
use reslstm::audit::{Gradient, Point, analytic};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use serde_json::json;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
impl Clip {
    /// JSON: name and shape of every tensor that has a gradient, the input last.
    pub fn tensors(&self) -> String {
        let all = analytic(&self.subject(1), &self.point(0, 1));
        json!(
            all.iter().map(|Gradient { name, shape, .. }| json!({ "name": name, "shape": shape })).collect::<Vec<_>>()
        )
        .to_string()
    }

    /// The element of tensor number `tensor` with the largest gradient, for `count` frames from frame `first` on.
    pub fn largest(&self, first: usize, count: usize, tensor: usize) -> usize {
        let gradients = analytic(&self.subject(count), &self.point(first, count));
        let sizes = gradients[tensor].values.iter().map(|value| value.abs()).enumerate();
        sizes.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(element, _)| element)
    }

    /// The derivative by an element of tensor number `tensor`, for `count` frames from frame `first` on: its value, what backward says,
    /// what dual numbers say, then the central differences in `f64` and in `f32` for each of `steps`.
    pub fn derivative(
        &self,
        first: usize,
        count: usize,
        tensor: usize,
        element: usize,
        steps: &[f64],
    ) -> std::result::Result<Vec<f64>, JsError> {
        self.derivatives(first, count, tensor, element, steps).map_err(thrown)
    }
}

impl Clip {
    fn subject(&self, frames: usize) -> LossSubject {
        LossSubject {
            architecture: self.model.architecture(),
            layout: Packed::new(&[frames], Padding::Ignored),
            inputs: self.model.inputs(),
            classes: self.model.classes(),
            labels: vec![self.label],
        }
    }

    fn point(&self, first: usize, count: usize) -> Point<reslstm::models::Model<f64>> {
        let x = Matrix::from_vec(count, self.x.cols(), self.x.rows_between(first, first + count).to_vec());
        Point { layer: self.model.clone(), x, dy: Matrix::from_rows(&[[1.0]]) }
    }

    fn derivatives(
        &self,
        first: usize,
        count: usize,
        tensor: usize,
        element: usize,
        steps: &[f64],
    ) -> Result<Vec<f64>> {
        if count == 0 || first + count > self.x.rows() {
            let problem = format!("expected frames within 0 to {}, got {count} from {first} on", self.x.rows() - 1);
            return Err(Error::new(Kind::Settings, problem));
        }
        let (subject, point) = (self.subject(count), self.point(first, count));
        let gradients = analytic(&subject, &point);
        let missing =
            || Error::new(Kind::Settings, format!("expected an element of a tensor, got {element} of {tensor}"));
        let backward = gradients.get(tensor).and_then(|it| it.values.get(element)).ok_or_else(missing)?;
        let ElementDerivatives { dual, in_f64, in_f32 } = element_derivatives(&subject, &point, tensor, element, steps);
        Ok([vec![value_of(&point, tensor, element), *backward, dual], in_f64, in_f32].concat())
    }
}

/// The element itself.
fn value_of(point: &Point<reslstm::models::Model<f64>>, tensor: usize, element: usize) -> f64 {
    use reslstm::params::{Parameters, Path, Role};
    let (mut number, mut value) = (0, None);
    point.layer.visit(&Path::ROOT, &mut |_, role, _, values| {
        if role == Role::Parameter {
            if number == tensor {
                value = values.get(element).copied();
            }
            number += 1;
        }
    });
    value.unwrap_or_else(|| point.x.as_slice()[element])
}
