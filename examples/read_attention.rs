//! Read a model's attention: how much each frame of a recording counts in its answer.
//!
//! ```text
//! cargo run --release --example read_attention [-- MODEL.safetensors CLIP.wav]
//! ```
//! Without arguments: the bundled model (trained on RAVDESS, CC BY-NC-SA 4.0) hears a sentence of the speech synthesiser. It was
//! trained on people, so its answer may well be wrong. A weight is that of a hidden state, which knows the frames before it too.

use reslstm::audio::Recording;
use reslstm::data::synth::synthesise;
use reslstm::error::Result;
use reslstm::models::{Predictor, Tape};
use reslstm::packed::{Packed, Padding};

const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/reslstm-sa-h64-ravdess.safetensors");
/// Columns of a bar for the largest weight.
const WIDTH: f32 = 50.0;

/// Attention of every frame, `[T]`, and the probability of every class, `[K]`.
fn read(predictor: &mut Predictor, recording: &Recording) -> Result<(Vec<f32>, Vec<f32>)> {
    let probabilities = predictor.predict_recording(recording)?.probabilities;
    let features = predictor.features(&recording.samples)?;
    let x = predictor.normalised(&features)?.clone();
    let mut tape = Tape::default();
    predictor.model().forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), &x, &mut tape);
    Ok((tape.top.attention.alpha, probabilities))
}

/// Fewest frames that together have half of the attention.
fn frames_of_half(alpha: &[f32]) -> usize {
    let mut sorted = alpha.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let reaches_half = |share: &f32| {
        sum += share;
        sum >= 0.5
    };
    1 + sorted.iter().position(reaches_half).expect("all together are 1")
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (model, recording) = match &args[..] {
        [] => {
            let speech = synthesise(0, &"03-01-05-02-01-01-01".parse()?);
            (BUNDLED, Recording { sample_rate: speech.sample_rate, samples: speech.samples })
        }
        [model, clip] => (model.as_str(), Recording::from_wav(&std::fs::read(clip)?)?),
        _ => return Err("usage: read_attention [MODEL.safetensors CLIP.wav]".into()),
    };
    let mut predictor = Predictor::from_bytes(&std::fs::read(model)?)?;
    let (alpha, probabilities) = read(&mut predictor, &recording)?;

    let hop = predictor.metadata().expect("a model that hears says how").features.hop;
    let largest = alpha.iter().copied().fold(0.0, f32::max);
    println!("seconds  attention (an equal share would be {:.4})", 1.0 / alpha.len() as f32);
    for (t, &alpha) in alpha.iter().enumerate() {
        let seconds = (t * hop) as f64 / f64::from(recording.sample_rate);
        println!("{seconds:7.2}  {alpha:.4}  {}", "█".repeat((WIDTH * alpha / largest).round() as usize));
    }
    println!("\nhalf of the attention lies in {} of {} frames", frames_of_half(&alpha), alpha.len());
    for (label, probability) in predictor.labels().iter().zip(probabilities) {
        println!("{label:>10}  {probability:.3}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_is_a_share_of_every_frame() {
        let mut predictor = Predictor::from_bytes(&std::fs::read(BUNDLED).unwrap()).unwrap();
        let speech = synthesise(0, &"03-01-05-02-01-01-01".parse().unwrap());
        let recording = Recording { sample_rate: speech.sample_rate, samples: speech.samples };
        let (alpha, probabilities) = read(&mut predictor, &recording).unwrap();
        assert_eq!((alpha.len(), probabilities.len()), (1 + recording.samples.len() / 2048, 8));
        approx::assert_abs_diff_eq!(alpha.iter().sum::<f32>(), 1.0, epsilon = 1e-5);
        assert!(alpha.iter().all(|&share| share > 0.0));
    }

    #[test]
    fn half_of_the_attention_counts_the_largest_first() {
        assert_eq!(frames_of_half(&[0.1, 0.6, 0.1, 0.2]), 1);
        assert_eq!(frames_of_half(&[0.25; 4]), 2);
        assert_eq!(frames_of_half(&[0.3, 0.1, 0.3, 0.3]), 2);
    }
}
