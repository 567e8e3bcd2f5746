//! The command as its users meet it: run as a process, judged by its exit code, its output and the files it leaves.

mod bad_input;
mod corpora;
mod resuming;
mod room;
mod training;
mod using;
