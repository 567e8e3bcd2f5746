//! The source: pulses of air between the vocal folds.

use super::SAMPLE_RATE;
use reslstm::rng::RandomStream;

/// Share of the open phase in which the folds part. They close in half that time, so the pulse is skewed.
const PARTING: f64 = 2.0 / 3.0;

/// Vocal folds that open and close, with random variation from cycle to cycle.
#[derive(Clone, Debug)]
pub(super) struct Glottis {
    /// Phase of the current cycle, `[0, 1)`.
    phase: f64,
    /// Random factors of this cycle's frequency (jitter) and strength (shimmer).
    jitter: f64,
    shimmer: f64,
    flow: f64,
    chance: RandomStream,
}

/// One sample of the source.
pub(super) struct Puff {
    /// Change of the air flow per cycle. It excites the tract, because the lips radiate the derivative of the flow.
    pub excitation: f64,
    /// Air flow, 0 (closed) to 1 (wide open).
    pub flow: f64,
}

impl Glottis {
    pub(super) fn new(chance: RandomStream) -> Self {
        Glottis { phase: 0.0, jitter: 1.0, shimmer: 1.0, flow: 0.0, chance }
    }

    /// One sample at a fundamental frequency of `f0` Hz. `open` is the share of a cycle in which air flows. `roughness` is the
    /// relative standard deviation of the frequency from cycle to cycle; that of the strength is five times as large.
    ///
    /// # Formula
    /// Rosenberg's polynomial pulse (1971) over the phase p, with the parting phase P = ⅔·open and the meeting phase M
    /// = ⅓·open:
    /// ```text
    /// flow = 3(p/P)² − 2(p/P)³      0 ≤ p < P
    ///      = 1 − ((p − P)/M)²       P ≤ p < P + M
    ///      = 0                      closed
    /// ```
    /// The difference of two samples of the flow is its mean slope between them. The corner at the closure, which gives the
    /// voice its overtones, is thus smoothed over one sample instead of aliased.
    pub(super) fn step(&mut self, f0: f64, open: f64, roughness: f64) -> Puff {
        let advance = f0 * self.jitter / f64::from(SAMPLE_RATE);
        self.phase += advance;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            // Three standard deviations at most: larger values would sound like a cough.
            self.jitter = 1.0 + roughness * self.chance.normal().clamp(-3.0, 3.0);
            self.shimmer = 1.0 + 5.0 * roughness * self.chance.normal().clamp(-3.0, 3.0);
        }
        let flow = self.shimmer * pulse(self.phase, open);
        let excitation = (flow - self.flow) / advance;
        self.flow = flow;
        Puff { excitation, flow }
    }
}

fn pulse(phase: f64, open: f64) -> f64 {
    let (parting, meeting) = (open * PARTING, open * (1.0 - PARTING));
    if phase < parting {
        let p = phase / parting;
        p * p * (3.0 - 2.0 * p)
    } else if phase < open {
        1.0 - ((phase - parting) / meeting).powi(2)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_opens_slowly_and_closes_fast() {
        assert_eq!(pulse(0.0, 0.6), 0.0);
        assert!((pulse(0.2, 0.6) - 0.5).abs() < 1e-12);
        assert!((pulse(0.4, 0.6) - 1.0).abs() < 1e-12);
        assert!((pulse(0.5, 0.6) - 0.75).abs() < 1e-12);
        assert_eq!((pulse(0.6, 0.6), pulse(0.99, 0.6)), (0.0, 0.0));
        // Steepest at the closure, where the slope is −2/M.
        let slope = (pulse(0.6, 0.6) - pulse(0.5999, 0.6)) / 0.0001;
        assert!((slope + 10.0).abs() < 0.01, "{slope}");
    }

    #[test]
    fn cycles_have_the_given_frequency_and_zero_mean() {
        let mut glottis = Glottis::new(RandomStream::new(1, "test", 0));
        let puffs: Vec<Puff> = (0..SAMPLE_RATE).map(|_| glottis.step(107.0, 0.6, 0.0)).collect();
        let closures = puffs.windows(2).filter(|pair| pair[0].flow > 0.0 && pair[1].flow == 0.0).count();
        assert_eq!(closures, 107);
        let sum: f64 = puffs.iter().map(|puff| puff.excitation).sum();
        let size: f64 = puffs.iter().map(|puff| puff.excitation.abs()).sum();
        assert!(sum.abs() < 1e-3 * size, "{sum} of {size}");
    }

    #[test]
    fn roughness_is_the_standard_deviation_over_cycles() {
        let mut glottis = Glottis::new(RandomStream::new(1, "test", 0));
        let (mut lengths, mut length) = (Vec::new(), 0);
        for _ in 0..60 * SAMPLE_RATE {
            let before = glottis.phase;
            glottis.step(100.0, 0.6, 0.02);
            length += 1;
            if glottis.phase < before {
                lengths.push(f64::from(std::mem::take(&mut length)));
            }
        }
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        let deviation = (lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / lengths.len() as f64).sqrt() / mean;
        // 6000 cycles: the standard error of the deviation is 1 % of it.
        assert!((deviation - 0.02).abs() < 0.001, "{deviation}");
    }
}
