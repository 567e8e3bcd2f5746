//! Speakers in groups that have about as many clips each, and as many of each class.

use crate::prelude::*;

/// Deviations that differ by less count as equal, so that rounding decides nothing.
const ROUNDING: f64 = 1e-9;

/// The group of each speaker, `0..groups`; `clips[s][k]` is the number of clips of class `k` of speaker `s`, and may lack zeros at its
/// end. No group is empty if there are at least as many speakers as groups.
///
/// # Formula
/// With `n[g,q]` the clips in group `g` of kind `q`, all clips being one kind and each class another, and `n[q]` their sum:
/// ```text
/// deviation[g,q] = n[g,q] / (n[q]/G) − 1
/// cost           = (max |deviation|, Σ deviation²)          compared in this order
/// ```
pub(super) fn balanced_groups(clips: &[&[usize]], groups: usize) -> Vec<usize> {
    let classes = clips.iter().map(|counts| counts.len()).max().unwrap_or(0);
    // All clips, then each class.
    let kinds = |counts: &[usize]| -> Vec<f64> {
        let class = |class: usize| counts.get(class).copied().unwrap_or(0) as f64;
        [counts.iter().sum::<usize>() as f64].into_iter().chain((0..classes).map(class)).collect()
    };
    let speakers: Vec<Vec<f64>> = clips.iter().map(|counts| kinds(counts)).collect();
    let mut order: Vec<usize> = (0..speakers.len()).collect();
    order.sort_by(|&one, &other| speakers[other][0].total_cmp(&speakers[one][0]));
    let mut balance = Balance::new(&speakers, classes + 1, groups);
    for (place, &speaker) in order.iter().enumerate() {
        // The last speakers go where nobody is yet, if they are needed there.
        let empty = (0..groups).filter(|&group| balance.sizes[group] == 0).count();
        let needed = speakers.len() - place <= empty;
        let possible: Vec<usize> = (0..groups).filter(|&group| !needed || balance.sizes[group] == 0).collect();
        // Of equals the first. Half filled, the worst fold says little: the squares decide.
        let best = possible
            .into_iter()
            .map(|group| (group, balance.squares_with(speaker, group)))
            .reduce(|best, next| if next.1 < best.1 - ROUNDING { next } else { best });
        balance.put(speaker, best.expect("there are groups").0);
    }
    while balance.improve() {}
    balance.group_of
}

/// Groups of speakers, and their sums.
struct Balance<'a> {
    /// Clips of each kind, per speaker.
    speakers: &'a [Vec<f64>],
    /// A group's share of the clips of each kind; kinds without clips are left out by an infinite share.
    share: Vec<f64>,
    /// Clips of each kind, per group.
    sums: Vec<Vec<f64>>,
    /// Speakers per group.
    sizes: Vec<usize>,
    group_of: Vec<usize>,
}

impl<'a> Balance<'a> {
    fn new(speakers: &'a [Vec<f64>], kinds: usize, groups: usize) -> Self {
        let share = |kind: usize| match speakers.iter().map(|clips| clips[kind]).sum::<f64>() {
            0.0 => f64::INFINITY,
            sum => sum / groups as f64,
        };
        Balance {
            speakers,
            share: (0..kinds).map(share).collect(),
            sums: vec![vec![0.0; kinds]; groups],
            sizes: vec![0; groups],
            group_of: vec![usize::MAX; speakers.len()],
        }
    }

    fn put(&mut self, speaker: usize, group: usize) {
        self.sums[group].iter_mut().zip(&self.speakers[speaker]).for_each(|(sum, clips)| *sum += clips);
        self.sizes[group] += 1;
        self.group_of[speaker] = group;
    }

    fn take(&mut self, speaker: usize) -> usize {
        let group = self.group_of[speaker];
        self.sums[group].iter_mut().zip(&self.speakers[speaker]).for_each(|(sum, clips)| *sum -= clips);
        self.sizes[group] -= 1;
        group
    }

    /// `max |deviation|` and `Σ deviation²`.
    fn cost(&self) -> (f64, f64) {
        let deviations = self.sums.iter().flat_map(|sums| sums.iter().zip(&self.share));
        let deviations = deviations.filter(|(_, share)| share.is_finite()).map(|(sum, share)| sum / share - 1.0);
        deviations.fold((0.0, 0.0), |(most, squares): (f64, f64), it| (most.max(it.abs()), squares + it * it))
    }

    fn squares_with(&mut self, speaker: usize, group: usize) -> f64 {
        self.put(speaker, group);
        let (_, squares) = self.cost();
        self.take(speaker);
        squares
    }

    /// Carries out the first move of a speaker to another group, or exchange of two speakers, that lowers the cost. `false` if none
    /// does.
    fn improve(&mut self) -> bool {
        let before = self.cost();
        for speaker in 0..self.speakers.len() {
            let own = self.group_of[speaker];
            for group in (0..self.sums.len()).filter(|&group| group != own) {
                if self.sizes[own] > 1 && self.try_change(&[(speaker, group)], before) {
                    return true;
                }
            }
            for other in speaker + 1..self.speakers.len() {
                let group = self.group_of[other];
                if group != own && self.try_change(&[(speaker, group), (other, own)], before) {
                    return true;
                }
            }
        }
        false
    }

    /// Puts speakers into other groups if that lowers the cost.
    fn try_change(&mut self, changes: &[(usize, usize)], before: (f64, f64)) -> bool {
        let earlier: Vec<usize> = changes.iter().map(|&(speaker, _)| self.take(speaker)).collect();
        changes.iter().for_each(|&(speaker, group)| self.put(speaker, group));
        let after = self.cost();
        if after.0 < before.0 - ROUNDING || (after.0 < before.0 + ROUNDING && after.1 < before.1 - ROUNDING) {
            return true;
        }
        for (&(speaker, _), &group) in changes.iter().zip(&earlier) {
            self.take(speaker);
            self.put(speaker, group);
        }
        false
    }
}
