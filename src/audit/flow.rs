//! Gradient flow: how much the loss of a clip depends on the states of each LSTM, frame by frame.
//!
//! A gradient that fades on its way through the layers is why a deep recurrent network learns slowly, and why the paper adds
//! a residual connection. The flow of a model is compared with that of the same weights with the connection cut.

use crate::layers::{Lstm, LstmTape, residual, softmax_cross_entropy};
use crate::matrix::Matrix;
use crate::models::{LstmSa, LstmSaTape, Model, ResLstmSa};
use crate::packed::{Packed, Padding};
use crate::params::Parameters;

/// Whether the residual connection of a ResLSTM-SA is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// As in the paper: the input is added to LSTM1's output.
    Residual,
    /// Cut: LSTM1's output alone goes on.
    Cut,
}

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
    let layout = Packed::new(&[x.rows()], Padding::Ignored);
    let mut dx = Matrix::default();
    let (loss, lstms) = match model {
        Model::LstmSa(model) => {
            let mut tape = LstmSaTape::default();
            let loss = top(model, &layout, x, label, &mut tape, &mut dx);
            (loss, vec![states("lstm", &model.lstm, &layout, &tape.lstm, &tape.dh)])
        }
        Model::ResLstmSa(model) => residual_flow(model, &layout, x, label, connection, &mut dx),
    };
    Flow { loss, lstms, input: norms(&dx), saliency: dx }
}

/// Forward and backward of everything above LSTM1 and the connection, all of LSTM-SA; returns the loss.
fn top(
    model: &LstmSa<f64>,
    layout: &Packed,
    x: &Matrix<f64>,
    label: usize,
    tape: &mut LstmSaTape<f64>,
    dx: &mut Matrix<f64>,
) -> f64 {
    let (mut p, mut dlogits, mut grads) = (Matrix::default(), Matrix::default(), model.clone());
    grads.set_zero();
    model.forward_eval(layout, x, tape);
    let loss = softmax_cross_entropy::forward(&tape.logits, &[label], &mut p);
    softmax_cross_entropy::backward(&p, &[label], &mut dlogits);
    model.backward_eval(layout, x, tape, &dlogits, &mut grads, Some(dx));
    loss
}

fn residual_flow(
    model: &ResLstmSa<f64>,
    layout: &Packed,
    x: &Matrix<f64>,
    label: usize,
    connection: Connection,
    dx: &mut Matrix<f64>,
) -> (f64, Vec<LstmFlow>) {
    let (mut lstm1, mut tape) = (LstmTape::default(), LstmSaTape::default());
    let (mut sum, mut enriched, mut denriched, mut dsum) =
        (Matrix::default(), Matrix::default(), Matrix::default(), Matrix::default());
    model.lstm1.forward(layout, x, &mut lstm1);
    match connection {
        Connection::Residual => residual::forward(x, &lstm1.h, &mut sum),
        Connection::Cut => sum.clone_from(&lstm1.h),
    }
    model.bn_residual.forward_eval(&sum, &mut enriched);
    let loss = top(&model.top, layout, &enriched, label, &mut tape, &mut denriched);

    let mut grads = model.clone();
    grads.set_zero();
    model.bn_residual.backward_eval(&sum, &denriched, &mut grads.bn_residual, &mut dsum);
    model.lstm1.backward(layout, x, &mut lstm1, &dsum, &mut grads.lstm1, Some(&mut *dx));
    if connection == Connection::Residual {
        residual::backward(&dsum, dx);
    }
    let below = states("lstm1", &model.lstm1, layout, &lstm1, &dsum);
    (loss, vec![below, states("lstm2", &model.top.lstm, layout, &tape.lstm, &tape.dh)])
}

fn states(name: &'static str, lstm: &Lstm<f64>, layout: &Packed, tape: &LstmTape<f64>, dh: &Matrix<f64>) -> LstmFlow {
    let (mut dh_all, mut dc_all) = (Matrix::default(), Matrix::default());
    lstm.state_gradients(layout, tape, dh, &mut dh_all, &mut dc_all);
    LstmFlow { name, h: norms(&dh_all), c: norms(&dc_all) }
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
