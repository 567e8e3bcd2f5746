//! Gradient flow: how much the loss of a clip depends on the states of each LSTM, frame by frame.
//!
//! A gradient that fades on its way through the layers is why a deep recurrent network learns slowly, and why the paper adds
//! a residual connection. The flow of a model is compared with that of the same weights with the connection cut.

use super::clip_gradients::ClipGradients;
use crate::matrix::Matrix;
use crate::models::Model;

pub use super::clip_gradients::Connection;

/// Lengths (Euclidean norms) of the gradients at every frame of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// L, in nats: gradients are as large as what is left to learn.
    pub loss: f64,
    /// Of each LSTM, from the input up, by its name in the model.
    pub lstms: Vec<LstmFlow>,
    /// ‖∂L/∂x_t‖, `[T]`
    pub input: Vec<f64>,
    /// ∂L/∂x, `[T,D]`: where a small change of the input changes the loss most.
    pub saliency: Matrix<f64>,
}

/// Gradient flow in one LSTM.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmFlow {
    /// The LSTM's name: `lstm`, or `lstm1` and `lstm2`.
    pub name: &'static str,
    /// ‖∂L/∂h_t‖, `[T]`
    pub h: Vec<f64>,
    /// ‖∂L/∂c_t‖, `[T]`
    pub c: Vec<f64>,
}

/// Gradient flow of `model` in evaluation at clip `x`, `[T,D]`, normalised, under cross-entropy against class `label`. LSTM-SA has no
/// residual connection, and `connection` changes nothing there.
///
/// # Panics
/// If `x` has not the model's width or no frame, or `label` is not below `K`.
pub fn gradient_flow(model: &Model<f64>, x: &Matrix<f64>, label: usize, connection: Connection) -> Flow {
    Flow::new(&ClipGradients::new(model, x, label, connection))
}

impl Flow {
    /// The lengths of the gradients of a clip.
    pub fn new(ClipGradients { loss, lstms, dx, .. }: &ClipGradients) -> Self {
        let lstms = lstms.iter().map(|it| LstmFlow { name: it.name, h: norms(&it.all.h), c: norms(&it.all.c) });
        Flow { loss: *loss, lstms: lstms.collect(), input: norms(dx), saliency: dx.clone() }
    }
}

/// The Euclidean length of every row.
fn norms(rows: &Matrix<f64>) -> Vec<f64> {
    rows.iter_rows().map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::subjects::LossSubject;
    use crate::audit::{Subject, random_point, scaled_error};
    use crate::packed::{Packed, Padding};

    #[test]
    fn with_its_connection_the_flow_is_that_of_the_model() {
        for name in ["lstm-sa-h3", "reslstm-sa-h3"] {
            let layout = Packed::new(&[6], Padding::Ignored);
            let architecture = name.parse().unwrap();
            let subject = LossSubject { architecture, layout, inputs: 5, classes: 4, labels: vec![2] };
            let point = random_point(&subject, 3);
            let one = Matrix::from_rows(&[[1.0]]);
            let dx = subject.backward(&point.layer, &point.x, &one, &mut subject.zeros());
            let flow = gradient_flow(&point.layer, &point.x, 2, Connection::Residual);
            for (a, b) in flow.input.iter().zip(norms(&dx)) {
                approx::assert_relative_eq!(*a, b, max_relative = 1e-12);
            }
            assert!(scaled_error(flow.saliency.as_slice(), dx.as_slice()).1 < 1e-12);
            let cut = gradient_flow(&point.layer, &point.x, 2, Connection::Cut);
            assert_eq!(cut == flow, name == "lstm-sa-h3");
        }
    }
}
