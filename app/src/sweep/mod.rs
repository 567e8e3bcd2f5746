//! Sweeps: many independent jobs, on as many processes and machines as there are, that survive any of them.
//!
//! What a job does is a closure's affair; this module knows its name, its place in a folder, and who is at it.
//!
//! ```text
//! DIR/plan.json                 the jobs in order, each with a name that is a function of what it is to do
//! DIR/results/ID.json           the result of a job: there, and then whole, when it is done
//! DIR/unfinished/ID.lock        locked by the process that is at it; a killed process holds no locks
//! DIR/unfinished/ID.checkpoint  where it goes on
//! DIR/unfinished/ID.error       why it failed the last time
//! ```
//!
//! Processes talk to each other through that folder alone. A scheduler (Slurm, Kubernetes, GNU parallel) decides where they run.
//!
//! | file        | what                                                             |
//! |-------------|------------------------------------------------------------------|
//! | [`plan`]    | jobs, their names, their folder                                  |
//! | [`shard`]   | which jobs are whose: `2/3`, or what a scheduler's variables say |
//! | [`mod@run`] | does a shard's jobs, under locks                                 |
//! | [`collect`] | what is there, in one folder or in copies from several machines  |

pub mod collect;
pub mod plan;
pub mod run;
pub mod shard;

pub use collect::{Copies, State};
pub use plan::{Folder, Job, Plan};
pub use run::{Event, Execution, run};
pub use shard::Shard;
