//! The tuning of a live recording after every frame, in memory and time that do not grow with its length.
//!
//! Up to [`MOST_PEAKS`] peaks it is exactly the tuning that [`TuningEstimator`](super::TuningEstimator) finds in the frames so
//! far: the peaks are kept sorted, so that the next frame's are merged in, and the histogram of those that vote is kept up to
//! date. Of more peaks, a uniform random sample is kept (Vitter 1985, "Random sampling with a reservoir"), and the tuning is that
//! of the sample.

use super::{CELLS, FeatureSettings, Peak, PeakFinder, median, winner};
use crate::prelude::*;
use crate::rng::RandomStream;

/// Peaks that are kept: all of at least 30 s of speech or noise with the paper's settings at 48 kHz. Without `std`, 20 kB instead of
/// 330: all of the first seconds.
const MOST_PEAKS: usize = if cfg!(feature = "std") { 1 << 16 } else { 1 << 12 };

/// The peaks so far, or a sample of them, in the order of their magnitudes.
#[derive(Clone)]
pub(in super::super) struct RunningTuning {
    finder: PeakFinder,
    magnitudes: Vec<f32>,
    cells: Vec<u8>,
    /// The place of the first peak that votes; all from there on do.
    first_voter: usize,
    /// Votes for every cell.
    votes: [u32; CELLS],
    /// Peaks so far, in the sample or not.
    seen: usize,
    /// Peaks that are kept.
    most: usize,
    /// Which peaks stay in the sample.
    choice: RandomStream,
    /// The peaks of the current frame, and the places of the peaks that make room for them.
    new: Vec<Peak>,
    leaving: Vec<usize>,
}

impl RunningTuning {
    /// An estimator before the first frame. All its memory is reserved here.
    pub(in super::super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        Self::with_sample(settings, sample_rate, MOST_PEAKS)
    }

    /// [`new`](Self::new), with a sample of so many peaks.
    pub(in super::super) fn with_sample(settings: &FeatureSettings, sample_rate: u32, most: usize) -> Self {
        let finder = PeakFinder::new(settings, sample_rate);
        // Of two neighbouring bins at most one is a peak.
        let most_of_a_frame = 1 + finder.end.saturating_sub(finder.first) / 2;
        RunningTuning {
            magnitudes: Vec::with_capacity(most + most_of_a_frame),
            cells: Vec::with_capacity(most + most_of_a_frame),
            first_voter: 0,
            votes: [0; CELLS],
            seen: 0,
            most,
            choice: choice(),
            new: Vec::with_capacity(most_of_a_frame),
            leaving: Vec::with_capacity(most_of_a_frame),
            finder,
        }
    }

    /// Forgets all frames.
    pub(in super::super) fn reset(&mut self) {
        self.magnitudes.clear();
        self.cells.clear();
        (self.first_voter, self.votes, self.seen, self.choice) = (0, [0; CELLS], 0, choice());
    }

    /// Tuning of the frames since the last [`reset`](Self::reset), after one more frame with power `[B]`; 0 as long as there is no
    /// pitch at all.
    pub(in super::super) fn push(&mut self, frame: &[f32]) -> f64 {
        self.new.clear();
        self.finder.find(frame, |peak| self.new.push(peak));
        self.sample();
        self.remove_leaving();
        self.insert_new();
        if self.magnitudes.is_empty() {
            return 0.0;
        }
        self.choose_voters();
        winner(&self.votes)
    }

    /// Takes the peaks that do not come into the sample out of `new`, and chooses the places of those that leave it.
    ///
    /// Peak number `n` comes into a sample of `m` with the probability `m/n`, in the place of any of its peaks: then all `n` so far
    /// are in it with equal probability.
    fn sample(&mut self) {
        self.leaving.clear();
        let RunningTuning { new, leaving, choice, seen, most, magnitudes, .. } = self;
        let mut room = *most - magnitudes.len();
        new.retain(|_| {
            *seen += 1;
            if room > 0 {
                room -= 1;
                return true;
            }
            let place = choice.below(*seen);
            // A place that is taken already would be that of a peak of this very frame.
            let comes = place < magnitudes.len() && !leaving.contains(&place);
            if comes {
                leaving.push(place);
            }
            comes
        });
        leaving.sort_unstable();
        new.sort_unstable_by(|a, b| a.magnitude.total_cmp(&b.magnitude));
    }

    /// Removes the peaks at the places `leaving`, which ascend.
    fn remove_leaving(&mut self) {
        let RunningTuning { magnitudes, cells, leaving, votes, first_voter, .. } = self;
        let voting_from = *first_voter;
        for (gone, &place) in leaving.iter().enumerate() {
            if place < voting_from {
                *first_voter -= 1;
            } else {
                votes[usize::from(cells[place])] -= 1;
            }
            let next = leaving.get(gone + 1).copied().unwrap_or(magnitudes.len());
            // Those up to the next one that leaves, one further down for each that is gone. Cells are looked at before they move.
            magnitudes.copy_within(place + 1..next, place - gone);
        }
        for (gone, &place) in leaving.iter().enumerate() {
            let next = leaving.get(gone + 1).copied().unwrap_or(cells.len());
            cells.copy_within(place + 1..next, place - gone);
        }
        let left = magnitudes.len() - leaving.len();
        magnitudes.truncate(left);
        cells.truncate(left);
    }

    /// Merges the peaks of `new`, whose magnitudes ascend, into the others, the last first.
    fn insert_new(&mut self) {
        let RunningTuning { magnitudes, cells, new, votes, first_voter, .. } = self;
        let mut end = magnitudes.len();
        let lowest_vote = magnitudes.get(*first_voter).copied();
        magnitudes.resize(end + new.len(), 0.0);
        cells.resize(end + new.len(), 0);
        for (earlier, peak) in new.iter().enumerate().rev() {
            let place = magnitudes[..end].partition_point(|&magnitude| magnitude <= peak.magnitude);
            magnitudes.copy_within(place..end, place + earlier + 1);
            cells.copy_within(place..end, place + earlier + 1);
            (magnitudes[place + earlier], cells[place + earlier]) = (peak.magnitude, peak.cell);
            end = place;
            if lowest_vote.is_some_and(|lowest| peak.magnitude < lowest) {
                *first_voter += 1;
            } else {
                votes[usize::from(peak.cell)] += 1;
            }
        }
    }

    /// Lets those vote that are at least as high as the median.
    fn choose_voters(&mut self) {
        let RunningTuning { magnitudes, cells, votes, first_voter, .. } = self;
        let median = median(magnitudes.len(), |rank| magnitudes[rank]);
        while *first_voter > 0 && magnitudes[*first_voter - 1] >= median {
            *first_voter -= 1;
            votes[usize::from(cells[*first_voter])] += 1;
        }
        while magnitudes[*first_voter] < median {
            votes[usize::from(cells[*first_voter])] -= 1;
            *first_voter += 1;
        }
    }
}

/// The same for every recording.
fn choice() -> RandomStream {
    RandomStream::new(0, "tuning sample", 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{estimate, frame, settings};
    use super::*;
    use approx::assert_abs_diff_eq;

    fn running() -> RunningTuning {
        RunningTuning::with_sample(&settings(), 16_000, 4096)
    }

    /// Frames with up to four peaks, whose heights span 60 dB and often occur again.
    fn frames(count: usize) -> Vec<Vec<f32>> {
        let mut stream = RandomStream::new(2, "frames", 0);
        let mut sound = || {
            let mut sum = vec![0.0; 801];
            for _ in 0..stream.below(5) {
                let height = 0.25f64.powi(stream.below(10) as i32);
                let centre = 20.0 + stream.below(300) as f64 + 0.125 * stream.below(8) as f64;
                sum.iter_mut().zip(frame(centre, height)).for_each(|(sum, value)| *sum += value);
            }
            sum
        };
        (0..count).map(|_| sound()).collect()
    }

    #[test]
    fn after_every_frame_the_tuning_is_that_of_the_clip_so_far() {
        let mut frames = frames(400);
        frames[0].fill(0.0);
        let mut live = running();
        // Twice: the second recording must not depend on the first.
        for count in [60, 400] {
            for t in 0..count {
                assert_eq!(live.push(&frames[t]), estimate(&frames[..=t]), "frame {t}");
            }
            live.reset();
        }
    }

    /// Whether places and votes are what they should be.
    fn assert_consistent(live: &RunningTuning) {
        assert!(live.magnitudes.is_sorted());
        let median = median(live.magnitudes.len(), |rank| live.magnitudes[rank]);
        assert_eq!(live.first_voter, live.magnitudes.iter().filter(|&&magnitude| magnitude < median).count());
        let mut votes = [0; CELLS];
        live.cells[live.first_voter..].iter().for_each(|&cell| votes[usize::from(cell)] += 1);
        assert_eq!(live.votes, votes);
    }

    #[test]
    fn of_many_peaks_a_uniform_sample_is_kept() {
        let mut live = running();
        // Each frame has 150 peaks; the first half of the recording is quiet and flat, the second loud and sharp.
        let comb = |centre: f64, height: f64| -> Vec<f32> {
            let mut frame = vec![0.0; 801];
            for k in (20..320).step_by(2) {
                frame[k] = (height * (1.0 + (k as f64 * centre).sin().abs())) as f32;
            }
            frame
        };
        let (quiet, loud) = (comb(0.7, 1.0), comb(1.3, 4.0));
        let (capacity, room) = (live.magnitudes.capacity(), live.leaving.capacity());
        for t in 0..2000 {
            live.push(if t < 1000 { &quiet } else { &loud });
            if t % 100 == 50 {
                assert_consistent(&live);
            }
        }
        assert_eq!((live.seen, live.magnitudes.len(), live.cells.len()), (2000 * 150, 4096, 4096));
        assert_eq!((live.magnitudes.capacity(), live.leaving.capacity()), (capacity, room), "no memory is added");
        // Half of the sample is of the first half: 2,048, with a deviation of 32.
        let quiet = live.magnitudes.iter().filter(|&&magnitude| magnitude < 3.0).count() as f64;
        assert_abs_diff_eq!(quiet, 2048.0, epsilon = 4.0 * 32.0);
    }
}
