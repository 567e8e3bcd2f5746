//! The live front end: features of a frame as soon as its last sample has arrived.
//!
//! Frame `t` has sample `t·hop` in its middle, so it is complete half a window later: 43 ms with the paper's settings at
//! 48 kHz. Before the first and after the last sample there is silence, as for a clip.
//!
//! Some quantities of the front end depend on the whole clip, which is unknown before its end. Live they are computed from the
//! frames so far, the current one included:
//!
//! | quantity                     | of a clip                   | live, at frame `t`                                          |
//! |------------------------------|-----------------------------|-------------------------------------------------------------|
//! | floor of the mel bands       | 80 dB below its loudest     | 80 dB below the loudest of frames 0 to `t`                   |
//! | tuning of the chroma filters | of all its spectral peaks   | of the peaks of frames 0 to `t`, a sample of 65,536 of them  |
//! | gain, if recordings are prepared | of all its speech       | of the speech that has arrived when frame `t` is complete    |
//!
//! So the MFCC of a frame differ from the clip's where louder sound follows and a band lies more than 80 dB below
//! that; chroma differs until the tuning has settled. The last frame of a clip is the same to the bit, as long as all peaks are
//! kept, except for deltas, which are those of the live MFCC. All are kept of at least 30 s with the paper's settings at 48 kHz:
//! noise has 65,536 peaks after half a minute, speech after some minutes. Of more, a uniform random sample is kept, the same in
//! every run. Nothing depends on how the samples are divided into portions.
//!
//! Of a prepared recording, the frames are those of the file, as the same samples are kept. When somebody begins to speak, the frames
//! of the last half second come together; from then on, each comes when it is complete. Before that there are none.

use super::preparation::{Block, Progress};
use super::{FeatureSettings, Frames, FrontEnd, Preparation, RunningTuning, check_samples};
use crate::error::Result;
use crate::matrix::Matrix;
use crate::prelude::*;

/// Frames that a short portion completes at most: those of half a second, when a voice is noticed.
const MOST_AT_ONCE: usize = 16;

/// A [`FrontEnd`] for a recording that is still going on. Memory and the work per frame do not grow with its length.
///
/// ```
/// use reslstm::audio::{FeatureSettings, LiveFrontEnd};
///
/// let mut live = LiveFrontEnd::new(FeatureSettings::default(), 48_000)?;
/// let mut frames = 0;
/// for portion in vec![0.1; 48_000].chunks(480) {
///     frames += live.push(portion)?.rows(); // 0 or 1 of them, every 10 ms
/// }
/// frames += live.finish().rows(); // the frames that reach beyond the end
/// assert_eq!(frames, 1 + 48_000 / 2048);
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone)]
pub struct LiveFrontEnd {
    rows: Rows,
    frames: Frames,
    /// None if recordings are not prepared.
    preparation: Option<Preparation>,
}

/// What the latest call completed, and how.
#[derive(Clone)]
struct Rows {
    front_end: FrontEnd,
    /// None if the settings have a tuning.
    tuning: Option<RunningTuning>,
    /// `[T,width]`
    features: Matrix<f32>,
    events: Vec<LiveFrame>,
    /// Frames of this recording so far, the place where the next is due, and where the latest gap ends.
    frames: usize,
    due: usize,
    gap_end: usize,
    /// Samples from the middle of a frame until it is complete.
    delay: usize,
}

/// A frame of a recording, complete or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveFrame {
    /// Samples of the recording before the middle of the frame; before the end of the gap, if it reaches over one.
    pub place: usize,
    /// Samples of the recording that had arrived when the frame was complete, or known to be left out.
    pub arrived: usize,
    /// Whether it has features; none in a pause that the preparation leaves out.
    pub has_features: bool,
}

impl LiveFrontEnd {
    /// A front end for recordings of `sample_rate` Hz, before the first sample.
    ///
    /// # Errors
    /// As [`FrontEnd::new`].
    pub fn new(settings: FeatureSettings, sample_rate: u32) -> Result<Self> {
        let mut front_end = FrontEnd::new(settings, sample_rate)?;
        let preparation = front_end.preparation.take();
        let settings = front_end.settings();
        let estimates_tuning = settings.tuning.is_none();
        let frames = Frames::new(settings);
        Ok(LiveFrontEnd {
            rows: Rows {
                tuning: estimates_tuning.then(|| RunningTuning::new(settings, sample_rate)),
                // As many as a voice brings that begins.
                features: Matrix::zeros(MOST_AT_ONCE, settings.width()),
                events: Vec::with_capacity(MOST_AT_ONCE),
                frames: 0,
                due: 0,
                gap_end: 0,
                delay: frames.delay(),
                front_end,
            },
            frames,
            preparation,
        })
    }

    /// Keeps `most` peaks for the tuning, to measure what a sample of them costs.
    #[cfg(test)]
    pub(crate) fn keep_peaks(&mut self, most: usize) {
        self.rows.tuning = Some(RunningTuning::with_sample(self.settings(), self.sample_rate(), most));
    }

    /// The settings it was built with.
    pub fn settings(&self) -> &FeatureSettings {
        self.rows.front_end.settings()
    }

    /// Sample rate the filter banks are for, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.rows.front_end.sample_rate()
    }

    /// Features `[T,width]` of the frames that `samples`, the next of the recording, complete: none, one or several.
    ///
    /// # Errors
    /// [`Kind::Audio`](crate::error::Kind::Audio) if a sample is NaN, infinite or beyond 2³¹ in size; all of `samples` is then
    /// ignored.
    pub fn push(&mut self, samples: &[f32]) -> Result<&Matrix<f32>> {
        check_samples(0, samples)?;
        let LiveFrontEnd { rows, frames, preparation } = self;
        rows.begin();
        match preparation {
            None => frames.push(samples, |frame| rows.append(None, frame))?,
            Some(preparation) => preparation.push(samples, |state, block| rows.take(state, block, frames))?,
        }
        Ok(&rows.features)
    }

    /// Features `[T,width]` of the frames that reach beyond the end; none if there were no samples. A recording of `n` samples
    /// has `1 + n / hop` frames in total. The next [`push`](Self::push) begins a new recording.
    pub fn finish(&mut self) -> &Matrix<f32> {
        let LiveFrontEnd { rows, frames, preparation } = self;
        rows.begin();
        let done = match preparation {
            None => frames.finish(|frame| rows.append(None, frame)),
            Some(preparation) => preparation
                .finish(|state, block| rows.take(state, block, frames))
                .and_then(|()| frames.finish(|frame| rows.append(Some(preparation.progress()), frame))),
        };
        done.expect("appending a frame never fails");
        preparation.iter_mut().for_each(Preparation::reset);
        rows.end();
        frames.reset();
        &rows.features
    }

    /// Features of the latest call, `[T,width]`.
    pub fn features(&self) -> &Matrix<f32> {
        &self.rows.features
    }

    /// The frames of the latest call, in their order: those that have features, one per row, and those that are left out.
    pub fn latest(&self) -> &[LiveFrame] {
        &self.rows.events
    }
}

impl Rows {
    /// Forgets the latest call.
    fn begin(&mut self) {
        self.features.resize(0, self.front_end.settings.width());
        self.events.clear();
    }

    /// Begins a new recording.
    fn end(&mut self) {
        self.front_end.begin();
        if let Some(tuning) = &mut self.tuning {
            tuning.reset();
        }
        (self.frames, self.due, self.gap_end) = (0, 0, 0);
    }

    /// Takes a block of a prepared recording.
    fn take(&mut self, state: &Preparation, block: Block, frames: &mut Frames) -> Result<()> {
        match block {
            Block::Kept(samples) => {
                self.front_end.gain = state.gain();
                frames.push(samples, |frame| self.append(Some(state.progress()), frame))
            }
            Block::LeftOut => {
                let (hop, progress) = (self.front_end.settings.hop, state.progress());
                while self.due < progress.decided() {
                    self.events.push(LiveFrame { place: self.due, arrived: progress.arrived, has_features: false });
                    self.due += hop;
                }
                self.gap_end = progress.decided();
                Ok(())
            }
        }
    }

    /// Appends the row of a frame.
    fn append(&mut self, progress: Option<Progress>, frame: &[f32]) -> Result<()> {
        let Rows { front_end, tuning, features, events, frames, due, gap_end, delay } = self;
        front_end.power.resize(0, front_end.settings.bins());
        front_end.append_power(frame);
        let tuning = match tuning {
            Some(tuning) if front_end.settings.chroma > 0 => tuning.push(front_end.power.row(0)),
            _ => front_end.estimated_tuning(),
        };
        let row = front_end.features_of_power(tuning);
        features.resize(features.rows() + 1, row.cols());
        features.row_mut(features.rows() - 1).copy_from_slice(row.row(0));

        let middle = *frames * front_end.settings.hop;
        let (place, arrived) = match progress {
            None => (middle, middle + *delay),
            // A frame that reaches over a gap is complete behind it.
            Some(progress) => (progress.place(middle).max(*gap_end), progress.arrived),
        };
        events.push(LiveFrame { place, arrived, has_features: true });
        (*frames, *due) = (*frames + 1, place + front_end.settings.hop);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::delta::Slopes;
    use crate::audio::stft;
    use crate::error::Kind;
    use crate::rng::RandomStream;

    const RATE: u32 = 16_000;

    fn settings(n_fft: usize, hop: usize) -> FeatureSettings {
        FeatureSettings {
            n_fft,
            win_length: None,
            hop,
            mel_bands: 32,
            mfcc: 13,
            chroma: 12,
            pitch: 2,
            ..FeatureSettings::default()
        }
    }

    /// Voices at changing pitch, and a loudness that rises and falls by 100 dB, so that floor and tuning move.
    fn recording(length: usize) -> Vec<f32> {
        let mut stream = RandomStream::new(6, "recording", length as u64);
        let mut phase = 0.0;
        let sample = |i: usize| {
            let time = i as f64 / f64::from(RATE);
            let loudness = 10f64.powf(-2.5 - 2.5 * (9.0 * time).cos());
            phase += std::f64::consts::TAU * 300.0 * (0.4 * time).exp2() / f64::from(RATE);
            (loudness * (phase.sin() + (3.0 * phase).sin() + 1e-5 * stream.normal())) as f32 * 0.3
        };
        (0..length).map(sample).collect()
    }

    /// All frames of a recording that comes in portions of these lengths, over and over.
    fn live(front_end: &mut LiveFrontEnd, samples: &[f32], portions: &[usize]) -> Vec<Vec<f32>> {
        let (mut rows, mut rest) = (Vec::new(), samples);
        let mut keep = |features: &Matrix<f32>| rows.extend(features.iter_rows().map(<[f32]>::to_vec));
        for &portion in portions.iter().cycle() {
            let (now, later) = rest.split_at(portion.min(rest.len()));
            keep(front_end.push(now).unwrap());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        keep(front_end.finish());
        rows
    }

    #[test]
    fn live_deltas_are_those_of_the_live_mfcc() {
        let settings = FeatureSettings { chroma: 0, pitch: 0, deltas: 4, ..settings(256, 96) };
        let mut front_end = LiveFrontEnd::new(settings, RATE).unwrap();
        // Twice: the second recording must not depend on the first.
        for _ in 0..2 {
            let rows = live(&mut front_end, &recording(3000), &[77]);
            let mut expected = Matrix::from_rows(&rows);
            assert_eq!(expected.shape(), [32, 17]);
            Slopes::new(4).append(&mut expected);
            for (t, row) in rows.iter().enumerate() {
                assert_eq!(row, expected.row(t), "frame {t}");
            }
            assert!(rows.iter().any(|row| row[13] != 0.0));
        }
    }

    /// The batch front end's features of frame `t`, if the clip ended with it.
    fn of_frames_so_far(front_end: &mut FrontEnd, power: &Matrix<f32>, t: usize) -> Vec<f32> {
        front_end.power = Matrix::from_vec(t + 1, power.cols(), power.rows_between(0, t + 1).to_vec());
        front_end.begin();
        front_end.find_peaks();
        let tuning = front_end.estimated_tuning();
        front_end.features_of_power(tuning).row(t).to_vec()
    }

    #[test]
    fn a_frame_is_complete_half_a_window_after_its_middle() {
        // 341 samples in 512: 85 zeros, then 341 samples, 170 of them from the middle of the frame on.
        for (win_length, needed) in [(None, 256), (Some(341), 170), (Some(342), 171)] {
            let settings = FeatureSettings { win_length, ..settings(512, 200) };
            let mut live = LiveFrontEnd::new(settings, RATE).unwrap();
            let samples = recording(needed);
            assert_eq!(live.push(&samples[..needed - 1]).unwrap().rows(), 0, "{win_length:?}");
            assert_eq!(live.push(&samples[needed - 1..]).unwrap().rows(), 1, "{win_length:?}");
        }
    }

    #[test]
    fn every_live_frame_is_the_last_frame_of_the_clip_so_far() {
        for (n_fft, win_length, hop) in
            [(512, None, 256), (256, None, 96), (128, None, 128), (512, Some(341), 171), (256, Some(200), 200)]
        {
            let settings = FeatureSettings { win_length, ..settings(n_fft, hop) };
            let mut live_front_end = LiveFrontEnd::new(settings.clone(), RATE).unwrap();
            for length in [1, hop - 1, hop, n_fft / 2, n_fft + 3, 20 * n_fft + 17] {
                let samples = recording(length);
                let mut front_end = FrontEnd::new(settings.clone(), RATE).unwrap();
                let clip = front_end.features(&samples).unwrap();
                let power = stft::power(front_end.settings(), &samples);
                let frames = live(&mut live_front_end, &samples, &[length]);
                assert_eq!(frames.len(), clip.rows(), "n_fft {n_fft}, hop {hop}, {length} samples");
                for (t, frame) in frames.iter().enumerate() {
                    assert_eq!(
                        frame,
                        &of_frames_so_far(&mut front_end, &power, t),
                        "{n_fft}/{hop}/{length}: frame {t}"
                    );
                }
                assert_eq!(
                    frames.last().unwrap(),
                    clip.row(clip.rows() - 1),
                    "the last frame comes after the whole clip"
                );
            }
        }
    }

    #[test]
    fn only_floor_and_tuning_differ_from_those_of_the_whole_clip() {
        let samples = recording(9_000);
        let mut front_end = FrontEnd::new(settings(512, 256), RATE).unwrap();
        let clip = front_end.features(&samples).unwrap();
        let frames = live(&mut LiveFrontEnd::new(settings(512, 256), RATE).unwrap(), &samples, &[100]);
        let differ = |columns: std::ops::Range<usize>| {
            (0..clip.rows()).filter(|&t| frames[t][columns.clone()] != clip.row(t)[columns.clone()]).count()
        };
        assert!(differ(0..13) > 0 && differ(13..25) > 0, "the recording moves both");
        assert_eq!(differ(25..27), 0, "pitch is of the frame alone");

        // A click that is louder than all the rest comes first: the floor is the clip's from the beginning.
        let mut clicked = samples.clone();
        clicked[0] = 60.0;
        let clip = front_end.features(&clicked).unwrap();
        let frames = live(&mut LiveFrontEnd::new(settings(512, 256), RATE).unwrap(), &clicked, &[700]);
        for (t, frame) in frames.iter().enumerate() {
            assert_eq!(frame[..13], clip.row(t)[..13], "MFCC of frame {t}");
        }
    }

    #[test]
    fn features_do_not_depend_on_portions_or_earlier_recordings() {
        let samples = recording(7_001);
        let mut front_end = LiveFrontEnd::new(settings(512, 200), RATE).unwrap();
        let whole = live(&mut front_end, &samples, &[7_001]);
        for portions in [&[1][..], &[0, 3, 500], &[512], &[2_000, 1]] {
            assert_eq!(live(&mut front_end, &samples, portions), whole, "{portions:?}");
        }
    }

    #[test]
    fn frames_are_returned_as_soon_as_they_are_complete() {
        let mut front_end = LiveFrontEnd::new(settings(512, 256), RATE).unwrap();
        let counts: Vec<usize> =
            [255, 1, 255, 1, 1024].map(|portion| front_end.push(&vec![0.1; portion]).unwrap().rows()).into();
        assert_eq!(counts, [0, 1, 0, 1, 4]);
        // 1,536 samples: frames 0 to 6, the last of them centred on the end.
        assert_eq!(front_end.finish().rows(), 1);
        assert_eq!(front_end.finish().rows(), 0, "there were no samples");
    }

    #[test]
    fn samples_that_are_not_finite_are_refused_and_ignored() {
        let samples = recording(3_000);
        let mut front_end = LiveFrontEnd::new(settings(512, 256), RATE).unwrap();
        let whole = live(&mut front_end, &samples, &[3_000]);
        let begun = front_end.push(&samples[..1_000]).unwrap().rows();
        let error = front_end.push(&[0.0, f32::NAN]).unwrap_err();
        assert_eq!(error.kind(), Kind::Audio);
        assert!(error.to_string().contains("got NaN at sample 1"), "{error}");
        assert_eq!(live(&mut front_end, &samples[1_000..], &[3_000]), whole[begun..]);
    }
}
