//! The clip that benchmarks of the front end and of prediction share.

use reslstm::rng::RandomStream;
use std::f64::consts::TAU;

/// Samples per second, and samples of a clip: 3.7 s, the mean of RAVDESS.
pub const SAMPLE_RATE: u32 = 48_000;
const SAMPLES: usize = 177_600;

/// Something like a voice: harmonics of a falling pitch that get softer, and noise.
pub fn sound() -> Vec<f32> {
    let mut random = RandomStream::new(0, "noise", 0);
    let mut cycles = 0.0;
    let sample = |i: usize| {
        let seconds = i as f64 / f64::from(SAMPLE_RATE);
        cycles += (180.0 - 20.0 * seconds) / f64::from(SAMPLE_RATE);
        let voice: f64 = (1..30).map(|h| (TAU * f64::from(h) * cycles).sin() / f64::from(h)).sum();
        (0.1 * voice + 0.003 * random.normal()) as f32
    };
    (0..SAMPLES).map(sample).collect()
}
