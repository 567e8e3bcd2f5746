//! The optimiser and its schedule.

pub mod adam;
pub mod cosine_warm_restarts;

pub use adam::Adam;
pub use cosine_warm_restarts::CosineWarmRestarts;
