//! `train`: its file, its scores, and what it refuses.

use crate::test_dir::{CLIP, SMALL, TestDir};
use serde_json::Value;

#[test]
fn train_says_its_scores_and_keeps_its_hands_off_other_files() {
    let dir = TestDir::new("train");
    let line = format!("train ../speech -o m.safetensors --json {SMALL}");
    let said: Value = serde_json::from_str(&dir.does(&line)).unwrap();
    assert_eq!((said["epochs"].as_array().unwrap().len(), &said["model"]), (3, &"m.safetensors".into()));
    assert!(said["scores"]["test_uar"].is_number() && said["test_speakers"].as_array().unwrap().len() == 2);
    assert_eq!(dir.list("."), ["m.safetensors"]);
    let bytes = dir.read("m.safetensors");
    dir.refuses_saying(&line, &["m.safetensors: the file exists already"]);

    // Its probabilities were fitted to the validation speakers; after --all no validation speakers remain, but a number can be given.
    let told = |model: &str| -> Value { serde_json::from_str(&dir.does(&format!("info {model} --json"))).unwrap() };
    assert!(told("m.safetensors")["metadata"]["temperature"].as_f64().unwrap() > 0.0);
    dir.does(&format!("train ../speech -o all.safetensors --all --temperature 2.5 {SMALL}"));
    dir.does(&format!("train ../speech -o plain.safetensors --all {SMALL}"));
    assert_eq!(told("all.safetensors")["metadata"]["temperature"], 2.5);
    assert_eq!(told("plain.safetensors")["metadata"]["temperature"], Value::Null);
    let probabilities = |model: &str| -> Value {
        serde_json::from_str(
            dir.does(&format!("predict ../speech/Actor_01 --model {model} --json")).lines().next().unwrap(),
        )
        .unwrap()
    };
    let (soft, sharp) = (probabilities("all.safetensors"), probabilities("plain.safetensors"));
    assert_eq!(soft["label"], sharp["label"]);
    assert_ne!(soft["probabilities"], sharp["probabilities"]);
    // One that grows leaves the weights, and sharpens or flattens each prediction by its distance.
    dir.does(&format!("train ../speech -o growing.safetensors --all --temperature 1.3,1.5 {SMALL}"));
    let (plain, growing) = (&sharp, probabilities("growing.safetensors"));
    assert_eq!((&plain["label"], &plain["unlike"]), (&growing["label"], &growing["unlike"]));
    let shown = dir.run(&format!("explain {CLIP} -o page.html --model growing.safetensors"));
    assert!(shown.code == 0 && shown.stderr.contains("probabilities before the temperature"), "{}", shown.stderr);
    let temperature = 1.3 * plain["unlike"].as_f64().unwrap().powf(1.5);
    let power = |label: &String| plain["probabilities"][label].as_f64().unwrap().powf(1.0 / temperature);
    let labels: Vec<&String> = plain["probabilities"].as_object().unwrap().keys().collect();
    let sum: f64 = labels.iter().map(|label| power(label)).sum();
    for label in labels {
        // `unlike` is printed with three decimals.
        assert!((growing["probabilities"][label].as_f64().unwrap() - power(label) / sum).abs() < 1e-3, "{growing}");
    }
    let resumed = format!("train ../speech -o growing.safetensors --all --temperature 1.3,1 --resume {SMALL}");
    dir.refuses_saying(&resumed, &["growing.safetensors", "its temperature is not the given one"]);
    let resumed = format!("train ../speech -o all.safetensors --all --temperature 2 --resume {SMALL}");
    dir.refuses_saying(&resumed, &["all.safetensors", "its temperature is not the given one"]);
    let without_all = dir.run("train ../speech -o x.safetensors --temperature 2");
    assert!(without_all.code == 2 && without_all.stderr.contains("--all"), "{}", without_all.stderr);
    for name in ["all", "plain", "growing"] {
        std::fs::remove_file(dir.path(&format!("{name}.safetensors"))).unwrap();
    }

    // Finished already: nothing is trained again, nothing else written over.
    let ran = dir.run(&format!("{line} --resume"));
    assert!(ran.code == 0 && ran.stderr.contains("finished already"), "{}", ran.stderr);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["scores"], said["scores"]);
    let other = format!("{line} --resume --seed 1");
    dir.refuses_saying(&other, &["m.safetensors", "other settings or data: settings.seed was 0, now 1"]);
    dir.write("foreign.safetensors", "mine");
    let foreign = format!("train ../speech -o foreign.safetensors --resume {SMALL}");
    dir.refuses_saying(&foreign, &["foreign.safetensors", "expected a safetensors file"]);
    assert!(dir.read("foreign.safetensors") == b"mine" && dir.read("m.safetensors") == bytes);

    let said = dir.does(&format!("train ../speech -o all.safetensors --all --json {SMALL}"));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(said["best_epoch"].is_null() && said["epochs"][2]["loss"].is_number(), "{said}");
}

#[test]
fn an_epoch_is_named_where_one_was_chosen() {
    let dir = TestDir::new("train-weights");
    for (weights, said) in
        [("best", "weights of epoch "), ("last", "weights of the last epoch, "), ("average", "averaged weights, ")]
    {
        let line = format!("train ../speech -o {weights}.safetensors --weights {weights} --t0 1 {SMALL}");
        let ran = dir.run(&line);
        assert!(ran.code == 0 && ran.stderr.contains(&format!("{weights}.safetensors: {said}")), "{}", ran.stderr);
        let again = dir.does_json(&format!("{line} --json --resume"));
        assert_eq!(again["best_epoch"].is_null(), weights != "best", "{again}");
    }
}

#[test]
fn train_is_one_training_and_cv_is_of_folds() {
    let dir = TestDir::new("train-one");
    let train = format!("train ../speech -o m.safetensors {SMALL}");
    dir.is_wrong_call(&format!("{train} --folds 0,1"), &["expected one fold, got 2", "use cv"]);
    dir.is_wrong_call(&format!("{train} --runs 2"), &["--runs: expected 1, got 2"]);
    assert_eq!(dir.run(&format!("{train} --all --folds 0")).code, 2);
    assert_eq!(dir.run(&format!("cv ../speech -o out --all {SMALL}")).code, 2);
    for (flag, expected) in [
        ("--arch gru-h4", "gru-h4"),
        ("--protocol lenient", "possible values: strict, published, table1"),
        ("--inputs mfcc", "possible values: paper, deltas, all, pitch, voice"),
        ("--epochs many", "expected a whole number, got \"many\""),
        ("--lr nan", "expected a number, got \"nan\""),
        (
            "--recipe best",
            "--recipe: expected paper, voices, anywhere, speech or table1, or a TOML file, got 'best' (reslstm recipes lists them)",
        ),
        ("--folds 7", "expected folds from 0 to 4, got 7"),
        ("--batch 1", "error: --batch: expected 2 to 65,536"),
        ("--lr 0", "error: --lr: expected above 0"),
        ("--dropout 1", "dropout: expected at least 0 and below 1, got 1"),
        ("--threads 0", "0 is not in 1..=1024"),
        ("--epochs 0", "error: --epochs: expected 1 to 1,000,000, got 0"),
        ("--runs 0", "error: --runs: expected 1 to 10,000, got 0"),
    ] {
        dir.is_wrong_call(&format!("cv ../speech -o out {flag}"), &[expected]);
    }
    dir.is_wrong_call(
        "train ../speech -o m.safetensors --all --protocol table1",
        &["protocol: expected strict or published to train on all speakers, got table1", "use strict for a model"],
    );
    assert_eq!(dir.list("."), [""; 0]);
}

#[test]
fn a_model_of_table1_says_that_its_score_was_chosen_on_test_speakers() {
    let dir = TestDir::new("train-table1");
    let note = "chosen on its test speakers";
    let ran = dir.run("train ../speech -o m.safetensors --protocol table1 --arch lstm-sa-h4 --epochs 3");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.lines().last().unwrap().ends_with(note), "{}", ran.stderr);
    let info: Value = serde_json::from_str(&dir.does("info m.safetensors --json")).unwrap();
    assert_eq!(info["metadata"]["score_note"], note);
    let ran = dir.run("eval m.safetensors ../speech --json");
    assert!(ran.stderr.contains("note: m.safetensors: a model of the table1 protocol"), "{}", ran.stderr);
    let scored: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(scored["score_note"], note);
    // Scored in its own batches: the score of its training.
    assert_eq!(scored["scores"]["uar"], info["metadata"]["scores"]["test_uar"]);
}

#[test]
fn a_training_that_diverges_says_so() {
    let dir = TestDir::new("diverges");
    // Whether these settings diverge is the training's business; that nothing panics is ours.
    let ran = dir.run(
        "train ../speech -o m.safetensors --all --recipe paper --arch lstm-sa-h4 --epochs 3 --lr 10 --weight-decay 10",
    );
    assert!(ran.code == 0 || ran.stderr.contains("diverged"), "{}", ran.stderr);
}

#[test]
fn without_a_recipe_it_trains_by_speech_and_says_so_first() {
    let dir = TestDir::new("train-recipe");
    let line = "train ../speech -o m.safetensors --arch lstm-sa-h4 --epochs 4 --t0 2";
    let ran = dir.run(line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let first = ran.stderr.lines().next().unwrap();
    assert!(
        first.starts_with("recipe: speech (") && first.ends_with("; --recipe paper has the paper's settings"),
        "{first}"
    );
    let info: Value = serde_json::from_str(&dir.does("info m.safetensors --json")).unwrap();
    let settings = &info["metadata"]["settings"];
    assert_eq!((&settings["inputs"], &settings["validation"]), (&"speech".into(), &"train".into()));
    assert_eq!(settings["augment"]["conditions"].as_array().unwrap().len(), 16);
    // Named, it gives the same bytes; resumed, the model's own settings hold.
    dir.does(&line.replace("m.safetensors", "named.safetensors --recipe speech"));
    assert!(dir.read("named.safetensors") == dir.read("m.safetensors"));
    let ran = dir.run("train ../speech -o m.safetensors --resume");
    assert!(
        ran.code == 0 && ran.stderr.contains("settings: those that m.safetensors was started with"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("finished already"), "{}", ran.stderr);
    dir.refuses_saying(
        "train ../speech -o m.safetensors --resume --dropout 0.3",
        &["settings.dropout was 0.2, now 0.3"],
    );
    dir.refuses_saying(
        "train ../speech -o m.safetensors --resume --recipe paper",
        &["a model trained with other settings or data: "],
    );
    // Settings of a flag that do not go with those of the recipe.
    dir.is_wrong_call(
        "train ../speech -o x.safetensors --weights best",
        &["recipe speech, line 18: validation: expected apart", "validation apart, or weights average or last"],
    );
    dir.is_wrong_call(
        "train ../speech -o x.safetensors --epochs 3",
        &["recipe speech, line 17: weights: expected a cycle"],
    );
    // The paper's protocol has the paper's settings.
    let ran = dir.run("train ../speech -o p.safetensors --protocol published --arch lstm-sa-h4 --epochs 1");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("recipe: paper (") && ran.stderr.contains("as the published protocol"),
        "{}",
        ran.stderr
    );
}
