//! Babble: several people talking at once, as in a café. The voices are those of our own synthesiser.

use super::random_stream_of;
use crate::corpus::resample::to_rate;
use crate::synth::{self, SAMPLE_RATE};
use reslstm::audio::Recording;
use reslstm::error::Result;
use std::sync::OnceLock;

/// Number of people who talk at once.
const VOICES: usize = 8;
/// Sentences of each, one after the other and from the start again.
const SENTENCES: usize = 6;
/// Seed of the voices.
const SEED: u64 = 20;

/// `length` samples of babble for a recording: everyone talks from a random place on, all equally loud. The random stream is
/// seeded by the recording's samples.
pub(super) fn babble(samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
    let mut stream = random_stream_of(samples, "babble");
    let length = (samples.len() as u64 * u64::from(SAMPLE_RATE)).div_ceil(u64::from(sample_rate)) as usize;
    let mut mixed = vec![0.0; length];
    for voice in voices() {
        let start = stream.below(voice.len());
        mixed.iter_mut().zip(voice.iter().cycle().skip(start)).for_each(|(sum, x)| *sum += x);
    }
    let mut mixed = to_rate(Recording { sample_rate: SAMPLE_RATE, samples: mixed }, sample_rate)?.samples;
    mixed.truncate(samples.len());
    Ok(mixed)
}

/// The voices, each of mean power 1. They are made once per process.
fn voices() -> &'static [Vec<f32>] {
    static BANK: OnceLock<Vec<Vec<f32>>> = OnceLock::new();
    BANK.get_or_init(|| {
        let names = synth::plan(VOICES, 2, 2).expect("as many speakers, statements and repetitions as there are");
        let of_each = names.len() / VOICES;
        let voice = |number: usize| {
            // Evenly over what a speaker says, so in several emotions.
            let said = (0..SENTENCES).map(|n| &names[number * of_each + n * of_each / SENTENCES]);
            let mut samples: Vec<f32> = said.flat_map(|name| synth::synthesise(SEED, name).samples).collect();
            let power = samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / samples.len() as f64;
            samples.iter_mut().for_each(|x| *x = (f64::from(*x) / power.sqrt()) as f32);
            samples
        };
        (0..VOICES).map(voice).collect()
    })
}
