//! The uncertainty of scores: would they hold for other speakers and for other seeds?
//!
//! | question                                                    | answer                                     |
//! |-------------------------------------------------------------|--------------------------------------------|
//! | what might the UAR be for other speakers like these?         | [`bootstrap`]: an interval                 |
//! | is one model better than another for other speakers?         | [`compare_over_speakers`]: interval and p  |
//! | is one model better than another for these, whatever seed?   | [`compare_over_seeds`]: p                  |
//!
//! Clips of one speaker resemble each other, so speakers are drawn, never clips: an interval over clips would be too narrow. The
//! trained models are fixed; the effect of another choice of *training* speakers is in none of these numbers.
//!
//! All functions depend on their arguments alone: random numbers come from streams named by the number of the draw.
//!
//! Sources: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13 (percentile interval) and 15
//! (permutation tests); Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 4.2 (the p-value of a
//! simulation).

use reslstm::rng::RandomStream;
use reslstm::train::metrics::Confusion;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Samples of a bootstrap.
pub const DRAWS: usize = 10_000;

/// Share of the draws outside an interval, half of them on each side.
const LEFT_OUT: f64 = 0.05;

/// The largest number of seeds for which every sign flip is tried, 2²⁰ of them.
const MOST_EXACT: usize = 20;

/// Random sign flips for more seeds.
const FLIPS: usize = 100_000;

/// Sums of the same numbers in different orders may differ by this much.
const ROUNDING: f64 = 1e-12;

/// The middle one of values, of an even number the upper of the two; none of none.
pub fn upper_median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The middle 95 % of the draws of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// As many draws lie below it as above `high`.
    pub low: f64,
    /// As many draws lie above it as below `low`.
    pub high: f64,
}

impl Interval {
    /// Percentile interval (Efron and Tibshirani, 13.3): of `B` draws in order, number `0.025·B` from below and from above,
    /// the 250th of 10,000.
    fn from_draws(mut draws: Vec<f64>) -> Self {
        draws.sort_by(f64::total_cmp);
        let outside = (draws.len() as f64 * LEFT_OUT / 2.0).round() as usize;
        Interval { low: draws[outside - 1], high: draws[draws.len() - outside] }
    }
}

/// `[0.6481, 0.7292]`, with `+` signs and all: `[+0.0054, +0.0195]`
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { low, high } = self;
        let text = if f.sign_plus() { format!("[{low:+.4}, {high:+.4}]") } else { format!("[{low:.4}, {high:.4}]") };
        f.pad(&text)
    }
}

/// One model against another on the same speakers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// UAR of the first − UAR of the second.
    pub difference: f64,
    /// 95 % interval of that difference over draws of speakers.
    pub interval: Interval,
    /// Two-sided p.
    pub p: f64,
}

/// 95 % interval of the UAR over draws of speakers. `speakers` holds each one's clips, counted over all runs.
///
/// # Formula
/// ```text
/// draw b = 1 … 10,000:  as many speakers s₁ … s_S as there are, with replacement
/// UAR*[b] = mean over classes k of  Σᵢ right[sᵢ,k] / Σᵢ occurred[sᵢ,k]
/// ```
/// Every run tests the same clips, so `occurred` is the same in each, and this UAR of the pooled counts *is* the mean over
/// runs of a run's UAR for the speakers drawn: nothing is averaged that the table does not average.
///
/// # Panics
/// If there is no speaker, or one without a clip.
pub fn bootstrap(speakers: &[Confusion]) -> Interval {
    Interval::from_draws(resampled_uars(speakers))
}

/// Compares the UAR of two models for other speakers. Both use the same draws of speakers in the same order, as speakers who are
/// hard for one model tend to be hard for the other.
///
/// # Formula
/// ```text
/// d*[b] = UAR*[b] of the first − UAR*[b] of the second
/// p     = 2·(1 + min(#{d* ≤ 0}, #{d* ≥ 0})) / (1 + 10,000), at most 1
/// ```
/// `p` is the smallest `α` whose percentile interval of `1 − α` leaves out 0; the ones added keep a simulation from claiming
/// less than it can see (Davison and Hinkley, 4.11).
///
/// # Panics
/// If there is no speaker, one without a clip, or not as many of the second as of the first.
pub fn compare_over_speakers(first: &[Confusion], second: &[Confusion]) -> Comparison {
    assert_eq!(first.len(), second.len(), "the same speakers");
    let draws = resampled_uars(first).into_iter().zip(resampled_uars(second));
    let differences: Vec<f64> = draws.map(|(first, second)| first - second).collect();
    let count = |holds: fn(&f64) -> bool| differences.iter().filter(|&difference| holds(difference)).count();
    let tail = count(|&difference| difference <= ROUNDING).min(count(|&difference| difference >= -ROUNDING));
    let p = (2.0 * (1 + tail) as f64 / (1 + DRAWS) as f64).min(1.0);
    Comparison { difference: uar_of_all(first) - uar_of_all(second), interval: Interval::from_draws(differences), p }
}

/// Compares two models on these speakers over seeds: two-sided p of the paired sign-flip test. `differences` holds, for each
/// seed, the score of the first − the score of the second.
///
/// If the models were equally good, the difference of each seed would be as likely with the other sign.
///
/// # Formula
/// ```text
/// p = share of the 2ⁿ choices of signs with |Σ ±d| ≥ |Σ d|
/// ```
/// Exact up to 20 seeds, so that `p` is never below `2/2ⁿ` (0.002 for ten seeds); of 100,000 random choices beyond, where
/// `p = (1 + count) / (1 + 100,000)`.
pub fn compare_over_seeds(differences: &[f64]) -> f64 {
    let seeds = differences.len();
    let observed = differences.iter().sum::<f64>().abs() - ROUNDING;
    let as_extreme = |flipped: &mut dyn FnMut(usize) -> bool| {
        let sign = |(seed, difference): (usize, &f64)| if flipped(seed) { -difference } else { *difference };
        differences.iter().enumerate().map(sign).sum::<f64>().abs() >= observed
    };
    if seeds <= MOST_EXACT {
        let choices = 1usize << seeds;
        let count = (0..choices).filter(|choice| as_extreme(&mut |seed| choice >> seed & 1 == 1)).count();
        return count as f64 / choices as f64;
    }
    let random = |draw: usize| {
        let mut stream = RandomStream::new(0, "sign flips", draw as u64);
        as_extreme(&mut |_| stream.below(2) == 1)
    };
    (1 + (0..FLIPS).filter(|&draw| random(draw)).count()) as f64 / (1 + FLIPS) as f64
}

/// UAR of every draw. Which speakers are drawn depends on their number alone.
fn resampled_uars(speakers: &[Confusion]) -> Vec<f64> {
    let counts: Vec<Counts> = speakers.iter().map(Counts::new).collect();
    let draw = |number: usize| {
        let mut stream = RandomStream::new(0, "speakers", number as u64);
        uar((0..counts.len()).map(|_| &counts[stream.below(counts.len())]))
    };
    (0..DRAWS).map(draw).collect()
}

fn uar_of_all(speakers: &[Confusion]) -> f64 {
    let mut all = speakers[0].clone();
    speakers[1..].iter().for_each(|speaker| all.add(speaker));
    all.uar()
}

/// The counts that the UAR needs: for each class the number of correct clips and of all clips.
struct Counts(Vec<(u64, u64)>);

impl Counts {
    fn new(confusion: &Confusion) -> Self {
        let class = |(class, row): (usize, &Vec<u64>)| (row[class], row.iter().sum());
        Counts(confusion.rows().iter().enumerate().map(class).collect())
    }
}

/// UAR of the pooled clips of some speakers: mean recall of the classes that occur.
fn uar<'a>(speakers: impl Iterator<Item = &'a Counts>) -> f64 {
    let mut sum: Vec<(u64, u64)> = Vec::new();
    for Counts(classes) in speakers {
        sum.resize(classes.len(), (0, 0));
        for ((right, occurred), (more_right, more)) in sum.iter_mut().zip(classes) {
            (*right, *occurred) = (*right + more_right, *occurred + more);
        }
    }
    let occurring = sum.iter().filter(|(_, occurred)| *occurred > 0);
    let (total, classes) = occurring
        .fold((0.0, 0), |(total, classes), (right, occurred)| (total + *right as f64 / *occurred as f64, classes + 1));
    total / classes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clips of one speaker as (truth, prediction).
    type Clips = Vec<(usize, usize)>;

    fn counted(clips: &[(usize, usize)]) -> Confusion {
        let mut confusion = Confusion::new(3);
        clips.iter().for_each(|&(truth, prediction)| confusion.count(truth, prediction));
        confusion
    }

    /// Three speakers, unlike each other; the third never says class 2.
    fn speakers(run: usize) -> Vec<Clips> {
        let predicted = |speaker: usize, clip: usize, truth: usize| (truth + (run + speaker * clip) % 3 / 2) % 3;
        let clips = |speaker: usize| {
            let truths = (0..6 + 2 * speaker).map(move |clip| clip % if speaker == 2 { 2 } else { 3 });
            truths.enumerate().map(|(clip, truth)| (truth, predicted(speaker, clip, truth))).collect()
        };
        (0..3).map(clips).collect()
    }

    /// UAR of every one of the 27 equally likely samples of three speakers, the slow way: the mean over runs of the UAR of
    /// the clips put together.
    fn every_sample(runs: &[Vec<Clips>]) -> Vec<f64> {
        let sample = |number: usize| {
            let chosen = [number % 3, number / 3 % 3, number / 9];
            let uar = |run: &Vec<Clips>| {
                counted(&chosen.iter().flat_map(|&speaker| run[speaker].clone()).collect::<Vec<_>>()).uar()
            };
            runs.iter().map(uar).sum::<f64>() / runs.len() as f64
        };
        (0..27).map(sample).collect()
    }

    fn pooled(runs: &[Vec<Clips>]) -> Vec<Confusion> {
        let clips = |speaker: usize| runs.iter().flat_map(|run| run[speaker].clone()).collect::<Vec<_>>();
        (0..3).map(|speaker| counted(&clips(speaker))).collect()
    }

    #[test]
    fn draws_are_the_samples_there_are_each_as_often_as_it_should() {
        let runs = [speakers(0), speakers(1), speakers(4)];
        let expected = every_sample(&runs);
        let drawn = resampled_uars(&pooled(&runs));
        assert_eq!(drawn.len(), 10_000);
        for uar in &expected {
            let near = |values: &[f64]| values.iter().filter(|value| (*value - uar).abs() < 1e-9).count() as f64;
            let share = near(&expected) / 27.0;
            let deviation = (share * (1.0 - share) * 10_000.0).sqrt();
            assert!((near(&drawn) - 10_000.0 * share).abs() < 4.0 * deviation, "{uar}: {share}, {}", near(&drawn));
        }
        let known = |uar: &f64| expected.iter().any(|expected| (expected - uar).abs() < 1e-9);
        assert!(drawn.iter().all(known));
    }

    #[test]
    fn an_interval_leaves_out_as_much_below_as_above() {
        let interval = Interval::from_draws((1..=10_000).rev().map(f64::from).collect());
        assert_eq!(interval, Interval { low: 250.0, high: 9751.0 });
    }

    #[test]
    fn one_right_and_one_wrong_speaker_leave_everything_open() {
        // Drawn are both right, both wrong (a quarter each) or one of each: neither end can be left out.
        let speakers = [counted(&[(0, 0); 4]), counted(&[(0, 1); 4])];
        assert_eq!(bootstrap(&speakers), Interval { low: 0.0, high: 1.0 });
        // With another speaker there is nothing to draw.
        assert_eq!(bootstrap(&speakers[..1]), Interval { low: 1.0, high: 1.0 });
    }

    #[test]
    fn a_speaker_without_a_class_does_not_count_for_it() {
        let speakers = [counted(&[(0, 0), (2, 1)]), counted(&[(0, 0), (0, 0)])];
        // Twice the first: class 0 right, class 2 wrong. Twice the second: class 0 alone. One of each: as all together.
        let mut seen: Vec<f64> = resampled_uars(&speakers);
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        assert_eq!(seen, [0.5, 1.0]);
        assert_eq!(uar_of_all(&speakers), 0.5);
    }

    #[test]
    fn a_model_that_is_better_for_every_speaker_is_better() {
        let first: Vec<Confusion> = (0..24).map(|_| counted(&[(0, 0), (1, 1), (2, 2), (2, 0)])).collect();
        let second: Vec<Confusion> = (0..24).map(|_| counted(&[(0, 0), (1, 1), (2, 0), (2, 0)])).collect();
        let comparison = compare_over_speakers(&first, &second);
        approx::assert_abs_diff_eq!(comparison.difference, 1.0 / 6.0, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(comparison.interval.low, 1.0 / 6.0, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(comparison.interval.high, 1.0 / 6.0, epsilon = 1e-12);
        assert_eq!(comparison.p, 2.0 / 10_001.0);
        let swapped = compare_over_speakers(&second, &first);
        assert_eq!((swapped.difference, swapped.p), (-comparison.difference, comparison.p));
        assert_eq!(compare_over_speakers(&first, &first).p, 1.0);
    }

    #[test]
    fn draws_are_paired_and_p_is_that_of_every_sample() {
        // The second model is the first, but for one clip of the first speaker: it differs where that speaker is drawn.
        let first = [counted(&[(0, 0), (1, 1)]), counted(&[(0, 1), (1, 1)]), counted(&[(0, 0), (1, 0)])];
        let second = [counted(&[(0, 1), (1, 1)]), first[1].clone(), first[2].clone()];
        let comparison = compare_over_speakers(&first, &second);
        // Undrawn in (2/3)³ of the samples, where the models do not differ; never does the second win.
        let expected = 2.0 * 8.0 / 27.0;
        assert!((comparison.p - expected).abs() < 4.0 * 2.0 * (8.0 / 27.0 * 19.0 / 27.0 / 10_000.0f64).sqrt());
        // Drawn thrice (1 in 27 samples): one of the two classes always recognised, instead of never.
        assert_eq!(comparison.interval, Interval { low: 0.0, high: 0.5 });
    }

    #[test]
    fn sign_flips_worked_by_hand() {
        // |6| is reached with all signs alike: 2 of 8.
        assert_eq!(compare_over_seeds(&[1.0, 2.0, 3.0]), 0.25);
        // Sums ±6, ±4, ±2, 0 (twice): |−4| or more is 4 of 8.
        assert_eq!(compare_over_seeds(&[1.0, -2.0, -3.0]), 0.5);
        assert_eq!(compare_over_seeds(&[0.01; 10]), 2.0 / 1024.0);
        assert_eq!(compare_over_seeds(&[0.0; 10]), 1.0);
        assert_eq!(compare_over_seeds(&[0.3]), 1.0);
        // In floating point 0.1 + 0.2 is more than 0.3, which is no more extreme.
        assert_eq!(compare_over_seeds(&[0.1, 0.2, -0.3]), 1.0);
    }

    /// The share of sign choices as extreme, by counting how many give each sum of whole numbers.
    fn by_counting_sums(differences: &[i64]) -> f64 {
        let mut ways = std::collections::BTreeMap::from([(0, 1.0)]);
        for &difference in differences {
            let mut next = std::collections::BTreeMap::new();
            for (sum, count) in ways {
                for sum in [sum + difference, sum - difference] {
                    *next.entry(sum).or_insert(0.0) += count;
                }
            }
            ways = next;
        }
        let observed = differences.iter().sum::<i64>().abs();
        let extreme: f64 = ways.iter().filter(|(sum, _)| sum.abs() >= observed).map(|(_, count)| count).sum();
        extreme / (differences.len() as f64).exp2()
    }

    #[test]
    fn sign_flips_are_those_counted_another_way() {
        let mut stream = RandomStream::new(5, "differences", 0);
        for seeds in 1..=12 {
            let differences: Vec<i64> = (0..seeds).map(|_| stream.below(40) as i64 - 14).collect();
            let scaled: Vec<f64> = differences.iter().map(|&d| d as f64 / 1440.0).collect();
            assert_eq!(compare_over_seeds(&scaled), by_counting_sums(&differences), "{differences:?}");
        }
        let differences: Vec<i64> = (0..40).map(|_| stream.below(40) as i64 - 16).collect();
        let expected = by_counting_sums(&differences);
        let simulated = compare_over_seeds(&differences.iter().map(|&d| d as f64).collect::<Vec<_>>());
        let deviation = (expected * (1.0 - expected) / 100_000.0).sqrt();
        assert!((0.01..0.9).contains(&expected), "{expected}: a test that could not fail");
        assert!((simulated - expected).abs() < 4.0 * deviation, "{simulated}, expected {expected}");
    }
}
