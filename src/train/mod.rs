//! Training: from a dataset and a recipe to models and scores.
//!
//! | file               | what                                                                     |
//! |--------------------|--------------------------------------------------------------------------|
//! | [`settings`]       | what a person chooses, checked once                                       |
//! | [`task`]           | one division of the data, normalised; evaluation                          |
//! | [`run`]            | one training, epoch after epoch                                           |
//! | [`metrics`]        | confusion matrix, UAR, WAR, F1                                             |

pub mod checkpoint;
pub mod metrics;
pub mod run;
pub mod settings;
pub mod task;

pub use metrics::{Confusion, Spread};
pub use run::{EpochRecord, Outcome, State, Training};
pub use settings::{Protocol, Recipe, Settings};
pub use task::{Task, evaluate};
