//! `cache`

use super::options::CacheOption;
use super::{Done, Outcome, print_line};
use crate::corpus::{Cache, MOST_CACHED_BYTES};
use clap::Args;
use reslstm::error::{Error, Kind};
use serde_json::json;

/// Show the feature cache, or clear it.
///
/// Commands that read recordings keep their features there. When all entries together exceed the limit, the oldest are removed.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm cache --clear")]
pub struct CacheCommand {
    /// Remove all entries
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    cache: CacheOption,
    /// Print folder, entries, bytes and limit as JSON
    #[arg(long)]
    json: bool,
}

impl CacheCommand {
    pub fn run(self) -> Outcome {
        let Some(folder) = self.cache.cache.or_else(Cache::default_folder) else {
            let error = Error::new(Kind::Settings, "expected a cache folder, but the environment names none");
            return Err(error.advice("name it with --cache").into());
        };
        let cache = Cache::of_folder(&folder)?;
        let (what, shown) = match self.clear {
            true => ("removed", cache.shrink(0)),
            false => ("entries", cache.content()),
        };
        if self.json {
            let (entries, bytes) = (shown.entries, shown.bytes);
            print_line(json!({ "folder": folder, "cleared": self.clear, "entries": entries, "bytes": bytes,
                               "limit": MOST_CACHED_BYTES }))?;
        } else {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            let (size, limit) = (megabytes(shown.bytes), megabytes(MOST_CACHED_BYTES));
            print_line(format_args!(
                "{}: {what} {}, {size:.1} MB of at most {limit:.0} MB",
                folder.display(),
                shown.entries
            ))?;
        }
        Ok(Done::Everything)
    }
}
