//! Speech codecs: what encoding and decoding does to samples. A telephone's µ-law, and the scheme of the first digital mobile
//! telephones; both at 8,000 Hz.

/// Sample rate of both, Hz.
pub(super) const SAMPLE_RATE: u32 = 8_000;

/// A sample after encoding to eight bits of µ-law and decoding (ITU-T G.711).
///
/// # Formula
/// A sign, an exponent `e` of three bits and a mantissa of four; `x` as an integer of 16 bits:
/// ```text
/// b = min(|x|, 32,635) + 132         e = ⌊log₂ b⌋ − 7         s = ⌊b / 2^(e+3)⌋          16 ≤ s < 32
/// x' = ±((8·s + 4)·2^e − 132)
/// ```
pub(super) fn mu_law(x: f32) -> f32 {
    let biased = ((x.abs() * 32_768.0) as u32).min(32_635) + 132;
    let exponent = biased.ilog2() - 7;
    let step = biased >> (exponent + 3);
    let size = ((8 * step + 4) << exponent) - 132;
    (size as f32).copysign(x) / 32_768.0
}

/// Samples per frame of 20 ms, for which one filter is sent, and per subframe.
const FRAME: usize = 160;
const SUBFRAME: usize = 40;
/// Order of the prediction filter.
const ORDER: usize = 8;
/// Lags of the long-term predictor, samples: pitches from 67 to 200 Hz.
const LAGS: std::ops::RangeInclusive<usize> = 40..=120;
/// Log-area ratios are sent as `round(A·ratio + B)`, within these limits: 36 bits per frame.
const RATIOS: [(f64, f64, f64, f64); ORDER] = [
    (20.0, 0.0, -32.0, 31.0),
    (20.0, 0.0, -32.0, 31.0),
    (20.0, 4.0, -16.0, 15.0),
    (20.0, -5.0, -16.0, 15.0),
    (13.637, 0.184, -8.0, 7.0),
    (15.0, -3.5, -8.0, 7.0),
    (8.334, -0.666, -4.0, 3.0),
    (8.824, -2.235, -4.0, 3.0),
];
/// Gains of the long-term predictor, each with the least true gain that it stands for.
const GAINS: [(f64, f64); 4] = [(0.8, 1.0), (0.5, 0.65), (0.2, 0.35), (f64::NEG_INFINITY, 0.1)];
/// Low-pass before three of four samples of the residual are dropped, over 8,192.
const SMOOTHING: [f64; 11] = [-134.0, -374.0, 0.0, 2054.0, 5741.0, 8192.0, 5741.0, 2054.0, 0.0, -374.0, -134.0];
/// Pulses that are sent per subframe.
const PULSES: usize = 13;
/// Factor of the pre-emphasis.
const EMPHASIS: f64 = 0.86;

/// Samples after encoding and decoding at 13 kbit/s by the scheme of GSM's full-rate codec (ETSI EN 300 961, GSM 06.10): regular pulse
/// excitation with long-term prediction. It is GSM-like: computed in floating point, without the interpolation of filters between
/// frames, so not bit-exact; bits are counted, not packed.
///
/// ```text
/// per 160 samples   pre-emphasis, prediction filter of order 8                                      36 bits
/// per 40 samples    d  = the prediction's residual
///                   e  = d − gain·(decoded residual, lag samples earlier)                       7 + 2 bits
///                   of the smoothed e, every third sample from the best of four places on           2 bits
///                   … in eight levels of their maximum, itself logarithmic                 13·3 + 6 bits
/// decoder           decoded residual = pulses + gain·(…), through the inverse filter, de-emphasis
/// ```
pub(super) fn gsm_like(samples: &mut [f32]) {
    let mut analysis = [0.0; ORDER];
    let mut synthesis = [0.0; ORDER];
    let (mut before, mut after) = (0.0, 0.0);
    let mut residual = [0.0; 120];
    for frame in samples.chunks_mut(FRAME) {
        let mut x = [0.0; FRAME];
        for (x, &sample) in x.iter_mut().zip(frame.iter()) {
            *x = f64::from(sample) - EMPHASIS * before;
            before = f64::from(sample);
        }
        let reflection = reflection_coefficients(&x).map(|k| k.clamp(-0.999, 0.999));
        let reflection: [f64; ORDER] = std::array::from_fn(|i| sent_reflection(i, reflection[i]));
        let mut y = [0.0; FRAME];
        for (x, y) in x.as_chunks::<SUBFRAME>().0.iter().zip(y.as_chunks_mut::<SUBFRAME>().0) {
            let d = x.map(|x| inverse_filter(&reflection, &mut analysis, x));
            let decoded = sent_residual(&d, &residual);
            residual.copy_within(SUBFRAME.., 0);
            residual[120 - SUBFRAME..].copy_from_slice(&decoded);
            *y = decoded.map(|d| filter(&reflection, &mut synthesis, d));
        }
        for (sample, y) in frame.iter_mut().zip(y) {
            after = y + EMPHASIS * after;
            *sample = after as f32;
        }
    }
}

/// Reflection coefficients of the best linear prediction of `x`, from its autocorrelation (Levinson and Durbin).
///
/// # Formula
/// ```text
/// kᵢ = −(R[i] + Σⱼ aⱼ·R[i−j]) / E          aⱼ ← aⱼ + kᵢ·aᵢ₋ⱼ,  aᵢ ← kᵢ          E ← E·(1 − kᵢ²)
/// ```
fn reflection_coefficients(x: &[f64; FRAME]) -> [f64; ORDER] {
    let r: [f64; ORDER + 1] = std::array::from_fn(|lag| x[lag..].iter().zip(x).map(|(x, earlier)| x * earlier).sum());
    let (mut k, mut a, mut error) = ([0.0; ORDER], [0.0; ORDER + 1], r[0]);
    for i in 1..=ORDER {
        if error <= 0.0 {
            break;
        }
        let reflection = -(1..i).fold(r[i], |sum, j| sum + a[j] * r[i - j]) / error;
        let earlier = a;
        (1..i).for_each(|j| a[j] = earlier[j] + reflection * earlier[i - j]);
        (a[i], k[i - 1]) = (reflection, reflection);
        error *= 1.0 - reflection * reflection;
    }
    k
}

/// Coefficient `i` as it is after quantising: as a log-area ratio, which GSM replaces by three straight lines.
fn sent_reflection(i: usize, k: f64) -> f64 {
    let (a, b, least, most) = RATIOS[i];
    let ratio = match k.abs() {
        size if size < 0.675 => size,
        size if size < 0.95 => 2.0 * size - 0.675,
        size => 8.0 * size - 6.375,
    };
    // The coefficients of GSM have the other sign.
    let code = (a * ratio.copysign(-k) + b).round().clamp(least, most);
    let ratio = (code - b) / a;
    let size = match ratio.abs() {
        ratio if ratio < 0.675 => ratio,
        ratio if ratio < 1.225 => 0.5 * ratio + 0.3375,
        ratio => 0.125 * ratio + 0.796_875,
    };
    -size.min(0.999).copysign(ratio)
}

/// One sample through the prediction filter, a lattice: what is left of it is the residual. `state[i]` is the backward error of
/// order `i`, one sample ago.
///
/// # Formula
/// ```text
/// fᵢ[n] = fᵢ₋₁[n] + kᵢ·bᵢ₋₁[n−1]          bᵢ[n] = bᵢ₋₁[n−1] + kᵢ·fᵢ₋₁[n]          f₀ = b₀ = x,  residual f₈
/// ```
fn inverse_filter(k: &[f64; ORDER], state: &mut [f64; ORDER], x: f64) -> f64 {
    let (mut forward, mut backward) = (x, x);
    for (k, earlier) in k.iter().zip(state) {
        let above = *earlier + k * forward;
        forward += k * *earlier;
        *earlier = backward;
        backward = above;
    }
    forward
}

/// One sample of residual through the inverse of [`inverse_filter`].
fn filter(k: &[f64; ORDER], state: &mut [f64; ORDER], residual: f64) -> f64 {
    // inverse: fᵢ = fᵢ₋₁ + kᵢ·bᵢ₋₁, from the highest order down
    let mut forward = residual;
    for i in (0..ORDER).rev() {
        forward -= k[i] * state[i];
        if i + 1 < ORDER {
            state[i + 1] = state[i] + k[i] * forward;
        }
    }
    state[0] = forward;
    forward
}

/// A subframe's residual as the decoder has it; `earlier` is the decoded residual before it.
fn sent_residual(d: &[f64; SUBFRAME], earlier: &[f64; 120]) -> [f64; SUBFRAME] {
    let at_lag = |lag: usize| &earlier[120 - lag..][..SUBFRAME];
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let lag = LAGS.max_by(|&one, &other| dot(d, at_lag(one)).total_cmp(&dot(d, at_lag(other)))).expect("lags");
    let gain = dot(d, at_lag(lag)) / dot(at_lag(lag), at_lag(lag)).max(f64::MIN_POSITIVE);
    let (_, gain) = GAINS.into_iter().find(|(least, _)| gain > *least).unwrap_or(GAINS[3]);
    let predicted: [f64; SUBFRAME] = std::array::from_fn(|n| gain * at_lag(lag)[n]);

    let smoothed: [f64; SUBFRAME] = std::array::from_fn(|n| {
        let terms = SMOOTHING.iter().enumerate().filter_map(|(tap, weight)| {
            let place = (n + tap).checked_sub(5).filter(|&place| place < SUBFRAME)?;
            Some(weight * (d[place] - predicted[place]))
        });
        terms.sum::<f64>() / 8192.0
    });
    let pulses = |start: usize| (0..PULSES).map(move |i| start + 3 * i);
    let energy = |start: usize| pulses(start).map(|n| smoothed[n] * smoothed[n]).sum::<f64>();
    // Of equals the first.
    let start = (0..4).rev().max_by(|&one, &other| energy(one).total_cmp(&energy(other))).expect("four places");
    let most = sent_maximum(pulses(start).fold(0.0, |most: f64, n| most.max(smoothed[n].abs())));

    let mut decoded = predicted;
    for n in pulses(start) {
        let level = (4.0 * (smoothed[n] / most.max(f64::MIN_POSITIVE) + 1.0)).floor().clamp(0.0, 7.0);
        decoded[n] += most * (2.0 * level - 7.0) / 8.0;
    }
    decoded
}

/// A subframe's largest pulse in six bits: the upper end of the step that it is in. Steps are 32 of 32,768 up to 512, and twice
/// as large from each doubling on. Digital silence stays silence.
fn sent_maximum(most: f64) -> f64 {
    if most == 0.0 {
        return 0.0;
    }
    let most = (most * 32_768.0).min(32_767.0);
    let doublings = (most / 512.0).log2().floor().max(-1.0) + 1.0;
    let step = 32.0 * doublings.exp2();
    ((most / step).floor() + 1.0) * step / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::resample::to_rate;
    use crate::synth;
    use reslstm::audio::Recording;

    #[test]
    fn mu_law_has_255_levels_and_the_errors_of_the_standard() {
        let mut levels: Vec<i32> = (-32_768..32_768).map(|x| (mu_law(x as f32 / 32_768.0) * 32_768.0) as i32).collect();
        for (x, &level) in (-32_768..32_768i32).zip(&levels) {
            // Half a step: at most a 32nd of the biased sample, but for those above 32,635.
            assert!(
                (x - level).abs() as f64 <= (x.abs() + 132) as f64 / 32.0 + 1.0 || x.abs() > 32_635,
                "{x}: {level}"
            );
        }
        levels.sort_unstable();
        levels.dedup();
        // +0 and −0 are one level here.
        assert_eq!((levels.len(), levels[0], levels[127], levels[128]), (255, -32_124, 0, 8));
    }

    fn speech() -> Vec<f32> {
        let synth::Speech { sample_rate, samples } = synth::synthesise(1, &"03-01-03-01-02-01-04".parse().unwrap());
        to_rate(Recording { sample_rate, samples }, SAMPLE_RATE).unwrap().samples
    }

    #[test]
    fn the_lattice_and_its_inverse_undo_each_other() {
        let k = [0.9, -0.5, 0.3, 0.2, -0.1, 0.4, -0.3, 0.05];
        let (mut one, mut other) = ([0.0; ORDER], [0.0; ORDER]);
        for x in speech().into_iter().map(f64::from) {
            let residual = inverse_filter(&k, &mut one, x);
            approx::assert_abs_diff_eq!(filter(&k, &mut other, residual), x, epsilon = 1e-12);
        }
    }

    #[test]
    fn gsm_has_the_signal_to_noise_ratio_of_gsm_and_silence_stays_silent() {
        let clean = speech();
        let mut coded = clean.clone();
        gsm_like(&mut coded);
        let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|x| x * x).sum::<f64>();
        let signal = power(&mut clean.iter().map(|&x| f64::from(x)));
        let error = power(&mut clean.iter().zip(&coded).map(|(&x, &y)| f64::from(x - y)));
        let snr = 10.0 * (signal / error).log10();
        // libgsm has 16.1 dB here. On three clips of RAVDESS, ours has 9.2, 10.7 and 11.5 dB, libgsm 9.2, 9.9 and 12.0.
        assert!((14.0..18.0).contains(&snr), "{snr}");
        let mut silence = vec![0.0; 333];
        gsm_like(&mut silence);
        assert!(silence.iter().all(|&x| x == 0.0));
    }
}
