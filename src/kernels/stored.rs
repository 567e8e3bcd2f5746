//! Matrices in the bytes of a model file, multiplied where they are: nothing is copied, so weights can stay in flash.

use super::lanes::{LANES, Lanes};
use super::level::{Level, simd};
use crate::prelude::*;
use crate::scalar::Scalar;

/// The `f32` nearest to an IEEE 754 binary16; exact.
#[inline(always)]
pub fn f16_to_f32(bits: u16) -> f32 {
    // The exponent's bias is 15 there and 127 here: as an f32, the shifted bits are 2¹¹² too small, subnormal numbers too.
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let magnitude =
        if bits & 0x7c00 == 0x7c00 { f32::from_bits(u32::from(bits & 0x3ff) << 13 | 0x7f80_0000) } else { magnitude };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// [`f16_to_f32`] of a finite number, in fewer instructions: `x · 2⁻¹¹²` with its sign, then scaled.
#[inline(always)]
fn finite_f16_to_f32(bytes: [u8; 2]) -> f32 {
    let bits = i32::from(i16::from_le_bytes(bytes)) << 13;
    f32::from_bits(bits as u32 & 0x8fff_ffff) * f32::from_bits(0x7780_0000)
}

/// The numbers of a matrix, little-endian, row after row. 16-bit floats must not be infinite or NaN.
#[derive(Clone, Copy, Debug)]
pub enum StoredNumbers {
    /// 32-bit floats.
    F32(&'static [[u8; 4]]),
    /// 16-bit floats.
    F16(&'static [[u8; 2]]),
    /// 8-bit integers, and the scale of each row as a 32-bit float.
    I8(&'static [[u8; 1]], &'static [[u8; 4]]),
}

/// A matrix `[rows, columns]`. The bytes need no alignment.
#[derive(Clone, Copy, Debug)]
pub struct StoredMatrix {
    columns: usize,
    numbers: StoredNumbers,
}

impl StoredMatrix {
    /// A matrix with so many columns.
    ///
    /// # Panics
    /// If there are no columns, the last row is not whole, or there is not one scale per row.
    pub fn new(columns: usize, numbers: StoredNumbers) -> Self {
        let (count, scales) = match numbers {
            StoredNumbers::F32(numbers) => (numbers.len(), None),
            StoredNumbers::F16(numbers) => (numbers.len(), None),
            StoredNumbers::I8(numbers, scales) => (numbers.len(), Some(scales.len())),
        };
        assert!(columns > 0 && count % columns == 0, "whole rows of {columns} numbers");
        assert!(scales.is_none_or(|scales| scales == count / columns), "one scale per row");
        StoredMatrix { columns, numbers }
    }

    /// The numbers of row `r`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, r: usize) -> Vec<f32> {
        let places = r * self.columns..(r + 1) * self.columns;
        match self.numbers {
            StoredNumbers::F32(numbers) => numbers[places].iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            StoredNumbers::F16(numbers) => {
                numbers[places].iter().map(|&bytes| f16_to_f32(u16::from_le_bytes(bytes))).collect()
            }
            StoredNumbers::I8(numbers, scales) => {
                let scale = f32::from_le_bytes(scales[r]);
                numbers[places].iter().map(|&[q]| scale * f32::from(q as i8)).collect()
            }
        }
    }

    /// `out[r] += Σ_k self[r,k]·x[k]`
    ///
    /// # Panics
    /// If `x` has not one number per column.
    pub fn add_product<S: Scalar>(&self, x: &[S], out: &mut [S]) {
        assert_eq!(x.len(), self.columns, "one number per column");
        match self.numbers {
            StoredNumbers::F32(numbers) => self.add_rows(numbers, f32::from_le_bytes, |_| 1.0, x, out),
            StoredNumbers::F16(numbers) => self.add_rows(numbers, finite_f16_to_f32, |_| 1.0, x, out),
            StoredNumbers::I8(numbers, scales) => {
                let scale = |row: usize| f32::from_le_bytes(scales[row]);
                self.add_rows(numbers, |[q]| f32::from(q as i8), scale, x, out);
            }
        }
    }

    #[inline(always)]
    fn add_rows<S: Scalar, const N: usize>(
        &self,
        numbers: &[[u8; N]],
        number: impl Fn([u8; N]) -> f32 + Copy,
        scale: impl Fn(usize) -> f32,
        x: &[S],
        out: &mut [S],
    ) {
        simd!(|level| {
            for (r, (row, out)) in numbers.chunks_exact(self.columns).zip(out).enumerate() {
                *out += convert::<S>(scale(r)) * dot(level, row, number, x);
            }
        });
    }
}

#[inline(always)]
fn convert<S: Scalar>(x: f32) -> S {
    S::from_f64(f64::from(x))
}

/// `Σ_k number(row[k])·x[k]` in running sums, column `k` in sum `k mod 16`, added up pairwise at the end.
#[inline(always)]
fn dot<S: Scalar, const N: usize>(level: Level, row: &[[u8; N]], number: impl Fn([u8; N]) -> f32, x: &[S]) -> S {
    let mut sums = Lanes::<S>::ZERO;
    let ((row, row_rest), (x, x_rest)) = (row.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let add = |weight: S, x: S, sum: S| if level.fused() { weight.mul_add(x, sum) } else { weight * x + sum };
    for (row, x) in row.iter().zip(x) {
        for lane in 0..LANES {
            sums.0[lane] = add(convert(number(row[lane])), x[lane], sums.0[lane]);
        }
    }
    for ((&bytes, &x), sum) in row_rest.iter().zip(x_rest).zip(&mut sums.0) {
        *sum = add(convert(number(bytes)), x, *sum);
    }
    sums.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;

    fn leaked<const N: usize>(numbers: Vec<[u8; N]>) -> &'static [[u8; N]] {
        numbers.leak()
    }

    #[test]
    fn every_finite_half_is_read_the_short_way_too() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            assert_eq!(finite_f16_to_f32(bits.to_le_bytes()).to_bits(), f16_to_f32(bits).to_bits(), "{bits:#06x}");
        }
    }

    #[test]
    fn every_kind_of_numbers_gives_the_plain_product() {
        let mut stream = RandomStream::new(2, "stored", 0);
        for (rows, columns) in [(1, 1), (5, 15), (4, 16), (7, 17), (12, 60)] {
            let halves: Vec<u16> = (0..rows * columns).map(|_| stream.below(0x7c00) as u16 & 0xbfff).collect();
            let bytes: Vec<i8> = (0..rows * columns).map(|_| stream.below(255) as u8 as i8).collect();
            let scales: Vec<f32> = (0..rows).map(|row| 0.01 * (1 + row) as f32).collect();
            let x: Vec<f64> = (0..columns).map(|_| stream.normal()).collect();
            let of_halves: Vec<f32> = halves.iter().map(|&bits| f16_to_f32(bits)).collect();
            let of_bytes: Vec<f32> =
                bytes.iter().enumerate().map(|(n, &q)| scales[n / columns] * f32::from(q)).collect();
            let four = |numbers: &[f32]| leaked(numbers.iter().map(|x| x.to_le_bytes()).collect());
            let i8s = StoredNumbers::I8(leaked(bytes.iter().map(|&q| [q as u8]).collect()), four(&scales));
            for (numbers, expected) in [
                (StoredNumbers::F32(four(&of_halves)), &of_halves),
                (StoredNumbers::F16(leaked(halves.iter().map(|bits| bits.to_le_bytes()).collect())), &of_halves),
                (i8s, &of_bytes),
            ] {
                let mut out: Vec<f64> = (0..rows).map(|row| row as f64 - 2.0).collect();
                StoredMatrix::new(columns, numbers).add_product(&x, &mut out);
                for (row, got) in out.iter().enumerate() {
                    let terms = expected[row * columns..][..columns].iter().zip(&x).map(|(&w, x)| f64::from(w) * x);
                    let (sum, size) = terms.fold((row as f64 - 2.0, 1.0), |(sum, size), x| (sum + x, size + x.abs()));
                    // f64 sums; the scale of int8 rows is a product that the expected numbers round to f32.
                    assert!((got - sum).abs() <= 1e-7 * size, "{numbers:?}: row {row}: {got}, expected {sum}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "one scale per row")]
    fn scales_must_fit() {
        StoredMatrix::new(2, StoredNumbers::I8(&[[1], [2]], &[]));
    }
}
