//! Training in the page, by one LSTM or by two: which of two symbols came first (`examples/toy_sequence.rs`), or which of two emotions
//! a clip has.

use super::faults::FAULTS;
use crate::thrown;
use reslstm::audit::faults::Fault;
use reslstm::audit::plain;
use reslstm::data::batch::{Batch, Example};
use reslstm::error::{Error, Kind, Result};
use reslstm::layers::{Attention, AttentionTape, Linear, LinearTape, Lstm, LstmTape, residual, softmax_cross_entropy};
use reslstm::matrix::Matrix;
use reslstm::optim::Adam;
use reslstm::packed::Padding;
use reslstm::params::{Parameters, Path, parameters};
use reslstm::rng::RandomStream;
use serde::Deserialize;
use wasm_bindgen::prelude::*;

/// Sequences per step.
const BATCH: usize = 32;

/// How a network is built and trained.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Hidden units, 1 to 64.
    hidden: usize,
    /// One LSTM, or another below it that reads the input and is as wide.
    lstms: usize,
    /// Whether the lower LSTM's input is added to its output.
    residual: bool,
    /// Sum of the forget gate's biases at the start.
    forget_bias: f64,
    rate: f64,
    /// Limit on the length of the gradient of all parameters; 0: none.
    clip: f64,
    /// Length of the longest sequence, 5 to 100.
    frames: usize,
    seed: u32,
    /// A fault in the upper LSTM's backward, by number.
    #[serde(default)]
    fault: usize,
}

/// Two LSTMs, of which the lower one may be left out, attention and a linear layer; or their gradients.
struct Network<S> {
    below: Lstm<S>,
    lstm: Lstm<S>,
    attention: Attention<S>,
    linear: Linear<S>,
}

parameters!(Network { "below" => below, "lstm" => lstm, "" => attention, "fc" => linear });

impl Network<f32> {
    fn zeros(inputs: usize, hidden: usize) -> Self {
        Network {
            below: Lstm::zeros(inputs, inputs),
            lstm: Lstm::zeros(inputs, hidden),
            attention: Attention::zeros(hidden, 1),
            linear: Linear::zeros(hidden, 2),
        }
    }

    fn init(inputs: usize, Settings { hidden, forget_bias, seed, .. }: &Settings) -> Self {
        let mut stream = RandomStream::new(u64::from(*seed), "init", 0);
        let mut lstm = |inputs: usize, hidden: usize| {
            let mut lstm = Lstm::init(inputs, hidden, &mut stream);
            lstm.bias_ih[hidden..2 * hidden].fill(*forget_bias as f32);
            lstm.bias_hh[hidden..2 * hidden].fill(0.0);
            lstm
        };
        let (lstm, below) = (lstm(inputs, *hidden), lstm(inputs, inputs));
        let attention = Attention::init(*hidden, 1, &mut stream);
        Network { below, lstm, attention, linear: Linear::init(*hidden, 2, &mut stream) }
    }
}

/// Values of a forward pass.
#[derive(Default)]
struct Tape {
    below: LstmTape<f32>,
    /// What the upper LSTM reads.
    read: Matrix<f32>,
    lstm: LstmTape<f32>,
    attention: AttentionTape<f32>,
    context: Matrix<f32>,
    linear: LinearTape<f32>,
    logits: Matrix<f32>,
    /// Gradients of the hidden states from above.
    dh: Matrix<f32>,
}

/// Where sequences come from.
enum Source {
    /// New ones for every step, of at most so many frames: which of two symbols came first?
    Symbols { frames: usize },
    /// Clips, the last of which are for tests only.
    Clips { clips: Vec<Example<f32>>, tested: usize },
}

/// A network in training.
#[wasm_bindgen]
pub struct Training {
    settings: Settings,
    source: Source,
    network: Network<f32>,
    adam: Adam<f32>,
    tape: Tape,
    steps: usize,
}

#[wasm_bindgen]
impl Training {
    /// Random weights; `settings` is JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: &str) -> std::result::Result<Training, JsError> {
        Training::begin(settings, None).map_err(thrown)
    }

    /// Random weights for two classes of clips: their numbers of frames, their classes, and their frames `[T,columns]` one after the
    /// other, in sixteenths; the last `tested` clips are for tests only.
    pub fn of_clips(
        settings: &str,
        lengths: &[u32],
        labels: &[u8],
        sixteenths: &[i8],
        tested: usize,
    ) -> std::result::Result<Training, JsError> {
        let clips = clips(lengths, labels, sixteenths).and_then(|clips| match tested {
            0 => Err(wrong("expected clips for tests".into())),
            _ if tested >= clips.len() => Err(wrong(format!("expected more than {tested} clips, got {}", clips.len()))),
            _ => Ok(Source::Clips { clips, tested }),
        });
        clips.and_then(|source| Training::begin(settings, Some(source))).map_err(thrown)
    }

    /// One step on new sequences: loss, length of the gradient of all parameters before clipping, mean forget gate, and the lengths of
    /// the gradients of the lower LSTM, the upper one, the attention and the linear layer.
    pub fn step(&mut self) -> Vec<f64> {
        let batch = self.source.draw(self.settings.seed, "training", self.steps, BATCH);
        let (loss, p) = self.forward(&batch);
        let mut grads = self.backward(&batch, &p);
        let parts = [length(&grads.below), length(&grads.lstm), length(&grads.attention), length(&grads.linear)];
        let all = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
        if self.settings.clip > 0.0 && all > self.settings.clip {
            let share = (self.settings.clip / all) as f32;
            grads.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.iter_mut().for_each(|value| *value *= share));
        }
        self.adam.step(&mut self.network, &grads, self.settings.rate);
        self.steps += 1;
        let f = self.tape.lstm.gates[1].as_slice();
        let mean_f = f.iter().map(|&f| f64::from(f)).sum::<f64>() / f.len() as f64;
        [&[f64::from(loss), all, mean_f][..], &parts].concat()
    }

    /// The share of right answers on `count` new sequences, or on all clips for tests.
    pub fn accuracy(&mut self, count: usize) -> f64 {
        let batch = self.source.draw(self.settings.seed, "test", 0, count);
        let (_, p) = self.forward(&batch);
        let right = batch.labels.iter().enumerate().filter(|&(n, &label)| p[(n, label)] > 0.5).count();
        right as f64 / batch.labels.len() as f64
    }

    /// A new sequence: number of frames, class, probability of class 1, the frames `[T,columns]`, the attention `[T]`, and the gates i, f, o and
    /// the cell of unit `unit`, `[T]` each.
    pub fn example(&mut self, number: usize, unit: usize) -> Vec<f64> {
        let batch = self.source.draw(self.settings.seed, "example", number, 1);
        let (_, p) = self.forward(&batch);
        let of_unit = |rows: &Matrix<f32>| -> Vec<f32> { rows.iter_rows().map(|row| row[unit]).collect() };
        let [i, f, _, o] = &self.tape.lstm.gates;
        let head = [batch.x.rows() as f32, batch.labels[0] as f32, p[(0, 1)]];
        let parts = [
            &head[..],
            batch.x.as_slice(),
            &self.tape.attention.alpha,
            &of_unit(i),
            &of_unit(f),
            &of_unit(o),
            &of_unit(&self.tape.lstm.c),
        ];
        parts.concat().into_iter().map(f64::from).collect()
    }
}

impl Training {
    fn begin(settings: &str, source: Option<Source>) -> Result<Self> {
        let settings: Settings = serde_json::from_str(settings).map_err(|error| wrong(error.to_string()))?;
        let Settings { hidden, lstms, frames, rate, clip, fault, .. } = settings;
        let numbers = rate > 0.0 && rate.is_finite() && clip >= 0.0 && clip.is_finite();
        let sizes = (1..=64).contains(&hidden) && (1..=2).contains(&lstms) && (5..=100).contains(&frames);
        if !numbers || !sizes || fault >= FAULTS.len() {
            return Err(wrong(format!("expected settings within their ranges, got {settings:?}")));
        }
        let source = source.unwrap_or(Source::Symbols { frames });
        let network = Network::init(source.inputs(), &settings);
        let adam = Adam::new(network.parameter_count(), 0.0);
        Ok(Training { settings, source, network, adam, tape: Tape::default(), steps: 0 })
    }

    /// The loss and the probabilities `[N,2]`.
    fn forward(&mut self, Batch { layout, x, labels, .. }: &Batch<f32>) -> (f32, Matrix<f32>) {
        let (network, tape, mut p) = (&self.network, &mut self.tape, Matrix::default());
        tape.read.clone_from(x);
        if self.settings.lstms == 2 {
            network.below.forward(layout, x, &mut tape.below);
            match self.settings.residual {
                true => residual::forward(x, &tape.below.h, &mut tape.read),
                false => tape.read.clone_from(&tape.below.h),
            }
        }
        network.lstm.forward(layout, &tape.read, &mut tape.lstm);
        network.attention.forward(layout, &tape.lstm.h, &mut tape.attention, &mut tape.context);
        network.linear.forward(&tape.context, &mut tape.linear, &mut tape.logits);
        (softmax_cross_entropy::forward(&tape.logits, labels, &mut p), p)
    }

    fn backward(&mut self, Batch { layout, x, labels, .. }: &Batch<f32>, p: &Matrix<f32>) -> Network<f32> {
        let (network, tape) = (&self.network, &mut self.tape);
        let mut grads = Network::zeros(self.source.inputs(), self.settings.hidden);
        let (mut dlogits, mut dcontext, mut dread) = (Matrix::default(), Matrix::default(), Matrix::default());
        softmax_cross_entropy::backward(p, labels, &mut dlogits);
        network.linear.backward(&tape.context, &mut tape.linear, &dlogits, &mut grads.linear, &mut dcontext);
        let h = &tape.lstm.h;
        network.attention.backward(layout, h, &mut tape.attention, &dcontext, &mut grads.attention, &mut tape.dh);
        match FAULTS[self.settings.fault] {
            Fault::None => {
                network.lstm.backward(layout, &tape.read, &mut tape.lstm, &tape.dh, &mut grads.lstm, Some(&mut dread));
            }
            fault => dread = plain::lstm(&network.lstm, layout, &tape.read, &tape.dh, &mut grads.lstm, fault),
        }
        if self.settings.lstms == 2 {
            // The residual connection would hand dread to the input too, which learns nothing.
            network.below.backward(layout, x, &mut tape.below, &dread, &mut grads.below, None);
        }
        grads
    }
}

/// The Euclidean length of all parameters.
fn length(grads: &impl Parameters<f32>) -> f64 {
    let mut sum = 0.0;
    grads.visit(&Path::ROOT, &mut |_, _, _, values| {
        sum += values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>()
    });
    sum.sqrt()
}

/// 5 to `frames` frames of two noisy numbers; in one frame the first is 1 more (A), in another the second (B). Class 1: B came first.
fn sequence(frames: usize, stream: &mut RandomStream) -> Example<f32> {
    let length = 5 + stream.below(frames - 4);
    let mut x = Matrix::from_vec(length, 2, (0..2 * length).map(|_| 0.1 * stream.normal() as f32).collect());
    let first = stream.below(length - 1);
    let second = first + 1 + stream.below(length - 1 - first);
    let label = stream.below(2);
    x[(first, label)] += 1.0;
    x[(second, 1 - label)] += 1.0;
    Example { frames: x, label }
}

fn wrong(problem: String) -> Error {
    Error::new(Kind::Settings, problem).at("training")
}

/// Clips of frames in sixteenths.
fn clips(lengths: &[u32], labels: &[u8], sixteenths: &[i8]) -> Result<Vec<Example<f32>>> {
    let frames: usize = lengths.iter().map(|&length| length as usize).sum();
    let fits =
        lengths.len() == labels.len() && lengths.iter().all(|&length| length > 0) && labels.iter().all(|&it| it < 2);
    if !fits || frames == 0 || sixteenths.is_empty() || !sixteenths.len().is_multiple_of(frames) {
        return Err(wrong(format!(
            "expected clips of {frames} frames in two classes, got {} numbers",
            sixteenths.len()
        )));
    }
    let columns = sixteenths.len() / frames;
    let mut rest = sixteenths;
    let clip = |(&length, &label): (&u32, &u8)| {
        let (values, later) = rest.split_at(length as usize * columns);
        rest = later;
        let values = values.iter().map(|&value| f32::from(value) / 16.0).collect();
        Example { frames: Matrix::from_vec(length as usize, columns, values), label: label.into() }
    };
    Ok(lengths.iter().zip(labels).map(clip).collect())
}

impl Source {
    /// Numbers per frame.
    fn inputs(&self) -> usize {
        match self {
            Source::Symbols { .. } => 2,
            Source::Clips { clips, .. } => clips[0].frames.cols(),
        }
    }

    /// The batch called `name`, number `index`: new symbols, or clips at random; for a test, all that are kept for it.
    fn draw(&self, seed: u32, name: &str, index: usize, count: usize) -> Batch<f32> {
        let mut stream = RandomStream::new(u64::from(seed), name, index as u64);
        let mut batch = Batch::default();
        match self {
            &Source::Symbols { frames } => {
                let examples: Vec<_> = (0..count).map(|_| sequence(frames, &mut stream)).collect();
                batch.fill(&examples, &(0..count).collect::<Vec<_>>(), Padding::Ignored);
            }
            Source::Clips { clips, tested } => {
                let first = clips.len() - tested;
                let picks: Vec<usize> = match name {
                    "training" => (0..count).map(|_| stream.below(first)).collect(),
                    "test" => (first..clips.len()).collect(),
                    _ => vec![first + index % tested],
                };
                batch.fill(clips, &picks, Padding::Ignored);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(change: &str) -> Training {
        let defaults = r#"{"hidden": 8, "lstms": 1, "residual": true, "forget_bias": 2, "rate": 0.02, "clip": 0, "frames": 12, "seed": 0"#;
        Training::begin(&format!("{defaults}{change}}}"), None).unwrap()
    }

    #[test]
    fn every_network_learns_which_symbol_came_first() {
        for (change, wanted) in [("", 1.0), (r#", "fault": 1"#, 0.9)] {
            let mut training = training(change);
            let losses: Vec<f64> = (0..500).map(|_| training.step()[0]).collect();
            assert!((losses[0] - 2f64.ln()).abs() < 0.1, "{}", losses[0]);
            let right = training.accuracy(1000);
            assert!(right >= wanted - 0.005, "{change}: {right}");
        }
    }

    #[test]
    fn the_plain_backward_without_a_fault_gives_the_same_gradients() {
        for lstms in [1, 2] {
            let json = format!(
                r#"{{"hidden": 5, "lstms": {lstms}, "residual": true, "forget_bias": 1, "rate": 0.1, "clip": 1, "frames": 9, "seed": 3}}"#
            );
            let mut training = Training::begin(&json, None).unwrap();
            let batch = training.source.draw(3, "training", 0, BATCH);
            let (_, p) = training.forward(&batch);
            let grads = training.backward(&batch, &p);
            let mut again = Lstm::zeros(2, 5);
            let Tape { read, dh, .. } = &training.tape;
            plain::lstm(&training.network.lstm, &batch.layout, read, dh, &mut again, Fault::None);
            for (a, b) in grads.lstm.weight_hh.as_slice().iter().zip(again.weight_hh.as_slice()) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
            assert_eq!(length(&grads.below) > 0.0, lstms == 2);
        }
    }

    #[test]
    fn impossible_settings_are_refused() {
        let valid = r#"{"hidden": 8, "lstms": 1, "residual": true, "forget_bias": 2, "rate": 0.02, "clip": 0, "frames": 12, "seed": 0}"#;
        assert!(Training::begin(valid, None).is_ok());
        for (from, to) in [("8", "0"), ("8", "65"), (": 1", ": 3"), ("0.02", "0"), ("12", "4"), ("\"clip\"", "\"cut\"")]
        {
            assert!(Training::begin(&valid.replacen(from, to, 1), None).is_err(), "{to}");
        }
    }

    #[test]
    fn clips_are_taken_apart_and_learned() {
        assert!(clips(&[2, 1], &[0, 1], &[16, 32, -16, 8, 0, 1]).is_ok());
        let all = clips(&[2, 1], &[0, 1], &[16, 32, -16, 8, 0, 1]).unwrap();
        assert_eq!((all[0].frames.as_slice(), all[0].label), (&[1.0, 2.0, -1.0, 0.5][..], 0));
        assert_eq!((all[1].frames.as_slice(), all[1].label), (&[0.0, 0.0625][..], 1));
        for (lengths, labels, values) in [
            (&[2, 1][..], &[0, 2][..], &[0; 6][..]),
            (&[2, 0], &[0, 1], &[0; 6]),
            (&[2, 1], &[0], &[0; 6]),
            (&[2, 1], &[0, 1], &[0; 7]),
        ] {
            assert!(clips(lengths, labels, values).is_err());
        }

        // Class 1 is a column that rises, class 0 one that falls.
        let lengths = [10; 40];
        let labels: Vec<u8> = (0..40).map(|n| n % 2).collect();
        let value = |n: usize, t: usize| (if n % 2 == 1 { t as i8 } else { 9 - t as i8 }) * 3 + (n % 5) as i8;
        let values: Vec<i8> = (0..40).flat_map(|n| (0..10).map(move |t| value(n, t))).collect();
        let settings = r#"{"hidden": 6, "lstms": 2, "residual": true, "forget_bias": 2, "rate": 0.02, "clip": 0, "frames": 12, "seed": 1}"#;
        let source = Source::Clips { clips: clips(&lengths, &labels, &values).unwrap(), tested: 10 };
        let mut training = Training::begin(settings, Some(source)).unwrap();
        (0..200).for_each(|_| drop(training.step()));
        assert_eq!(training.accuracy(1), 1.0);
        assert_eq!(training.example(3, 0).len(), 3 + 10 + 5 * 10);
    }
}
