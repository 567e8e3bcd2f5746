//! What `std` brings into every file by itself, for builds without it: growable types from `alloc`, mathematics from `libm`.

#[allow(unused_imports)]
pub(crate) use alloc::{borrow::ToOwned, boxed::Box, format, string::String, string::ToString, vec, vec::Vec};
#[cfg(not(feature = "std"))]
pub(crate) use num_traits::Float;
