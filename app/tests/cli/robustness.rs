//! `robustness`: the models of a cross-validation in other conditions, and its figures.

use crate::test_dir::{SMALL, SPEECH_CLIPS, TestDir};
use reslstm::models::ModelFile;
use serde_json::Value;

#[test]
fn models_predict_their_own_test_speakers_in_every_condition() {
    let dir = TestDir::new("robustness");
    dir.does(&format!("cv ../speech -o cv --folds k=3 --runs 2 {SMALL}"));
    let table = dir.does("robustness cv ../speech -o result.json");
    let found = dir.json("result.json");
    let conditions = found["conditions"].as_array().unwrap();
    let names: Vec<&str> = conditions.iter().map(|result| result["condition"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[4]), (32, "as recorded", "telephone"));
    assert_eq!(names[11..15], ["level -10 dB", "level -20 dB", "level -30 dB", "level -40 dB"]);
    let last = ["room, RT60 1 s", "babble, SNR 20 dB", "babble, SNR 10 dB", "babble, SNR 0 dB", "trimmed"];
    assert_eq!(names[27..], last);
    assert!(conditions.iter().all(|result| result["no_speech"]["clips"].is_u64()));
    // The share of the clean score that is kept; these models were trained with clips as recorded alone.
    let uar = |result: &Value| result["uar"]["mean"].as_f64().unwrap();
    for (n, result) in conditions.iter().enumerate() {
        assert_eq!(
            (result["kept"].as_f64(), &result["trained"]),
            (Some(uar(result) / uar(&conditions[0])), &(n == 0).into())
        );
    }
    // As recorded it is what cv scored, with the temperatures that its models carry.
    let summary = dir.json("cv/summary.json");
    assert_eq!(conditions[0]["uar"], summary["models"][0]["uar"]);
    assert_eq!(conditions[0]["confusion"], summary["models"][0]["confusion"]);
    assert!(found["temperature"].as_f64().unwrap() > 0.0 && table.contains("mean temperature"), "{table}");
    for result in conditions {
        let bins = |name: &str| {
            result[name]["bins"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!((bins("reliability"), bins("uncalibrated")), (180, 180));
        assert!(table.contains(result["condition"].as_str().unwrap()), "{table}");
    }
    assert!(conditions[1..].iter().any(|result| result["confusion"] != conditions[0]["confusion"]));
    // Features of every condition are kept, and taken from there: the same result with any number of threads.
    let cached = || {
        let json = dir.does("robustness cv ../speech --json --threads 1 --cache cache");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), found);
        dir.list("cache").len()
    };
    let entries = cached();
    assert!(entries >= names.len() * SPEECH_CLIPS, "{entries} entries");
    assert_eq!(cached(), entries);

    for kind in ["robustness", "reliability"] {
        dir.does(&format!("figure {kind} result.json -o {kind}.svg"));
        assert!(String::from_utf8(dir.read(&format!("{kind}.svg"))).unwrap().contains("cv: "));
        dir.refuses_saying(&format!("figure {kind} cv/summary.json -o other.svg"), &["cv/summary.json"]);
    }
    std::fs::remove_file(dir.path("cv/models/run1-fold2.safetensors")).unwrap();
    let missing = "run1-fold2.safetensors: expected the model of every fold of every finished run";
    dir.refuses_saying("robustness cv ../speech", &[missing]);
    dir.refuses_saying("robustness ../speech ../speech", &["expected a folder made by cv"]);
    // A run that is not finished is left out.
    std::fs::remove_file(dir.path("cv/runs/run1.json")).unwrap();
    dir.does("synth other --speakers 6 --statements 1 --repetitions 1 --seed 5");
    dir.refuses_saying("robustness cv other", &["run0-fold0.safetensors: expected the data the model was trained on"]);
}

#[test]
fn without_validation_speakers_the_test_speakers_of_the_other_folds_give_a_temperature() {
    let dir = TestDir::new("robustness-pooled");
    let settings = "--weights average --t0 1 --validation train --augment folder.toml";
    dir.write("folder.toml", "conditions = ['telephone', 'mu-law']");
    for (name, more) in [("one", ""), ("two", " --branches mfcc,all")] {
        dir.does(&format!("cv ../speech -o {name} --folds k=3 {SMALL} {settings}{more}"));
        let table = dir.does(&format!("robustness {name} ../speech -o {name}.json --cache cache"));
        let found = dir.json(&format!("{name}.json"));
        let pooled = &found["pooled_temperature"];
        assert_eq!(pooled["conditions"], serde_json::json!(["as recorded", "telephone", "µ-law"]));
        let without = pooled["without_fold"].as_object().unwrap();
        assert_eq!(without.keys().collect::<Vec<_>>(), ["0", "1", "2"]);
        let pair = |it: &Value| [0, 1].map(|n| it[n].as_f64().unwrap());
        let [temperature, growth] = pair(&pooled["all"]);
        assert!(without.values().all(|it| pair(it) != [temperature, growth]), "{pooled}");
        assert!((0.05..=20.0).contains(&temperature) && (0.0..=4.0).contains(&growth), "{pooled}");
        assert!(table.contains(&format!("train --all --temperature {temperature:.3},{growth:.3}")), "{table}");
        for result in found["conditions"].as_array().unwrap() {
            let bins = result["pooled"]["bins"].as_array().unwrap();
            assert_eq!(bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum::<u64>(), 90);
            assert_ne!(result["pooled"], result["reliability"]);
        }
        assert_eq!(
            (&found["temperature"], found["conditions"][0].get("uncalibrated")),
            (&Value::Null, Some(&Value::Null))
        );
    }
    // Models of earlier versions do not hold where their training clips lie: their temperature is one for all clips.
    for fold in 0..3 {
        let path = format!("one/models/run0-fold{fold}.safetensors");
        let file = ModelFile::from_bytes(&std::fs::read(dir.path(&path)).unwrap()).unwrap();
        dir.write(&path, file.with_training_clips(None).unwrap().to_bytes());
    }
    let table = dir.does("robustness one ../speech -o one.json --cache cache");
    let pooled = &dir.json("one.json")["pooled_temperature"];
    let all = pooled["all"].as_f64().unwrap();
    let of_folds = pooled["without_fold"].as_object().unwrap().values().map(|it| it.as_f64().unwrap());
    let of_folds: Vec<f64> = of_folds.collect();
    // Every clip is in two of three: the fit on all lies between them.
    assert!(of_folds.iter().any(|&it| it < all) && of_folds.iter().any(|&it| it > all), "{all} {of_folds:?}");
    assert!(table.contains(&format!("train --all --temperature {all:.3}\n")), "{table}");
    // As nested may leave them: one temperature is not for networks and ensembles alike.
    dir.write("one/models/run0-fold2.safetensors", dir.read("two/models/run0-fold2.safetensors"));
    let ran = dir.run("robustness one ../speech --json --cache cache");
    let note = "note: no pooled temperature: the models have different numbers of branches";
    assert!(ran.code == 0 && ran.stderr.contains(note), "{}", ran.stderr);
    assert!(!ran.stdout.contains("pooled_temperature"), "{}", ran.stdout);
}

#[test]
fn weights_of_fewer_bits_are_scored_as_files_of_quantise_on_the_same_folds() {
    let dir = TestDir::new("robustness-quantised");
    dir.does(&format!("cv ../speech -o cv --folds k=3 {SMALL}"));
    let scores = |folder: &str| -> Value {
        serde_json::from_str(&dir.does(&format!("robustness {folder} ../speech --quantised --json"))).unwrap()
    };
    let rows = scores("cv")["conditions"].clone();
    let names = [0, 1, 2].map(|row| rows[row]["condition"].as_str().unwrap());
    assert_eq!(names, ["as recorded", "f16 weights", "int8 weights"]);
    assert_eq!(rows[0]["uar"], dir.json("cv/summary.json")["models"][0]["uar"]);
    for (row, to) in [(1, "f16"), (2, "int8")] {
        copy(&dir.path("cv"), &dir.path(to));
        for model in dir.list("cv/models") {
            std::fs::remove_file(dir.path(&format!("{to}/models/{model}"))).unwrap();
            dir.does(&format!("quantise cv/models/{model} --to {to} -o {to}/models/{model}"));
        }
        let of_files = scores(to)["conditions"].clone();
        assert_ne!(of_files[0]["reliability"], rows[0]["reliability"], "{to}: other probabilities");
        assert_eq!(of_files[0]["reliability"], rows[row]["reliability"]);
        assert_eq!(of_files[0]["confusion"], rows[row]["confusion"]);
    }
}

/// Copies a folder.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(path, to).map(drop).unwrap() }
    }
}
