//! The command as its users meet it: run as a process, judged by its exit code, its output and the files it leaves.

mod auditing;
mod bad_input;
mod browser;
mod conditions;
mod corpora;
mod explaining;
mod figures;
mod live;
mod nesting;
mod paper;
mod reporting;
mod resuming;
mod room;
mod sweeping;
mod training;
mod tuning;
mod using;
