//! Folders of sound files as telephones and messengers leave them: what is read, what is named, the exit code.

use crate::test_dir::{CLIP, SMALL, TestDir, model, tone, wav};

/// A file of `tests/sound`.
fn sound(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/sound/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

#[test]
fn a_mixed_folder_is_read_and_what_cannot_be_read_is_named_and_counted() {
    let (dir, model) = (TestDir::new("mixed-folder"), model());
    let read = [
        "a-law.wav",
        "aac.m4a",
        "mp3.mp3",
        "opus-voice.ogg",
        "opus-music.opus",
        "pcm16.aiff",
        "pcm16.flac",
        "pcm24.w64",
    ];
    for name in read {
        dir.write(&format!("in/{name}"), sound(name));
    }
    dir.write("in/b.WAVE", sound("pcm16.wav"));
    // The content decides.
    dir.write("in/really-flac.wav", sound("pcm16.flac"));
    dir.write("in/notes.txt", "no sound");
    for (name, bytes) in
        [("gsm.wav", &sound("gsm.wav")[..]), ("messenger.amr", b"#!AMR\n<"), ("old.au", &sound("pcm16.au"))]
    {
        dir.write(&format!("in/{name}"), bytes);
    }
    dir.write("in/lfs.wav", POINTER);
    let ran = dir.run(&format!("predict --model {model} --csv in"));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1 + read.len() + 2, "{}", ran.stdout);
    for part in [
        "error: in/gsm.wav: ",
        "(GSM 6.10)",
        "error: in/messenger.amr: expected a kind of sound file that is read, got AMR",
        "error: in/old.au: expected a kind of sound file that is read, got AU",
        "error: in/lfs.wav: expected the file itself, got a pointer of git-lfs to it (fetch",
        "4 of 14 failed, the rest succeeded",
    ] {
        assert!(ran.stderr.contains(part), "expected `{part}` in: {}", ran.stderr);
    }
    // The same sound in two files, whatever their kind, has the same probabilities.
    let of = |name: &str| {
        let line = ran.stdout.lines().find(|line| line.starts_with(&format!("in/{name},"))).unwrap();
        line.split_once(',').unwrap().1.to_owned()
    };
    assert_eq!((of("pcm16.flac"), of("pcm16.aiff")), (of("really-flac.wav"), of("b.WAVE")));
    let ran = dir.run("features in -o out");
    assert!(ran.code == 1 && ran.stderr.contains("4 of 14 failed"), "{}", ran.stderr);
    assert_eq!(dir.list("out").len(), 10);
    // Names that would be the same keep their endings.
    assert!(["pcm16.aiff.npy", "pcm16.flac.npy", "b.npy"].iter().all(|name| dir.path("out").join(name).exists()));

    dir.refuses_saying(&format!("predict --model in/lfs.wav {CLIP}"), &["in/lfs.wav: ", "git lfs pull"]);
    let piped = dir.run_with_stdin(&format!("predict --model {model} --csv -"), sound("pcm16.flac"));
    assert!(piped.code == 0 && piped.stdout.contains(&of("pcm16.flac")), "{piped:?}");
    let damaged = dir.run_with_stdin(&format!("predict --model {model} -"), &sound("pcm16.flac")[..900]);
    assert!(damaged.code == 1 && damaged.stderr.contains("error: stdin: expected FLAC"), "{damaged:?}");
}

#[test]
fn odd_recordings_are_read_with_a_note() {
    let (dir, model) = (TestDir::new("odd-recordings"), model());
    let samples = tone(48_000, 0.3);
    dir.write("whole.wav", wav(1, 1, 48_000, 16, &samples));
    dir.write("partial.wav", wav(1, 1, 48_000, 16, &[&samples[..], &[1]].concat()));
    let unscaled = samples.as_chunks::<2>().0.iter().flat_map(|&two| f32::from(i16::from_le_bytes(two)).to_le_bytes());
    dir.write("unscaled.wav", wav(3, 1, 48_000, 32, &unscaled.collect::<Vec<u8>>()));
    let predict = |name: &str| {
        let ran = dir.run(&format!("predict --model {model} --csv --no-gate {name}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let row = ran.stdout.lines().last().unwrap();
        (row.split_once(',').unwrap().1.to_owned(), ran.stderr)
    };
    let (whole, partial) = (predict("whole.wav"), predict("partial.wav"));
    assert_eq!((&whole.0, whole.1.as_str()), (&partial.0, ""));
    assert!(partial.1.contains("note: partial.wav: left out 1 byte at the end"), "{}", partial.1);
    let note = predict("unscaled.wav").1;
    assert!(note.contains("note: unscaled.wav: samples reach ") && note.contains("divide them by 32768"), "{note}");
    // Training reads the same, and says so.
    let mut table = "path,label,speaker\n".to_string();
    for (clip, (label, speaker)) in [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")].into_iter().enumerate() {
        dir.write(&format!("{clip}.wav"), wav(1, 1, 48_000, 16, &[&samples[clip * 200..], &[1]].concat()));
        table += &format!("{clip}.wav,{label},{speaker}\n");
    }
    dir.write("corpus.csv", table);
    let ran = dir.run(&format!("train corpus.csv -o m.safetensors --all {SMALL}"));
    assert!(ran.code == 0 && ran.stderr.contains("note: 3.wav: left out 1 byte"), "{}", ran.stderr);
}
