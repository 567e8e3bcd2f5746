//! Random numbers from named streams of one seed.
//!
//! Every use of randomness has its own stream, chosen by name (`"init"`, `"shuffle"`, `"dropout"`, …) and number (epoch,
//! clip, …).
//! A stream is a pure function of (seed, name, number), so nothing has to be saved to resume a run in the middle,
//! and no use of randomness can disturb another.

#[cfg(not(feature = "std"))]
use crate::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// One stream of random numbers (xoshiro256++).
#[derive(Clone, Debug)]
pub struct RandomStream(Xoshiro256PlusPlus);

impl RandomStream {
    /// The stream with this seed, name and number.
    pub fn new(seed: u64, name: &str, index: u64) -> Self {
        RandomStream(Xoshiro256PlusPlus::seed_from_u64(derive_seed(seed, name, index)))
    }

    /// Uniform in `[0, 1)`, 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal, by the Box–Muller transform.
    pub fn normal(&mut self) -> f64 {
        // 1 − u lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (core::f64::consts::TAU * self.uniform()).cos()
    }

    /// Approximately standard normal at a fraction of the cost, for large amounts of noise: the sum of four uniform numbers, the
    /// quarters of one draw (Irwin–Hall distribution). Mean 0, variance 1, and never beyond ±√12.
    pub fn nearly_normal(&mut self) -> f32 {
        let bits = self.0.next_u64();
        let quarter = |n: u32| i64::from((bits >> (16 * n)) as u16);
        // A quarter has mean 65,535/2 and variance (65,536² − 1)/12.
        let sum = quarter(0) + quarter(1) + quarter(2) + quarter(3) - 2 * 65_535;
        sum as f32 * (3f32.sqrt() / 65_536.0)
    }

    /// Uniform in `0..n`, without the bias of a remainder (rejection).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        let unbiased = u64::MAX - u64::MAX % n;
        loop {
            let x = self.0.next_u64();
            if x < unbiased {
                return (x % n) as usize;
            }
        }
    }

    /// A uniformly random order (Fisher–Yates shuffle).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The seed of a named stream: different for different (seed, name, index), and the same on every machine.
pub fn derive_seed(seed: u64, name: &str, index: u64) -> u64 {
    // FNV-1a over the name, then two rounds of splitmix64's finaliser to mix in the numbers.
    let name = fnv1a(FNV_OFFSET_BASIS, name.as_bytes());
    mix(mix(seed ^ name).wrapping_add(index))
}

/// Where [`fnv1a`] begins.
pub(crate) const FNV_OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// The 64-bit hash of Fowler, Noll and Vo, continued over more bytes.
pub(crate) fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_name_and_number_and_repeat() {
        let first = |seed, name: &str, index| RandomStream::new(seed, name, index).uniform();
        assert_eq!(first(1, "shuffle", 3), first(1, "shuffle", 3));
        assert_ne!(first(1, "shuffle", 3), first(2, "shuffle", 3));
        assert_ne!(first(1, "shuffle", 3), first(1, "dropout", 3));
        assert_ne!(first(1, "shuffle", 3), first(1, "shuffle", 4));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut stream = RandomStream::new(7, "normal", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        // Standard error of the mean 0.0032, of the variance 0.0045: five of them.
        assert!(mean.abs() < 0.016, "{mean}");
        assert!((variance - 1.0).abs() < 0.023, "{variance}");
    }

    #[test]
    fn nearly_normal_has_the_moments_of_four_uniform_numbers() {
        let mut stream = RandomStream::new(7, "nearly normal", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| f64::from(stream.nearly_normal())).collect();
        let moment = |n: i32| draws.iter().map(|x| x.powi(n)).sum::<f64>() / draws.len() as f64;
        // Standard errors 0.0032, 0.0041 and 0.016: five of them. The fourth moment of a normal number would be 3.
        assert!(moment(1).abs() < 0.016 && (moment(2) - 1.0).abs() < 0.021, "{} {}", moment(1), moment(2));
        assert!((moment(4) - 2.7).abs() < 0.08, "{}", moment(4));
        let largest = draws.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        assert!((2.9..=12f64.sqrt()).contains(&largest), "{largest}");
    }

    #[test]
    fn a_shuffle_moves_every_item_everywhere() {
        let mut seen = [[0; 4]; 4];
        for index in 0..4000 {
            let mut items = [0, 1, 2, 3];
            RandomStream::new(0, "shuffle", index).shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                seen[place][item] += 1;
            }
        }
        // 1000 expected, standard deviation 27.
        assert!(seen.iter().flatten().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }
}
