//! exp, tanh and sigmoid for `f32`: branch-free polynomials, so that a loop over them becomes vector instructions.
//!
//! All three use one reduction (Cody and Waite): `x = n·ln 2 + r` with `n` whole and `|r| ≤ ln 2 / 2`, so
//! `e^x = 2ⁿ·e^r`, and on one polynomial for `e^r − 1`. Only additions, multiplications and divisions that round in one
//! way everywhere: the results have the same bits on every machine.
//!
//! | function  | largest error, over all of `f32`                                            |
//! |-----------|-------------------------------------------------------------------------------|
//! | `exp`     | relative 1.0e-7; below `e^-87.3` (subnormal results) absolute 1.5e-45          |
//! | `sigmoid` | relative 1.8e-7; below `-87.3` (subnormal results) absolute 1.5e-45            |
//! | `tanh`    | relative 1.9e-7                                                                |
//!
//! NaN stays NaN, `±∞` gives the limits.
//!
//! Nearly every operation of `sigmoid` and `tanh` waits for the one before it, and a processor looks only some sixty operations
//! ahead, which is less than two numbers. So both take `N` numbers, and all of them take a step before any takes the next: then
//! what waits for one can go on with another. The bits are the same for every `N`.

// Loops over the indices of small arrays are what the compiler keeps in registers: their shape is measured.
#![allow(clippy::needless_range_loop)]

/// `e^r − 1` on `|r| ≤ ln 2 / 2` is `r + r²·(1/2 + r·(C0 + r·(C1 + r·(C2 + r·C3))))`, relative error 1.4e-8:
/// least squares reweighted until the error was level (Lawson).
const C: [f32; 4] = [0.166_665_5, 0.041_666_854, 0.008_366_033, 0.001_389_821_6];

/// `ln 2` in two parts, the first with so few bits that its product with a whole number up to 2¹¹ is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Adding it to a number below 2²² leaves the nearest whole number in the low bits: rounding without a conversion.
const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³

/// `(e^r − 1, n)` with `x = n·ln 2 + r`, for `|x|` up to a few hundred.
#[inline(always)]
fn reduce<const N: usize>(x: [f32; N]) -> ([f32; N], [i32; N]) {
    let (mut shifted, mut r, mut tail, mut em1, mut n) = ([0.0; N], [0.0; N], [0.0; N], [0.0; N], [0; N]);
    for k in 0..N {
        shifted[k] = x[k] * core::f32::consts::LOG2_E + ROUND;
    }
    for k in 0..N {
        let n = shifted[k] - ROUND;
        r[k] = (x[k] - n * LN2_HIGH) - n * LN2_LOW;
    }
    for k in 0..N {
        // Estrin's order: fewer operations that wait for one another than Horner's.
        let (r, r2) = (r[k], r[k] * r[k]);
        tail[k] = (0.5 + r * C[0]) + r2 * ((C[1] + r * C[2]) + r2 * C[3]);
    }
    for k in 0..N {
        em1[k] = r[k] + r[k] * r[k] * tail[k];
        n[k] = (shifted[k].to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    }
    (em1, n)
}

/// 2ⁿ for `−126 ≤ n ≤ 127`
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `x`, or the bound where it is larger; unlike `f32::min`, NaN stays NaN.
#[inline(always)]
fn at_most(x: f32, bound: f32) -> f32 {
    if bound < x { bound } else { x }
}

/// `x`, or the bound where it is smaller; NaN stays NaN.
#[inline(always)]
fn at_least(x: f32, bound: f32) -> f32 {
    if bound > x { bound } else { x }
}

/// e to the power of `x`. 0 below −104, ∞ above 88.73.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let ([em1], [n]) = reduce([at_least(at_most(x, 89.0), -104.0)]);
    // Two factors, as 2ⁿ itself leaves the range of f32 before the result does.
    let half = n >> 1;
    (1.0 + em1) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// [`exp`] of every `x ≤ 0`, to the same bit.
#[inline(always)]
fn exp_of_negative<const N: usize>(x: [f32; N]) -> [f32; N] {
    let (em1, n) = reduce(x.map(|x| at_least(x, -104.0)));
    let mut z = [0.0; N];
    for k in 0..N {
        // The first factor is never out of range, so only the second product rounds.
        z[k] = (1.0 + em1[k]) * power_of_two(n[k].wrapping_add(64)) * (1.0 / 18_446_744_073_709_551_616.0); // 2⁻⁶⁴
    }
    z
}

/// Logistic function `1 / (1 + e^−x)`.
#[inline(always)]
pub fn sigmoid<const N: usize>(x: [f32; N]) -> [f32; N] {
    // e^−|x| never overflows; the numerator puts the sign back: e^x / (1 + e^x) for negative x.
    let z = exp_of_negative(x.map(|x| -x.abs()));
    let mut y = [0.0; N];
    for k in 0..N {
        y[k] = (if x[k] < 0.0 { z[k] } else { 1.0 }) / (1.0 + z[k]);
    }
    y
}

/// Hyperbolic tangent, as `(e^2|x| − 1) / (e^2|x| + 1)` with the sign of `x`: exact to rounding near zero too.
#[inline(always)]
pub fn tanh<const N: usize>(x: [f32; N]) -> [f32; N] {
    // tanh(10) is 1 in f32.
    let (em1, n) = reduce(x.map(|x| at_most(2.0 * x.abs(), 20.0)));
    let mut y = [0.0; N];
    for k in 0..N {
        let scale = power_of_two(n[k]);
        let numerator = em1[k] * scale + (scale - 1.0);
        y[k] = (numerator / (numerator + 2.0)).copysign(x[k]);
    }
    y
}

/// [`tanh`] of every number of `x`, into `out`: the same bits, and faster, in a loop under [`simd!`](crate::simd).
///
/// # Panics
/// If the arrays differ in length.
#[inline(always)]
pub fn tanh_all(x: &[f32], out: &mut [f32]) {
    // Not the bare name: it would not be inlined, and so be compiled for the baseline.
    #[allow(clippy::redundant_closure)]
    for_all(
        x,
        out,
        #[inline(always)]
        |x| tanh(x),
    );
}

/// [`sigmoid`] of every number of `x`, into `out`: the same bits, and faster, in a loop under [`simd!`](crate::simd).
///
/// # Panics
/// If the arrays differ in length.
#[inline(always)]
pub fn sigmoid_all(x: &[f32], out: &mut [f32]) {
    // As in `tanh_all`.
    #[allow(clippy::redundant_closure)]
    for_all(
        x,
        out,
        #[inline(always)]
        |x| sigmoid(x),
    );
}

/// Numbers that [`for_all`] passes together: enough that none waits, few enough to stay in the nearest cache.
const BLOCK: usize = 64;

/// Numbers that lie side by side in a block: a vector register, or a few.
const VECTOR: usize = 16;

/// `out[u] = f(x[u])` for every `u`, a block at a time. `f` is marked `#[inline(always)]`.
///
/// Where a vector is not full it is moved back to end with the last number, and where a block is not, it ends with copies of that
/// vector: a few numbers are computed twice, but no code is needed for a rest, which would cost more.
#[inline(always)]
fn for_all(x: &[f32], out: &mut [f32], f: impl Fn([f32; BLOCK]) -> [f32; BLOCK]) {
    assert_eq!(x.len(), out.len(), "one result per number");
    if x.len() < VECTOR {
        return for_block(x, out, 0, x.len(), &f);
    }
    for v in (0..x.len().div_ceil(VECTOR)).step_by(BLOCK / VECTOR) {
        for_block(x, out, v, VECTOR, &f);
    }
}

/// [`for_all`] of one block, from vector `v` on, `count` numbers per vector.
#[inline(always)]
fn for_block(x: &[f32], out: &mut [f32], v: usize, count: usize, f: &impl Fn([f32; BLOCK]) -> [f32; BLOCK]) {
    // As `kernels::lanes::vector_start`; with the rest known not to be negative the whole is 6 % faster.
    let first = |k: usize| ((v + k) * VECTOR).min(x.len() - count);
    let mut block = [0.0; BLOCK];
    for (k, vector) in block.chunks_exact_mut(VECTOR).enumerate() {
        vector[..count].copy_from_slice(&x[first(k)..][..count]);
    }
    let block = f(block);
    for (k, vector) in block.chunks_exact(VECTOR).enumerate() {
        out[first(k)..][..count].copy_from_slice(&vector[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sigmoid(x: f32) -> f32 {
        super::sigmoid([x])[0]
    }

    fn tanh(x: f32) -> f32 {
        super::tanh([x])[0]
    }

    /// Largest relative error of `f` against `oracle` over every `f32` of `range`; results below the smallest normal
    /// number are held to one unit of the last place of zero instead. Every 61st bit pattern.
    fn worst(range: std::ops::RangeInclusive<f32>, f: fn(f32) -> f32, oracle: fn(f64) -> f64) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        for bits in (0..=u32::MAX).step_by(61) {
            let x = f32::from_bits(bits);
            if !range.contains(&x) {
                continue;
            }
            let (got, expected) = (f(x) as f64, oracle(x as f64));
            assert!(got.is_finite(), "{x:e} gave {got}");
            if expected.abs() < f32::MIN_POSITIVE as f64 && oracle(0.0) != 0.0 {
                assert!((got - expected).abs() <= 1.5e-45, "{x:e}: {got:e}, expected {expected:e}");
            } else if expected != 0.0 {
                let error = ((got - expected) / expected).abs();
                if error > worst.0 {
                    worst = (error, x);
                }
            }
        }
        worst
    }

    #[test]
    fn errors_stay_under_the_stated_bounds() {
        let exp_error = worst(-1000.0..=88.722, exp, f64::exp);
        let sigmoid_error = worst(f32::MIN..=f32::MAX, sigmoid, |x| {
            let z = (-x.abs()).exp();
            (if x < 0.0 { z } else { 1.0 }) / (1.0 + z)
        });
        let tanh_error = worst(f32::MIN..=f32::MAX, tanh, f64::tanh);
        println!("exp {exp_error:?} sigmoid {sigmoid_error:?} tanh {tanh_error:?}");
        assert!(exp_error.0 <= 1.0e-7, "exp {exp_error:?}");
        assert!(sigmoid_error.0 <= 1.8e-7, "sigmoid {sigmoid_error:?}");
        assert!(tanh_error.0 <= 1.9e-7, "tanh {tanh_error:?}");
    }

    #[test]
    fn both_exponentials_are_one_function() {
        for bits in (0..=u32::MAX).step_by(61) {
            let x = -f32::from_bits(bits).abs();
            assert!(exp_of_negative([x])[0].to_bits() == exp(x).to_bits() || x.is_nan(), "{x:e}");
        }
    }

    #[test]
    fn limits_and_nan() {
        assert_eq!((exp(f32::NEG_INFINITY), exp(f32::INFINITY), exp(0.0)), (0.0, f32::INFINITY, 1.0));
        assert_eq!((sigmoid(f32::NEG_INFINITY), sigmoid(f32::INFINITY), sigmoid(0.0)), (0.0, 1.0, 0.5));
        assert_eq!((tanh(f32::NEG_INFINITY), tanh(f32::INFINITY), tanh(0.0)), (-1.0, 1.0, 0.0));
        assert!(exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert!(tanh(-0.0).is_sign_negative());
    }

    #[test]
    fn a_number_does_not_depend_on_its_neighbours() {
        for n in [0, 1, 15, 16, 17, 46, 64, 65, 368] {
            let x: Vec<f32> = (0..n).map(|k| 20.0 * (k as f32 * 0.7).sin()).collect();
            let mut y = vec![f32::NAN; n];
            tanh_all(&x, &mut y);
            assert_eq!(y, x.iter().map(|&x| tanh(x)).collect::<Vec<_>>(), "tanh of {n}");
            sigmoid_all(&x, &mut y);
            assert_eq!(y, x.iter().map(|&x| sigmoid(x)).collect::<Vec<_>>(), "sigmoid of {n}");
        }
    }
}
