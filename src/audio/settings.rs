//! The settings of the front end: window, hop, bands, coefficients.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::prelude::*;

/// More mel bands say nothing more about speech, and a damaged model file must not ask for gigabytes of filters.
const MOST_BANDS: usize = 1024;
/// Range of the upper edge of the mel bands, Hz: half the range of sample rates.
const LOWEST_HIGH_HZ: u32 = 500;
const HIGHEST_HIGH_HZ: u32 = 500_000;
/// The longest transform, in samples.
const LONGEST: usize = 65_536;
/// The most transforms that a sample is in. With [`MOST_BANDS`], the features of a clip are at most 131 numbers per sample: 1,024
/// MFCC, 1,024 deltas, 48 chroma and 2 pitch every 16 samples.
const MOST_OVERLAP: usize = 128;

/// The settings of the front end. A model file contains those of its training, so that prediction computes the same features.
///
/// The default is the paper's: 85 ms windows with half overlap at 48 kHz, 34 MFCC and 12 chroma. [`with`](Self::with) changes
/// some of them and checks the result; [`FrontEnd::new`](super::FrontEnd::new) checks again.
///
/// ```
/// use reslstm::audio::FeatureSettings;
///
/// assert_eq!(FeatureSettings::default().width(), 46);
/// let shorter = FeatureSettings::default().with(|settings| settings.hop = 1024)?;
/// assert_eq!(shorter.frames(48_000), 1 + 48_000 / 1024);
/// assert!(FeatureSettings::default().with(|settings| settings.mfcc = 129).is_err()); // of 128 mel bands
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FeatureSettings {
    /// Length of the transform, in samples: even, 32 to 65,536. It is the window length too, unless `win_length` is set.
    pub n_fft: usize,
    /// Window length in samples where it is shorter than the transform: 32 to `n_fft - 1`. The window has zeros on both
    /// sides then, as librosa's `win_length`. `None`: as long as the transform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub win_length: Option<usize>,
    /// Hop length, samples from one frame to the next: `n_fft / 128`, at least 1, to the window length.
    pub hop: usize,
    /// Number of mel bands between 0 Hz and `high_hz`: 1 to `n_fft / 2`, at most 1,024.
    pub mel_bands: usize,
    /// Number of MFCC, the first of the cosine transform: 1 to `mel_bands`.
    pub mfcc: usize,
    /// Number of chroma bins in an octave: 12, 24, 36 or 48; 0 for none.
    pub chroma: usize,
    /// Number of pitch columns, voicing and pitch: 0 or 2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pitch: usize,
    /// Number of deltas, the slopes of the first MFCC: 0 to `mfcc`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deltas: usize,
    /// Upper edge of the mel bands, Hz, at most half the sample rate. `None`: half the sample rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_hz: Option<u32>,
    /// Tuning of the chroma filters, in hundredths of a chroma bin: −50 to 50. `None`: each recording's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<i32>,
    /// Whether recordings are prepared: resampled by [`Resampler`](super::Resampler), long silence left out, speech brought to
    /// one level; see the [module](super#prepared-recordings).
    #[serde(default, skip_serializing_if = "is_false")]
    pub prepare: bool,
    /// Whether there is a level column: the level of a prepared recording's speech, dB of full scale, the same in all its frames. It
    /// says how loud a speaker is for whoever knows other recordings of that speaker, and nothing to others:
    /// [`Normaliser::without_speaker`](crate::normalise::Normaliser::without_speaker).
    #[serde(default, skip_serializing_if = "is_false")]
    pub level: bool,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Default for FeatureSettings {
    fn default() -> Self {
        FeatureSettings {
            n_fft: 4096,
            win_length: None,
            hop: 2048,
            mel_bands: 128,
            mfcc: 34,
            chroma: 12,
            pitch: 0,
            deltas: 0,
            high_hz: None,
            tuning: None,
            prepare: false,
            level: false,
        }
    }
}

impl FeatureSettings {
    /// The settings for recordings as people make them, all at [`SPEECH_RATE`](Self::SPEECH_RATE): 34 MFCC of bands up to 7.6 kHz,
    /// chroma in concert pitch, pitch, level and 12 deltas, in frames as long as the paper's, of prepared recordings.
    pub fn speech() -> Self {
        let columns = FeatureSettings { pitch: 2, deltas: 12, ..FeatureSettings::default() };
        let settings = FeatureSettings { high_hz: Some(7_600), tuning: Some(0), prepare: true, level: true, ..columns };
        let frames = settings.with_frames(Self::PAPER_WINDOW_MS, Self::PAPER_HOP_MS, Self::SPEECH_RATE);
        frames.expect("valid settings")
    }

    /// Sample rate of [`speech`](Self::speech), Hz: what telephones, meetings and microcontrollers have at least.
    pub const SPEECH_RATE: u32 = 16_000;

    /// These settings with some of them changed.
    ///
    /// # Errors
    /// [`Kind::Settings`], as [`validate`](Self::validate) of the result.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Result<Self> {
        change(&mut self);
        self.validate()?;
        Ok(self)
    }

    /// These settings with a window of `window_ms` milliseconds every `hop_ms`, for recordings of `sample_rate` Hz. The transform
    /// has the next power of two. With [`PAPER_WINDOW_MS`](Self::PAPER_WINDOW_MS) and [`PAPER_HOP_MS`](Self::PAPER_HOP_MS), these
    /// are the paper's 4096 and 2048 samples at 48 kHz, and frames of the same duration at every other rate.
    ///
    /// ```
    /// use reslstm::audio::FeatureSettings;
    ///
    /// let (window, hop) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS);
    /// let paper = FeatureSettings::default();
    /// assert_eq!(paper.clone().with_frames(window, hop, 48_000)?, paper);
    /// let telephone = paper.with_frames(window, hop, 8_000)?;
    /// assert_eq!((telephone.window(), telephone.n_fft, telephone.hop), (683, 1024, 341));
    /// # Ok::<(), reslstm::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Kind::Settings`], as [`validate`](Self::validate) of the result.
    pub fn with_frames(self, window_ms: f64, hop_ms: f64, sample_rate: u32) -> Result<Self> {
        let samples = |ms: f64| (f64::from(sample_rate) * ms / 1000.0).round() as usize;
        let window = samples(window_ms);
        // No power of two for what is out of range anyway.
        let n_fft = window.min(2 * LONGEST).next_power_of_two();
        let win_length = (window != n_fft).then_some(window);
        let changed = FeatureSettings { n_fft, win_length, hop: samples(hop_ms), ..self };
        changed.validate().map_err(|error| error.at(format!("frames at {sample_rate} Hz")))?;
        Ok(changed)
    }

    /// Duration of the paper's window, milliseconds: 4096 samples at 48 kHz.
    pub const PAPER_WINDOW_MS: f64 = 4096.0 / 48.0;
    /// Duration of the paper's hop, milliseconds: 2048 samples at 48 kHz.
    pub const PAPER_HOP_MS: f64 = 2048.0 / 48.0;

    /// Window length, in samples.
    pub fn window(&self) -> usize {
        self.win_length.unwrap_or(self.n_fft)
    }

    /// Number of feature columns: MFCC first, then chroma, then pitch, then level, then deltas.
    pub fn width(&self) -> usize {
        self.mfcc + self.chroma + self.pitch + usize::from(self.level) + self.deltas
    }

    /// Kinds of columns in their order with their numbers, without the kinds of which there are none.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let all = [
            ("MFCC", self.mfcc),
            ("chroma", self.chroma),
            ("pitch", self.pitch),
            ("level", usize::from(self.level)),
            ("delta", self.deltas),
        ];
        all.into_iter().filter(|&(_, count)| count > 0)
    }

    /// The level column, if there is one.
    pub fn level_column(&self) -> Option<usize> {
        self.level.then_some(self.mfcc + self.chroma + self.pitch)
    }

    /// Number of frequency bins of a frame: 0 Hz, half the sample rate, and what lies between.
    pub fn bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// Number of frames `T` of a clip of `samples` samples: one is centred on every `hop`-th sample, from sample 0 on.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.hop
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`Kind::Settings`], naming the first setting outside its range.
    pub fn validate(&self) -> Result<()> {
        in_range("n_fft", self.n_fft, 32, LONGEST)?;
        in_range("win_length", self.win_length.unwrap_or(32), 32, self.n_fft - 1)?;
        in_range("hop", self.hop, self.n_fft.div_ceil(MOST_OVERLAP), self.window())?;
        in_range("mel_bands", self.mel_bands, 1, MOST_BANDS.min(self.n_fft / 2))?;
        in_range("mfcc", self.mfcc, 1, self.mel_bands)?;
        in_range("chroma", self.chroma, 0, super::chroma::MOST_CLASSES)?;
        in_range("pitch", self.pitch, 0, super::pitch::COLUMNS)?;
        in_range("deltas", self.deltas, 0, self.mfcc)?;
        in_range("high_hz", self.high_hz.unwrap_or(LOWEST_HIGH_HZ), LOWEST_HIGH_HZ, HIGHEST_HIGH_HZ)?;
        in_range("tuning", self.tuning.unwrap_or(0), -50, 50)?;
        if self.level && !self.prepare {
            return Err(refused("level", "expected true only with prepare, got it without".into()));
        }
        multiple_of("n_fft", self.n_fft, 2)?;
        multiple_of("chroma", self.chroma, 12)?;
        multiple_of("pitch", self.pitch, super::pitch::COLUMNS)
    }
}

fn in_range<T: PartialOrd + fmt::Display>(name: &str, value: T, least: T, most: T) -> Result<()> {
    if least <= value && value <= most {
        return Ok(());
    }
    Err(refused(name, format!("expected {least} to {most}, got {value}")))
}

fn multiple_of(name: &str, value: usize, factor: usize) -> Result<()> {
    if value.is_multiple_of(factor) {
        return Ok(());
    }
    Err(refused(name, format!("expected a multiple of {factor}, got {value}")))
}

fn refused(name: &str, problem: String) -> Error {
    let default = FeatureSettings::default();
    Error::new(Kind::Settings, problem)
        .at(format!("feature setting {name}"))
        .advice(format!("the paper's settings are {default:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_papers() {
        let settings = FeatureSettings::default();
        settings.validate().unwrap();
        assert_eq!((settings.width(), settings.bins()), (46, 2049));
        assert_eq!([0, 2047, 2048, 4096].map(|n| settings.frames(n)), [1, 1, 2, 3]);
    }

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let good = FeatureSettings::default;
        for (settings, name, range) in [
            (FeatureSettings { n_fft: 4097, ..good() }, "n_fft", "a multiple of 2"),
            (FeatureSettings { n_fft: usize::MAX, ..good() }, "n_fft", "32 to 65536"),
            (FeatureSettings { win_length: Some(31), ..good() }, "win_length", "32 to 4095"),
            (FeatureSettings { win_length: Some(4096), ..good() }, "win_length", "32 to 4095"),
            (FeatureSettings { win_length: Some(2000), ..good() }, "hop", "32 to 2000"),
            (FeatureSettings { hop: 0, ..good() }, "hop", "32 to 4096"),
            (FeatureSettings { hop: 31, ..good() }, "hop", "32 to 4096"),
            (FeatureSettings { hop: 4097, ..good() }, "hop", "32 to 4096"),
            (FeatureSettings { n_fft: 65_536, win_length: Some(32), hop: 1, ..good() }, "hop", "512 to 32"),
            (FeatureSettings { mel_bands: 1025, ..good() }, "mel_bands", "1 to 1024"),
            (FeatureSettings { mfcc: 0, ..good() }, "mfcc", "1 to 128"),
            (FeatureSettings { mfcc: 129, ..good() }, "mfcc", "1 to 128"),
            (FeatureSettings { chroma: 13, ..good() }, "chroma", "a multiple of 12"),
            (FeatureSettings { chroma: 60, ..good() }, "chroma", "0 to 48"),
            (FeatureSettings { pitch: 1, ..good() }, "pitch", "a multiple of 2"),
            (FeatureSettings { pitch: 4, ..good() }, "pitch", "0 to 2"),
            (FeatureSettings { deltas: 35, ..good() }, "deltas", "0 to 34"),
            (FeatureSettings { high_hz: Some(499), ..good() }, "high_hz", "500 to 500000"),
            (FeatureSettings { tuning: Some(-51), ..good() }, "tuning", "-50 to 50"),
            (FeatureSettings { level: true, ..good() }, "level", "true only with prepare"),
        ] {
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            let expected = format!("feature setting {name}: expected {range}, got ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn frames_in_milliseconds_have_the_same_duration_at_every_rate() {
        let at = |rate: u32| {
            let (window, hop) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS);
            FeatureSettings::default().with_frames(window, hop, rate).unwrap()
        };
        // round(rate * 4096 / 48000), the next power of two, round(rate * 2048 / 48000).
        for (rate, window, n_fft, hop) in [
            (8_000, 683, 1024, 341),
            (16_000, 1365, 2048, 683),
            (22_050, 1882, 2048, 941),
            (44_100, 3763, 4096, 1882),
            (48_000, 4096, 4096, 2048),
            (96_000, 8192, 8192, 4096),
        ] {
            let settings = at(rate);
            assert_eq!((settings.window(), settings.n_fft, settings.hop), (window, n_fft, hop), "{rate} Hz");
            assert_eq!(settings.win_length.is_none(), window == n_fft);
        }
        assert_eq!(at(48_000), FeatureSettings::default());
        let error = FeatureSettings::default().with_frames(25.0, 40.0, 16_000).unwrap_err().to_string();
        assert!(error.starts_with("frames at 16000 Hz: feature setting hop: expected 4 to 400, got 640"), "{error}");
        let error = FeatureSettings::default().with_frames(f64::MAX, 40.0, 16_000).unwrap_err().to_string();
        assert!(error.contains("n_fft: expected 32 to 65536, got 131072"), "{error}");
    }

    #[test]
    fn settings_come_back_from_json_and_unknown_fields_are_refused() {
        let settings = FeatureSettings { hop: 1024, ..FeatureSettings::default() };
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(json, r#"{"n_fft":4096,"hop":1024,"mel_bands":128,"mfcc":34,"chroma":12}"#);
        assert_eq!(serde_json::from_str::<FeatureSettings>(&json).unwrap(), settings);
        let padded = FeatureSettings { win_length: Some(3763), ..settings };
        let json_padded = serde_json::to_string(&padded).unwrap();
        assert_eq!(json_padded, json.replace("4096,", r#"4096,"win_length":3763,"#));
        assert_eq!(serde_json::from_str::<FeatureSettings>(&json_padded).unwrap(), padded);
        let speech = FeatureSettings::speech();
        let json_speech =
            r#"{"n_fft":2048,"win_length":1365,"hop":683,"mel_bands":128,"mfcc":34,"chroma":12,"pitch":2,"deltas":12,"#
                .to_string()
                + r#""high_hz":7600,"tuning":0,"prepare":true,"level":true}"#;
        assert_eq!(serde_json::to_string(&speech).unwrap(), json_speech);
        assert_eq!(serde_json::from_str::<FeatureSettings>(&json_speech).unwrap(), speech);
        let unknown = json.replace('}', r#","lifter":22}"#);
        assert!(serde_json::from_str::<FeatureSettings>(&unknown).unwrap_err().to_string().contains("lifter"));
    }
}
