//! `paper`: its tables say what its runs say, whatever happens on the way.

use crate::resume::stop;
use crate::test_dir::{SPEECH_CLIPS, TestDir};
use serde_json::{Value, json};

/// Of each family and protocol another choice, so that none can be taken for another.
const CHOICES: &str = "
[lstm-sa.strict]
lr = 0.01
weight-decay = 0.001
dropout = 0.1
t0 = 2
batch = 8
[lstm-sa.published]
lr = 0.02
weight-decay = 0.002
dropout = 0.2
t0 = 3
batch = 9
[reslstm-sa.strict]
lr = 0.03
weight-decay = 0.003
dropout = 0.3
t0 = 4
batch = 10
search = { study = 'mine.journal', trial = 7, value = 0.25 }
[reslstm-sa.published]
lr = 0.04
weight-decay = 0.004
dropout = 0.4
t0 = 5
batch = 11
[lstm-sa.table1]
lr = 0.05
weight-decay = 0.005
dropout = 0.5
t0 = 6
batch = 12
[reslstm-sa.table1]
lr = 0.06
weight-decay = 0.006
dropout = 0.6
t0 = 7
batch = 13
";

const ROWS: [&str; 6] = [
    "lstm-sa-h4-strict",
    "reslstm-sa-h4-strict",
    "lstm-sa-h4-published",
    "reslstm-sa-h4-published",
    "lstm-sa-h4-table1",
    "reslstm-sa-h4-table1",
];
const TABLES: [&str; 6] = ["table1.csv", "table1.json", "table1.txt", "table2.csv", "table2.json", "table2.txt"];

fn line(out: &str, epochs: usize) -> String {
    format!(
        "paper ../speech -o {out} --arch lstm-sa-h4,reslstm-sa-h4 --runs 2 --epochs {epochs} --folds k=3 --hyperparameters mine.toml"
    )
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("expected a number, got {value}"))
}

/// Everything but the runs, which hold times.
fn assert_same(dir: &TestDir, a: &str, b: &str) {
    for table in TABLES {
        assert!(dir.read(&format!("{a}/{table}")) == dir.read(&format!("{b}/{table}")), "{table}");
    }
    assert_eq!(dir.list(&format!("{a}/figures")), dir.list(&format!("{b}/figures")));
    for figure in dir.list(&format!("{a}/figures")) {
        assert!(dir.read(&format!("{a}/figures/{figure}")) == dir.read(&format!("{b}/figures/{figure}")), "{figure}");
    }
    for row in ROWS {
        let visible = |folder: &str| -> Vec<String> {
            let names = dir.list(&format!("{folder}/{row}/models"));
            names.into_iter().filter(|name| !name.starts_with('.')).map(|name| format!("models/{name}")).collect()
        };
        assert_eq!((visible(a).len(), visible(a)), (6, visible(b)));
        for file in visible(a).iter().map(String::as_str).chain(["summary.json", "plan.json"]) {
            assert!(dir.read(&format!("{a}/{row}/{file}")) == dir.read(&format!("{b}/{row}/{file}")), "{row}/{file}");
        }
    }
}

#[test]
fn the_tables_say_what_the_runs_say() {
    let dir = TestDir::new("paper");
    dir.write("mine.toml", CHOICES);
    let ran = dir.run(&line("out", 2));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let choice = "reslstm-sa-h4-strict: lr 0.03, weight decay 0.003, dropout 0.3, T0 4, batch 10; mine.journal, trial 7, 0.2500\n";
    assert!(ran.stderr.contains(choice), "{}", ran.stderr);
    let mut files: Vec<&str> = ROWS.iter().chain(&TABLES).chain(&["clips.json", "figures"]).copied().collect();
    files.sort_unstable();
    assert_eq!(dir.list("out"), files);
    let text = |name: &str| String::from_utf8(dir.read(&format!("out/{name}"))).unwrap();
    assert_eq!(ran.stdout, format!("{}\n{}\n", text("table1.txt"), text("table2.txt")));
    assert!(text("table1.txt").contains("Not there yet, strict: lstm-sa-h32, "));

    let table = dir.json("out/table1.json");
    let mut means = Vec::new();
    for (row, folder) in table["rows"].as_array().unwrap().iter().zip(ROWS) {
        assert_eq!(format!("{}-{}", row["arch"].as_str().unwrap(), row["protocol"].as_str().unwrap()), folder);
        let runs = [0, 1].map(|run| dir.json(&format!("out/{folder}/runs/run{run}.json")));
        assert_ne!(runs[0]["folds"], runs[1]["folds"], "distinct seeds");
        let uars = [0, 1].map(|run| number(&runs[run]["scores"]["uar"]));
        assert_eq!((&row["uar"]["values"], &row["runs_planned"]), (&json!(uars), &2.into()));
        let mean = (uars[0] + uars[1]) / 2.0;
        assert_eq!(number(&row["uar"]["mean"]), mean);
        assert!(number(&row["interval"]["low"]) < mean && mean < number(&row["interval"]["high"]), "{row}");
        let table = text("table1.txt");
        let line = table.lines().find(|line| {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            words.join("-") == folder
        });
        assert!(line.unwrap().contains(&format!("{mean:.4} ± {:.4}", number(&row["uar"]["std"]))), "{line:?}");
        means.push(mean);
        assert_eq!(row["settings"]["batch"], [8, 10, 9, 11, 12, 13][means.len() - 1]);
    }
    assert_eq!(means.len(), 6);
    for (residual, plain) in [(1, 0), (3, 2), (5, 4)] {
        let gain = &table["rows"][residual]["gain"];
        assert!((number(&gain["difference"]) - (means[residual] - means[plain])).abs() < 1e-12, "{gain}");
        assert_eq!((&gain["over"], &gain["seeds"]), (&"lstm-sa-h4".into(), &2.into()));
        let values = |row: usize, run: usize| number(&table["rows"][row]["uar"]["values"][run]);
        let of_seeds = [0, 1].map(|run| values(residual, run) - values(plain, run));
        // Two seeds: both of the signs as they are, or one of them as good as the other.
        let expected = if of_seeds[0] * of_seeds[1] > 0.0 { 0.5 } else { 1.0 };
        assert_eq!(number(&gain["p_seeds"]), expected, "{of_seeds:?}");
        assert!(table["rows"][plain]["gain"].is_null());
    }
    let csv = text("table1.csv");
    assert!(csv.lines().nth(4).unwrap().contains(&format!(",{},", means[3])), "{csv}");

    // Scores of one kind stand in a table of their own; those that are chosen on test speakers say so wherever they are.
    let note = "chosen on its test speakers";
    for (row, expected) in [(0, Value::Null), (2, Value::Null), (4, note.into()), (5, note.into())] {
        assert_eq!(table["rows"][row]["score_note"], expected, "{row}");
    }
    let heading = "\ntable1: hyper-parameters and epochs chosen on the test speakers.\n\nmodel ";
    assert!(text("table1.txt").contains(heading), "{}", text("table1.txt"));
    assert_eq!(csv.lines().filter(|line| line.contains(note)).count(), 2);
    assert_eq!(dir.json("out/lstm-sa-h4-table1/runs/run0.json")["score_note"], note);
    assert_eq!(dir.json("out/lstm-sa-h4-table1/summary.json")["models"][0]["score_note"], note);
    for figure in ["confusion", "groups", "learning-curves", "seeds"] {
        assert!(text(&format!("figures/lstm-sa-h4-table1-{figure}.svg")).contains(note), "{figure}");
        assert!(!text(&format!("figures/lstm-sa-h4-published-{figure}.svg")).contains(note), "{figure}");
    }
    assert!(text("figures/parameters.svg").contains(note));

    // Of every row six figures, and one of all, each with its numbers.
    let mut figures = vec!["parameters.csv".to_string(), "parameters.svg".into()];
    for row in ROWS {
        for what in ["confusion", "groups", "learning-curves", "pca", "seeds", "signal-flow"] {
            figures.extend(["csv", "svg"].map(|kind| format!("{row}-{what}.{kind}")));
        }
    }
    figures.sort_unstable();
    assert_eq!(dir.list("out/figures"), figures);
    for figure in figures.iter().filter(|name| name.ends_with(".svg")) {
        assert!(dir.read(&format!("out/figures/{figure}")).starts_with(b"<svg"), "{figure}");
    }

    // A row is what cv makes of the same settings.
    dir.does(
        "cv ../speech -o cv --recipe paper --arch reslstm-sa-h4 --protocol published --runs 2 --epochs 2 --folds k=3 --lr 0.04 \
         --weight-decay 0.004 --dropout 0.4 --t0 5 --batch 11",
    );
    for file in ["summary.json", "plan.json", "models/run1-fold2.safetensors"] {
        assert!(dir.read(&format!("cv/{file}")) == dir.read(&format!("out/reslstm-sa-h4-published/{file}")), "{file}");
    }

    // The tables can be made of the small files alone, and the figures that show no model.
    dir.write("small/clips.json", dir.read("out/clips.json"));
    for row in ROWS {
        for file in ["plan.json", "runs/run0.json", "runs/run1.json"] {
            dir.write(&format!("small/{row}/{file}"), dir.read(&format!("out/{row}/{file}")));
        }
    }
    let printed = dir.does("paper --tables -o small --json");
    for table in TABLES {
        assert!(dir.read(&format!("small/{table}")) == dir.read(&format!("out/{table}")), "{table}");
    }
    let of_results = |name: &String| !name.contains("-pca") && !name.contains("-signal-flow");
    figures.retain(of_results);
    assert_eq!(dir.list("small/figures"), figures);
    for figure in figures {
        assert!(dir.read(&format!("small/figures/{figure}")) == dir.read(&format!("out/figures/{figure}")), "{figure}");
    }
    let both: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&both["table1"], &both["table2"]), (&table, &dir.json("small/table2.json")));
    // With a run less, they say so.
    std::fs::remove_file(dir.path("small/lstm-sa-h4-strict/runs/run1.json")).unwrap();
    let printed = dir.does("paper --tables -o small");
    assert!(printed.contains("strict           884   1/2  "), "{printed}");
    // A run whose predictions are not its confusion matrix is nobody's result.
    let mut run = dir.json("small/lstm-sa-h4-strict/runs/run0.json");
    let first = run["folds"][0]["predictions"][0].as_u64().unwrap();
    run["folds"][0]["predictions"][0] = ((first + 1) % 8).into();
    dir.write("small/lstm-sa-h4-strict/runs/run0.json", run.to_string());
    let parts =
        ["small/lstm-sa-h4-strict/runs/run0.json: fold 0: its predictions for the clips do not give its confusion"];
    dir.refuses_saying("paper --tables -o small", &parts);
    assert_eq!(dir.json("out/clips.json").as_array().unwrap().len(), SPEECH_CLIPS);
}

#[test]
fn table1_is_taken_apart_by_who_chooses_the_epoch_and_who_trains() {
    let dir = TestDir::new("paper-decomposed");
    let line = "paper ../speech -o out --arch lstm-sa-h64 --protocol table1 --runs 2 --epochs 6 --folds k=3";
    let printed = dir.does(line);
    let text = String::from_utf8(dir.read("out/decomposition.txt")).unwrap();
    assert!(printed.ends_with(&format!("{text}\n")), "{printed}");
    let rows = dir.json("out/decomposition.json")["rows"].clone();
    let [apart, table1] = ["lstm-sa-h64-table1-apart", "lstm-sa-h64-table1"]
        .map(|row| [0, 1].map(|run| dir.json(&format!("out/{row}/runs/run{run}.json"))));
    let uars = |runs: &[Value; 2]| runs.each_ref().map(|run| number(&run["scores"]["uar"]));
    assert_eq!(rows[1]["uar"]["values"], json!(uars(&apart)));
    assert_eq!(rows[2]["uar"]["values"], json!(uars(&table1)));
    // By hand: the recognised clips of each class, at the epoch that each fold keeps, over the clips of each class.
    let pooled = |run: &Value, epoch: &dyn Fn(&Value) -> usize| {
        let (mut correct, mut occurred) = ([0.0; 8], [0.0; 8]);
        for fold in run["folds"].as_array().unwrap() {
            for class in 0..8 {
                correct[class] += number(&fold["epochs"]["test_correct"][epoch(fold)][class]);
                occurred[class] += fold["confusion"][class].as_array().unwrap().iter().map(number).sum::<f64>();
            }
        }
        (0..8).map(|class| correct[class] / occurred[class]).sum::<f64>() / 8.0
    };
    let by_validation = |fold: &Value| {
        let uars: Vec<f64> = fold["epochs"]["validation_uar"].as_array().unwrap().iter().map(number).collect();
        let best = uars.iter().copied().fold(0.0, f64::max);
        uars.iter().position(|&uar| uar == best).unwrap()
    };
    for run in 0..2 {
        for (row, expected) in [(0, pooled(&apart[run], &by_validation)), (3, pooled(&table1[run], &|_| 5))] {
            let got = number(&rows[row]["uar"]["values"][run]);
            assert!((got - expected).abs() < 1e-12, "row {row}, run {run}: {got}, {expected}");
        }
    }
    assert!(number(&rows[1]["uar"]["mean"]) >= number(&rows[0]["uar"]["mean"]), "the best epoch is at least as good");
    let step = number(&rows[2]["uar"]["mean"]) - number(&rows[1]["uar"]["mean"]);
    assert_eq!((number(&rows[2]["step"]), &rows[0]["step"]), (step, &Value::Null));
    // It is no row of Table I, and the page shows it.
    assert_eq!(dir.json("out/table1.json")["rows"].as_array().unwrap().len(), 1);
    dir.does("report out -o page.html");
    let page = String::from_utf8(dir.read("page.html")).unwrap();
    for words in ["What Table I is made of", "epoch by the validation speakers", "chosen on its test speakers"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bytes() {
    let dir = TestDir::new("paper-killed");
    dir.write("mine.toml", CHOICES);
    dir.does(&line("whole", 60));
    let kills =
        dir.kill_until_it_ends(1.6, |kills| format!("{} --resume --threads {}", line("parts", 60), 1 + kills % 2));
    assert!(kills > 2, "killed {kills} times only");
    assert_same(&dir, "whole", "parts");
    // What is finished stays as it is.
    let before = dir.read("parts/lstm-sa-h4-strict/runs/run0.json");
    dir.does(&format!("{} --resume", line("parts", 60)));
    assert!(dir.read("parts/lstm-sa-h4-strict/runs/run0.json") == before);
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_saves_and_says_how_to_go_on() {
    let dir = TestDir::new("paper-stopped");
    dir.write("mine.toml", CHOICES);
    let ran = stop(&dir, &format!("{} --resume", line("out", 3000)), "INT", "out/lstm-sa-h4-strict/plan.json");
    assert_eq!((ran.code, ran.stdout.as_str()), (75, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("the same command with --resume continues"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_is_refused_before_the_work() {
    let dir = TestDir::new("paper-refuses");
    dir.write("mine.toml", CHOICES);
    // Hyper-parameters that are none, or lack what is asked for.
    for (name, change, parts) in [
        ("typo", ("batch = 11", "batches = 11"), ["typo.toml", "unknown field `batches`"]),
        (
            "lr",
            ("lr = 0.02", "lr = -0.02"),
            ["hyper-parameters of lstm-sa-h4, published: lr: expected above 0", "got -0.02"],
        ),
        ("family", ("[reslstm-sa.strict]", "[lstm.strict]"), ["family.toml", "unknown field `lstm`"]),
    ] {
        dir.write(&format!("{name}.toml"), CHOICES.replace(change.0, change.1));
        dir.is_wrong_call(&line("out", 2).replace("mine.toml", &format!("{name}.toml")), &parts);
    }
    dir.write("half.toml", CHOICES.split("[reslstm-sa.strict]").next().unwrap());
    let half = line("out", 2).replace("mine.toml", "half.toml");
    dir.is_wrong_call(&half, &["expected hyper-parameters for [reslstm-sa.strict], found none", "--arch"]);
    dir.is_wrong_call(&line("out", 2).replace("mine.toml", "none.toml"), &["none.toml"]);
    assert!(!dir.path("out").exists());
    // Names that there are not.
    for bad in ["--arch gru-h4", "--protocol lax", "--tables", "--folds k=1", "--runs 0"] {
        assert_eq!(dir.run(&format!("paper ../speech -o out {bad}")).code, 2, "{bad}");
    }
    assert_eq!(dir.run("paper -o out").code, 2);
    // A folder of something else, or of other settings.
    dir.write("full/notes.txt", "mine");
    dir.refuses_saying(&line("full", 2), &["full: expected a new or empty folder"]);
    dir.write("empty/notes.txt", "mine");
    dir.refuses_saying("paper --tables -o empty", &["empty: expected folders of cross-validations"]);
    dir.refuses_saying("paper --tables -o nowhere", &["nowhere: "]);
    dir.does(&format!("{} --protocol strict", line("half", 1)));
    dir.refuses_saying(&line("half", 1), &["half: expected a new or empty folder", "--resume"]);
    let longer = format!("{} --resume", line("half", 2));
    dir.refuses_saying(&longer, &["half/lstm-sa-h4-strict: ", "settings.epochs was 1, now 2"]);
    // More rows may come; but they are of one table.
    dir.does(&format!("{} --resume", line("half", 1)));
    assert_eq!(dir.json("half/table1.json")["rows"].as_array().unwrap().len(), 6);
    let other = "paper ../speech -o half --resume --arch lstm-sa-h5 --protocol strict --runs 1 --epochs 2 --folds k=3";
    dir.refuses_saying(other, &["half: lstm-sa-h4-", "would not be of one table with", "epochs was 1, now 2"]);
}
