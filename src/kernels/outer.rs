//! `out += Aᵀ·B`: the gradient of a weight, a sum of one outer product per frame.

use super::lanes::{LANES, Lanes, vector_start};
use super::level::{Level, simd_at};
use super::panels::Panels;
use super::tile::{Side, Tiled, cover, share_evenly};
use crate::scalar::Scalar;

/// Frames that every tile of the result adds before the next ones are read: so few that they stay in the nearest cache.
const BLOCK_FRAMES: usize = 96;

/// `out[p,q] += Σ_f a[f,p]·b[f,q]`, frames in their order, continuing the sum that `out` holds.
///
/// `a` is `[frames, P]`, `b` `[frames, Q]`, packed, `out` `[P, Q]`.
///
/// # Panics
/// If the shapes do not fit.
#[inline(never)] // one copy of all its tiles, not one per caller
pub fn add_outer<S: Scalar>(a: &[S], b: &Panels<S>, out: &mut [S]) {
    let rows = out.len() / b.columns();
    assert_eq!(out.len(), rows * b.columns(), "whole rows of {} columns", b.columns());
    assert_eq!(a.len(), b.depth() * rows, "A and B have one row per frame");
    add_outer_at(Level::current(), a, rows, b, out);
}

fn add_outer_at<S: Scalar>(level: Level, a: &[S], rows: usize, b: &Panels<S>, out: &mut [S]) {
    if b.columns() < LANES {
        return add_narrow_outer(level, a, rows, b, out);
    }
    simd_at!(level, |level| {
        share_evenly(
            b.depth(),
            BLOCK_FRAMES,
            Side::Left,
            #[inline(always)]
            |first, frames| {
                let a = &a[first * rows..][..frames * rows];
                cover(level, rows, b.columns(), Side::Left, &Job { level, a, rows, b, first, frames }, out);
            },
        );
    });
}

/// [`add_outer`] of fewer than sixteen columns, row by row, as in a narrow [product](super::product()).
fn add_narrow_outer<S: Scalar>(level: Level, a: &[S], rows: usize, b: &Panels<S>, out: &mut [S]) {
    simd_at!(level, |level| {
        for (p, out) in out.chunks_exact_mut(b.columns()).enumerate() {
            let mut sums = Lanes::load_padded(out);
            for (a, lanes) in a.chunks_exact(rows).zip(b.strip(0)) {
                sums.add_scaled(level, a[p], lanes);
            }
            out.copy_from_slice(&sums.0[..b.columns()]);
        }
    });
}

struct Job<'a, S> {
    level: Level,
    a: &'a [S],
    rows: usize,
    b: &'a Panels<S>,
    first: usize,
    frames: usize,
}

impl<S: Scalar> Tiled<S> for Job<'_, S> {
    /// `R` rows × `V` vectors of the result, in registers while the frames of a block pass.
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&self, p: usize, v: usize, out: &mut [S]) {
        let columns = self.b.columns();
        let mut sums = [[Lanes::ZERO; V]; R];
        for r in 0..R {
            let row = &out[(p + r) * columns..][..columns];
            for w in 0..V {
                sums[r][w] = Lanes::load(&row[vector_start(v + w, columns)..]);
            }
        }
        let b: [&[Lanes<S>]; V] = core::array::from_fn(
            #[inline(always)]
            |w| &self.b.strip(v + w)[self.first..][..self.frames],
        );
        for (f, a) in self.a.chunks_exact(self.rows).enumerate().take(self.frames) {
            let a = &a[p..p + R];
            let lanes: [Lanes<S>; V] = core::array::from_fn(
                #[inline(always)]
                |w| b[w][f],
            );
            for r in 0..R {
                for w in 0..V {
                    sums[r][w].add_scaled(self.level, a[r], &lanes[w]);
                }
            }
        }
        // Lanes that repeat the vector before are skipped: they have been added already.
        for r in 0..R {
            let row = &mut out[(p + r) * columns..][..columns];
            for w in 0..V {
                let start = vector_start(v + w, columns);
                let fresh = if w == 0 { v * LANES - start } else { 0 };
                sums[r][w].store_from(fresh, &mut row[start..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::level::available_levels;
    use crate::rng::RandomStream;

    #[test]
    fn every_level_equals_the_naive_sum() {
        let mut stream = RandomStream::new(1, "outer", 0);
        for (frames, rows, columns) in
            [(1, 1, 1), (5, 3, 7), (40, 8, 16), (33, 9, 46), (21, 64, 64), (7, 5, 50), (250, 7, 46)]
        {
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
            let mut packed = Panels::default();
            packed.pack(&b, columns);
            for level in available_levels() {
                let mut out = before.clone();
                add_outer_at(level, &a, rows, &packed, &mut out);
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
