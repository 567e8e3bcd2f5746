//! The arithmetic of a training step: a few register-blocked kernels, written once for every [`Scalar`](crate::scalar::Scalar)
//! and compiled for several instruction sets.
//!
//! | file          | what it computes                                                                 |
//! |---------------|----------------------------------------------------------------------------------|
//! | [`mod@level`]     | the instruction set in use                                                       |
//! | [`lanes`]     | sixteen numbers computed together: one vector register, or a few                 |
//! | [`panels`]    | the right-hand side of a product, repacked so that a product reads it in order   |
//! | [`mod@product`]   | `out = start + Σ A·B`, several products into one result                          |
//! | [`outer`]     | `out += Aᵀ·B`, the gradient of a weight                                          |
//! | [`vector`]    | dot products, scaled sums, column sums                                           |
//! | [`units`]     | equations that hold unit by unit, a vector of units at a time                    |
//! | [`stored`]    | matrices in the bytes of a model file, times a vector                             |
//! | [`peak`]      | multiply-adds on registers, to measure the others against                        |
//! | [`dense`]     | `A·Bᵀ` outside a training step, by `matrixmultiply`                              |
//!
//! Two promises hold everywhere. **One order**: every element of a result adds its terms in one fixed order, for any
//! number of rows and any tile sizes, so a clip's result does not depend on its neighbours, and AVX2 and AVX-512
//! agree to the bit. **No allocation**: everything is written into memory that the caller holds
//! ([`dense`] alone allocates within). `unsafe` is in [`mod@level`] and [`dense`], nowhere else in the crate.
//!
//! Where a processor lacks fused multiply-add (x86-64 before 2013), products round twice per term, and results differ in
//! the last bits from those of other machines; everything else is the same.

// Loops over the indices of small arrays are what the compiler keeps in registers: their shape is measured.
#![allow(clippy::needless_range_loop)]

pub mod dense;
pub mod lanes;
pub mod level;
pub mod outer;
pub mod panels;
pub mod peak;
pub mod product;
pub mod stored;
mod tile;
pub mod units;
pub mod vector;

pub use dense::dense_product;
#[doc(inline)]
#[cfg(feature = "std")]
pub use level::limit_level;
pub use level::{Level, simd};
pub use outer::add_outer;
pub use panels::Panels;
pub use product::{Start, Term, product, product_from};
pub use stored::{StoredMatrix, StoredNumbers};
pub use tile::Side;
pub use units::map_units;
pub use vector::{add_column_sums, add_scaled, dot};
