//! Pages opened in Chromium, without a screen.

use crate::test_dir::TestDir;
use serde_json::Value;
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longer than any page takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A Chromium: `RESLSTM_CHROMIUM`, which must be one, or the system's.
fn chromium() -> Option<&'static str> {
    static CHROMIUM: OnceLock<Option<String>> = OnceLock::new();
    let found = CHROMIUM.get_or_init(|| {
        let answers = |program: &str| {
            Command::new(program).arg("--version").output().is_ok_and(|ran| ran.stdout.starts_with(b"Chromium"))
        };
        match std::env::var("RESLSTM_CHROMIUM") {
            Ok(program) => {
                assert!(answers(&program), "RESLSTM_CHROMIUM={program} is no Chromium");
                Some(program)
            }
            Err(_) => answers("chromium").then(|| "chromium".into()),
        }
    });
    if found.is_none() {
        println!("skipped: no chromium; RESLSTM_CHROMIUM may name one");
    }
    found.as_deref()
}

/// Opens a page with `hash` after its address and returns the result of the JavaScript function body `question`. The page must not
/// report an error. Without Chromium it returns `None` and prints a note.
pub fn ask(dir: &TestDir, page: &str, hash: &str, question: &str) -> Option<Value> {
    ask_in_window(dir, page, hash, [1280, 800], question)
}

/// [`ask`], in a window of this width and height.
pub fn ask_in_window(dir: &TestDir, page: &str, hash: &str, window: [u32; 2], question: &str) -> Option<Value> {
    let chromium = chromium()?;
    // The page as it is, and a script behind its own that leaves the answer in the document.
    let html = String::from_utf8(dir.read(page)).unwrap();
    let probe = format!(
        "<script>addEventListener('load', () => {{ const answer = document.createElement('pre'); answer.id = 'answer';
         answer.textContent = JSON.stringify((() => {{ {question} }})()); document.body.append(answer); }});</script></body>"
    );
    dir.write(&format!("asked-{page}"), html.replace("</body>", &probe));

    let profile = tempfile::tempdir().unwrap();
    let [dom, log] = ["dom.html", "chromium.log"].map(|name| File::create(dir.path(name)).unwrap());
    let mut browser = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--dump-dom"])
        .arg(format!("--window-size={},{}", window[0], window[1]))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{hash}", dir.path(&format!("asked-{page}")).canonicalize().unwrap().display()))
        .stdin(Stdio::null())
        .stdout(dom)
        .stderr(log)
        .spawn()
        .unwrap();
    let start = Instant::now();
    while browser.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            browser.kill().unwrap();
            panic!("{page}: chromium did not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (dom, log) = (dir.read("dom.html"), String::from_utf8_lossy(&dir.read("chromium.log")).into_owned());
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{page}: {complaints:#?}");
    let dom = String::from_utf8(dom).unwrap();
    let answer = dom.rsplit_once("<pre id=\"answer\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (answer, _) = answer.unwrap_or_else(|| panic!("{page}: no answer\n{log}"));
    let answer = answer.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&");
    Some(serde_json::from_str(&answer).unwrap())
}

/// Checks that a page refers to no other file.
pub fn assert_closed(dir: &TestDir, page: &str) {
    let html = String::from_utf8(dir.read(page)).unwrap();
    let (before, data) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let (data, after) = data.split_once("</script>").unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("default-src 'none'"), "{page}");
    for address in ["http://", "https://", "//cdn"] {
        assert!(!html.contains(address), "{page} names {address}");
    }
    for load in [" src=", " href=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!before.contains(load) && !after.contains(load), "{page} loads: {load}");
    }
    assert!(serde_json::from_str::<Value>(data).is_ok());
}
