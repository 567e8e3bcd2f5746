//! The number type of the engine: every layer is written once, for any [`Scalar`].
//!
//! | type          | use                                                                  |
//! |---------------|----------------------------------------------------------------------|
//! | `f32`         | training and inference; exp, tanh and sigmoid are those of [`elementary`] |
//! | `f64`         | audits: gradients against differences and against other programs      |
//! | `Dual`        | audits: a value and its derivative, through the same forward code     |
//!
//! Every method is `#[inline(always)]`: the kernels are compiled for several instruction sets, and a call that is not
//! inlined would silently be compiled for the oldest one.

use crate::elementary;
use core::fmt::Debug;
use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// A real number the engine can compute with.
pub trait Scalar:
    Copy
    + Default
    + Debug
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The number as `f64`, without the derivative that it may carry.
    fn value(self) -> f64;
    /// `self·a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Logarithm to a base.
    fn log(self, base: Self) -> Self;
    /// `self` to a whole power.
    fn powi(self, n: i32) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Sine of an angle in radians.
    fn sin(self) -> Self;
    /// Cosine of an angle in radians.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Logistic function `σ(x) = 1 / (1 + e^−x)`.
    fn sigmoid(self) -> Self;
    /// Absolute value. Its derivative at 0 is taken as 0.
    fn abs(self) -> Self;
    /// The larger of two numbers, with the derivative of that one; `self` where they are equal, the other where one is NaN.
    fn max(self, other: Self) -> Self;

    /// [`tanh`](Self::tanh) of every number, into `out`: the same bits, and faster where a type can.
    ///
    /// # Panics
    /// If the arrays differ in length.
    #[inline(always)]
    fn tanh_all(x: &[Self], out: &mut [Self]) {
        assert_eq!(x.len(), out.len(), "one result per number");
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.tanh();
        }
    }
    /// [`sigmoid`](Self::sigmoid) of every number, into `out`: the same bits, and faster where a type can.
    ///
    /// # Panics
    /// If the arrays differ in length.
    #[inline(always)]
    fn sigmoid_all(x: &[Self], out: &mut [Self]) {
        assert_eq!(x.len(), out.len(), "one result per number");
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.sigmoid();
        }
    }
}

/// A method of `f32` or `f64`; without `std`, which has it, that of `libm`.
macro_rules! float {
    ($type:ident::$method:ident($($x:expr),*)) => {{
        #[cfg(feature = "std")]
        let y = $type::$method($($x),*);
        #[cfg(not(feature = "std"))]
        let y = <$type as num_traits::Float>::$method($($x),*);
        y
    }};
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        float!(f32::mul_add(self, a, b))
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        float!(f32::ln(self))
    }
    #[inline(always)]
    fn log(self, base: Self) -> Self {
        float!(f32::log(self, base))
    }
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        float!(f32::powi(self, n))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        float!(f32::sqrt(self))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        float!(f32::sin(self))
    }
    #[inline(always)]
    fn cos(self) -> Self {
        float!(f32::cos(self))
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        elementary::tanh([self])[0]
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        elementary::sigmoid([self])[0]
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        f32::max(self, other)
    }
    #[inline(always)]
    fn tanh_all(x: &[Self], out: &mut [Self]) {
        elementary::tanh_all(x, out);
    }
    #[inline(always)]
    fn sigmoid_all(x: &[Self], out: &mut [Self]) {
        elementary::sigmoid_all(x, out);
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        float!(f64::mul_add(self, a, b))
    }
    #[inline(always)]
    fn exp(self) -> Self {
        float!(f64::exp(self))
    }
    #[inline(always)]
    fn ln(self) -> Self {
        float!(f64::ln(self))
    }
    #[inline(always)]
    fn log(self, base: Self) -> Self {
        float!(f64::log(self, base))
    }
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        float!(f64::powi(self, n))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        float!(f64::sqrt(self))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        float!(f64::sin(self))
    }
    #[inline(always)]
    fn cos(self) -> Self {
        float!(f64::cos(self))
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        float!(f64::tanh(self))
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        // e^−|x| never overflows; the numerator puts the sign back.
        let z = (-self.abs()).exp();
        (if self < 0.0 { z } else { 1.0 }) / (1.0 + z)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        f64::max(self, other)
    }
}
