//! A model with branches: said everywhere to be an ensemble, with its true size.

use crate::test_dir::{CLIP, TestDir};

const BRANCHES: &str =
    "--recipe paper --arch lstm-sa-h4 --epochs 3 --inputs pitch --branches mfcc,mfcc+chroma,pitch+deltas";

#[test]
fn branches_are_trained_scored_shown_and_used_from_one_file() {
    let dir = TestDir::new("branches");
    let table = dir.does(&format!("cv ../speech -o cv --folds k=2 {BRANCHES}"));
    assert!(table.contains("3x lstm-sa-h4") && table.contains("an ensemble of N networks"), "{table}");
    let model = "cv/models/run0-fold0.safetensors";
    let info = dir.does_json(&format!("info {model} --json"));
    let sizes = info["ensemble"].as_array().unwrap().iter().map(|branch| branch["parameters"].as_u64().unwrap());
    let (run, summary) = (dir.json("cv/runs/run0.json"), dir.json("cv/summary.json"));
    assert_eq!(sizes.sum::<u64>(), info["parameters"]);
    assert_eq!((&run["parameters"], &run["ensemble"]), (&info["parameters"], &3.into()));
    assert_eq!((&summary["models"][0]["ensemble"], &info["inputs"]), (&3.into(), &60.into()));
    let text = dir.does(&format!("info {model}"));
    assert!(text.contains("an ensemble: the probabilities of 3 branches are averaged"), "{text}");
    assert!(text.contains("branch 2: lstm-sa-h4 on 46 columns (mfcc+chroma)"), "{text}");

    // eval of a fold's model is the score that cv wrote.
    let eval = dir.does_json(&format!("eval {model} ../speech --json"));
    assert_eq!(eval["confusion"], run["folds"][0]["confusion"]);
    let robustness = dir.does_json("robustness cv ../speech --quantised --json");
    assert_eq!(robustness["conditions"][0]["uar"]["values"][0], run["scores"]["uar"]);
    let predicted = dir.does_json(&format!("predict {CLIP} --model {model} --json"));
    assert!(predicted["probabilities"].is_object(), "{predicted}");

    let ran = dir.run(&format!("explain {CLIP} -o page.html --model {model} --branch 3"));
    assert!(ran.code == 0 && ran.stderr.contains("branch 3 of 3 (pitch+deltas) is shown"), "{}", ran.stderr);
    let page = String::from_utf8(dir.read("page.html")).unwrap();
    assert!(page.contains("branch 3 of 3 of an ensemble (pitch+deltas)"));
    // Before the recording is read.
    dir.is_wrong_call(
        &format!("explain none.wav -o no.html --model {model} --branch 4"),
        &["--branch: expected 1 to 3", "got 4"],
    );
    for line in [
        format!("figure signal-flow {CLIP} --model {model} -o flow.svg"),
        format!("figure pca ../speech --model {model} -o pca.svg"),
        format!("audit --audio {CLIP} --model {model}"),
    ] {
        dir.refuses_saying(
            &line,
            &["an ensemble with the branches mfcc,mfcc+chroma,pitch+deltas", "explain --branch N"],
        );
    }
}

#[test]
fn a_killed_training_of_branches_ends_with_the_same_bytes() {
    let dir = TestDir::new("branches-killed");
    let line = |out: &str| {
        format!(
            "train ../speech -o {out}.safetensors --recipe paper --arch lstm-sa-h8 --inputs deltas --weights average --epochs 150 \
             --branches mfcc,all,deltas"
        )
    };
    dir.does(&line("whole"));
    dir.kill_until_it_ends(1.6, |kills| format!("{} --resume --threads {}", line("parts"), 1 + kills % 2));
    assert!(dir.read("parts.safetensors") == dir.read("whole.safetensors"));
}
