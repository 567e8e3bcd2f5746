//! `train` and `cv`: what they leave, and what they refuse.

use crate::room::{Room, SMALL, SPEECH_CLIPS};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn total(confusion: &Value) -> u64 {
    confusion.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum()
}

#[test]
fn voices_are_varied_and_weights_averaged_the_same_on_any_number_of_threads() {
    let room = Room::new("augment");
    let line = "cv ../speech --folds k=3 --arch reslstm-sa-h4 --epochs 6 --t0 2 --augment voices --weights average";
    let table = room.does(&format!("{line} -o one --threads 1"));
    room.does(&format!("{line} -o two --threads 2"));
    assert_eq!(room.read("one/summary.json"), room.read("two/summary.json"));
    assert_eq!(room.read("one/models/run0-fold2.safetensors"), room.read("two/models/run0-fold2.safetensors"));
    let run = room.json("one/runs/run0.json");
    assert_eq!(run["settings"]["augment"]["speeds"], serde_json::json!([0.84, 0.92, 1.0, 1.09, 1.19]));
    // Cycles end with epochs 4 and 6 in the second half of six: two snapshots.
    let parameters = run["parameters"].as_u64().unwrap();
    let others = run["others"].as_array().unwrap();
    let names: Vec<&str> = others.iter().map(|other| other["name"].as_str().unwrap()).collect();
    let all = ["last epoch", "snapshots together", "average at every speed", "snapshots at every speed"];
    assert_eq!(names, all);
    for (other, models) in others.iter().zip([1, 2, 1, 2]) {
        assert_eq!(other["parameters"], models * parameters);
        assert!(table.contains(&format!("{:.4} ± 0.0000", other["uar"].as_f64().unwrap())), "{table}");
    }
    let first = &run["folds"][0];
    assert_eq!((&first["best_epoch"], first["others"][3]["predictions"].as_array().unwrap().len()), (&5.into(), 30));

    // It is heard differently: without varying, other weights come out.
    room.does(&format!("{} -o plain", line.replace("--augment voices", "")));
    assert_ne!(room.read("plain/models/run0-fold2.safetensors"), room.read("one/models/run0-fold2.safetensors"));

    // A file says the same as the preset.
    room.write("mine.toml", "speeds = [0.84, 0.92, 1.0, 1.09, 1.19]\nstretch = 0.2\nnoise = 0.5\n");
    room.does(&format!("{} -o mine", line.replace("voices", "mine.toml")));
    assert_eq!(room.read("mine/summary.json"), room.read("one/summary.json"));

    // Where no speed is asked for, there are no rows that average over them.
    room.write("phone.toml", "conditions = ['telephone', { noise = { snr = 20 } }]\n");
    room.does(&format!("{} -o phone", line.replace("voices", "phone.toml")));
    let rows =
        |folder: &str| room.json(&format!("{folder}/summary.json"))["models"][0]["others"].as_array().unwrap().len();
    assert_eq!((rows("phone"), rows("plain"), rows("one")), (2, 2, 4));
    assert_ne!(room.read("phone/models/run0-fold0.safetensors"), room.read("plain/models/run0-fold0.safetensors"));

    room.does("train ../speech -o all.safetensors --all --arch lstm-sa-h4 --epochs 4 --t0 2 --weights average");

    // With the validation speakers in training nobody judges the epochs, and other weights come out.
    room.does(&format!("{line} -o more --validation train"));
    let fold = &room.json("more/runs/run0.json")["folds"][0];
    assert_eq!((&fold["validation_uar"], &fold["epochs"]["validation_uar"]), (&Value::Null, &serde_json::json!([])));
    assert_ne!(room.read("more/models/run0-fold2.safetensors"), room.read("one/models/run0-fold2.safetensors"));
    room.does("figure learning-curves more -o curves.svg");
    let svg = String::from_utf8(room.read("curves.svg")).unwrap();
    assert!(svg.contains("training loss") && !svg.contains("validation UAR"));

    room.write("bad.toml", "speeds = [3.0]\n");
    room.write("faster.toml", "conditions = [{ speed = 1.1 }]\n");
    room.write("odd.toml", "pitch = 2\n");
    for (change, message) in [
        ("--augment bad.toml", "augment.speeds: expected at least one, each from 0.5 to 2, got [3.0]"),
        ("--augment faster.toml", "augment.conditions: expected telephone, small-speaker, clipped, or noise"),
        ("--augment odd.toml", "augment: odd.toml: unknown field `pitch`"),
        ("--augment none.toml", "augment: none.toml: No such file"),
        ("--augment voices --protocol published", "augment: expected none under published"),
        ("--validation train", "validation: expected apart, as the best epoch"),
        ("--weights mean", "expected weights best, last or average, got 'mean'"),
        ("--weights average --t0 50", "weights: expected a cycle to end in the second half"),
    ] {
        room.refuses_saying(&format!("cv ../speech -o bad --epochs 5 {change}"), &[message]);
    }
}

#[test]
fn cv_leaves_runs_models_and_a_summary_that_agree() {
    let room = Room::new("cv");
    let stdout = room.does(&format!("cv ../speech -o out --runs 2 --folds k=3 --json {SMALL}"));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), room.json("out/summary.json"));
    assert_eq!(room.list("out"), ["clips.json", "models", "plan.json", "runs", "summary.json", "unfinished"]);
    assert_eq!((room.list("out/models").len(), room.list("out/unfinished").len()), (6, 0));

    let summary = &room.json("out/summary.json")["models"][0];
    assert_eq!((&summary["arch"], &summary["protocol"]), (&"reslstm-sa-h4".into(), &"strict".into()));
    let values = numbers(&summary["uar"]["values"]);
    let mean = values.iter().sum::<f64>() / 2.0;
    let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    for (name, expected) in [("mean", mean), ("std", std), ("max", values[0].max(values[1]))] {
        assert!((summary["uar"][name].as_f64().unwrap() - expected).abs() < 1e-12, "{name}: {summary}");
    }
    assert_eq!(total(&summary["confusion"]), 2 * SPEECH_CLIPS as u64);

    for (number, uar) in values.into_iter().enumerate() {
        let run = room.json(&format!("out/runs/run{number}.json"));
        assert_eq!((run["scores"]["uar"].as_f64(), total(&run["confusion"])), (Some(uar), SPEECH_CLIPS as u64));
        let settings = &run["settings"];
        assert_eq!((&settings["epochs"], &settings["arch"]), (&3.into(), &"reslstm-sa-h4".into()));
        let mut seconds = 0.0;
        for fold in run["folds"].as_array().unwrap() {
            assert_eq!(total(&fold["confusion"]), 30);
            let predictions = fold["predictions"].as_array().unwrap();
            for class in 0..8usize {
                let counted: u64 = (0..8).map(|truth| fold["confusion"][truth][class].as_u64().unwrap()).sum();
                assert_eq!(predictions.iter().filter(|&prediction| *prediction == class).count() as u64, counted);
            }
            let epochs = &fold["epochs"];
            let validation = numbers(&epochs["validation_uar"]);
            let best = validation.iter().copied().fold(0.0, f64::max);
            assert_eq!((validation.len(), fold["validation_uar"].as_f64()), (3, Some(best)));
            assert_eq!(validation[fold["best_epoch"].as_u64().unwrap() as usize], best);
            assert_eq!(numbers(&epochs["loss"]).len(), 3);
            assert_eq!(numbers(&epochs["seconds"]).len(), 3);
            seconds += numbers(&epochs["seconds"]).iter().sum::<f64>();
        }
        assert!((run["seconds"].as_f64().unwrap() - seconds).abs() < 1e-6);
        for key in ["host", "threads", "date", "program"] {
            assert!(!run["made"][key].is_null(), "{key}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let room = Room::new("threads");
    for threads in [1, 2] {
        room.does(&format!("cv ../speech -o t{threads} --folds k=3 --threads {threads} {SMALL}"));
    }
    for model in room.list("t1/models") {
        assert!(room.read(&format!("t1/models/{model}")) == room.read(&format!("t2/models/{model}")), "{model}");
    }
    assert!(room.read("t1/summary.json") == room.read("t2/summary.json"));
    // One fold trained alone is that fold of the whole.
    room.does(&format!("train ../speech -o alone.safetensors --folds 1 {SMALL}"));
    room.does(&format!("cv ../speech -o whole --folds 1 {SMALL}"));
    assert!(room.read("alone.safetensors") == room.read("whole/models/run0-fold1.safetensors"));
}

#[test]
fn the_published_protocol_and_every_family_run() {
    let room = Room::new("protocols");
    for (out, line) in [
        ("published", "--arch reslstm-sa-h4 --protocol published"),
        ("plain", "--arch lstm-sa-h4"),
        ("two", "--arch lstm-sa-h4-2vectors --protocol published"),
    ] {
        let table = room.does(&format!("cv ../speech -o {out} --folds 0,2 --epochs 2 {line}"));
        assert!(table.contains("UAR mean ± std") && table.contains("surprised"), "{table}");
        assert_eq!(room.json(&format!("{out}/summary.json"))["models"][0]["folds"], serde_json::json!([0, 2]));
    }
    let ran = room.run("eval --json published/models/run0-fold0.safetensors ../speech");
    let uar = &serde_json::from_str::<Value>(&ran.stdout).unwrap()["scores"]["uar"];
    assert_eq!(uar, &room.json("published/runs/run0.json")["folds"][0]["test_uar"]);
}

#[test]
fn a_manifest_brings_its_own_labels_and_speakers() {
    let room = Room::new("manifest");
    let mut table = "speaker,label,path\n".to_string();
    for speaker in 1..=4 {
        for (emotion, label) in [("04", "low, slow"), ("05", "loud")] {
            for intensity in 1..=2 {
                let clip = format!("Actor_{speaker:02}/03-01-{emotion}-{intensity:02}-01-01-{speaker:02}.wav");
                table += &format!("person {speaker},\"{label}\",../speech/{clip}\n");
            }
        }
    }
    room.write("corpus.csv", table);
    room.does(&format!("cv corpus.csv -o k3 --folds k=3 {SMALL}"));
    let summary = &room.json("k3/summary.json")["models"][0];
    assert_eq!((&summary["labels"], total(&summary["confusion"])), (&serde_json::json!(["loud", "low, slow"]), 16));
    room.does(&format!("cv corpus.csv -o loso --folds loso {SMALL}"));
    let run = room.json("loso/runs/run0.json");
    let tested: Vec<&Value> = run["folds"].as_array().unwrap().iter().map(|fold| &fold["split"]["test"][0]).collect();
    assert_eq!(tested, ["person 1", "person 2", "person 3", "person 4"]);
    // Too few speakers for the folds is known before any work.
    room.refuses_saying("cv corpus.csv -o k5", &["corpus.csv: ", "as many speakers as folds, 5, found 4"]);
    assert!(!room.path("k5").exists());
}

#[test]
fn a_config_file_says_what_flags_say_and_flags_win() {
    let room = Room::new("config");
    let config = "arch = 'lstm-sa-h4'\nepochs = 2\nweight-decay = 0.5\nfolds = '0'\nthreads = 1\ncache = 'cache'\nresume = true\n";
    room.write("recipe.toml", config);
    room.does("cv ../speech -o out --config recipe.toml --epochs 1");
    let run = room.json("out/runs/run0.json");
    let settings = &run["settings"];
    assert_eq!((&settings["arch"], &settings["epochs"]), (&"lstm-sa-h4".into(), &1.into()));
    assert_eq!((&settings["weight-decay"], &run["made"]["threads"]), (&0.5.into(), &1.into()));
    assert_eq!((room.list("out/models").len(), room.list("cache").len()), (1, SPEECH_CLIPS));
    room.does("cv ../speech -o out --config recipe.toml --epochs 1");
    room.write("typo.toml", "epoch = 2\n");
    room.refuses_saying("cv ../speech -o typo --config typo.toml", &["typo.toml", "unknown field `epoch`", "`epochs`"]);
    room.refuses_saying("cv ../speech -o typo --config none.toml", &["none.toml"]);
    assert!(!room.path("typo").exists());
}

#[test]
fn train_says_its_scores_and_keeps_its_hands_off_other_files() {
    let room = Room::new("train");
    let line = format!("train ../speech -o m.safetensors --json {SMALL}");
    let said: Value = serde_json::from_str(&room.does(&line)).unwrap();
    assert_eq!((said["epochs"].as_array().unwrap().len(), &said["model"]), (3, &"m.safetensors".into()));
    assert!(said["scores"]["test_uar"].is_number() && said["test_speakers"].as_array().unwrap().len() == 2);
    assert_eq!(room.list("."), ["m.safetensors"]);
    let bytes = room.read("m.safetensors");
    room.refuses_saying(&line, &["m.safetensors: expected a name that is free"]);

    // Its probabilities were fitted to the validation speakers; after --all nobody is left for that, but a number can be given.
    let told = |model: &str| -> Value { serde_json::from_str(&room.does(&format!("info {model} --json"))).unwrap() };
    assert!(told("m.safetensors")["metadata"]["temperature"].as_f64().unwrap() > 0.0);
    room.does(&format!("train ../speech -o all.safetensors --all --temperature 2.5 {SMALL}"));
    room.does(&format!("train ../speech -o plain.safetensors --all {SMALL}"));
    assert_eq!(told("all.safetensors")["metadata"]["temperature"], 2.5);
    assert_eq!(told("plain.safetensors")["metadata"]["temperature"], Value::Null);
    let probabilities = |model: &str| -> Value {
        serde_json::from_str(
            room.does(&format!("predict ../speech/Actor_01 --model {model} --json")).lines().next().unwrap(),
        )
        .unwrap()
    };
    let (soft, sharp) = (probabilities("all.safetensors"), probabilities("plain.safetensors"));
    assert_eq!(soft["label"], sharp["label"]);
    assert_ne!(soft["probabilities"], sharp["probabilities"]);
    let resumed = format!("train ../speech -o all.safetensors --all --temperature 2 --resume {SMALL}");
    room.refuses_saying(&resumed, &["all.safetensors", "its temperature is not the one asked for"]);
    let without_all = room.run("train ../speech -o x.safetensors --temperature 2");
    assert!(without_all.code == 2 && without_all.stderr.contains("--all"), "{}", without_all.stderr);
    for name in ["all", "plain"] {
        std::fs::remove_file(room.path(&format!("{name}.safetensors"))).unwrap();
    }

    // Finished already: nothing is trained again, nothing else written over.
    let ran = room.run(&format!("{line} --resume"));
    assert!(ran.code == 0 && ran.stderr.contains("finished already"), "{}", ran.stderr);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["scores"], said["scores"]);
    let other = format!("{line} --resume --seed 1");
    room.refuses_saying(&other, &["m.safetensors", "other settings or data: settings.seed was 0, now 1"]);
    room.write("foreign.safetensors", "mine");
    let foreign = format!("train ../speech -o foreign.safetensors --resume {SMALL}");
    room.refuses_saying(&foreign, &["foreign.safetensors", "expected a safetensors file"]);
    assert!(room.read("foreign.safetensors") == b"mine" && room.read("m.safetensors") == bytes);

    let said = room.does(&format!("train ../speech -o all.safetensors --all --json {SMALL}"));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(said["best_epoch"].is_null() && said["epochs"][2]["loss"].is_number(), "{said}");
}

#[test]
fn train_is_one_training_and_cv_is_of_folds() {
    let room = Room::new("train-one");
    let train = format!("train ../speech -o m.safetensors {SMALL}");
    room.refuses_saying(&format!("{train} --folds 0,1"), &["expected one fold, got 2", "use cv"]);
    room.refuses_saying(&format!("{train} --runs 2"), &["runs: expected one, got 2"]);
    assert_eq!(room.run(&format!("{train} --all --folds 0")).code, 2);
    assert_eq!(room.run(&format!("cv ../speech -o out --all {SMALL}")).code, 2);
    for (flag, expected) in [
        ("--arch gru-h4", "gru-h4"),
        ("--protocol lenient", "expected protocol strict or published, got 'lenient'"),
        ("--folds 7", "expected folds from 0 to 4, got 7"),
        ("--batch 1", "batch: expected 2 to 65,536"),
        ("--lr 0", "lr: expected above 0"),
        ("--dropout 1", "dropout: expected at least 0 and below 1, got 1"),
        ("--threads 0", "threads: expected 1 to 1024, got 0"),
        ("--epochs 0", "epochs: expected 1 to"),
    ] {
        room.refuses_saying(&format!("cv ../speech -o out {flag}"), &[expected]);
    }
    assert_eq!(room.run("cv ../speech -o out --epochs many").code, 2);
    assert_eq!(room.list("."), [""; 0]);
}

#[test]
fn a_training_that_diverges_says_so() {
    let room = Room::new("diverges");
    // Whether these settings diverge is the training's business; that nothing panics is ours.
    let ran = room.run("train ../speech -o m.safetensors --all --arch lstm-sa-h4 --epochs 3 --lr 10 --weight-decay 10");
    assert!(ran.code == 0 || ran.stderr.contains("diverged"), "{}", ran.stderr);
}

#[test]
fn features_are_kept_and_a_cache_that_cannot_be_is_no_loss() {
    let room = Room::new("caching");
    let train = |out: &str, more: &str| format!("train ../speech -o {out}.safetensors --cache cache {SMALL} {more}");
    room.does(&train("a", ""));
    assert_eq!(room.list("cache").len(), SPEECH_CLIPS);
    room.does(&train("b", ""));
    assert!(room.read("a.safetensors") == room.read("b.safetensors"));
    room.write("file", "mine");
    // One that was asked for must be there; the user's own need not.
    room.refuses_saying(&format!("train ../speech -o c.safetensors --cache file/deep {SMALL}"), &["file/deep"]);
    let line = format!("train ../speech -o d.safetensors {SMALL}");
    let output = room.command(&line).env("XDG_CACHE_HOME", room.path("file")).output().unwrap();
    let ran = crate::room::Ran::of(&line, output);
    assert!(ran.code == 0 && ran.stderr.contains("note: features are not cached: "), "{}", ran.stderr);
    assert!(room.read("a.safetensors") == room.read("d.safetensors"));
}
