//! The initial weights of an LSTM.

use super::Lstm;
use crate::matrix::Matrix;
use crate::prelude::*;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// The gates have the order i, f, g, o in every stacked tensor and every array of four: the forget gate is number 1.
const FORGET: usize = 1;

impl<S: Scalar> Lstm<S> {
    /// The published initialisation: `W_ih` normal with variance `2 / (D + 4H)` (Xavier over the whole stacked matrix), `W_hh`
    /// with orthonormal columns, biases 0 except the forget quarter, 1 **in both biases**, so 2 in sum.
    pub fn init(inputs: usize, hidden: usize, stream: &mut RandomStream) -> Self {
        let mut layer = Self::zeros(inputs, hidden);
        let std = Scalar::sqrt(2.0 / (inputs + 4 * hidden) as f64);
        layer.weight_ih.as_mut_slice().fill_with(|| S::from_f64(std * stream.normal()));
        layer.weight_hh = random_orthonormal_columns(4 * hidden, hidden, stream);
        for bias in [&mut layer.bias_ih, &mut layer.bias_hh] {
            bias[FORGET * hidden..(FORGET + 1) * hidden].fill(S::ONE);
        }
        layer
    }
}

/// A random `[rows, cols]` matrix, `rows ≥ cols`, whose columns are orthonormal: normal numbers, made orthogonal column by column
/// (Gram and Schmidt, each column twice, which keeps orthogonality to rounding).
fn random_orthonormal_columns<S: Scalar>(rows: usize, cols: usize, stream: &mut RandomStream) -> Matrix<S> {
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(cols);
    for _ in 0..cols {
        let mut column: Vec<f64> = (0..rows).map(|_| stream.normal()).collect();
        for _ in 0..2 {
            for earlier in &columns {
                let along: f64 = column.iter().zip(earlier).map(|(a, b)| a * b).sum();
                column.iter_mut().zip(earlier).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = Scalar::sqrt(column.iter().map(|a| a * a).sum::<f64>());
        column.iter_mut().for_each(|a| *a /= norm);
        columns.push(column);
    }
    let mut matrix = Matrix::zeros(rows, cols);
    for (c, column) in columns.iter().enumerate() {
        for (r, &value) in column.iter().enumerate() {
            matrix[(r, c)] = S::from_f64(value);
        }
    }
    matrix
}
