//! The instruction set in use: chosen once, used by every kernel through [`simd!`](crate::simd).

use crate::error::{Error, Kind, Result};
use crate::prelude::*;
use core::fmt;
use core::str::FromStr;
#[cfg(feature = "std")]
use std::sync::OnceLock;

/// An instruction set that the kernels are compiled for. Written and read as `avx512`, `avx2`, `baseline`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// x86-64 with AVX-512 (F, VL, DQ, BW): 32 registers of sixteen `f32`.
    Avx512,
    /// x86-64 with AVX2 and FMA: 16 registers of eight `f32`.
    Avx2,
    /// What the program was compiled for: SSE2 on x86-64, NEON on AArch64.
    Baseline,
}

/// The level in use, from its first use on.
#[cfg(feature = "std")]
static CURRENT: OnceLock<Level> = OnceLock::new();

impl Level {
    /// Every level, the fastest first.
    const ALL: [Level; 3] = [Level::Avx512, Level::Avx2, Level::Baseline];

    /// Whether a multiplication and an addition are one instruction. Without it `mul_add` would be a library call.
    #[inline(always)]
    pub(crate) const fn fused(self) -> bool {
        matches!(self, Level::Avx512 | Level::Avx2) || cfg!(target_feature = "fma") || cfg!(target_arch = "aarch64")
    }

    /// The level in use: the fastest that the processor has, within the [limit](limit_level) if there is one. Without the feature
    /// `std`, [`Baseline`](Level::Baseline): nobody can be asked what the processor has.
    #[inline(always)]
    pub fn current() -> Level {
        #[cfg(feature = "std")]
        return *CURRENT.get_or_init(|| Level::fastest_within(Level::Avx512));
        #[cfg(not(feature = "std"))]
        Level::Baseline
    }

    /// The fastest level, `highest` or lower, that this processor has.
    #[cfg(feature = "std")]
    fn fastest_within(highest: Level) -> Level {
        let mut levels = Level::ALL.into_iter().skip_while(|&level| level != highest);
        levels.find(|level| level.available()).unwrap_or(Level::Baseline)
    }

    /// Whether this processor has the instruction set.
    pub fn available(self) -> bool {
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
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
        #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
        let has = self == Level::Baseline;
        has
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Avx512 => "avx512",
            Level::Avx2 => "avx2",
            Level::Baseline => "baseline",
        })
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::new(Kind::Settings, format!("expected avx512, avx2 or baseline, got '{name}'"));
        Level::ALL.into_iter().find(|level| level.to_string() == name).ok_or_else(unknown)
    }
}

/// Makes every kernel use `highest`, or the fastest level below it that the processor has. To be called at the start of a
/// program, to compare instruction sets. Without a call, kernels use the fastest level that the processor has.
///
/// # Errors
/// [`Kind::Settings`] if another level is in use already.
#[cfg(feature = "std")]
pub fn limit_level(highest: Level) -> Result<()> {
    let level = Level::fastest_within(highest);
    let current = *CURRENT.get_or_init(|| level);
    if current == level {
        return Ok(());
    }
    let problem =
        format!("expected to set the instruction set to {level} before its first use, but {current} is in use");
    Err(Error::new(Kind::Settings, problem).advice("call limit_level once, at the start of the program"))
}

/// Runs a closure compiled for the fastest instruction set that the processor has, and passes it that [`Level`].
///
/// ```
/// use reslstm::kernels::{dot, simd};
///
/// let (a, b) = ([1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]);
/// assert_eq!(simd!(|level| dot(level, &a, &b)), 32.0);
/// ```
/// The body of the closure is compiled once per [`Level`]. For this the closure must be inlined, so the macro
/// writes its `#[inline(always)]` itself: a closure that is not inlined is compiled for the baseline, where fused multiply-adds
/// are library calls, and runs up to seventy times slower. What cannot be inlined for sure does not compile:
/// ```compile_fail
/// # use reslstm::kernels::{Level, simd};
/// fn work(_: Level) {}
/// simd!(work);
/// ```
/// Functions that the closure calls need `#[inline(always)]` where their speed matters; [`dot`](crate::kernels::dot),
/// [`add_scaled`](crate::kernels::add_scaled), [`map_units!`](crate::map_units), [`Lanes`](crate::kernels::lanes::Lanes) and every
/// [`Scalar`](crate::scalar::Scalar) method have it.
#[macro_export]
macro_rules! simd {
    (move |$level:pat_param| $work:expr) => {
        $crate::kernels::level::__run(
            #[inline(always)]
            move |$level| $work,
        )
    };
    (|$level:pat_param| $work:expr) => {
        $crate::kernels::level::__run(
            #[inline(always)]
            |$level| $work,
        )
    };
}
pub use simd;

/// [`simd!`] at a given level, which the processor must have: `simd_at!(level, |level| …)`.
macro_rules! simd_at {
    ($at:expr, |$level:pat_param| $work:expr) => {
        $crate::kernels::level::run_at(
            $at,
            #[inline(always)]
            |$level| $work,
        )
    };
}
pub(super) use simd_at;

/// What [`simd!`] calls, with a closure that it has marked `#[inline(always)]`. Not to be called directly.
#[doc(hidden)]
#[inline(always)]
pub fn __run<R>(work: impl FnOnce(Level) -> R) -> R {
    run_at(Level::current(), work)
}

/// What [`simd_at!`] calls. Not to be called directly.
///
/// # Panics
/// In debug builds, if the processor lacks the level.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn run_at<R>(level: Level, work: impl FnOnce(Level) -> R) -> R {
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

/// The levels that this processor has, for tests that compare them.
#[cfg(test)]
pub(super) fn available_levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.available())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_they_are_written() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse::<Level>().unwrap(), level);
        }
        let error = "sse".parse::<Level>().unwrap_err();
        assert_eq!(error.to_string(), "expected avx512, avx2 or baseline, got 'sse'");
    }

    #[test]
    fn a_limit_never_chooses_a_level_above_it() {
        assert_eq!(Level::fastest_within(Level::Baseline), Level::Baseline);
        assert_ne!(Level::fastest_within(Level::Avx2), Level::Avx512);
        assert_eq!(Some(Level::fastest_within(Level::Avx512)), available_levels().next());
    }

    #[test]
    fn a_limit_after_the_first_use_is_refused_unless_it_changes_nothing() {
        let current = Level::current();
        limit_level(current).unwrap();
        if current != Level::Baseline {
            let error = limit_level(Level::Baseline).unwrap_err().to_string();
            assert!(error.contains("to baseline before its first use") && error.contains("at the start"), "{error}");
        }
    }
}
