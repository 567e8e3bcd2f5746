//! Predict the emotion of a recording inside your own program: two byte buffers in, labels and probabilities out.
//!
//! ```text
//! cargo run --release --example embed -- MODEL.safetensors CLIP.wav
//! ```
//! The library opens no files and starts no threads. For the smallest program, build with the profile `embed` of `Cargo.toml`
//! and without the default features:
//!
//! ```text
//! cargo build --profile embed --no-default-features --features std --example embed
//! ```

use reslstm::audio::Recording;
use reslstm::error::Result;
use reslstm::models::Predictor;

/// Every label with its probability, in the model's order. `model` is a model file, `wav` a WAV file at the model's sample rate.
fn predict(model: &[u8], wav: &[u8]) -> Result<Vec<(String, f32)>> {
    let mut predictor = Predictor::from_bytes(model)?; // load once, predict many clips
    let recording = Recording::from_wav(wav)?;
    let prediction = predictor.predict_recording(&recording)?;
    Ok(prediction.named_probabilities().map(|(label, probability)| (label.to_string(), probability)).collect())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(clip)) = (args.next(), args.next()) else {
        return Err("usage: embed MODEL.safetensors CLIP.wav".into());
    };
    for (label, probability) in predict(&std::fs::read(model)?, &std::fs::read(clip)?)? {
        println!("{label:>10} {probability:.3}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::{FeatureSettings, write_wav16};
    use reslstm::labels::Labels;
    use reslstm::models::{Metadata, Model, ModelFile};
    use reslstm::rng::RandomStream;

    #[test]
    fn a_model_file_and_a_recording_give_probabilities() {
        let arch = "reslstm-sa-h8";
        let mut metadata = Metadata::new(arch.into(), Labels::ravdess(), 16_000, FeatureSettings::default());
        (metadata.mean, metadata.std) = (vec![0.0; 46], vec![10.0; 46]);
        let untrained = Model::init(arch.parse().unwrap(), 46, 8, &mut RandomStream::new(1, "init", 0));
        let model = ModelFile::new(untrained, Some(metadata)).unwrap().to_bytes();

        let tone: Vec<f32> = (0..32_000).map(|i| 0.5 * (0.1 * i as f32).sin()).collect();
        let all = predict(&model, &write_wav16(&tone, 16_000)).unwrap();
        assert_eq!((all.len(), all[0].0.as_str(), all[7].0.as_str()), (8, "neutral", "surprised"));
        approx::assert_abs_diff_eq!(all.iter().map(|(_, p)| p).sum::<f32>(), 1.0, epsilon = 1e-6);
        assert!(predict(&model, b"not a WAV file").is_err());
        assert!(predict(&model, &write_wav16(&tone, 44_100)).is_err(), "another sample rate");
    }
}
