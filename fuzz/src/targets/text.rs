//! Tables, journals, plans, results, settings; and features.

use super::{folder, in_file, seed};
use reslstm::train::Identity;
use reslstm_cli::corpus::manifest::{Manifest, ManifestRow, Required};
use reslstm_cli::corpus::npy as features;
use reslstm_cli::experiment::Results;
use reslstm_cli::experiment::results::FoldRecord;
use reslstm_cli::experiment::trial::StudyIdentity;
use reslstm_cli::files::{Existing, write_json};
use reslstm_cli::label_map::LabelMap;
use reslstm_cli::report::{results_page, study_page};
use reslstm_cli::settings_text;
use reslstm_cli::sweep::{Folder, Job, Plan};
use reslstm_cli::tune::{Journal, Snapshot, Space};

/// Features as `.npy`.
pub fn npy(bytes: &[u8]) -> bool {
    let Ok(matrix) = features::from_bytes(bytes) else { return false };
    assert!(matrix.as_slice().iter().all(|value| value.is_finite()), "a feature is not finite");
    assert!(features::from_bytes(&features::to_bytes(&matrix)).expect("what was written is read") == matrix);
    true
}

/// A table of clips.
pub fn table(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8], required| Manifest::read(bytes, &Default::default(), required);
    let _ = read(bytes, Required::Paths);
    let Ok(manifest) = read(bytes, Required::Corpus) else { return false };
    let again = read(reslstm_cli::corpus::manifest::table(manifest.rows()).as_bytes(), Required::Corpus);
    let without_line = |row: &ManifestRow| ManifestRow { line: 0, ..row.clone() };
    let rows = |manifest: &Manifest| manifest.rows().iter().map(without_line).collect::<Vec<_>>();
    assert_eq!(rows(&again.expect("what was written is read")), rows(&manifest));
    true
}

/// A journal: its page, and another study in it.
pub fn journal(bytes: &[u8]) -> bool {
    let path = in_file("study.journal", bytes);
    if let Ok(study) = Snapshot::read(&path, None) {
        let about = study_page::About { value: "UAR", caution: None, search: None, train: None, fixed: Vec::new() };
        check_page(&study_page::html(&study, &about));
        let identity = study.identity.and_then(|it| serde_json::from_value::<StudyIdentity>(it).ok());
        if let (Some(identity), Some(best)) = (identity, study.trials.last()) {
            let _ = identity.plan(&best.values());
        }
    }
    let Ok(mut journal) = Journal::open(&path, "fuzz") else { return false };
    let studies = |journal: &mut Journal| {
        let replay = journal.replay().expect("what was read is read again");
        let studies = replay.studies().map(|(id, study)| (id, study.name.clone(), replay.trials(id).len()));
        studies.collect::<Vec<_>>()
    };
    let mut before = studies(&mut journal);
    let name =
        before.iter().map(|(_, name, _)| name.len()).max().map_or("new".into(), |longest| "n".repeat(longest + 1));
    let line = serde_json::json!({ "op_code": 0, "study_name": name, "directions": [2] });
    let new = journal.update(|replay| Ok((vec![line], replay.next_study_id()))).expect("a line more");
    before.push((new, name, 0));
    let mut again = Journal::open(&path, "fuzz").expect("what was written is read");
    assert_eq!(studies(&mut again), before);
    true
}

/// The plan of a grid, or the work of one of its jobs.
pub fn plan(bytes: &[u8]) -> bool {
    let root = folder().join("sweep");
    in_file("sweep/plan.json", bytes);
    let mut plans = Vec::from_iter(Folder::<Identity>::open(&root).map(|folder| folder.plan().clone()));
    if let Ok(work) = serde_json::from_slice::<Identity>(bytes) {
        work.seed();
        plans.extend(Plan::new("data", vec![Job::new("job", work)]));
    }
    for plan in &plans {
        std::fs::remove_dir_all(&root).expect("a folder of ours");
        Folder::create(&root, plan.clone(), Existing::Replace).expect("a plan is written");
        let again = Folder::open(&root).expect("what was written is read");
        assert!(again.plan() == plan, "a plan changes when it is written");
    }
    !plans.is_empty()
}

/// The result of a run of `cv`, with its page, or of a job of a grid.
pub fn result(bytes: &[u8]) -> bool {
    for name in ["cv/plan.json", "cv/clips.json"].iter().filter(|name| !folder().join(name).exists()) {
        in_file(name, &seed(name));
    }
    let path = in_file("cv/runs/run0.json", bytes);
    let results = Results::read(&folder().join("cv"));
    if let Ok(results) = &results {
        check_page(&results_page::of_one(results, results_page::About { command: &|_| String::new(), licence: "" }));
        write_json(&path, &results.runs[0]).expect("a result is written");
        let again = Results::read(&folder().join("cv")).expect("what was written is read");
        assert!(again == *results, "a result changes when it is written");
    }
    let record = serde_json::from_slice::<FoldRecord>(bytes);
    let record = record.ok().filter(|record| record.check(record.confusion.rows().len()).is_ok());
    for uar in record.iter().flat_map(FoldRecord::test_uars) {
        assert!((0.0..=1.0).contains(&uar), "{uar}");
    }
    results.is_ok() || record.is_some()
}

/// Settings of every kind.
pub fn toml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let settings = settings_text::recipe(text);
    if let Ok(settings) = &settings {
        let written = serde_json::to_string(settings).expect("settings are JSON");
        let again: reslstm::train::CheckedSettings = serde_json::from_str(&written).expect("what was written is read");
        assert!(again == *settings, "settings change when they are written: {written}");
    }
    let map = LabelMap::from_toml(text);
    if let Ok(map) = &map {
        let written = serde_json::to_string(map).expect("a map is JSON");
        assert_eq!(serde_json::from_str::<LabelMap>(&written).expect("what was written is read"), *map);
    }
    let space = Space::from_toml(text);
    if let Ok(space) = &space {
        for (name, distribution) in space.iter() {
            let written = distribution.to_json();
            assert_eq!(distribution, &serde_json::from_str(&written).expect("what was written is read"), "{name}");
        }
    }
    let others = [settings_text::grid(text).is_ok(), settings_text::hyperparameters(text).is_ok()];
    settings.is_ok() || map.is_ok() || space.is_ok() || others.contains(&true)
}

/// A page has no control characters, and its tags are not those of its texts.
fn check_page(page: &str) {
    let control = page.chars().find(|&c| c.is_control() && !"\t\n\r".contains(c));
    assert_eq!(control, None, "in a page");
    assert!(page.ends_with("</html>") || page.ends_with("</html>\n"), "the end of a page");
}
