//! Metrics: the confusion matrix, and UAR, WAR and F1 from it.

use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Confusion matrix `[K,K]`: counts of clips, one row per true class, one column per predicted class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>")]
pub struct Confusion(Vec<Vec<u64>>);

/// The most clips of a confusion matrix that is read: sums over billions of such matrices are 64-bit numbers.
const MOST_CLIPS: u64 = 1 << 32;

impl TryFrom<Vec<Vec<u64>>> for Confusion {
    type Error = Error;

    /// Refuses what is not square, and counts that no corpus has.
    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self> {
        let wrong = |problem: String| Err(Error::new(Kind::Data, problem).at("confusion matrix"));
        if let Some(row) = rows.iter().find(|row| row.len() != rows.len()) {
            return wrong(format!("expected {} columns, one per row, got {}", rows.len(), row.len()));
        }
        let total = rows.iter().flatten().try_fold(0u64, |sum, &count| sum.checked_add(count));
        match total.filter(|&total| total <= MOST_CLIPS) {
            Some(_) => Ok(Confusion(rows)),
            None => wrong(format!("expected at most {MOST_CLIPS} clips, got more")),
        }
    }
}

impl Confusion {
    /// A matrix of zeros for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Confusion(vec![vec![0; classes]; classes])
    }

    /// Counts one prediction.
    pub fn count(&mut self, truth: usize, prediction: usize) {
        self.0[truth][prediction] += 1;
    }

    /// Adds another matrix with the same number of classes, to pool folds or runs.
    pub fn add(&mut self, other: &Confusion) {
        for (row, other) in self.0.iter_mut().zip(&other.0) {
            for (count, other) in row.iter_mut().zip(other) {
                *count += other;
            }
        }
    }

    /// The counts: one row per true class, one column per predicted class.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.0
    }

    /// Number of predictions.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// Number of clips of each class, `[K]`.
    pub fn occurred(&self) -> Vec<u64> {
        self.0.iter().map(|row| row.iter().sum()).collect()
    }

    /// Number of clips of each class that were recognised, `[K]`.
    pub fn correct(&self) -> Vec<u64> {
        self.0.iter().enumerate().map(|(class, row)| row[class]).collect()
    }

    /// Recall of each class, `0..=1`; `None` for a class that did not occur.
    pub fn recalls(&self) -> Vec<Option<f64>> {
        recalls(&self.correct(), &self.occurred()).collect()
    }

    /// Unweighted average recall (Eq. 6), `0..=1`: the mean recall of the classes that occurred.
    pub fn uar(&self) -> f64 {
        uar(&self.correct(), &self.occurred())
    }

    /// Weighted average recall, that is accuracy: the share of all clips that were recognised, `0..=1`.
    pub fn war(&self) -> f64 {
        self.correct().iter().sum::<u64>() as f64 / self.total() as f64
    }

    /// Macro F1, `0..=1`: the mean F1 of the classes that occurred or were predicted.
    ///
    /// # Formula
    /// ```text
    /// F1[c] = 2·right[c] / (occurred[c] + predicted[c])
    /// ```
    pub fn macro_f1(&self) -> f64 {
        mean(self.0.iter().enumerate().filter_map(|(class, row)| {
            let occurred: u64 = row.iter().sum();
            let predicted: u64 = self.0.iter().map(|row| row[class]).sum();
            (occurred + predicted > 0).then(|| 2.0 * row[class] as f64 / (occurred + predicted) as f64)
        }))
    }
}

/// Unweighted average recall, of the recognised clips of each class and the clips of each class, `[K]` both.
pub fn uar(correct: &[u64], occurred: &[u64]) -> f64 {
    mean(recalls(correct, occurred).flatten())
}

fn recalls(correct: &[u64], occurred: &[u64]) -> impl Iterator<Item = Option<f64>> {
    correct.iter().zip(occurred).map(|(&correct, &occurred)| (occurred > 0).then(|| correct as f64 / occurred as f64))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

/// Mean, standard deviation and best of a score over runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation with ddof 0, as in the paper's table.
    pub std: f64,
    /// Largest value.
    pub max: f64,
    /// One value per run.
    pub values: Vec<f64>,
}

impl Spread {
    /// Summarises at least one value.
    pub fn new(values: Vec<f64>) -> Self {
        let mean = mean(values.iter().copied());
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Spread { mean, std: variance.sqrt(), max, values }
    }
}

/// `0.6893 ± 0.0093`, and of one value `0.6893`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values.len() {
            1 => f.pad(&format!("{:.4}", self.mean)),
            _ => f.pad(&format!("{:.4} ± {:.4}", self.mean, self.std)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_worked_by_hand() {
        // Class 0: 3 right, 1 predicted as 1. Class 1: 1 right, 1 predicted as 0. Class 2 never occurs.
        let confusion = Confusion(vec![vec![3, 1, 0], vec![1, 1, 0], vec![0, 0, 0]]);
        assert_eq!(confusion.recalls(), [Some(0.75), Some(0.5), None]);
        assert_eq!(confusion.uar(), 0.625);
        assert_eq!(confusion.war(), 4.0 / 6.0);
        assert_eq!(confusion.macro_f1(), (6.0 / 8.0 + 2.0 / 4.0) / 2.0);
    }

    #[test]
    fn a_matrix_that_nobody_counted_is_not_read() {
        let read = |rows: Vec<Vec<u64>>| Confusion::try_from(rows).map_err(|error| error.to_string());
        assert!(read(vec![vec![3, 1], vec![0, 2]]).is_ok());
        assert!(
            read(vec![vec![3, 1, 0], vec![0, 2, 0]]).unwrap_err().contains("expected 2 columns, one per row, got 3")
        );
        assert!(read(vec![vec![u64::MAX, 1], vec![0, 0]]).unwrap_err().contains("expected at most 4294967296 clips"));
    }

    #[test]
    fn the_standard_deviation_has_ddof_0() {
        let spread = Spread::new(vec![0.5, 0.7]);
        approx::assert_abs_diff_eq!(spread.mean, 0.6, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(spread.std, 0.1, epsilon = 1e-15);
        assert_eq!(spread.max, 0.7);
    }
}
