//! `synth` and `features`.

use crate::room::{CLIP, Room, SPEECH_CLIPS, tone, wav};
use reslstm::corpus::{find_audio, npy};

#[test]
fn a_synthetic_corpus_is_the_same_every_time_and_another_with_another_seed() {
    let room = Room::new("synth");
    let line = "--speakers 2 --statements 1 --repetitions 1";
    room.does(&format!("synth a {line}"));
    room.does(&format!("synth b {line}"));
    room.does(&format!("synth c {line} --seed 1"));
    let clips = find_audio(&room.path("a")).unwrap();
    assert_eq!(clips.len(), 30);
    for clip in clips {
        let below = clip.strip_prefix(room.path("a")).unwrap();
        let bytes = std::fs::read(&clip).unwrap();
        assert!(bytes == std::fs::read(room.path("b").join(below)).unwrap(), "{}", below.display());
        assert!(bytes != std::fs::read(room.path("c").join(below)).unwrap(), "{}", below.display());
    }
    assert!(String::from_utf8(room.read("a/SYNTHETIC.txt")).unwrap().contains("Nobody spoke it"));
}

#[test]
fn a_synthetic_corpus_is_not_mixed_with_anything() {
    let room = Room::new("synth-refuses");
    room.write("full/mine.wav", "mine");
    room.refuses_saying("synth full", &["full: expected a new or empty folder, but it holds files"]);
    assert_eq!(room.list("full"), ["mine.wav"]);
    room.refuses_saying("synth full/mine.wav", &["full/mine.wav"]);
    room.refuses_saying("synth new --speakers 25", &["expected 1 to 24 speakers", "got 25"]);
    assert!(!room.path("new").exists());
    room.refuses_saying("demo -o full", &["full: expected a new or empty folder"]);
    assert_eq!(room.list("full"), ["mine.wav"]);
}

#[test]
fn features_keep_folders_and_csv_holds_the_numbers_of_npy() {
    let room = Room::new("features");
    room.does("features ../speech -o npy");
    room.does("features ../speech -o csv --format csv");
    assert_eq!(room.list("npy").len(), 6);
    let clips = find_audio(&room.path("../speech")).unwrap();
    assert_eq!(clips.len(), SPEECH_CLIPS);
    for clip in clips {
        let below = clip.strip_prefix(room.path("../speech")).unwrap();
        let features = npy::from_bytes(&std::fs::read(room.path("npy").join(below.with_extension("npy"))).unwrap());
        let features = features.unwrap();
        let text = std::fs::read_to_string(room.path("csv").join(below.with_extension("csv"))).unwrap();
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        assert!(header.starts_with("mfcc_0,mfcc_1,") && header.ends_with(",chroma_11"), "{header}");
        let read: Vec<f32> = lines.flat_map(|line| line.split(',').map(|number| number.parse().unwrap())).collect();
        assert!(features.cols() == 46 && read == features.as_slice(), "{}", below.display());
    }
}

#[test]
fn features_are_written_over_only_when_asked() {
    let room = Room::new("features-force");
    room.write("out/03-01-05-01-01-01-02.npy", "mine");
    let line = format!("features {CLIP} -o out");
    room.refuses_saying(&line, &["out/03-01-05-01-01-01-02.npy", "expected a name that is free", "--force"]);
    assert_eq!(room.read("out/03-01-05-01-01-01-02.npy"), b"mine");
    room.does(&format!("{line} --force"));
    assert!(npy::from_bytes(&room.read("out/03-01-05-01-01-01-02.npy")).is_ok());
}

#[test]
fn a_broken_recording_is_named_and_the_others_are_done() {
    let room = Room::new("features-broken");
    for name in ["in/a.wav", "in/deep/c.wav"] {
        room.write(name, wav(1, 1, 16_000, 16, &tone(16_000, 0.5)));
    }
    room.write("in/deep/b.wav", "no sound at all");
    room.refuses_saying(
        "features in -o out",
        &["in/deep/b.wav: expected a WAV file", "1 of 3 failed, the others are done"],
    );
    assert_eq!((room.list("out"), room.list("out/deep")), (vec!["a.npy".into(), "deep".into()], vec!["c.npy".into()]));
}

#[test]
fn two_recordings_never_become_one_file() {
    let room = Room::new("features-clash");
    for name in ["x/a.wav", "y/a.wav"] {
        room.write(name, wav(1, 1, 16_000, 16, &tone(16_000, 0.5)));
    }
    room.refuses_saying("features x y -o out", &["out/a.npy", "x/a.wav", "y/a.wav"]);
    room.does("features . -o out");
    assert_eq!(room.list("out"), ["x", "y"]);
}
