//! The number type of the engine: every layer is written once, for any [`Scalar`].
//!
//! | type          | what it is for                                                       |
//! |---------------|----------------------------------------------------------------------|
//! | `f32`         | training and inference; exp, tanh and sigmoid are [`elementary`]'s    |
//! | `f64`         | audits: gradients against differences and against other programs      |
//! | `Dual`        | audits: a value and its derivative, through the same forward code     |
//!
//! Every method is `#[inline(always)]`: the kernels are compiled for several instruction sets, and a call that is not
//! inlined would silently be compiled for the oldest one.

use crate::elementary;
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

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
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The number as `f64`, without any derivative it may carry.
    fn value(self) -> f64;
    /// `self·a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// e to the power of `self`
    fn exp(self) -> Self;
    /// natural logarithm
    fn ln(self) -> Self;
    /// square root
    fn sqrt(self) -> Self;
    /// hyperbolic tangent
    fn tanh(self) -> Self;
    /// logistic function `σ(x) = 1 / (1 + e^−x)`
    fn sigmoid(self) -> Self;

    /// [`tanh`](Self::tanh) of every number, into `out`: the same bits, and faster where a type can.
    ///
    /// # Panics
    /// If the arrays differ in length.
    #[inline(always)]
    fn tanh_all(x: &[Self], out: &mut [Self]) {
        assert_eq!(x.len(), out.len(), "as many results as numbers");
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.tanh();
        }
    }
    /// [`sigmoid`](Self::sigmoid) of every number, likewise.
    #[inline(always)]
    fn sigmoid_all(x: &[Self], out: &mut [Self]) {
        assert_eq!(x.len(), out.len(), "as many results as numbers");
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.sigmoid();
        }
    }
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
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
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
    #[allow(clippy::redundant_closure)] // the bare name would not be inlined, and so be compiled for the baseline
    fn tanh_all(x: &[Self], out: &mut [Self]) {
        elementary::for_all(
            x,
            out,
            #[inline(always)]
            |x| elementary::tanh(x),
        );
    }
    #[inline(always)]
    #[allow(clippy::redundant_closure)] // the bare name would not be inlined, and so be compiled for the baseline
    fn sigmoid_all(x: &[Self], out: &mut [Self]) {
        elementary::for_all(
            x,
            out,
            #[inline(always)]
            |x| elementary::sigmoid(x),
        );
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
        f64::mul_add(self, a, b)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        // e^−|x| never overflows; the numerator puts the sign back.
        let z = (-self.abs()).exp();
        (if self < 0.0 { z } else { 1.0 }) / (1.0 + z)
    }
}
