//! Ctrl-C: the first one saves and ends, the second ends at once.

use reslstm::error::{Error, Kind};
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag that Ctrl-C (or a termination signal) sets from now on. Long work looks at it, saves and returns.
pub fn stop_flag() -> &'static AtomicBool {
    stop_flag_saying("\nsaving what is done; press again to end at once")
}

/// [`stop_flag`] with another message.
pub fn stop_flag_saying(message: &'static str) -> &'static AtomicBool {
    let handler = move || {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        // On a thread of its own: where stderr is full and nobody reads it, the second signal must still end the process.
        std::thread::spawn(move || message!("{message}"));
    };
    // Fails only when a handler is set already, as a second training in one process finds it.
    let _ = ctrlc::set_handler(handler);
    &STOP
}

/// Adds to an interruption that `--resume` continues.
pub fn resumable(error: Error) -> Error {
    resumable_by("the same command with --resume continues")(error)
}

/// Adds to an interruption how to continue.
pub fn resumable_by(how: &str) -> impl Fn(Error) -> Error {
    move |error| match error.kind() {
        Kind::Interrupted => error.advice(how),
        _ => error,
    }
}

/// A write above the limit on the size of files (`ulimit -f`) fails from now on, as on a full disk. It would end the process.
/// To be called before threads are started: they inherit it.
#[cfg(unix)]
pub fn fail_writes_above_the_limit() {
    use nix::sys::signal::{SigSet, Signal};
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    let _ = signals.thread_block();
}

/// Whether Ctrl-C was pressed.
pub fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}
