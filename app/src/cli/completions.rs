//! `completions SHELL`

use super::{Cli, Done, Outcome, print_line};
use clap::{Args, CommandFactory};

/// Print shell completions.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm completions bash > ~/.local/share/bash-completion/completions/reslstm")]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "reslstm", &mut script);
        print_line(String::from_utf8(script)?.trim_end())?;
        Ok(Done::Everything)
    }
}
