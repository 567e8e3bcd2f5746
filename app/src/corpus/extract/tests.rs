use super::*;
use crate::corpus::{Rates, Reading};
use reslstm::audio::write_wav16;
use std::path::PathBuf;
use std::sync::Mutex;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

fn settings() -> FeatureSettings {
    FeatureSettings::default()
        .with(|s| (s.n_fft, s.hop, s.mel_bands, s.mfcc, s.chroma) = (256, 128, 16, 5, 12))
        .unwrap()
}

fn work<'a>(settings: &'a FeatureSettings, cache: Option<&'a Cache>) -> Work<'a> {
    Work {
        settings,
        rate: None,
        condition: Condition::AsRecorded,
        cache,
        progress: &|_, _| {},
        note: &|_, _| {},
        stop: &NEVER_STOP,
    }
}

fn samples(clip: usize) -> Vec<f32> {
    let hz = 200.0 + 50.0 * clip as f64;
    (0..1000 + 300 * clip).map(|i| (0.4 * (std::f64::consts::TAU * hz * i as f64 / 8e3).sin()) as f32).collect()
}

/// A corpus of clips of different pitch and length, from two speakers.
fn corpus(folder: &Path, clips: usize, rate: impl Fn(usize) -> u32) -> Corpus {
    let mut table = "path,label,speaker\n".to_string();
    for clip in 0..clips {
        table += &format!("{clip:02}.wav,{},{}\n", ["low", "high"][clip % 2], ["anna", "ben"][clip / 2 % 2]);
        std::fs::write(folder.join(format!("{clip:02}.wav")), write_wav16(&samples(clip), rate(clip))).unwrap();
    }
    std::fs::write(folder.join("corpus.csv"), table).unwrap();
    Corpus::open(&folder.join("corpus.csv"), &Reading::default()).unwrap()
}

#[test]
fn clips_and_features_keep_the_order_of_the_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path(), 13, |_| 8_000);
    let reported = Mutex::new(Vec::new());
    let settings = settings();
    let work = Work { progress: &|done, of| reported.lock().unwrap().push((done, of)), ..work(&settings, None) };
    let loaded = load_dataset(&corpus, &work).unwrap();
    assert_eq!(loaded.sample_rate, 8_000);
    assert_eq!(loaded.dataset.labels().names(), ["high", "low"]);
    let mut front_end = FrontEnd::new(settings.clone(), 8_000).unwrap();
    for (index, clip) in loaded.dataset.clips().iter().enumerate() {
        let bytes = std::fs::read(folder.path().join(&clip.name)).unwrap();
        let expected = front_end.features(&Recording::from_wav(&bytes).unwrap().samples).unwrap();
        assert_eq!(clip.features, expected, "{}", clip.name);
        assert_eq!(clip.features.rows(), 1 + (1000 + 300 * index) / 128);
        assert_eq!((clip.label, clip.speaker.as_str()), ((index + 1) % 2, ["anna", "ben"][index / 2 % 2]));
    }
    let mut reported = reported.into_inner().unwrap();
    reported.sort();
    assert_eq!(reported, (1..=13).map(|done| (done, 13)).collect::<Vec<_>>());
}

#[test]
fn features_from_the_cache_are_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path(), 6, |_| 8_000);
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    let settings = settings();
    let computed = load_dataset(&corpus, &work(&settings, None)).unwrap();
    assert_eq!(load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap(), computed);
    let entries: Vec<PathBuf> = std::fs::read_dir(cache.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 6);
    std::fs::write(&entries[2], b"damaged").unwrap();
    assert_eq!(load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap(), computed);
    assert_ne!(std::fs::read(&entries[2]).unwrap(), b"damaged", "computed and stored again");
    assert_eq!(load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap(), computed);
}

#[test]
fn the_fingerprint_depends_on_labels_names_speakers_and_features() {
    let folder = tempfile::tempdir().unwrap();
    let original = corpus(folder.path(), 4, |_| 8_000);
    let settings = settings();
    let fingerprint = |corpus: &Corpus| load_dataset(corpus, &work(&settings, None)).unwrap().fingerprint;
    let before = fingerprint(&original);
    assert_eq!(before.len(), 16);
    assert_eq!(fingerprint(&original), before);
    let manifest = folder.path().join("corpus.csv");
    let table = std::fs::read_to_string(&manifest).unwrap();
    for (from, to) in [("low", "deep"), ("anna", "anne"), ("00.wav,low", "00.wav,high"), ("00.wav", "./00.wav")] {
        std::fs::write(&manifest, table.replace(from, to)).unwrap();
        assert_ne!(fingerprint(&Corpus::open(&manifest, &Reading::default()).unwrap()), before, "{from} to {to}");
    }
    let mut other = samples(2);
    other[700] += 0.1;
    std::fs::write(folder.path().join("02.wav"), write_wav16(&other, 8_000)).unwrap();
    assert_ne!(fingerprint(&original), before, "a sample");
}

#[test]
fn every_broken_clip_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path(), 16, |_| 8_000);
    std::fs::write(folder.path().join("03.wav"), b"no sound").unwrap();
    std::fs::remove_file(folder.path().join("05.wav")).unwrap();
    let settings = settings();
    let error = load_dataset(&corpus, &work(&settings, None)).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    let message = error.to_string();
    assert!(message.starts_with("expected usable clips, found 2 of 16 that are not\n"), "{message}");
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[1].contains("03.wav: expected a sound file"), "{message}");
    assert!(lines[2].contains("05.wav: ") && lines[2].matches("05.wav").count() == 1, "{message}");
    for clip in 0..16 {
        std::fs::write(folder.path().join(format!("{clip:02}.wav")), b"").unwrap();
    }
    let message = load_dataset(&corpus, &work(&settings, None)).unwrap_err().to_string();
    assert!(message.contains("09.wav: ") && !message.contains("10.wav"), "{message}");
    assert!(message.ends_with("\n  and 6 more (repair or remove them)"), "{message}");
}

#[test]
fn a_corpus_has_one_sample_rate_but_single_clips_may_differ() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path(), 8, |clip| if clip == 5 { 16_000 } else { 8_000 });
    let settings = settings();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    // Computed, then from the cache, which stores the rate with the features.
    for _ in 0..2 {
        let error = load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        let message = error.to_string();
        assert!(message.contains("05.wav: expected 8000 Hz as in the first clip, "), "{message}");
        assert!(message.contains("00.wav, got 16000 Hz ("), "{message}");
    }
    let sources: Vec<ClipSource<'_>> = corpus.entries().iter().map(ClipSource::from).collect();
    let clips = extract(&sources, &work(&settings, None), |_, clip| Ok(clip)).unwrap();
    let rates: Vec<u32> = clips.into_iter().map(|clip| clip.unwrap().sample_rate).collect();
    assert_eq!(rates, [8_000, 8_000, 8_000, 8_000, 8_000, 16_000, 8_000, 8_000]);
}

#[test]
fn clips_of_several_rates_are_resampled_to_the_one_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path(), 8, |clip| [8_000, 16_000, 11_025][clip % 3]);
    assert_eq!(Rates::of(&corpus).most_common(), Some(8_000));
    let (settings, cache) = (settings(), Cache::open(&folder.path().join("cache")).unwrap());
    let at_rate = |cache| Work { rate: Some(8_000), ..work(&settings, cache) };
    let loaded = load_dataset(&corpus, &at_rate(None)).unwrap();
    assert_eq!(loaded.sample_rate, 8_000);
    for clip in 0..8 {
        let seconds = (1000 + 300 * clip) as f64 / f64::from([8_000, 16_000, 11_025][clip % 3]);
        let frames = loaded.dataset.clips()[clip].features.rows();
        assert_eq!(frames, 1 + (seconds * 8_000.0).round() as usize / 128, "clip {clip}");
    }
    // Clips at their own rate are other entries of the cache.
    let sources: Vec<ClipSource<'_>> = corpus.entries().iter().map(ClipSource::from).collect();
    extract(&sources, &work(&settings, Some(&cache)), |_, clip| Ok(clip)).unwrap();
    for _ in 0..2 {
        assert_eq!(load_dataset(&corpus, &at_rate(Some(&cache))).unwrap(), loaded);
    }
}

#[test]
fn segments_of_a_file_are_clips_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let all = [samples(0), samples(1), samples(2)];
    std::fs::write(folder.path().join("talk.wav"), write_wav16(&all.concat(), 8_000)).unwrap();
    let seconds = |sample: usize| sample as f64 / 8_000.0;
    let ends = [0, 1000, 2300, 3900].map(seconds);
    let mut table = "file,start,end,emotion,speaker\n".to_string();
    for (part, label) in ["low", "high", "low"].into_iter().enumerate() {
        table += &format!("talk.wav,{},{},{label},anna\n", ends[part], ends[part + 1]);
    }
    let manifest = folder.path().join("corpus.csv");
    std::fs::write(&manifest, &table).unwrap();
    let corpus = Corpus::open(&manifest, &Reading::default()).unwrap();
    let names: Vec<&str> = corpus.entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["talk.wav#t=0,0.125", "talk.wav#t=0.125,0.2875", "talk.wav#t=0.2875,0.4875"]);
    let (settings, cache) = (settings(), Cache::open(&folder.path().join("cache")).unwrap());
    let mut front_end = FrontEnd::new(settings.clone(), 8_000).unwrap();
    for _ in 0..2 {
        let loaded = load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap();
        for (clip, part) in loaded.dataset.clips().iter().zip(&all) {
            let part = Recording::from_wav(&write_wav16(part, 8_000)).unwrap();
            assert_eq!(clip.features, front_end.features(&part.samples).unwrap(), "{}", clip.name);
        }
    }
    std::fs::write(&manifest, table.replace("0.4875", "0.5")).unwrap();
    let corpus = Corpus::open(&manifest, &Reading::default()).unwrap();
    let error = load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap_err().to_string();
    let problem = "talk.wav#t=0.2875,0.5: expected a segment within the recording's 0.487 s, got 0.2875 to 0.5 s";
    assert!(error.contains(problem), "{error}");
}

#[test]
fn extraction_stops_on_request_and_refuses_bad_settings_once() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path(), 40, |_| 8_000);
    let (settings, stop) = (settings(), AtomicBool::new(false));
    let stop_after_three = |done, _| stop.store(done >= 3, Ordering::Relaxed);
    let work = Work { progress: &stop_after_three, stop: &stop, ..work(&settings, None) };
    let error = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap()
        .install(|| load_dataset(&corpus, &work).unwrap_err());
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(error.to_string().ends_with(" of 40 clips"), "{error}");

    let mut wrong = settings.clone();
    wrong.hop = 0;
    let error = load_dataset(&corpus, &Work { settings: &wrong, stop: &NEVER_STOP, ..work }).unwrap_err();
    assert_eq!(error.kind(), Kind::Settings);
    assert_eq!(extract(&[], &Work { stop: &NEVER_STOP, ..work }, |_, clip| Ok(clip)).unwrap(), []);
}

#[test]
fn ravdess_has_the_published_number_of_frames() {
    let Some(ravdess) = std::env::var_os("RAVDESS_DIR") else {
        println!("skipped: RAVDESS_DIR does not name the folder of RAVDESS");
        return;
    };
    let corpus = Corpus::open(Path::new(&ravdess), &Reading::default()).unwrap();
    assert_eq!(corpus.entries().len(), 1440);
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let settings = FeatureSettings::default();
    let load = |what: &str| {
        let start = std::time::Instant::now();
        let loaded = load_dataset(&corpus, &work(&settings, Some(&cache))).unwrap();
        println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
        loaded
    };
    let loaded = load("computed");
    let frames: Vec<usize> = loaded.dataset.clips().iter().map(|clip| clip.features.rows()).collect();
    assert_eq!(frames.iter().sum::<usize>(), 125_613);
    assert_eq!((frames.iter().min(), frames.iter().max()), (Some(&69), Some(&124)));
    assert_eq!((loaded.sample_rate, loaded.dataset.speakers().len()), (48_000, 24));
    assert_eq!(load("from the cache"), loaded);
}
