//! Deltas: slopes of the first MFCC over time.
//!
//! Computed from a frame and the four before it, from no later frame: the same for a whole clip and live.

use crate::matrix::Matrix;

/// Frames that a slope is computed from, the current one included: a sixth of a second with the paper's settings at 48 kHz.
const WINDOW: usize = 5;

/// The first columns of the latest frames of a recording, from which slopes are computed.
#[derive(Clone, Debug)]
pub(super) struct Slopes {
    /// Of frame `t` in row `t % WINDOW`, `[WINDOW,deltas]`.
    latest: Matrix<f32>,
    /// Frames so far.
    frames: usize,
}

impl Slopes {
    /// Of `deltas` columns, before the first frame.
    pub(super) fn new(deltas: usize) -> Self {
        Slopes { latest: Matrix::zeros(WINDOW, deltas), frames: 0 }
    }

    /// Begins a new recording.
    pub(super) fn reset(&mut self) {
        self.frames = 0;
    }

    /// Slopes of the first `deltas` columns, into the last `deltas` columns of `features` `[T,width]`, the next frames of the
    /// recording.
    ///
    /// # Formula
    /// The slope of the least-squares line through five frames (HTK's and librosa's deltas, there centred on the current frame);
    /// the first frame is repeated before the beginning:
    /// ```text
    /// d[t] = Σ_j (j − 2)·c[t − 4 + j] / Σ_j (j − 2)²      j = 0 … 4
    /// ```
    pub(super) fn append(&mut self, features: &mut Matrix<f32>) {
        let deltas = self.latest.cols();
        for t in 0..features.rows() {
            let first = features.cols() - deltas;
            let (values, slopes) = features.row_mut(t).split_at_mut(first);
            self.latest.row_mut(self.frames % WINDOW).copy_from_slice(&values[..deltas]);
            for (column, slope) in slopes.iter_mut().enumerate() {
                *slope = slope_of(|age| self.latest[(self.frames.saturating_sub(age) % WINDOW, column)]);
            }
            self.frames += 1;
        }
    }
}

/// The slope at a frame, of the values that are `age` frames old, `0..WINDOW`.
fn slope_of(aged: impl Fn(usize) -> f32) -> f32 {
    // Σ_j (j − 2)·c[t − 4 + j], the current frame weighing +2, the oldest −2.
    (2.0 * (aged(0) - aged(4)) + (aged(1) - aged(3))) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope_and_the_first_frame_none() {
        let rows: Vec<[f32; 4]> = (0..8).map(|t| [3.0 + 0.5 * t as f32, -2.0 * t as f32, 9.0, 9.0]).collect();
        let mut features = Matrix::from_rows(&rows);
        Slopes::new(2).append(&mut features);
        for t in 4..8 {
            assert_eq!(features.row(t)[2..], [0.5, -2.0]);
        }
        // Frame 0 sees itself five times; frame 1 has (2·(c₁ − c₀) + (c₀ − c₀)) / 10.
        assert_eq!(features.row(0)[2..], [0.0, 0.0]);
        assert_eq!(features.row(1)[2..], [0.1, -0.4]);
        assert_eq!(features.row(5)[..2], [5.5, -10.0], "the columns themselves stay");
    }

    #[test]
    fn one_outlier_changes_the_slope_as_least_squares_do() {
        // Regression of 0, 0, 7, 0, 1 on −2, −1, 0, 1, 2: (2·1) / 10.
        let values = [0.0, 0.0, 7.0, 0.0, 1.0];
        assert_eq!(slope_of(|age| values[4 - age]), 0.2);
    }
}
