//! Constants of the front end as matrices, for products: computed in f64, rounded once. The formulas are derived in the files of
//! the engine's `audio` folder that have these names.

use reslstm::audio::FeatureSettings;
use std::f64::consts::PI;

/// Slaney's mel scale: linear up to 1000 Hz, which is mel 15; above, 27 mel are a factor of 6.4.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
const CORNER_HZ: f64 = 1000.0;
const CORNER_MEL: f64 = 15.0;
/// 27 / ln 6.4
const MELS_PER_E_FOLD: f64 = 27.0 / 1.856_297_990_365_626_3;

/// The A that chroma counts octaves from, Hz.
const A0_HZ: f64 = 27.5;
/// The octave with the largest weight, in octaves above it, and the standard deviation of the weight.
const CENTRE_OCTAVE: f64 = 5.0;
const OCTAVE_WIDTH: f64 = 2.0;

/// The periodic Hann window in the middle of a transform, zeros around it, `[n_fft]`.
pub fn window(settings: &FeatureSettings) -> Vec<f64> {
    let (length, n) = (settings.window(), settings.n_fft);
    let hann = (0..length).map(|j| (PI * j as f64 / length as f64).sin().powi(2));
    let mut window = vec![0.0; n];
    window[(n - length) / 2..].iter_mut().zip(hann).for_each(|(place, w)| *place = w);
    window
}

/// `r_w[0] / r_w[τ]` of the window, for `τ < lags`, where `r_w[τ] = Σ_j w[j]·w[(j + τ) mod N]`.
pub fn window_correction(settings: &FeatureSettings, lags: usize) -> Vec<f32> {
    let (w, n) = (window(settings), settings.n_fft);
    let r = |lag: usize| (0..n).map(|j| w[j] * w[(j + lag) % n]).sum::<f64>();
    let loudness = r(0);
    (0..lags).map(|lag| (loudness / r(lag)) as f32).collect()
}

/// Mel bands of power, `[B,bands]`: triangles of area 1 Hz, equally spaced on the mel scale.
pub fn mel_bank(settings: &FeatureSettings, sample_rate: u32) -> Vec<f32> {
    let highest = mel_of_hz(f64::from(sample_rate) / 2.0);
    let edge = |m: usize| hz_of_mel(highest * m as f64 / (settings.mel_bands + 1) as f64);
    let hz_per_bin = f64::from(sample_rate) / settings.n_fft as f64;
    matrix(settings.bins(), settings.mel_bands, |k, m| {
        let (hz, [low, peak, high]) = (k as f64 * hz_per_bin, [edge(m), edge(m + 1), edge(m + 2)]);
        ((hz - low) / (peak - low)).min((high - hz) / (high - peak)).max(0.0) * 2.0 / (high - low)
    })
}

fn mel_of_hz(hz: f64) -> f64 {
    if hz < CORNER_HZ { hz / HZ_PER_MEL } else { CORNER_MEL + (hz / CORNER_HZ).ln() * MELS_PER_E_FOLD }
}

fn hz_of_mel(mel: f64) -> f64 {
    if mel < CORNER_MEL { mel * HZ_PER_MEL } else { CORNER_HZ * ((mel - CORNER_MEL) / MELS_PER_E_FOLD).exp() }
}

/// The first columns of the orthonormal cosine transform (DCT-II), `[bands,mfcc]`.
pub fn cosine_transform(settings: &FeatureSettings) -> Vec<f32> {
    let bands = settings.mel_bands as f64;
    matrix(settings.mel_bands, settings.mfcc, |m, c| {
        let scale = (if c == 0 { 1.0 } else { 2.0 } / bands).sqrt();
        scale * (PI * c as f64 * (m as f64 + 0.5) / bands).cos()
    })
}

/// Shares of power of the pitch classes, `[B,chroma]`, C first, for a tuning in chroma bins.
pub fn chroma_bank(settings: &FeatureSettings, sample_rate: u32, tuning: f64) -> Vec<f32> {
    let octave = settings.chroma as f64;
    let hz_per_bin = f64::from(sample_rate) / settings.n_fft as f64;
    let origin = A0_HZ * (tuning / octave).exp2();
    let pitch_of = |k: usize| octave * (k as f64 * hz_per_bin / origin).log2();
    // Bin 0 has no pitch: it is taken to be one and a half octaves below bin 1.
    let pitch = |k: usize| if k == 0 { pitch_of(1) - 1.5 * octave } else { pitch_of(k) };
    let share = |k: usize, c: usize| {
        let width = (pitch(k + 1) - pitch(k)).max(1.0);
        // Pitches count from A, columns from C, a quarter of an octave higher.
        let octaves_away = (pitch(k) - octave / 4.0 - c as f64) / octave;
        let distance = (octaves_away - octaves_away.round()) * octave;
        (-0.5 * (2.0 * distance / width).powi(2)).exp()
    };
    matrix(settings.bins(), settings.chroma, |k, c| {
        let length = (0..settings.chroma).map(|c| share(k, c).powi(2)).sum::<f64>().sqrt();
        let octaves_off = (pitch(k) / octave - CENTRE_OCTAVE) / OCTAVE_WIDTH;
        share(k, c) * ((-0.5 * octaves_off.powi(2)).exp() / length)
    })
}

fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Vec<f32> {
    let value = &value;
    (0..rows).flat_map(|row| (0..columns).map(move |column| value(row, column) as f32)).collect()
}
