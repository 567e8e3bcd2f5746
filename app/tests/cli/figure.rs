//! `figure`: well-formed pictures, tables with the numbers of the results, refusals before any work.

use crate::test_dir::{CLIP, SMALL, TestDir, model, tone, wav};
use serde_json::Value;
use std::collections::BTreeMap;

/// Two runs of two folds in `out`.
fn cross_validated(name: &str) -> TestDir {
    let dir = TestDir::new(name);
    dir.does(&format!("cv ../speech -o out --folds 0,1 --runs 2 {SMALL}"));
    dir
}

/// Draws a figure. Returns the picture and the rows of its table by column.
fn draw(dir: &TestDir, line: &str) -> (String, Vec<BTreeMap<String, String>>) {
    let ran = dir.run(&format!("figure {line} -o figures/f.svg"));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{line}: {}", ran.stderr);
    assert!(ran.stderr.contains("drawn in figures/f.svg, its numbers in figures/f.csv"), "{}", ran.stderr);
    assert_eq!(dir.list("figures"), ["f.csv", "f.svg"]);
    let svg = String::from_utf8(dir.read("figures/f.svg")).unwrap();
    check_well_formed(&svg);
    let table = dir.read("figures/f.csv");
    let mut reader = csv::Reader::from_reader(&table[..]);
    let header = reader.headers().unwrap().clone();
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        header.iter().map(String::from).zip(record.unwrap().iter().map(String::from)).collect()
    };
    let rows = reader.records().map(row).collect();
    (svg, rows)
}

/// Every tag is closed in order, every attribute is quoted, and every number is finite.
fn check_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some((text, tag)) = rest.split_once('<') {
        assert!(!text.contains('>') && (open.len() > 1 || text.trim().is_empty()), "between tags: {text}");
        let inside;
        (inside, rest) = tag.split_once('>').unwrap();
        assert_eq!(inside.matches('"').count() % 2, 0, "<{inside}>");
        assert!(!inside.contains("NaN") && !inside.contains("inf"), "<{inside}>");
        match (inside.strip_prefix('/'), inside.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name)),
            (None, false) => open.push(inside.split_whitespace().next().unwrap()),
            (None, true) => {}
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "open at the end: {open:?}");
    assert!(svg.starts_with("<svg ") && svg.contains("viewBox"));
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {:?}", row[column]))
}

#[test]
fn each_augmentation_is_shown_at_both_ends_of_its_range() {
    let dir = TestDir::new("augmentation");
    let (svg, rows) = draw(&dir, &format!("augmentation {CLIP} --augment anywhere"));
    let frames = |start: &str| rows.iter().filter(|row| row["way"].starts_with(start)).count();
    let recorded = frames("as recorded");
    dir.does(&format!("features {CLIP} -o features --format csv"));
    let table = String::from_utf8(dir.read(&format!("features/{}", dir.list("features")[0]))).unwrap();
    assert_eq!(recorded, table.lines().count() - 1);
    for (start, factor) in [
        ("speed 0.84", 1.0 / 0.84),
        ("speed 1.19", 1.0 / 1.19),
        ("stretched to 0.8", 0.8),
        ("stretched to 1.2", 1.2),
        ("telephone", 1.0),
        ("noise, SNR 10 dB", 1.0),
        ("with noise of 0.5", 1.0),
    ] {
        let expected = recorded as f64 * factor;
        assert!((frames(start) as f64 - expected).abs() <= 1.0, "{start}: {} frames, not {expected}", frames(start));
        assert!(svg.contains(start), "{start}");
    }
    let first = |start: &str| rows.iter().find(|row| row["way"].starts_with(start)).unwrap();
    for column in ["input.3", "input.40"] {
        assert_ne!(number(first("as recorded"), column), number(first("with noise"), column), "{column}");
    }
    dir.write("still.toml", "stretch = 0.1\n");
    let (_, rows) = draw(&dir, &format!("augmentation {CLIP} --augment still.toml"));
    assert_eq!(rows.iter().filter(|row| row["way"].starts_with("speed")).count(), 0);
}

#[test]
fn figures_of_results_have_the_numbers_of_the_results() {
    let dir = cross_validated("figures");
    let summary = dir.json("out/summary.json")["models"][0].clone();
    let runs = [0, 1].map(|run| dir.json(&format!("out/runs/run{run}.json")));
    let title = |svg: &str| {
        let uar = summary["uar"]["mean"].as_f64().unwrap();
        assert!(svg.contains(&format!("reslstm-sa-h4, strict protocol: UAR {uar:.4} ± ")), "{svg}");
    };

    let (svg, cells) = draw(&dir, "confusion out");
    title(&svg);
    assert_eq!(cells.len(), 64);
    for (n, cell) in cells.iter().enumerate() {
        let count = &summary["confusion"][n / 8][n % 8];
        assert_eq!(Some(number(cell, "count")), count.as_f64());
        let label = summary["labels"][n / 8].as_str().unwrap();
        assert_eq!(cell["spoken"], label);
        if n / 8 == n % 8 {
            let recall = summary["recall"][label].as_f64().unwrap();
            assert!((number(cell, "per_cent") - 100.0 * recall).abs() < 1e-9, "{label}");
        }
    }

    let (svg, scores) = draw(&dir, "seeds out");
    title(&svg);
    assert_eq!(scores.len(), 6);
    for row in &scores {
        let run = &runs[number(row, "run") as usize];
        let expected = match row["fold"].as_str() {
            "pooled" => &run["scores"]["uar"],
            fold => &run["folds"][fold.parse::<usize>().unwrap()]["test_uar"],
        };
        assert_eq!(Some(number(row, "uar")), expected.as_f64());
    }

    let (svg, groups) = draw(&dir, "groups out");
    title(&svg);
    let clips = |by: &str| -> f64 {
        let of = |row: &&BTreeMap<String, String>| row["by"] == by && row["run"] == "0";
        groups.iter().filter(of).map(|row| number(row, "clips")).sum()
    };
    let tested: u64 =
        summary["confusion"].to_string().split(|c: char| !c.is_ascii_digit()).flat_map(str::parse::<u64>).sum();
    assert_eq!(["emotion", "sex", "intensity"].map(clips), [tested as f64 / 2.0; 3]);
    for row in groups.iter().filter(|row| row["by"] == "emotion") {
        let recall = &runs[number(row, "run") as usize]["scores"]["recall"][&row["group"]];
        assert_eq!(Some(number(row, "recall")), recall.as_f64(), "{row:?}");
    }
    assert!(!svg.contains("Fig. 4") && draw(&dir, "groups out --paper").0.contains("Fig. 4"));

    let (_, epochs) = draw(&dir, "learning-curves out --run 1");
    assert_eq!(epochs.len(), 2 * 3);
    for row in &epochs {
        let fold = &runs[1]["folds"][number(row, "fold") as usize];
        let epoch = number(row, "epoch") as usize - 1;
        assert_eq!(Some(number(row, "loss")), fold["epochs"]["loss"][epoch].as_f64());
        assert_eq!(Some(number(row, "validation_uar")), fold["epochs"]["validation_uar"][epoch].as_f64());
        assert_eq!(row["kept"] == "true", fold["best_epoch"] == epoch);
    }
    assert_eq!(draw(&dir, "learning-curves out --fold 1").1.len(), 3);

    // A folder, and the summary that stands in it.
    let (_, models) = draw(&dir, "parameters out out/summary.json");
    for row in &models[..2] {
        assert_eq!((row["source"].as_str(), row["model"].as_str()), ("here", "reslstm-sa-h4"));
        assert_eq!(Some(number(row, "uar_mean")), summary["uar"]["mean"].as_f64());
        assert_eq!(Some(number(row, "parameters")), summary["parameters"].as_f64());
    }
    assert_eq!(models[2]["source"], "Table I");
}

#[test]
fn signal_flow_has_every_layer_of_the_model() {
    let dir = TestDir::new("signal-flow");
    let (svg, frames) = draw(&dir, &format!("signal-flow {CLIP} --model {}", model()));
    dir.does(&format!("features {CLIP} -o features"));
    let output: Value = serde_json::from_str(&dir.does(&format!("predict {CLIP} --json --model {}", model()))).unwrap();
    assert!(svg.contains(&format!("recognised as {} (", output["label"].as_str().unwrap())), "{output}");
    let attention: f64 = frames.iter().map(|frame| number(frame, "attention")).sum();
    assert!((attention - 1.0).abs() < 1e-5, "{attention}");
    let last = frames.last().unwrap();
    assert_eq!(number(last, "frame") as usize, frames.len() - 1);
    assert!((number(last, "seconds") - (frames.len() - 1) as f64 * 2048.0 / 48e3).abs() < 1e-9);
    // 46 features, as many units of LSTM1, 4 of LSTM2.
    assert!(["input.45", "lstm1.45", "lstm2.3"].iter().all(|column| last.contains_key(*column)));
    assert_eq!(last.len(), 3 + 46 + 46 + 4);
    // From its features the same.
    let (_, again) = draw(&dir, &format!("signal-flow features/{} --model {}", dir.list("features")[0], model()));
    assert_eq!(again, frames);
    // The bundled model has another architecture, and 60 inputs.
    assert_eq!(draw(&dir, &format!("signal-flow {CLIP}")).1[0].len(), 3 + 60 + 60 + 64);
}

#[test]
fn embeddings_are_of_speakers_the_model_was_not_trained_on() {
    let dir = TestDir::new("pca");
    let (svg, clips) = draw(&dir, &format!("pca ../speech --model {}", model()));
    let info: Value = serde_json::from_str(&dir.does(&format!("info {} --json", model()))).unwrap();
    let tested = info["metadata"]["test_speakers"].as_array().unwrap_or_else(|| panic!("{info}"));
    assert!(clips.iter().all(|clip| tested.contains(&clip["speaker"].clone().into())), "{tested:?}");
    assert_eq!(clips.len(), 15 * tested.len());
    assert!(svg.contains(&format!("reslstm-sa-h4: {} clips of the test speakers of fold 0", clips.len())));
    for column in ["embedding_1", "embedding_2", "features_1", "features_2"] {
        // Components are counted from the mean, and the first is the longer one.
        let values: Vec<f64> = clips.iter().map(|clip| number(clip, column)).collect();
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        assert!(values.iter().sum::<f64>().abs() < 1e-4 * largest * values.len() as f64 && largest > 0.0, "{column}");
    }
    dir.does(&format!("train ../speech -o all.safetensors --all {SMALL}"));
    let (svg, clips) = draw(&dir, "pca ../speech --model all.safetensors");
    assert!(svg.contains("90 clips it was trained on") && clips.len() == 90);
}

#[test]
fn impossible_figures_are_refused_before_anything_is_written() {
    let dir = cross_validated("figures-refused");
    let before = dir.list(".");
    let refused = |line: &str, parts: &[&str]| {
        dir.refuses_saying(&format!("figure {line}"), parts);
        assert_eq!(dir.list("."), before, "{line}");
    };
    refused("confusion out -o f.png", &["f.png: expected a name that ends in .svg"]);
    refused("confusion ../speech -o f.svg", &["../speech: expected a folder made by cv"]);
    refused("seeds nowhere -o f.svg", &["nowhere: expected a folder made by cv"]);
    refused("learning-curves out --run 2 -o f.svg", &["out: run: expected one of 0, 1, got 2"]);
    refused("learning-curves out --fold 3 -o f.svg", &["out: fold: expected one of 0, 1, got 3"]);
    refused("parameters out/plan.json -o f.svg", &["out/plan.json: "]);
    refused("pca out/plan.json -o f.svg", &["out/plan.json: "]);
    refused(&format!("pca ../speech --model {CLIP} -o f.svg"), &[CLIP]);
    refused("signal-flow none.wav -o f.svg", &["none.wav: "]);
    refused("augmentation none.wav -o f.svg", &["none.wav: "]);
    dir.is_wrong_call(&format!("figure augmentation {CLIP} --augment pitch -o f.svg"), &["augment: pitch: ", "voices"]);
    assert_eq!(dir.list("."), before);
    assert_eq!(dir.run("figure parameters -o f.svg").code, 2);
    assert_eq!(dir.run("figure confusion out").code, 2);

    dir.write("long.wav", wav(1, 1, 48_000, 16, &tone(48_000, 31.0)));
    let error = dir.refuses("figure signal-flow long.wav -o f.svg");
    assert!(error.contains("long.wav: expected a clip of at most 700 frames, got 727"), "{error}");
    std::fs::remove_file(dir.path("out/runs/run0.json")).unwrap();
    let ran = dir.run("figure seeds out -o f.svg");
    assert!(ran.code == 0 && ran.stderr.contains("note: out: 1 of 2 runs are finished"), "{}", ran.stderr);
    dir.write("out/clips.json", "[]");
    dir.refuses_saying("figure confusion out -o f.svg", &["run1.json: fold 0: its predictions for the clips"]);
}

#[test]
fn every_figure_helps_with_an_example() {
    let dir = TestDir::new("figure-help");
    for kind in ["signal-flow", "augmentation", "pca", "confusion", "learning-curves", "seeds", "groups", "parameters"]
    {
        let help = dir.does(&format!("figure {kind} --help"));
        assert!(help.contains(&format!("Example: reslstm figure {kind} ")), "{help}");
    }
    assert_eq!(dir.run("figure").code, 2);
}
