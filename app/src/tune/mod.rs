//! Hyper-parameter search: a Tree-structured Parzen Estimator over a study that any number of processes share.
//!
//! | file         | content                                                                             |
//! |--------------|-------------------------------------------------------------------------------------|
//! | [`space`]    | the search space: parameters and their ranges                                       |
//! | [`trial`]    | one point of the space and its result                                               |
//! | [`normal`]   | logarithms of normal probabilities, exact in the far tails                          |
//! | [`parzen`]   | densities from observed points                                                      |
//! | [`tpe`]      | the sampler: which point to try next                                                |
//! | [`pruner`]   | which trial to stop early                                                           |
//! | [`lock`]     | one writer at a time, across processes and machines                                 |
//! | [`enqueued`] | what a queued trial asks for                                                        |
//! | [`journal`]  | Optuna's journal file                                                               |
//! | [`replay`]   | studies and trials from the lines of a journal                                      |
//! | [`snapshot`] | a study at one moment, read only                                                    |
//! | [`study`]    | asking for trials, reporting values, telling results                                |
//!
//! This module knows nothing of training: the work of a trial comes as a closure.

pub mod enqueued;
pub mod journal;
pub mod lock;
pub mod normal;
pub mod parzen;
pub mod pruner;
pub mod replay;
pub mod snapshot;
pub mod space;
pub mod study;
pub mod tpe;
pub mod trial;

pub use journal::Journal;
pub use snapshot::Snapshot;
pub use space::{Distribution, Space};
pub use study::{Claim, Ending, Search, Study, Verdict, optimise};
pub use trial::{State, Trial};
