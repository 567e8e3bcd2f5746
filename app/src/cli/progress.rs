//! Progress with time left, on stderr, for a terminal only.

use crate::experiment::cross_validate::Event;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar over `total` steps, each one `unit`; shown from half a second on, and not at all where stderr is no terminal.
pub fn bar(total: u64, what: &str, unit: &str) -> ProgressBar {
    styled(total, what, &format!("{{msg}} {{bar:30}} {{pos}}/{{len}} {unit}, {{elapsed}} elapsed, {{eta}} left"))
}

/// [`bar`], where the steps are of different lengths and their number says nothing.
pub fn share_bar(total: u64, what: &str) -> ProgressBar {
    styled(total, what, "{msg} {bar:30} {percent} % {elapsed} elapsed, {eta} left")
}

fn styled(total: u64, what: &str, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(total)
        .with_style(ProgressStyle::with_template(style).expect("a valid template"))
        .with_message(what.to_string());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Moves a bar by what happened in a cross-validation, an epoch being `steps` of the bar.
pub fn epochs(bar: &ProgressBar, steps: u64, event: &Event<'_>) {
    match event {
        Event::Epoch => bar.inc(steps),
        Event::Found(epochs) => found(bar, *epochs as u64 * steps),
        Event::Run(_) => {}
    }
}

/// Runs the tasks of an audit on all cores, and moves a bar by each.
pub fn tasks(bar: &ProgressBar, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    bar.set_length(tasks as u64);
    reslstm::audit::in_parallel(tasks, &|n| {
        task(n);
        bar.inc(1);
    });
}

/// Counts steps that an earlier session did: they took this one no time, so the time left does not go by them.
pub fn found(bar: &ProgressBar, steps: u64) {
    bar.inc(steps);
    bar.reset_eta();
}
