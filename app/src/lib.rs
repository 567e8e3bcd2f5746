//! The application around the engine [`reslstm`]: the command `reslstm` and everything it needs that an engine does not.
//!
//! # Floors
//!
//! Imports run downwards only, never sideways between folders of one floor; `tests/floors.rs` checks it.
//!
//! ```text
//! faces        main.rs, cli/                  the command, one file per subcommand
//! pages        report/                        figures, tables, HTML pages
//! procedures   experiment/                    trainings that leave files: cross-validation, nested choice, trials, jobs
//!              corpus/ tune/ sweep/ synth/    recordings and features; search; grids; synthetic speech
//!              onnx/                          models as ONNX files
//! ground       files hash calendar label_map  atomic writes, fingerprints, dates, names of labels
//!              terminal csv_field             what is printed; text fields of tables
//! ```
//!
//! `tune` and `sweep` know nothing of training: they take their work as a closure, which `experiment` gives them. That is why
//! `experiment` has a floor of its own above them.

// First, as its macro is used in all others.
#[macro_use]
mod terminal;

pub mod calendar;
mod cli;
pub mod corpus;
mod csv_field;
pub mod experiment;
pub mod files;
mod hash;
pub mod label_map;
pub mod onnx;
pub mod report;
pub mod sweep;
pub mod synth;
pub mod tune;

pub use cli::run;
#[doc(hidden)]
pub use cli::settings_text;
