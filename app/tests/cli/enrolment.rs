//! `--enrolment`, `enrol`, `predict --enrol` and `--adapt`.

use crate::test_dir::{CLIP, TestDir, model};
use serde_json::json;

#[test]
fn a_model_trained_with_enrolment_uses_recordings_of_a_speaker() {
    let dir = TestDir::new("enrolment");
    let settings = "--recipe paper --arch lstm-sa-h4 --epochs 15 --enrolment 4";
    let table = dir.does(&format!("cv ../speech -o cv --folds k=2 {settings}"));
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("enrolment, ")).collect();
    assert!(rows.len() == 7 && rows.iter().all(|row| row.contains("transductive")), "{table}");
    let run = dir.json("cv/runs/run0.json");
    let scores = run["enrolment"].as_array().unwrap();
    let counts: Vec<&str> = scores.iter().map(|score| score["clips"].as_str().unwrap()).collect();
    assert_eq!(counts, ["0", "1", "2", "4", "8", "16", "all"]);
    assert_eq!(scores[0]["uar"], run["scores"]["uar"], "without clips it is the strict score");
    assert!(scores[1..].iter().any(|score| score["uar"] != scores[0]["uar"]), "{scores:?}");

    let file = "cv/models/run0-fold0.safetensors";
    let profile = dir.does_json(&format!("enrol ../speech/Actor_02 -o profile.json --model {file} --json"));
    assert_eq!(dir.json("profile.json"), profile);
    assert!(
        profile["clips"].as_u64().unwrap() > 10 && profile["statistics"]["mean"].as_array().unwrap().len() == 46,
        "{profile}"
    );
    // Parts of recordings, as a table names them, are enrolled as parts.
    dir.write("parts.csv", format!("path,start,end\n{CLIP},0,0.4\n{CLIP},0.5,0.9\n"));
    let parts = dir.does_json(&format!("enrol parts.csv -o parts.json --model {file} --json"));
    let whole = dir.does_json(&format!("enrol {CLIP} -o whole.json --model {file} --json"));
    let frames = |profile: &serde_json::Value| profile["frames"].as_u64().unwrap();
    assert!(parts["clips"] == 2 && frames(&parts) < frames(&whole), "{parts} {whole}");
    let predict = |more: &str| dir.does_json(&format!("predict {CLIP} --model {file} --no-gate --json{more}"));
    let with = predict(" --enrol profile.json");
    assert_eq!(with["probabilities"], predict(" --enrol ../speech/Actor_02")["probabilities"]);
    assert_ne!(with["probabilities"], predict("")["probabilities"]);

    // On its own test speakers: without clips nothing changes, with clips it is said.
    let eval = |more: &str| dir.does_json(&format!("eval {file} ../speech --json{more}"));
    let (strict, none, neutral) = (eval(""), eval(" --enrol 0"), eval(" --enrol 4:neutral"));
    assert_eq!(strict["confusion"], none["confusion"]);
    assert_eq!((&strict["enrolment"], &none["enrolment"]["clips"]), (&json!(null), &json!("0:random")));
    assert_eq!(neutral["enrolment"]["transductive"], json!(true));
    assert_ne!(strict["calibration_error"], neutral["calibration_error"]);
    let said = dir.does(&format!("eval {file} ../speech --enrol 999:one-emotion"));
    assert!(said.starts_with("transductive: with 999:one-emotion clips") && said.contains("with fewer"), "{said}");
    dir.is_wrong_call(&format!("eval {file} ../speech --enrol all"), &["got 'all'"]);

    let ran = dir.run_with_stdin(&format!("predict --live --adapt --model {file}"), dir.read(CLIP));
    assert!(ran.code == 0 && ran.stdout.lines().count() > 3, "{}", ran.stderr);

    dir.write("damaged.json", &dir.read("profile.json")[..99]);
    dir.refuses_saying(
        &format!("predict {CLIP} --model {file} --enrol damaged.json"),
        &["error: damaged.json: profile: EOF while parsing", "make it again with reslstm enrol"],
    );

    // Another model has no such statistics, or of other features.
    dir.refuses_saying(&format!("eval {} ../speech --enrol 4", model()), &["--enrolment"]);
    dir.does(&format!("train ../speech -o deltas.safetensors {settings} --inputs deltas"));
    dir.refuses_saying(
        &format!("predict {CLIP} --model deltas.safetensors --enrol profile.json"),
        &["a profile of the features of the model", "make it again"],
    );
    dir.refuses_saying(&format!("predict {CLIP} --model {} --enrol profile.json", model()), &["--enrolment"]);
    dir.refuses_saying(&format!("enrol ../speech/Actor_02 -o no.json --model {}", model()), &["--enrolment"]);
    dir.is_wrong_call(&format!("predict {CLIP} --model {file} --adapt"), &["--adapt", "cannot be used with"]);
}
