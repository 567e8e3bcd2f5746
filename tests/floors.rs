//! The architecture: imports run downwards only, never sideways between folders of one floor. Reads the `use crate::` lines and
//! every other `crate::` path; tests inside a file are exempt, as they use the audit.

use std::path::{Path, PathBuf};

/// From the ground up. A file or folder may import what stands on a lower floor, and itself.
const FLOORS: [&[&str]; 7] = [
    &[
        "error",
        "scalar",
        "elementary",
        "rng",
        "params",
        "matrix",
        "packed",
        "labels",
        "normalise",
        "calendar",
        "hash",
        "kernels",
    ],
    &["layers", "optim", "audio"],
    &["models", "data"],
    &["files"],
    &["train", "tune", "sweep", "audit", "corpus"],
    &["report"],
    &["cli", "main"],
];

/// Rooms of the ground floor are one room: number types, kernels and matrices know each other.
const SHARED_FLOOR: usize = 0;

fn floor_of(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("'{room}' stands on no floor: add it to the list in this test"))
}

fn source_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Rooms named in `crate::room` or, in the command, `reslstm::room`, groups `crate::{a, b::c}` included.
fn imports(code: &str) -> Vec<String> {
    let mut rooms: Vec<String> = Vec::new();
    for prefix in ["crate::", "reslstm::"] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match rest.strip_prefix('{') {
                None => rooms.push(name(rest)),
                Some(group) => {
                    let (mut depth, mut start) = (0, 0);
                    for (i, c) in group.char_indices() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth > 0 => depth -= 1,
                            ',' | '}' if depth == 0 => {
                                rooms.push(name(&group[start..i]));
                                start = i + 1;
                                if c == '}' {
                                    break;
                                }
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

/// The code of a file: without comments, and without what follows `#[cfg(test)]` at its end.
fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_run_downwards_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    assert!(files.len() > 30, "found only {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.strip_suffix(".rs").unwrap_or(first);
        if room == "lib" || file.ends_with("tests.rs") {
            continue;
        }
        let floor = floor_of(room);
        for target in imports(&code_of(&file)) {
            // In the command `reslstm::x` is a room of the library; `crate::cli` is its own.
            let below = floor_of(&target) < floor || target == room;
            if !(below || floor == SHARED_FLOOR && floor_of(&target) == SHARED_FLOOR) {
                wrong.push(format!(
                    "{} (floor {floor}) uses {target} (floor {})",
                    relative.display(),
                    floor_of(&target)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "imports run upwards or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups() {
    let code = "use crate::error::{Error, Kind};\nuse crate::{matrix::Matrix, rng, packed::{Packed, Padding}};\n$crate::params::X";
    assert_eq!(imports(code), ["error", "matrix", "rng", "packed"]);
}

#[test]
fn unsafe_lives_in_the_kernels_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    for file in files.iter().filter(|file| !file.starts_with(src.join("kernels"))) {
        assert!(!code_of(file).contains("unsafe "), "{}", file.display());
    }
}
