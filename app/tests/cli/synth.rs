//! `synth`.

use crate::test_dir::TestDir;
use reslstm_cli::corpus::find_audio;

#[test]
fn a_synthetic_corpus_depends_on_the_seed_alone() {
    let dir = TestDir::new("synth");
    let line = "--speakers 2 --statements 1 --repetitions 1";
    dir.does(&format!("synth a {line}"));
    dir.does(&format!("synth b {line}"));
    dir.does(&format!("synth c {line} --seed 1"));
    let clips = find_audio(&dir.path("a")).unwrap();
    assert_eq!(clips.len(), 30);
    for clip in clips {
        let below = clip.strip_prefix(dir.path("a")).unwrap();
        let bytes = std::fs::read(&clip).unwrap();
        assert!(bytes == std::fs::read(dir.path("b").join(below)).unwrap(), "{}", below.display());
        assert!(bytes != std::fs::read(dir.path("c").join(below)).unwrap(), "{}", below.display());
    }
    assert!(String::from_utf8(dir.read("a/SYNTHETIC.txt")).unwrap().contains("Nobody spoke it"));
}

#[test]
fn a_synthetic_corpus_goes_into_an_empty_folder_only() {
    let dir = TestDir::new("synth-refuses");
    dir.write("full/mine.wav", "mine");
    dir.refuses_saying("synth full", &["full: expected a new or empty folder, but it holds files"]);
    assert_eq!(dir.list("full"), ["mine.wav"]);
    dir.refuses_saying("synth full/mine.wav", &["full/mine.wav"]);
    dir.is_wrong_call("synth new --speakers 25", &["expected 1 to 24 speakers", "got 25"]);
    assert!(!dir.path("new").exists());
    dir.refuses_saying("demo -o full", &["full: expected a new or empty folder"]);
    assert_eq!(dir.list("full"), ["mine.wav"]);
}
