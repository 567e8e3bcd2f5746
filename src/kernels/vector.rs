//! Sums over vectors: dot product, scaled sum, column sums.

use super::lanes::{LANES, Lanes};
use super::level::{Level, simd};
use crate::scalar::Scalar;

/// `Σ_i a[i]·b[i]` in sixteen running sums, lane `i mod 16`, added up pairwise at the end.
///
/// # Panics
/// If the lengths differ.
#[inline(always)]
pub fn dot<S: Scalar>(level: Level, a: &[S], b: &[S]) -> S {
    assert_eq!(a.len(), b.len(), "a dot product takes two vectors of one length");
    let mut sums = Lanes::ZERO;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks(), b.as_chunks());
    for (a, b) in a.iter().zip(b) {
        add_products(level, a, b, &mut sums);
    }
    if !a_rest.is_empty() {
        add_products(level, &Lanes::load_padded(a_rest).0, &Lanes::load_padded(b_rest).0, &mut sums);
    }
    sums.sum()
}

/// `sums[lane] += a[lane]·b[lane]`
#[inline(always)]
fn add_products<S: Scalar>(level: Level, a: &[S; LANES], b: &[S; LANES], sums: &mut Lanes<S>) {
    for lane in 0..LANES {
        let sum = &mut sums.0[lane];
        *sum = if level.fused() { a[lane].mul_add(b[lane], *sum) } else { a[lane] * b[lane] + *sum };
    }
}

/// `y[i] += scale·x[i]`
///
/// # Panics
/// If the lengths differ.
#[inline(always)]
pub fn add_scaled<S: Scalar>(level: Level, scale: S, x: &[S], y: &mut [S]) {
    assert_eq!(x.len(), y.len(), "a scaled sum takes two vectors of one length");
    for (y, &x) in y.iter_mut().zip(x) {
        *y = if level.fused() { scale.mul_add(x, *y) } else { scale * x + *y };
    }
}

/// `sums[c] += Σ_r rows[r,c]`, rows in their order.
///
/// # Panics
/// If `rows` does not hold whole rows as long as `sums`.
#[inline]
pub fn add_column_sums<S: Scalar>(rows: &[S], sums: &mut [S]) {
    assert_eq!(rows.len() % sums.len(), 0, "whole rows of {} numbers", sums.len());
    simd!(|_| {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::level::{available_levels, simd_at};

    #[test]
    fn a_dot_product_takes_every_element_once() {
        for n in [0, 1, 15, 16, 17, 46, 64, 100] {
            let a: Vec<f64> = (0..n).map(|i| i as f64 + 1.0).collect();
            let b: Vec<f64> = (0..n).map(|i| (2 * i) as f64 - 5.0).collect();
            let expected: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            for level in available_levels() {
                let got = simd_at!(level, |level| dot(level, &a, &b));
                assert_eq!(got, expected, "{level:?} {n}"); // small integers: exact
            }
        }
    }

    #[test]
    fn column_sums_add_to_what_is_there() {
        let mut sums = [10.0, 20.0, 30.0];
        add_column_sums(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut sums);
        assert_eq!(sums, [15.0, 27.0, 39.0]);
    }
}
