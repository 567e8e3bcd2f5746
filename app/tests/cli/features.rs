//! `features`.

use crate::test_dir::{CLIP, SPEECH_CLIPS, TestDir, tone, wav};
use reslstm_cli::corpus::{find_audio, npy};

#[test]
fn features_keep_folders_and_csv_has_the_same_numbers_as_npy() {
    let dir = TestDir::new("features");
    dir.does("features ../speech -o npy");
    dir.does("features ../speech -o csv --format csv");
    assert_eq!(dir.list("npy").len(), 6);
    let clips = find_audio(&dir.path("../speech")).unwrap();
    assert_eq!(clips.len(), SPEECH_CLIPS);
    for clip in clips {
        let below = clip.strip_prefix(dir.path("../speech")).unwrap();
        let features = npy::from_bytes(&std::fs::read(dir.path("npy").join(below.with_extension("npy"))).unwrap());
        let features = features.unwrap();
        let text = std::fs::read_to_string(dir.path("csv").join(below.with_extension("csv"))).unwrap();
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        assert!(header.starts_with("mfcc_0,mfcc_1,") && header.ends_with(",chroma_11"), "{header}");
        let read: Vec<f32> = lines.flat_map(|line| line.split(',').map(|number| number.parse().unwrap())).collect();
        assert!(features.cols() == 46 && read == features.as_slice(), "{}", below.display());
    }
}

#[test]
fn feature_files_are_overwritten_only_with_force() {
    let dir = TestDir::new("features-force");
    dir.write("out/03-01-05-01-01-01-02.npy", "mine");
    let line = format!("features {CLIP} -o out");
    dir.refuses_saying(&line, &["out/03-01-05-01-01-01-02.npy", "the file exists already", "--force"]);
    assert_eq!(dir.read("out/03-01-05-01-01-01-02.npy"), b"mine");
    dir.does(&format!("{line} --force"));
    assert!(npy::from_bytes(&dir.read("out/03-01-05-01-01-01-02.npy")).is_ok());
}

#[test]
fn a_broken_recording_is_reported_and_the_others_are_written() {
    let dir = TestDir::new("features-broken");
    for name in ["in/a.wav", "in/deep/c.wav"] {
        dir.write(name, wav(1, 1, 16_000, 16, &tone(16_000, 0.5)));
    }
    dir.write("in/deep/b.wav", "no sound at all");
    dir.refuses_saying(
        "features in -o out",
        &["in/deep/b.wav: expected a sound file", "1 of 3 failed, the rest succeeded"],
    );
    assert_eq!((dir.list("out"), dir.list("out/deep")), (vec!["a.npy".into(), "deep".into()], vec!["c.npy".into()]));
}

#[test]
fn two_recordings_are_never_written_to_one_file() {
    let dir = TestDir::new("features-clash");
    for name in ["x/a.wav", "y/a.wav"] {
        dir.write(name, wav(1, 1, 16_000, 16, &tone(16_000, 0.5)));
    }
    dir.refuses_saying("features x y -o out", &["out/a.npy", "x/a.wav", "y/a.wav"]);
    dir.does("features . -o out");
    assert_eq!(dir.list("out"), ["x", "y"]);
}
