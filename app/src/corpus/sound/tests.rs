//! Every kind of sound file in `tests/sound`, whose recipe is `make.py` there, against librosa and ffmpeg.

use super::*;
use reslstm::models::{ModelFile, Predictor};
use serde_json::Value;
use std::path::PathBuf;

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sound").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden() -> Value {
    serde_json::from_slice(&file("golden.json")).unwrap()
}

fn decoded(name: &str) -> Sound {
    decode(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// FNV-1a of the samples' bytes.
fn fnv(samples: &[f32]) -> String {
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

fn error_of(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().to_string()
}

#[test]
fn lossless_kinds_give_the_samples_of_librosa() {
    let golden = golden();
    let kinds = golden["lossless"].as_object().unwrap();
    assert!(kinds.len() > 25, "{}", kinds.len());
    for (name, expected) in kinds {
        let Sound { recording, notes } = decoded(name);
        assert_eq!(expected["rate"], recording.sample_rate, "{name}");
        assert_eq!(expected["samples"], recording.samples.len(), "{name}");
        assert_eq!(expected["fnv"], fnv(&recording.samples), "{name}");
        let is_partial = name.contains("partial");
        assert_eq!(notes.len(), usize::from(is_partial), "{name}: {notes:?}");
        assert!(!is_partial || notes[0].contains("left out 4 bytes at the end"), "{notes:?}");
    }
}

/// Of ALAC, ffmpeg states more frames than it writes; of A-law, the bits in the file. Memory is not what a header says.
#[test]
fn alac_and_a_law_in_caf_are_read_and_what_is_cut_off_or_states_too_much_is_refused() {
    let seed = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/caf").join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let alac = seed("alac.caf");
    assert_eq!(decode(&alac).unwrap().recording, decode(&seed("pcm16.caf")).unwrap().recording);
    let cut_off = error_of(&alac[..alac.len() - 9]);
    assert!(cut_off.contains("CAF"), "{cut_off}");

    let long = error_of(&seed("packets-of-many-frames"));
    assert!(long.contains("packets of 285212673 samples, where at most 1048576 are read"), "{long}");
    // AIFF has packets of 1,152 frames, here of 65,535 channels.
    let mut wide = file("pcm16.aiff");
    let channels = wide.windows(4).position(|name| name == b"COMM").unwrap() + 8;
    wide[channels..channels + 2].fill(0xff);
    let wide = error_of(&wide);
    assert!(wide.contains("packets of 75496320 samples"), "{wide}");

    let Sound { recording, notes } = decode(&seed("a-law-stereo.caf")).unwrap();
    let exact = decode(&seed("float32-stereo.caf")).unwrap().recording;
    assert_eq!((recording.sample_rate, recording.samples.len(), notes.len()), (8_000, exact.samples.len(), 0));
    let correlation = correlation(&recording.samples, &exact.samples);
    assert!(correlation > 0.999, "{correlation}");
}

#[test]
fn the_beginning_of_every_kind_says_the_sample_rate() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sound");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if let Some(sound) = std::fs::read(&path).ok().and_then(|bytes| decode(&bytes).ok()) {
            assert_eq!(sample_rate(&path), Some(sound.recording.sample_rate), "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    assert_eq!(sample_rate(&path), None);
    std::fs::write(&path, "no sound").unwrap();
    assert_eq!(sample_rate(&path), None);
    // A header longer than what is read first.
    let mut late = b"RIFF\0\0\0\0WAVEjunk\x10\x27\0\0".to_vec();
    late.resize(late.len() + 10_000, 0);
    let mut wav = reslstm::audio::write_wav16(&[0.5; 100], 12_345);
    late.extend(wav.drain(12..));
    let length = late.len() as u32 - 8;
    late[4..8].copy_from_slice(&length.to_le_bytes());
    std::fs::write(&path, &late).unwrap();
    assert_eq!((sample_rate(&path), decode(&late).unwrap().recording.sample_rate), (Some(12_345), 12_345));
}

/// The correlation of two recordings, sample by sample.
fn correlation(ours: &[f32], other: &[f32]) -> f64 {
    let (mut product, mut squares) = (0.0, (0.0, 0.0));
    for (&a, &b) in ours.iter().zip(other) {
        let (a, b) = (f64::from(a), f64::from(b));
        (product, squares) = (product + a * b, (squares.0 + a * a, squares.1 + b * b));
    }
    product / (squares.0 * squares.1).sqrt()
}

#[test]
fn lossy_kinds_sound_as_other_decoders_have_them() {
    let model = include_bytes!("../../../data/reslstm-sa-h64-ravdess.safetensors");
    let mut predictor = Predictor::new(ModelFile::from_bytes(model).unwrap()).unwrap();
    let mut label = |recording: Recording| {
        let recording = crate::corpus::resample::to_rate(recording, predictor.sample_rate().unwrap()).unwrap();
        predictor.predict_recording(&recording).unwrap().label
    };
    let golden = golden();
    let kinds = golden["lossy"].as_array().unwrap();
    assert_eq!(kinds.len(), 8);
    for name in kinds.iter().map(|name| name.as_str().unwrap()) {
        let (Sound { recording, notes }, reference) = (decoded(name), decoded(&format!("reference/{name}.wav")));
        assert_eq!(recording.sample_rate, reference.recording.sample_rate, "{name}");
        let (ours, other) = (&recording.samples, &reference.recording.samples);
        // WebM does not say how much of the last packet is no sound.
        let most = other.len() + if name.ends_with("webm") { 960 } else { 0 };
        assert!((other.len()..=most).contains(&ours.len()), "{name}: {} samples, not {}", ours.len(), other.len());
        let correlation = correlation(ours, other);
        assert!(correlation > 0.999, "{name}: {correlation}");
        assert_eq!(notes, [""; 0], "{name}");
        assert_eq!(label(recording), label(reference.recording), "{name}");
    }
}

#[test]
fn kinds_that_are_not_read_are_named_with_what_to_do() {
    for (name, kind) in [("gsm.wav", "GSM 6.10"), ("pcm16.au", "AU (Sun"), ("video-only.mp4", "no sound track")] {
        let message = error_of(&file(name));
        assert!(message.contains(kind) && message.contains("ffmpeg -i INPUT"), "{name}: {message}");
    }
    for (bytes, kind) in [
        (&b"#!AMR\n<"[..], "got AMR"),
        (b"NIST_1A\n   1024\n", "got NIST SPHERE"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "got Windows Media Audio"),
        (b"OggS\0\x02\0\0", "got another kind of Ogg"),
        (b"ID3\x03\0\0\0\0\0\0", "expected MP3 that can be decoded, got: "),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "expected M4A that can be decoded, got: "),
        (b"fLaC\0\0\0\x22", "expected FLAC that can be decoded, got: "),
        (b"Dear diary", "got 10 bytes beginning \"Dear diary\""),
        (b"", "got 0 bytes"),
    ] {
        let message = error_of(bytes);
        assert!(message.contains(kind) && message.contains("ffmpeg -i INPUT"), "{message}");
    }
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    assert!(error_of(pointer).contains("a pointer of git-lfs to it (fetch"), "{}", error_of(pointer));
    assert!(error_of(pointer).contains("git lfs pull"));
}

#[test]
fn damaged_and_cut_off_files_are_no_sound_without_a_word() {
    // A changed sample in the middle, a cut anywhere: lossless kinds are refused.
    for name in ["pcm16.flac", "flac.oga", "alac.m4a", "pcm16.aiff"] {
        let good = file(name);
        for part in 1..8 {
            let message = error_of(&good[..good.len() * part / 8]);
            assert!(message.contains("ffmpeg"), "{name}, {part} eighths: {message}");
        }
    }
    let mut changed = file("pcm16.flac");
    let middle = changed.len() / 2;
    changed[middle] ^= 0x10;
    assert!(error_of(&changed).contains("expected FLAC that can be decoded"), "{}", error_of(&changed));
    // Lossy kinds may lose packets: then a note says so.
    for name in ["vorbis.ogg", "opus-music.opus", "mp3.mp3", "aac.m4a", "aac.aac"] {
        let good = file(name);
        for at in (0..good.len()).step_by(97) {
            let mut damaged = good.clone();
            damaged[at] ^= 0x55;
            let _ = decode(&damaged);
            let _ = decode(&good[..at]);
        }
    }
}

#[test]
fn a_huge_description_of_an_mp4_file_is_not_held_in_memory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let length = 2_000_000_000u32;
    let boxes = [&b"\0\0\0\x14ftypM4A \0\0\0\0M4A "[..], &length.to_be_bytes(), b"moov"].concat();
    std::fs::write(file.path(), boxes).unwrap();
    // Zeros that take no space on the disk.
    file.as_file().set_len(length.into()).unwrap();
    let message = decode_file(file.path()).unwrap_err().to_string();
    assert!(message.contains("a description of the sound of more than 67108864 bytes"), "{message}");
}

#[test]
fn floats_in_the_unit_of_integers_are_noted() {
    let mut bytes = file("float32.wav");
    let data = bytes.windows(4).position(|name| name == b"data").unwrap() + 8;
    let note_of = |bytes: &[u8]| decode(bytes).unwrap().notes;
    bytes[data..data + 8].copy_from_slice(&[9.5f32.to_le_bytes(), 9.5f32.to_le_bytes()].concat());
    assert_eq!(note_of(&bytes), [""; 0]);
    bytes[data..data + 8].copy_from_slice(&[9000f32.to_le_bytes(), 8000f32.to_le_bytes()].concat());
    let notes = note_of(&bytes);
    assert!(notes.len() == 1 && notes[0].starts_with("samples reach 8500 times full scale"), "{notes:?}");
    assert!(notes[0].contains("divide them by 32768"));
}

#[test]
fn a_file_on_disk_gives_the_samples_of_its_bytes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sound");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(expected) = std::fs::read(&path).ok().and_then(|bytes| decode(&bytes).ok()) else { continue };
        let mut reader = SoundReader::open(Box::new(std::fs::File::open(&path).unwrap()), Side::Mix).unwrap();
        let mut samples = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            samples.extend(block);
        }
        let got = Recording { sample_rate: reader.sample_rate(), samples };
        assert!(got == expected.recording, "{}", path.display());
        assert_eq!(reader.into_notes(), expected.notes, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

/// All samples of one side.
fn side(bytes: &[u8], side: Side) -> Result<Sound> {
    let mut reader = SoundReader::open(Box::new(Cursor::new(bytes.to_vec())), side)?;
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block()? {
        samples.extend(block);
    }
    Ok(Sound { recording: Recording { sample_rate: reader.sample_rate(), samples }, notes: reader.into_notes() })
}

/// A 16-bit WAV file with these channels.
fn stereo(left: &[f32], right: &[f32]) -> Vec<u8> {
    let both: Vec<f32> = left.iter().zip(right).flat_map(|(&l, &r)| [l, r]).collect();
    let mut bytes = reslstm::audio::write_wav16(&both, 16_000);
    bytes[22] = 2;
    bytes
}

#[test]
fn a_side_is_one_channel_and_the_mix_is_their_mean() {
    let (left, right): (Vec<f32>, Vec<f32>) =
        (0..40_000).map(|i| ((i % 64) as f32 / 64.0, -((i % 8) as f32) / 8.0)).unzip();
    let bytes = stereo(&left, &right);
    let samples = |of: Side| side(&bytes, of).unwrap().recording.samples;
    assert!(samples(Side::Left) == left && samples(Side::Right) == right);
    assert!(samples(Side::Mix) == decode(&bytes).unwrap().recording.samples);
    assert_eq!(samples(Side::Mix)[9], (left[9] + right[9]) / 2.0);
    let error = side(&reslstm::audio::write_wav16(&left, 16_000), Side::Right).err().unwrap().to_string();
    assert!(error.contains("expected two channels, of which to take the right one, got 1"), "{error}");
}

#[test]
fn channels_that_cancel_each_other_are_noted() {
    let left: Vec<f32> = (0..9000).map(|i| (i as f32 * 0.1).sin() * 0.5).collect();
    let opposite: Vec<f32> = left.iter().map(|sample| -sample).collect();
    let notes = |bytes: &[u8], of: Side| side(bytes, of).unwrap().notes;
    assert!(notes(&stereo(&left, &opposite), Side::Mix)[0].contains("cancel each other"));
    assert_eq!(notes(&stereo(&left, &opposite), Side::Left), [""; 0]);
    let silent = vec![0.0; 9000];
    for other in [&silent, &left] {
        assert_eq!(notes(&stereo(&left, other), Side::Mix), [""; 0]);
    }
    assert_eq!(notes(&stereo(&silent, &silent), Side::Mix), [""; 0]);
}

#[test]
fn the_content_decides_and_not_the_name() {
    assert!(["a.wav", "B.WAVE", "c.Mp3", "d.opus", "e.wma", "f.sph"].iter().all(|name| is_sound_name(name.as_ref())));
    assert!(!["a.txt", "wav", "a.npy", "a.csv", ".wav"].iter().any(|name| is_sound_name(name.as_ref())));
    let golden = golden();
    // None of these bytes say what the file is called.
    assert!(golden["lossless"].as_object().unwrap().keys().all(|name| kinds::identify(&file(name), None).is_ok()));
    assert_eq!(kinds::identify(&file("opus-voice.ogg"), None).unwrap(), Reader::Symphonia("Opus"));
}

#[test]
fn a_rate_that_no_recording_has_is_refused() {
    let mut aiff = file("pcm16.aiff");
    let at = aiff.windows(4).position(|name| name == b"COMM").unwrap() + 16;
    // A number of 80 bits: 2³² − 1.
    aiff[at..at + 10].copy_from_slice(&[0x40, 0x1e, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let error = decode(&aiff).unwrap_err();
    let expected = "expected a sample rate of 1000 to 1000000 Hz, got 4294967295";
    assert!(error.kind() == Kind::Audio && error.to_string().contains(expected), "{error}");
}

#[test]
fn a_few_bytes_are_no_sound_file() {
    for length in 0..8 {
        for beginning in [b"\xff\xf1\xff\xf1\xff\xf1\xff\xf1", b"ID3\x04ftyp", b"fLaC\0\0\0\x22"] {
            assert_eq!(decode(&beginning[..length]).unwrap_err().kind(), Kind::Audio, "{beginning:?}, {length}");
        }
    }
}
