//! The peak of a core: multiply-adds that wait neither for memory nor for each other.

use super::measure::fastest;
use reslstm::kernels::{Panels, Start, Term, product};
use std::hint::black_box;
use std::time::Duration;

/// One tile of the product kernel, sums that stay in registers, over operands that stay in the cache, so deep that beginning and
/// end do not count.
const ROWS: usize = 6;
const COLUMNS: usize = 32;
const DEPTH: usize = 1024;

/// GFLOP/s of `f32` on this thread, a multiply-add being two of them.
pub fn multiply_adds() -> f64 {
    let a = vec![black_box(0.5f32); ROWS * DEPTH];
    let mut b = Panels::default();
    b.pack(&vec![black_box(1e-3f32); DEPTH * COLUMNS], COLUMNS);
    let mut out = vec![0.0; ROWS * COLUMNS];
    let rounds = 200;
    let seconds = fastest(Duration::from_millis(300), || {
        for _ in 0..rounds {
            product(Start::Zero, &[Term { a: &a, b: &b }], black_box(&mut out));
        }
    });
    (2 * ROWS * COLUMNS * DEPTH * rounds) as f64 / seconds / 1e9
}
