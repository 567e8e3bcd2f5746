//! Bad input: exit code 1, and a message with the file, what was expected and what was found. No file is lost, and no training
//! starts before the check.

use crate::test_dir::{CLIP, SMALL, TestDir, model, tone, wav};
use reslstm::matrix::Matrix;
use reslstm_cli::corpus::npy;

/// Silence, as data for files with another fault.
static SILENCE: [u8; 40_000] = [0; 40_000];

/// Broken recordings: name, bytes, expected message.
fn broken_recordings() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = wav(1, 1, 16_000, 16, &tone(16_000, 0.5));
    let mut floats = vec![0u8; 40_000];
    floats[20_000..20_004].copy_from_slice(&f32::NAN.to_le_bytes());
    vec![
        ("text.wav", b"Dear diary, today I was happy.".to_vec(), "expected a sound file (WAV"),
        ("empty.wav", Vec::new(), "expected a sound file (WAV"),
        ("png.wav", b"\x89PNG\r\n\x1a\n0000IHDR".to_vec(), "expected a sound file (WAV"),
        ("truncated.wav", good[..1000].to_vec(), "expected 16000 bytes of \"data\" as the header says, got 956"),
        ("header-only.wav", good[..30].to_vec(), "expected"),
        ("no-samples.wav", wav(1, 1, 16_000, 16, &[]), "expected at least one sample, got none"),
        ("nan.wav", wav(3, 1, 16_000, 32, &floats), "NaN"),
        ("no-channels.wav", wav(1, 0, 16_000, 16, &SILENCE), "expected 1 to 16 channels, got 0"),
        ("17-channels.wav", wav(1, 17, 16_000, 16, &SILENCE), "expected 1 to 16 channels, got 17"),
        ("no-rate.wav", wav(1, 1, 0, 16, &SILENCE), "expected"),
        ("mp3-inside.wav", wav(0x55, 1, 16_000, 16, &SILENCE), "got format 0x0055 (MP3)"),
    ]
}

#[test]
fn each_broken_recording_is_named_with_its_fault() {
    let (dir, model) = (TestDir::new("broken-audio"), model());
    let broken = broken_recordings();
    for (name, bytes, _) in &broken {
        dir.write(&format!("in/{name}"), bytes);
    }
    dir.write("in/good.wav", wav(1, 1, 48_000, 16, &tone(48_000, 0.5)));
    for (name, _, problem) in &broken {
        dir.refuses_saying(&format!("predict --model {model} in/{name}"), &[&format!("error: in/{name}: "), problem]);
    }
    dir.refuses_saying(&format!("predict --model {model} in/missing.wav"), &["error: in/missing.wav: No such file"]);
    let count = format!("{} of {} failed, the rest succeeded", broken.len(), broken.len() + 1);
    let ran = dir.run(&format!("predict --model {model} --csv in"));
    assert!(ran.code == 1 && ran.stderr.contains(&count), "{}", ran.stderr);
    assert!(ran.stdout.lines().count() == 2 && ran.stdout.contains("\nin/good.wav,"), "{}", ran.stdout);
    dir.refuses_saying("features in -o out", &[&count]);
    assert_eq!(dir.list("out"), ["good.npy"]);
    // No model is trained on the rest of a broken corpus.
    dir.write("corpus.csv", "path,label,speaker\nin/good.wav,a,x\nin/nan.wav,b,y\nin/text.wav,b,z\n");
    let train = format!("train corpus.csv -o m.safetensors --all {SMALL}");
    dir.refuses_saying(&train, &["found 2 of 3 that are not", "in/nan.wav: ", "in/text.wav: expected a sound file"]);
    assert!(!dir.path("m.safetensors").exists());
}

#[test]
fn folders_that_are_not_a_corpus_are_refused() {
    let dir = TestDir::new("broken-folders");
    std::fs::create_dir(dir.path("empty")).unwrap();
    let clip = dir.read(CLIP);
    for (data, name, problem) in [
        ("emotion", "03-01-09-01-01-01-01.wav", "field `emotion`: expected 01 to 08"),
        ("named", "take-1.wav", "describe another corpus by a manifest .csv"),
    ] {
        dir.write(&format!("{data}/{name}"), &clip);
        dir.write(&format!("{data}/03-01-05-01-01-01-02.wav"), &clip);
        let message = dir.refuses(&format!("cv {data} -o out {SMALL}"));
        assert!([data, name, problem].iter().all(|part| message.contains(part)), "{message}");
    }
    dir.refuses_saying(
        "cv empty -o out",
        &["empty: expected a folder of a known corpus", "holds no sound files (RAVDESS is on Zenodo"],
    );
    dir.refuses_saying("cv nowhere -o out", &["nowhere: ", "record 1188976"]);
    dir.refuses_saying(&format!("cv {CLIP} -o out"), &[CLIP, "expected a folder of a known corpus"]);
    dir.refuses_saying("features empty -o out", &["empty: expected recordings in this folder (.wav, "]);
    dir.refuses_saying("predict empty", &["empty: expected recordings in this folder (.wav, "]);
    assert!(!dir.path("out").exists());
}

#[test]
fn invalid_manifests_are_refused() {
    let dir = TestDir::new("broken-manifests");
    for n in 1..=4 {
        dir.write(&format!("{n}.wav"), wav(1, 1, 16_000, 16, &tone(16_000, 0.3 + 0.1 * f64::from(n))));
    }
    for (table, problem) in [
        ("path,label,speaker\n1.wav,a,x\n9.wav,b,y\n", "line 3: 9.wav: No such file"),
        (
            "path,label,speaker\nC:\\me\\1.wav,a,x\n2.wav,b,y\n",
            "line 2: C:\\me\\1.wav: on a Windows drive, which this system",
        ),
        ("path,label\n1.wav,a\n", "line 1: the column `speaker` is missing"),
        ("path,label,speaker\n1.wav,a,x\n2.wav,a,y\n3.wav,a,z\n", "expected"),
        ("path,label,speaker\n", "expected one clip per line"),
        ("", "line 1: the column `path` is missing"),
        ("path,label,speaker\n1.wav,a,x\n2.wav,b,y\n", "expected at least 3 speakers"),
        ("path,label,speaker\n1.wav,a,x\n1.wav,b,y\n", "line 3: the path `1.wav` is on line 2 already"),
        ("path,label,speaker\n1.wav,a\n", "line 2: expected 3 fields, found 2"),
    ] {
        dir.write("corpus.csv", table);
        dir.refuses_saying(&format!("cv corpus.csv -o out {SMALL}"), &["error: corpus.csv: ", problem]);
    }
    assert!(!dir.path("out").exists());
    // Enough speakers, but a single training clip.
    dir.write("corpus.csv", "path,label,speaker\n1.wav,a,x\n2.wav,b,y\n3.wav,b,z\n");
    let line = format!("cv corpus.csv -o out --folds loso {SMALL}");
    dir.refuses_saying(&line, &["expected at least two clips to train on, got 1"]);
}

#[test]
fn features_that_do_not_fit_the_model_are_refused() {
    let (dir, model) = (TestDir::new("broken-features"), model());
    let mut nan = Matrix::zeros(5, 46);
    nan[(2, 3)] = f32::NAN;
    for (name, bytes, problem) in [
        (
            "narrow.npy",
            npy::to_bytes(&Matrix::zeros(5, 40)),
            "expected 46 feature columns, as the model was trained on, got 40",
        ),
        ("nan.npy", npy::to_bytes(&nan), "expected finite values, got NaN in frame 2, column 3"),
        ("cut.npy", npy::to_bytes(&Matrix::zeros(5, 46))[..300].to_vec(), "expected 5 × 46 values"),
        ("text.npy", b"mfcc_0,mfcc_1".to_vec(), "expected a .npy file"),
    ] {
        dir.write(name, bytes);
        dir.refuses_saying(&format!("predict --model {model} {name}"), &[&format!("error: {name}: "), problem]);
    }
    dir.write("good.npy", npy::to_bytes(&Matrix::zeros(5, 46)));
    let windows = format!("predict --model {model} --window 1 good.npy");
    dir.refuses_saying(&windows, &["good.npy: windows are cut from recordings"]);
}

#[test]
fn invalid_model_files_are_refused() {
    let (dir, model) = (TestDir::new("broken-models"), model());
    let good = dir.read(model);
    let mut not_finite = good.clone();
    let end = not_finite.len();
    not_finite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut huge = (1u64 << 60).to_le_bytes().to_vec();
    huge.extend(b"{\"lstm.weight_ih_l0\":{");
    let claim = br#"{"lstm.weight_ih_l0":{"dtype":"F32","shape":[1099511627776,46],"data_offsets":[0,4]}}"#;
    let claim = [&(claim.len() as u64).to_le_bytes()[..], claim, &[0; 4]].concat();
    let other = [4u8; 8];
    let other = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &other).unwrap();
    for (name, bytes, problem) in [
        ("cut.safetensors", good[..good.len() / 2].to_vec(), "expected a whole safetensors file"),
        ("empty.safetensors", Vec::new(), "expected a model file, got an empty one"),
        ("text.safetensors", b"these are not the weights".to_vec(), "expected a safetensors file, got 25 bytes"),
        ("pickle.safetensors", b"PK\x03\x04archive/data.pkl".to_vec(), "got a zip archive"),
        ("foreign.safetensors", safetensors::serialize([("bert", other)], None).unwrap(), "expected a tensor lstm."),
        ("nan.safetensors", not_finite, "expected finite values, got NaN"),
        ("huge.safetensors", huge, "expected a whole safetensors file"),
        ("claim.safetensors", claim, "expected"),
    ] {
        dir.write(name, bytes);
        for line in [format!("info {name}"), format!("predict --model {name} {CLIP}"), format!("eval {name} ../speech")]
        {
            dir.refuses_saying(&line, &[&format!("error: {name}: "), problem]);
        }
    }
    for line in ["info none.safetensors", "predict --model none.safetensors x.wav", "eval none.safetensors ../speech"] {
        dir.refuses_saying(line, &["error: none.safetensors: No such file"]);
    }
    // A damaged byte leads to an answer or an error, never to a crash.
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x55;
        dir.write("damaged.safetensors", damaged);
        assert!(dir.run("info damaged.safetensors").code <= 1, "byte {at}");
    }
}

#[test]
fn eval_refuses_other_labels_and_resamples_other_rates() {
    let (dir, model) = (TestDir::new("eval-refuses"), model());
    for n in 1..=2 {
        dir.write(&format!("{n}.wav"), wav(1, 1, 16_000, 16, &tone(16_000, 0.5)));
    }
    dir.write("corpus.csv", "path,label,speaker\n1.wav,a,x\n2.wav,b,y\n");
    dir.refuses_saying(
        &format!("eval {model} corpus.csv"),
        &["corpus.csv: expected at least two of the model's labels (neutral, calm"],
    );
    dir.write("rate/03-01-05-01-01-01-02.wav", dir.read("1.wav"));
    let ran = dir.run(&format!("eval {model} rate"));
    let note = "note: rate: 1 clip at 16000 Hz resampled to 48000 Hz\n";
    assert!(ran.code == 0 && ran.stderr.contains(note) && ran.stdout.contains("on 1 clips"), "{}", ran.stderr);
}

/// Outputs are checked before the work: with a corpus that would fail later, the error is about the output.
#[test]
fn unwritable_outputs_are_refused_before_the_work() {
    let dir = TestDir::new("outputs");
    dir.write("file", "mine");
    dir.write("taken/notes.txt", "mine");
    dir.write("model.safetensors", "mine");
    dir.write("corpus.csv", "path,label,speaker\nbroken.wav,a,x\nbroken2.wav,b,y\nbroken3.wav,b,z\n");
    for name in ["broken.wav", "broken2.wav", "broken3.wav"] {
        dir.write(name, "not read before the output is checked");
    }
    for (line, parts) in [
        ("train corpus.csv -o model.safetensors --all", ["model.safetensors: ", "the file exists already"]),
        ("train corpus.csv -o file/model.safetensors --all", ["file/model.safetensors: ", ""]),
        ("train corpus.csv -o taken --all", ["taken: ", "found a folder"]),
        ("train corpus.csv -o taken/.. --all", ["taken/..: ", "found a folder"]),
        ("cv corpus.csv -o taken --folds loso", ["taken: ", "expected a new or empty folder"]),
        ("cv corpus.csv -o file --folds loso", ["file", ""]),
        ("cv corpus.csv -o file/out --folds loso", ["file/out", ""]),
        ("features broken.wav -o file", ["file/broken.npy: ", ""]),
        ("synth file/speech", ["file/speech", ""]),
    ] {
        let message = dir.refuses(line);
        assert!(parts.iter().all(|part| message.contains(part)), "{line}: {message}");
        assert!(!message.contains("sound file"), "{line} began to read: {message}");
    }
    assert_eq!((dir.read("file"), dir.read("model.safetensors")), (b"mine".to_vec(), b"mine".to_vec()));
    assert_eq!(dir.list("taken"), ["notes.txt"]);
    assert_eq!(dir.list(".").len(), 7);
}
