//! The filter: the vocal tract as resonators.

use std::f64::consts::PI;

use super::SAMPLE_RATE;

/// Sampling interval, seconds.
const T: f64 = 1.0 / SAMPLE_RATE as f64;

/// A second-order digital resonator: one formant.
///
/// # Formula
/// ```text
/// y[n] = a·x[n] + b·y[n−1] + c·y[n−2]
/// c = −e^(−2πBT)      b = 2·e^(−πBT)·cos 2πFT      a = 1 − b − c
/// ```
/// for a formant at `F` Hz with a bandwidth of `B` Hz, as in Klatt's software synthesiser of 1980. The gain is 1 at 0 Hz, so
/// formants in a cascade have the same relative heights as in speech.
#[derive(Clone, Debug, Default)]
pub(super) struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    y1: f64,
    y2: f64,
}

impl Resonator {
    /// Moves the formant to `frequency` Hz with `bandwidth` Hz; the filter state is kept.
    pub(super) fn tune(&mut self, frequency: f64, bandwidth: f64) {
        let radius = (-PI * bandwidth * T).exp();
        self.c = -radius * radius;
        self.b = 2.0 * radius * (2.0 * PI * frequency * T).cos();
        self.a = 1.0 - self.b - self.c;
    }

    /// Filters one sample.
    pub(super) fn step(&mut self, x: f64) -> f64 {
        let y = self.a * x + self.b * self.y1 + self.c * self.y2;
        (self.y2, self.y1) = (self.y1, y);
        y
    }
}

/// A first-order low-pass: `y[n] = y[n−1] + k·(x[n] − y[n−1])`.
#[derive(Clone, Debug)]
pub(super) struct OnePole {
    k: f64,
    y: f64,
}

impl OnePole {
    /// A low-pass with its corner at `frequency` Hz.
    pub(super) fn new(frequency: f64) -> Self {
        OnePole { k: 1.0 - (-2.0 * PI * frequency * T).exp(), y: 0.0 }
    }

    /// Filters one sample; `x` minus the result is the high-pass output.
    pub(super) fn step(&mut self, x: f64) -> f64 {
        self.y += self.k * (x - self.y);
        self.y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain at `frequency` Hz, from the response to one second of a sine wave after another second to settle.
    fn gain(frequency: f64, mut filter: impl FnMut(f64) -> f64) -> f64 {
        let one_second = SAMPLE_RATE as usize;
        let wave = |n: usize| (2.0 * PI * frequency * n as f64 * T).sin();
        let response: Vec<f64> = (0..2 * one_second).map(|n| filter(wave(n))).collect();
        let power: f64 = response[one_second..].iter().map(|y| y * y).sum();
        (2.0 * power / one_second as f64).sqrt()
    }

    #[test]
    fn a_resonator_passes_0_hz_unchanged_and_peaks_at_its_formant() {
        let mut resonator = Resonator::default();
        resonator.tune(700.0, 70.0);
        let settled = (0..SAMPLE_RATE).map(|_| resonator.step(1.0)).last().unwrap();
        assert!((settled - 1.0).abs() < 1e-9, "{settled}");
        let at = |frequency| {
            let mut resonator = Resonator::default();
            resonator.tune(700.0, 70.0);
            gain(frequency, |x| resonator.step(x))
        };
        // The height of a resonance is about F/B; the bandwidth is where it has fallen by 3 dB.
        assert!((at(700.0) - 10.0).abs() < 0.2, "{}", at(700.0));
        for edge in [665.0, 735.0] {
            let fallen = 20.0 * (at(edge) / at(700.0)).log10();
            assert!((fallen + 3.0).abs() < 0.5, "{edge} Hz: {fallen} dB");
        }
        // Far above, it falls by 12 dB per octave.
        let octave = 20.0 * (at(5600.0) / at(2800.0)).log10();
        assert!((octave + 12.3).abs() < 0.5, "{octave}");
    }

    #[test]
    fn a_one_pole_halves_the_power_at_its_corner() {
        let at = |frequency| {
            let mut filter = OnePole::new(200.0);
            gain(frequency, |x| filter.step(x))
        };
        assert!((at(200.0) - 0.5f64.sqrt()).abs() < 0.01, "{}", at(200.0));
        assert!((at(10.0) - 1.0).abs() < 0.01, "{}", at(10.0));
    }
}
