//! The command line: one file per subcommand, and what they share.
//!
//! Text for people goes to stderr, data to stdout. Exit codes: 0 done; 1 something went wrong; 2 the call is wrong: its options, or
//! the settings in a file that it names (`--config`, a recipe, a grid, candidates, a search space); 75 stopped on request with
//! everything saved. Files that are in the way, bad data, and other settings than earlier work was started with are 1.

mod audit;
mod bench;
mod bundled;
mod cache;
mod clip;
mod commands;
mod compare;
mod completions;
mod corpus;
mod cv;
mod demo;
mod enrol;
mod eval;
mod explain;
mod export;
mod features;
mod figure;
mod gate;
mod import;
mod info;
mod inputs;
mod interrupt;
mod lab;
mod live;
mod man;
mod nested;
mod notes;
mod options;
mod paper;
mod predict;
mod progress;
mod quantise;
mod recipes;
mod report;
mod robustness;
mod rows;
pub mod settings_text;
mod source;
mod sweep;
mod synth;
mod table;
mod timeline;
mod train;
mod tune;
mod windows;

use crate::terminal;
use clap::{Parser, Subcommand};
use reslstm::error::{Error, Kind};
use std::process::ExitCode;

/// Recognise emotion in speech, with a neural engine written by hand.
#[derive(Debug, Parser)]
#[command(
    name = "reslstm",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "\
Example: synthetic speech, a model, a prediction
  reslstm synth speech
  reslstm train speech -o model.safetensors --recipe paper --epochs 30
  reslstm predict --model model.safetensors speech/Actor_02

Exit codes: 0 done, 1 something failed, 2 wrong option or setting, 75 stopped on request with everything saved"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Synth(synth::Synth),
    Corpus(corpus::CorpusCommand),
    Features(features::Features),
    Cache(cache::CacheCommand),
    Train(train::Train),
    Cv(cv::Cv),
    Sweep(sweep::Sweep),
    Tune(tune::Tune),
    Compare(compare::Compare),
    Robustness(robustness::RobustnessCommand),
    Nested(nested::NestedCommand),
    Recipes(recipes::Recipes),
    Paper(paper::Paper),
    Eval(eval::Eval),
    Predict(predict::Predict),
    Enrol(enrol::Enrol),
    Info(info::Info),
    Export(export::Export),
    Import(import::Import),
    Quantise(quantise::Quantise),
    Audit(audit::Audit),
    Explain(explain::Explain),
    Lab(lab::Lab),
    Figure(figure::Figure),
    Report(report::Report),
    Bench(bench::Bench),
    Completions(completions::Completions),
    Man(man::Man),
}

/// What a subcommand returns: whether everything was done.
type Outcome = anyhow::Result<Done>;

/// How a subcommand ended when nothing stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// All of it.
    Everything,
    /// Some inputs failed and were named; the rest is done.
    SomeFailed,
}

/// Runs the command of this process.
pub fn run() -> ExitCode {
    #[cfg(unix)]
    interrupt::fail_writes_above_the_limit();
    if let Err(error) = limit_instruction_set() {
        return report_error(&error);
    }
    let call = match Cli::try_parse() {
        Ok(call) => call,
        Err(usage) => return print_usage(&usage),
    };
    let outcome = match call.command {
        Command::Demo(command) => command.run(),
        Command::Synth(command) => command.run(),
        Command::Corpus(command) => command.run(),
        Command::Features(command) => command.run(),
        Command::Cache(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Cv(command) => command.run(),
        Command::Sweep(command) => command.run(),
        Command::Tune(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Robustness(command) => command.run(),
        Command::Nested(command) => command.run(),
        Command::Recipes(command) => command.run(),
        Command::Paper(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Enrol(command) => command.run(),
        Command::Info(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Quantise(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Lab(command) => command.run(),
        Command::Figure(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    match outcome {
        Ok(Done::Everything) => ExitCode::SUCCESS,
        Ok(Done::SomeFailed) => ExitCode::FAILURE,
        Err(error) => report_error(&error),
    }
}

/// Limits the kernels to the instruction set that the environment variable `RESLSTM_SIMD` names, to compare instruction sets.
fn limit_instruction_set() -> anyhow::Result<()> {
    match std::env::var_os("RESLSTM_SIMD") {
        Some(name) if !name.is_empty() => {
            let level = name.to_string_lossy().parse().map_err(|error: Error| error.at("RESLSTM_SIMD"))?;
            Ok(reslstm::kernels::limit_level(level)?)
        }
        _ => Ok(()),
    }
}

/// Prints a line of data to stdout.
fn print_line(line: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(terminal::print_line(line)?)
}

/// Prints what clap says of the call: help and version to stdout, an error to stderr.
fn print_usage(usage: &clap::Error) -> ExitCode {
    use std::io::Write;
    let printed = usage.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(error) if !usage.use_stderr() => report_error(&error.into()),
        _ => ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2)),
    }
}

fn report_error(error: &anyhow::Error) -> ExitCode {
    if closed_pipe(error) {
        return ExitCode::SUCCESS; // the reader of our output has seen enough
    }
    // An error of the library tells its cause itself.
    let ours = error.chain().position(|cause| cause.is::<Error>()).unwrap_or(usize::MAX);
    let parts: Vec<String> = error.chain().take(ours.saturating_add(1)).map(ToString::to_string).collect();
    message!("error: {}", parts.join(": "));
    if error.is::<options::WrongCall>() {
        return ExitCode::from(2);
    }
    match error.downcast_ref::<Error>().map(Error::kind) {
        Some(Kind::Interrupted) => ExitCode::from(75),
        _ => ExitCode::FAILURE,
    }
}

fn closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
