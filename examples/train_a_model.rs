//! Train a model from recordings in memory, and use it: the whole way, without files or a command.
//!
//! ```text
//! cargo run --release --example train_a_model
//! ```
//! Two speakers hum: "calm" is a low steady tone, "excited" a high one that rises. A real corpus takes the place of `recordings`;
//! nothing else changes.

use reslstm::audio::{FeatureSettings, FrontEnd, Recording};
use reslstm::data::{Clip, Dataset};
use reslstm::labels::Labels;
use reslstm::models::Predictor;
use reslstm::train::{Settings, Trainer};

const RATE: u32 = 16_000;

/// One second of a tone with three harmonics, `[n]`, from `low` to `high` Hz.
fn tone(low: f32, high: f32) -> Recording {
    let mut phase = 0.0f32;
    let sample = |n: u32| {
        phase += std::f32::consts::TAU * (low + (high - low) * n as f32 / RATE as f32) / RATE as f32;
        0.3 * (phase.sin() + 0.5 * (2.0 * phase).sin() + 0.25 * (3.0 * phase).sin())
    };
    Recording { sample_rate: RATE, samples: (0..RATE).map(sample).collect() }
}

/// Recordings with label and speaker.
fn recordings() -> impl Iterator<Item = (Recording, usize, &'static str)> {
    (0..12).map(|n| {
        let (speaker, voice) = if n % 4 < 2 { ("ann", 200.0) } else { ("bob", 120.0) };
        let pitch = voice + 3.0 * n as f32;
        match n % 2 {
            0 => (tone(pitch, pitch), 0, speaker),
            _ => (tone(1.5 * pitch, 2.5 * pitch), 1, speaker),
        }
    })
}

fn main() -> reslstm::error::Result<()> {
    let features = FeatureSettings::default();
    let mut front_end = FrontEnd::new(features.clone(), RATE)?;
    let mut clips = Vec::new();
    for (number, (recording, label, speaker)) in recordings().enumerate() {
        let features = front_end.features(&recording.samples)?;
        clips.push(Clip { name: format!("clip {number}"), label, speaker: speaker.into(), features });
    }
    let dataset = Dataset::new(Labels::new(vec!["calm".into(), "excited".into()])?, clips)?;

    let mut settings = Settings::default();
    settings.arch = "reslstm-sa-h8".parse()?;
    (settings.epochs, settings.batch) = (20, 4);
    let settings = settings.check()?;
    let model = Trainer::new(&dataset, RATE, &features, &settings)
        .on_epoch(|epoch, record| println!("epoch {:2}: loss {:.3}", epoch + 1, record.loss))
        .train()?;

    let mut predictor = Predictor::from_bytes(&model.to_bytes())?; // what a file would hold
    for (name, recording) in [("low and steady", tone(150.0, 150.0)), ("high and rising", tone(250.0, 420.0))] {
        let prediction = predictor.predict_recording(&recording)?;
        println!("{name}: {}", prediction.label_name());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_runs() {
        super::main().unwrap();
    }
}
