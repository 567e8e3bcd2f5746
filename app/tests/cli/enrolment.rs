//! `--enrolment`, `enrol`, `predict --enrol` and `--adapt`.

use crate::test_dir::{CLIP, TestDir, model};

#[test]
fn a_model_trained_with_enrolment_uses_recordings_of_a_speaker() {
    let dir = TestDir::new("enrolment");
    let settings = "--recipe paper --arch lstm-sa-h4 --epochs 3 --enrolment 4";
    let table = dir.does(&format!("cv ../speech -o cv --folds k=2 {settings}"));
    assert!(table.contains("transductive"), "{table}");
    let (run, summary) = (dir.json("cv/runs/run0.json"), dir.json("cv/summary.json"));
    assert!(run["enrolment"].is_array() || run["enrolment"].is_object(), "{run}");
    assert!(summary.to_string().contains("enrolment"));

    let file = "cv/models/run0-fold0.safetensors";
    let profile = dir.does_json(&format!("enrol ../speech/Actor_02 -o profile.json --model {file} --json"));
    assert_eq!(dir.json("profile.json"), profile);
    assert!(
        profile["clips"].as_u64().unwrap() > 10 && profile["statistics"]["mean"].as_array().unwrap().len() == 46,
        "{profile}"
    );
    let predict = |more: &str| dir.does_json(&format!("predict {CLIP} --model {file} --no-gate --json{more}"));
    let with = predict(" --enrol profile.json");
    assert_eq!(with["probabilities"], predict(" --enrol ../speech/Actor_02")["probabilities"]);
    assert_ne!(with["probabilities"], predict("")["probabilities"]);

    let ran = dir.run_with_stdin(&format!("predict --live --adapt --model {file}"), dir.read(CLIP));
    assert!(ran.code == 0 && ran.stdout.lines().count() > 3, "{}", ran.stderr);

    // Another model has no such statistics, or of other features.
    dir.refuses_saying(&format!("predict {CLIP} --model {} --enrol profile.json", model()), &["--enrolment"]);
    dir.refuses_saying(&format!("enrol ../speech/Actor_02 -o no.json --model {}", model()), &["--enrolment"]);
    dir.is_wrong_call(&format!("predict {CLIP} --model {file} --adapt"), &["--adapt", "cannot be used with"]);
}
