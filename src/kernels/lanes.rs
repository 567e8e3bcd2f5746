//! Sixteen numbers that are computed together: an AVX-512 register of `f32`, two AVX2 registers, four of SSE2 or NEON.

use super::level::Level;
use crate::scalar::Scalar;

/// Numbers in a [`Lanes`].
pub const LANES: usize = 16;

/// Sixteen numbers that are added and multiplied together. A small `Copy` type that the compiler keeps in registers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Lanes<S>(pub [S; LANES]);

impl<S: Scalar> Lanes<S> {
    /// Sixteen zeros.
    pub const ZERO: Self = Lanes([S::ZERO; LANES]);

    /// Sum of the sixteen numbers, added up pairwise: halves, quarters, and so on.
    #[inline(always)]
    pub fn sum(mut self) -> S {
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                self.0[lane] += self.0[lane + half];
            }
            half /= 2;
        }
        self.0[0]
    }

    /// The first sixteen numbers of `from`.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline(always)]
    pub fn load(from: &[S]) -> Self {
        Lanes(*from.first_chunk().expect("sixteen numbers"))
    }

    /// The first sixteen numbers of `from`; where there are fewer, zeros follow. Not for the sums of a tile: a length known only
    /// at run time keeps them in memory, at half the speed.
    #[inline(always)]
    pub fn load_padded(from: &[S]) -> Self {
        match from.first_chunk() {
            Some(full) => Lanes(*full),
            None => {
                let mut lanes = Self::ZERO;
                for (lane, &x) in lanes.0.iter_mut().zip(from) {
                    *lane = x;
                }
                lanes
            }
        }
    }

    /// Writes the lanes from `first` on; the earlier numbers of `to` stay as they are.
    ///
    /// # Panics
    /// If `to` has fewer than sixteen numbers.
    #[inline(always)]
    pub fn store_from(self, first: usize, to: &mut [S]) {
        // All lanes are written, and the earlier numbers restored: storing from a place known only at run time would keep them
        // out of the registers, a choice lane by lane would take them apart.
        let before = Self::load(to);
        *to.first_chunk_mut().expect("sixteen numbers") = self.0;
        if first > 0 {
            before.restore(first, to);
        }
    }

    /// Writes the first `n` lanes.
    #[cold]
    #[inline(never)]
    fn restore(self, n: usize, to: &mut [S]) {
        to[..n].copy_from_slice(&self.0[..n]);
    }

    /// `self += scale · other`, lane by lane: one rounding where the level has fused multiply-add, two where not.
    #[inline(always)]
    pub fn add_scaled(&mut self, level: Level, scale: S, other: &Self) {
        for (sum, &x) in self.0.iter_mut().zip(&other.0) {
            *sum = if level.fused() { scale.mul_add(x, *sum) } else { scale * x + *sum };
        }
    }
}

/// Where vector `v` of a row of `columns` numbers begins: the last vector is moved back so that it ends with the row,
/// and no code for a rest is needed. Its first lanes then repeat what the vector before it holds.
#[inline(always)]
pub fn vector_start(v: usize, columns: usize) -> usize {
    (v * LANES).min(columns.saturating_sub(LANES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_vector_ends_with_the_row() {
        assert_eq!((0..3).map(|v| vector_start(v, 46)).collect::<Vec<_>>(), [0, 16, 30]);
        assert_eq!((0..4).map(|v| vector_start(v, 64)).collect::<Vec<_>>(), [0, 16, 32, 48]);
        assert_eq!(vector_start(0, 7), 0);
    }
}
