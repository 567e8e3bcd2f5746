//! Sweeps: many independent jobs, run by any number of processes and machines, robust against the loss of any process.
//!
//! The work of a job comes as a closure; this module knows the job's name, its files, and which process runs it.
//!
//! ```text
//! DIR/plan.json                 the jobs in order; the name of each depends on its work alone
//! DIR/results/ID.json           the result of a finished job, written atomically
//! DIR/unfinished/ID.lock        locked by the process that runs the job; a killed process holds no locks
//! DIR/unfinished/ID.checkpoint  the state from which the job continues
//! DIR/unfinished/ID.error       why the job failed last time
//! ```
//!
//! Processes communicate through that folder alone. A scheduler (Slurm, Kubernetes, GNU parallel) decides where they run.
//!
//! | file        | content                                                          |
//! |-------------|------------------------------------------------------------------|
//! | [`plan`]    | jobs, their names, their folder                                  |
//! | [`shard`]   | a part of a plan: `2/3`, or from a scheduler's variables         |
//! | [`mod@run`] | runs the jobs of a shard, under locks                            |
//! | [`collect`] | states and results, from one folder or copies of it              |

pub mod collect;
pub mod plan;
pub mod run;
pub mod shard;

pub use collect::{Copies, State};
pub use plan::{Folder, Job, Plan, Work};
pub use run::{Event, Execution, run};
pub use shard::Shard;
