//! Every value and every gradient of a model in evaluation, for one clip: the forward pass and the backward pass, step by step.

use crate::layers::{Lstm, LstmTape, StateGradients, residual, softmax_cross_entropy};
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

/// The values and gradients of one clip of `T` frames.
#[derive(Clone, Debug)]
pub struct ClipGradients {
    /// L, in nats.
    pub loss: f64,
    /// The LSTMs, from the input up.
    pub lstms: Vec<LstmGradients>,
    /// The residual connection; none in LSTM-SA.
    pub bridge: Option<Bridge>,
    /// Everything above the last LSTM: attention, context vector, scores, and their gradients. `top.lstm` is empty, as the LSTM is in
    /// `lstms`.
    pub top: LstmSaTape<f64>,
    /// de: gradients of the attention's scores, `[T,V]`.
    pub dscores: Matrix<f64>,
    /// p, `[1,K]`.
    pub probabilities: Matrix<f64>,
    /// dz: gradients of the scores of the classes, `[1,K]`.
    pub dlogits: Matrix<f64>,
    /// ∂L/∂x, `[T,D]`: where a small change of the input changes the loss most.
    pub dx: Matrix<f64>,
    /// The gradient of every parameter.
    pub grads: Model<f64>,
}

/// The values and gradients of one LSTM.
#[derive(Clone, Debug)]
pub struct LstmGradients {
    /// The LSTM's name in the model: `lstm`, or `lstm1` and `lstm2`.
    pub name: &'static str,
    /// Gates and states.
    pub tape: LstmTape<f64>,
    /// Gradient of the hidden states from the layer above, `[T,H]`.
    pub dh: Matrix<f64>,
    /// Gradients along all paths.
    pub all: StateGradients<f64>,
}

/// The residual connection and the batch norm behind it, `[T,D]` each.
#[derive(Clone, Debug, Default)]
pub struct Bridge {
    /// `x` + LSTM1's `h`.
    pub sum: Matrix<f64>,
    /// The sum after batch norm, which LSTM2 reads.
    pub enriched: Matrix<f64>,
    /// Their gradients.
    pub dsum: Matrix<f64>,
    /// See `dsum`.
    pub denriched: Matrix<f64>,
}

impl ClipGradients {
    /// Runs `model` in evaluation, forward and backward, on clip `x`, `[T,D]`, normalised, under cross-entropy against class `label`.
    /// LSTM-SA has no residual connection, and `connection` changes nothing there.
    ///
    /// # Panics
    /// If `x` has not the model's width or no frame, or `label` is not below `K`.
    pub fn new(model: &Model<f64>, x: &Matrix<f64>, label: usize, connection: Connection) -> Self {
        let layout = Packed::new(&[x.rows()], Padding::Ignored);
        let mut grads = model.clone();
        grads.set_zero();
        match (model, &mut grads) {
            (Model::LstmSa(model), Model::LstmSa(into)) => {
                let mut all = above(model, &layout, x, label, into);
                all.grads = grads;
                all
            }
            (Model::ResLstmSa(model), Model::ResLstmSa(into)) => {
                let mut all = with_bridge(model, &layout, x, label, connection, into);
                all.grads = grads;
                all
            }
            _ => unreachable!("a gradient has the architecture of its model"),
        }
    }
}

/// Forward and backward of everything above LSTM1 and the connection, all of LSTM-SA; `grads` of the result is empty.
fn above(
    model: &LstmSa<f64>,
    layout: &Packed,
    x: &Matrix<f64>,
    label: usize,
    grads: &mut LstmSa<f64>,
) -> ClipGradients {
    let (mut top, mut probabilities, mut dlogits, mut dx) = Default::default();
    model.forward_eval(layout, x, &mut top);
    let loss = softmax_cross_entropy::forward(&top.logits, &[label], &mut probabilities);
    softmax_cross_entropy::backward(&probabilities, &[label], &mut dlogits);
    model.backward_eval(layout, x, &mut top, &dlogits, grads, Some(&mut dx));
    let lstm = LstmGradients::new("lstm", &model.lstm, layout, std::mem::take(&mut top.lstm), top.dh.clone());
    ClipGradients {
        loss,
        lstms: vec![lstm],
        bridge: None,
        dscores: score_gradients(&top),
        top,
        probabilities,
        dlogits,
        dx,
        grads: Model::LstmSa(LstmSa::zeros(0, 0, 0, 0)),
    }
}

fn with_bridge(
    model: &ResLstmSa<f64>,
    layout: &Packed,
    x: &Matrix<f64>,
    label: usize,
    connection: Connection,
    grads: &mut ResLstmSa<f64>,
) -> ClipGradients {
    let (mut tape, mut bridge) = (LstmTape::default(), Bridge::default());
    model.lstm1.forward(layout, x, &mut tape);
    match connection {
        Connection::Residual => residual::forward(x, &tape.h, &mut bridge.sum),
        Connection::Cut => bridge.sum.clone_from(&tape.h),
    }
    model.bn_residual.forward_eval(&bridge.sum, &mut bridge.enriched);
    let mut all = above(&model.top, layout, &bridge.enriched, label, &mut grads.top);

    bridge.denriched = std::mem::take(&mut all.dx);
    model.bn_residual.backward_eval(&bridge.sum, &bridge.denriched, &mut grads.bn_residual, &mut bridge.dsum);
    model.lstm1.backward(layout, x, &mut tape, &bridge.dsum, &mut grads.lstm1, Some(&mut all.dx));
    if connection == Connection::Residual {
        residual::backward(&bridge.dsum, &mut all.dx);
    }
    all.lstms[0].name = "lstm2";
    all.lstms.insert(0, LstmGradients::new("lstm1", &model.lstm1, layout, tape, bridge.dsum.clone()));
    all.bridge = Some(bridge);
    all
}

impl LstmGradients {
    fn new(name: &'static str, lstm: &Lstm<f64>, layout: &Packed, tape: LstmTape<f64>, dh: Matrix<f64>) -> Self {
        LstmGradients { name, all: lstm.state_gradients(layout, &tape, &dh), tape, dh }
    }
}

/// `de_t = a_t·(da_t − Σ_t' a_t'·da_t')`, `da = dα/V`, of one clip.
fn score_gradients(top: &LstmSaTape<f64>) -> Matrix<f64> {
    let (a, dalpha) = (&top.attention.a, &top.attention.dalpha);
    let [frames, vectors] = a.shape();
    let mut dscores = Matrix::zeros(frames, vectors);
    for v in 0..vectors {
        let mean: f64 = (0..frames).map(|t| a[(t, v)] * dalpha[t]).sum();
        for t in 0..frames {
            dscores[(t, v)] = a[(t, v)] * (dalpha[t] - mean) / vectors as f64;
        }
    }
    dscores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::subjects::LossSubject;
    use crate::audit::{Subject, random_point, scaled_error};
    use crate::params::Path;

    /// The product `Σ_t a_t·b_tᵀ`.
    fn outer(a: &Matrix<f64>, b: &Matrix<f64>) -> Vec<f64> {
        let sum = |r, c| a.iter_rows().zip(b.iter_rows()).map(|(a, b)| a[r] * b[c]).sum();
        (0..a.cols()).flat_map(|r| (0..b.cols()).map(move |c| (r, c))).map(|(r, c)| sum(r, c)).collect()
    }

    #[test]
    fn the_gradients_are_those_of_the_models_backward_and_the_frames_add_up_to_them() {
        for name in ["lstm-sa-h3", "lstm-sa-h3-2vectors", "reslstm-sa-h3"] {
            let layout = Packed::new(&[6], Padding::Ignored);
            let subject =
                LossSubject { architecture: name.parse().unwrap(), layout, inputs: 5, classes: 4, labels: vec![2] };
            let point = random_point(&subject, 3);
            let mut expected = subject.zeros();
            let dx = subject.backward(&point.layer, &point.x, &Matrix::from_rows(&[[1.0]]), &mut expected);
            let all = ClipGradients::new(&point.layer, &point.x, 2, Connection::Residual);
            assert!(scaled_error(all.dx.as_slice(), dx.as_slice()).1 < 1e-12);
            let flat = |model: &Model<f64>| {
                let mut values = Vec::new();
                model.visit(&Path::ROOT, &mut |_, _, _, tensor| values.extend_from_slice(tensor));
                values
            };
            assert!(scaled_error(&flat(&all.grads), &flat(&expected)).1 < 1e-12, "{name}");

            let (Model::LstmSa(top) | Model::ResLstmSa(ResLstmSa { top, .. })) = &all.grads;
            let lstm = all.lstms.last().unwrap();
            let du = outer(&lstm.tape.h, &all.dscores);
            assert!(scaled_error(&du, top.attention.vector.as_slice()).1 < 1e-12, "{name}: du");
            for (gate, dgate) in lstm.all.gates.iter().enumerate() {
                let x = all.bridge.as_ref().map_or(&point.x, |bridge| &bridge.enriched);
                let expected = top.lstm.weight_ih.rows_between(3 * gate, 3 * gate + 3);
                assert!(scaled_error(&outer(dgate, x), expected).1 < 1e-12, "{name}: dW_ih of gate {gate}");
            }
        }
    }
}
