//! Both networks and Adam from the plain layers, with one fault planted.

use super::{attention, batch_norm, batch_norm_forward, cross_entropy, dropout, linear, lstm, residual};
use crate::audit::faults::{Fault, Planted};
use crate::audit::pass::{Mode, Pass};
use crate::data::batch::Batch;
use crate::layers::{AttentionTape, BatchNorm, LinearTape, Lstm, LstmTape, softmax_cross_entropy};
use crate::matrix::Matrix;
use crate::models::{LstmSa, Model, ResLstmSa};
use crate::packed::{Packed, Padding};
use crate::params::{Parameters, Path, Role};

/// A network with a fault, and the batch's padding.
pub struct Faulty<'a> {
    pub planted: &'a Planted,
    pub padding: Padding,
    /// Dropout mask, `[N,H]`, where dropout is left on.
    pub mask: Option<&'a Matrix<f64>>,
}

/// The part of a network that both have.
pub fn top(model: &Model<f64>) -> &LstmSa<f64> {
    match model {
        Model::LstmSa(top) | Model::ResLstmSa(ResLstmSa { top, .. }) => top,
    }
}

fn top_mut(model: &mut Model<f64>) -> &mut LstmSa<f64> {
    match model {
        Model::LstmSa(top) | Model::ResLstmSa(ResLstmSa { top, .. }) => top,
    }
}

fn lower(model: &Model<f64>) -> Option<&ResLstmSa<f64>> {
    if let Model::ResLstmSa(model) = model { Some(model) } else { None }
}

impl Faulty<'_> {
    /// The pass with the fault.
    pub fn pass(&self, model: &Model<f64>, batch: &Batch<f64>, mode: Mode) -> Pass {
        if self.planted.fault == Fault::LengthsIgnored {
            return self.without_lengths(model, batch, mode);
        }
        let (layout, x, labels) = (&batch.layout, &batch.x, &batch.labels);
        let at = |place: &str| self.planted.at(place);
        let mode = match self.planted.fault {
            Fault::EvaluatedInTrainingMode => Mode::Training,
            Fault::TrainedInEvaluationMode => Mode::Evaluation,
            _ => mode,
        };
        let (mut used, mut after) = (model.clone(), model.clone());
        self.read_weights(&mut used);

        // Forward.
        let mut enriched = x.clone();
        let (mut sum, mut lstm_name) = (Matrix::default(), "lstm");
        let padded = self.layout_for(layout, "bn_residual").padded_frames();
        if let (Some(used), Model::ResLstmSa(after)) = (lower(&used), &mut after) {
            sum = states(&used.lstm1, layout, x);
            if at("") != Fault::ResidualConnectionMissing {
                sum.as_mut_slice().iter_mut().zip(x.as_slice()).for_each(|(sum, &x)| *sum += x);
            }
            enriched = normalise(&mut after.bn_residual, &sum, padded, mode, at("bn_residual"));
            lstm_name = "lstm2";
        }
        let used_top = top(&used);
        let h = states(&used_top.lstm, layout, &enriched);
        let attention_layout = self.layout_for(layout, "attention");
        let (mut tape, mut context) = (AttentionTape::default(), Matrix::default());
        used_top.attention.forward(&attention_layout, &h, &mut tape, &mut context);
        let normalised = normalise(&mut top_mut(&mut after).bn, &context, 0, mode, at("bn"));
        let dropped = self.mask.map_or_else(|| normalised.clone(), |mask| dropout(mask, &normalised, Fault::None));
        let mut logits = Matrix::default();
        used_top.fc.forward(&dropped, &mut LinearTape::default(), &mut logits);
        let (loss, dlogits) = self.loss(&logits, labels);

        // Backward, each layer into the gradient of the weights as they were used.
        let mut grads = Model::zeros(model.architecture(), model.inputs(), model.classes());
        let top_grads = top_mut(&mut grads);
        let ddropped = linear(&used_top.fc, &dropped, &dlogits, &mut top_grads.fc, at("fc"));
        let dnormalised = self.mask.map_or_else(|| ddropped.clone(), |mask| dropout(mask, &ddropped, at("dropout")));
        let dcontext = normalise_backward(&used_top.bn, &context, 0, mode, &dnormalised, &mut top_grads.bn, at("bn"));
        let dh =
            attention(&used_top.attention, &attention_layout, &h, &dcontext, &mut top_grads.attention, at("attention"));
        let mut dx = lstm(&used_top.lstm, layout, &enriched, &dh, &mut top_grads.lstm, at(lstm_name));
        if let (Some(used), Model::ResLstmSa(grads)) = (lower(&used), &mut grads) {
            let (norm, at_norm) = (&used.bn_residual, at("bn_residual"));
            let dsum = normalise_backward(norm, &sum, padded, mode, &dx, &mut grads.bn_residual, at_norm);
            dx = lstm(&used.lstm1, layout, x, &dsum, &mut grads.lstm1, at("lstm1"));
            if at("") != Fault::ResidualConnectionMissing {
                residual(&dsum, &mut dx, at(""));
            }
        }
        self.write_gradients(&mut grads);
        Pass { logits, attention: tape.alpha, context, loss, grads, dx, after }
    }

    /// The layout as one layer counts padding.
    fn layout_for(&self, layout: &Packed, layer: &str) -> Packed {
        let padding = match (self.planted.at(layer), self.padding) {
            (Fault::PaddingTheOtherWay, Padding::Ignored) => Padding::Counted,
            (Fault::PaddingTheOtherWay, Padding::Counted) => Padding::Ignored,
            (_, padding) => padding,
        };
        let lengths: Vec<usize> = (0..layout.clips()).map(|n| layout.length(n)).collect();
        Packed::new(&lengths, padding)
    }

    /// The pass over clips that all run to the end of the longest one, on zeros.
    fn without_lengths(&self, model: &Model<f64>, batch: &Batch<f64>, mode: Mode) -> Pass {
        let layout = Packed::new(&vec![batch.layout.steps(); batch.layout.clips()], Padding::Ignored);
        let real: Vec<(usize, usize)> = (0..layout.steps())
            .flat_map(|t| batch.layout.rows(t).enumerate().map(move |(n, row)| (row, t, n)).collect::<Vec<_>>())
            .map(|(row, t, n)| (row, layout.row(t, n)))
            .collect();
        let mut x = Matrix::zeros(layout.frames(), batch.x.cols());
        real.iter().for_each(|&(row, longer)| x.row_mut(longer).copy_from_slice(batch.x.row(row)));
        let longer = Batch { layout, x, labels: batch.labels.clone(), order: batch.order.clone() };
        let none = Faulty { planted: &Planted::NOWHERE, padding: Padding::Ignored, mask: None };
        let pass = none.pass(model, &longer, mode);
        let mut dx = batch.x.clone();
        real.iter().for_each(|&(row, longer)| dx.row_mut(row).copy_from_slice(pass.dx.row(longer)));
        Pass { attention: real.iter().map(|&(_, longer)| pass.attention[longer]).collect(), dx, ..pass }
    }

    /// The loss and its gradient.
    fn loss(&self, logits: &Matrix<f64>, labels: &[usize]) -> (f64, Matrix<f64>) {
        let fault = self.planted.fault;
        let mut p = Matrix::default();
        let mut loss = softmax_cross_entropy::forward(logits, labels, &mut p);
        if fault == Fault::SoftmaxTwice {
            // forward: L = cross-entropy of softmax(z), so dz = p ⊙ (dp − Σ p·dp)
            loss = softmax_cross_entropy::forward(&p, labels, &mut Matrix::default());
            let mut dz = cross_entropy(&p, labels, Fault::None);
            for n in 0..dz.rows() {
                let mean: f64 = dz.row(n).iter().zip(p.row(n)).map(|(dp, p)| dp * p).sum();
                dz.row_mut(n).iter_mut().zip(p.row(n)).for_each(|(dz, &p)| *dz = p * (*dz - mean));
            }
            return (loss, dz);
        }
        let scale = match fault {
            Fault::LossSummed => labels.len() as f64,
            Fault::LossAveragedOverClasses => 1.0 / logits.cols() as f64,
            _ => 1.0,
        };
        let mut dlogits = cross_entropy(logits, labels, fault);
        dlogits.as_mut_slice().iter_mut().for_each(|dz| *dz *= scale);
        (loss * scale, dlogits)
    }

    /// The weights as the faulty program uses them.
    fn read_weights(&self, model: &mut Model<f64>) {
        model.visit_mut(&Path::ROOT, &mut |path, role, shape, values| {
            let fault = self.weight_fault(&path.to_string(), role);
            let stored = values.to_vec();
            (0..values.len()).for_each(|to| values[to] = stored[source(fault, shape, to)]);
        });
        self.for_each_lstm(model, |lstm, fault| match fault {
            Fault::BiasHhIgnored => lstm.bias_hh.fill(0.0),
            Fault::BiasIhCountedTwice => lstm.bias_hh.copy_from_slice(&lstm.bias_ih),
            _ => {}
        });
    }

    /// The gradient of the weights as they are stored, from that of the weights as they were used.
    fn write_gradients(&self, grads: &mut Model<f64>) {
        self.for_each_lstm(grads, |lstm, fault| {
            if fault == Fault::BiasIhCountedTwice {
                lstm.bias_ih.iter_mut().zip(&lstm.bias_hh).for_each(|(ih, &hh)| *ih += hh);
            }
            if matches!(fault, Fault::BiasHhIgnored | Fault::BiasIhCountedTwice) {
                lstm.bias_hh.fill(0.0);
            }
        });
        grads.visit_mut(&Path::ROOT, &mut |path, role, shape, values| {
            let fault = self.weight_fault(&path.to_string(), role);
            let used = values.to_vec();
            (0..used.len()).for_each(|to| values[source(fault, shape, to)] = used[to]);
        });
    }

    /// The fault in how a tensor of this name is read.
    fn weight_fault(&self, name: &str, role: Role) -> Fault {
        let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
        match self.planted.fault {
            Fault::WeightUsedTransposed | Fault::WeightReshaped if role == Role::Parameter => self.planted.at(name),
            Fault::GateOrder(_) if layer.starts_with("lstm") => self.planted.at(layer),
            _ => Fault::None,
        }
    }

    fn for_each_lstm(&self, model: &mut Model<f64>, mut change: impl FnMut(&mut Lstm<f64>, Fault)) {
        match model {
            Model::LstmSa(model) => change(&mut model.lstm, self.planted.at("lstm")),
            Model::ResLstmSa(model) => {
                change(&mut model.lstm1, self.planted.at("lstm1"));
                change(&mut model.top.lstm, self.planted.at("lstm2"));
            }
        }
    }
}

/// The element of a stored tensor from which a faulty program reads element `to`; a permutation.
fn source(fault: Fault, shape: &[usize], to: usize) -> usize {
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let (r, c) = (to / columns, to % columns);
    match fault {
        // Square blocks alone can be used transposed: a weight has one, or one per gate.
        Fault::WeightUsedTransposed if rows == columns || rows == 4 * columns => {
            (r / columns * columns + c) * columns + r % columns
        }
        Fault::WeightReshaped => c * rows + r,
        Fault::GateOrder(order) => {
            let hidden = rows / 4;
            (order[r / hidden] * hidden + r % hidden) * columns + c
        }
        _ => to,
    }
}

fn states(layer: &Lstm<f64>, layout: &Packed, x: &Matrix<f64>) -> Matrix<f64> {
    let mut tape = LstmTape::default();
    layer.forward(layout, x, &mut tape);
    tape.h
}

/// Batch norm's forward; in training it moves the running statistics.
fn normalise(layer: &mut BatchNorm<f64>, x: &Matrix<f64>, padded: usize, mode: Mode, fault: Fault) -> Matrix<f64> {
    match mode {
        Mode::Training => batch_norm_forward(layer, x, padded, fault),
        Mode::Evaluation => {
            let mut y = Matrix::default();
            with_epsilon(layer, fault).forward_eval(x, &mut y);
            y
        }
    }
}

fn normalise_backward(
    layer: &BatchNorm<f64>,
    x: &Matrix<f64>,
    padded: usize,
    mode: Mode,
    dy: &Matrix<f64>,
    grads: &mut BatchNorm<f64>,
    fault: Fault,
) -> Matrix<f64> {
    match mode {
        Mode::Training => batch_norm(layer, x, padded, dy, grads, fault),
        Mode::Evaluation => {
            let mut dx = Matrix::default();
            with_epsilon(layer, fault).backward_eval(x, dy, grads, &mut dx);
            dx
        }
    }
}

/// In evaluation, another ε is another running variance.
fn with_epsilon(layer: &BatchNorm<f64>, fault: Fault) -> BatchNorm<f64> {
    let mut layer = layer.clone();
    if fault == Fault::EpsilonOfAThousandth {
        layer.running_var.0.iter_mut().for_each(|var| *var += 1e-3 - 1e-5);
    }
    layer
}

/// [Adam](crate::optim::Adam) in plain loops.
pub struct PlainAdam {
    weight_decay: f64,
    fault: Fault,
    /// For every tensor, in the order of the visit, whether the program has a gradient of it. PyTorch skips weights without one.
    has_gradient: Vec<bool>,
    steps: i32,
    /// Gradient, its running mean and the running mean of its square, of every learned value.
    moments: Vec<[f64; 3]>,
}

impl PlainAdam {
    /// Before the first step of training a model.
    pub fn new(model: &Model<f64>, weight_decay: f64, fault: Fault, has_gradient: Vec<bool>) -> Self {
        PlainAdam { weight_decay, fault, has_gradient, steps: 0, moments: vec![[0.0; 3]; model.parameter_count()] }
    }

    /// One step against the gradient.
    pub fn step(&mut self, model: &mut Model<f64>, grads: &Model<f64>, lr: f64) {
        self.steps += 1;
        let decay = if self.fault == Fault::WeightDecayMissing { 0.0 } else { self.weight_decay };
        let corrected = self.fault != Fault::BiasCorrectionMissing;
        let correction = |beta: f64| if corrected { 1.0 - beta.powi(self.steps) } else { 1.0 };
        let (mut moments, mut has_gradient) = (self.moments.iter_mut(), self.has_gradient.iter());
        model.visit_pairs(grads, &mut |role, theta, gradient| {
            let has_gradient = *has_gradient.next().expect("one per tensor") || gradient.iter().any(|&g| g != 0.0);
            if role == Role::Buffer {
                return;
            }
            for ((theta, &gradient), [sum, m, v]) in theta.iter_mut().zip(gradient).zip(&mut moments) {
                *sum = if self.fault == Fault::GradientsNotCleared { *sum + gradient } else { gradient };
                let mut g = *sum;
                if !has_gradient {
                    continue;
                }
                if self.fault == Fault::WeightDecayDecoupled {
                    *theta -= lr * decay * *theta;
                } else {
                    g += decay * *theta;
                }
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                *theta -= lr * (*m / correction(0.9)) / ((*v / correction(0.999)).sqrt() + 1e-8);
            }
        });
    }
}
