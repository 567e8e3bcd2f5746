//! The complex Fourier transform behind spectrogram and pitch: `rustfft` with the feature `std`, `MixedRadix` without.
//!
//! | symbol | shape | meaning            |
//! |--------|-------|--------------------|
//! | `N`    |       | length             |
//! | `x`    | `[N]` | values             |
//! | `X`    | `[N]` | their transform    |

#[cfg(feature = "std")]
use alloc::sync::Arc;
#[cfg(any(test, not(feature = "std")))]
use core::f64::consts::TAU;
pub(super) use num_complex::Complex;

use crate::prelude::*;

/// The sign of the exponent. Neither direction divides by `N`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    /// `X[k] = Σ_j x[j]·e^(−2πi·jk/N)`
    Forward,
    /// `X[k] = Σ_j x[j]·e^(+2πi·jk/N)`
    Inverse,
}

#[cfg(any(test, not(feature = "std")))]
impl Direction {
    fn sign(self) -> f64 {
        match self {
            Direction::Forward => -1.0,
            Direction::Inverse => 1.0,
        }
    }
}

/// The transform in use.
#[cfg(not(feature = "std"))]
pub(super) type Fft = MixedRadix;

/// The transform in use: planned once, with its scratch.
#[cfg(feature = "std")]
#[derive(Clone)]
pub(super) struct Fft {
    plan: Arc<dyn rustfft::Fft<f32>>,
    scratch: Vec<Complex<f32>>,
}

#[cfg(feature = "std")]
impl Fft {
    pub(super) fn new(n: usize, direction: Direction) -> Self {
        let mut planner = rustfft::FftPlanner::new();
        let plan = match direction {
            Direction::Forward => planner.plan_fft_forward(n),
            Direction::Inverse => planner.plan_fft_inverse(n),
        };
        Fft { scratch: vec![Complex::default(); plan.get_inplace_scratch_len()], plan }
    }

    /// Replaces `values` `[N]` by their transform.
    pub(super) fn process(&mut self, values: &mut [Complex<f32>]) {
        self.plan.process_with_scratch(values, &mut self.scratch);
    }
}

/// Decimation in time (Cooley and Tukey, 1965) for lengths with any prime factors; a large one takes time in proportion to it.
///
/// # Derivation
/// With `N = p·m` and `j = p·l + r`, the sum over `j` is one over the remainders `r` of transforms of length `m`:
/// ```text
/// W = e^(∓2πi/N)
/// X[k] = Σ_r W^(r·k) Σ_l x[p·l + r]·W^(p·l·k) = Σ_r W^(r·k)·Y_r[k mod m]
/// ```
/// as `W^p` is the root of the shorter transforms. They are made in the same way, down to length 1, which is its own transform.
/// `X[k]`, `X[k + m]`, … need the same `Y_r[k]` and replace them: a transform of length `p`, the butterfly.
#[cfg(any(test, not(feature = "std")))]
#[derive(Clone)]
pub(super) struct MixedRadix {
    direction: Direction,
    /// `p` of every step, the first step of the derivation first.
    factors: Vec<usize>,
    /// W^k for k = 0 … N − 1
    roots: Vec<Complex<f32>>,
    /// A copy of the values, `[N]`.
    x: Vec<Complex<f32>>,
    /// A butterfly, `[largest p]`.
    column: Vec<Complex<f32>>,
}

#[cfg(any(test, not(feature = "std")))]
impl MixedRadix {
    pub(super) fn new(n: usize, direction: Direction) -> Self {
        let factors = factors(n);
        let root = |k: usize| {
            let angle = direction.sign() * TAU * k as f64 / n as f64;
            Complex::new(angle.cos() as f32, angle.sin() as f32)
        };
        MixedRadix {
            direction,
            roots: (0..n).map(root).collect(),
            x: vec![Complex::default(); n],
            column: vec![Complex::default(); factors.iter().copied().max().unwrap_or(1)],
            factors,
        }
    }

    /// Replaces `values` `[N]` by their transform.
    pub(super) fn process(&mut self, values: &mut [Complex<f32>]) {
        let MixedRadix { direction, factors, roots, x, column } = self;
        x.copy_from_slice(values);
        transform(*direction, factors, roots, x, values, column);
    }
}

/// The factors of `n`, as many fours as there are first: their butterfly needs no multiplication.
#[cfg(any(test, not(feature = "std")))]
fn factors(mut n: usize) -> Vec<usize> {
    let mut factors = Vec::new();
    let mut factor = 4;
    while n > 1 {
        if factor * factor > n && factor > 4 {
            factor = n; // a prime
        }
        if n.is_multiple_of(factor) {
            factors.push(factor);
            n /= factor;
        } else {
            factor = match factor {
                4 => 2,
                2 => 3,
                odd => odd + 2,
            };
        }
    }
    factors
}

/// The transform of every `N/y.len()`-th value of `x` into `y`.
#[cfg(any(test, not(feature = "std")))]
fn transform(
    direction: Direction,
    factors: &[usize],
    roots: &[Complex<f32>],
    x: &[Complex<f32>],
    y: &mut [Complex<f32>],
    column: &mut [Complex<f32>],
) {
    let Some((&p, rest)) = factors.split_first() else {
        y[0] = x[0];
        return;
    };
    let (stride, m) = (roots.len() / y.len(), y.len() / p);
    for (r, part) in y.chunks_exact_mut(m).enumerate() {
        transform(direction, rest, roots, &x[r * stride..], part, column);
    }
    let (sign, column) = (direction.sign() as f32, &mut column[..p]);
    for k in 0..m {
        for (r, value) in column.iter_mut().enumerate() {
            *value = y[k + r * m] * roots[r * k * stride];
        }
        match *column {
            [a, b] => (y[k], y[k + m]) = (a + b, a - b),
            [a, b, c, d] => {
                let (ac, ac_minus, bd, bd_minus) = (a + c, a - c, b + d, b - d);
                // times i or −i
                let turned = Complex::new(-sign * bd_minus.im, sign * bd_minus.re);
                y[k] = ac + bd;
                y[k + m] = ac_minus + turned;
                y[k + 2 * m] = ac - bd;
                y[k + 3 * m] = ac_minus - turned;
            }
            _ => {
                for q in 0..p {
                    let root = |r: usize| roots[r * q % p * (roots.len() / p)];
                    let terms = column.iter().enumerate().map(|(r, &value)| value * root(r));
                    y[k + q * m] = terms.fold(Complex::default(), |sum, term| sum + term);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;

    /// The definition term by term, O(n²) and in f64.
    fn by_definition(x: &[Complex<f32>], direction: Direction) -> Vec<Complex<f64>> {
        let n = x.len();
        let term = |j: usize, k: usize| {
            let root = Complex::from_polar(1.0, direction.sign() * TAU * (j * k % n) as f64 / n as f64);
            Complex::new(f64::from(x[j].re), f64::from(x[j].im)) * root
        };
        (0..n).map(|k| (0..n).map(|j| term(j, k)).sum()).collect()
    }

    #[test]
    fn both_transforms_agree_with_the_definition() {
        // Powers of two with and without an odd exponent, other small factors, primes and their squares.
        for n in [1, 2, 3, 4, 5, 6, 7, 8, 16, 18, 25, 32, 49, 60, 97, 121, 128, 240, 341, 512, 683, 1024] {
            let mut stream = RandomStream::new(4, "values", n as u64);
            let mut value = || stream.between(-1.0, 1.0) as f32;
            let x: Vec<_> = (0..n).map(|_| Complex::new(value(), value())).collect();
            for direction in [Direction::Forward, Direction::Inverse] {
                let expected = by_definition(&x, direction);
                let largest = expected.iter().fold(0.0f64, |most, z| most.max(z.norm()));
                let (mut planned, mut own) = (x.clone(), x.clone());
                Fft::new(n, direction).process(&mut planned);
                let mut transform = MixedRadix::new(n, direction);
                transform.x.fill(Complex::new(f32::NAN, f32::NAN));
                transform.column.fill(Complex::new(f32::NAN, f32::NAN));
                transform.process(&mut own);
                for (name, got) in [("rustfft", &planned), ("mixed radix", &own)] {
                    for (k, (got, expected)) in got.iter().zip(&expected).enumerate() {
                        let error = (Complex::new(f64::from(got.re), f64::from(got.im)) - expected).norm();
                        // Rounding of f32, relative to the largest bin; a prime adds its terms one by one.
                        assert!(error <= 1e-6 * largest, "{name}, N = {n}, {direction:?}, bin {k}: off by {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn factors_multiply_to_the_length() {
        for n in 1..2000 {
            let factors = factors(n);
            assert_eq!(factors.iter().product::<usize>(), n, "{factors:?}");
            assert!(factors.iter().all(|&p| p == 4 || (2..p).all(|q| !p.is_multiple_of(q))), "{n}: {factors:?}");
        }
    }
}
