//! The peak of a core: multiply-adds that wait neither for memory nor for each other.

use super::measure::fastest;
use reslstm::kernels::lanes::{LANES, Lanes};
use reslstm::kernels::{Level, simd};
use std::hint::black_box;
use std::time::Duration;

/// Multiply-adds to each sum in a round, so many that beginning and end do not count.
const DEPTH: usize = 100_000;

/// GFLOP/s of `f32` on this thread, a multiply-add being two of them. Not by the product kernel, which has to load what it
/// multiplies: by sums that stay in registers, as do the factors.
pub fn multiply_adds() -> f64 {
    let mut sums = 0;
    let seconds = fastest(Duration::from_millis(300), || {
        // Twelve registers of sums, more than a core has multiply-adds under way.
        sums = simd!(|level| match level {
            Level::Avx512 => round::<6, 2>(level),
            Level::Avx2 => round::<6, 1>(level),
            Level::Baseline => round::<3, 1>(level),
        });
    });
    (2 * sums * LANES * DEPTH) as f64 / seconds / 1e9
}

/// Multiplies and adds `DEPTH` times to `R·V` vectors of sums, and says how many they are.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // the shape that the compiler keeps in registers
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
