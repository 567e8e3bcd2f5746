//! The pages: short enough to be read, and true where they name tests and files.

use std::path::{Path, PathBuf};

const MAX_LINE: usize = 120;
const MAX_README_LINES: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with this extension; build results and hidden folders are passed over.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    files(root(), "md", &mut pages);
    assert!(pages.len() > 10, "found only {} pages", pages.len());
    pages.into_iter().map(|page| (page.clone(), std::fs::read_to_string(&page).unwrap())).collect()
}

#[test]
fn lines_of_pages_are_short_and_the_readme_too() {
    for (page, text) in pages() {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('|')) {
            let length = line.chars().count();
            assert!(length <= MAX_LINE, "{}, line {}: {length} characters", page.display(), number + 1);
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= MAX_README_LINES, "README.md: {} lines", readme.lines().count());
}

#[test]
fn links_to_files_lead_to_files() {
    for (page, text) in pages() {
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            }
        }
    }
}

#[test]
fn tests_that_the_list_of_claims_names_exist() {
    let mut sources = Vec::new();
    for folder in ["src", "tests", "examples", "app/src", "app/tests"] {
        files(&root().join(folder), "rs", &mut sources);
    }
    let code: String = sources.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let claims = std::fs::read_to_string(root().join("tests/README.md")).unwrap();
    // A test's name is a proposition: several words.
    let is_test = |name: &&str| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let names: Vec<&str> = claims.split('`').filter(is_test).collect();
    assert!(names.len() > 20, "found only {} names of tests", names.len());
    for name in names {
        assert!(code.contains(&format!("fn {name}(")), "tests/README.md: no test {name}");
    }
}
