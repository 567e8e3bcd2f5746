//! The right-hand side of a product, packed as panels of sixteen columns.

use super::lanes::{LANES, Lanes, vector_start};
use crate::prelude::*;
use crate::scalar::Scalar;

/// A `[depth, columns]` matrix stored as vertical strips of sixteen columns, each strip row after row: a product reads
/// every strip from its first number to its last. Packed once, read by every tile of the product.
///
/// The last strip is moved back to end with the last column ([`vector_start`]); of fewer than sixteen columns there is one
/// strip, whose last lanes nothing reads.
#[derive(Clone, Debug, Default)]
pub struct Panels<S> {
    depth: usize,
    columns: usize,
    strips: Vec<Lanes<S>>,
}

impl<S: Scalar> Panels<S> {
    /// Packs the rows of `b`, `[depth, columns]`.
    ///
    /// # Panics
    /// If `b` does not hold whole rows of `columns` numbers.
    pub fn pack(&mut self, b: &[S], columns: usize) {
        self.reshape(b.len() / columns, columns);
        self.set_rows(0, b);
    }

    /// Packs `b`, whole rows, as the rows from `first` on of a matrix that was [`reshape`](Self::reshape)d before.
    ///
    /// # Panics
    /// If `b` does not hold whole rows, or more than there are.
    pub fn set_rows(&mut self, first: usize, b: &[S]) {
        let rows = b.len() / self.columns;
        assert_eq!(b.len(), rows * self.columns, "whole rows of {} numbers", self.columns);
        for (v, strip) in self.strips.chunks_exact_mut(self.depth).enumerate() {
            let start = vector_start(v, self.columns);
            for (lanes, row) in strip[first..first + rows].iter_mut().zip(b.chunks_exact(self.columns)) {
                *lanes = Lanes::load_padded(&row[start..]);
            }
        }
    }

    /// Packs the transpose of `b`, `[columns, depth]`: column `c` of the panels is row `c` of `b`.
    ///
    /// # Panics
    /// If `b` does not hold whole rows of `depth` numbers.
    pub fn pack_transposed(&mut self, b: &[S], depth: usize) {
        self.reshape(depth, b.len() / depth);
        assert_eq!(b.len(), depth * self.columns, "whole rows of {depth} numbers");
        for (v, strip) in self.strips.chunks_exact_mut(depth).enumerate() {
            let start = vector_start(v, self.columns);
            for (lane, row) in b.chunks_exact(depth).skip(start).take(LANES).enumerate() {
                for (lanes, &x) in strip.iter_mut().zip(row) {
                    lanes.0[lane] = x;
                }
            }
        }
    }

    /// Number of rows of the packed matrix: the length of the sums of a product.
    #[inline(always)]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Number of columns of the packed matrix.
    #[inline(always)]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Strip `v`, `[depth]` vectors.
    #[inline(always)]
    pub(super) fn strip(&self, v: usize) -> &[Lanes<S>] {
        &self.strips[v * self.depth..][..self.depth]
    }

    /// Strip `v`, to write: of every row, its columns from `16·v` on, where they are a multiple of sixteen.
    pub fn strip_mut(&mut self, v: usize) -> &mut [Lanes<S>] {
        &mut self.strips[v * self.depth..][..self.depth]
    }

    /// Room for a `[depth, columns]` matrix, whose rows are then [set](Self::set_rows).
    ///
    /// # Panics
    /// If it has no rows or no columns.
    pub fn reshape(&mut self, depth: usize, columns: usize) {
        assert!(depth > 0 && columns > 0, "a product needs rows and columns");
        (self.depth, self.columns) = (depth, columns);
        self.strips.resize(depth * columns.div_ceil(LANES), Lanes::ZERO);
    }
}
