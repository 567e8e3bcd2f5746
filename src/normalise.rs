//! Normalisation: every feature column to mean 0 and standard deviation 1, by the statistics of the training frames.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::prelude::*;

/// The mean and standard deviation of every feature column, `[D]` each.
///
/// The caller chooses the clips it is fitted on: the strict protocol takes those of the training speakers alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Columns")]
pub struct Normaliser {
    mean: Vec<f64>,
    std: Vec<f64>,
}

/// What a [`Normaliser`] is read from, before it is checked.
#[derive(Deserialize)]
struct Columns {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Normaliser {
    /// A normaliser with known statistics, `[D]` each.
    ///
    /// # Errors
    /// [`Kind::Features`] if the two differ in length or are empty, a mean is not finite, or a standard deviation is
    /// not finite and positive.
    pub fn new(mean: Vec<f64>, std: Vec<f64>) -> Result<Self> {
        let wrong = |problem| Err(Error::new(Kind::Features, problem).at("normalisation"));
        if mean.len() != std.len() || mean.is_empty() {
            return wrong(format!(
                "expected one mean and one standard deviation per column, got {} means and {} standard deviations",
                mean.len(),
                std.len()
            ));
        }
        for (column, (mean, std)) in mean.iter().zip(&std).enumerate() {
            if !(mean.is_finite() && std.is_finite() && *std > 0.0) {
                return wrong(format!(
                    "column {column}: expected a finite mean and a positive standard deviation, got {mean} and {std}"
                ));
            }
        }
        Ok(Normaliser { mean, std })
    }

    /// The statistics of all frames of `clips`, each `[T,D]`, every frame with the same weight.
    ///
    /// # Formula
    /// ```text
    /// mean[d] = 1/F Σ x[t,d]      std[d] = √(1/F Σ (x[t,d] − mean[d])²)      over the F frames of all clips
    /// ```
    /// The biased variance, as numpy's `std`. In f64 and in two passes: sums of squares would lose the digits of a
    /// column whose mean is large against its spread. A column that never changes gets the standard deviation 1, so it
    /// becomes 0 everywhere instead of 0/0.
    ///
    /// # Errors
    /// [`Kind::Features`] if there is no frame, a clip's width differs from the first one's, or a value is not finite.
    pub fn fit<'a>(clips: impl IntoIterator<Item = &'a Matrix<f32>>) -> Result<Self> {
        let clips: Vec<&Matrix<f32>> = clips.into_iter().collect();
        let frames: usize = clips.iter().map(|clip| clip.rows()).sum();
        let width = clips.first().map_or(0, |clip| clip.cols());
        if frames == 0 || width == 0 {
            let problem = format!("expected frames to take statistics of, got {frames} of width {width}");
            return Err(Error::new(Kind::Features, problem).at("normalisation"));
        }
        if let Some(other) = clips.iter().find(|clip| clip.cols() != width) {
            return Err(wrong_width(width, other.cols()));
        }
        let rows = || clips.iter().flat_map(|clip| clip.iter_rows());

        let mut mean = vec![0.0; width];
        for row in rows() {
            for (sum, &x) in mean.iter_mut().zip(row) {
                *sum += f64::from(x);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= frames as f64);

        let mut std = vec![0.0; width];
        for row in rows() {
            for ((sum, &x), mean) in std.iter_mut().zip(row).zip(&mean) {
                *sum += (f64::from(x) - mean).powi(2);
            }
        }
        for sum in &mut std {
            let deviation = (*sum / frames as f64).sqrt();
            // The f64 sum of a constant f32 is exact (up to 2^29 frames), so such a column deviates by exactly 0.
            *sum = if deviation == 0.0 { 1.0 } else { deviation };
        }
        // f32 squares cannot overflow an f64 sum: what is not finite here was not finite in a feature.
        Normaliser::new(mean, std)
    }

    /// Normalised features of a clip: `x` and the result are `[T,D]`.
    ///
    /// # Formula
    /// ```text
    /// y[t,d] = (x[t,d] − mean[d]) / std[d]      in f64, rounded once
    /// ```
    /// # Errors
    /// [`Kind::Features`] if `x` has another number of columns than this was fitted on.
    pub fn apply(&self, x: &Matrix<f32>) -> Result<Matrix<f32>> {
        if x.cols() != self.width() {
            return Err(wrong_width(self.width(), x.cols()));
        }
        let mut y = Matrix::default();
        self.apply_into(x, &mut y);
        Ok(y)
    }

    /// [`apply`](Self::apply) into memory that is there already: `y` takes the shape of `x`.
    ///
    /// # Panics
    /// If `x` has another number of columns than this was fitted on.
    pub fn apply_into(&self, x: &Matrix<f32>, y: &mut Matrix<f32>) {
        assert_eq!(x.cols(), self.width(), "as many columns as the statistics");
        y.resize(x.rows(), x.cols());
        for t in 0..x.rows() {
            self.apply_to_frame(x.row(t), y.row_mut(t));
        }
    }

    /// [`apply`](Self::apply) in place.
    ///
    /// # Panics
    /// If `x` has another number of columns than this was fitted on.
    pub fn apply_in_place(&self, x: &mut Matrix<f32>) {
        assert_eq!(x.cols(), self.width(), "as many columns as the statistics");
        for t in 0..x.rows() {
            for (d, x) in x.row_mut(t).iter_mut().enumerate() {
                *x = self.normalised(d, *x);
            }
        }
    }

    /// [`apply`](Self::apply) for one frame: `x` and `y` are `[D]`.
    ///
    /// # Panics
    /// If `x` or `y` has another number of columns than this was fitted on.
    pub fn apply_to_frame(&self, x: &[f32], y: &mut [f32]) {
        assert_eq!([x.len(), y.len()], [self.width(); 2], "as many columns as the statistics");
        for (d, (y, &x)) in y.iter_mut().zip(x).enumerate() {
            *y = self.normalised(d, x);
        }
    }

    fn normalised(&self, column: usize, x: f32) -> f32 {
        ((f64::from(x) - self.mean[column]) / self.std[column]) as f32
    }

    /// The statistics of some columns.
    pub fn select_columns(&self, columns: &[usize]) -> Self {
        let of = |values: &[f64]| columns.iter().map(|&column| values[column]).collect();
        Normaliser { mean: of(&self.mean), std: of(&self.std) }
    }

    /// These statistics where nothing is known about the speaker: the `level` column of features that have one becomes 0, as how far
    /// away a microphone was says nothing about an emotion.
    pub fn without_speaker(mut self, level: Option<usize>) -> Self {
        if let Some(level) = level {
            self.std[level] = f64::INFINITY;
        }
        self
    }

    /// These statistics, of the training, moved towards those of a speaker of whom there are `clips` clips; `kappa` is the number of
    /// clips at which both count the same. The `level` column, if there is one, becomes what a recording is louder than these clips.
    ///
    /// # Formula
    /// ```text
    /// mean = w·speaker + (1 − w)·training      std likewise      w = k / (k + κ),  k clips
    /// level column:  mean = speaker,  std = training / w        so that y = w·(x − speaker) / training
    /// ```
    /// Without clips these are the statistics of the training [without a speaker](Self::without_speaker).
    ///
    /// # Panics
    /// If the widths differ, or `kappa` is not positive.
    pub fn shrunk(&self, speaker: &Normaliser, clips: f64, kappa: f64, level: Option<usize>) -> Self {
        assert_eq!(speaker.width(), self.width(), "as many columns as the statistics");
        assert!(kappa > 0.0, "a positive number of clips");
        let w = clips / (clips + kappa);
        let between = |speaker: &[f64], training: &[f64]| {
            speaker.iter().zip(training).map(|(speaker, training)| w * speaker + (1.0 - w) * training).collect()
        };
        let mut shrunk = Normaliser { mean: between(&speaker.mean, &self.mean), std: between(&speaker.std, &self.std) };
        if let Some(level) = level {
            (shrunk.mean[level], shrunk.std[level]) = (speaker.mean[level], self.std[level] / w);
        }
        shrunk
    }

    /// Statistics of normalised columns in the units of the features that this normalises.
    pub fn undo(&self, normalised: &Normaliser) -> Self {
        let columns = || self.mean.iter().zip(&self.std);
        Normaliser {
            mean: columns().zip(&normalised.mean).map(|((mean, std), m)| mean + std * m).collect(),
            std: columns().zip(&normalised.std).map(|((_, std), s)| std * s).collect(),
        }
    }

    /// Mean 0 and standard deviation 1 of so many columns: it changes nothing.
    pub fn identity(width: usize) -> Self {
        Normaliser { mean: vec![0.0; width], std: vec![1.0; width] }
    }

    /// Number of columns, `D`.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The mean of every column, `[D]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of every column, `[D]`, all positive.
    pub fn std(&self) -> &[f64] {
        &self.std
    }
}

/// Frames, sum and sum of squares of every column, `[D]`: the statistics of any set of clips are the sum of theirs.
///
/// One pass loses digits where a mean is large against its spread, so the columns are to be normalised by other statistics before.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSums {
    frames: u64,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl ColumnSums {
    /// Of no frame of `width` columns.
    pub fn new(width: usize) -> Self {
        ColumnSums { frames: 0, sum: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Of all frames of a clip `[T,D]`.
    pub fn of(x: &Matrix<f32>) -> Self {
        let mut sums = Self::new(x.cols());
        x.iter_rows().for_each(|frame| sums.add_frame(frame));
        sums
    }

    /// Adds a frame, `[D]`.
    pub fn add_frame(&mut self, frame: &[f32]) {
        self.add_values(frame.iter().map(|&x| f64::from(x)));
    }

    /// Adds a frame `[D]` after normalisation, which is not rounded.
    pub fn add_normalised(&mut self, normaliser: &Normaliser, frame: &[f32]) {
        let columns = normaliser.mean.iter().zip(&normaliser.std);
        self.add_values(columns.zip(frame).map(|((mean, std), &x)| (f64::from(x) - mean) / std));
    }

    fn add_values(&mut self, frame: impl Iterator<Item = f64>) {
        self.frames += 1;
        for ((sum, square), x) in self.sum.iter_mut().zip(&mut self.squares).zip(frame) {
            *sum += x;
            *square += x * x;
        }
    }

    /// Adds the frames of another.
    pub fn add(&mut self, other: &ColumnSums) {
        self.frames += other.frames;
        self.sum.iter_mut().zip(&other.sum).for_each(|(sum, other)| *sum += other);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, other)| *sum += other);
    }

    /// Number of frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Back to no frame.
    pub fn clear(&mut self) {
        self.frames = 0;
        self.sum.fill(0.0);
        self.squares.fill(0.0);
    }

    /// The sums of some columns.
    pub fn select_columns(&self, columns: &[usize]) -> Self {
        let of = |values: &[f64]| columns.iter().map(|&column| values[column]).collect();
        ColumnSums { frames: self.frames, sum: of(&self.sum), squares: of(&self.squares) }
    }

    /// Mean and standard deviation of every column, those of [`Normaliser::fit`] but for rounding; `None` without frames. A column
    /// that never changes has the standard deviation 1.
    pub fn statistics(&self) -> Option<Normaliser> {
        if self.frames == 0 {
            return None;
        }
        let n = self.frames as f64;
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / n).collect();
        let deviation = |(squares, mean): (&f64, &f64)| {
            let variance = squares / n - mean * mean;
            // Sums of n numbers are right to n roundings: what these leave of a constant is no spread.
            if variance > n * f64::EPSILON * squares / n { variance.sqrt() } else { 1.0 }
        };
        let std = self.squares.iter().zip(&mean).map(deviation).collect();
        Some(Normaliser { mean, std })
    }
}

impl TryFrom<Columns> for Normaliser {
    type Error = Error;
    fn try_from(columns: Columns) -> Result<Self> {
        Normaliser::new(columns.mean, columns.std)
    }
}

fn wrong_width(expected: usize, got: usize) -> Error {
    Error::new(Kind::Features, format!("expected {expected} feature columns, got {got}"))
        .at("normalisation")
        .advice("all clips need features made with the same settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_clips() -> [Matrix<f32>; 2] {
        // Clips of different length: a mean of clip means would differ from the mean of frames.
        [
            Matrix::from_rows(&[[1.0, 10.0, 7.0], [2.0, -20.0, 7.0], [6.0, 40.0, 7.0]]),
            Matrix::from_rows(&[[-5.0f32, 30.0, 7.0]]),
        ]
    }

    #[test]
    fn statistics_worked_by_hand() {
        let normaliser = Normaliser::fit(&two_clips()).unwrap();
        assert_eq!(normaliser.mean(), [1.0, 15.0, 7.0]);
        // Deviations 0, 1, 5, −6: 62/4. Deviations −5, −35, 25, 15: 2100/4. The third column is constant.
        assert_eq!(normaliser.std(), [15.5f64.sqrt(), 525.0f64.sqrt(), 1.0]);
        assert_eq!(normaliser.width(), 3);
    }

    #[test]
    fn normalised_frames_have_mean_0_and_deviation_1() {
        let clips = two_clips();
        let normaliser = Normaliser::fit(&clips).unwrap();
        let after: Vec<_> = clips.iter().map(|clip| normaliser.apply(clip).unwrap()).collect();
        assert_eq!(after[1].row(0), [(-6.0 / 15.5f64.sqrt()) as f32, (15.0 / 525.0f64.sqrt()) as f32, 0.0]);
        let again = Normaliser::fit(&after).unwrap();
        for column in 0..2 {
            // The values were rounded to f32: about 6e-8 each.
            assert!(again.mean()[column].abs() < 1e-7, "{:?}", again.mean());
            assert!((again.std()[column] - 1.0).abs() < 1e-7, "{:?}", again.std());
        }
    }

    #[test]
    fn statistics_are_shrunk_by_the_number_of_clips() {
        let training = Normaliser::new(vec![1.0, -3.1], vec![2.0, 0.7]).unwrap();
        let speaker = Normaliser::new(vec![5.0, 0.9], vec![4.0, 0.3]).unwrap();
        assert_eq!(training.shrunk(&speaker, 0.0, 4.0, None), training, "no clip: the training's to the bit");
        // w = 4/(4 + 12) = 1/4.
        let shrunk = training.shrunk(&speaker, 4.0, 12.0, None);
        assert_eq!((shrunk.mean()[0], shrunk.std()[0]), (2.0, 2.5));
        approx::assert_abs_diff_eq!(shrunk.mean()[1], 0.25 * 0.9 - 0.75 * 3.1, epsilon = 1e-15);
        // In normalised columns the same: shrinking and units can be exchanged.
        let normalised = Normaliser::new(vec![(5.0 - 1.0) / 2.0, (0.9 + 3.1) / 0.7], vec![2.0, 0.3 / 0.7]).unwrap();
        let other = training.undo(&Normaliser::identity(2).shrunk(&normalised, 4.0, 12.0, None));
        for (got, expected) in [other.mean(), other.std()].concat().iter().zip([shrunk.mean(), shrunk.std()].concat()) {
            approx::assert_abs_diff_eq!(*got, expected, epsilon = 1e-14);
        }
    }

    #[test]
    fn sums_of_clips_are_the_statistics_of_all_their_frames() {
        let clips = two_clips();
        let mut sums = ColumnSums::of(&clips[0]);
        sums.add(&ColumnSums::of(&clips[1]));
        assert_eq!(sums.statistics().unwrap(), Normaliser::fit(&clips).unwrap());
        assert_eq!((sums.frames(), ColumnSums::new(3).statistics()), (4, None));
        assert_eq!(sums.select_columns(&[1]).statistics().unwrap().mean(), [15.0]);
        let mut constant = ColumnSums::new(1);
        (0..100_003).for_each(|_| constant.add_frame(&[-0.1]));
        assert_eq!(constant.statistics().unwrap().std(), [1.0]);
    }

    #[test]
    fn a_small_spread_on_a_large_mean_keeps_its_digits() {
        // In one pass, Σx² − (Σx)²/F of these is 0 or negative in f32 and wrong in the second digit in f64.
        let clip = Matrix::from_rows(&[[16_777_214.0f32], [16_777_215.0], [16_777_216.0]]);
        let normaliser = Normaliser::fit([&clip]).unwrap();
        assert_eq!(normaliser.mean(), [16_777_215.0]);
        assert_eq!(normaliser.std(), [(2.0f64 / 3.0).sqrt()]);
    }

    #[test]
    fn a_constant_that_is_no_binary_fraction_is_still_constant() {
        let clip = Matrix::from_vec(100_003, 1, vec![-0.1f32; 100_003]);
        let normaliser = Normaliser::fit([&clip]).unwrap();
        assert_eq!((normaliser.mean(), normaliser.std()), (&[f64::from(-0.1f32)][..], &[1.0][..]));
        assert_eq!(normaliser.apply(&clip).unwrap()[(5, 0)], 0.0);
    }

    #[test]
    fn other_widths_no_frames_and_values_that_are_no_numbers_are_refused() {
        let normaliser = Normaliser::fit(&two_clips()).unwrap();
        let error = normaliser.apply(&Matrix::zeros(4, 2)).unwrap_err();
        assert_eq!(error.kind(), Kind::Features);
        assert!(error.to_string().contains("expected 3 feature columns, got 2"), "{error}");

        let error = Normaliser::fit([&Matrix::zeros(4, 2), &Matrix::zeros(1, 5)]).unwrap_err();
        assert!(error.to_string().contains("expected 2 feature columns, got 5"), "{error}");
        for empty in [vec![], vec![Matrix::zeros(0, 3)], vec![Matrix::zeros(3, 0)]] {
            let error = Normaliser::fit(&empty).unwrap_err();
            assert!(error.to_string().contains("expected frames"), "{error}");
        }
        for bad in [f32::NAN, f32::INFINITY] {
            let error = Normaliser::fit([&Matrix::from_rows(&[[1.0, 2.0], [1.0, bad]])]).unwrap_err();
            assert!(error.to_string().contains("column 1: expected a finite mean"), "{error}");
        }
    }

    #[test]
    fn what_is_read_back_is_what_was_written_and_is_checked() {
        let normaliser = Normaliser::fit(&two_clips()).unwrap();
        let text = serde_json::to_string(&normaliser).unwrap();
        assert_eq!(serde_json::from_str::<Normaliser>(&text).unwrap(), normaliser);
        let refused = |text: &str| serde_json::from_str::<Normaliser>(text).unwrap_err().to_string();
        assert!(refused(r#"{"mean":[1.0,2.0],"std":[1.0]}"#).contains("got 2 means and 1 standard deviations"));
        assert!(refused(r#"{"mean":[1.0,2.0],"std":[1.0,0.0]}"#).contains("column 1"));
        assert!(refused(r#"{"mean":[],"std":[]}"#).contains("0 means"));
    }
}
