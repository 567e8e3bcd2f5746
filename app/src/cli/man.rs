//! `man DIR`

use super::{Cli, Done, Outcome};
use clap::{Args, CommandFactory};
use reslstm::error::Error;
use std::path::PathBuf;

/// Write manual pages: reslstm.1, and one page per subcommand.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm man ~/.local/share/man/man1 && man reslstm-predict")]
pub struct Man {
    /// Folder for the pages; it is created if needed
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Man {
    pub fn run(self) -> Outcome {
        let written =
            std::fs::create_dir_all(&self.dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &self.dir));
        written.map_err(|error| Error::io(self.dir.display(), error))?;
        Ok(Done::Everything)
    }
}
