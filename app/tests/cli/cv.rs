//! `cv`: its folder, its scores, and what it refuses.

use crate::test_dir::{SMALL, SPEECH_CLIPS, TestDir};
use reslstm::data::folds::{FoldPlan, Split};
use reslstm_cli::corpus::{Corpus, Reading};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn total(confusion: &Value) -> u64 {
    confusion.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum()
}

#[test]
fn voices_are_varied_and_weights_averaged_the_same_on_any_number_of_threads() {
    let dir = TestDir::new("augment");
    let line = "cv ../speech --folds k=3 --recipe paper --arch reslstm-sa-h4 --epochs 6 --t0 2 --augment voices --weights average";
    let table = dir.does(&format!("{line} -o one --threads 1"));
    dir.does(&format!("{line} -o two --threads 2"));
    assert_eq!(dir.read("one/summary.json"), dir.read("two/summary.json"));
    assert_eq!(dir.read("one/models/run0-fold2.safetensors"), dir.read("two/models/run0-fold2.safetensors"));
    let run = dir.json("one/runs/run0.json");
    assert_eq!(run["settings"]["augment"]["speeds"], serde_json::json!([0.84, 0.92, 1.0, 1.09, 1.19]));
    // Cycles end with epochs 4 and 6 in the second half of six: two snapshots.
    let parameters = run["parameters"].as_u64().unwrap();
    let others = run["others"].as_array().unwrap();
    let names: Vec<&str> = others.iter().map(|other| other["name"].as_str().unwrap()).collect();
    let all = ["last epoch", "snapshots together", "average at every speed", "snapshots at every speed"];
    assert_eq!(names, all);
    for (other, models) in others.iter().zip([1, 2, 1, 2]) {
        assert_eq!(other["parameters"], models * parameters);
        // One run has no deviation.
        let uar = format!(" {:.4} ", other["uar"].as_f64().unwrap());
        assert!(table.contains(&uar) && !table.contains(" ± 0"), "{table}");
    }
    let first = &run["folds"][0];
    assert_eq!((&first["best_epoch"], first["others"][3]["predictions"].as_array().unwrap().len()), (&5.into(), 30));

    // Clips are varied: without augmentation, other weights come out.
    dir.does(&format!("{} -o plain", line.replace("--augment voices", "")));
    assert_ne!(dir.read("plain/models/run0-fold2.safetensors"), dir.read("one/models/run0-fold2.safetensors"));

    // A file, a table and a config give the same as the preset.
    let table = "speeds = [0.84, 0.92, 1.0, 1.09, 1.19]\nstretch = 0.2\nnoise = 0.5\n";
    dir.write("mine.toml", table);
    dir.does(&format!("{} -o mine", line.replace("voices", "mine.toml")));
    assert_eq!(dir.read("mine/summary.json"), dir.read("one/summary.json"));
    dir.write("config.toml", format!("[augment]\n{table}"));
    let config = line.replace("--augment voices", "--config config.toml");
    let inline = format!("{{{}}}", table.trim_end().replace('\n', ", "));
    let planned = |out: &str, augment: &[&str]| {
        let mut command = dir.command(&format!("{config} -o {out}"));
        assert!(command.args(augment).output().unwrap().status.success());
        dir.read(&format!("{out}/summary.json"))
    };
    assert_eq!(planned("config", &[]), dir.read("one/summary.json"));
    assert_eq!(planned("inline", &["--augment", &inline]), dir.read("one/summary.json"));

    // Where no other speed is drawn, there are no rows that average over them.
    dir.write("phone.toml", "conditions = ['telephone', { noise = { snr = 20 } }]\n");
    dir.does(&format!("{} -o phone", line.replace("voices", "phone.toml")));
    let rows =
        |folder: &str| dir.json(&format!("{folder}/summary.json"))["models"][0]["others"].as_array().unwrap().len();
    assert_eq!((rows("phone"), rows("plain"), rows("one")), (2, 2, 4));
    assert_ne!(dir.read("phone/models/run0-fold0.safetensors"), dir.read("plain/models/run0-fold0.safetensors"));

    dir.does(
        "train ../speech -o all.safetensors --all --recipe paper --arch lstm-sa-h4 --epochs 4 --t0 2 --weights average",
    );

    // With the validation speakers in training nobody judges the epochs, and other weights come out.
    dir.does(&format!("{line} -o more --validation train"));
    let fold = &dir.json("more/runs/run0.json")["folds"][0];
    assert_eq!((&fold["validation_uar"], &fold["epochs"]["validation_uar"]), (&Value::Null, &serde_json::json!([])));
    assert_ne!(dir.read("more/models/run0-fold2.safetensors"), dir.read("one/models/run0-fold2.safetensors"));
    dir.does("figure learning-curves more -o curves.svg");
    let svg = String::from_utf8(dir.read("curves.svg")).unwrap();
    assert!(svg.contains("training loss") && !svg.contains("validation UAR"));

    dir.write("bad.toml", "speeds = [3.0]\n");
    dir.write("faster.toml", "conditions = [{ speed = 1.1 }]\n");
    dir.write("odd.toml", "pitch = 2\n");
    for (change, message) in [
        ("--augment bad.toml", "--augment: speeds: expected at least one, each from 0.5 to 2, got [3.0]"),
        (
            "--augment faster.toml",
            "--augment: conditions: expected telephone, small-speaker, clipped, mu-law, gsm-like",
        ),
        ("--augment odd.toml", "odd.toml: unknown field `pitch`"),
        ("--augment nowhere.toml", "nowhere.toml: No such file"),
        ("--augment voices --protocol published", "augment: expected none under the published protocol"),
        ("--validation train", "validation: expected apart, as the best epoch"),
        ("--weights mean", "possible values: best, last, average"),
        ("--weights average --t0 50", "weights: expected a cycle to end in the second half"),
    ] {
        dir.is_wrong_call(&format!("cv ../speech -o bad --recipe paper --epochs 5 {change}"), &[message]);
    }
}

#[test]
fn every_new_condition_trains_and_shares_change_the_draws() {
    let dir = TestDir::new("conditions");
    let line = "train ../speech --folds k=3:0 --recipe paper --arch reslstm-sa-h4 --epochs 1";
    let conditions = "conditions = ['mu-law', 'gsm-like', 'mp3', { rate = { hz = 11025 } }, { room = { rt60 = 0.3 } }, \
                      { babble = { snr = 10 } }]";
    dir.write("equal.toml", format!("{conditions}\n"));
    dir.write("shares.toml", format!("{conditions}\nshares = {{ speeds = 0, conditions = 0.3 }}\n"));
    for name in ["equal", "shares"] {
        dir.does(&format!("{line} -o {name}.safetensors --augment {name}.toml"));
    }
    assert_ne!(dir.read("equal.safetensors"), dir.read("shares.safetensors"));
    let augment = dir.does_json("info shares.safetensors --json")["metadata"]["settings"]["augment"].clone();
    assert_eq!(augment["shares"], serde_json::json!({ "speeds": 0.0, "conditions": 0.3 }));
    dir.write("speeds.toml", "shares = { speeds = 0.5, conditions = 0 }\n");
    dir.is_wrong_call(
        &format!("{line} -o bad.safetensors --augment speeds.toml"),
        &["--augment: shares: expected probabilities of at most 1 together, and 0 where there is no other speed"],
    );
}

#[test]
fn balanced_folds_and_a_linear_svm_beside_the_models() {
    let dir = TestDir::new("baseline");
    let line = format!("cv ../speech -o out --folds balanced=3 {SMALL}");
    let table = dir.does(&format!("{line} --baseline svm"));
    assert!(["linear SVM", "linear SVM, per speaker: transductive"].iter().all(|text| table.contains(text)), "{table}");
    let baselines = dir.json("out/baseline.json");
    let [strict, transductive] = [&baselines[0], &baselines[1]];
    assert_eq!((total(&strict["confusion"]), strict.get("score_note")), (SPEECH_CLIPS as u64, None));
    assert!(transductive["score_note"].as_str().unwrap().starts_with("transductive"));
    // It has the folds of the models: the same clips of each class.
    let run = dir.json("out/runs/run0.json");
    for (fold, of_models) in strict["folds"].as_array().unwrap().iter().zip(run["folds"].as_array().unwrap()) {
        let occurred = |confusion: &Value| -> Vec<u64> {
            confusion.as_array().unwrap().iter().map(|row| numbers(row).iter().sum::<f64>() as u64).collect()
        };
        assert_eq!(occurred(&fold["confusion"]), occurred(&of_models["confusion"]));
    }
    // A finished cross-validation gets it too, the same on any number of threads, and the summary is what it was.
    let summary = dir.read("out/summary.json");
    let printed = dir.does_json(&format!("{line} --baseline svm --resume --json --threads 1"));
    assert_eq!((&printed["baselines"], dir.json("out/baseline.json")), (&baselines, baselines.clone()));
    assert_eq!(dir.read("out/summary.json"), summary);
    assert_eq!(printed["models"], dir.json("out/summary.json")["models"]);
}

/// The speakers of URDU have 2 to 80 clips, most of one class.
#[test]
fn balanced_folds_of_urdu_have_about_as_many_clips_of_each_class() {
    let Some(corpora) = std::env::var_os("CORPORA_DIR").map(std::path::PathBuf::from) else {
        println!("skipped: CORPORA_DIR is not set");
        return;
    };
    let corpus = Corpus::open(&corpora.join("urdu"), &Reading::default()).unwrap();
    let classes = corpus.labels().count();
    let tested = |plan: &str| -> Vec<Vec<usize>> {
        let clips = corpus.entries().iter().map(|entry| (&entry.speaker[..], entry.label));
        let splits = plan.parse::<FoldPlan>().unwrap().splits_of(clips).unwrap();
        let count = |split: &Split, class: usize| {
            corpus.entries().iter().filter(|it| it.label == class && split.test().contains(&it.speaker)).count()
        };
        splits.iter().map(|split| (0..classes).map(|class| count(split, class)).collect()).collect()
    };
    let sums = |tested: &[Vec<usize>]| -> Vec<usize> { tested.iter().map(|fold| fold.iter().sum()).collect() };
    let (dealt, balanced) = (tested("k=5"), tested("balanced"));
    println!(
        "URDU, clips of each class: k=5 {dealt:?} {:?}; balanced {balanced:?} {:?}",
        sums(&dealt),
        sums(&balanced)
    );
    assert_eq!(sums(&dealt), [134, 158, 40, 44, 24]);
    // One speaker has 72 of the 100 neutral clips and 8 happy ones.
    assert_eq!(sums(&balanced), [96, 80, 68, 82, 74]);
}

#[test]
fn cv_leaves_runs_models_and_a_summary_that_agree() {
    let dir = TestDir::new("cv");
    let stdout = dir.does(&format!("cv ../speech -o out --runs 2 --folds k=3 --json {SMALL}"));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), dir.json("out/summary.json"));
    assert_eq!(dir.list("out"), ["clips.json", "models", "plan.json", "runs", "summary.json", "unfinished"]);
    assert_eq!((dir.list("out/models").len(), dir.list("out/unfinished").len()), (6, 0));

    let summary = &dir.json("out/summary.json")["models"][0];
    assert_eq!((&summary["arch"], &summary["protocol"]), (&"reslstm-sa-h4".into(), &"strict".into()));
    let values = numbers(&summary["uar"]["values"]);
    let mean = values.iter().sum::<f64>() / 2.0;
    let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    for (name, expected) in [("mean", mean), ("std", std), ("max", values[0].max(values[1]))] {
        assert!((summary["uar"][name].as_f64().unwrap() - expected).abs() < 1e-12, "{name}: {summary}");
    }
    assert_eq!(total(&summary["confusion"]), 2 * SPEECH_CLIPS as u64);

    for (number, uar) in values.into_iter().enumerate() {
        let run = dir.json(&format!("out/runs/run{number}.json"));
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
    let dir = TestDir::new("threads");
    for threads in [1, 2] {
        dir.does(&format!("cv ../speech -o t{threads} --folds k=3 --threads {threads} {SMALL}"));
    }
    for model in dir.list("t1/models") {
        assert!(dir.read(&format!("t1/models/{model}")) == dir.read(&format!("t2/models/{model}")), "{model}");
    }
    assert!(dir.read("t1/summary.json") == dir.read("t2/summary.json"));
    // One fold trained alone is that fold of the whole.
    dir.does(&format!("train ../speech -o alone.safetensors --folds 1 {SMALL}"));
    dir.does(&format!("cv ../speech -o whole --folds 1 {SMALL}"));
    assert!(dir.read("alone.safetensors") == dir.read("whole/models/run0-fold1.safetensors"));
}

#[test]
fn the_published_protocol_and_every_family_run() {
    let dir = TestDir::new("protocols");
    for (out, line) in [
        ("published", "--arch reslstm-sa-h4 --protocol published"),
        ("plain", "--arch lstm-sa-h4"),
        ("two", "--arch lstm-sa-h4-2vectors --protocol published"),
    ] {
        let table = dir.does(&format!("cv ../speech -o {out} --recipe paper --folds 0,2 --epochs 2 {line}"));
        assert!(table.contains("UAR mean ± std") && table.contains("surprised"), "{table}");
        assert_eq!(dir.json(&format!("{out}/summary.json"))["models"][0]["folds"], serde_json::json!([0, 2]));
    }
    let ran = dir.run("eval --json published/models/run0-fold0.safetensors ../speech");
    let uar = &serde_json::from_str::<Value>(&ran.stdout).unwrap()["scores"]["uar"];
    assert_eq!(uar, &dir.json("published/runs/run0.json")["folds"][0]["test_uar"]);
}

#[test]
fn a_manifest_brings_its_own_labels_and_speakers() {
    let dir = TestDir::new("manifest");
    let mut table = "speaker,label,path\n".to_string();
    for speaker in 1..=4 {
        for (emotion, label) in [("04", "low, slow"), ("05", "loud")] {
            for intensity in 1..=2 {
                let clip = format!("Actor_{speaker:02}/03-01-{emotion}-{intensity:02}-01-01-{speaker:02}.wav");
                table += &format!("person {speaker},\"{label}\",../speech/{clip}\n");
            }
        }
    }
    dir.write("corpus.csv", table);
    dir.does(&format!("cv corpus.csv -o k3 --folds k=3 {SMALL}"));
    let summary = &dir.json("k3/summary.json")["models"][0];
    assert_eq!((&summary["labels"], total(&summary["confusion"])), (&serde_json::json!(["loud", "low, slow"]), 16));
    dir.does(&format!("cv corpus.csv -o loso --folds loso {SMALL}"));
    let run = dir.json("loso/runs/run0.json");
    let tested: Vec<&Value> = run["folds"].as_array().unwrap().iter().map(|fold| &fold["split"]["test"][0]).collect();
    assert_eq!(tested, ["person 1", "person 2", "person 3", "person 4"]);
    // Too few speakers for the folds is known before any work.
    dir.refuses_saying("cv corpus.csv -o k5 --folds k=5", &["corpus.csv: ", "as many speakers as folds, 5, found 4"]);
    assert!(!dir.path("k5").exists());
}

#[test]
fn a_table_from_a_spreadsheet_on_windows_is_read_and_says_how() {
    let dir = TestDir::new("spreadsheet");
    let plain = table(4, |_| vec!["04", "05"]);
    dir.write("plain.csv", &plain);
    // Semicolons, backslashes, a column more, another name for the label; and a speaker with another case in one place.
    let other: String = plain
        .lines()
        .map(|line| match line {
            "path,label,speaker" => "Path;Emotion;Speaker;age\r\n".to_string(),
            line => format!("{};40\r\n", line.replace(',', ";").replace('/', "\\")),
        })
        .collect();
    dir.write("windows.csv", other.replacen("speaker 4", "Speaker 4", 1));
    let run = |table: &str| {
        let ran = dir.run(&format!("cv {table}.csv -o {table} --folds loso {SMALL}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.stderr, dir.json(&format!("{table}/runs/run0.json"))["folds"].clone())
    };
    let ((silent, _), (said, folds)) = (run("plain"), run("windows"));
    assert!(!silent.contains("note: ") && !silent.contains("warning: "), "{silent}");
    for words in [
        "note: label is the column `Emotion` (windows.csv)",
        "note: columns that are not used: `age` (windows.csv)",
        "warning: speakers `Speaker 4` and `speaker 4` look alike but count as different people",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(folds.as_array().unwrap().len(), 5);
}

#[test]
fn the_folder_of_another_known_corpus_needs_no_table() {
    let dir = TestDir::new("known-corpus");
    // Synthetic speech under the names of EMOVO: f1 to f3, m1; two emotions of two sentences each.
    for (speaker, name) in (1..).zip(["f1", "f2", "f3", "m1"]) {
        for (class, emotion) in [("04", "tri"), ("05", "rab")] {
            for sentence in 1..=2 {
                let clip = dir
                    .read(&format!("../speech/Actor_{speaker:02}/03-01-{class}-{sentence:02}-01-01-{speaker:02}.wav"));
                dir.write(&format!("emovo/{name}/{emotion}-{name}-b{sentence}.wav"), clip);
            }
        }
    }
    let ran = dir.run(&format!("cv emovo -o out {SMALL}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("note: recognised as EMOVO: acted Italian (Costantini"), "{}", ran.stderr);
    let summary = dir.json("out/summary.json");
    assert_eq!(summary["models"][0]["labels"], serde_json::json!(["angry", "sad"]));
    assert_eq!(total(&summary["models"][0]["confusion"]), 16);
    let info: Value = serde_json::from_str(&dir.does("info out/models/run0-fold0.safetensors --json")).unwrap();
    assert!(info["metadata"]["licence"].as_str().unwrap().contains("EMOVO"), "{info}");
}

/// The first `speakers` of the synthetic corpus, each with two clips of each class in `classes(speaker)`.
fn table(speakers: usize, classes: impl Fn(usize) -> Vec<&'static str>) -> String {
    let mut table = "path,label,speaker\n".to_string();
    for speaker in 1..=speakers {
        for class in classes(speaker) {
            for intensity in 1..=2 {
                let clip = format!("Actor_{speaker:02}/03-01-{class}-{intensity:02}-01-01-{speaker:02}.wav");
                table += &format!("../speech/{clip},class {class},speaker {speaker}\n");
            }
        }
    }
    table
}

#[test]
fn few_speakers_are_left_out_one_by_one_and_what_cannot_be_is_refused_with_advice_that_works() {
    let dir = TestDir::new("few-speakers");
    for speakers in 1..=4 {
        dir.write(&format!("{speakers}.csv"), table(speakers, |_| vec!["04", "05"]));
    }
    for speakers in [3, 4] {
        let ran = dir.run(&format!("cv {speakers}.csv -o cv{speakers} {SMALL}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let note = format!("note: {speakers} speakers are too few for five folds, so each fold leaves out one");
        assert!(ran.stderr.contains(&note), "{}", ran.stderr);
        let folds = dir.json(&format!("cv{speakers}/runs/run0.json"))["folds"].as_array().unwrap().len();
        assert_eq!(folds, speakers);
        dir.does(&format!("train {speakers}.csv -o m{speakers}.safetensors --folds 2 {SMALL}"));
    }
    dir.does(&format!("train 4.csv -o loso.safetensors --folds loso:3 {SMALL}"));
    let info: Value = serde_json::from_str(&dir.does("info loso.safetensors --json")).unwrap();
    assert_eq!(info["metadata"]["test_speakers"], serde_json::json!(["speaker 4"]));
    dir.does(&format!("train 4.csv -o k3.safetensors --folds k=3:1 {SMALL}"));
    dir.refuses_saying("cv 4.csv -o k5 --folds k=5", &["found 4 (`k=4` or `loso` leaves out one speaker per fold)"]);
    dir.does(&format!("cv 4.csv -o k4 --folds k=4 {SMALL}"));
    dir.refuses_saying("train 3.csv -o m.safetensors --folds 3", &["folds `3`: expected folds from 0 to 2", "got 3"]);
    for speakers in [1, 2] {
        for command in ["cv", "train"] {
            let line = format!("{command} {speakers}.csv -o out.safetensors {SMALL}");
            dir.refuses_saying(&line, &["expected at least 3 speakers", "train --all trains on everyone"]);
        }
        dir.does(&format!("train {speakers}.csv -o all{speakers}.safetensors --all {SMALL}"));
    }
}

#[test]
fn a_class_that_no_training_speaker_has_is_named() {
    let dir = TestDir::new("missing-class");
    dir.write("own.csv", table(5, |speaker| if speaker == 5 { vec!["04", "05", "03"] } else { vec!["04", "05"] }));
    let ran = dir.run(&format!("cv own.csv -o out --folds loso {SMALL}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    let expected = |fold: usize, tests: usize| {
        format!(
            "warning: fold {fold}: no training speaker has a clip of 'class 03', so none of its {tests} test clips can be recognised"
        )
    };
    // Fold 3 has speaker 5 for validation: nobody trains the class, and nobody is tested on it.
    assert_eq!(warnings, [expected(3, 0), expected(4, 2)]);
    // The UAR of a fold is over the classes that occur among its test clips.
    let run = dir.json("out/runs/run0.json");
    for fold in run["folds"].as_array().unwrap() {
        let rows = fold["confusion"].as_array().unwrap();
        let recalls = rows.iter().enumerate().filter_map(|(class, row)| {
            let counts: Vec<u64> = row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
            let occurred: u64 = counts.iter().sum();
            (occurred > 0).then(|| counts[class] as f64 / occurred as f64)
        });
        let recalls: Vec<f64> = recalls.collect();
        let uar = recalls.iter().sum::<f64>() / recalls.len() as f64;
        assert!((fold["test_uar"].as_f64().unwrap() - uar).abs() < 1e-12, "{fold}");
    }
}

#[test]
fn a_config_file_says_what_flags_say_and_flags_win() {
    let dir = TestDir::new("config");
    let config = "arch = 'lstm-sa-h4'\nepochs = 2\nweight-decay = 0.5\nfolds = '0'\nthreads = 1\ncache = 'cache'\nresume = true\n";
    dir.write("config.toml", config);
    dir.does("cv ../speech -o out --recipe paper --config config.toml --epochs 1");
    let run = dir.json("out/runs/run0.json");
    let settings = &run["settings"];
    assert_eq!((&settings["arch"], &settings["epochs"]), (&"lstm-sa-h4".into(), &1.into()));
    assert_eq!((&settings["weight-decay"], &run["made"]["threads"]), (&0.5.into(), &1.into()));
    assert_eq!((dir.list("out/models").len(), dir.list("cache").len()), (1, SPEECH_CLIPS));
    dir.does("cv ../speech -o out --recipe paper --config config.toml --epochs 1");
    dir.write("typo.toml", "epoch = 2\n");
    dir.is_wrong_call(
        "cv ../speech -o typo --config typo.toml",
        &["typo.toml, line 1: unknown setting `epoch`", "epochs"],
    );
    dir.write("type.toml", "epochs = 2\nlr = 'high'\n");
    dir.is_wrong_call(
        "cv ../speech -o typo --config type.toml",
        &["type.toml, line 2: lr: expected a number, got \"high\""],
    );
    dir.is_wrong_call("cv ../speech -o typo --config none.toml", &["none.toml"]);
    assert!(!dir.path("typo").exists());
}

#[test]
fn features_are_kept_and_a_cache_that_cannot_be_is_no_loss() {
    let dir = TestDir::new("caching");
    let train = |out: &str, more: &str| format!("train ../speech -o {out}.safetensors --cache cache {SMALL} {more}");
    dir.does(&train("a", ""));
    assert_eq!(dir.list("cache").len(), SPEECH_CLIPS);
    dir.does(&train("b", ""));
    assert!(dir.read("a.safetensors") == dir.read("b.safetensors"));
    dir.write("file", "mine");
    // One that was asked for must be there; the user's own need not.
    dir.refuses_saying(&format!("train ../speech -o c.safetensors --cache file/deep {SMALL}"), &["file/deep"]);
    let line = format!("train ../speech -o d.safetensors {SMALL}");
    let output = dir.command(&line).env("XDG_CACHE_HOME", dir.path("file")).output().unwrap();
    let ran = crate::test_dir::Ran::new(&line, output);
    assert!(ran.code == 0 && ran.stderr.contains("note: features are not cached: "), "{}", ran.stderr);
    assert!(dir.read("a.safetensors") == dir.read("d.safetensors"));
}
