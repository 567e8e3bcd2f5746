//! Labels across corpora: `--map`, `eval` on a corpus of other labels, `cv --folds corpus`, `--balance`.

use crate::test_dir::{Ran, SMALL, TestDir, tone, wav};
use serde_json::{Value, json};

/// Names of emotions by the code in a clip's name.
type Names = [(&'static str, &'static str)];

const FOUR: &Names = &[("02", "calm"), ("04", "sad"), ("05", "angry"), ("06", "fear")];

/// A table of the synthetic corpus: two clips of each emotion of each of these speakers, who are called `PREFIX 1` and so on.
fn table(prefix: &str, speakers: std::ops::RangeInclusive<usize>, names: &Names) -> String {
    let mut table = "path,label,speaker\n".to_string();
    for speaker in speakers {
        for (code, label) in names {
            for intensity in 1..=2 {
                let clip = format!("Actor_{speaker:02}/03-01-{code}-{intensity:02}-01-01-{speaker:02}.wav");
                table += &format!("../speech/{clip},{label},{prefix} {speaker}\n");
            }
        }
    }
    table
}

/// A model of the four emotions, and the clips it is scored on: speakers that are new to it.
fn model_of_four(dir: &TestDir) -> Value {
    dir.write("train.csv", table("a", 1..=3, FOUR));
    dir.does(&format!("train train.csv -o model.safetensors --all {SMALL}"));
    dir.write("same.csv", table("z", 4..=6, FOUR));
    dir.does_json("eval model.safetensors same.csv --json")
}

fn row_sums(confusion: &Value) -> Vec<u64> {
    let sum = |row: &Value| row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    confusion.as_array().unwrap().iter().map(sum).collect()
}

fn ran(dir: &TestDir, line: &str) -> Ran {
    let ran = dir.run(line);
    assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
    ran
}

#[test]
fn a_corpus_with_some_of_the_labels_is_scored_over_the_shared_ones() {
    let dir = TestDir::new("shared-labels");
    let same = model_of_four(&dir);
    assert_eq!((&same["scores"], &same["confusion"]), (&same["shared"]["scores"], &same["shared"]["confusion"]));
    assert_eq!((&same["renamed"], &same["left_out"]), (&json!({}), &json!({ "model": [], "data": {} })));

    // `calm` is the model's alone; `bored` (spoken as 08) and `hoarse` (03) are the corpus's alone.
    let others: &Names = &[("03", "hoarse"), ("04", "sad"), ("05", "angry"), ("06", "fear"), ("08", "bored")];
    dir.write("subset.csv", table("z", 4..=6, others));
    let ran = ran(&dir, "eval model.safetensors subset.csv --json");
    for note in [
        "note: labels that model and data share: angry, fear, sad\n",
        "note: labels of the model without clips: calm\n",
        "note: left out, as the model does not know them: bored (6 clips), hoarse (6 clips)\n",
    ] {
        assert!(ran.stderr.contains(note), "{note}: {}", ran.stderr);
    }
    let scored: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(scored["clips"], 18);
    assert_eq!(scored["left_out"], json!({ "model": ["calm"], "data": { "bored": 6, "hoarse": 6 } }));
    assert_eq!(
        (&scored["labels"], &scored["shared"]["labels"]),
        (&json!(["angry", "calm", "fear", "sad"]), &json!(["angry", "fear", "sad"]))
    );
    assert_eq!(row_sums(&scored["confusion"]), [6, 0, 6, 6]);
    assert_eq!(row_sums(&scored["shared"]["confusion"]), [6, 6, 6]);
    // Unrestricted, the clips have the predictions that they have among all clips.
    for class in [0, 2, 3] {
        assert_eq!(scored["confusion"][class], same["confusion"][class]);
    }
    // A clip that is right among all labels is right among some; calm is predicted no more.
    let recall = |scores: &Value, label: &str| scores["scores"]["recall"][label].as_f64().unwrap();
    for label in ["angry", "fear", "sad"] {
        assert!(recall(&scored["shared"], label) >= recall(&scored, label), "{scored}");
    }
    assert_eq!(scored["scores"]["recall"]["calm"], Value::Null);
    let text = dir.does("eval model.safetensors subset.csv");
    for line in [" on 18 clips, among the 3 shared labels\n", " on 18 clips, among all 4 labels of the model\n"] {
        assert!(text.contains(line), "{text}");
    }
    let live = dir.does_json("eval model.safetensors subset.csv --live --json");
    assert_eq!((row_sums(&live["shared"]["confusion"]), &live["clips"]), (vec![6, 6, 6], &json!(18)));
}

#[test]
fn names_of_one_emotion_are_one_label_and_a_map_gives_others() {
    let dir = TestDir::new("renamed-labels");
    let same = model_of_four(&dir);
    let scored = |line: &str| -> (String, Value) {
        let ran = ran(&dir, &format!("eval model.safetensors {line} --json"));
        (ran.stderr, serde_json::from_str(&ran.stdout).unwrap())
    };
    dir.write(
        "renamed.csv",
        table("z", 4..=6, &[("02", "calm"), ("04", "Sadness"), ("05", "angry"), ("06", "fearful")]),
    );
    let (notes, renamed) = scored("renamed.csv");
    assert!(
        notes.contains("note: `fearful` counts as the model's `fear` (--exact-labels keeps them apart)"),
        "{notes}"
    );
    assert_eq!(renamed["renamed"], json!({ "fearful": "fear", "Sadness": "sad" }));
    assert_eq!(renamed["confusion"], same["confusion"]);
    let (_, exact) = scored("renamed.csv --exact-labels");
    assert_eq!(exact["left_out"], json!({ "model": ["fear", "sad"], "data": { "fearful": 6, "Sadness": 6 } }));
    assert_eq!(exact["shared"]["labels"], json!(["angry", "calm"]));

    // A map knows names that no table of emotions has, and drops.
    dir.write("odd.csv", table("z", 4..=6, &[("02", "c"), ("04", "s"), ("05", "a"), ("06", "f"), ("07", "d")]));
    dir.refuses_saying(
        "eval model.safetensors odd.csv",
        &["odd.csv: expected at least two of the model's labels (angry, calm, fear, sad), found none among a, c, d, f, s"],
    );
    dir.write("map.toml", "drop = ['d']\n[labels]\na = 'angry'\nc = 'calm'\nf = 'fear'\ns = 'sad'\njoy = 'happy'\n");
    let (notes, mapped) = scored("odd.csv --map map.toml");
    for note in [
        "note: odd.csv: 6 clips of `d` are left out (--map)",
        "note: odd.csv: 6 clips of `f` count as `fear` (--map)",
        "note: odd.csv: no clips of joy, which --map names",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
    assert_eq!(mapped["confusion"], same["confusion"]);
    dir.write("one.toml", "[labels]\na = 'angry'\n");
    dir.refuses_saying("eval model.safetensors odd.csv --map one.toml", &["found only angry among", "--map FILE.toml"]);
    dir.write("typo.toml", "[labels]\nfearfull = 'fear'\n");
    dir.refuses_saying(
        "eval model.safetensors renamed.csv --map typo.toml",
        &["got `fearfull` (did you mean `fearful`?)"],
    );
    dir.write("wrong.toml", "fearful = 'fear'\n");
    dir.is_wrong_call(
        "eval model.safetensors renamed.csv --map wrong.toml",
        &["wrong.toml: ", "unknown field `fearful`"],
    );
}

#[test]
fn recordings_of_another_rate_are_resampled_to_the_models() {
    let dir = TestDir::new("other-rate");
    model_of_four(&dir);
    let mut table = "path,label,speaker\n".to_string();
    for (n, label) in ["angry", "fear", "sad", "calm"].into_iter().cycle().take(8).enumerate() {
        let rate = if n < 5 { 16_000 } else { 22_050 };
        dir.write(&format!("low/{n}.wav"), wav(1, 1, rate, 16, &tone(rate, 0.3 + 0.1 * n as f64)));
        table += &format!("{n}.wav,{label},z{}\n", n / 4);
    }
    dir.write("low/low.csv", table);
    let first = ran(&dir, "eval model.safetensors low/low.csv --json");
    let note = "note: low/low.csv: 5 clips at 16000 Hz, 3 clips at 22050 Hz resampled to 48000 Hz";
    assert!(first.stderr.contains(note), "{}", first.stderr);
    let scored: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(scored["sample_rate"], 48_000);
    // From the cache: the same notes, the same scores.
    let second = ran(&dir, "eval model.safetensors low/low.csv --json");
    assert_eq!((first.stdout, first.stderr), (second.stdout, second.stderr));
    // The predictions are those of predict, which resamples too.
    let predicted = dir.does("predict --model model.safetensors --json low/0.wav low/4.wav");
    let angry = predicted.lines().filter(|line| line.contains(r#""label":"angry""#)).count();
    assert_eq!(scored["confusion"][0][0], angry);
    ran(&dir, "eval model.safetensors low/low.csv --live");
}

#[test]
fn a_map_is_as_good_as_a_table_with_other_names_and_is_kept_in_the_plan() {
    let dir = TestDir::new("map");
    dir.write("old.csv", table("p", 1..=6, &[("03", "joy"), ("04", "blue"), ("05", "angry"), ("07", "disgusted")]));
    dir.write("new.csv", table("p", 1..=6, &[("03", "happy"), ("04", "sad"), ("05", "angry")]));
    dir.write("map.toml", "drop = ['disgusted']\n[labels]\njoy = 'happy'\nblue = 'sad'\n");
    let map = json!({ "labels": { "joy": "happy", "blue": "sad" }, "drop": ["disgusted"] });
    for (data, out) in [("new.csv", "new"), ("old.csv --map map.toml", "old")] {
        dir.does(&format!("cv {data} -o {out} --folds k=3 {SMALL}"));
        dir.does(&format!("train {data} -o {out}.safetensors {SMALL}"));
        dir.write("grid.toml", "arch = 'reslstm-sa-h4'\nepochs = 3\nfolds = 'k=3'\n");
        dir.does(&format!("sweep plan grid.toml {data} -o sweep-{out}"));
        dir.does(&format!("sweep run sweep-{out}"));
        dir.does(&format!("sweep collect sweep-{out} -o sweep-{out}.json"));
        dir.write("candidates.toml", "[all]\narch = 'lstm-sa-h4'\nepochs = 1\n[candidates.only]\n");
        dir.does(&format!("nested {data} -o nested-{out} --candidates candidates.toml --folds 0,1 --inner 2 --runs 1"));
        dir.does(&format!("tune {data} --study {out}.journal --trials 1 --folds k=3 --arch lstm-sa-h4 --epochs 1"));
    }
    assert_eq!(dir.read("new/summary.json"), dir.read("old/summary.json"));
    assert!(dir.read("new.safetensors") == dir.read("old.safetensors"));
    assert_eq!(dir.read("sweep-new.json"), dir.read("sweep-old.json"));
    assert_eq!(dir.read("old/summary.json"), dir.read("sweep-old.json"));
    assert_eq!(dir.read("nested-new/tested/summary.json"), dir.read("nested-old/tested/summary.json"));
    assert_eq!(dir.json("old/plan.json")["plan"]["map"], map);
    assert_eq!(dir.json("sweep-old/plan.json")["reading"]["map"], map);
    assert_eq!(dir.json("nested-old/tested/plan.json")["plan"]["map"], map);
    assert!(String::from_utf8(dir.read("old.journal")).unwrap().contains(r#""map":{"drop":["disgusted"]"#));
    assert_eq!(dir.json("new/plan.json")["plan"].get("map"), None);
    assert_eq!(dir.json("sweep-new/plan.json").get("reading"), None);
    // Robustness reads labels as the plan says.
    dir.does("robustness old old.csv");
    dir.refuses_saying(&format!("cv old.csv -o old --folds k=3 --resume {SMALL}"), &["map was {", "now null"]);
    dir.does(&format!("cv old.csv --map map.toml -o old --folds k=3 --resume {SMALL}"));
}

#[test]
fn each_corpus_is_left_out_once_and_names_its_fold() {
    let dir = TestDir::new("leave-corpus-out");
    dir.does("synth others --speakers 3 --statements 1 --repetitions 1 --seed 9");
    dir.write("some.csv", table("s", 1..=2, &[("03", "happiness"), ("04", "sad"), ("05", "anger"), ("06", "bored")]));
    let line = "--folds corpus --recipe paper --arch lstm-sa-h4 --epochs 2 --runs 2";
    let table = dir.does(&format!("cv ../speech others -o out {line}"));
    for row in ["  on others ", "  on speech "] {
        assert!(table.contains(row), "{table}");
    }
    let summary = &dir.json("out/summary.json")["models"][0];
    let corpora: Vec<(&str, u64)> = summary["corpora"]
        .as_array()
        .unwrap()
        .iter()
        .map(|corpus| (corpus["name"].as_str().unwrap(), corpus["clips"].as_u64().unwrap()))
        .collect();
    assert_eq!(corpora, [("others", 45), ("speech", 90)]);
    let run = dir.json("out/runs/run1.json");
    for (fold, corpus) in run["folds"].as_array().unwrap().iter().zip(["others", "speech"]) {
        let speakers = |part: &str| -> Vec<String> { serde_json::from_value(fold["split"][part].clone()).unwrap() };
        let of_corpus = |speaker: &String| speaker.starts_with(&format!("{corpus}/"));
        assert!(speakers("test").iter().all(of_corpus));
        assert!(!speakers("train").iter().chain(&speakers("validation")).any(of_corpus));
        let place = usize::from(corpus == "speech");
        assert_eq!(fold["test_uar"], summary["corpora"][place]["uar"]["values"][1]);
    }
    // Speakers of both corpora have the same numbers, and are different people.
    let clips = dir.json("out/clips.json");
    let speakers: std::collections::BTreeSet<&str> =
        clips.as_array().unwrap().iter().map(|clip| clip["speaker"].as_str().unwrap()).collect();
    assert_eq!(speakers.len(), 9);
    // The order of DATA changes no byte.
    dir.does(&format!("cv others ../speech -o swapped {line}"));
    assert_eq!(dir.read("out/summary.json"), dir.read("swapped/summary.json"));
    dir.does("report out -o page.html");
    let page = String::from_utf8(dir.read("page.html")).unwrap();
    assert!(page.contains(">others<") && page.contains(">speech<"), "the folds are named by their corpora");

    // The same training by itself, and one for use.
    dir.does("train others ../speech -o one.safetensors --folds corpus:0 --recipe paper --arch lstm-sa-h4 --epochs 2");
    assert!(dir.read("one.safetensors") == dir.read("out/models/run0-fold0.safetensors"));
    dir.does(&format!("train others ../speech -o all.safetensors --all {SMALL}"));

    // A model knows its training speakers in their own corpus too.
    let trained_on = |data: &str| ran(&dir, &format!("eval out/models/run0-fold0.safetensors {data}")).stderr;
    assert!(trained_on("../speech").contains("warning: some speakers have names of training speakers"));

    // Other folds pool the speakers.
    dir.does(&format!("cv ../speech others -o pooled --folds k=3 {SMALL}"));
    assert_eq!(dir.json("pooled/summary.json")["models"][0].get("corpora"), None);

    dir.refuses_saying("cv ../speech -o no --folds corpus", &["`01` names none (name several DATA, or call speakers"]);
    dir.refuses_saying("cv ../speech ../speech/ -o no --folds corpus", &["are both speech (rename one of them"]);
    assert!(!dir.path("no").exists());
    dir.refuses_saying(
        &format!("cv others some.csv -o no --exact-labels --folds corpus {SMALL}"),
        &["expected at least two labels that all DATA have, found only sad", "--map FILE.toml"],
    );
    let ran = ran(&dir, &format!("cv others some.csv -o shared --folds corpus {SMALL}"));
    for note in [
        "note: `anger` of some counts as `angry`",
        "note: `happiness` of some counts as `happy`",
        "note: labels that all DATA have: angry, happy, sad; left out: neutral of others (3 clips), calm of others (6 clips)",
        "bored of some (4 clips)",
    ] {
        assert!(ran.stderr.contains(note), "{note}: {}", ran.stderr);
    }
    let labels = &dir.json("shared/summary.json")["models"][0]["labels"];
    assert_eq!(labels, &json!(["angry", "happy", "sad"]));
}

#[test]
fn a_class_that_only_the_corpus_left_out_has_is_named() {
    let dir = TestDir::new("missing-in-corpora");
    // One table, whose speakers name their corpora.
    let rare = table("A/s", 1..=3, &[("04", "sad"), ("05", "angry"), ("06", "rare")]);
    let others = table("B/s", 4..=6, &[("04", "sad"), ("05", "angry")]);
    dir.write("both.csv", rare + others.split_once('\n').unwrap().1);
    let ran = ran(&dir, &format!("cv both.csv -o out --folds corpus {SMALL}"));
    let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(
        warnings,
        ["warning: fold A: no training speaker has a clip of 'rare', so none of its 6 test clips can be recognised"]
    );
    dir.does(&format!("cv both.csv -o one --folds corpus:1 {SMALL}"));
    assert_eq!(dir.json("one/summary.json")["models"][0]["corpora"][0]["name"], "B");
}

#[test]
fn rare_classes_count_as_much_as_others_by_weights() {
    let dir = TestDir::new("balance");
    // Each speaker: two clips of each of two classes, and the first one has two of a third.
    let rare = table("p", 1..=1, &[("06", "rare")]);
    let common = table("p", 1..=6, &[("04", "sad"), ("05", "angry")]);
    dir.write("rare.csv", common + rare.split_once('\n').unwrap().1);
    let train = |out: &str, more: &str| dir.does(&format!("train rare.csv -o {out} --folds 1 {SMALL} {more}"));
    train("plain.safetensors", "");
    train("none.safetensors", "--balance none");
    train("weights.safetensors", "--balance weights");
    train("sharp.safetensors", "--label-smoothing 0");
    train("smooth.safetensors", "--label-smoothing 0.1");
    train("both.safetensors", "--label-smoothing 0.1 --balance weights");
    dir.write("mine.toml", "arch = 'reslstm-sa-h4'\nepochs = 3\nbalance = 'weights'\n");
    dir.does("train rare.csv -o recipe.safetensors --folds 1 --recipe mine.toml");
    assert!(dir.read("plain.safetensors") == dir.read("none.safetensors"));
    assert!(dir.read("plain.safetensors") == dir.read("sharp.safetensors"));
    assert!(dir.read("plain.safetensors") != dir.read("smooth.safetensors"));
    assert!(dir.read("both.safetensors") != dir.read("smooth.safetensors"));
    assert!(dir.read("both.safetensors") != dir.read("weights.safetensors"));
    assert!(dir.read("weights.safetensors") == dir.read("recipe.safetensors"));
    assert!(dir.read("weights.safetensors") != dir.read("plain.safetensors"));
    let settings = |model: &str| dir.does_json(&format!("info {model} --json"))["metadata"]["settings"].clone();
    assert_eq!(settings("weights.safetensors")["balance"], "weights");
    assert_eq!(settings("plain.safetensors").get("balance"), None);
    assert_eq!(settings("plain.safetensors").get("label-smoothing"), None);
    assert_eq!(settings("both.safetensors")["label-smoothing"], 0.1);
    dir.refuses_saying(
        &format!("train rare.csv -o plain.safetensors --folds 1 {SMALL} --balance weights --resume"),
        &["settings.balance was null, now \"weights\""],
    );
    dir.is_wrong_call(
        &format!("train rare.csv -o no.safetensors {SMALL} --balance batches"),
        &["possible values: none, weights"],
    );
    dir.write("grid.toml", "arch = 'lstm-sa-h4'\nbalance = ['none', 'weights']\nepochs = 1\nfolds = '1'\n");
    dir.does("sweep plan grid.toml rare.csv -o sweep");
    dir.does("sweep run sweep");
    assert!(dir.does("sweep collect sweep").contains("balance=\"weights\""));
}
