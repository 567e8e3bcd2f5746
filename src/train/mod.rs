//! Training: from a dataset and settings to models and scores.
//!
//! | file               | what                                                                     |
//! |--------------------|--------------------------------------------------------------------------|
//! | [`settings`]       | what to train and how, checked once                                       |
//! | [`augment`]        | random augmentation of the training clips                                 |
//! | [`enrolment`]      | statistics of some clips of each speaker                                   |
//! | [`task`]           | one division of the data, normalised; evaluation                          |
//! | [`identity`]       | everything that decides a training's result, compared before resuming                      |
//! | [`step`]           | one step: forward, loss, backward, Adam                                    |
//! | [`run`]            | one training, epoch after epoch                                           |
//! | [`trainer`]        | one training from data to model file                                      |
//! | [`checkpoint`]     | its state as bytes                                                        |
//! | [`calibration`]    | probabilities that hold                                                    |
//! | [`metrics`]        | confusion matrix, UAR, WAR, F1                                             |

pub mod augment;
pub mod calibration;
pub mod checkpoint;
pub mod enrolment;
pub mod identity;
pub mod metrics;
pub mod run;
pub mod settings;
pub mod step;
pub mod task;
pub mod trainer;

pub use augment::{Augment, Shares};
pub use identity::Identity;
pub use metrics::{Confusion, Spread};
pub use run::{EpochRecord, Outcome, State, Training};
pub use settings::{Balance, CheckedSettings, Inputs, Protocol, Settings, Validation, Weights};
pub use step::Step;
pub use task::{Task, evaluate};
pub use trainer::{Trainer, TrainingData, model_file};
