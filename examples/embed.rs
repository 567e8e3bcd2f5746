//! Recognise an emotion inside another program: no files but those you read yourself, no command-line packages.
//!
//! ```text
//! cargo run --release --no-default-features --example embed -- MODEL.safetensors CLIP.wav
//! ```

use reslstm::audio::Recording;
use reslstm::models::Predictor;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(clip)) = (args.next(), args.next()) else {
        return Err("usage: embed MODEL.safetensors CLIP.wav".into());
    };
    let mut predictor = Predictor::from_bytes(&std::fs::read(model)?)?;
    let recording = Recording::from_wav(&std::fs::read(clip)?)?;
    let prediction = predictor.predict_recording(&recording)?;
    for (label, probability) in predictor.labels().iter().zip(&prediction.probabilities) {
        println!("{label:>10} {probability:.3}");
    }
    Ok(())
}
