//! `out += Aᵀ·B`: the gradient of a weight, a sum of one outer product per frame.

use super::lanes::{LANES, Lanes, vector_start};
use super::tile::{Tiled, cover};
use super::{Level, simd};
use crate::scalar::Scalar;

/// `out[p,q] += Σ_f a[f,p]·b[f,q]`, frames in their order, continuing the sum that `out` holds.
///
/// `a` is `[frames, P]`, `b` `[frames, Q]`, `out` `[P, Q]`; `columns` is `Q`. Give it a few hundred frames at a time, so
/// that they stay in the cache while every tile of `out` reads them.
///
/// # Panics
/// If the shapes do not fit.
#[inline(never)] // one copy of all its tiles, not one a caller
pub fn add_outer<S: Scalar>(a: &[S], b: &[S], columns: usize, out: &mut [S]) {
    let (rows, frames) = (out.len() / columns, b.len() / columns);
    assert_eq!(out.len(), rows * columns, "whole rows of {columns} columns");
    assert_eq!((a.len(), b.len()), (frames * rows, frames * columns), "A and B have a row a frame");
    simd(
        #[inline(always)]
        |level| add_outer_at(level, a, rows, b, columns, out),
    );
}

#[inline(always)]
fn add_outer_at<S: Scalar>(level: Level, a: &[S], rows: usize, b: &[S], columns: usize, out: &mut [S]) {
    cover(level, rows, columns, &Job { level, a, rows, b, columns }, out);
}

struct Job<'a, S> {
    level: Level,
    a: &'a [S],
    rows: usize,
    b: &'a [S],
    columns: usize,
}

impl<S: Scalar> Tiled<S> for Job<'_, S> {
    /// `R` rows × `V` vectors of the result, in registers while all frames pass.
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&self, p: usize, v: usize, out: &mut [S]) {
        let mut sums = [[Lanes::ZERO; V]; R];
        for r in 0..R {
            let row = &out[(p + r) * self.columns..][..self.columns];
            for w in 0..V {
                sums[r][w] = Lanes::load(&row[vector_start(v + w, self.columns)..]);
            }
        }
        for (a, b) in self.a.chunks_exact(self.rows).zip(self.b.chunks_exact(self.columns)) {
            let a = &a[p..p + R];
            let mut lanes = [Lanes::ZERO; V];
            for w in 0..V {
                lanes[w] = Lanes::load(&b[vector_start(v + w, self.columns)..]);
            }
            for r in 0..R {
                for w in 0..V {
                    sums[r][w].add_scaled(self.level, a[r], &lanes[w]);
                }
            }
        }
        // Lanes that repeat the vector before are not written: they may have been counted there already.
        for r in 0..R {
            let row = &mut out[(p + r) * self.columns..][..self.columns];
            for w in 0..V {
                let start = vector_start(v + w, self.columns);
                let fresh = (v + w) * LANES - start;
                Lanes::store_from(sums[r][w], fresh, &mut row[start + fresh..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::level::{available_levels, simd_at};
    use crate::rng::Stream;

    #[test]
    fn every_level_equals_the_naive_sum() {
        let mut stream = Stream::new(1, "outer", 0);
        for (frames, rows, columns) in [(1, 1, 1), (5, 3, 7), (40, 8, 16), (33, 9, 46), (21, 64, 64), (7, 5, 50)] {
            let mut random = |n: usize| (0..n).map(|_| stream.normal() as f32).collect::<Vec<_>>();
            let (a, b, before) = (random(frames * rows), random(frames * columns), random(rows * columns));
            let mut expected = before.clone();
            for f in 0..frames {
                for p in 0..rows {
                    for q in 0..columns {
                        let sum = &mut expected[p * columns + q];
                        *sum = a[f * rows + p].mul_add(b[f * columns + q], *sum);
                    }
                }
            }
            for level in available_levels() {
                let mut out = before.clone();
                simd_at(
                    level,
                    #[inline(always)]
                    |level| add_outer_at(level, &a, rows, &b, columns, &mut out),
                );
                if level.fused() {
                    assert_eq!(out, expected, "{level:?} [{frames}, {rows}, {columns}]");
                } else {
                    for (x, y) in out.iter().zip(&expected) {
                        approx::assert_abs_diff_eq!(x, y, epsilon = 1e-4);
                    }
                }
            }
        }
    }
}
