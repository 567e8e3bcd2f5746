//! `eval`.

use crate::test_dir::{SMALL, TestDir};
use serde_json::Value;

#[test]
fn eval_scores_speakers_that_are_new_to_the_model() {
    let dir = TestDir::new("eval");
    dir.does(&format!("cv ../speech -o cv --folds 1,3 {SMALL}"));
    for (at, fold) in [(0, 1), (1, 3)] {
        let ran = dir.run(&format!("eval --json cv/models/run0-fold{fold}.safetensors ../speech"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("test speakers (fold {fold}) alone")), "{}", ran.stderr);
        let scores: Value = serde_json::from_str(&ran.stdout).unwrap();
        let record = &dir.json("cv/runs/run0.json")["folds"][at];
        assert_eq!(scores["scores"]["uar"], record["test_uar"]);
        assert_eq!((&scores["confusion"], &scores["speakers"]), (&record["confusion"], &record["split"]["test"]));
    }
    dir.does(&format!("train ../speech -o all.safetensors --all {SMALL}"));
    let ran = dir.run("eval all.safetensors ../speech");
    assert!(ran.stderr.contains("warning: the model was trained on all of these clips"), "{}", ran.stderr);
    assert!(ran.code == 0 && ran.stdout.contains(" on 90 clips"), "{}", ran.stdout);
    dir.does("synth others --speakers 1 --statements 1 --repetitions 1 --seed 9");
    let ran = dir.run("eval all.safetensors others");
    assert!(ran.code == 0 && ran.stderr.contains("some speakers have names of training speakers"), "{}", ran.stderr);
}
