//! Writing to what is no file: terminals, devices and named pipes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// How long to wait for somebody to open a named pipe for reading.
const READER: Duration = Duration::from_secs(5);

/// Writes to the device at `path`.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::NotConnected`] if it is a named pipe that nobody opens for reading within seconds.
pub fn write_to_device(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_within(path, bytes, READER)
}

fn write_within(path: &Path, bytes: &[u8], wait: Duration) -> io::Result<()> {
    // Until the other one is open: a reader that has seen the end of a pipe goes.
    #[cfg(unix)]
    let _open = wait_for_reader(path, wait)?;
    #[cfg(not(unix))]
    let _ = wait;
    File::options().write(true).open(path)?.write_all(bytes)
}

/// Opens a device without waiting: opening a named pipe that nobody reads would wait for ever.
#[cfg(unix)]
fn wait_for_reader(path: &Path, wait: Duration) -> io::Result<File> {
    use nix::libc::{ENXIO, O_NONBLOCK};
    use std::os::unix::fs::OpenOptionsExt;
    let start = std::time::Instant::now();
    loop {
        match File::options().write(true).custom_flags(O_NONBLOCK).open(path) {
            Err(error) if error.raw_os_error() != Some(ENXIO) => return Err(error),
            Err(_) if start.elapsed() < wait => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => {
                let problem = "expected somebody who reads this named pipe, found nobody";
                return Err(io::Error::new(io::ErrorKind::NotConnected, problem));
            }
            Ok(file) => return Ok(file),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_named_pipe_is_written_to_if_somebody_reads_it_soon() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = write_within(&pipe, b"x", Duration::from_millis(50)).unwrap_err().to_string();
        assert_eq!(error, "expected somebody who reads this named pipe, found nobody");
        // More than a pipe holds.
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                std::thread::sleep(Duration::from_millis(100));
                std::fs::read(pipe).unwrap()
            }
        });
        write_to_device(&pipe, &bytes).unwrap();
        assert!(reader.join().unwrap() == bytes);
        write_to_device(Path::new("/dev/null"), b"x").unwrap();
    }
}
