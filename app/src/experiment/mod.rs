//! Trainings that leave files: cross-validation, choice without test speakers, trials of a search, jobs of a grid.
//!
//! | file               | what                                                                     |
//! |--------------------|--------------------------------------------------------------------------|
//! | [`plan`]           | what to cross-validate                                                    |
//! | [`fit`]            | one training from start to end, saved on the way                          |
//! | [`cross_validate`] | folds × runs, on all cores, resumable                                     |
//! | [`folder`]         | the folder of a cross-validation, read back                               |
//! | [`results`]        | the records that trainings leave in files                                 |
//! | [`nested`]         | settings chosen without the test speakers                                 |
//! | [`trial`]          | a trial of a search: one cross-validation                                 |
//! | [`job`]            | a job of a grid: the training of one fold                                 |
//! | [`robustness`]     | scores on the test speakers under other conditions                        |
//! | [`baseline`]       | a linear SVM on time averages, on the folds of a cross-validation         |
//! | [`linear_svm`]     | the support vector machine of that                                        |
//! | [`statistics`]     | how far scores hold for other speakers and seeds                          |

pub mod baseline;
pub mod cross_validate;
pub mod fit;
pub mod folder;
pub mod job;
pub mod linear_svm;
pub mod nested;
pub mod plan;
pub mod results;
pub mod robustness;
pub mod statistics;
pub mod temperature;
pub mod trial;

pub use folder::{ClipRecord, Results};
pub use plan::Plan;

/// What is said of work of earlier versions that goes on.
pub const CONTENT_UNKNOWN: &str =
    "begun by an earlier version, which did not keep the content of files: only features are compared";
