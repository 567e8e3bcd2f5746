//! reslstm
pub mod audio;
pub mod audit;
pub mod data;
pub mod elementary;
pub mod error;
pub mod files;
pub mod kernels;
pub mod layers;
pub mod matrix;
pub mod models;
pub mod optim;
pub mod packed;
pub mod params;
pub mod rng;
pub mod scalar;
pub mod train;
