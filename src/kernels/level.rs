//! Which instruction set runs: detected once, used by every kernel through [`simd`].

use std::sync::OnceLock;

/// An instruction set the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// x86-64 with AVX-512 (F, VL, DQ, BW): 32 registers of sixteen `f32`.
    Avx512,
    /// x86-64 with AVX2 and FMA: 16 registers of eight `f32`.
    Avx2,
    /// What the program was compiled for: SSE2 on x86-64, NEON on AArch64.
    Baseline,
}

impl Level {
    /// Whether a multiplication and an addition are one instruction. Without it `mul_add` would be a library call.
    #[inline(always)]
    pub(super) const fn fused(self) -> bool {
        matches!(self, Level::Avx512 | Level::Avx2) || cfg!(target_feature = "fma") || cfg!(target_arch = "aarch64")
    }

    /// The level in use: the best the processor has, or the one that `RESLSTM_SIMD` (`avx512`, `avx2`, `baseline`)
    /// names where the processor has it.
    pub fn current() -> Level {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let wanted = std::env::var("RESLSTM_SIMD").unwrap_or_default();
            let has = |level: Level, name: &str| level.available() && (wanted.is_empty() || wanted == name);
            if has(Level::Avx512, "avx512") {
                Level::Avx512
            } else if has(Level::Avx2, "avx2") {
                Level::Avx2
            } else {
                Level::Baseline
            }
        })
    }

    /// Whether this processor has it.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let has = match self {
            Level::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && Level::Avx2.available()
            }
            Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Level::Baseline => true,
        };
        #[cfg(not(target_arch = "x86_64"))]
        let has = self == Level::Baseline;
        has
    }
}

/// Runs `work` compiled for the [current](Level::current) level, and tells it which that is.
///
/// The closure must be marked `#[inline(always)]`, and so must everything it calls that matters: what is not inlined
/// here is compiled for the baseline, and runs up to seventy times slower without any test failing.
#[inline(always)]
pub fn simd<R>(work: impl FnOnce(Level) -> R) -> R {
    simd_at(Level::current(), work)
}

/// [`simd`] at a given level.
///
/// # Panics
/// If the processor lacks it.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn simd_at<R>(level: Level, work: impl FnOnce(Level) -> R) -> R {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            debug_assert!(level.available());
            // SAFETY: `Level::current` and the tests hand out Avx512 only where the processor reports these features.
            unsafe { with_avx512(work) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            debug_assert!(level.available());
            // SAFETY: as above, for Avx2.
            unsafe { with_avx2(work) }
        }
        _ => work(Level::Baseline),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn with_avx512<R>(work: impl FnOnce(Level) -> R) -> R {
    work(Level::Avx512)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(work: impl FnOnce(Level) -> R) -> R {
    work(Level::Avx2)
}

/// The levels this processor has, for tests that compare them.
#[cfg(test)]
pub(crate) fn available_levels() -> impl Iterator<Item = Level> {
    [Level::Avx512, Level::Avx2, Level::Baseline].into_iter().filter(|level| level.available())
}
