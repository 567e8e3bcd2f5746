//! The layers, one a file, each with its forward, and its backward right under it.
//!
//! One alphabet: `N` clips, `T` frames of the longest, `F` frames in all, `D` inputs, `H` hidden units, `K` classes.
//! The gradient of `x` is `dx`. A layer's struct holds its parameters and nothing else, and is also the type of its
//! gradient; what forward must remember is its *tape*, kept by the caller and reused.

pub mod attention;
pub mod batch_norm;
pub mod dropout;
pub mod linear;
pub mod lstm;
pub mod residual;
pub mod running;
pub mod softmax_cross_entropy;

pub use attention::{Attention, AttentionTape};
pub use batch_norm::{BatchNorm, BatchNormTape};
pub use linear::{Linear, LinearTape};
pub use lstm::{Lstm, LstmTape};
pub use running::{RunningAttention, RunningLstm};
