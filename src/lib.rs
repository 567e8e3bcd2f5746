//! reslstm
pub mod audio;
pub mod data;
pub mod error;
pub mod matrix;
pub mod rng;
