//! Training: from a dataset and a recipe to models and scores.
//!
//! | file               | what                                                                     |
//! |--------------------|--------------------------------------------------------------------------|
//! | [`settings`]       | what a person chooses, checked once                                       |
//! | [`augment`]        | clips heard differently every epoch                                       |
//! | [`task`]           | one division of the data, normalised; evaluation                          |
//! | [`identity`]       | what a training is of, compared before it is resumed                      |
//! | [`step`]           | one step: forward, loss, backward, Adam                                    |
//! | [`run`]            | one training, epoch after epoch                                           |
//! | [`checkpoint`]     | its state as bytes                                                        |
//! | [`fit`]            | one training from start to end, saved on the way                          |
//! | [`cross_validate`] | folds × runs, on all cores, resumable                                     |
//! | [`nested`]         | settings chosen without the test speakers                                  |
//! | [`calibration`]    | probabilities that hold                                                    |
//! | [`robustness`]     | the test speakers heard in other conditions                                |
//! | [`results`]        | what is left in files                                                     |
//! | [`folder`]         | the folder of a cross-validation, read back                               |
//! | [`metrics`]        | confusion matrix, UAR, WAR, F1                                             |
//! | [`statistics`]     | how far scores hold for other speakers and seeds                          |

pub mod augment;
pub mod calibration;
pub mod checkpoint;
pub mod cross_validate;
pub mod fit;
pub mod folder;
pub mod identity;
pub mod metrics;
pub mod nested;
pub mod results;
pub mod robustness;
pub mod run;
pub mod settings;
pub mod statistics;
pub mod step;
pub mod task;

pub use augment::Augment;
pub use folder::{ClipRecord, Results};
pub use identity::Identity;
pub use metrics::{Confusion, Spread};
pub use run::{EpochRecord, Outcome, State, Training};
pub use settings::{Inputs, Protocol, Recipe, Settings, Validation, Weights};
pub use step::Step;
pub use task::{Task, evaluate};
