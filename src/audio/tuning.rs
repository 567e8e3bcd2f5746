//! Tuning: the deviation of a clip's pitches from concert pitch (A = 440 Hz), in fractions of a semitone.
//!
//! The twelve chroma bins are shifted to the clip's own pitches. `librosa.chroma_stft` calls `librosa.estimate_tuning` for
//! that, in three steps (`piptrack`, a median, `pitch_tuning`), and passes the *power* spectrogram where its documentation
//! says magnitude; this file does the same.
//!
//! The estimate is the peak of a histogram: two nearly equal cells and one peak more or less make it jump. Where librosa
//! rounds to `f32`, so does this file, to jump with it.

use super::FeatureSettings;
use crate::matrix::Matrix;

/// Pitches are looked for from here, Hz …
const LOWEST_HZ: f64 = 150.0;
/// … to below here, or below half the sample rate.
const HIGHEST_HZ: f64 = 4000.0;
/// A peak counts when it exceeds this fraction of its frame's largest bin.
const PEAK_THRESHOLD: f32 = 0.1;
/// The frequency octaves are counted from: four below A = 440 Hz.
const A0_HZ: f32 = 27.5;
/// Cells of the histogram, each a hundredth of a chroma bin wide.
pub(super) const CELLS: usize = 100;

/// Peaks stored of a live recording: a minute or more of speech at 48 kHz.
const MOST_PEAKS: usize = 1 << 16;

/// Constants of the bins, and the peaks found so far.
#[derive(Clone, Debug)]
pub(super) struct TuningEstimator {
    /// Hz
    bin_width: f64,
    /// First bin to look at, and the one after the last.
    first: usize,
    end: usize,
    bins_per_octave: f32,
    peaks: Vec<Peak>,
    magnitudes: Vec<f32>,
}

/// A spectral peak between bins.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Peak {
    /// Hz
    pitch: f32,
    /// Height of the parabola, in units of power.
    magnitude: f32,
}

impl TuningEstimator {
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let bin_width = f64::from(sample_rate) / settings.n_fft as f64;
        let highest = HIGHEST_HZ.min(f64::from(sample_rate) / 2.0);
        let bins_from = |hz: f64| (hz / bin_width).ceil() as usize;
        TuningEstimator {
            bin_width,
            // A peak needs a neighbour on either side.
            first: bins_from(LOWEST_HZ).max(1),
            end: bins_from(highest).min(settings.bins() - 1),
            bins_per_octave: settings.chroma as f32,
            peaks: Vec::new(),
            magnitudes: Vec::new(),
        }
    }

    /// Tuning of the clip with the power spectrogram `power` `[T,B]`, in chroma bins: one of −0.50, −0.49, … 0.49; 0 when
    /// there is no pitch at all.
    ///
    /// The peaks at least as high as the median vote, each for the distance of its pitch from the nearest chroma bin.
    pub(super) fn estimate(&mut self, power: &Matrix<f32>) -> f64 {
        self.reset();
        for frame in power.iter_rows() {
            self.find_peaks(frame);
        }
        self.estimate_from_peaks()
    }

    /// Tuning of the frames since the last [`reset`](Self::reset), after one more frame with power `[B]`: that of
    /// [`estimate`](Self::estimate) for the frames so far, as long as they have at most [`MOST_PEAKS`] peaks; afterwards that
    /// of the latest peaks.
    pub(super) fn push(&mut self, frame: &[f32]) -> f64 {
        self.find_peaks(frame);
        let too_many = self.peaks.len().saturating_sub(MOST_PEAKS);
        self.peaks.drain(..too_many);
        self.estimate_from_peaks()
    }

    /// Forgets all frames.
    pub(super) fn reset(&mut self) {
        self.peaks.clear();
    }

    fn estimate_from_peaks(&mut self) -> f64 {
        if self.peaks.is_empty() {
            return 0.0;
        }
        self.magnitudes.clear();
        self.magnitudes.extend(self.peaks.iter().map(|peak| peak.magnitude));
        let median = median(&mut self.magnitudes);

        let mut votes = [0u32; CELLS];
        for peak in self.peaks.iter().filter(|peak| peak.magnitude >= median) {
            votes[cell(distance_from_bin(peak.pitch, self.bins_per_octave))] += 1;
        }
        // Of several equal cells the first (`max_by_key` would give the last).
        let winner = (0..CELLS).rev().max_by_key(|&c| votes[c]).expect("there are cells");
        edge(winner)
    }

    /// Appends the peaks of one frame `[B]`: bins above their neighbours and above a tenth of the frame's largest.
    ///
    /// # Derivation
    /// The parabola through three neighbouring values `l, c, r` at −1, 0, 1 is `c + b·s + a·s²/2` with
    /// `b = (r − l)/2` and `a = l + r − 2c`. It is highest at `s = −b/a`, where it is `c + b·s/2`.
    fn find_peaks(&mut self, frame: &[f32]) {
        let threshold = PEAK_THRESHOLD * largest(frame);
        for k in self.first..self.end {
            let [l, c, r] = [frame[k - 1], frame[k], frame[k + 1]];
            if c > threshold && c > l && c >= r {
                let slope = (r - l) / 2.0;
                let curvature = f64::from(l + r) - 2.0 * f64::from(c);
                let shift = -f64::from(slope) / curvature;
                // A vertex beyond the neighbours (a plateau, in rounding) is none.
                let shift = if shift.abs() < 1.0 { shift as f32 } else { 0.0 };
                self.peaks.push(Peak {
                    pitch: ((k as f64 + f64::from(shift)) * self.bin_width) as f32,
                    magnitude: c + 0.5 * slope * shift,
                });
            }
        }
    }
}

/// The largest of `values`, none of which is NaN; eight at a time, because `f32::max` would be taken one by one.
fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (blocks, rest) = values.as_chunks::<8>();
    let mut lanes = [f32::NEG_INFINITY; 8];
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, value);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

/// The median; the mean of the middle two when their number is even. Reorders `values`.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if even { (largest(below) + upper) / 2.0 } else { upper }
}

/// How far `pitch` (Hz) lies from the nearest chroma bin, in bins: −0.5 to below 0.5.
fn distance_from_bin(pitch: f32, bins_per_octave: f32) -> f32 {
    // Rounded once, from f64: the last bit must not depend on whose logarithm the system brings.
    let octaves = f64::from(pitch / A0_HZ).log2() as f32;
    let bins = bins_per_octave * octaves;
    let residual = bins - bins.floor();
    if residual >= 0.5 { residual - 1.0 } else { residual }
}

/// Lower edge of histogram cell `c`.
fn edge(c: usize) -> f64 {
    c as f64 * 0.01 - 0.5
}

/// The cell with `edge(c) ≤ distance < edge(c + 1)`.
fn cell(distance: f32) -> usize {
    let distance = f64::from(distance);
    let guess = (((distance + 0.5) * 100.0) as usize).min(CELLS - 1);
    // The sum above rounds: by one cell at most, where the distance is all but an edge.
    if distance < edge(guess) {
        guess - 1
    } else if guess + 1 < CELLS && distance >= edge(guess + 1) {
        guess + 1
    } else {
        guess
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    /// Bins of exactly 10 Hz, so that a pitch can be placed by hand.
    fn estimator() -> TuningEstimator {
        let settings = FeatureSettings { n_fft: 1600, ..FeatureSettings::default() };
        TuningEstimator::new(&settings, 16_000)
    }

    /// A frame whose only peak is the parabola `1 − (k − centre)²/8` times `height`, with its foot at 0.
    fn frame(centre: f64, height: f64) -> Vec<f32> {
        (0..801).map(|k| (height * (1.0 - (f64::from(k) - centre).powi(2) / 8.0)).max(0.0) as f32).collect()
    }

    #[test]
    fn bins_from_150_to_below_4000_hz_are_looked_at() {
        assert_eq!((estimator().first, estimator().end), (15, 400));
        // 48 kHz, window 4096: 11.72 Hz a bin. At 2 kHz half the sample rate ends it.
        let paper = TuningEstimator::new(&FeatureSettings::default(), 48_000);
        assert_eq!((paper.first, paper.end), (13, 342));
        assert_eq!(TuningEstimator::new(&FeatureSettings::default(), 2_000).end, 2048);
    }

    #[test]
    fn a_parabola_is_found_at_its_vertex() {
        let mut estimator = estimator();
        estimator.find_peaks(&frame(44.25, 2.0));
        let [peak] = estimator.peaks[..] else { panic!("{:?}", estimator.peaks) };
        assert_abs_diff_eq!(peak.pitch, 442.5, epsilon = 1e-3);
        assert_abs_diff_eq!(peak.magnitude, 2.0, epsilon = 1e-5);
    }

    #[test]
    fn low_peaks_valleys_and_slopes_are_not_peaks() {
        let mut estimator = estimator();
        let mut values = vec![0.0; 801];
        // A peak outside the range sets the threshold: 0.1.
        (values[500], values[100], values[200], values[300], values[301]) = (1.0, 0.1, 0.2, 0.3, 0.3);
        estimator.find_peaks(&values);
        let pitches: Vec<f32> = estimator.peaks.iter().map(|peak| peak.pitch).collect();
        // A plateau counts once, at its first bin: the vertex lies between the two.
        assert_eq!(pitches, [2000.0, 3005.0]);
        estimator.find_peaks(&[0.0; 801]);
        assert_eq!(estimator.peaks.len(), 2, "silence has no peaks");
    }

    #[test]
    fn the_louder_half_of_the_peaks_votes() {
        // 452 Hz is 0.466 semitones above A = 440 Hz; 430 Hz is 0.398 below.
        let (sharp, flat) = (frame(45.2, 3.0), frame(43.0, 1.0));
        let clip = Matrix::from_rows(&[&flat, &sharp, &flat, &sharp, &flat, &sharp, &sharp]);
        assert_abs_diff_eq!(estimator().estimate(&clip), 0.46, epsilon = 1e-12);
        // As many of each: the median lies between, so the flat ones have no vote though their cell comes first.
        let clip = Matrix::from_rows(&[&flat, &sharp, &flat, &sharp]);
        assert_abs_diff_eq!(estimator().estimate(&clip), 0.46, epsilon = 1e-12);
        // All equally loud: one vote each, and the first cell wins.
        let clip = Matrix::from_rows(&[frame(45.2, 1.0), flat.clone()]);
        assert_abs_diff_eq!(estimator().estimate(&clip), -0.4, epsilon = 1e-12);
        assert_eq!(estimator().estimate(&Matrix::zeros(4, 801)), 0.0);
    }

    #[test]
    fn frame_by_frame_the_tuning_is_that_of_the_frames_so_far() {
        let (sharp, flat) = (frame(45.2, 3.0), frame(43.0, 1.0));
        let frames = [&flat, &sharp, &flat, &flat, &sharp];
        let mut live = estimator();
        for t in 1..=frames.len() {
            assert_eq!(live.push(frames[t - 1]), estimator().estimate(&Matrix::from_rows(&frames[..t])), "frame {t}");
        }
        live.reset();
        assert_abs_diff_eq!(live.push(&flat), -0.4, epsilon = 1e-12);
    }

    #[test]
    fn of_a_long_recording_the_latest_peaks_are_kept() {
        let (sharp, flat) = (frame(45.2, 1.0), frame(43.0, 1.0));
        let mut live = estimator();
        live.find_peaks(&flat);
        let peak = live.peaks[0];
        live.peaks = vec![peak; 2 * MOST_PEAKS];
        assert_abs_diff_eq!(live.push(&sharp), -0.4, epsilon = 1e-12);
        assert_eq!(live.peaks.len(), MOST_PEAKS);
        assert_abs_diff_eq!(f64::from(live.peaks[MOST_PEAKS - 1].pitch), 452.0, epsilon = 0.1);
    }

    #[test]
    fn distances_are_to_the_nearest_semitone() {
        for (semitones, distance) in [(0.0, 0.0), (0.25, 0.25), (-0.25, -0.25), (0.75, -0.25), (-7.4, -0.4)] {
            let pitch = (440.0 * 2f64.powf(semitones / 12.0)) as f32;
            assert_abs_diff_eq!(distance_from_bin(pitch, 12.0), distance, epsilon = 1e-5);
        }
    }

    #[test]
    fn every_edge_belongs_to_its_own_cell() {
        for c in 0..CELLS {
            let just_inside = (edge(c) as f32).next_up();
            assert_eq!(cell(just_inside), c, "above the lower edge of cell {c}");
            let below = (edge(c + 1) as f32).next_down();
            assert_eq!(cell(below), c, "below the upper edge of cell {c}");
        }
        assert_eq!((cell(-0.5), cell(0.0), cell(0.499_999_97)), (0, 50, 99));
    }

    #[test]
    fn the_median_of_an_even_number_is_a_mean() {
        assert_eq!(median(&mut [5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(&mut [8.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(&mut [7.0]), 7.0);
    }

    #[test]
    fn the_largest_is_found_at_every_place() {
        for place in 0..19 {
            let mut values = [1.0; 19];
            values[place] = 2.0;
            assert_eq!(largest(&values), 2.0, "place {place}");
        }
    }
}
