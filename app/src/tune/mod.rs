//! Hyper-parameter search: a Tree-structured Parzen Estimator over a study that any number of processes share.
//!
//! | file        | what                                                                                 |
//! |-------------|--------------------------------------------------------------------------------------|
//! | [`space`]   | which parameters are searched, and where                                             |
//! | [`trial`]   | one point of the space, and how it went                                              |
//! | [`normal`]  | logarithms of normal probabilities, exact far out in the tails                       |
//! | [`parzen`]  | densities from observed points                                                       |
//! | [`tpe`]     | which point to try next                                                              |
//! | [`pruner`]  | which trial to give up                                                               |
//! | [`lock`]    | one writer at a time, across processes and machines                                  |
//! | [`journal`] | Optuna's journal file                                                                |
//! | [`replay`]  | what the lines of a journal say                                                      |
//! | [`snapshot`] | a study as it stands, for looking at                                                |
//! | [`study`]   | asking for trials, reporting and telling how they went                               |
//!
//! What is searched for is none of this module's business: the work of a trial comes as a closure.

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
