//! `corpus`: what a folder is taken for, and the table that it writes.

use crate::test_dir::{SMALL, SPEECH_CLIPS, TestDir};

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
    dir.is_wrong_call("corpus mine --speaker-from [a-z]+", &["--speaker-from: expected a pattern with one group"]);
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
