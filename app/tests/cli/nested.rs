//! `nested`: a choice without the test speakers, and one test.

use crate::test_dir::TestDir;
use serde_json::{Value, json};

const CANDIDATES: &str = "\
[all]
arch = 'reslstm-sa-h4'
epochs = 4
t0 = 2
weights = 'average'
[candidates]
quick = { lr = 0.02 }
idle = { lr = 1e-9 }
deltas = { lr = 1e-9, inputs = 'deltas', augment = { noise = 0.1 } }
";

#[test]
fn every_fold_chooses_among_its_own_speakers_and_is_tested_with_its_choice() {
    let dir = TestDir::new("nested");
    dir.write("candidates.toml", CANDIDATES);
    let line = "nested ../speech -o out --candidates candidates.toml --inner 2";
    let table = dir.does(&format!("{line} --choose-only"));
    assert!(!dir.path("out/final").exists(), "no test speaker has come in");
    let choices = dir.json("out/choices.json");
    assert_eq!(choices.as_array().unwrap().len(), 5);
    for choice in choices.as_array().unwrap() {
        let fold = &choice["fold"];
        let outer = &dir.json(&format!("out/choosing/fold{fold}/quick/plan.json"))["plan"]["folds"];
        assert_eq!(*outer, json!(format!("within={fold}:2")));
        // The best of what the inner cross-validations scored.
        let of = |name: &str| {
            dir.json(&format!("out/choosing/fold{fold}/{name}/summary.json"))["models"][0]["uar"]["mean"].clone()
        };
        let (mut best, mut chosen) = (-1.0, "");
        for name in ["deltas", "idle", "quick"] {
            assert_eq!(choice["uar"][name], json!([of(name)]));
            if of(name).as_f64().unwrap() > best {
                (best, chosen) = (of(name).as_f64().unwrap(), name);
            }
        }
        assert_eq!(choice["chosen"], chosen);
        assert!(table.contains(&format!("{best:.4}*")), "{table}");
    }

    dir.does(&format!("{line} --resume --runs 2"));
    let tested = dir.json("out/tested/summary.json");
    let summary = &tested["models"][0];
    assert_eq!(
        (summary["folds"].clone(), summary["uar"]["values"].as_array().unwrap().len()),
        (json!([0, 1, 2, 3, 4]), 2)
    );
    for choice in choices.as_array().unwrap() {
        let (fold, chosen) = (choice["fold"].as_u64().unwrap(), choice["chosen"].as_str().unwrap());
        let run = dir.json(&format!("out/final/{chosen}/runs/run1.json"));
        let of_part = run["folds"].as_array().unwrap().iter().find(|record| record["split"]["fold"] == fold).unwrap();
        assert_eq!(dir.json("out/tested/runs/run1.json")["folds"][fold as usize], *of_part);
        let inner = dir.json(&format!("out/choosing/fold{fold}/quick/runs/run0.json"));
        let speakers = |value: &Value| value.as_array().unwrap().clone();
        for record in inner["folds"].as_array().unwrap() {
            for side in ["train", "validation", "test"] {
                let met = speakers(&record["split"][side]);
                assert!(
                    speakers(&of_part["split"]["test"]).iter().all(|speaker| !met.contains(speaker)),
                    "fold {fold}"
                );
            }
        }
    }
    // Again: nothing to do, and the same bytes. A folder as cv leaves: others read it.
    let before = dir.read("out/tested/summary.json");
    dir.does(&format!("{line} --resume --runs 2"));
    assert_eq!(dir.read("out/tested/summary.json"), before);
    dir.does("figure seeds out/tested -o seeds.svg");
    let csv = dir.does("compare out/tested out/tested --csv");
    let same: Vec<&str> = csv.lines().nth(4).unwrap().split(',').collect();
    assert_eq!((csv.lines().count(), same[0], same[9], same[12], same[13]), (7, "tested", "0", "1", "1"), "{csv}");
    dir.refuses_saying("compare out/tested ../speech", &["expected a folder made by cv"]);

    // Another candidate would be chosen with the test scores in view.
    dir.write(
        "candidates.toml",
        CANDIDATES.replace("idle = { lr = 1e-9 }", "idle = { lr = 1e-9 }\nother = { lr = 0.01 }"),
    );
    dir.refuses_saying(&format!("{line} --resume --runs 2"), &["the test speakers were scored after another choice"]);
}

#[test]
fn candidates_that_cannot_be_are_named() {
    let dir = TestDir::new("candidates");
    for (file, message) in [
        ("", "expected a table of candidates, found none"),
        ("[candidates]\na = { rate = 1 }", "candidate a: unknown setting `rate`"),
        ("[candidates]\na = { lr = -1.0 }", "candidate a: lr: expected above 0"),
        ("[candidates]\n'../a' = {}", "expected a name of letters, digits"),
        ("lr = 1\n[candidates]\na = {}", "expected all and candidates, got lr"),
        ("all = 3\n[candidates]\na = {}", "all: expected a table, got 3"),
        (
            "[candidates]\na = { protocol = 'table1' }",
            "candidate a: protocol: expected strict or published, got table1",
        ),
    ] {
        dir.write("candidates.toml", file);
        dir.is_wrong_call("nested ../speech -o out --candidates candidates.toml", &["candidates.toml", message]);
    }
    dir.write("candidates.toml", "[candidates]\na = {}");
    dir.is_wrong_call(
        "nested ../speech -o out --candidates candidates.toml --folds k=3",
        &["--folds: expected all, or a list as 0,3, got k=3"],
    );
    for option in ["--runs", "--inner-runs"] {
        dir.is_wrong_call(
            &format!("nested ../speech -o out --candidates candidates.toml {option} 0"),
            &[&format!("error: {option}: expected 1 to 10,000, got 0")],
        );
    }
    assert!(!dir.path("out").exists());
}

#[test]
fn candidates_lie_over_a_recipe_and_are_resumed_with_what_they_were_begun_with() {
    let dir = TestDir::new("nested-recipe");
    let candidates = "all = { arch = 'lstm-sa-h4', epochs = 4, t0 = 2, augment = 'none' }\n[candidates]\na = {}\n";
    dir.write("candidates.toml", candidates);
    let line = "nested ../speech -o out --candidates candidates.toml --inner 2 --folds 0 --choose-only";
    dir.does(&format!("{line} --recipe voices"));
    let plan = "out/choosing/fold0/a/plan.json";
    let begun = dir.json(plan);
    assert_eq!(
        (&begun["plan"]["settings"]["inputs"], &begun["plan"]["settings"]["weights"]),
        (&json!("pitch"), &json!("average"))
    );
    dir.does(&format!("{line} --resume"));
    assert_eq!(dir.json(plan), begun);
    dir.refuses_saying(&format!("{line} --resume --recipe paper"), &["settings.dropout was 0.2, now 0.4"]);
    dir.write("candidates.toml", format!("{candidates}b = {{ lr = 0.1 }}\n"));
    dir.is_wrong_call(&format!("{line} --resume"), &["candidate b is new", "name their recipe with --recipe"]);
    dir.does(&format!("{line} --resume --recipe voices"));
    assert_eq!(dir.json("out/choosing/fold0/b/plan.json")["plan"]["settings"]["inputs"], "pitch");
}
