//! data
pub mod batch;
