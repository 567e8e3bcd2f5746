//! Show a model's attention: how much weight each frame of a recording has in the prediction.
//!
//! ```text
//! cargo run --release --example read_attention -- MODEL.safetensors CLIP.wav
//! ```
//! Prints one line per frame with its time, its attention weight and a bar. The weight belongs to a hidden state of the LSTM,
//! which also carries information about the frames before it.

use reslstm::audio::Recording;
use reslstm::error::Result;
use reslstm::models::{Prediction, Predictor, Tape};
use reslstm::packed::{Packed, Padding};

/// Width of the bar of the largest weight, in characters.
const WIDTH: f32 = 50.0;

/// The prediction for `recording`, and the attention weight of every frame, `[T]`; the weights add up to 1 (Eq. 4).
fn predict_with_attention(predictor: &mut Predictor, recording: &Recording) -> Result<(Prediction, Vec<f32>)> {
    let prediction = predictor.predict_recording(recording)?;
    // The same computation step by step: features, normalisation, forward pass. The tape keeps what the forward pass computes.
    let features = predictor.features(&recording.samples)?;
    let x = predictor.normalised(&features)?.clone();
    let mut tape = Tape::default();
    predictor.model().forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), &x, &mut tape);
    Ok((prediction, tape.top.attention.alpha))
}

/// The smallest number of frames that together have half of the attention.
fn frames_with_half(alpha: &[f32]) -> usize {
    let mut sorted = alpha.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let reaches_half = |weight: &f32| {
        sum += weight;
        sum >= 0.5
    };
    1 + sorted.iter().position(reaches_half).expect("the weights add up to 1")
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(clip)) = (args.next(), args.next()) else {
        return Err("usage: read_attention MODEL.safetensors CLIP.wav".into());
    };
    let mut predictor = Predictor::from_bytes(&std::fs::read(model)?)?;
    let recording = Recording::from_wav(&std::fs::read(clip)?)?;
    let (prediction, alpha) = predict_with_attention(&mut predictor, &recording)?;

    let hop = predictor.metadata().expect("a model that takes recordings has metadata").features.hop;
    let largest = alpha.iter().copied().fold(0.0, f32::max);
    println!("seconds  attention (uniform would be {:.4})", 1.0 / alpha.len() as f32);
    for (t, &alpha) in alpha.iter().enumerate() {
        let seconds = (t * hop) as f64 / f64::from(recording.sample_rate);
        println!("{seconds:7.2}  {alpha:.4}  {}", "█".repeat((WIDTH * alpha / largest).round() as usize));
    }
    println!("\nhalf of the attention is on {} of {} frames", frames_with_half(&alpha), alpha.len());
    for (label, probability) in prediction.named_probabilities() {
        println!("{label:>10}  {probability:.3}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::FeatureSettings;
    use reslstm::labels::Labels;
    use reslstm::models::{Metadata, Model, ModelFile};
    use reslstm::rng::RandomStream;

    #[test]
    fn attention_has_one_positive_weight_per_frame_and_they_add_up_to_one() {
        let arch = "reslstm-sa-h8";
        let mut metadata = Metadata::new(arch.into(), Labels::ravdess(), 16_000, FeatureSettings::default());
        (metadata.mean, metadata.std) = (vec![0.0; 46], vec![10.0; 46]);
        let untrained = Model::init(arch.parse().unwrap(), 46, 8, &mut RandomStream::new(1, "init", 0));
        let mut predictor = Predictor::new(ModelFile::new(untrained, Some(metadata)).unwrap()).unwrap();

        let samples: Vec<f32> = (0..32_000).map(|i| 0.5 * (0.1 * i as f32).sin()).collect();
        let recording = Recording { sample_rate: 16_000, samples };
        let (prediction, alpha) = predict_with_attention(&mut predictor, &recording).unwrap();
        assert_eq!((alpha.len(), prediction.probabilities.len()), (1 + 32_000 / 2048, 8));
        approx::assert_abs_diff_eq!(alpha.iter().sum::<f32>(), 1.0, epsilon = 1e-5);
        assert!(alpha.iter().all(|&weight| weight > 0.0));
    }

    #[test]
    fn half_of_the_attention_counts_the_largest_first() {
        assert_eq!(frames_with_half(&[0.1, 0.6, 0.1, 0.2]), 1);
        assert_eq!(frames_with_half(&[0.25; 4]), 2);
        assert_eq!(frames_with_half(&[0.3, 0.1, 0.3, 0.3]), 2);
    }
}
