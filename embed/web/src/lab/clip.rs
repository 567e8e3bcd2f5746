//! A clip in the lab.

use crate::{resampled, thrown};
use reslstm::audit::cast;
use reslstm::audit::clip_gradients::{ClipGradients, Connection, LstmGradients};
use reslstm::audit::recast;
use reslstm::error::{Error, Kind, Result};
use reslstm::layers::running::RunningAttention;
use reslstm::layers::softmax_cross_entropy::softmax;
use reslstm::layers::{BatchNorm, Linear, Lstm};
use reslstm::matrix::{Matrix, argmax};
use reslstm::models::{LstmSa, Model, ModelFile, Predictor, ResLstmSa};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

/// A model in the lab; of one with branches the network of one branch.
#[wasm_bindgen]
pub struct Lab {
    pub(super) predictor: Predictor,
    /// The branch, from 0.
    pub(super) branch: usize,
    pub(super) model: Model<f64>,
}

/// Changes of a forward pass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatIf {
    /// The class whose loss the gradients belong to; none: the most probable one.
    pub label: Option<usize>,
    /// Gates that have one value in all frames and units.
    pub hold: Vec<Hold>,
    /// Cut the residual connection.
    pub cut: bool,
    /// Columns of the input that have their mean in all frames.
    pub silence: Vec<usize>,
}

/// A gate with a fixed value.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Hold {
    /// LSTM, from the input up, from 0.
    pub lstm: usize,
    /// Gate, in the order i, f, g, o.
    pub gate: usize,
    /// 0 or 1
    pub value: f64,
}

#[wasm_bindgen]
impl Lab {
    /// The model of a file, of its branch `branch`, from 0.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8], branch: usize) -> std::result::Result<Lab, JsError> {
        ModelFile::from_bytes(bytes).and_then(|file| Lab::of(file, branch)).map_err(thrown)
    }

    /// Probabilities `[K]` of a clip by all branches, as `predict` averages them.
    pub fn answer(&mut self, samples: &[f32], rate: u32) -> std::result::Result<Vec<f32>, JsError> {
        self.average(samples, rate).map_err(thrown)
    }

    /// What the model reads of samples: at its rate, and without what its preparation leaves out.
    pub fn sound(&mut self, samples: &[f32], rate: u32) -> std::result::Result<Vec<f32>, JsError> {
        let sample_rate = self.predictor.sample_rate().map_err(thrown)?;
        resampled(samples, rate, sample_rate).and_then(|samples| self.predictor.kept(&samples)).map_err(thrown)
    }

    /// The clip's features, and all that the model makes of them. `what_if` is JSON of a [`WhatIf`].
    pub fn clip(&mut self, samples: &[f32], rate: u32, what_if: &str) -> std::result::Result<Clip, JsError> {
        self.features(samples, rate).and_then(|x| self.run(x, what_if)).map_err(thrown)
    }

    /// The same clip under another change.
    pub fn again(&self, clip: &Clip, what_if: &str) -> std::result::Result<Clip, JsError> {
        self.run(clip.features.clone(), what_if).map_err(thrown)
    }
}

impl Lab {
    pub fn of(file: ModelFile, branch: usize) -> Result<Lab> {
        let count = file.branches().len();
        let Some(shown) = file.branches().get(branch) else {
            let problem = format!("expected a branch of the model, 0 to {}, got {branch}", count - 1);
            return Err(Error::new(Kind::Settings, problem));
        };
        let shown = shown.model();
        let mut model = Model::zeros(shown.architecture(), shown.inputs(), shown.classes());
        recast(shown, &mut model);
        Ok(Lab { predictor: Predictor::new(file)?, branch, model })
    }

    fn average(&mut self, samples: &[f32], rate: u32) -> Result<Vec<f32>> {
        let features = self.raw_features(samples, rate)?;
        Ok(self.predictor.predict_features(&features)?.probabilities)
    }

    /// Features `[T,width]` of samples, of all branches and not normalised.
    fn raw_features(&mut self, samples: &[f32], rate: u32) -> Result<Matrix<f32>> {
        let samples = resampled(samples, rate, self.predictor.sample_rate()?)?;
        self.predictor.features(&samples)
    }

    /// Normalised features `[T,D]` of samples.
    pub fn features(&mut self, samples: &[f32], rate: u32) -> Result<Matrix<f64>> {
        let features = self.raw_features(samples, rate)?;
        let x = self.predictor.normalised(&features)?.clone();
        Ok(cast(&self.predictor.file().branches()[self.branch].select(&x)))
    }

    pub fn run(&self, features: Matrix<f64>, what_if: &str) -> Result<Clip> {
        let wrong = |problem: String| Error::new(Kind::Settings, problem).at("what if");
        let what_if: WhatIf = serde_json::from_str(what_if).map_err(|error| wrong(error.to_string()))?;
        let (mut model, mut x) = (self.model.clone(), features.clone());
        for hold in &what_if.hold {
            let lstm = lstms_mut(&mut model).into_iter().nth(hold.lstm);
            let lstm = lstm.ok_or_else(|| wrong(format!("expected an LSTM of the model, got number {}", hold.lstm)))?;
            hold_gate(lstm, *hold)?;
        }
        for &column in &what_if.silence {
            if column >= x.cols() {
                return Err(wrong(format!("expected column 0 to {}, got {column}", x.cols() - 1)));
            }
            (0..x.rows()).for_each(|t| x[(t, column)] = 0.0);
        }
        let connection = if what_if.cut { Connection::Cut } else { Connection::Residual };
        let any = ClipGradients::new(&model, &x, 0, connection);
        let label = match what_if.label {
            Some(label) if label >= model.classes() => {
                return Err(wrong(format!("expected class 0 to {}, got {label}", model.classes() - 1)));
            }
            Some(label) => label,
            None => argmax(&any.probabilities.row(0).iter().map(|&p| p as f32).collect::<Vec<_>>()),
        };
        let all = if label == 0 { any } else { ClipGradients::new(&model, &x, label, connection) };
        let running = running_probabilities(top(&model), &all.lstms.last().expect("a model has an LSTM").tape.h);
        Ok(Clip { features, x, model, label, all, running })
    }
}

/// The LSTMs, from the input up.
fn lstms(model: &Model<f64>) -> Vec<&Lstm<f64>> {
    match model {
        Model::LstmSa(model) => vec![&model.lstm],
        Model::ResLstmSa(model) => vec![&model.lstm1, &model.top.lstm],
    }
}

fn lstms_mut(model: &mut Model<f64>) -> Vec<&mut Lstm<f64>> {
    match model {
        Model::LstmSa(model) => vec![&mut model.lstm],
        Model::ResLstmSa(model) => vec![&mut model.lstm1, &mut model.top.lstm],
    }
}

fn top(model: &Model<f64>) -> &LstmSa<f64> {
    let (Model::LstmSa(top) | Model::ResLstmSa(ResLstmSa { top, .. })) = model;
    top
}

/// Of a unit: running mean, `1/√(v + ε)`, γ and β.
fn norm_of(bn: &BatchNorm<f64>, unit: usize) -> Vec<f64> {
    vec![bn.running_mean.0[unit], bn.running_inv_std()[unit], bn.weight[unit], bn.bias[unit]]
}

/// Gives a gate one value: its weights are zero, and its bias is so large that the activation is exactly that value. The engine's own
/// forward and backward do the rest.
fn hold_gate(lstm: &mut Lstm<f64>, Hold { gate, value, .. }: Hold) -> Result<()> {
    let bias = match (gate, value) {
        (0 | 1 | 3, 0.0) => -1e4,
        (2, 0.0) => 0.0,
        (0..=3, 1.0) => 1e4,
        _ => {
            let problem = format!("expected gate 0 to 3 held at 0 or 1, got gate {gate} at {value}");
            return Err(Error::new(Kind::Settings, problem).at("what if"));
        }
    };
    let hidden = lstm.hidden();
    let rows = gate * hidden..(gate + 1) * hidden;
    lstm.weight_ih.rows_between_mut(rows.start, rows.end).fill(0.0);
    lstm.weight_hh.rows_between_mut(rows.start, rows.end).fill(0.0);
    lstm.bias_ih[rows.clone()].fill(bias);
    lstm.bias_hh[rows].fill(0.0);
    Ok(())
}

/// After every frame the probabilities `[T,K]` of the clip so far.
fn running_probabilities(top: &LstmSa<f64>, h: &Matrix<f64>) -> Matrix<f64> {
    let mut attention = RunningAttention::new(&top.attention);
    let mut contexts = Matrix::zeros(h.rows(), h.cols());
    for (t, h) in h.iter_rows().enumerate() {
        contexts.row_mut(t).copy_from_slice(attention.push(h));
    }
    let (mut normalised, mut logits, mut p) = Default::default();
    top.bn.forward_eval(&contexts, &mut normalised);
    Linear::forward(&top.fc, &normalised, &mut Default::default(), &mut logits);
    softmax(&logits, &mut p);
    p
}

/// Every value and gradient of a clip.
#[wasm_bindgen]
pub struct Clip {
    /// Normalised features as they are without a change, `[T,D]`.
    features: Matrix<f64>,
    /// What the model reads.
    pub(super) x: Matrix<f64>,
    pub(super) model: Model<f64>,
    pub(super) label: usize,
    all: ClipGradients,
    running: Matrix<f64>,
}

#[wasm_bindgen]
impl Clip {
    /// The class whose loss the gradients belong to.
    pub fn label(&self) -> usize {
        self.label
    }

    /// L, in nats.
    pub fn loss(&self) -> f64 {
        self.all.loss
    }

    /// `T`
    pub fn frames(&self) -> usize {
        self.x.rows()
    }

    /// Number of units of every LSTM.
    pub fn units(&self) -> Vec<usize> {
        lstms(&self.model).iter().map(|lstm| lstm.hidden()).collect()
    }

    /// The numbers of a quantity, row after row: of the clip `x`, `dx`, `probabilities` …, of an LSTM `0.h`, `1.dc` …
    pub fn values(&self, name: &str) -> std::result::Result<Vec<f64>, JsError> {
        self.quantity(name).map(<[f64]>::to_vec).ok_or_else(|| JsError::new(&format!("no quantity {name}")))
    }

    /// The terms of the gates i, f, g, o of a unit at a frame, before activation: `W_ih·x`, `W_hh·h₋₁` and the bias of each.
    pub fn terms(&self, lstm: usize, t: usize, unit: usize) -> Vec<f64> {
        let (layer, hidden) = (lstms(&self.model)[lstm], self.units()[lstm]);
        let x = if lstm == 0 { &self.x } else { &self.all.bridge.as_ref().expect("two LSTMs have a bridge").enriched };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let h = &self.all.lstms[lstm].tape.h;
        let of_gate = |gate: usize| {
            let row = gate * hidden + unit;
            let recurrent = if t == 0 { 0.0 } else { dot(layer.weight_hh.row(row), h.row(t - 1)) };
            [dot(layer.weight_ih.row(row), x.row(t)), recurrent, layer.bias_ih[row] + layer.bias_hh[row]]
        };
        (0..4).flat_map(of_gate).collect()
    }

    /// What the gates i, f, g, o of frame `t + 1` send back to `h` of a unit at frame `t`: the four terms of `W_hhᵀ·dâ`.
    pub fn arms(&self, lstm: usize, t: usize, unit: usize) -> Vec<f64> {
        let (layer, hidden) = (lstms(&self.model)[lstm], self.units()[lstm]);
        let of_gate = |(gate, dgate): (usize, &Matrix<f64>)| {
            let product = |(u, &d): (usize, &f64)| d * layer.weight_hh[(gate * hidden + u, unit)];
            if t + 1 < dgate.rows() { dgate.row(t + 1).iter().enumerate().map(product).sum() } else { 0.0 }
        };
        self.all.lstms[lstm].all.gates.iter().enumerate().map(of_gate).collect()
    }

    /// Batch norm of a unit of the context vector: running mean, `1/√(v + ε)`, γ and β.
    pub fn norm(&self, unit: usize) -> Vec<f64> {
        norm_of(&top(&self.model).bn, unit)
    }

    /// Batch norm of a unit behind the residual connection, as [`norm`](Clip::norm); empty without one.
    pub fn bridge_norm(&self, unit: usize) -> Vec<f64> {
        match &self.model {
            Model::LstmSa(_) => Vec::new(),
            Model::ResLstmSa(model) => norm_of(&model.bn_residual, unit),
        }
    }

    /// A number that all gradients of a weight of the LSTM over the frames add up to, for a test of the page: dW_hh of a gate's unit and
    /// an input unit.
    pub fn weight_gradient(&self, lstm: usize, row: usize, column: usize) -> f64 {
        lstms(&self.all.grads)[lstm].weight_hh[(row, column)]
    }
}

impl Clip {
    fn quantity(&self, name: &str) -> Option<&[f64]> {
        if let Some((lstm, name)) = name.split_once('.') {
            return of_lstm(self.all.lstms.get(lstm.parse::<usize>().ok()?)?, name);
        }
        let (tape, bridge) = (&self.all.top, self.all.bridge.as_ref());
        let matrix = match name {
            "x" => &self.x,
            "dx" => &self.all.dx,
            "running" => &self.running,
            "probabilities" => &self.all.probabilities,
            "logits" => &tape.logits,
            "dlogits" => &self.all.dlogits,
            "context" => &tape.context,
            "dcontext" => &tape.dcontext,
            "normalised" => &tape.normalised,
            "dnormalised" => &tape.dnormalised,
            "dscores" => &self.all.dscores,
            "sum" => &bridge?.sum,
            "enriched" => &bridge?.enriched,
            "dsum" => &bridge?.dsum,
            "denriched" => &bridge?.denriched,
            "vector" => &top(&self.model).attention.vector,
            "alpha" => return Some(&tape.attention.alpha),
            "dalpha" => return Some(&tape.attention.dalpha),
            _ => return None,
        };
        Some(matrix.as_slice())
    }
}

fn of_lstm<'a>(LstmGradients { tape, dh, all, .. }: &'a LstmGradients, name: &str) -> Option<&'a [f64]> {
    let ([i, f, g, o], [di, df, dg, d_o]) = (&tape.gates, &all.gates);
    let matrix = match name {
        "i" => i,
        "f" => f,
        "g" => g,
        "o" => o,
        "c" => &tape.c,
        "tanh_c" => &tape.tanh_c,
        "h" => &tape.h,
        "above" => dh,
        "dh" => &all.h,
        "dc" => &all.c,
        "di" => di,
        "df" => df,
        "dg" => dg,
        "do" => d_o,
        _ => return None,
    };
    Some(matrix.as_slice())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use reslstm::models::Metadata;
    use reslstm::rng::RandomStream;

    /// The lab with an untrained model, and a clip of noise.
    pub fn lab(architecture: &str) -> (Lab, Matrix<f64>) {
        let mut stream = RandomStream::new(1, "lab", 0);
        let labels = vec!["calm".to_string(), "cross".to_string(), "sad".to_string()].try_into().unwrap();
        let mut metadata = Metadata::new(architecture.into(), labels, 16_000, Default::default());
        (metadata.mean, metadata.std) = (vec![0.0; 46], vec![10.0; 46]);
        let model = Model::init(architecture.parse().unwrap(), 46, 3, &mut stream);
        let lab = Lab::of(ModelFile::new(model, Some(metadata)).unwrap(), 0).unwrap();
        let samples: Vec<f32> = (0..16_000).map(|_| 0.1 * stream.normal() as f32).collect();
        let mut lab = lab;
        let x = lab.features(&samples, 16_000).unwrap();
        (lab, x)
    }

    #[test]
    fn probabilities_are_those_of_the_predictor() {
        for architecture in ["lstm-sa-h5", "reslstm-sa-h6-2vectors", "reslstm-sa-h6"] {
            let (mut lab, x) = lab(architecture);
            let clip = lab.run(x.clone(), "{}").unwrap();
            let normalised: Matrix<f32> = cast(&x);
            let features = Matrix::from_vec(x.rows(), 46, normalised.as_slice().iter().map(|v| 10.0 * v).collect());
            let expected = lab.predictor.predict_features(&features).unwrap();
            assert_eq!(clip.label, expected.label);
            let last = clip.running.row(x.rows() - 1);
            for ((got, running), expected) in clip.all.probabilities.row(0).iter().zip(last).zip(expected.probabilities)
            {
                assert!((got - f64::from(expected)).abs() < 1e-6, "{got} {expected}");
                assert!((got - running).abs() < 1e-12, "{got} {running}");
            }
        }
    }

    #[test]
    fn terms_add_up_to_gates_and_arms_to_what_comes_from_the_next_frame() {
        let (lab, x) = lab("reslstm-sa-h6");
        let clip = lab.run(x, "{}").unwrap();
        for (l, t, unit) in [(0, 0, 3), (0, 5, 45), (1, 0, 0), (1, 7, 5)] {
            let (terms, lstm) = (clip.terms(l, t, unit), &clip.all.lstms[l]);
            for gate in 0..4 {
                let sum: f64 = terms[3 * gate..3 * gate + 3].iter().sum();
                let value = if gate == 2 { sum.tanh() } else { 1.0 / (1.0 + (-sum).exp()) };
                assert!((value - lstm.tape.gates[gate][(t, unit)]).abs() < 1e-12);
            }
            let next: f64 = clip.arms(l, t, unit).iter().sum();
            let expected = lstm.all.h[(t, unit)] - lstm.dh[(t, unit)];
            assert!((next - expected).abs() < 1e-12 * lstm.all.h[(t, unit)].abs().max(1e-3), "{next} {expected}");
        }
        let last = clip.frames() - 1;
        assert_eq!(clip.arms(1, last, 0), [0.0; 4]);
    }

    #[test]
    fn the_residual_connection_adds_up_and_its_batch_norm_is_one_factor_per_unit() {
        let (lab, x) = lab("reslstm-sa-h6");
        let clip = lab.run(x, "{}").unwrap();
        let (bridge, h) = (clip.all.bridge.as_ref().unwrap(), &clip.all.lstms[0].tape.h);
        for (t, unit) in [(0, 3), (5, 45)] {
            let [mean, scale, gamma, beta] = clip.bridge_norm(unit)[..] else { panic!("four numbers") };
            let sum = clip.x[(t, unit)] + h[(t, unit)];
            assert!((bridge.sum[(t, unit)] - sum).abs() < 1e-12);
            assert!((bridge.enriched[(t, unit)] - (gamma * (sum - mean) * scale + beta)).abs() < 1e-12);
            assert!((bridge.dsum[(t, unit)] - bridge.denriched[(t, unit)] * gamma * scale).abs() < 1e-12);
            assert_eq!(bridge.dsum[(t, unit)], clip.all.lstms[0].dh[(t, unit)]);
        }
    }

    #[test]
    fn a_held_gate_has_its_value_and_no_gradient_before_its_activation() {
        let (lab, x) = lab("reslstm-sa-h6");
        for lstm in 0..2 {
            for gate in 0..4 {
                for value in [0.0, 1.0] {
                    let what_if = format!(r#"{{"hold": [{{"lstm": {lstm}, "gate": {gate}, "value": {value}}}]}}"#);
                    let clip = lab.run(x.clone(), &what_if).unwrap();
                    let held = &clip.all.lstms[lstm];
                    assert!(held.tape.gates[gate].as_slice().iter().all(|&it| it == value), "{what_if}");
                    if gate != 2 || value != 0.0 {
                        assert!(held.all.gates[gate].as_slice().iter().all(|&it| it == 0.0), "{what_if}");
                    }
                }
            }
        }
    }

    #[test]
    fn cut_and_silence_change_what_they_say() {
        let (lab, x) = lab("reslstm-sa-h6");
        let cut = lab.run(x.clone(), r#"{"cut": true, "label": 2}"#).unwrap();
        let bridge = cut.all.bridge.as_ref().unwrap();
        assert_eq!((cut.label, bridge.sum.as_slice()), (2, cut.all.lstms[0].tape.h.as_slice()));
        let silent = lab.run(x.clone(), r#"{"silence": [0, 45]}"#).unwrap();
        for t in 0..x.rows() {
            assert_eq!([silent.x[(t, 0)], silent.x[(t, 1)], silent.x[(t, 45)]], [0.0, x[(t, 1)], 0.0]);
        }
        assert_eq!(silent.features, x);
    }

    #[test]
    fn impossible_changes_are_refused() {
        let (lab, x) = lab("lstm-sa-h5");
        for what_if in [
            "[",
            r#"{"label": 3}"#,
            r#"{"silence": [46]}"#,
            r#"{"hold": [{"lstm": 1, "gate": 0, "value": 1}]}"#,
            r#"{"hold": [{"lstm": 0, "gate": 4, "value": 1}]}"#,
            r#"{"hold": [{"lstm": 0, "gate": 1, "value": 0.5}]}"#,
            r#"{"unknown": 1}"#,
        ] {
            assert!(lab.run(x.clone(), what_if).is_err(), "{what_if}");
        }
    }
}
