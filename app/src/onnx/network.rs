//! The models as graphs: the paper's equations, one line each.

use super::graph::Value;
use reslstm::layers::{BatchNorm, Linear, Lstm};
use reslstm::models::{LstmSa, Model};
use reslstm::normalise::Normaliser;

/// Axes of the matrices `[T,H]` and `[T,V]`.
const FRAMES: i64 = 0;
const VECTORS: i64 = 1;
/// Axis of the classes in `[1,K]`.
const CLASSES: i64 = 1;

/// Added to the variance, as in the engine and in PyTorch.
pub const EPSILON: f32 = 1e-5;
/// Where the gates i, f, g, o of the engine and PyTorch lie in ONNX's order, which is i, o, f, g.
pub const GATES: [usize; 4] = [0, 2, 3, 1];

/// Normalised features: `x` and the result are `[T,D]`.
pub fn normalise<'g>(x: &Value<'g>, normaliser: &Normaliser) -> Value<'g> {
    let row = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
    let mean = x.constant("mean", &[normaliser.width()], &row(normaliser.mean()));
    let std = x.constant("std", &[normaliser.width()], &row(normaliser.std()));
    ((x - mean) / std).called("normalised")
}

/// Probabilities `[K]` of the normalised features `x` `[T,D]`.
pub fn probabilities<'g>(x: &Value<'g>, model: &Model<f32>) -> Value<'g> {
    match model {
        Model::LstmSa(model) => lstm_sa(x, "lstm", model),
        Model::ResLstmSa(model) => {
            let h1 = lstm(x, "lstm1", &model.lstm1);
            let enriched = batch_norm(&(h1 + x), "bn_residual", &model.bn_residual).called("enriched");
            lstm_sa(&enriched, "lstm2", &model.top)
        }
    }
}

/// # Formula
/// ```text
/// e_t = uᵀh_t        a = softmax(e) over t        α = mean of a over the V vectors        ctx = Σ_t α_t·h_t
/// ```
fn lstm_sa<'g>(x: &Value<'g>, name: &str, model: &LstmSa<f32>) -> Value<'g> {
    let h = lstm(x, name, &model.lstm);
    let u = matrix(x, "attention_vector", model.attention.vector.shape(), model.attention.vector.as_slice());
    let e = h.matmul(&u);
    let alpha = e.softmax(FRAMES).mean(VECTORS).called("attention");
    let context = alpha.transposed().matmul(&h).called("context");
    let logits = linear(&batch_norm(&context, "bn", &model.bn), "fc", &model.fc).called("logits");
    logits.softmax(CLASSES).without_axes(&[0])
}

/// Hidden states `[T,H]` of the frames `x` `[T,D]`.
fn lstm<'g>(x: &Value<'g>, name: &str, layer: &Lstm<f32>) -> Value<'g> {
    let (inputs, hidden) = (layer.inputs(), layer.hidden());
    let w = in_onnx_order(layer.weight_ih.as_slice());
    let r = in_onnx_order(layer.weight_hh.as_slice());
    let b = [in_onnx_order(&layer.bias_ih), in_onnx_order(&layer.bias_hh)].concat();
    let w = x.constant(&format!("{name}.W"), &[1, 4 * hidden, inputs], &w);
    let r = x.constant(&format!("{name}.R"), &[1, 4 * hidden, hidden], &r);
    let b = x.constant(&format!("{name}.B"), &[1, 8 * hidden], &b);
    x.with_axes(&[1]).lstm([&w, &r, &b], hidden).without_axes(&[1, 2]).called(&format!("{name}.h"))
}

/// `γ·(x − μ)/√(v + ε) + β` of the rows of `x` `[R,C]`.
fn batch_norm<'g>(x: &Value<'g>, name: &str, layer: &BatchNorm<f32>) -> Value<'g> {
    let row = |part: &str, values: &[f32]| x.constant(&format!("{name}.{part}"), &[values.len()], values);
    let (scale, shift) = (row("weight", &layer.weight), row("bias", &layer.bias));
    let (mean, variance) = (row("running_mean", &layer.running_mean.0), row("running_var", &layer.running_var.0));
    x.batch_norm([&scale, &shift, &mean, &variance], EPSILON)
}

/// `W·x + b` of the rows of `x` `[R,H]`.
fn linear<'g>(x: &Value<'g>, name: &str, layer: &Linear<f32>) -> Value<'g> {
    let weight = matrix(x, &format!("{name}.weight"), layer.weight.shape(), layer.weight.as_slice());
    let bias = x.constant(&format!("{name}.bias"), &[layer.bias.len()], &layer.bias);
    x.linear(&weight, &bias)
}

fn matrix<'g>(x: &Value<'g>, name: &str, shape: [usize; 2], values: &[f32]) -> Value<'g> {
    x.constant(name, &shape, values)
}

/// Rows of the four gates, from the order i, f, g, o to ONNX's i, o, f, g.
fn in_onnx_order(gates: &[f32]) -> Vec<f32> {
    let mut rows = vec![0.0; gates.len()];
    let quarter = gates.len() / 4;
    for (gate, place) in gates.chunks(quarter).zip(GATES) {
        rows[place * quarter..][..quarter].copy_from_slice(gate);
    }
    rows
}
