//! Memory of `predict` on long recordings, of files and live.

#![cfg(target_os = "linux")]

use crate::test_dir::{Ran, TestDir};
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

/// 100 MB, the most that `predict` may take for an hour, in kB.
const MOST: u64 = 100_000;

/// A field of `/proc/PID/status`, in kB; none when the process has ended.
fn memory(child: &Child, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Runs a command that must succeed; its output, and the most memory that it took, in kB.
fn peak(dir: &TestDir, line: &str) -> (String, u64) {
    let child = dir.start(line);
    let mut most = 0;
    while let Some(peak) = memory(&child, "VmHWM:") {
        most = most.max(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    let ran = Ran::new(line, child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
    assert!(most > 1_000, "{line}: {most} kB");
    (ran.stdout, most)
}

/// One second of 16-bit samples: a voice whose pitch is another in every second.
fn second(rate: u32, channels: usize, number: u32) -> Vec<u8> {
    let hz = f64::from(100 + number * 37 % 150);
    let sample = |i: u32| {
        let phase = std::f64::consts::TAU * hz * f64::from(i) / f64::from(rate);
        let sum: f64 = (1..8).map(f64::from).map(|h| (h * phase).sin() / h).sum();
        (3000.0 * sum) as i16
    };
    (0..rate).flat_map(|i| sample(i).to_le_bytes().repeat(channels)).collect()
}

/// The 44 bytes before so many bytes of samples.
fn header(rate: u32, channels: u16, length: u32) -> Vec<u8> {
    let mut bytes = [b"RIFF", &(length + 36).to_le_bytes()[..], b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    for number in [1, channels] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [rate, rate * 2 * u32::from(channels)] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [2 * channels, 16] {
        bytes.extend(number.to_le_bytes());
    }
    [&bytes[..], b"data", &length.to_le_bytes()].concat()
}

/// Writes a WAV file of so many minutes.
fn write_long(dir: &TestDir, name: &str, rate: u32, channels: u16, minutes: u32) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(dir.path(name)).unwrap());
    file.write_all(&header(rate, channels, minutes * 60 * rate * 2 * u32::from(channels))).unwrap();
    for number in 0..minutes * 60 {
        file.write_all(&second(rate, channels.into(), number)).unwrap();
    }
}

#[test]
fn memory_does_not_grow_with_the_recording() {
    let dir = TestDir::new("long");
    write_long(&dir, "long.wav", 48_000, 1, 12);
    write_long(&dir, "other-rate.wav", 44_100, 2, 12);
    for (line, rows) in [
        ("predict --csv long.wav", 1),
        ("predict --csv --window 20 long.wav", 36),
        ("predict --csv other-rate.wav", 1),
        ("predict --csv --window 20 other-rate.wav", 36),
    ] {
        let (stdout, peak) = peak(&dir, line);
        eprintln!("{line}: {peak} kB");
        assert_eq!(stdout.lines().count(), 1 + rows, "{line}: {stdout}");
        assert!(peak < MOST / 2, "{line}: {peak} kB");
    }
}

#[test]
fn live_memory_is_the_same_after_ten_minutes() {
    let dir = TestDir::new("long-live");
    let line = "predict --live --step 10 --csv --rate 16000";
    let mut child =
        dir.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut after = Vec::new();
    for number in 0..600 {
        // The pipe holds two seconds: all before is read.
        stdin.write_all(&second(16_000, 1, number)).unwrap();
        if number == 12 || number == 599 {
            after.push(memory(&child, "VmRSS:").unwrap());
        }
    }
    drop(stdin);
    let ran = Ran::new(line, child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1 + 60 + 1), "{ran:?}");
    let [early, late] = after[..] else { panic!("two of them") };
    eprintln!("{early} kB after 10 s, {late} kB after 10 minutes");
    assert!(late <= early + 1_000, "{early} kB after 10 s, {late} kB after 10 minutes");
}
