//! A baseline beside a cross-validation: a linear SVM on the mean and the standard deviation of every feature column over a clip's
//! frames, on the same folds.
//!
//! A model that reads sequences is worth its effort where it beats this.

use super::linear_svm::LinearSvm;
use rayon::prelude::*;
use reslstm::data::folds::{FoldPlan, Split};
use reslstm::data::{Clip, Dataset};
use reslstm::error::Result;
use reslstm::train::metrics::Confusion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The values of `C` that are tried.
const GRID: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// Folds of the speakers that a fold does not test, by which it chooses `C`.
const INNER_FOLDS: usize = 4;
/// LIBLINEAR's.
const TOLERANCE: f64 = 0.1;

/// The baseline over all folds of a cross-validation. Without a random draw: one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What it is.
    pub name: String,
    /// What must be said of the scores, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_note: Option<String>,
    /// UAR of the confusion matrix.
    pub uar: f64,
    /// Accuracy.
    pub war: f64,
    /// Mean F1 over classes.
    pub macro_f1: f64,
    /// Class names in order.
    pub labels: Vec<String>,
    /// Pooled over the folds: rows are the truth.
    pub confusion: Confusion,
    /// The folds.
    pub folds: Vec<BaselineFold>,
}

/// The baseline on one fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineFold {
    /// Number of the fold.
    pub fold: usize,
    /// The corpus that is left out, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<String>,
    /// `C`, chosen among the speakers that the fold does not test.
    pub c: f64,
    /// Test clips: rows are the truth.
    pub confusion: Confusion,
}

/// The baseline, strict and with every speaker's clips normalised by all clips of that speaker, on the threads of the pool this is
/// called in. Training and validation speakers train.
///
/// # Errors
/// Those of [`FoldPlan::splits_of`].
pub fn linear_svm(dataset: &Dataset, splits: &[Split]) -> Result<[Baseline; 2]> {
    let strict = functionals(dataset.clips());
    let transductive = normalised_by_speaker(&strict, dataset.clips());
    let [strict, transductive] = [&strict, &transductive]
        .map(|x| splits.par_iter().map(|split| score_fold(x, dataset, split)).collect::<Result<Vec<BaselineFold>>>());
    let note = "transductive: uses all clips of a test speaker at once";
    Ok([
        Baseline::pool("linear SVM", None, dataset, strict?),
        Baseline::pool("linear SVM, per speaker", Some(note), dataset, transductive?),
    ])
}

impl Baseline {
    fn pool(name: &str, score_note: Option<&str>, dataset: &Dataset, folds: Vec<BaselineFold>) -> Self {
        let labels = dataset.labels().names().to_vec();
        let mut confusion = Confusion::new(labels.len());
        folds.iter().for_each(|fold| confusion.add(&fold.confusion));
        let (uar, war, macro_f1) = (confusion.uar(), confusion.war(), confusion.macro_f1());
        let (name, score_note) = (name.into(), score_note.map(String::from));
        Baseline { name, score_note, uar, war, macro_f1, labels, confusion, folds }
    }
}

fn score_fold(x: &[Vec<f64>], dataset: &Dataset, split: &Split) -> Result<BaselineFold> {
    let mut train = dataset.clips_of(&[split.train(), split.validation()].concat());
    train.sort_unstable();
    let c = choose_c(x, dataset, &train)?;
    let test = dataset.clips_of(split.test());
    let confusion = train_and_test(x, dataset, &train, &test, c);
    Ok(BaselineFold { fold: split.fold(), corpus: split.corpus().map(String::from), c, confusion })
}

/// The `C` of the best UAR over inner folds of the training speakers; of equals the smallest.
fn choose_c(x: &[Vec<f64>], dataset: &Dataset, train: &[usize]) -> Result<f64> {
    let clips = dataset.clips();
    let speakers_and_labels = || train.iter().map(|&clip| (&clips[clip].speaker[..], clips[clip].label));
    let speakers = speakers_and_labels().map(|(speaker, _)| speaker).collect::<std::collections::BTreeSet<_>>().len();
    // Two speakers cannot be divided into training, validation and test.
    let inner = match speakers {
        0..3 => return Ok(GRID[2]),
        3 => FoldPlan::Balanced(3),
        _ => FoldPlan::Balanced(INNER_FOLDS),
    };
    let inner = inner.splits_of(speakers_and_labels())?;
    let uar = |&c: &f64| {
        let mut pooled = Confusion::new(dataset.labels().count());
        for split in &inner {
            let (test, train): (Vec<usize>, Vec<usize>) =
                train.iter().partition(|&&clip| split.test().contains(&clips[clip].speaker));
            pooled.add(&train_and_test(x, dataset, &train, &test, c));
        }
        pooled.uar()
    };
    let scores: Vec<f64> = GRID.par_iter().map(uar).collect();
    let best = (1..GRID.len()).fold(0, |best, n| if scores[n] > scores[best] { n } else { best });
    Ok(GRID[best])
}

/// Trains on the clips `train`, which also give mean and standard deviation of each column, and tests on `test`.
fn train_and_test(x: &[Vec<f64>], dataset: &Dataset, train: &[usize], test: &[usize], c: f64) -> Confusion {
    let statistics = Statistics::of(train.iter().map(|&clip| &x[clip]));
    let normalised = |clips: &[usize]| clips.iter().map(|&clip| statistics.normalise(&x[clip])).collect::<Vec<_>>();
    let labels: Vec<usize> = train.iter().map(|&clip| dataset.clips()[clip].label).collect();
    let classes = dataset.labels().count();
    let svm = LinearSvm::train(&normalised(train), &labels, classes, c, TOLERANCE);
    let mut confusion = Confusion::new(classes);
    for (&clip, x) in test.iter().zip(normalised(test)) {
        confusion.count(dataset.clips()[clip].label, svm.predict(&x));
    }
    confusion
}

/// Mean and standard deviation over the frames of each column of every clip: `[2D]`.
fn functionals(clips: &[Clip]) -> Vec<Vec<f64>> {
    let of_clip = |clip: &Clip| {
        let rows = clip.features.iter_rows().map(|row| row.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
        let Statistics { mean, std } = Statistics::of(&rows.collect::<Vec<_>>());
        [mean, std].concat()
    };
    clips.iter().map(of_clip).collect()
}

/// Every clip normalised by mean and standard deviation of its speaker's clips.
fn normalised_by_speaker(x: &[Vec<f64>], clips: &[Clip]) -> Vec<Vec<f64>> {
    let mut by_speaker: BTreeMap<&str, Vec<&Vec<f64>>> = BTreeMap::new();
    for (x, clip) in x.iter().zip(clips) {
        by_speaker.entry(&clip.speaker).or_default().push(x);
    }
    let statistics: BTreeMap<&str, Statistics> =
        by_speaker.into_iter().map(|(speaker, x)| (speaker, Statistics::of(x))).collect();
    x.iter().zip(clips).map(|(x, clip)| statistics[&clip.speaker[..]].normalise(x)).collect()
}

/// Mean and standard deviation of columns.
struct Statistics {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Statistics {
    fn of<'a>(rows: impl IntoIterator<Item = &'a Vec<f64>> + Clone) -> Self {
        let columns = rows.clone().into_iter().next().map_or(0, Vec::len);
        let mean_of = |value: &dyn Fn(usize, f64) -> f64| {
            let (mut sum, mut count) = (vec![0.0; columns], 0);
            for row in rows.clone() {
                sum.iter_mut().zip(row).enumerate().for_each(|(column, (sum, &x))| *sum += value(column, x));
                count += 1;
            }
            sum.into_iter().map(|sum| sum / f64::from(count)).collect::<Vec<f64>>()
        };
        let mean = mean_of(&|_, x| x);
        let std = mean_of(&|column, x| (x - mean[column]).powi(2)).into_iter().map(f64::sqrt).collect();
        Statistics { mean, std }
    }

    /// A column that never changes becomes 0.
    fn normalise(&self, row: &[f64]) -> Vec<f64> {
        let value = |((x, mean), std): ((&f64, &f64), &f64)| if *std > 1e-12 { (x - mean) / std } else { 0.0 };
        row.iter().zip(&self.mean).zip(&self.std).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::labels::Labels;
    use reslstm::matrix::Matrix;
    use reslstm::rng::RandomStream;

    /// Twelve speakers with four clips of each of two classes. A class is a shift of column 0, far smaller than the speaker's own
    /// shift, and a wider spread over the frames of column 1.
    fn dataset(of_class: f64, of_speaker: f64, spread: f64) -> Dataset {
        let mut stream = RandomStream::new(1, "baseline", 0);
        let shifts: Vec<f64> = (0..12).map(|_| of_speaker * stream.normal()).collect();
        let clip = |n: usize| {
            let (speaker, label) = (n / 8, n % 2);
            let frame = |stream: &mut RandomStream| {
                let shift = shifts[speaker] + of_class * label as f64;
                [shift + 0.3 * stream.normal(), (1.0 + spread * label as f64) * stream.normal()].map(|x| x as f32)
            };
            let frames: Vec<[f32; 2]> = (0..30).map(|_| frame(&mut stream)).collect();
            let (name, speaker) = (format!("{n}"), format!("{speaker:02}"));
            Clip { name, label, speaker, features: Matrix::from_rows(&frames) }
        };
        Dataset::new(Labels::new(vec!["x".into(), "y".into()]).unwrap(), (0..96).map(clip).collect()).unwrap()
    }

    fn uar(dataset: &Dataset) -> [f64; 2] {
        let splits = FoldPlan::KFold(3).splits(&dataset.speakers()).unwrap();
        let baselines = linear_svm(dataset, &splits).unwrap();
        for Baseline { folds, confusion, .. } in &baselines {
            assert_eq!((folds.len(), confusion.total()), (3, 96));
        }
        assert!(baselines[1].score_note.as_ref().unwrap().starts_with("transductive"));
        baselines.map(|baseline| baseline.uar)
    }

    #[test]
    fn a_speakers_shift_hides_the_class_unless_every_speaker_is_normalised() {
        let [strict, transductive] = uar(&dataset(1.0, 20.0, 0.0));
        assert!(strict < 0.7 && transductive > 0.95, "{strict} {transductive}");
    }

    #[test]
    fn the_spread_over_the_frames_is_a_feature() {
        let [strict, _] = uar(&dataset(0.0, 1.0, 2.0));
        assert!(strict > 0.95, "{strict}");
        let [chance, _] = uar(&dataset(0.0, 1.0, 0.0));
        assert!((0.3..0.7).contains(&chance), "{chance}");
    }
}
