//! `predict --timeline`: every format, read again by a small parser of its own.

use crate::test_dir::{CLIP, TestDir, model, tone, wav};
use reslstm::audio::Recording;
use serde_json::Value;

/// Start and end in milliseconds, and the label. Where nobody speaks: `none` if the format has it.
type Interval = (i64, i64, String);

fn milliseconds(text: &str) -> i64 {
    (text.parse::<f64>().unwrap_or_else(|error| panic!("{text}: {error}")) * 1000.0).round() as i64
}

/// A label track of Audacity: start, end and label, separated by tabs.
fn audacity(text: &str) -> Vec<Interval> {
    let line = |line: &str| {
        let [start, end, label] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (milliseconds(start), milliseconds(end), label.into())
    };
    text.lines().map(line).collect()
}

/// The tiers of a TextGrid, by the grammar of its long form: the values after `=` in their order. Checks all counts and limits.
fn textgrid(text: &str) -> Vec<(String, Vec<Interval>)> {
    assert!(text.starts_with("File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\n"), "{text}");
    assert!(text.contains("\ntiers? <exists>\n") && text.contains("\nitem []:\n"), "{text}");
    let mut values =
        text.lines().filter_map(|line| line.split_once(" = ")).map(|(name, value)| (name.trim(), value.trim()));
    let mut next = |expected: &str| {
        let (name, value) = values.next().unwrap_or_else(|| panic!("{expected} is missing"));
        assert_eq!(name, expected);
        value.trim_matches('"').to_string()
    };
    assert_eq!((next("File type"), next("Object class")), ("ooTextFile".into(), "TextGrid".into()));
    let (least, most) = (milliseconds(&next("xmin")), milliseconds(&next("xmax")));
    let tiers: usize = next("size").parse().unwrap();
    let mut tier = || {
        assert_eq!(next("class"), "IntervalTier");
        let name = next("name");
        assert_eq!((milliseconds(&next("xmin")), milliseconds(&next("xmax"))), (least, most));
        let count: usize = next("intervals: size").parse().unwrap();
        let mut end = least;
        let mut interval = || {
            let (from, to) = (milliseconds(&next("xmin")), milliseconds(&next("xmax")));
            assert!(from == end && to > from, "{from} to {to} after {end}");
            end = to;
            (from, to, next("text"))
        };
        let intervals: Vec<Interval> = (0..count).map(|_| interval()).collect();
        assert_eq!(end, most);
        (name, intervals)
    };
    let tiers = (0..tiers).map(|_| tier()).collect();
    assert_eq!(values.next(), None);
    tiers
}

/// Lines of RTTM: type, file, channel, onset, duration, orthography, subtype, name, confidence, lookahead. By channel.
fn rttm(text: &str, file: &str) -> Vec<(u32, Interval)> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let ["SPEAKER", name, channel, onset, duration, "<NA>", "<NA>", label, "<NA>", "<NA>"] = fields[..] else {
            panic!("{line}")
        };
        assert_eq!(name, file);
        let (onset, duration) = (milliseconds(onset), milliseconds(duration));
        (channel.parse().unwrap(), (onset, onset + duration, label.into()))
    };
    text.lines().map(line).collect()
}

fn csv(text: &str, file: &str) -> Vec<(String, Interval)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("file,side,start,end,label"));
    let line = |line: &str| {
        let [name, side, start, end, label] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(name, file);
        (side.into(), (milliseconds(start), milliseconds(end), label.into()))
    };
    lines.map(line).collect()
}

fn json(text: &str, file: &str) -> Vec<(String, Interval)> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["file"], file);
        let time = |name: &str| (value[name].as_f64().unwrap() * 1000.0).round() as i64;
        let side = value.get("side").map_or("", |side| side.as_str().unwrap());
        (side.into(), (time("start"), time("end"), value["label"].as_str().unwrap().into()))
    };
    text.lines().map(line).collect()
}

fn sides(intervals: &[(String, Interval)], side: &str) -> Vec<Interval> {
    intervals.iter().filter(|(name, _)| name == side).map(|(_, interval)| interval.clone()).collect()
}

fn speech_only(intervals: &[Interval]) -> Vec<Interval> {
    intervals.iter().filter(|(.., label)| label != "none").cloned().collect()
}

fn with_empty_text(intervals: &[Interval]) -> Vec<Interval> {
    let text = |label: &str| if label == "none" { String::new() } else { label.into() };
    intervals.iter().map(|(start, end, label)| (*start, *end, text(label))).collect()
}

/// Whether times agree to a millisecond, to which some formats round.
fn assert_close(a: &[Interval], b: &[Interval], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}: {a:?} {b:?}");
    for ((start_a, end_a, label_a), (start_b, end_b, label_b)) in a.iter().zip(b) {
        assert!(
            (start_a - start_b).abs() <= 1 && (end_a - end_b).abs() <= 2 && label_a == label_b,
            "{what}: {a:?} {b:?}"
        );
    }
}

/// Two different clips with two seconds of silence between them, as 16-bit samples.
fn recording(dir: &TestDir) -> Vec<u8> {
    let clip = |name: &str| Recording::from_wav(&dir.read(name)).unwrap().samples;
    let samples = [clip(CLIP), vec![0.0; 96_000], clip("../speech/Actor_02/03-01-01-01-01-01-02.wav")].concat();
    samples.iter().flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes()).collect()
}

#[test]
fn every_format_has_the_intervals_of_the_windows() {
    let (dir, model) = (TestDir::new("timeline"), model());
    let bytes = recording(&dir);
    let other: Vec<u8> = tone(48_000, 20.0)[..bytes.len()].to_vec();
    let both: Vec<u8> = bytes.chunks(2).zip(other.chunks(2)).flat_map(|(l, r)| [l, r].concat()).collect();
    dir.write("one.wav", wav(1, 1, 48_000, 16, &bytes));
    dir.write("two.wav", wav(1, 2, 48_000, 16, &both));
    for windows in ["--window 1", "--window 1 --step 0.4"] {
        let of = |format: &str, file: &str| {
            dir.does(&format!("predict --model {model} {windows} --timeline {format} {file}"))
        };
        let all = sides(&csv(&of("csv", "one.wav"), "one.wav"), "");
        // They cover the recording without a gap, and neighbours differ.
        assert_eq!((all[0].0, all[all.len() - 1].1), (0, bytes.len() as i64 / 96));
        assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].2 != pair[1].2), "{all:?}");
        assert!(all.iter().any(|(.., label)| label == "none"), "{all:?}");
        assert_close(&sides(&json(&of("json", "one.wav"), "one.wav"), ""), &all, "json");
        assert_close(&audacity(&of("audacity", "one.wav")), &speech_only(&all), "audacity");
        let spoken: Vec<Interval> =
            rttm(&of("rttm", "one.wav"), "one.wav").into_iter().map(|(_, interval)| interval).collect();
        assert_close(&spoken, &speech_only(&all), "rttm");
        let [(name, tier)] = &textgrid(&of("textgrid", "one.wav"))[..] else { panic!("one tier") };
        assert_eq!(name, "emotion");
        assert_close(tier, &with_empty_text(&all), "textgrid");

        // Both sides, the left one the same as alone.
        let each = format!("{windows} --side each");
        let of = |format: &str| dir.does(&format!("predict --model {model} {each} --timeline {format} two.wav"));
        let lines = csv(&of("csv"), "two.wav");
        let (left, right) = (sides(&lines, "left"), sides(&lines, "right"));
        assert_close(&left, &all, "left");
        assert!(!right.is_empty());
        let tiers = textgrid(&of("textgrid"));
        assert_eq!([&tiers[0].0, &tiers[1].0], ["emotion left", "emotion right"]);
        assert_close(&tiers[1].1, &with_empty_text(&right), "right");
        let channels = rttm(&of("rttm"), "two.wav");
        assert_eq!(channels.iter().filter(|(channel, _)| *channel == 1).count(), speech_only(&left).len());
        assert_eq!(channels.iter().filter(|(channel, _)| *channel == 2).count(), speech_only(&right).len());
        let labels = audacity(&of("audacity"));
        assert!(
            labels.iter().all(|(.., label)| label.starts_with("left: ") || label.starts_with("right: ")),
            "{labels:?}"
        );
    }
    let line = format!("predict --model {model} --timeline textgrid");
    dir.is_wrong_call(
        &format!("{line} --window 1 one.wav two.wav"),
        &["--timeline textgrid: expected one recording, got 2"],
    );
    assert_eq!(dir.run(&format!("{line} one.wav")).code, 2, "without windows there is no time");
    assert_eq!(dir.run(&format!("{line} --window 1 --csv one.wav")).code, 2);
}

#[test]
fn a_live_timeline_has_the_labels_of_the_lines() {
    let (dir, model) = (TestDir::new("timeline-live"), model());
    let bytes = recording(&dir);
    let run = |options: &str| {
        let ran = dir.run_with_stdin(&format!("predict --model {model} --live --step 0.5 {options}"), bytes.clone());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    let lines = run("--csv");
    let labels: Vec<(i64, &str)> = lines
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (milliseconds(fields[0]), fields[1])
        })
        .collect();
    let mut expected: Vec<Interval> = Vec::new();
    for (time, label) in labels {
        match expected.last_mut() {
            Some(latest) if latest.2 == label => {}
            latest => {
                if let Some(latest) = latest {
                    latest.1 = time;
                }
                expected.push((time, 0, label.into()));
            }
        }
    }
    let length = bytes.len() as i64 / 96;
    expected.last_mut().unwrap().1 = length;
    expected.retain(|(start, end, _)| start < end);
    assert_close(&sides(&csv(&run("--timeline csv"), "stdin"), ""), &expected, "csv");
    assert_close(&audacity(&run("--timeline audacity")), &speech_only(&expected), "audacity");
    let tiers = textgrid(&run("--timeline textgrid"));
    assert_close(&tiers[0].1, &with_empty_text(&expected), "textgrid");
}
