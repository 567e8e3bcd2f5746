//! The front end: from a recording to one row of 46 numbers every 43 milliseconds.
//!
//! ```text
//!  samples [n] ──stft──▶ power [T,B] ──mel──▶ mel bands [T,128] ──decibels──▶ ──cosine transform──▶ MFCC [T,34]
//!                            │
//!                            ├──tuning──▶ one number ─┐
//!                            ├──────────────────────chroma──────────────────────────────────────▶ chroma [T,12]
//!                            └───────────────────────pitch──────────────────────────────────────▶ voicing, pitch [T,2]
//! ```
//!
//! | step                                    | file        | librosa 0.11                                      |
//! |-----------------------------------------|-------------|---------------------------------------------------|
//! | bytes to one channel of samples         | `wav.rs`    | `load(path, sr=None)`                             |
//! | power spectrogram                       | `stft.rs`   | `abs(stft(y, n_fft=4096, hop_length=2048)) ** 2`  |
//! | mel bands                               | `mel.rs`    | `filters.mel`, `feature.melspectrogram`           |
//! | decibels, MFCC                          | `mfcc.rs`   | `power_to_db`, `feature.mfcc(n_mfcc=34)`          |
//! | tuning: deviation from concert pitch    | `tuning.rs` | `estimate_tuning` on the power spectrogram        |
//! | chroma: power of the 12 pitch classes   | `chroma.rs` | `filters.chroma`, `feature.chroma_stft`           |
//! | voicing and pitch                       | `pitch.rs`  | none (Boersma 1993); not in the paper             |
//! | deltas of the first MFCC                | `delta.rs`  | like `feature.delta`; not in the paper            |
//!
//! At other rates than the paper's 48 kHz, frames of the same duration have fewer samples than a power of two. The window is then
//! `win_length` samples in the middle of a transform of `n_fft`, as in librosa:
//! [`FeatureSettings::with_frames`].
//!
//! `speech.rs` tells the level of a sound and whether somebody speaks in it, from the samples alone.
//!
//! `live.rs` computes the same while the recording is still going on.
//!
//! MFCC describe the timbre of a voice, chroma its melody regardless of the octave. Pitch, which includes the octave, and
//! deltas are optional. All are computed from one spectrogram. The paper's 46 columns equal librosa's up to rounding: the
//! golden test `tests/golden_features.rs` compares them.
//!
//! ```
//! use reslstm::audio::{FeatureSettings, FrontEnd};
//!
//! let hz = 440.0;
//! let tone: Vec<f32> = (0..48_000).map(|i| (0.5 * (std::f64::consts::TAU * hz * i as f64 / 48e3).sin()) as f32).collect();
//! let features = FrontEnd::new(FeatureSettings::default(), 48_000)?.features(&tone)?;
//! assert_eq!(features.shape(), [1 + 48_000 / 2048, 46]);
//! assert_eq!(features.row(10)[34 + 9], 1.0); // the loudest chroma is A: C is the first of twelve, A the tenth
//! # Ok::<(), reslstm::error::Error>(())
//! ```

use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;

mod chroma;
mod delta;
mod live;
mod mel;
mod mfcc;
mod pitch;
mod settings;
mod speech;
mod stft;
mod tuning;
mod wav;

pub use live::LiveFrontEnd;
pub use settings::FeatureSettings;
pub use speech::{Sound, SpeechDetector};
pub use wav::{DecodedWav, Recording, decode_wav, wav_sample_rate, write_wav16};

use chroma::ChromaBank;
use mel::MelBank;
use mfcc::{BEFORE_FIRST_FRAME, CosineTransform, decibels};
use pitch::PitchEstimator;
use stft::Stft;
use tuning::TuningEstimator;

/// Accepted sample rates, Hz. Anything outside is a damaged header.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;
/// The largest sample accepted: full scale is 1, but float files in the scale of 32-bit integers exist. Its powers are far
/// from the largest `f32`.
const LOUDEST: f32 = 2_147_483_648.0;

/// The front end for one sample rate: FFT plans, filter banks and buffers, built once and used for many clips.
#[derive(Clone)]
pub struct FrontEnd {
    settings: FeatureSettings,
    sample_rate: u32,
    stft: Stft,
    mel_bank: MelBank,
    cosine_transform: CosineTransform,
    tuning_estimator: TuningEstimator,
    /// One bank per tuning so far: an estimate is one of a hundred values, so they soon recur.
    chroma_banks: Vec<ChromaBank>,
    /// None if the settings have no pitch.
    pitch_estimator: Option<PitchEstimator>,
    /// `[T,B]`
    power: Matrix<f32>,
    /// `[T,mel_bands]`
    mel: Matrix<f32>,
    /// Loudest mel band of the clip so far, dB.
    loudest: f32,
}

impl FrontEnd {
    /// A front end for clips of `sample_rate` Hz.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the settings are out of range, [`Kind::Audio`] if the sample rate is.
    pub fn new(settings: FeatureSettings, sample_rate: u32) -> Result<Self> {
        settings.validate()?;
        check_sample_rate(sample_rate)?;
        Ok(FrontEnd {
            stft: Stft::new(&settings),
            mel_bank: MelBank::new(&settings, sample_rate),
            cosine_transform: CosineTransform::new(&settings),
            tuning_estimator: TuningEstimator::new(&settings, sample_rate),
            chroma_banks: Vec::new(),
            pitch_estimator: (settings.pitch > 0).then(|| PitchEstimator::new(&settings, sample_rate)),
            power: Matrix::default(),
            mel: Matrix::default(),
            loudest: BEFORE_FIRST_FRAME,
            settings,
            sample_rate,
        })
    }

    /// The settings it was built with.
    pub fn settings(&self) -> &FeatureSettings {
        &self.settings
    }

    /// Sample rate the filter banks are for, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Features of one clip, not normalised: `samples` `[n]` to `[T,width]` with `T = 1 + n / hop`, MFCC in the first columns,
    /// then chroma from C upwards, then voicing and pitch, then deltas; one row per frame. Chroma is tuned to the clip's
    /// own [`tuning`](Self::tuning).
    ///
    /// # Errors
    /// [`Kind::Audio`] if there are no samples, or some are NaN, infinite or beyond 2³¹ in size.
    pub fn features(&mut self, samples: &[f32]) -> Result<Matrix<f32>> {
        self.analyse_clip(samples)?;
        let tuning = self.tuning_estimator.estimate(&self.power);
        Ok(self.features_of_clip(tuning))
    }

    /// As [`features`](Self::features), with chroma tuned to `tuning`, a fraction of a chroma bin (of a semitone, with twelve).
    ///
    /// # Errors
    /// As [`features`](Self::features), and [`Kind::Settings`] if `tuning` is not from −0.5 to 0.5.
    pub fn features_with_tuning(&mut self, samples: &[f32], tuning: f64) -> Result<Matrix<f32>> {
        if !(-0.5..=0.5).contains(&tuning) {
            let problem = format!("expected a tuning from -0.5 to 0.5 chroma bins, got {tuning}");
            return Err(Error::new(Kind::Settings, problem).advice("a tuning is a fraction of a bin"));
        }
        self.analyse_clip(samples)?;
        Ok(self.features_of_clip(tuning))
    }

    /// Estimated tuning of one clip `[n]`, in chroma bins (semitones, with twelve): one of −0.50, −0.49, … 0.49, and 0 where
    /// no pitch is found (`librosa.estimate_tuning` as `librosa.feature.chroma_stft` calls it).
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn tuning(&mut self, samples: &[f32]) -> Result<f64> {
        self.analyse_clip(samples)?;
        Ok(self.tuning_estimator.estimate(&self.power))
    }

    /// Power of a whole clip `[n]`, into `self.power` `[T,B]`.
    fn analyse_clip(&mut self, samples: &[f32]) -> Result<()> {
        check_samples(samples)?;
        self.stft.power(samples, &mut self.power);
        self.loudest = BEFORE_FIRST_FRAME;
        Ok(())
    }

    /// From `self.power` `[T,B]` to features `[T,width]`.
    fn features_of_clip(&mut self, tuning: f64) -> Matrix<f32> {
        let mut features = self.features_of_power(tuning);
        delta::append(&mut features, self.settings.deltas);
        features
    }

    /// From `self.power` `[T,B]` to features `[T,width]` but for the deltas.
    fn features_of_power(&mut self, tuning: f64) -> Matrix<f32> {
        let mut features = Matrix::zeros(self.power.rows(), self.settings.width());
        self.mel_bank.apply(&self.power, &mut self.mel);
        decibels(self.mel.as_mut_slice(), &mut self.loudest);
        self.cosine_transform.apply(&self.mel, &mut features);
        if self.settings.chroma > 0 {
            let bank = self.chroma_bank(tuning);
            self.chroma_banks[bank].apply(&self.power, &mut features, self.settings.mfcc);
        }
        if let Some(estimator) = &mut self.pitch_estimator {
            estimator.apply(&self.power, &mut features, self.settings.mfcc + self.settings.chroma);
        }
        features
    }

    /// Place of the bank for `tuning` among `chroma_banks`, built now if it is new.
    fn chroma_bank(&mut self, tuning: f64) -> usize {
        if let Some(place) = self.chroma_banks.iter().position(|bank| bank.tuning() == tuning) {
            return place;
        }
        // There are `CELLS` estimates. More tunings than that are a caller's own, of which there may be any number.
        if self.chroma_banks.len() == tuning::CELLS {
            self.chroma_banks.clear();
        }
        self.chroma_banks.push(ChromaBank::new(&self.settings, self.sample_rate, tuning));
        self.chroma_banks.len() - 1
    }
}

fn check_sample_rate(hz: u32) -> Result<()> {
    if SAMPLE_RATES.contains(&hz) {
        return Ok(());
    }
    let (least, most) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
    let problem = format!("expected a sample rate of {least} to {most} Hz, got {hz}");
    Err(Error::new(Kind::Audio, problem).advice("the header is damaged, or the sound must be resampled"))
}

fn check_samples(samples: &[f32]) -> Result<()> {
    if samples.is_empty() {
        return Err(Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the clip out"));
    }
    // Written so that NaN, which compares with nothing, fails. No early exit: good clips are read to the end anyway.
    let fits = |sample: f32| sample.abs() <= LOUDEST;
    if samples.iter().fold(true, |all, &sample| all & fits(sample)) {
        return Ok(());
    }
    let at = samples.iter().position(|&sample| !fits(sample)).expect("one of them does not fit");
    let problem = format!("expected samples between -1 and 1, got {:e} at sample {at}", samples[at]);
    Err(Error::new(Kind::Audio, problem).advice("repair or scale the recording, or leave it out"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;

    fn noise(length: usize, loudness: f64) -> Vec<f32> {
        let mut stream = RandomStream::new(3, "noise", length as u64);
        (0..length).map(|_| (loudness * stream.normal()) as f32).collect()
    }

    fn front_end() -> FrontEnd {
        FrontEnd::new(FeatureSettings::default(), 16_000).unwrap()
    }

    #[test]
    fn features_do_not_depend_on_earlier_clips() {
        // Long, short, silent, long again.
        let clips = [noise(20_000, 0.1), noise(500, 0.3), vec![0.0; 9_000], noise(30_000, 0.01)];
        let mut used = front_end();
        for clip in &clips {
            assert_eq!(used.features(clip).unwrap(), front_end().features(clip).unwrap());
        }
    }

    #[test]
    fn features_are_those_of_the_estimated_tuning() {
        let clip = noise(40_000, 0.1);
        let tuning = front_end().tuning(&clip).unwrap();
        let tuned = front_end().features(&clip).unwrap();
        assert_eq!(front_end().features_with_tuning(&clip, tuning).unwrap(), tuned);
        let other = front_end().features_with_tuning(&clip, if tuning < 0.0 { 0.25 } else { -0.25 }).unwrap();
        for (a, b) in tuned.iter_rows().zip(other.iter_rows()) {
            assert_eq!(a[..34], b[..34], "tuning moves chroma alone");
            assert_ne!(a[34..], b[34..]);
        }
    }

    #[test]
    fn silence_has_minus_100_decibels_and_zero_chroma() {
        let features = front_end().features(&[0.0; 5000]).unwrap();
        assert_eq!(features.shape(), [3, 46]);
        for row in features.iter_rows() {
            // Orthonormal: 128 equal bands of −100 have the mean coefficient −100·√128 and no other.
            assert!((row[0] + 100.0 * 128f32.sqrt()).abs() < 1e-2, "{}", row[0]);
            assert!(row[1..34].iter().all(|c| c.abs() < 1e-2));
            assert_eq!(row[34..], [0.0; 12]);
        }
    }

    #[test]
    fn the_number_of_chroma_banks_is_bounded() {
        let mut front_end = FrontEnd::new(
            FeatureSettings {
                n_fft: 64,
                win_length: None,
                hop: 32,
                mel_bands: 8,
                mfcc: 4,
                chroma: 12,
                pitch: 0,
                deltas: 0,
            },
            8_000,
        )
        .unwrap();
        for i in 0..250 {
            front_end.features_with_tuning(&[0.5; 10], f64::from(i) / 1000.0).unwrap();
        }
        assert!(front_end.chroma_banks.len() <= tuning::CELLS);
    }

    #[test]
    fn bad_input_is_refused_with_advice() {
        let mut good = front_end();
        let loud_but_finite = good.features(&[LOUDEST; 6000]).unwrap();
        assert!(loud_but_finite.as_slice().iter().all(|x| x.is_finite()));
        for (error, kind, message) in [
            (good.features(&[]).unwrap_err(), Kind::Audio, "at least one sample"),
            (good.features(&[0.0, f32::NAN]).unwrap_err(), Kind::Audio, "got NaN at sample 1"),
            (good.tuning(&[f32::INFINITY]).unwrap_err(), Kind::Audio, "got inf at sample 0"),
            (good.features_with_tuning(&[-1e10], 0.0).unwrap_err(), Kind::Audio, "got -1e10 at sample 0"),
            (good.features_with_tuning(&[0.0], f64::NAN).unwrap_err(), Kind::Settings, "got NaN"),
            (good.features_with_tuning(&[0.0], 0.51).unwrap_err(), Kind::Settings, "got 0.51"),
            (FrontEnd::new(FeatureSettings::default(), 999).err().unwrap(), Kind::Audio, "got 999"),
            (
                FrontEnd::new(FeatureSettings { hop: 0, ..Default::default() }, 8_000).err().unwrap(),
                Kind::Settings,
                "hop",
            ),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(message) && error.to_string().ends_with(')'), "{error}");
        }
    }
}
