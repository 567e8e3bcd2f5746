//! `completions SHELL`

use super::{Cli, Done, Outcome};
use clap::{Args, CommandFactory};

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm completions bash > ~/.local/share/bash-completion/completions/reslstm")]
pub struct Completions {
    /// The shell to print them for.
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(self) -> Outcome {
        clap_complete::generate(self.shell, &mut Cli::command(), "reslstm", &mut std::io::stdout());
        Ok(Done::Everything)
    }
}
