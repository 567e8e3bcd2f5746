//! Recognise an emotion inside another program: no files but those you read yourself, no command-line packages.
//!
//! ```text
//! cargo run --release --no-default-features --example embed -- MODEL.safetensors CLIP.wav
//! ```

use reslstm::audio::Recording;
use reslstm::models::Predictor;

/// The bytes of a model file and of a WAV file in, every label with its probability out.
fn recognise(model: &[u8], wav: &[u8]) -> reslstm::error::Result<Vec<(String, f32)>> {
    let mut predictor = Predictor::from_bytes(model)?;
    let prediction = predictor.predict_recording(&Recording::from_wav(wav)?)?;
    Ok(predictor.labels().iter().cloned().zip(prediction.probabilities).collect())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(clip)) = (args.next(), args.next()) else {
        return Err("usage: embed MODEL.safetensors CLIP.wav".into());
    };
    for (label, probability) in recognise(&std::fs::read(model)?, &std::fs::read(clip)?)? {
        println!("{label:>10} {probability:.3}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::write_wav16;
    use reslstm::data::synth::synthesise;

    #[test]
    fn a_model_file_and_a_recording_give_probabilities() {
        let model = include_bytes!("../data/reslstm-sa-h64-ravdess.safetensors");
        let speech = synthesise(0, &"03-01-05-02-01-01-01".parse().unwrap());
        let all = recognise(model, &write_wav16(&speech.samples, speech.sample_rate)).unwrap();
        assert_eq!((all.len(), all[0].0.as_str(), all[7].0.as_str()), (8, "neutral", "surprised"));
        approx::assert_abs_diff_eq!(all.iter().map(|(_, p)| p).sum::<f32>(), 1.0, epsilon = 1e-6);
        assert!(recognise(model, b"no sound").is_err());
    }
}
