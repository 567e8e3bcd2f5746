//! The front end as a graph: from samples to features, step by step as in the engine's `audio` folder.
//!
//! Chroma is tuned to concert pitch: estimating the tuning of a clip takes medians and histograms, for which ONNX has no operators.

mod pitch;
mod tables;

use super::graph::Value;
use reslstm::audio::FeatureSettings;
use reslstm::error::{Error, Kind, Result};

/// The tuning of exported chroma, in chroma bins.
pub const TUNING: f64 = 0.0;

/// Axes of the matrices `[T,…]`: frames, and what each has.
const FRAMES: i64 = 0;
const COLUMNS: i64 = 1;

/// Powers below this count as this: −100 dB.
const LEAST_POWER: f32 = 1e-10;
/// Values further below the clip's loudest are raised to this distance, dB.
const RANGE_DB: f32 = 80.0;
/// Frames that a delta is computed from before the current one.
const DELTA_PAST: i64 = 4;

/// Features `[T,D]` of the samples `x` `[n]`, not normalised.
///
/// # Errors
/// [`Kind::Model`] if the settings have pitch, and the window is too short for any; or if they have what no graph here computes.
pub fn features<'g>(x: &Value<'g>, settings: &FeatureSettings, sample_rate: u32) -> Result<Value<'g>> {
    check_all_known(settings)?;
    let power = power(x, settings);
    let mfcc = mfcc(&power, settings, sample_rate);
    let mut others = Vec::new();
    if settings.chroma > 0 {
        others.push(chroma(&power, settings, sample_rate));
    }
    if settings.pitch > 0 {
        let constants = pitch::Constants::new(settings, sample_rate).ok_or_else(|| no_lag_fits(settings))?;
        others.extend(pitch::voicing_and_pitch(&power, &constants));
    }
    if settings.deltas > 0 {
        others.push(deltas(&mfcc, settings.deltas));
    }
    Ok(mfcc.followed_by(&others.iter().collect::<Vec<_>>(), COLUMNS))
}

/// The engine may get settings that this file does not know: they must not be left out in silence.
fn check_all_known(settings: &FeatureSettings) -> Result<()> {
    if settings.prepare {
        let problem = "expected features of recordings as they are; those of this model are of prepared recordings, and which samples \
                       are speech is decided step by step, for which ONNX has no operators";
        return Err(Error::new(Kind::Model, problem).at("features").advice("export without --with-front-end"));
    }
    let mut known = FeatureSettings::default();
    (known.n_fft, known.win_length, known.hop) = (settings.n_fft, settings.win_length, settings.hop);
    (known.mel_bands, known.mfcc, known.chroma) = (settings.mel_bands, settings.mfcc, settings.chroma);
    (known.pitch, known.deltas) = (settings.pitch, settings.deltas);
    if known == *settings {
        return Ok(());
    }
    let problem = format!("expected settings like {known:?}, got {settings:?}");
    Err(Error::new(Kind::Model, problem).at("features").advice("export without --with-front-end"))
}

fn no_lag_fits(settings: &FeatureSettings) -> Error {
    let problem = format!("a window of {} samples is too short for a pitch", settings.window());
    Error::new(Kind::Model, problem).at("pitch columns").advice("export without --with-front-end")
}

/// Power `[T,B]` of every frame and bin, frame `t` with sample `t·hop` in its middle.
///
/// # Formula
/// ```text
/// P[t,k] = |Σ_j w[j]·x[t·hop − N/2 + j]·e^(−2πi·jk/N)|²     x = 0 outside the clip
/// ```
fn power<'g>(x: &Value<'g>, settings: &FeatureSettings) -> Value<'g> {
    let half = settings.n_fft as i64 / 2;
    let window: Vec<f32> = tables::window(settings).into_iter().map(|w| w as f32).collect();
    let window = x.constant("window", &[settings.n_fft], &window);
    let centred = x.with_zeros_around(&[half, half]).with_axes(&[0, 2]);
    centred.stft(settings.hop, &window).without_axes(&[0]).sum_of_squares().called("power")
}

/// MFCC `[T,mfcc]` of `power` `[T,B]`.
///
/// # Formula
/// ```text
/// d = 10·log₁₀(max(1e−10, mel))        d ← max(d, largest of all d − 80)        MFCC = cosine transform of d
/// ```
fn mfcc<'g>(power: &Value<'g>, settings: &FeatureSettings, sample_rate: u32) -> Value<'g> {
    let FeatureSettings { mel_bands: bands, mfcc, .. } = *settings;
    let bank = power.constant("mel_bank", &[settings.bins(), bands], &tables::mel_bank(settings, sample_rate));
    let cosines = power.constant("cosine_transform", &[bands, mfcc], &tables::cosine_transform(settings));
    let db = power.matmul(&bank).or_at_least(LEAST_POWER).ln() * (10.0 / std::f32::consts::LN_10);
    let floor = db.largest_of_all() - RANGE_DB;
    db.or_at_least(floor).matmul(&cosines).called("mfcc")
}

/// Chroma `[T,chroma]` of `power` `[T,B]`, the largest value of a frame 1; silence stays 0.
fn chroma<'g>(power: &Value<'g>, settings: &FeatureSettings, sample_rate: u32) -> Value<'g> {
    let bank = tables::chroma_bank(settings, sample_rate, TUNING);
    let sums = power.matmul(&power.constant("chroma_bank", &[settings.bins(), settings.chroma], &bank));
    let largest = sums.largest(COLUMNS);
    (sums / largest.is_at_least(f32::MIN_POSITIVE).choose(&largest, 1.0)).called("chroma")
}

/// Slopes `[T,deltas]` of the first MFCC, over a frame and the four before it; the first frame is repeated before the beginning.
///
/// # Formula
/// ```text
/// d[t] = (2·(c[t] − c[t−4]) + (c[t−1] − c[t−3])) / 10
/// ```
fn deltas<'g>(mfcc: &Value<'g>, deltas: usize) -> Value<'g> {
    let c = mfcc.slice(COLUMNS, 0, deltas as i64).with_edges_repeated(&[DELTA_PAST, 0, 0, 0]);
    let aged = |age: i64| c.slice(FRAMES, DELTA_PAST - age, if age == 0 { i64::MAX } else { -age });
    let slopes = (aged(0) - aged(4)) * 2.0 + (aged(1) - aged(3));
    (slopes / 10.0).called("deltas")
}
