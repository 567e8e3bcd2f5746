//! One folder per test, next to a synthetic corpus that all tests share, and the command run in it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Settings of a model that trains in moments.
pub const SMALL: &str = "--recipe paper --arch reslstm-sa-h4 --epochs 3";

/// Clips in `../speech`, seen from a test directory: six speakers, fifteen clips each.
pub const SPEECH_CLIPS: usize = 90;

/// The working directory of a test. Paths in command lines are relative to it.
pub struct TestDir {
    folder: PathBuf,
}

impl TestDir {
    /// An empty folder of this name.
    pub fn new(name: &str) -> Self {
        let folder = test_dirs().join(name);
        std::fs::create_dir(&folder).unwrap();
        TestDir { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file, and creates its parent folders.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Names of everything in a folder, sorted.
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = self.path(name).read_dir().unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The command with the words of `line`, ready to run.
    pub fn command(&self, line: &str) -> Command {
        let mut command = bare_command(&self.folder);
        command.args(line.split_whitespace());
        command
    }

    /// Starts the command without waiting for it.
    pub fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn run(&self, line: &str) -> Ran {
        Ran::new(line, self.command(line).output().unwrap())
    }

    /// Starts `line` (given the number of kills so far) and kills it, repeatedly, after a time that grows by the factor
    /// `longer`, until it ends by itself. The first kills come before anything is written, later ones in the middle of the
    /// work. Returns the number of kills.
    pub fn kill_until_it_ends(&self, longer: f64, line: impl Fn(usize) -> String) -> usize {
        let mut wait = Duration::from_millis(5);
        for kills in 0.. {
            let mut child = self.start(&line(kills));
            std::thread::sleep(wait);
            let ended = child.try_wait().unwrap().is_some();
            if !ended {
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            if ended {
                let ran = Ran::new(&line(kills), output);
                assert_eq!(ran.code, 0, "{}", ran.stderr);
                return kills;
            }
            wait = wait.mul_f64(longer);
        }
        unreachable!("the time to run grows until the command ends")
    }

    /// Runs a command that must succeed; returns its stdout.
    pub fn does(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        ran.stdout
    }

    /// Runs a command that must succeed and print one JSON value.
    pub fn does_json(&self, line: &str) -> Value {
        let stdout = self.does(line);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{line}: {error}\n{stdout}"))
    }

    /// Runs a command with `bytes` on stdin.
    pub fn run_with_stdin(&self, line: &str, bytes: impl Into<Vec<u8>>) -> Ran {
        let mut command = assert_cmd::Command::from_std(self.command(line));
        Ran::new(line, command.write_stdin(bytes).output().unwrap())
    }

    /// Runs a command that must fail with exit code 1 and an empty stdout; returns its stderr.
    pub fn refuses(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{line}\n{}", ran.stderr);
        assert!(ran.stderr.lines().any(|line| line.starts_with("error: ")), "{line}\n{}", ran.stderr);
        ran.stderr
    }

    /// [`refuses`](Self::refuses), with every one of `parts` in the message.
    pub fn refuses_saying(&self, line: &str, parts: &[&str]) {
        assert_contains(line, &self.refuses(line), parts);
    }

    /// Runs a line whose options or settings are wrong: exit code 2, nothing on stdout, every one of `parts` in the message.
    pub fn is_wrong_call(&self, line: &str, parts: &[&str]) {
        let ran = self.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}\n{}", ran.stderr);
        assert!(ran.stderr.lines().any(|line| line.starts_with("error: ")), "{line}\n{}", ran.stderr);
        assert_contains(line, &ran.stderr, parts);
    }
}

fn assert_contains(line: &str, message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{line}\nexpected `{part}` in: {message}");
    }
}

/// Output of a process that ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Checks what holds for every command line: no panic, and no control characters without a terminal.
    pub fn new(line: &str, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{line}: {}", output.status));
        let ran = Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!ran.stderr.contains("panicked"), "{line}\n{}", ran.stderr);
        assert!(!(ran.stderr.clone() + &ran.stdout).contains(['\r', '\x1b']), "{line}\n{ran:?}");
        ran
    }
}

fn bare_command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reslstm"));
    // A cache of its own: the user's cache is not touched, and does not replace computations.
    command.current_dir(folder).env("XDG_CACHE_HOME", test_dirs_path().join("cache")).env_remove("HOME");
    command
}

fn test_dirs_path() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli")
}

/// The folder of all test directories with the shared corpus. Files of earlier runs are removed.
fn test_dirs() -> &'static Path {
    static TEST_DIRS: OnceLock<PathBuf> = OnceLock::new();
    TEST_DIRS.get_or_init(|| {
        let root = test_dirs_path();
        if root.exists() {
            std::fs::remove_dir_all(&root).unwrap();
        }
        std::fs::create_dir_all(&root).unwrap();
        let line = "synth speech --speakers 6 --statements 1 --repetitions 1";
        let made = bare_command(&root).args(line.split(' ')).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        root
    })
}

/// Path, from any test directory, of a small model of fold 0 of the shared corpus; trained once.
pub fn model() -> &'static str {
    static MODEL: OnceLock<()> = OnceLock::new();
    MODEL.get_or_init(|| {
        let dir = TestDir::new("model");
        dir.does(&format!("train ../speech -o model.safetensors {SMALL}"));
    });
    "../model/model.safetensors"
}

/// A Python that can import these modules; says so if there is none.
///
/// # Panics
/// If `RESLSTM_PYTHON` names one that cannot.
pub fn python_with(modules: &str) -> Option<String> {
    let imports = |python: &str| {
        let import = format!("import {modules}");
        Command::new(python).args(["-c", &import]).output().is_ok_and(|ran| ran.status.success())
    };
    if let Ok(python) = std::env::var("RESLSTM_PYTHON") {
        assert!(imports(&python), "RESLSTM_PYTHON={python} cannot import {modules}");
        return Some(python);
    }
    let found = imports("python3").then(|| "python3".into());
    if found.is_none() {
        println!("skipped: no python3 with {modules}; RESLSTM_PYTHON may name one");
    }
    found
}

/// A clip of the shared corpus.
pub const CLIP: &str = "../speech/Actor_02/03-01-05-01-01-01-02.wav";

/// A WAV file from its format tag (1 integers, 3 floats), channels, sample rate in Hz, bits per sample, and the samples' bytes.
pub fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// 16-bit samples of a rising tone at `rate` Hz, as bytes.
pub fn tone(rate: u32, seconds: f64) -> Vec<u8> {
    let sample = |n: u32| {
        let time = f64::from(n) / f64::from(rate);
        (9000.0 * (std::f64::consts::TAU * (180.0 + 60.0 * time) * time).sin()) as i16
    };
    (0..(seconds * f64::from(rate)) as u32).flat_map(|n| sample(n).to_le_bytes()).collect()
}
