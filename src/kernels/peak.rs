//! Independent multiply-adds on registers: the most that a core can do, against which the kernels are measured.

use super::lanes::{LANES, Lanes};
use super::level::{Level, simd};
use core::hint::black_box;

/// Multiply-adds per sum, enough for start and end not to matter.
const DEPTH: usize = 100_000;

/// Does multiply-adds of `f32` for some milliseconds; returns their number. Sums and factors stay in registers, unlike in the
/// [`product`](super::product()), which loads its factors.
pub fn multiply_adds() -> usize {
    // Twelve registers of sums, more than the multiply-adds that a core has in flight.
    let sums = simd!(|level| match level {
        Level::Avx512 => round::<6, 2>(level),
        Level::Avx2 => round::<6, 1>(level),
        Level::Baseline => round::<3, 1>(level),
    });
    sums * LANES * DEPTH
}

/// Multiplies and adds `DEPTH` times to `R·V` vectors of sums; returns `R·V`.
#[inline(always)]
fn round<const R: usize, const V: usize>(level: Level) -> usize {
    let (scale, x) = (black_box(0.5f32), black_box([Lanes([1e-3f32; LANES]); V]));
    let mut sums = [[Lanes::ZERO; V]; R];
    for _ in 0..DEPTH {
        for r in 0..R {
            for v in 0..V {
                sums[r][v].add_scaled(level, scale, &x[v]);
            }
        }
    }
    black_box(sums);
    R * V
}
