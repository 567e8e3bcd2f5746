//! Voicing and pitch as a graph; the equations are those of the engine's `audio/pitch.rs`.

use super::{COLUMNS, tables};
use crate::onnx::graph::Value;
use reslstm::audio::FeatureSettings;

/// Pitches looked for, Hz.
const LOWEST_HZ: f64 = 60.0;
const HIGHEST_HZ: f64 = 600.0;
/// The pitch that counts as 0 octaves, Hz.
const MIDDLE_HZ: f32 = 200.0;
/// By how much a peak must be higher than one an octave above to be chosen.
const OCTAVE_COST: f32 = 0.01;
/// Periods that a window must hold.
const LEAST_PERIODS: usize = 3;
/// Bins below two cycles per window do not count: the mean of a frame is in them.
const FIRST_CYCLES: usize = 2;
/// Less than the strength of any peak.
const NO_PEAK: f32 = -1e9;

/// What the pitch of a frame is computed with.
pub struct Constants {
    sample_rate: f32,
    bins: usize,
    /// The first bin that counts.
    first_bin: usize,
    /// Lags that may be a period, samples.
    shortest: usize,
    longest: usize,
    /// Inverse of the window's autocorrelation at every lag, `[longest + 2]`.
    window_correction: Vec<f32>,
}

impl Constants {
    /// None if no period that is looked for fits the window three times.
    pub fn new(settings: &FeatureSettings, sample_rate: u32) -> Option<Self> {
        let rate = f64::from(sample_rate);
        let shortest = (rate / HIGHEST_HZ).ceil() as usize;
        let longest = ((rate / LOWEST_HZ).floor() as usize).min(settings.window() / LEAST_PERIODS);
        (shortest <= longest).then(|| Constants {
            sample_rate: sample_rate as f32,
            bins: settings.bins(),
            first_bin: (FIRST_CYCLES * settings.n_fft).div_ceil(settings.window()),
            shortest,
            longest,
            window_correction: tables::window_correction(settings, longest + 2),
        })
    }
}

/// Voicing, and voicing times octaves above 200 Hz, `[T,1]` each, of `power` `[T,B]`.
///
/// # Formula
/// ```text
/// strength = ρ − 0.01·log₂(τ)        at the peaks of ρ
/// voicing = ρ of the strongest        pitch = voicing·log₂(sample_rate/τ / 200 Hz)
/// ```
pub fn voicing_and_pitch<'g>(power: &Value<'g>, constants: &Constants) -> [Value<'g>; 2] {
    let rho = correlation(power, constants);
    let (first, end) = (constants.shortest as i64, constants.longest as i64 + 1);
    let [l, c, r] = [-1, 0, 1].map(|step| rho.slice(COLUMNS, first + step, end + step));
    let is_peak = c.is_above(&l).and(&c.is_at_least(&r));
    // The vertex of the parabola through the three.
    let slope = (&r - &l) / 2.0;
    let curvature = (&c - &l) + (&c - &r);
    let shift = is_peak.choose(&slope / curvature, 0.0);
    let height = &c + (slope * &shift) * 0.5;
    let lags: Vec<f32> = (constants.shortest..=constants.longest).map(|lag| lag as f32).collect();
    let lag = shift + power.constant("lags", &[1, lags.len()], &lags);

    let strength = is_peak.choose(&height - log2(&lag) * OCTAVE_COST, NO_PEAK);
    let best = strength.place_of_largest();
    let (height, lag) = (height.at_places(&best), lag.at_places(&best));
    let is_voiced = strength.at_places(&best).is_above(NO_PEAK).and(&height.is_above(0.0));
    let voicing = is_voiced.choose(height.or_at_most(1.0), 0.0).called("voicing");
    let octaves = log2(&(lag / (constants.sample_rate / MIDDLE_HZ))) * -1.0;
    let pitch = (&voicing * octaves).called("pitch");
    [voicing, pitch]
}

/// Normalised autocorrelation `[T,longest + 2]` of the frames with `power` `[T,B]`; 0 in silence.
///
/// # Formula
/// ```text
/// ρ[τ] = (r_x[τ] / r_x[0]) / (r_w[τ] / r_w[0])        r_x[τ] = Σ_k P[k]·cos(2πkτ/N), k = 0 … N−1, without the first bins
/// ```
/// `P[N−k] = P[k]`, so the sum is the real part of a Fourier transform.
fn correlation<'g>(power: &Value<'g>, constants: &Constants) -> Value<'g> {
    let (first, lags) = (constants.first_bin as i64, constants.longest + 2);
    let without_mean = power.slice(COLUMNS, first, i64::MAX).with_zeros_around(&[0, first, 0, 0]);
    let mirrored = without_mean.reversed_from(COLUMNS, constants.bins as i64 - 2);
    let spectra = without_mean.followed_by(&[&mirrored], COLUMNS).with_axes(&[2]).dft();
    let r = spectra.slice(1, 0, lags as i64).slice(2, 0, 1).without_axes(&[2]);
    let loudness = r.slice(COLUMNS, 0, 1);
    let is_sound = loudness.is_at_least(f32::MIN_POSITIVE);
    let correction = power.constant("window_correction", &[1, lags], &constants.window_correction);
    is_sound.choose(r / loudness, 0.0) * correction
}

fn log2<'g>(x: &Value<'g>) -> Value<'g> {
    x.ln() * std::f32::consts::LOG2_E
}
