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
//! | mel bands                               | `mel.rs`    | `filters.mel`, `feature.melspectrogram`; `high_hz` is `fmax` |
//! | decibels, MFCC                          | `mfcc.rs`   | `power_to_db`, `feature.mfcc(n_mfcc=34)`          |
//! | tuning: deviation from concert pitch    | `tuning.rs` | `estimate_tuning` on the power spectrogram; a fixed one is `chroma_stft(tuning=…)` |
//! | chroma: power of the 12 pitch classes   | `chroma.rs` | `filters.chroma`, `feature.chroma_stft`           |
//! | voicing and pitch                       | `pitch.rs`  | none (Boersma 1993); not in the paper             |
//! | deltas of the first MFCC                | `delta.rs`  | like `feature.delta`; not in the paper            |
//!
//! At other rates than the paper's 48 kHz, frames of the same duration have fewer samples than a power of two. The window is then
//! `win_length` samples in the middle of a transform of `n_fft`, as in librosa:
//! [`FeatureSettings::with_frames`].
//!
//! # Prepared recordings
//!
//! The paper's features are of recordings as they are: another sample rate, another level or silence around the same words gives
//! others. With [`prepare`](FeatureSettings::prepare), as in [`FeatureSettings::speech`], three steps come first, the same for files,
//! live and wherever else the engine runs:
//!
//! | step                          | file             | what it does                                                        |
//! |-------------------------------|------------------|---------------------------------------------------------------------|
//! | one sample rate               | `resample.rs`    | a windowed sinc brings the samples to the model's rate; the caller runs it |
//! | only speech                   | `preparation.rs` | leaves out what has less than 0.1 s of voice in the 0.6 s around it; without a voice, nothing |
//! | one level                     | `preparation.rs` | brings the mean power of the voice to −20 dB of full scale          |
//!
//! The gain is added to the mel bands: it moves the first MFCC alone. All else does not depend on the level, as the floor of the bands
//! lies 80 dB below the loudest of them, and chroma and pitch are divided by the power of their frame.
//!
//! A column of its own has the level as recorded. Models read it of speakers whose other recordings they know:
//! [`enrolment`](crate::models::enrolment).
//!
//! `speech.rs` tells the level of a sound and whether somebody speaks in it, from the samples alone.
//!
//! `live.rs` computes the same while the recording is still going on; `frames.rs` cuts samples, in portions of any size, into frames.
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
mod fft;
mod frames;
mod live;
mod mel;
mod mfcc;
mod pitch;
mod preparation;
mod resample;
mod settings;
mod speech;
mod stft;
mod tuning;
mod wav;

pub use live::{LiveFrame, LiveFrontEnd};
pub use resample::{Resampler, resample};
pub use settings::FeatureSettings;
pub use speech::{Sound, SpeechDetector};
#[cfg(feature = "std")]
pub use wav::write_wav16;
pub use wav::{Encoding, Recording, SampleFormat, WavHeader, mean_of_channels, read_wav_header};

use crate::prelude::*;
use chroma::ChromaFilters;
use delta::Slopes;
use frames::Frames;
use mel::MelBank;
use mfcc::{BEFORE_FIRST_FRAME, CosineTransform, LEAST_POWER, LEAST_POWER_AT_ANY_LEVEL, decibels};
use pitch::PitchEstimator;
use preparation::{Block, Preparation};
use stft::Stft;
use tuning::{RunningTuning, TuningEstimator};

/// Accepted sample rates, Hz. Anything outside is a damaged header.
const SAMPLE_RATES: core::ops::RangeInclusive<u32> = 1_000..=1_000_000;
/// The largest sample accepted: full scale is 1, but float files in the scale of 32-bit integers exist. Its powers are far
/// from the largest `f32`.
const LOUDEST: f32 = 2_147_483_648.0;

/// Values of a block of the power spectrogram, 8 MB: 1,023 frames or 43 s with the paper's settings at 48 kHz. Longer recordings are
/// read twice, and nothing that grows with them is kept but the peaks that the tuning is of, five bytes each.
const BLOCK_VALUES: usize = 1 << 21;

/// Takes the samples of a recording, block by block, in their order.
pub type SampleSink<'a> = dyn FnMut(&[f32]) -> Result<()> + 'a;

/// The front end for one sample rate: FFT plans, filter banks and buffers, built once and used for many clips.
#[derive(Clone)]
pub struct FrontEnd {
    settings: FeatureSettings,
    sample_rate: u32,
    stft: Stft,
    mel_bank: MelBank,
    cosine_transform: CosineTransform,
    /// None if the settings have a tuning.
    tuning_estimator: Option<TuningEstimator>,
    /// None if the settings have no chroma.
    chroma_filters: Option<ChromaFilters>,
    /// None if the settings have no pitch.
    pitch_estimator: Option<PitchEstimator>,
    slopes: Slopes,
    /// None if recordings are not prepared.
    preparation: Option<Preparation>,
    /// Gain of the current clip, dB; 0 if recordings are not prepared.
    gain: f32,
    /// The current block, `[T,B]`.
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
        check_high_hz(&settings, sample_rate)?;
        let estimates_tuning = settings.tuning.is_none();
        let roots = fft::roots(settings.n_fft);
        Ok(FrontEnd {
            stft: Stft::new(&settings, &roots),
            mel_bank: MelBank::new(&settings, sample_rate),
            cosine_transform: CosineTransform::new(&settings),
            tuning_estimator: estimates_tuning.then(|| TuningEstimator::new(&settings, sample_rate)),
            chroma_filters: (settings.chroma > 0).then(|| ChromaFilters::new(&settings, sample_rate)),
            slopes: Slopes::new(settings.deltas),
            pitch_estimator: (settings.pitch > 0).then(|| PitchEstimator::new(&settings, sample_rate, &roots)),
            preparation: settings.prepare.then(|| Preparation::new(sample_rate)).transpose()?,
            gain: 0.0,
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
    /// then chroma from C upwards, then voicing and pitch, then level, then deltas; one row per frame. Chroma is tuned to the clip's
    /// own [`tuning`](Self::tuning). Of a prepared recording, `n` are the samples that are [kept](Self::kept).
    ///
    /// # Errors
    /// [`Kind::Audio`] if there are no samples, or some are NaN, infinite or beyond 2³¹ in size.
    pub fn features(&mut self, samples: &[f32]) -> Result<Matrix<f32>> {
        self.collect(None, samples)
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
        self.collect(Some(tuning), samples)
    }

    /// [`features`](Self::features), to the bit, of a recording that is read in blocks, in memory that hardly grows with it.
    ///
    /// `read` hands all samples of the recording to what it is given; it is called once or, for more than a block of the
    /// spectrogram (43 s with the paper's settings at 48 kHz), twice; once more if it is to be prepared and has no voice. `write`
    /// takes the number of frames `T` in all and the features of the next of them, not normalised, `[≤T,width]`; of a recording
    /// that is read once, all of them.
    ///
    /// # Errors
    /// As [`features`](Self::features); [`Kind::Audio`] if the second reading has another length; whatever `read` and `write`
    /// return.
    pub fn features_in_blocks(
        &mut self,
        mut read: impl FnMut(&mut SampleSink) -> Result<()>,
        write: impl FnMut(usize, Matrix<f32>) -> Result<()>,
    ) -> Result<()> {
        self.run(None, &mut read, write)
    }

    /// Estimated tuning of one clip `[n]`, in chroma bins (semitones, with twelve): one of −0.50, −0.49, … 0.49, and 0 where
    /// no pitch is found (`librosa.estimate_tuning` as `librosa.feature.chroma_stft` calls it). The tuning of the settings, if they
    /// have one.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn tuning(&mut self, samples: &[f32]) -> Result<f64> {
        self.begin();
        self.first_pass(&mut |sink| sink(samples), |front_end| {
            front_end.find_peaks();
            Ok(())
        })?;
        self.find_peaks();
        Ok(self.estimated_tuning())
    }

    /// The samples that the features of a clip are of: all `samples`, or those that its preparation keeps. Frame `t` has number
    /// `t·hop` of them in its middle.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn kept(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
        check_samples(0, samples)?;
        let mut kept = Vec::new();
        if let Some(preparation) = &mut self.preparation {
            let mut keep = |_: &Preparation, block: Block| {
                if let Block::Kept(samples) = block {
                    kept.extend_from_slice(samples);
                }
                Ok(())
            };
            preparation.reset();
            preparation.push(samples, &mut keep)?;
            preparation.finish(&mut keep)?;
        }
        Ok(if kept.is_empty() { samples.to_vec() } else { kept })
    }

    /// All features of a clip, tuned to `tuning` or to its own.
    fn collect(&mut self, tuning: Option<f64>, samples: &[f32]) -> Result<Matrix<f32>> {
        let mut features = Vec::new();
        self.run(tuning, &mut |sink| sink(samples), |_, block| {
            features.extend_from_slice(block.as_slice());
            Ok(())
        })?;
        let width = self.settings.width();
        Ok(Matrix::from_vec(features.len() / width, width, features))
    }

    /// Forgets the clip before.
    fn begin(&mut self) {
        self.loudest = BEFORE_FIRST_FRAME;
        self.gain = 0.0;
        if let Some(estimator) = &mut self.tuning_estimator {
            estimator.reset();
        }
        self.slopes.reset();
    }

    /// [`features_in_blocks`](Self::features_in_blocks), tuned to `tuning` or to the recording's own. The first reading finds what
    /// depends on all frames, tuning and loudest band.
    fn run(
        &mut self,
        tuning: Option<f64>,
        read: &mut dyn FnMut(&mut SampleSink) -> Result<()>,
        mut write: impl FnMut(usize, Matrix<f32>) -> Result<()>,
    ) -> Result<()> {
        self.begin();
        let mut read_once = true;
        let (frames, has_voice) = self.first_pass(read, |front_end| {
            front_end.find_peaks();
            front_end.find_mel_bands();
            read_once = false;
            Ok(())
        })?;
        self.gain = self.preparation.as_ref().map_or(0.0, Preparation::gain);
        self.find_peaks();
        let tuning = tuning.unwrap_or_else(|| self.estimated_tuning());
        if read_once {
            let features = self.features_of_power(tuning);
            return write(frames, features);
        }
        self.find_mel_bands();
        let again = self.pass(has_voice, read, |front_end| write(frames, front_end.features_of_power(tuning)))?;
        if again != frames {
            let problem = format!("expected {frames} frames when read again, got {again}");
            return Err(Error::new(Kind::Audio, problem).advice("the recording changed while it was read: try again"));
        }
        let features = self.features_of_power(tuning);
        write(frames, features)
    }

    /// [`pass`](Self::pass) with preparation; once more without, if nothing is kept. Returns the number of frames, and whether
    /// the recording is to be read like the first time.
    fn first_pass(
        &mut self,
        read: &mut dyn FnMut(&mut SampleSink) -> Result<()>,
        mut full: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<(usize, bool)> {
        match self.pass(true, read, &mut full)? {
            0 => Ok((self.pass(false, read, &mut full)?, false)),
            frames => Ok((frames, true)),
        }
    }

    /// Reads a recording once, into `self.power`. `full` is called whenever that is a whole block and more follows; the last block
    /// is left for the caller. Returns the number of frames, 0 if a preparation keeps nothing.
    fn pass(
        &mut self,
        prepare: bool,
        read: &mut dyn FnMut(&mut SampleSink) -> Result<()>,
        full: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<usize> {
        let mut preparation = self.preparation.take();
        if prepare {
            preparation.iter_mut().for_each(Preparation::reset);
        }
        let frames = self.pass_with(preparation.as_mut().filter(|_| prepare), read, full);
        self.preparation = preparation;
        frames
    }

    fn pass_with(
        &mut self,
        mut preparation: Option<&mut Preparation>,
        read: &mut dyn FnMut(&mut SampleSink) -> Result<()>,
        mut full: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<usize> {
        let mut frames = Frames::new(&self.settings);
        let most = (BLOCK_VALUES / self.settings.bins()).max(1);
        self.power.resize(0, self.settings.bins());
        let mut add = |front_end: &mut Self, frame: &[f32]| {
            if front_end.power.rows() == most {
                full(front_end)?;
                front_end.power.resize(0, front_end.settings.bins());
            }
            front_end.append_power(frame);
            Ok(())
        };
        let mut keep = |block: Block| match block {
            Block::Kept(samples) => frames.push(samples, |frame| add(self, frame)),
            Block::LeftOut => Ok(()),
        };
        let mut samples_read = 0;
        read(&mut |samples| {
            check_samples(samples_read, samples)?;
            samples_read += samples.len();
            match &mut preparation {
                None => keep(Block::Kept(samples)),
                Some(preparation) => preparation.push(samples, |_, block| keep(block)),
            }
        })?;
        if samples_read == 0 {
            return Err(no_samples());
        }
        if let Some(preparation) = preparation {
            preparation.finish(|_, block| keep(block))?;
        }
        frames.finish(|frame| add(self, frame))?;
        Ok(if frames.samples() == 0 { 0 } else { self.settings.frames(frames.samples()) })
    }

    /// Appends the power `[B]` of a frame to the current block.
    fn append_power(&mut self, frame: &[f32]) {
        let row = self.power.rows();
        self.power.resize(row + 1, self.settings.bins());
        self.stft.frame_power(frame, self.settings.n_fft / 2, self.power.row_mut(row));
    }

    /// Adds the peaks of the current block to those of the tuning.
    fn find_peaks(&mut self) {
        if let Some(estimator) = &mut self.tuning_estimator {
            self.power.iter_rows().for_each(|frame| estimator.push(frame));
        }
    }

    /// Tuning of the peaks so far, or that of the settings.
    fn estimated_tuning(&mut self) -> f64 {
        match &mut self.tuning_estimator {
            Some(estimator) => estimator.estimate(),
            None => f64::from(self.settings.tuning.expect("there is an estimator or a tuning")) / 100.0,
        }
    }

    /// Mel bands of the current block, dB, into `self.mel`.
    fn find_mel_bands(&mut self) {
        self.mel_bank.apply(&self.power, &mut self.mel);
        let least = if self.settings.prepare { LEAST_POWER_AT_ANY_LEVEL } else { LEAST_POWER };
        decibels(self.mel.as_mut_slice(), least, &mut self.loudest);
    }

    /// From the current block `[T,B]` to features `[T,width]`.
    fn features_of_power(&mut self, tuning: f64) -> Matrix<f32> {
        let mut features = Matrix::zeros(self.power.rows(), self.settings.width());
        self.find_mel_bands();
        self.cosine_transform.apply(&self.mel, &mut features);
        if let Some(filters) = &mut self.chroma_filters {
            filters.tune(tuning);
            filters.apply(&self.power, &mut features, self.settings.mfcc);
        }
        if let Some(estimator) = &mut self.pitch_estimator {
            estimator.apply(&self.power, &mut features, self.settings.mfcc + self.settings.chroma);
        }
        // Before the gain, which live changes from frame to frame.
        self.slopes.append(&mut features);
        if self.settings.prepare {
            self.cosine_transform.add_gain(self.gain, &mut features);
        }
        if let Some(column) = self.settings.level_column() {
            let level = Preparation::level(self.gain);
            (0..features.rows()).for_each(|t| features[(t, column)] = level);
        }
        features
    }
}

/// Checks that a sample rate is one that recordings have.
///
/// # Errors
/// [`Kind::Audio`] if it is not 1,000 to 1,000,000 Hz.
pub fn check_sample_rate(hz: u32) -> Result<()> {
    if SAMPLE_RATES.contains(&hz) {
        return Ok(());
    }
    let (least, most) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
    let problem = format!("expected a sample rate of {least} to {most} Hz, got {hz}");
    Err(Error::new(Kind::Audio, problem).advice("the header is damaged, or the sound must be resampled"))
}

/// Checks that the upper edge of the mel bands, if it is set, has a sample rate of twice that.
fn check_high_hz(settings: &FeatureSettings, sample_rate: u32) -> Result<()> {
    match settings.high_hz {
        Some(hz) if hz > sample_rate / 2 => {
            let problem = format!("expected at most {} Hz at {sample_rate} Hz, got {hz}", sample_rate / 2);
            Err(Error::new(Kind::Settings, problem)
                .at("feature setting high_hz")
                .advice("resample the recordings first"))
        }
        _ => Ok(()),
    }
}

fn no_samples() -> Error {
    Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the clip out")
}

/// Checks the next samples of a recording, after the first `before`.
///
/// # Errors
/// [`Kind::Audio`] if one of them is NaN, infinite or beyond 2³¹ in size.
pub fn check_samples(before: usize, samples: &[f32]) -> Result<()> {
    // Written so that NaN, which compares with nothing, fails. No early exit: good clips are read to the end anyway.
    let fits = |sample: f32| sample.abs() <= LOUDEST;
    if samples.iter().fold(true, |all, &sample| all & fits(sample)) {
        return Ok(());
    }
    let at = samples.iter().position(|&sample| !fits(sample)).expect("one of them does not fit");
    let problem = format!("expected samples between -1 and 1, got {:e} at sample {}", samples[at], before + at);
    Err(Error::new(Kind::Audio, problem).advice("repair or scale the recording, or leave it out"))
}

#[cfg(test)]
mod tests;
