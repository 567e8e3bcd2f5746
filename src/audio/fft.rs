//! The complex Fourier transform behind spectrogram and pitch: `rustfft` with the feature `std`, `MixedRadix` without.
//!
//! | symbol | shape | meaning            |
//! |--------|-------|--------------------|
//! | `N`    |       | length             |
//! | `x`    | `[N]` | values             |
//! | `X`    | `[N]` | their transform    |

use alloc::sync::Arc;
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

/// `W^k = e^(−2πi·k/N)` for k = 0 … N/2 − 1: half a circle, the other half is `−W^k`. One table for all that needs it.
pub(super) type Roots = Arc<[Complex<f32>]>;

/// The roots of a length `n`, which is even.
pub(super) fn roots(n: usize) -> Roots {
    let angle = |k: usize| -TAU * k as f64 / n as f64;
    (0..n / 2).map(|k| Complex::new(angle(k).cos() as f32, angle(k).sin() as f32)).collect()
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
    /// A transform of half the length that `roots` are of.
    pub(super) fn new(roots: &Roots, direction: Direction) -> Self {
        let n = roots.len();
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
///
/// In place: all values go where their transform of length 1 belongs, then the lengths grow.
#[cfg(any(test, not(feature = "std")))]
#[derive(Clone)]
pub(super) struct MixedRadix {
    direction: Direction,
    /// `p` of every step, the first step of the derivation first.
    factors: Vec<usize>,
    /// Of the length `2N`.
    roots: Roots,
    /// Which values have gone where they belong, `[N]`.
    moved: Vec<bool>,
    /// A butterfly, `[largest p]`.
    column: Vec<Complex<f32>>,
}

#[cfg(any(test, not(feature = "std")))]
impl MixedRadix {
    /// A transform of half the length that `roots` are of.
    pub(super) fn new(roots: &Roots, direction: Direction) -> Self {
        let factors = factors(roots.len());
        MixedRadix {
            direction,
            roots: roots.clone(),
            moved: vec![false; roots.len()],
            column: vec![Complex::default(); factors.iter().copied().max().unwrap_or(1)],
            factors,
        }
    }

    /// Replaces `values` `[N]` by their transform.
    pub(super) fn process(&mut self, values: &mut [Complex<f32>]) {
        self.reorder(values);
        let mut m = 1;
        for step in (0..self.factors.len()).rev() {
            let p = self.factors[step];
            for k in 0..m {
                self.butterflies(values, p, m, k);
            }
            m *= p;
        }
    }

    /// Moves every value to where its transform of length 1 belongs, along the cycles of that permutation.
    fn reorder(&mut self, values: &mut [Complex<f32>]) {
        let MixedRadix { factors, moved, .. } = self;
        moved.fill(false);
        for first in 0..values.len() {
            let (mut place, mut value) = (first, values[first]);
            while !moved[place] {
                moved[place] = true;
                place = place_of(place, factors);
                core::mem::swap(&mut value, &mut values[place]);
            }
        }
    }

    /// W^j of the length `N`, in the direction of the transform.
    #[inline(always)]
    fn root(&self, j: usize) -> Complex<f32> {
        let n = self.roots.len();
        let root = if 2 * j < n { self.roots[2 * j] } else { -self.roots[2 * j - n] };
        match self.direction {
            Direction::Forward => root,
            Direction::Inverse => root.conj(),
        }
    }

    /// Makes `X[k]`, `X[k + m]`, … of all transforms of length `p·m` of `Y_r[k]`.
    fn butterflies(&mut self, values: &mut [Complex<f32>], p: usize, m: usize, k: usize) {
        let stride = values.len() / (p * m);
        match p {
            2 => {
                let w = self.root(k * stride);
                for y in values.chunks_exact_mut(2 * m) {
                    let (a, b) = (y[k], y[k + m] * w);
                    (y[k], y[k + m]) = (a + b, a - b);
                }
            }
            4 => {
                let [w1, w2, w3] = [1, 2, 3].map(|r| self.root(r * k * stride));
                for y in values.chunks_exact_mut(4 * m) {
                    let (a, b, c, d) = (y[k], y[k + m] * w1, y[k + 2 * m] * w2, y[k + 3 * m] * w3);
                    let (ac, ac_minus, bd, bd_minus) = (a + c, a - c, b + d, b - d);
                    let turned = match self.direction {
                        Direction::Forward => Complex::new(bd_minus.im, -bd_minus.re), // times −i
                        Direction::Inverse => Complex::new(-bd_minus.im, bd_minus.re), // times i
                    };
                    y[k] = ac + bd;
                    y[k + m] = ac_minus + turned;
                    y[k + 2 * m] = ac - bd;
                    y[k + 3 * m] = ac_minus - turned;
                }
            }
            _ => {
                for y in values.chunks_exact_mut(p * m) {
                    for r in 0..p {
                        self.column[r] = y[k + r * m] * self.root(r * k * stride);
                    }
                    for q in 0..p {
                        let root = |r: usize| self.root(r * q % p * (self.roots.len() / p));
                        let terms = self.column[..p].iter().enumerate().map(|(r, &value)| value * root(r));
                        y[k + q * m] = terms.fold(Complex::default(), |sum, term| sum + term);
                    }
                }
            }
        }
    }
}

/// Where value `j` goes: first its remainder by the first factor counts, then that of the quotient by the second, and so on.
#[cfg(any(test, not(feature = "std")))]
fn place_of(mut j: usize, factors: &[usize]) -> usize {
    factors.iter().fold(0, |place, &p| {
        let remainder = j % p;
        j /= p;
        place * p + remainder
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;

    /// The definition term by term, O(n²) and in f64.
    fn by_definition(x: &[Complex<f32>], direction: Direction) -> Vec<Complex<f64>> {
        let n = x.len();
        let term = |j: usize, k: usize| {
            let sign = if direction == Direction::Forward { -1.0 } else { 1.0 };
            let root = Complex::from_polar(1.0, sign * TAU * (j * k % n) as f64 / n as f64);
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
                Fft::new(&roots(2 * n), direction).process(&mut planned);
                let mut transform = MixedRadix::new(&roots(2 * n), direction);
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
