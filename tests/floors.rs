//! The architecture of both packages: imports run downwards only, never sideways between folders of one floor. Reads every path
//! that begins with `crate::` or the name of the engine; tests inside a file are exempt, as they use what checks them.

use std::path::{Path, PathBuf};

/// The floors of a package, from the ground up: a file or folder may import from lower floors, and from itself.
type Floors = &'static [&'static [&'static str]];

const ENGINE: Floors = &[
    &[
        "prelude",
        "error",
        "scalar",
        "elementary",
        "rng",
        "params",
        "matrix",
        "packed",
        "labels",
        "normalise",
        "kernels",
    ],
    &["layers", "optim", "audio"],
    &["models", "data"],
    &["train", "audit"],
];

const APPLICATION: Floors = &[
    &["files", "hash", "calendar", "terminal", "csv_field", "synth"],
    &["label_map"],
    &["corpus", "tune", "sweep", "onnx"],
    &["experiment"],
    &["report"],
    &["cli", "main"],
];

/// What only the ground floor of the application may do, and what does it there.
const CENTRAL: &[(&str, &str)] = &[
    ("eprintln!(", "message! of terminal.rs"),
    ("println!(", "print_line of terminal.rs"),
    ("File::open(", "files::open"),
    ("File::create(", "files::write_atomically"),
    ("fs::read(", "files::read or files::read_bytes"),
    ("fs::read_to_string(", "files::read_text"),
];

/// The engine's foundations know each other: number types, kernels and matrices are one floor without walls.
const SHARED: &[&str] = ENGINE[0];

fn floor_of(floors: Floors, folder: &str) -> usize {
    let floor = floors.iter().position(|folders| folders.contains(&folder));
    floor.unwrap_or_else(|| panic!("'{folder}' has no floor: add it to the list in this test"))
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

/// Names that follow `prefix` in paths, those of groups `crate::{a, b::c}` included.
fn imports(code: &str, prefix: &str) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        match rest.strip_prefix('{') {
            None => folders.push(name(rest)),
            Some(group) => {
                let (mut depth, mut start) = (0, 0);
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth > 0 => depth -= 1,
                        ',' | '}' if depth == 0 => {
                            folders.push(name(&group[start..i]));
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
    folders.retain(|folder| !folder.is_empty());
    folders
}

/// The code of a file: without comments, and without what follows `#[cfg(test)]` at its end.
fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Files of a package with the folder (or file) of `src` that each belongs to.
fn package(dir: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    assert!(files.len() > 30, "found only {} files in {}", files.len(), src.display());
    let folder = |file: &PathBuf| {
        let first = file.strip_prefix(&src).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
        first.strip_suffix(".rs").unwrap_or(first).to_string()
    };
    files.into_iter().map(|file| (file.clone(), folder(&file))).filter(|(_, folder)| folder != "lib").collect()
}

/// Imports of a package that do not run downwards.
fn wrong_imports(dir: &str, floors: Floors) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, folder) in package(dir) {
        if file.ends_with("tests.rs") {
            continue;
        }
        let floor = floor_of(floors, &folder);
        for target in imports(&code_of(&file), "crate::") {
            let foundations = floor == 0 && SHARED.contains(&target.as_str());
            // A name that is no folder is an item of `lib.rs`, such as a macro.
            let known = floors.iter().any(|folders| folders.contains(&target.as_str()));
            if known && target != folder && !foundations && floor_of(floors, &target) >= floor {
                wrong.push(format!("{} (floor {floor}) uses {target}", file.display()));
            }
        }
    }
    wrong
}

#[test]
fn imports_run_downwards_only() {
    let wrong = [wrong_imports(".", ENGINE), wrong_imports("app", APPLICATION)].concat();
    assert!(wrong.is_empty(), "imports run upwards or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn the_engine_knows_nothing_of_files_clocks_threads_terminals_and_the_environment() {
    let outside =
        ["std::fs", "std::env", "std::time", "std::thread", "std::process", "std::io::std", "println!", "reslstm_cli"];
    for (file, _) in package(".") {
        let code = code_of(&file);
        let found = outside.iter().find(|name| code.contains(**name));
        assert_eq!(found, None, "{}", file.display());
    }
}

#[test]
fn the_reader_of_imports_sees_groups() {
    let code = "use crate::error::{Error, Kind};\nuse crate::{matrix::Matrix, rng, packed::{Packed, Padding}};\n$crate::params::X";
    assert_eq!(imports(code, "crate::"), ["error", "matrix", "rng", "packed"]);
}

#[test]
fn unsafe_lives_in_the_kernels_alone() {
    for (file, folder) in [package("."), package("app")].concat() {
        assert!(folder == "kernels" || !code_of(&file).contains("unsafe "), "{}", file.display());
    }
}

#[test]
fn files_are_opened_and_text_is_printed_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("app/src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let ground = |path: &Path| {
        ["files", "terminal.rs"].iter().any(|name| path.starts_with(name)) || path == Path::new("files.rs")
    };
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        if ground(path) || path.ends_with("tests.rs") {
            continue;
        }
        let code = code_of(&file);
        for (call, instead) in CENTRAL {
            // SoundFile::open is another function than File::open.
            let is_call = |(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            let found = code.match_indices(call).any(is_call);
            assert!(!found, "{}: expected {instead}, found {call}…)", path.display());
        }
    }
}
