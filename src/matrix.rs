//! A dense row-major matrix: shape and values. Products are in [`crate::kernels`].

use crate::prelude::*;
use core::ops::{Index, IndexMut};

/// `rows × cols` values, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix<S> {
    rows: usize,
    cols: usize,
    data: Vec<S>,
}

impl<S: Copy + Default> Matrix<S> {
    /// All zeros, `[rows, cols]`.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Matrix { rows, cols, data: vec![S::default(); rows * cols] }
    }

    /// A matrix of rows of equal length.
    ///
    /// # Panics
    /// If the rows differ in length.
    pub fn from_rows<R: AsRef<[S]>>(rows: &[R]) -> Self {
        let cols = rows.first().map_or(0, |r| r.as_ref().len());
        let mut data = Vec::with_capacity(rows.len() * cols);
        for row in rows {
            assert_eq!(row.as_ref().len(), cols, "rows of a matrix have one length");
            data.extend_from_slice(row.as_ref());
        }
        Matrix { rows: rows.len(), cols, data }
    }

    /// A matrix of values that are stored row after row.
    ///
    /// # Panics
    /// If there are not `rows · cols` values.
    pub fn from_vec(rows: usize, cols: usize, data: Vec<S>) -> Self {
        assert_eq!(data.len(), rows * cols, "a [{rows}, {cols}] matrix has {} values", rows * cols);
        Matrix { rows, cols, data }
    }

    /// Changes the shape. The values are afterwards unspecified; memory is kept, and reused when it suffices.
    pub fn resize(&mut self, rows: usize, cols: usize) {
        (self.rows, self.cols) = (rows, cols);
        self.data.resize(rows * cols, S::default());
    }

    /// Writes some columns of this matrix, in the order given, to `out` `[rows, columns]`.
    pub fn select_columns(&self, columns: &[usize], out: &mut Self) {
        out.resize(self.rows, columns.len());
        for (r, row) in self.iter_rows().enumerate() {
            out.row_mut(r).iter_mut().zip(columns).for_each(|(out, &column)| *out = row[column]);
        }
    }

    /// Every value becomes `value`.
    pub fn fill(&mut self, value: S) {
        self.data.fill(value);
    }
}

impl<S> Matrix<S> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// `[rows, cols]`
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// Row `r`, `[cols]`.
    pub fn row(&self, r: usize) -> &[S] {
        &self.data[r * self.cols..(r + 1) * self.cols]
    }

    /// Row `r`, `[cols]`, to write.
    pub fn row_mut(&mut self, r: usize) -> &mut [S] {
        &mut self.data[r * self.cols..(r + 1) * self.cols]
    }

    /// Rows `from..to` as one slice, row after row.
    pub fn rows_between(&self, from: usize, to: usize) -> &[S] {
        &self.data[from * self.cols..to * self.cols]
    }

    /// Rows `from..to` as one slice, row after row, to write.
    pub fn rows_between_mut(&mut self, from: usize, to: usize) -> &mut [S] {
        &mut self.data[from * self.cols..to * self.cols]
    }

    /// All values, row after row.
    pub fn as_slice(&self) -> &[S] {
        &self.data
    }

    /// All values, row after row, to write.
    pub fn as_mut_slice(&mut self) -> &mut [S] {
        &mut self.data
    }

    /// Iterates over the rows.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[S]> {
        (0..self.rows).map(|r| self.row(r))
    }
}

impl<S> Index<(usize, usize)> for Matrix<S> {
    type Output = S;
    fn index(&self, (r, c): (usize, usize)) -> &S {
        &self.row(r)[c]
    }
}

impl<S> IndexMut<(usize, usize)> for Matrix<S> {
    fn index_mut(&mut self, (r, c): (usize, usize)) -> &mut S {
        &mut self.row_mut(r)[c]
    }
}

/// Index of the largest of `values` `[n]`, the first of equals (`max_by` would give the last); 0 if there are none.
pub fn argmax(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, k| if values[k] > values[best] { k } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_contiguous() {
        let m = Matrix::from_rows(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(m.shape(), [2, 3]);
        assert_eq!(m.row(1), &[4.0, 5.0, 6.0]);
        assert_eq!(m[(0, 2)], 3.0);
        assert_eq!(m.rows_between(1, 2), m.row(1));
        let mut selected = Matrix::default();
        m.select_columns(&[2, 0], &mut selected);
        assert_eq!(selected, Matrix::from_rows(&[[3.0, 1.0], [6.0, 4.0]]));
    }

    #[test]
    fn the_first_of_equal_values_is_the_largest() {
        assert_eq!(argmax(&[0.1, 0.7, 0.7, 0.2]), 1);
        assert_eq!(argmax(&[-2.0, -3.0]), 0);
    }
}
