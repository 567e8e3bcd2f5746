//! The page of `explain`: every step of a model on one clip, all panels on one time axis, and the equations of any unit with
//! their numbers at any frame.

use super::page::Page;
use crate::experiment::results::program;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reslstm::audio::{FeatureSettings, Recording, Sound, write_wav16};
use reslstm::audit::clip_gradients::{ClipGradients, LstmGradients};
use reslstm::audit::flow::Flow;
use reslstm::layers::BatchNorm;
use reslstm::matrix::Matrix;
use reslstm::models::{LstmTrace, Metadata, Model, Prediction, ResLstmSa, Trace};
use serde_json::{Value, json};

/// Number of time slices of the drawn waveform: as many as a wide screen shows.
const SLICES: usize = 1000;

/// The content of the page.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// Name of the clip.
    pub clip: &'a str,
    /// The recording, at the model's sample rate.
    pub recording: &'a Recording,
    /// Whether the page can play it.
    pub play: bool,
    /// Its level and speech.
    pub sound: Sound,
    /// Metadata of the model.
    pub metadata: &'a Metadata,
    /// The normalised features `[T,D]`.
    pub x: &'a Matrix<f32>,
    /// The prediction.
    pub prediction: &'a Prediction,
    /// The class under which `gradients` were computed.
    pub label: usize,
    /// All values of the forward pass.
    pub trace: &'a Trace<f32>,
    /// The branch's network.
    pub model: &'a Model<f64>,
    /// Gradients of the cross-entropy against `label`.
    pub gradients: &'a ClipGradients,
}

/// The page, as HTML text. Numbers are the engine's own, 32-bit floats to the bit; the page draws them and adds up the terms of
/// a gate.
pub fn html(explained: &Explained<'_>) -> String {
    let data = data(explained);
    Page {
        title: &format!("{}: {}", explained.clip, explained.metadata.architecture),
        style: include_str!("explain/explain.css"),
        body: include_str!("explain/explain.html"),
        data: &data,
        script: concat!(include_str!("explain/answer.js"), include_str!("explain/explain.js")),
    }
    .html()
}

fn data(explained: &Explained<'_>) -> Value {
    let Explained { clip, recording, play, metadata, x, trace, gradients, .. } = *explained;
    let Recording { sample_rate, samples } = recording;
    let seconds = metadata.features.hop as f64 / f64::from(*sample_rate);
    let sound =
        play.then(|| format!("data:audio/wav;base64,{}", BASE64_STANDARD.encode(write_wav16(samples, *sample_rate))));
    let flow = Flow::new(gradients);
    let lstms = trace.lstms.iter().zip(&gradients.lstms).zip(&flow.lstms);
    let lstms: Vec<Value> = lstms.map(|((lstm, gradients), flow)| lstm_data(lstm, gradients, &flow.h)).collect();
    json!({
        "clip": clip,
        "verdict": verdict(explained),
        "footer": footer(metadata),
        "frames": x.rows(),
        "seconds": seconds,
        "duration": samples.len() as f64 / f64::from(*sample_rate),
        "labels": metadata.labels,
        "label": explained.label,
        "features": feature_names(&metadata.features),
        "waveform": column_data(2, peaks(samples)),
        "sound": sound,
        "x": matrix_data(x),
        "saliency": column_data(x.cols(), flow.saliency.as_slice().iter().map(|gradient| gradient.abs() as f32)),
        "input_gradient": norms_data(&flow.input),
        "lstms": lstms,
        "scores": matrix_data(&trace.scores),
        "attention": column_data(1, trace.attention.iter().copied()),
        "dalpha": norms_data(&gradients.top.attention.dalpha),
        "dscores": gradient_data(&gradients.dscores),
        "probabilities": matrix_data(&trace.probabilities),
        "answer": answer_data(explained.model, gradients),
    })
}

/// What is above the last LSTM, and between two: values, gradients, and both batch norms.
fn answer_data(model: &Model<f64>, gradients: &ClipGradients) -> Value {
    let (Model::LstmSa(network) | Model::ResLstmSa(ResLstmSa { top: network, .. })) = model;
    let bridge = match (model, &gradients.bridge) {
        (Model::ResLstmSa(model), Some(bridge)) => json!({
            "norm": norm_data(&model.bn_residual),
            "sum": gradient_data(&bridge.sum),
            "enriched": gradient_data(&bridge.enriched),
            "dsum": gradient_data(&bridge.dsum),
            "denriched": gradient_data(&bridge.denriched),
        }),
        _ => Value::Null,
    };
    let top = &gradients.top;
    json!({
        "z": gradient_data(&top.logits),
        "p": gradient_data(&gradients.probabilities),
        "dz": gradient_data(&gradients.dlogits),
        "norm": norm_data(&network.bn),
        "ctx": gradient_data(&top.context),
        "y": gradient_data(&top.normalised),
        "dy": gradient_data(&top.dnormalised),
        "dctx": gradient_data(&top.dcontext),
        "u": gradient_data(&network.attention.vector),
        "bridge": bridge,
    })
}

/// Running mean, `1/√(v + ε)`, γ and β as rows, `[4,C]`.
fn norm_data(norm: &BatchNorm<f64>) -> Value {
    let rows = [&norm.running_mean.0, &norm.running_inv_std(), &norm.weight, &norm.bias];
    column_data(norm.weight.len(), rows.into_iter().flatten().map(|&value| value as f32))
}

fn lstm_data(lstm: &LstmTrace<f32>, LstmGradients { dh, all, .. }: &LstmGradients, gradient: &[f64]) -> Value {
    let [i, f, g, o] = lstm.tape.gates.each_ref().map(matrix_data);
    let [di, df, dg, d_o] = all.gates.each_ref().map(gradient_data);
    let reads = match lstm.name {
        "lstm2" => "LSTM1's h + the features, normalised",
        _ => "the features",
    };
    json!({
        "name": lstm.name,
        "units": lstm.tape.h.cols(),
        "reads": reads,
        "i": i, "f": f, "g": g, "o": o,
        "c": matrix_data(&lstm.tape.c),
        "tanh_c": matrix_data(&lstm.tape.tanh_c),
        "h": matrix_data(&lstm.tape.h),
        "input": matrix_data(&lstm.input),
        "recurrent": matrix_data(&lstm.recurrent),
        "bias": column_data(lstm.bias.len(), lstm.bias.iter().copied()),
        "gradient": norms_data(gradient),
        "above": gradient_data(dh),
        "dh": gradient_data(&all.h),
        "dc": gradient_data(&all.c),
        "di": di, "df": df, "dg": dg, "do": d_o,
    })
}

fn matrix_data(matrix: &Matrix<f32>) -> Value {
    column_data(matrix.cols(), matrix.as_slice().iter().copied())
}

fn gradient_data(matrix: &Matrix<f64>) -> Value {
    column_data(matrix.cols(), matrix.as_slice().iter().map(|&gradient| gradient as f32))
}

fn norms_data(norms: &[f64]) -> Value {
    column_data(1, norms.iter().map(|&norm| norm as f32))
}

/// Values row after row: 32-bit floats, little-endian, in base64, of which the page makes a `Float32Array`.
fn column_data(columns: usize, values: impl IntoIterator<Item = f32>) -> Value {
    let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
    json!({ "columns": columns, "values": BASE64_STANDARD.encode(bytes) })
}

/// The prediction, and the loss that the gradients belong to.
fn verdict(explained: &Explained<'_>) -> String {
    let Explained { metadata: Metadata { architecture, labels, .. }, prediction, sound, label, gradients, .. } =
        explained;
    let silence = if sound.has_speech { "" } else { ": nobody speaks, so its label is none" };
    let (predicted, probability) = (&labels[prediction.label], prediction.probabilities[prediction.label]);
    let loss = gradients.loss;
    let loss = if loss < 5e-4 { format!("{loss:.0e}") } else { format!("{loss:.3}") };
    format!(
        "{architecture} predicts {predicted} ({probability:.3}); {sound}{silence}; gradients: L = −ln P({}) = {loss}",
        labels[*label]
    )
}

fn footer(metadata: &Metadata) -> String {
    let made = format!("Made by {}.", program());
    match metadata.licence.as_str() {
        "" => made,
        licence => format!("{made} The model: {licence}"),
    }
}

/// Names of the columns, MFCC first.
fn feature_names(settings: &FeatureSettings) -> Vec<String> {
    settings.kinds().flat_map(|(kind, count)| (0..count).map(move |n| format!("{kind} {n}"))).collect()
}

/// Smallest and largest sample of every slice of time, slice after slice.
fn peaks(samples: &[f32]) -> Vec<f32> {
    let slices = SLICES.min(samples.len());
    let edge = |slice: usize| slice * samples.len() / slices;
    let peaks = |slice: usize| {
        let within = &samples[edge(slice)..edge(slice + 1)];
        let least = within.iter().copied().fold(f32::INFINITY, f32::min);
        [least, within.iter().copied().fold(f32::NEG_INFINITY, f32::max)]
    };
    (0..slices).flat_map(peaks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waveform_has_the_peaks_of_every_slice() {
        assert_eq!(peaks(&[0.5, -0.25]), [0.5, 0.5, -0.25, -0.25]);
        let mut samples = vec![0.0; 10 * SLICES + 7];
        (samples[3], samples[10 * SLICES + 6]) = (-1.0, 0.5);
        let peaks = peaks(&samples);
        assert_eq!(peaks.len(), 2 * SLICES);
        assert_eq!((peaks[0], peaks[2 * SLICES - 1]), (-1.0, 0.5));
        assert_eq!(peaks.iter().filter(|&&peak| peak != 0.0).count(), 2);
    }

    #[test]
    fn a_float_is_four_bytes_the_lowest_first() {
        assert_eq!(column_data(1, [1.0])["values"], "AACAPw==");
    }

    #[test]
    fn every_column_has_a_name() {
        let settings = FeatureSettings::default();
        let names = feature_names(&settings);
        assert_eq!((names.len(), names[33].as_str(), names[34].as_str()), (settings.width(), "MFCC 33", "chroma 0"));
    }
}
