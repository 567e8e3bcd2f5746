//! Kills, stops, full disks and second processes at random moments, in every command that does long work: in the end the files
//! are those of undisturbed work, to the byte.
//!
//! `KILL_STORM_ROUNDS` is the number of rounds, by default ten; `KILL_STORM_SEED` makes others of them.

#![cfg(target_os = "linux")]

use reslstm::rng::RandomStream;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A command that does long work in a folder.
struct Work {
    name: &'static str,
    /// Prepares the folder.
    before: Option<&'static str>,
    /// The command line: it begins the work and goes on with it. `OUT` stands for the folder.
    line: &'static str,
    /// Whether the result is the same for any number of processes. Trials of a search depend on those that are finished.
    takes_two: bool,
}

const WORKS: [Work; 7] = [
    Work {
        name: "train",
        before: None,
        line: "train ../speech -o OUT/m.safetensors --recipe paper --arch lstm-sa-h8 --epochs 700 --resume",
        takes_two: true,
    },
    Work {
        name: "cv",
        before: None,
        line: "cv ../speech -o OUT --recipe paper --arch lstm-sa-h8 --folds k=3 --epochs 150 --resume",
        takes_two: true,
    },
    Work {
        name: "tune",
        before: None,
        line: "tune ../speech --study OUT/s.journal --recipe paper --arch lstm-sa-h4 --folds k=3 --epochs 40 --trials 6 \
               --space code --threads 1",
        takes_two: false,
    },
    Work {
        name: "sweep",
        before: Some("sweep plan ../grid.toml ../speech -o OUT"),
        line: "sweep run OUT --threads 1",
        takes_two: true,
    },
    Work {
        name: "nested",
        before: None,
        line: "nested ../speech -o OUT --candidates ../candidates.toml --folds 0,1 --inner 2 --recipe paper --resume",
        takes_two: true,
    },
    Work {
        name: "paper",
        before: None,
        line: "paper ../speech -o OUT --arch lstm-sa-h4 --runs 1 --epochs 80 --folds k=3 --resume",
        takes_two: true,
    },
    Work {
        name: "cache",
        before: None,
        line: "train ../speech -o OUT/m.safetensors --recipe paper --arch lstm-sa-h2 --epochs 2 --cache OUT/cache --resume",
        takes_two: true,
    },
];

const GRID: &str = "arch = ['lstm-sa-h4', 'reslstm-sa-h4']\nfolds = 'k=3'\nepochs = 60\n";
const CANDIDATES: &str =
    "[all]\narch = 'lstm-sa-h4'\nepochs = 30\n[candidates]\nquick = { lr = 0.02 }\nslow = { lr = 1e-3 }\n";

/// What never takes this long.
const FOR_EVER: Duration = Duration::from_secs(120);

#[test]
fn work_that_is_killed_stopped_and_out_of_space_ends_with_the_bytes_of_undisturbed_work() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (rounds, seed) = (number("KILL_STORM_ROUNDS", 10), number("KILL_STORM_SEED", 1));
    let storm = Storm::new();
    let mut kinds = BTreeMap::new();
    for round in 0..rounds {
        let work = &WORKS[round as usize % WORKS.len()];
        storm.round(work, &mut RandomStream::new(seed, "kill storm", round), &mut kinds);
    }
    println!("{rounds} rounds: {kinds:?}");
}

/// The folder of all rounds, and what undisturbed work leaves.
struct Storm {
    root: PathBuf,
    references: std::cell::RefCell<BTreeMap<&'static str, Reference>>,
}

#[derive(Clone)]
struct Reference {
    files: BTreeMap<PathBuf, Vec<u8>>,
    time: Duration,
}

impl Storm {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kill-storm");
        if root.exists() {
            std::fs::remove_dir_all(&root).unwrap();
        }
        std::fs::create_dir_all(root.join("rounds")).unwrap();
        let storm = Storm { root, references: Default::default() };
        std::fs::write(storm.root.join("grid.toml"), GRID).unwrap();
        std::fs::write(storm.root.join("candidates.toml"), CANDIDATES).unwrap();
        storm.ends("synth ../speech --speakers 5 --statements 1 --repetitions 1");
        storm
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_reslstm"));
        command.args(line.split_whitespace());
        command
    }

    /// [`command`](Self::command), whose files may have at most so many times 512 bytes.
    fn limited(&self, line: &str, blocks: usize) -> Command {
        let mut shell = self.program("sh");
        shell.args(["-c", &format!("ulimit -f {blocks} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_reslstm")]);
        shell.args(line.split_whitespace());
        shell
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(self.root.join("rounds"));
        command.env("XDG_CACHE_HOME", self.root.join("cache")).env_remove("HOME");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command that must succeed.
    fn ends(&self, line: &str) {
        let output = wait(line, self.command(line).spawn().unwrap());
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Files and time of undisturbed work.
    fn reference(&self, work: &Work) -> Reference {
        if let Some(known) = self.references.borrow().get(work.name) {
            return known.clone();
        }
        let out = self.root.join("rounds/out");
        self.begin(work);
        let start = Instant::now();
        self.ends(&work.line.replace("OUT", "out"));
        let reference = Reference { files: files(&out), time: start.elapsed() };
        assert!(!reference.files.is_empty());
        std::fs::remove_dir_all(out).unwrap();
        self.references.borrow_mut().insert(work.name, reference.clone());
        reference
    }

    fn begin(&self, work: &Work) {
        std::fs::create_dir_all(self.root.join("rounds/out")).unwrap();
        if let Some(before) = work.before {
            self.ends(&before.replace("OUT", "out"));
        }
    }

    /// Disturbs the work two to four times, then lets it end.
    fn round(&self, work: &Work, random: &mut RandomStream, kinds: &mut BTreeMap<&'static str, usize>) {
        let reference = self.reference(work);
        let line = work.line.replace("OUT", "out");
        let out = self.root.join("rounds/out");
        let small_disk = Mount::try_new(&out, 16 + random.below(240));
        self.begin(work);
        let mut done = Vec::new();
        for _ in 0..2 + random.below(3) {
            let moment = reference.time.mul_f64(1.1 * random.uniform());
            let kind = match random.below(if work.takes_two { 4 } else { 3 }) {
                0 => {
                    self.signal("KILL", moment, &line);
                    "SIGKILL"
                }
                1 => {
                    self.signal("TERM", moment, &line);
                    "SIGTERM"
                }
                2 => {
                    wait(&line, self.limited(&line, random.below(24)).spawn().unwrap());
                    "limit on files"
                }
                _ => {
                    let mut pair = [self.command(&line).spawn().unwrap(), self.command(&line).spawn().unwrap()];
                    std::thread::sleep(moment);
                    pair.iter_mut().take(1 + random.below(2)).for_each(|child| _ = child.kill());
                    pair.into_iter().for_each(|child| _ = wait(&line, child));
                    "two at once"
                }
            };
            done.push(kind);
            *kinds.entry(kind).or_default() += 1;
        }
        if let Some(disk) = &small_disk {
            // Until now it may have been full.
            disk.enlarge();
            *kinds.entry("small disk").or_default() += 1;
        }
        self.ends(&line);
        let found = files(&out);
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        let what = format!("{} after {done:?}", work.name);
        assert_eq!(names(&found), names(&reference.files), "{what}");
        for (name, bytes) in &found {
            assert!(*bytes == reference.files[name], "{what}: {} differs", name.display());
        }
        drop(small_disk);
        std::fs::remove_dir_all(out).unwrap();
    }

    /// Sends a signal to the command at a moment of its work.
    fn signal(&self, name: &str, moment: Duration, line: &str) {
        let child = self.command(line).spawn().unwrap();
        std::thread::sleep(moment);
        // The process may have ended.
        let _ =
            Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).stderr(Stdio::null()).status();
        wait(line, child);
    }
}

/// The end of a process, which may be any but a panic.
fn wait(line: &str, mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > FOR_EVER {
            child.kill().unwrap();
            panic!("{line}: does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{line}\n{stderr}");
    let known = matches!(output.status.code(), None | Some(0 | 1 | 75));
    assert!(known, "{line}: {}\n{stderr}", output.status);
    output
}

/// Files of a folder without what may differ: times, the machine, the process that wrote a line.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for path in next.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with('.') {
                let bytes = std::fs::read(&path).unwrap();
                let bytes = match path.extension().and_then(|extension| extension.to_str()) {
                    Some("json") => without_times(&bytes),
                    Some("journal") => bytes.split(|&byte| byte == b'\n').flat_map(without_times).collect(),
                    _ => bytes,
                };
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), bytes);
            }
        }
    }
    found
}

fn without_times(json: &[u8]) -> Vec<u8> {
    fn remove(value: &mut Value) {
        match value {
            Value::Object(map) => {
                let times = ["seconds", "made", "worker_id", "datetime_start", "datetime_complete", "training_seconds"];
                times.iter().for_each(|name| _ = map.remove(*name));
                map.values_mut().for_each(remove);
            }
            Value::Array(values) => values.iter_mut().for_each(remove),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else { return json.to_vec() };
    remove(&mut value);
    value.to_string().into_bytes()
}

/// A small disk at a folder, where this process may mount one.
struct Mount(PathBuf);

impl Mount {
    fn try_new(folder: &Path, kilobytes: usize) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={kilobytes}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Mount(folder.into()))
    }

    fn enlarge(&self) {
        let status = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
