//! Tuning: the deviation of a clip's pitches from concert pitch (A = 440 Hz), in fractions of a semitone.
//!
//! The twelve chroma bins are shifted to the clip's own pitches. `librosa.chroma_stft` calls `librosa.estimate_tuning` for
//! that, in three steps (`piptrack`, a median, `pitch_tuning`), and passes the *power* spectrogram where its documentation
//! says magnitude; this file does the same.
//!
//! The estimate is the peak of a histogram: two nearly equal cells and one peak more or less make it jump. Where librosa
//! rounds to `f32`, so does this file, to jump with it.

mod running;

pub(super) use running::RunningTuning;

use super::FeatureSettings;
use crate::prelude::*;

/// Pitches are looked for from here, Hz …
const LOWEST_HZ: f64 = 150.0;
/// … to below here, or below half the sample rate.
const HIGHEST_HZ: f64 = 4000.0;
/// A peak counts when it exceeds this fraction of its frame's largest bin.
const PEAK_THRESHOLD: f32 = 0.1;
/// The frequency octaves are counted from: four below A = 440 Hz.
const A0_HZ: f32 = 27.5;
/// Cells of the histogram, each a hundredth of a chroma bin wide.
const CELLS: usize = 100;

/// Constants of the bins: what finds the peaks of a frame.
#[derive(Clone, Debug)]
struct PeakFinder {
    /// Hz
    bin_width: f64,
    /// First bin to look at, and the one after the last.
    first: usize,
    end: usize,
    bins_per_octave: f32,
}

/// A spectral peak between bins.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Peak {
    /// Height of the parabola, in units of power: above 0.
    magnitude: f32,
    /// The cell of the histogram that it votes for.
    cell: u8,
}

impl PeakFinder {
    fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let bin_width = f64::from(sample_rate) / settings.n_fft as f64;
        let highest = HIGHEST_HZ.min(f64::from(sample_rate) / 2.0);
        let bins_from = |hz: f64| (hz / bin_width).ceil() as usize;
        PeakFinder {
            bin_width,
            // A peak needs a neighbour on either side.
            first: bins_from(LOWEST_HZ).max(1),
            end: bins_from(highest).min(settings.bins() - 1),
            bins_per_octave: settings.chroma as f32,
        }
    }

    /// Hands every peak of one frame `[B]` to `take`: bins above their neighbours and above a tenth of the frame's largest.
    ///
    /// # Derivation
    /// The parabola through three neighbouring values `l, c, r` at −1, 0, 1 is `c + b·s + a·s²/2` with
    /// `b = (r − l)/2` and `a = l + r − 2c`. It is highest at `s = −b/a`, where it is `c + b·s/2`.
    fn find(&self, frame: &[f32], mut take: impl FnMut(Peak)) {
        let threshold = PEAK_THRESHOLD * largest(frame);
        for k in self.first..self.end {
            let [l, c, r] = [frame[k - 1], frame[k], frame[k + 1]];
            if c > threshold && c > l && c >= r {
                let slope = (r - l) / 2.0;
                let curvature = f64::from(l + r) - 2.0 * f64::from(c);
                let shift = -f64::from(slope) / curvature;
                // A vertex beyond the neighbours (a plateau, in rounding) is none.
                let shift = if shift.abs() < 1.0 { shift as f32 } else { 0.0 };
                let pitch = ((k as f64 + f64::from(shift)) * self.bin_width) as f32;
                let cell = cell(distance_from_bin(pitch, self.bins_per_octave)) as u8;
                take(Peak { magnitude: c + 0.5 * slope * shift, cell });
            }
        }
    }
}

/// The tuning of a whole clip, from all its peaks: five bytes each.
#[derive(Clone, Debug)]
pub(super) struct TuningEstimator {
    finder: PeakFinder,
    /// Of every peak so far, its magnitude and its cell.
    magnitudes: Vec<f32>,
    cells: Vec<u8>,
}

impl TuningEstimator {
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let finder = PeakFinder::new(settings, sample_rate);
        TuningEstimator { finder, magnitudes: Vec::new(), cells: Vec::new() }
    }

    /// Forgets all frames.
    pub(super) fn reset(&mut self) {
        self.magnitudes.clear();
        self.cells.clear();
    }

    /// Adds the peaks of the next frame, with power `[B]`.
    pub(super) fn push(&mut self, frame: &[f32]) {
        let TuningEstimator { finder, magnitudes, cells } = self;
        finder.find(frame, |peak| {
            magnitudes.push(peak.magnitude);
            cells.push(peak.cell);
        });
    }

    /// Tuning of the frames since the last [`reset`](Self::reset), in chroma bins: one of −0.50, −0.49, … 0.49; 0 when there is
    /// no pitch at all.
    ///
    /// The peaks at least as high as the median vote, each for the distance of its pitch from the nearest chroma bin.
    pub(super) fn estimate(&self) -> f64 {
        if self.magnitudes.is_empty() {
            return 0.0;
        }
        let median = median(self.magnitudes.len(), |rank| of_rank(&self.magnitudes, rank));
        let mut votes = [0; CELLS];
        for (&magnitude, &cell) in self.magnitudes.iter().zip(&self.cells) {
            votes[usize::from(cell)] += u32::from(magnitude >= median);
        }
        winner(&votes)
    }
}

/// The tuning with the most votes; of several equal cells the first.
fn winner(votes: &[u32; CELLS]) -> f64 {
    // `max_by_key` gives the last.
    edge((0..CELLS).rev().max_by_key(|&cell| votes[cell]).expect("there are cells"))
}

/// The median of `count` values, given the value of each rank: the mean of the middle two when their number is even.
fn median(count: usize, of_rank: impl Fn(usize) -> f32) -> f32 {
    let upper = of_rank(count / 2);
    if count.is_multiple_of(2) { (of_rank(count / 2 - 1) + upper) / 2.0 } else { upper }
}

/// The value at place `rank` of the sorted `values`, all of which are positive: their bits have the same order. Found eight bits
/// at a time, by counting, so that no copy of the values is needed.
fn of_rank(values: &[f32], mut rank: usize) -> f32 {
    let (mut found, mut mask) = (0u32, 0u32);
    for shift in [24, 16, 8, 0] {
        let mut counts = [0usize; 256];
        for bits in values.iter().map(|value| value.to_bits()).filter(|bits| bits & mask == found) {
            counts[(bits >> shift & 0xff) as usize] += 1;
        }
        let mut digit = 0;
        while rank >= counts[digit] {
            rank -= counts[digit];
            digit += 1;
        }
        found |= (digit as u32) << shift;
        mask |= 0xff << shift;
    }
    f32::from_bits(found)
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
    use crate::rng::RandomStream;
    use approx::assert_abs_diff_eq;

    /// Bins of exactly 10 Hz, so that a pitch can be placed by hand.
    pub(super) fn settings() -> FeatureSettings {
        FeatureSettings { n_fft: 1600, ..FeatureSettings::default() }
    }

    fn finder() -> PeakFinder {
        PeakFinder::new(&settings(), 16_000)
    }

    fn peaks(frame: &[f32]) -> Vec<Peak> {
        let mut peaks = Vec::new();
        finder().find(frame, |peak| peaks.push(peak));
        peaks
    }

    /// Tuning of a clip with these frames.
    pub(super) fn estimate<F: AsRef<[f32]>>(frames: &[F]) -> f64 {
        let mut estimator = TuningEstimator::new(&settings(), 16_000);
        frames.iter().for_each(|frame| estimator.push(frame.as_ref()));
        estimator.estimate()
    }

    /// A frame whose only peak is the parabola `1 − (k − centre)²/8` times `height`, with its foot at 0.
    pub(super) fn frame(centre: f64, height: f64) -> Vec<f32> {
        (0..801).map(|k| (height * (1.0 - (f64::from(k) - centre).powi(2) / 8.0)).max(0.0) as f32).collect()
    }

    #[test]
    fn bins_from_150_to_below_4000_hz_are_looked_at() {
        assert_eq!((finder().first, finder().end), (15, 400));
        // 48 kHz, window 4096: 11.72 Hz a bin. At 2 kHz half the sample rate ends it.
        let paper = PeakFinder::new(&FeatureSettings::default(), 48_000);
        assert_eq!((paper.first, paper.end), (13, 342));
        assert_eq!(PeakFinder::new(&FeatureSettings::default(), 2_000).end, 2048);
    }

    #[test]
    fn a_parabola_is_found_at_its_vertex() {
        let [peak] = peaks(&frame(44.25, 2.0))[..] else { panic!("one peak") };
        // 442.5 Hz is 0.0981 semitones above A = 440 Hz.
        assert_eq!(peak.cell, 59);
        assert_abs_diff_eq!(peak.magnitude, 2.0, epsilon = 1e-5);
    }

    #[test]
    fn low_peaks_valleys_and_slopes_are_not_peaks() {
        let mut values = vec![0.0; 801];
        // A peak outside the range sets the threshold: 0.1.
        (values[500], values[100], values[200], values[300], values[301]) = (1.0, 0.1, 0.2, 0.3, 0.3);
        // A plateau counts once, at its first bin: the vertex lies between the two, at 3005 Hz.
        let cell_of = |hz: f32| cell(distance_from_bin(hz, 12.0)) as u8;
        let cells: Vec<u8> = peaks(&values).iter().map(|peak| peak.cell).collect();
        assert_eq!(cells, [cell_of(2000.0), cell_of(3005.0)]);
        assert_eq!(peaks(&[0.0; 801]), [], "silence has no peaks");
    }

    #[test]
    fn the_louder_half_of_the_peaks_votes() {
        // 452 Hz is 0.466 semitones above A = 440 Hz; 430 Hz is 0.398 below.
        let (sharp, flat) = (frame(45.2, 3.0), frame(43.0, 1.0));
        assert_abs_diff_eq!(estimate(&[&flat, &sharp, &flat, &sharp, &flat, &sharp, &sharp]), 0.46, epsilon = 1e-12);
        // As many of each: the median lies between, so the flat ones have no vote though their cell comes first.
        assert_abs_diff_eq!(estimate(&[&flat, &sharp, &flat, &sharp]), 0.46, epsilon = 1e-12);
        // All equally loud: one vote each, and the first cell wins.
        assert_abs_diff_eq!(estimate(&[frame(45.2, 1.0), flat]), -0.4, epsilon = 1e-12);
        assert_eq!(estimate(&[[0.0; 801]; 4]), 0.0);
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
        let median = |values: &[f32]| median(values.len(), |rank| of_rank(values, rank));
        assert_eq!(median(&[5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(&[8.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn a_rank_is_the_place_in_sorted_order() {
        let mut stream = RandomStream::new(1, "magnitudes", 0);
        // Of all sizes, and many equal.
        let values: Vec<f32> =
            (0..300).map(|i| (20.0 * stream.normal()).exp() as f32 * (i % 3) as f32 + 1e-9).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f32::total_cmp);
        for (rank, &value) in sorted.iter().enumerate() {
            assert_eq!(of_rank(&values, rank), value, "rank {rank}");
        }
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
