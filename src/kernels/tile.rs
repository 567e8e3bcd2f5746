//! Cutting a result into tiles that fit the registers.

use super::lanes::LANES;
use super::level::Level;
use crate::scalar::Scalar;

/// A computation of `R` rows × `V` vectors of a result at a time.
pub(super) trait Tiled<S: Scalar> {
    /// Computes rows `row..row + R`, vectors `v..v + V` of sixteen columns, of `out`.
    fn tile<const R: usize, const V: usize>(&self, row: usize, v: usize, out: &mut [S]);
}

/// Which columns of a result are computed first; the numbers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first columns first.
    Left,
    /// The last columns first. When one right-hand side serves many products in turn and is larger than the nearest cache, every
    /// other product starts here: with the strips that the product before it read last.
    Right,
}

/// Covers a `[rows, columns]` result with tiles of 6 rows × 4 vectors, 24 of the 32 registers of AVX-512, or 6 × 1, 12 of the 16 of
/// AVX2 (two per vector): as many sums as leave room for what is multiplied. Eight or more hide the latency of an addition, so few rows
/// take more vectors.
#[inline(always)]
pub(super) fn cover<S: Scalar>(
    level: Level,
    rows: usize,
    columns: usize,
    from: Side,
    job: &impl Tiled<S>,
    out: &mut [S],
) {
    let most = match (level, rows) {
        (Level::Avx512, _) | (_, 1) => 4,
        (Level::Avx2, 2) => 2,
        _ => 1,
    };
    share_evenly(
        columns.div_ceil(LANES),
        most,
        from,
        #[inline(always)]
        |v, width| match (level, rows, width) {
            (_, 1, 4) => job.tile::<1, 4>(0, v, out),
            (_, 1, 3) => job.tile::<1, 3>(0, v, out),
            (_, 1, 2) => job.tile::<1, 2>(0, v, out),
            (Level::Avx2, 2, 2) => job.tile::<2, 2>(0, v, out),
            (Level::Avx512, _, 4) => cover_rows::<S, 4>(rows, v, job, out),
            (Level::Avx512, _, 3) => cover_rows::<S, 3>(rows, v, job, out),
            (Level::Avx512, _, 2) => cover_rows::<S, 2>(rows, v, job, out),
            _ => cover_rows::<S, 1>(rows, v, job, out),
        },
    );
}

#[inline(always)]
fn cover_rows<S: Scalar, const V: usize>(rows: usize, v: usize, job: &impl Tiled<S>, out: &mut [S]) {
    share_evenly(
        rows,
        6,
        Side::Left,
        #[inline(always)]
        |row, height| match height {
            6 => job.tile::<6, V>(row, v, out),
            5 => job.tile::<5, V>(row, v, out),
            4 => job.tile::<4, V>(row, v, out),
            3 => job.tile::<3, V>(row, v, out),
            2 => job.tile::<2, V>(row, v, out),
            _ => job.tile::<1, V>(row, v, out),
        },
    );
}

/// Calls `tile(first, size)` so that `0..total` is covered by tiles of at most `most`, all of nearly the same size:
/// seven rows become four and three, not six and one.
#[inline(always)]
pub(super) fn share_evenly(total: usize, most: usize, from: Side, mut tile: impl FnMut(usize, usize)) {
    let tiles = total.div_ceil(most);
    let mut done = 0;
    for t in 0..tiles {
        let size = total / tiles + usize::from(t < total % tiles);
        let first = if from == Side::Left { done } else { total - done - size };
        tile(first, size);
        done += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_share_evenly() {
        let tiles = |total, most, from| {
            let mut all = Vec::new();
            share_evenly(total, most, from, |first, size| all.push((first, size)));
            all
        };
        assert_eq!(tiles(7, 6, Side::Left), [(0, 4), (4, 3)]);
        assert_eq!(tiles(7, 6, Side::Right), [(3, 4), (0, 3)]);
        assert_eq!(tiles(12, 6, Side::Left), [(0, 6), (6, 6)]);
        assert_eq!(tiles(0, 6, Side::Left), []);
        assert_eq!(tiles(1, 3, Side::Right), [(0, 1)]);
    }
}
