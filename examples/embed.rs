//! A trained model inside another program, without the command or anything it needs:
//! `cargo run --release --no-default-features --example embed MODEL.safetensors CLIP.wav`

use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::Predictor;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match predict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn predict() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, clip] = &arguments[..] else {
        return Err(Error::new(Kind::Settings, "expected two arguments, MODEL.safetensors CLIP.wav"));
    };
    let mut predictor = Predictor::from_bytes(&reslstm::files::read(Path::new(model))?)?;
    let recording = Recording::from_wav(&reslstm::files::read(Path::new(clip))?)?;
    let prediction = predictor.predict_recording(&recording)?;
    for (label, probability) in predictor.labels().iter().zip(&prediction.probabilities) {
        println!("{:5.1} %  {label}", 100.0 * probability);
    }
    println!("{}", predictor.labels()[prediction.label]);
    Ok(())
}
