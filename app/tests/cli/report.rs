//! `report`: pages of results and searches, with the commands that repeat them.

use crate::browser::{ask, assert_closed};
use crate::test_dir::{CLIP, TestDir};
use reslstm::models::ModelFile;
use serde_json::Value;

/// Settings of very short trainings.
const QUICK: &str = "--folds k=3 --epochs 2 --threads 1";

/// JavaScript: number of shapes and width of every figure; number of rows of every table.
const CONTENT: &str = "
    document.querySelectorAll('details').forEach((details) => { details.open = true; });
    const figures = [...document.querySelectorAll('figure svg')].map((svg) => {
      const box = svg.getBBox();
      return [svg.querySelectorAll('path, polyline, rect, circle, polygon').length, box.width, svg.clientWidth];
    });
    const tables = [...document.querySelectorAll('table')].map((table) => table.tBodies[0].rows.length);
    const wide = document.documentElement.scrollWidth > innerWidth;";

/// Opens the page and checks the number of figures and tables; none is empty, nothing is wider than the window.
fn assert_drawn(dir: &TestDir, page: &str, figures: usize, tables: &[u64]) {
    assert_closed(dir, page);
    let question = format!(
        "{CONTENT} const dark = theme.dark; document.getElementById('theme').click();
        return {{ figures, tables, wide, toggled: theme.dark !== dark }};"
    );
    let Some(content) = ask(dir, page, "theme=light", &question) else { return };
    let drawn = content["figures"].as_array().unwrap();
    assert_eq!(drawn.len(), figures, "{content}");
    for figure in drawn {
        let [marks, drawn, shown] = [0, 1, 2].map(|n| figure[n].as_f64().unwrap());
        assert!(marks > 5.0 && drawn > 300.0 && shown > 300.0, "{content}");
    }
    assert_eq!(content["tables"], serde_json::json!(tables), "{content}");
    assert_eq!((&content["wide"], &content["toggled"]), (&false.into(), &true.into()), "{content}");
}

/// The commands on a page, for the data of the tests.
fn commands(dir: &TestDir, page: &str) -> Vec<String> {
    let html = String::from_utf8(dir.read(page)).unwrap();
    let commands = html.split("<pre><code>reslstm ").skip(1).map(|rest| rest.split("</code>").next().unwrap());
    commands.map(|command| command.replace(" DATA ", " ../speech ")).collect()
}

#[test]
fn the_page_of_a_cross_validation_has_the_command_that_repeats_it() {
    let dir = TestDir::new("report-cv");
    dir.does(&format!("cv ../speech -o cv --recipe paper --arch lstm-sa-h4 --runs 2 --dropout 0.25 --seed 7 {QUICK}"));
    let output = dir.run("report cv -o pages/report.html");
    assert_eq!((output.code, output.stdout.as_str()), (0, ""), "{}", output.stderr);
    dir.write("report.html", dir.read("pages/report.html"));
    // Runs and their mean; eight classes; three folds. Seeds, curves, confusion, groups.
    assert_drawn(&dir, "report.html", 4, &[3, 8, 3]);

    let html = String::from_utf8(dir.read("report.html")).unwrap();
    let summary = &dir.json("cv/summary.json")["models"][0];
    let uar =
        format!("{:.4} ± {:.4}", summary["uar"]["mean"].as_f64().unwrap(), summary["uar"]["std"].as_f64().unwrap());
    for text in [&uar, summary["data"].as_str().unwrap(), "lstm-sa-h4", "synthetic speech made by this program", "0.25"]
    {
        assert!(html.contains(text), "{text}");
    }
    let commands = commands(&dir, "report.html");
    assert_eq!(commands.len(), 1, "{commands:?}");
    dir.does(&commands[0].replace("-o DIR", "-o again"));
    assert!(dir.read("again/summary.json") == dir.read("cv/summary.json"), "{commands:?}");

    // The models hold the licence of their data.
    let model = "cv/models/run0-fold0.safetensors";
    let file = ModelFile::from_bytes(&dir.read(model)).unwrap();
    let (weights, metadata) = (file.model().clone(), file.metadata().cloned());
    let mut metadata = metadata.unwrap();
    metadata.licence = "Trained on RAVDESS, CC BY-NC-SA 4.0: no commercial use.".into();
    dir.write(model, ModelFile::new(weights, Some(metadata)).unwrap().to_bytes());
    dir.does("report cv");
    assert!(String::from_utf8(dir.read("report.html")).unwrap().contains("CC BY-NC-SA 4.0"));
    std::fs::remove_dir_all(dir.path("cv/models")).unwrap();
    dir.does("report cv");
    assert!(String::from_utf8(dir.read("report.html")).unwrap().contains("licence of the data is not known"));
}

#[test]
fn the_papers_tables_and_each_model_are_on_one_page() {
    let dir = TestDir::new("report-paper");
    let line = format!("paper ../speech -o paper --arch lstm-sa-h4,reslstm-sa-h4 --protocol strict --runs 1 {QUICK}");
    dir.does(&line);
    dir.does("report paper");
    // Table I, the two models compared, Table II; of each model a run, classes, folds. The parameters, and four figures of each model.
    let rows = dir.json("paper/table2.json")["rows"].as_array().unwrap().len() as u64;
    assert_drawn(&dir, "report.html", 1 + 2 * 4, &[2, 1, rows, 1, 8, 3, 1, 8, 3]);
    let commands = commands(&dir, "report.html");
    assert_eq!(commands.len(), 2);
    dir.does(&commands[1].replace("-o DIR", "-o again"));
    assert!(dir.read("again/summary.json") == dir.read("paper/reslstm-sa-h4-strict/summary.json"), "{commands:?}");
}

#[test]
fn a_running_search_is_shown_and_not_changed() {
    let dir = TestDir::new("report-tune");
    let line = format!("tune ../speech --study studies/s.journal --trials 4 --space code --arch lstm-sa-h4 {QUICK}");
    let output = dir.does(&line);
    let journal = dir.read("studies/s.journal");
    dir.does("report studies/s.journal -o report.html");
    assert!(dir.read("studies/s.journal") == journal && dir.list("studies") == ["s.journal"]);
    assert_drawn(&dir, "report.html", 2, &[4]);
    let best = output.split_once("UAR ").unwrap().1.split(',').next().unwrap();
    let html = String::from_utf8(dir.read("report.html")).unwrap();
    assert!(html.contains(&format!("mean validation UAR {best}.")), "{output}");
    assert!(html.contains("licence of the data is not known"), "of a search too");

    let commands = commands(&dir, "report.html");
    let [train, search] = &commands[..] else { panic!("{commands:?}") };
    dir.does(&train.replace("-o DIR", "-o cv"));
    let folds = dir.json("cv/runs/run0.json")["folds"].as_array().unwrap().clone();
    let mean = folds.iter().map(|fold| fold["validation_uar"].as_f64().unwrap()).sum::<f64>() / folds.len() as f64;
    assert_eq!(format!("{mean:.4}"), best);
    // The command that searches on finds nothing left to do, so it is of the same study.
    dir.does(&format!("{search} --threads 1"));
    assert!(dir.read("studies/s.journal") == journal, "{search}");

    assert!(!html.contains("tuned on them"));
    dir.does(&line.replace("s.journal --trials 4", "p.journal --trials 1 --protocol published"));
    dir.does("report studies/p.journal -o published.html");
    assert!(String::from_utf8(dir.read("published.html")).unwrap().contains("tuned on them and too high"));

    // In the midst of a line, and where only another program's studies are.
    dir.write("studies/s.journal", &journal[..journal.len() - 9]);
    dir.does("report studies/s.journal");
    dir.write(
        "python.journal",
        r#"{"op_code":0,"worker_id":"p","study_name":"py","directions":[2]}"#.to_string() + "\n",
    );
    dir.does("report python.journal");
    let html = String::from_utf8(dir.read("report.html")).unwrap();
    assert!(html.contains("Search py") && html.contains("No trial is complete yet"), "{html}");
    dir.write("python.journal", [dir.read("python.journal"), journal].concat());
    dir.does("report python.journal --study-name s");
    dir.refuses_saying("report python.journal", &["python.journal: expected one study in the journal, found 2: py, s"]);
    dir.refuses_saying("report python.journal --study-name x", &["expected a study called 'x', found py, s"]);
}

#[test]
fn a_hostile_journal_becomes_a_page_or_an_error() {
    let dir = TestDir::new("report-hostile");
    let study = |name: &str| format!("{{\"op_code\":0,\"study_name\":\"{name}\",\"directions\":[2]}}\n");
    let trial = |id: usize, low: &str, high: &str, number: &str| {
        let range = format!(
            r#"{{\"name\":\"FloatDistribution\",\"attributes\":{{\"step\":null,\"low\":{low},\"high\":{high},\"log\":false}}}}"#
        );
        [
            r#"{"op_code":4,"study_id":0,"state":0}"#.to_string(),
            format!(
                r#"{{"op_code":5,"trial_id":{id},"param_name":"lr","param_value_internal":{number},"distribution":"{range}"}}"#
            ),
            format!(r#"{{"op_code":6,"trial_id":{id},"state":1,"values":[{number}]}}"#),
        ]
        .map(|line| line + "\n")
        .concat()
    };
    // Ranges that overflow, that are one number only, and values far outside them.
    for (name, range) in [
        ("wide", [("-1e308", "1e308", "0.5"), ("-1e308", "1e308", "-1e308")]),
        ("single", [("1000000", "1000000", "1000000"), ("1000000", "1000000", "1000000")]),
        ("tiny", [("5e-324", "5e-324", "5e-324"), ("0", "0", "0")]),
        ("close", [("1000000", "1000000.0000000001", "1000000"), ("1000000", "1000000", "1000000")]),
        ("outside", [("0", "1", "1.7e308"), ("0", "1", "-1.7e308")]),
        ("infinite", [("0", "1", "Infinity"), ("0", "1", "NaN")]),
    ] {
        let trials: String = range.iter().enumerate().map(|(id, (low, high, x))| trial(id, low, high, x)).collect();
        dir.write("s.journal", study(name) + &trials);
        dir.does("report s.journal");
        let html = String::from_utf8(dir.read("report.html")).unwrap();
        assert!(html.contains(&format!("Search {name}")) && html.matches("<svg").count() >= 2, "{name}");
    }
    // A command to copy has the study's name, quoted; none is given if the settings are not settings.
    let identity = |seed: &str| {
        let settings = format!(r#"{{"seed":{seed},"arch":"lstm-sa-h4","protocol":"strict"}}"#);
        let range = r#"{"name":"FloatDistribution","attributes":{"step":null,"low":0.0001,"high":0.01,"log":true}}"#;
        format!(
            r#"{{"op_code":2,"study_id":0,"user_attr":{{"reslstm":{{"data":"x","folds":"all","settings":{settings},"space":{{"lr":{range}}}}}}}}}"#
        ) + "\n"
    };
    let name = "$(touch${IFS}PWNED)";
    dir.write("s.journal", study(name) + &identity("0"));
    dir.does(&format!("report s.journal --study-name {name}"));
    let [search] = &commands(&dir, "report.html")[..] else { panic!("one command") };
    assert!(search.contains(&format!("--study-name '{name}' --trials")), "{search}");
    dir.write("s.journal", study("s") + &identity("\"0 $(touch PWNED); echo\""));
    dir.does("report s.journal");
    assert!(commands(&dir, "report.html").is_empty());
}

#[test]
fn other_files_than_results_are_refused() {
    let dir = TestDir::new("report-refuses");
    std::fs::create_dir(dir.path("empty")).unwrap();
    dir.write("cut/plan.json", "{");
    let none = ["error: empty: expected a folder made by cv or paper that has a finished run, found none", "journal"];
    dir.refuses_saying("report empty", &none);
    dir.refuses_saying("report cut", &["plan.json: "]);
    dir.refuses_saying("report missing", &["error: missing: No such file"]);
    dir.refuses_saying(&format!("report {CLIP}"), &[CLIP, "line 1: not a line of an Optuna journal"]);
    dir.write("nothing.journal", "");
    dir.refuses_saying("report nothing.journal", &["nothing.journal: expected a study, found none"]);
    assert!(!dir.path("report.html").exists());
    dir.write("file", "mine");
    dir.refuses_saying("report missing -o file/page.html", &["error: file/page.html: "]);
    dir.refuses_saying("report missing -o empty", &["error: empty: ", "found a folder"]);
    assert_eq!((dir.read("file"), Value::from(dir.list("empty"))), (b"mine".to_vec(), Value::Array(Vec::new())));
}
