//! Progress with time left, on stderr, for a terminal only.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar over `total` steps; shown from half a second on, and not at all where stderr is no terminal.
pub fn bar(total: u64, what: &str) -> ProgressBar {
    let style = "{msg} {bar:30} {pos}/{len} {elapsed} elapsed, {eta} left";
    let bar = ProgressBar::new(total)
        .with_style(ProgressStyle::with_template(style).expect("a valid template"))
        .with_message(what.to_string());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Counts steps that an earlier session did: they took this one no time, so the time left does not go by them.
pub fn found(bar: &ProgressBar, steps: u64) {
    bar.inc(steps);
    bar.reset_eta();
}
