//! `corpus`: what a folder is taken for, and the table that it writes.

use crate::test_dir::{SMALL, SPEECH_CLIPS, TestDir, tone, wav};

#[test]
fn a_known_folder_is_shown_in_numbers() {
    let dir = TestDir::new("corpus-known");
    let found = dir.does_json("corpus ../speech --json");
    assert_eq!((&found["kind"], &found["clips"]), (&"synthetic speech".into(), &SPEECH_CLIPS.into()));
    assert_eq!((found["speakers"].as_object().unwrap().len(), &found["speakers"]["03"]), (6, &15.into()));
    let labels = found["labels"].as_array().unwrap();
    let clips: u64 = labels.iter().map(|label| label["clips"].as_u64().unwrap()).sum();
    assert_eq!((labels.len(), clips, &labels[0]["speakers"]), (8, SPEECH_CLIPS as u64, &6.into()));
    assert_eq!(found["rates"].as_object().unwrap().values().next().unwrap(), SPEECH_CLIPS);
    let seconds = |name: &str| found["seconds"][name].as_f64().unwrap();
    assert!(0.0 < seconds("min") && seconds("min") <= seconds("median") && seconds("median") <= seconds("max"));
    assert!(seconds("total") <= seconds("max") * SPEECH_CLIPS as f64);
    assert_eq!((found["duplicates"].as_array().unwrap().len(), found["unread"].as_array().unwrap().len()), (0, 0));
    let text = dir.does("corpus ../speech");
    assert!(text.starts_with("synthetic speech: 90 clips of 6 speakers, 8 labels\n"), "{text}");
}

#[test]
fn a_folder_per_label_becomes_a_table_that_trains() {
    let dir = TestDir::new("corpus-labels");
    for (speaker, name) in (1..).zip(["anna", "ben", "carl"]) {
        for (class, label) in [("04", "low"), ("05", "loud")] {
            for sentence in 1..=2 {
                let clip = format!("../speech/Actor_{speaker:02}/03-01-{class}-{sentence:02}-01-01-{speaker:02}.wav");
                dir.write(&format!("mine/{label}/{name}_{sentence}.wav"), dir.read(&clip));
            }
        }
    }
    dir.refuses_saying("corpus mine", &["mine: expected file names of a known corpus", "path,label,speaker"]);
    dir.is_wrong_call(
        "corpus mine --speaker-from [a-z]+",
        &["--speaker-from <REGEX>", "expected a pattern with one group"],
    );
    assert_eq!(dir.run("corpus mine --speaker-from (").code, 2);
    let line = "corpus mine --speaker-from ([a-z]+)_[0-9]+$";
    let text = dir.does(&format!("{line} -o tables/mine.csv"));
    assert!(text.contains("a folder per label: 12 clips of 3 speakers, 2 labels"), "{text}");
    let absolute = dir.path("mine/loud/anna_1.wav");
    let table = String::from_utf8(dir.read("tables/mine.csv")).unwrap();
    assert!(
        table.starts_with("path,label,speaker\n") && table.contains(&format!("{},loud,anna\n", absolute.display())),
        "{table}"
    );
    dir.refuses_saying(&format!("{line} -o tables/mine.csv"), &["tables/mine.csv: the file exists already"]);
    // Below the table's folder, paths are relative.
    dir.does(&format!("{line} -o mine.csv"));
    assert!(String::from_utf8(dir.read("mine.csv")).unwrap().contains("\nmine/loud/anna_1.wav,loud,anna\n"));
    // The folder itself trains with the same option.
    let pattern = line.strip_prefix("corpus mine ").unwrap();
    dir.does(&format!("train mine -o folder.safetensors --folds loso:0 {pattern} {SMALL}"));
    for table in ["mine.csv", "tables/mine.csv"] {
        dir.does(&format!("train {table} -o {}.safetensors --folds loso:0 {SMALL}", table.replace('/', "-")));
    }
    // A clip twice, and one that is none: named, and the rest is counted.
    dir.write("mine/low/ben_3.wav", dir.read("mine/low/ben_1.wav"));
    dir.write("mine/low/ben_4.wav", "RIFF");
    let ran = dir.run(&format!("{line} --json"));
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &found["clips"]), (1, &14.into()));
    assert_eq!(found["duplicates"], serde_json::json!([["low/ben_1", "low/ben_3"]]));
    assert!(ran.stderr.contains("error: mine/low/ben_4.wav: "), "{}", ran.stderr);
}

#[test]
fn segments_of_recordings_train_and_are_scored() {
    let dir = TestDir::new("corpus-segments");
    let mut table = "file,start,end,emotion,who\n".to_string();
    for speaker in ["anna", "ben", "carl", "dora", "eva"] {
        dir.write(&format!("{speaker}.wav"), wav(1, 1, 48_000, 16, &tone(48_000, 4.0)));
        for part in 0..4 {
            let (start, end) = (f64::from(part), f64::from(part) + 0.75);
            table += &format!(
                "{speaker}.wav,0 days 00:00:0{start:.3},0 days 00:00:0{end:.3},{},{speaker}\n",
                ["low", "high"][part as usize % 2]
            );
        }
    }
    dir.write("talks.csv", &table);
    dir.refuses_saying("corpus talks.csv", &["the column `speaker` is missing", "--columns speaker="]);
    let columns = "--columns speaker=who";
    let found = dir.does_json(&format!("corpus talks.csv {columns} --json -o written.csv"));
    assert_eq!((&found["clips"], &found["seconds"]["max"]), (&20.into(), &0.75.into()));
    let written = String::from_utf8(dir.read("written.csv")).unwrap();
    assert!(written.starts_with("path,label,speaker,start,end\nanna.wav,low,anna,0,0.75\n"), "{written}");
    dir.does(&format!("cv talks.csv {columns} -o cv --folds k=5 {SMALL}"));
    dir.does(&format!("cv written.csv -o again --folds k=5 {SMALL}"));
    assert_eq!(dir.json("cv/clips.json")[1]["name"], "anna.wav#t=1,1.75");
    assert_eq!(dir.json("cv/clips.json"), dir.json("again/clips.json"));
    let model = "cv/models/run0-fold0.safetensors";
    assert_eq!(dir.read(model), dir.read("again/models/run0-fold0.safetensors"));
    for options in ["", "--live"] {
        assert_eq!(dir.does_json(&format!("eval {model} talks.csv {columns} --json {options}"))["clips"], 4);
    }
    // Tables predict, and write features, with paths and times alone.
    dir.write("parts.csv", "file,start,end\nanna.wav,1,1.75\nben.wav,,\n");
    let predicted = dir.does(&format!("predict parts.csv --model {model} --json"));
    let file = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["file"].clone();
    assert_eq!(predicted.lines().map(file).collect::<Vec<_>>(), ["anna.wav#t=1,1.75", "ben.wav"]);
    dir.does("features parts.csv -o features");
    assert_eq!(dir.list("features"), ["anna#t=1,1.75.npy", "ben.npy"]);
    dir.write("matrices.csv", "file,start,end\nfeatures/ben.npy,1,1.75\n");
    let matrix = "features/ben.npy#t=1,1.75: start and end: expected a recording, got a file of features";
    dir.refuses_saying(&format!("predict matrices.csv --model {model}"), &[matrix]);
    dir.write("talks.csv", table.replace("03.750", "04.750"));
    let problem = "anna.wav#t=3,4.75: expected a segment within the recording's 4.000 s, got 3 to 4.75 s";
    dir.refuses_saying(
        &format!("cv talks.csv {columns} -o late --folds k=5 {SMALL}"),
        &[problem, "found 5 of 20 that are not"],
    );
}

#[test]
fn songs_are_left_out_unless_they_are_asked_for() {
    let dir = TestDir::new("corpus-songs");
    for name in ["03-01-05-01-01-01-01", "03-01-04-01-01-01-02", "03-02-05-01-01-01-01", "03-02-04-01-01-01-02"] {
        dir.write(&format!("ravdess/{name}.wav"), wav(1, 1, 48_000, 16, &tone(48_000, 0.3)));
    }
    let ran = dir.run("corpus ravdess");
    assert!(ran.stderr.contains("note: 2 song clips of RAVDESS are left out (--song includes them)"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("RAVDESS: 2 clips of 2 speakers"), "{}", ran.stdout);
    let ran = dir.run("corpus ravdess --song");
    assert!(ran.stderr.contains("note: 2 of the clips are songs"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("RAVDESS: 4 clips of 2 speakers"), "{}", ran.stdout);
}

#[test]
fn speakers_and_labels_that_look_alike_are_warned_of_or_merged() {
    let dir = TestDir::new("corpus-alike");
    let mut table = "path;Label;speaker\n".to_string();
    for clip in 0..12 {
        dir.write(&format!("{clip}.wav"), wav(1, 1, 48_000, 16, &tone(48_000, 0.2)));
        let label = ["high", "low", "High", "\u{200b}low"][clip % 4];
        table += &format!("{clip}.wav;{label};{}\n", ["1", "01", "2", "3"][clip / 3]);
    }
    dir.write("corpus.csv", table);
    let ran = dir.run("corpus corpus.csv");
    for pair in ["labels `High` and `high`", "labels `low` and `\\u{200b}low`", "speakers `01` and `1`"] {
        assert!(ran.stderr.contains(&format!("warning: {pair} look alike")), "{pair}: {}", ran.stderr);
    }
    let found = dir.does_json("corpus corpus.csv --normalise-labels --json");
    assert_eq!((found["labels"].as_array().unwrap().len(), found["speakers"].as_object().unwrap().len()), (2, 3));
    let ran = dir.run(&format!("cv corpus.csv -o cv --normalise-labels {SMALL}"));
    assert!(ran.code == 0 && ran.stderr.contains("note: speakers `01` and `1` are merged as `01`"), "{}", ran.stderr);
}

#[test]
fn a_sweep_reads_its_data_as_they_were_planned() {
    let dir = TestDir::new("corpus-sweep");
    let table: String = (0..9)
        .map(|clip| {
            dir.write(&format!("{clip}.wav"), wav(1, 1, 48_000, 16, &tone(48_000, 0.2)));
            format!("{clip}.wav,{},{}\n", ["high", "Low", "low"][clip % 3], clip / 3)
        })
        .collect();
    dir.write("corpus.csv", format!("clip,mood,who\n{table}"));
    dir.write("grid.toml", "arch = 'lstm-sa-h3'\nepochs = 1\n");
    dir.does("sweep plan grid.toml corpus.csv -o sweep --columns path=clip,label=mood,speaker=who --normalise-labels");
    let reading = serde_json::json!({ "columns": "label=mood,path=clip,speaker=who", "normalise-labels": true });
    assert_eq!(dir.json("sweep/plan.json")["reading"], reading);
    dir.does("sweep run sweep");
    assert!(dir.does("sweep collect sweep").contains("lstm-sa-h3"));
}
