//! Peak speed of a core: independent multiply-adds on registers.

use super::measure::fastest;
use reslstm::kernels::lanes::{LANES, Lanes};
use reslstm::kernels::{Level, simd};
use std::hint::black_box;
use std::time::Duration;

/// Multiply-adds per sum and round, enough for start and end not to matter.
const DEPTH: usize = 100_000;

/// Peak speed for `f32` on this thread, GFLOP/s; a multiply-add counts as two operations. Sums and factors stay in registers,
/// unlike in the product kernel, which loads its factors.
pub fn multiply_adds() -> f64 {
    let mut sums = 0;
    let seconds = fastest(Duration::from_millis(300), || {
        // Twelve registers of sums, more than the multiply-adds that a core has in flight.
        sums = simd!(|level| match level {
            Level::Avx512 => round::<6, 2>(level),
            Level::Avx2 => round::<6, 1>(level),
            Level::Baseline => round::<3, 1>(level),
        });
    });
    (2 * sums * LANES * DEPTH) as f64 / seconds / 1e9
}

/// Multiplies and adds `DEPTH` times to `R·V` vectors of sums; returns `R·V`.
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
