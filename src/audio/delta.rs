//! Deltas: slopes of the first MFCC over time.
//!
//! Computed from a frame and the four before it, from no later frame: the same for a whole clip and live.

use crate::matrix::Matrix;

/// Frames that a slope is computed from, the current one included: a sixth of a second with the paper's settings at 48 kHz.
pub(super) const WINDOW: usize = 5;

/// Slopes of the first `deltas` columns, into the last `deltas` columns of `features` `[T,width]`.
///
/// # Formula
/// The slope of the least-squares line through five frames (HTK's and librosa's deltas, there centred on the current frame);
/// the first frame is repeated before the beginning:
/// ```text
/// d[t] = Σ_j (j − 2)·c[t − 4 + j] / Σ_j (j − 2)²      j = 0 … 4
/// ```
pub(super) fn append(features: &mut Matrix<f32>, deltas: usize) {
    let first = features.cols() - deltas;
    for t in 0..features.rows() {
        for column in 0..deltas {
            features[(t, first + column)] = slope(|age| features[(t.saturating_sub(age), column)]);
        }
    }
}

/// The slope at a frame, of the values that are `age` frames old, `0..WINDOW`.
pub(super) fn slope(aged: impl Fn(usize) -> f32) -> f32 {
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
        append(&mut features, 2);
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
        assert_eq!(slope(|age| values[4 - age]), 0.2);
    }
}
