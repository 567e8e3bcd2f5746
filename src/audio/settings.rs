//! The settings of the front end: window, hop, bands, coefficients.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// More mel bands say nothing more about speech, and a damaged model file must not ask for gigabytes of filters.
const MOST_BANDS: usize = 1024;

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
    /// Window length, in samples: even, 32 to 65,536.
    pub n_fft: usize,
    /// Hop length, samples from one frame to the next: 1 to `n_fft`.
    pub hop: usize,
    /// Number of mel bands between 0 Hz and half the sample rate: 1 to `n_fft / 2`, at most 1,024.
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
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Default for FeatureSettings {
    fn default() -> Self {
        FeatureSettings { n_fft: 4096, hop: 2048, mel_bands: 128, mfcc: 34, chroma: 12, pitch: 0, deltas: 0 }
    }
}

impl FeatureSettings {
    /// These settings with some of them changed.
    ///
    /// # Errors
    /// [`Kind::Settings`], as [`validate`](Self::validate) of the result.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Result<Self> {
        change(&mut self);
        self.validate()?;
        Ok(self)
    }

    /// Number of feature columns: MFCC first, then chroma, then pitch, then deltas.
    pub fn width(&self) -> usize {
        self.mfcc + self.chroma + self.pitch + self.deltas
    }

    /// Kinds of columns in their order with their numbers, without the kinds of which there are none.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let all = [("MFCC", self.mfcc), ("chroma", self.chroma), ("pitch", self.pitch), ("delta", self.deltas)];
        all.into_iter().filter(|&(_, count)| count > 0)
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
        in_range("n_fft", self.n_fft, 32, 65_536)?;
        in_range("hop", self.hop, 1, self.n_fft)?;
        in_range("mel_bands", self.mel_bands, 1, MOST_BANDS.min(self.n_fft / 2))?;
        in_range("mfcc", self.mfcc, 1, self.mel_bands)?;
        in_range("chroma", self.chroma, 0, 48)?;
        in_range("pitch", self.pitch, 0, super::pitch::COLUMNS)?;
        in_range("deltas", self.deltas, 0, self.mfcc)?;
        multiple_of("n_fft", self.n_fft, 2)?;
        multiple_of("chroma", self.chroma, 12)?;
        multiple_of("pitch", self.pitch, super::pitch::COLUMNS)
    }
}

fn in_range(name: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
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
            (FeatureSettings { hop: 0, ..good() }, "hop", "1 to 4096"),
            (FeatureSettings { hop: 4097, ..good() }, "hop", "1 to 4096"),
            (FeatureSettings { mel_bands: 1025, ..good() }, "mel_bands", "1 to 1024"),
            (FeatureSettings { mfcc: 0, ..good() }, "mfcc", "1 to 128"),
            (FeatureSettings { mfcc: 129, ..good() }, "mfcc", "1 to 128"),
            (FeatureSettings { chroma: 13, ..good() }, "chroma", "a multiple of 12"),
            (FeatureSettings { chroma: 60, ..good() }, "chroma", "0 to 48"),
            (FeatureSettings { pitch: 1, ..good() }, "pitch", "a multiple of 2"),
            (FeatureSettings { pitch: 4, ..good() }, "pitch", "0 to 2"),
            (FeatureSettings { deltas: 35, ..good() }, "deltas", "0 to 34"),
        ] {
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            let expected = format!("feature setting {name}: expected {range}, got ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn settings_come_back_from_json_and_unknown_fields_are_refused() {
        let settings = FeatureSettings { hop: 1024, ..FeatureSettings::default() };
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(json, r#"{"n_fft":4096,"hop":1024,"mel_bands":128,"mfcc":34,"chroma":12}"#);
        assert_eq!(serde_json::from_str::<FeatureSettings>(&json).unwrap(), settings);
        let unknown = json.replace('}', r#","lifter":22}"#);
        assert!(serde_json::from_str::<FeatureSettings>(&unknown).unwrap_err().to_string().contains("lifter"));
    }
}
