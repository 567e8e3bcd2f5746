//! The sample rates of a corpus, and the one that its clips are resampled to.

use super::{Corpus, sound};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Number of clips at each sample rate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(BTreeMap<u32, usize>);

impl Rates {
    /// Of the clips whose files can be read, from the headers of these files.
    pub fn of(corpus: &Corpus) -> Self {
        let paths: BTreeSet<&Path> = corpus.entries().iter().map(|entry| entry.path.as_path()).collect();
        let paths: Vec<&Path> = paths.into_iter().collect();
        let rates: BTreeMap<&Path, u32> =
            paths.into_par_iter().filter_map(|path| Some((path, sound::sample_rate(path)?))).collect();
        let mut counts = BTreeMap::new();
        for entry in corpus.entries() {
            if let Some(&rate) = rates.get(entry.path.as_path()) {
                *counts.entry(rate).or_insert(0) += 1;
            }
        }
        Rates(counts)
    }

    /// The rate that most clips have, Hz; of equals the lowest. `None` if no file can be read.
    pub fn most_common(&self) -> Option<u32> {
        let by_count = |&(rate, clips): &(&u32, &usize)| (*clips, std::cmp::Reverse(*rate));
        self.0.iter().max_by_key(by_count).map(|(&rate, _)| rate)
    }

    /// Whether a clip has another rate.
    pub fn differ_from(&self, rate: u32) -> bool {
        self.0.keys().any(|&other| other != rate)
    }

    /// What is done to have all clips at `rate` Hz; `None` if they are.
    pub fn note(&self, rate: u32) -> Option<String> {
        let clips = |count: usize| if count == 1 { "1 clip".to_string() } else { format!("{count} clips") };
        let others = self.0.iter().filter(|(other, _)| **other != rate);
        let others: Vec<String> = others.map(|(other, &count)| format!("{} at {other} Hz", clips(count))).collect();
        if others.is_empty() {
            return None;
        }
        let at_rate = self.0.get(&rate).map_or(String::new(), |&count| format!(", as {}", clips(count)));
        Some(format!("{} resampled to {rate} Hz{at_rate}", others.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_common_rate_is_chosen_and_of_equals_the_lowest() {
        let rates = |counts: &[(u32, usize)]| Rates(counts.iter().copied().collect());
        assert_eq!(rates(&[]).most_common(), None);
        assert_eq!(rates(&[(8_000, 2), (16_000, 3), (48_000, 1)]).most_common(), Some(16_000));
        assert_eq!(rates(&[(8_000, 2), (16_000, 3), (44_100, 3)]).most_common(), Some(16_000));
        assert_eq!(rates(&[(16_000, 3)]).note(16_000), None);
        let mixed = rates(&[(8_000, 1), (16_000, 3), (44_100, 2)]);
        let note = "1 clip at 8000 Hz, 2 clips at 44100 Hz resampled to 16000 Hz, as 3 clips";
        assert_eq!(mixed.note(16_000).unwrap(), note);
        assert_eq!(rates(&[(16_000, 3)]).note(48_000).unwrap(), "3 clips at 16000 Hz resampled to 48000 Hz");
        assert!(mixed.differ_from(16_000) && !rates(&[(16_000, 3)]).differ_from(16_000));
    }
}
