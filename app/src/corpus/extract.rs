//! Features of many clips, on all cores: each worker has its own front end and takes the next clip when it is free.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::condition::apply_condition;
use super::folders::Corpus;
use super::{Cache, all_faults, sound};
use crate::hash::Hash;
use reslstm::audio::{FeatureSettings, FrontEnd, Recording};
use reslstm::data::condition::Condition;
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;

/// Features of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipFeatures {
    /// `[T,D]`, one row per frame, not normalised.
    pub features: Matrix<f32>,
    /// Sample rate of the recording, Hz.
    pub sample_rate: u32,
}

/// How features are computed.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Settings of the front end.
    pub settings: &'a FeatureSettings,
    /// Recording condition, applied before the front end.
    pub condition: Condition,
    /// Feature cache, if any.
    pub cache: Option<&'a Cache>,
    /// Called after each clip with the number of finished clips and their total. Several threads call it, so the numbers may come
    /// out of order.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Called with what a user should know of a recording, when it is read. Clips from the cache are not read again. Several
    /// threads call it.
    pub note: &'a (dyn Fn(&Path, String) + Sync),
    /// When set, work stops after the clips in progress.
    pub stop: &'a AtomicBool,
}

/// A corpus with its features, ready for training.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The clips in the corpus's order, with their features.
    pub dataset: Dataset,
    /// Sample rate of every clip, Hz.
    pub sample_rate: u32,
    /// 16 hexadecimal digits that depend on every label, name, speaker and bit of a feature.
    pub fingerprint: String,
}

/// Computes the features of the recordings at `paths` and passes each, with its index, to `finish`. Returns the results in the
/// order of `paths`; for a clip that cannot be used, an error that names it.
///
/// Runs on the threads of the current rayon pool, `finish` too.
///
/// # Errors
/// [`Kind::Settings`] if the settings are out of range, [`Kind::Interrupted`] if `work.stop` was set before the last clip.
pub fn extract<P: AsRef<Path> + Sync, T: Send>(
    paths: &[P],
    work: &Work,
    finish: impl Fn(usize, ClipFeatures) -> Result<T> + Sync,
) -> Result<Vec<Result<T>>> {
    work.settings.validate()?;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut results: Vec<(usize, Result<T>)> = rayon::broadcast(|_| {
        let mut worker = Worker { work, front_ends: Vec::new() };
        let mut results = Vec::new();
        while !work.stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index).map(AsRef::as_ref) else { break };
            let clip = worker.features(path).map_err(|error| error.at(path.display()));
            results.push((index, clip.and_then(|clip| finish(index, clip))));
            (work.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, paths.len());
        }
        results
    })
    .into_iter()
    .flatten()
    .collect();
    if results.len() < paths.len() {
        let problem = format!("stopped after the features of {} of {} clips", results.len(), paths.len());
        return Err(Error::new(Kind::Interrupted, problem));
    }
    results.sort_unstable_by_key(|&(index, _)| index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Reads all clips of a corpus and computes their features.
///
/// # Errors
/// Those of [`extract`]; [`Kind::Data`] if clips cannot be used (the first ten are named, the rest counted), or not all have
/// one sample rate.
pub fn load_dataset(corpus: &Corpus, work: &Work) -> Result<Loaded> {
    let (dataset, sample_rate) = read_clips(corpus, work)?;
    let fingerprint = fingerprint(corpus, dataset.clips());
    Ok(Loaded { dataset, sample_rate, fingerprint })
}

/// Features `[T,D]` of every clip of a corpus, in `work.condition`.
///
/// # Errors
/// Those of [`load_dataset`].
pub fn load_features(corpus: &Corpus, work: &Work) -> Result<Vec<Matrix<f32>>> {
    let (dataset, _) = read_clips(corpus, work).map_err(|error| error.at(work.condition))?;
    Ok(dataset.into_clips().into_iter().map(|clip| clip.features).collect())
}

/// The checked clips, and their common sample rate, Hz.
fn read_clips(corpus: &Corpus, work: &Work) -> Result<(Dataset, u32)> {
    let entries = corpus.entries();
    let paths: Vec<&Path> = entries.iter().map(|entry| entry.path.as_path()).collect();
    let mut clips = Vec::with_capacity(entries.len());
    let mut rates = Vec::with_capacity(entries.len());
    let mut faults = Vec::new();
    for (entry, result) in entries.iter().zip(extract(&paths, work, |_, clip| Ok(clip))?) {
        match result {
            Err(error) => faults.push(error.to_string()),
            Ok(ClipFeatures { features, sample_rate }) => {
                rates.push(sample_rate);
                let (name, speaker) = (entry.name.clone(), entry.speaker.clone());
                clips.push(Clip { name, label: entry.label, speaker, features });
            }
        }
    }
    if !faults.is_empty() {
        let what = format!("expected usable clips, found {} of {} that are not", faults.len(), entries.len());
        return Err(all_faults(&what, &faults).advice("repair or remove them"));
    }
    if let Some(odd) = rates.iter().position(|&rate| rate != rates[0]) {
        let (first, rate) = (paths[0].display(), rates[0]);
        let problem = format!("expected {rate} Hz as in the first clip, {first}, got {} Hz", rates[odd]);
        return Err(Error::new(Kind::Data, problem)
            .at(paths[odd].display())
            .advice("resample the clips to one rate: features of different rates cannot be compared"));
    }
    Ok((Dataset::new(corpus.labels().clone(), clips)?, rates[0]))
}

/// One thread's work and its front ends.
struct Worker<'a> {
    work: &'a Work<'a>,
    /// One front end per sample rate found so far.
    front_ends: Vec<FrontEnd>,
}

impl Worker<'_> {
    fn features(&mut self, path: &Path) -> Result<ClipFeatures> {
        let cached =
            self.work.cache.and_then(|cache| Some((cache, cache.key(path, self.work.settings, self.work.condition)?)));
        if let Some(clip) = cached.as_ref().and_then(|(cache, key)| cache.get(key)) {
            return Ok(clip);
        }
        // Not `files::read`: the path is added once, to every error of the clip.
        let bytes = std::fs::read(path).map_err(|error| Error::new(Kind::Io, error.to_string()))?;
        let sound = sound::decode(&bytes)?;
        for note in sound.notes {
            (self.work.note)(path, note);
        }
        let Recording { sample_rate, samples } = apply_condition(self.work.condition, sound.recording)?;
        let features = self.front_end(sample_rate)?.features(&samples)?;
        let clip = ClipFeatures { features, sample_rate };
        if let Some((cache, key)) = cached {
            cache.put(&key, &clip);
        }
        Ok(clip)
    }

    fn front_end(&mut self, sample_rate: u32) -> Result<&mut FrontEnd> {
        let known = self.front_ends.iter().position(|front_end| front_end.sample_rate() == sample_rate);
        let at = match known {
            Some(at) => at,
            None => {
                self.front_ends.push(FrontEnd::new(self.work.settings.clone(), sample_rate)?);
                self.front_ends.len() - 1
            }
        };
        Ok(&mut self.front_ends[at])
    }
}

/// Hash of a corpus. Clips are hashed in parallel, then their hashes in order.
fn fingerprint(corpus: &Corpus, clips: &[Clip]) -> String {
    let clip_hashes: Vec<u128> = clips
        .par_iter()
        .map(|clip| {
            let mut hash = Hash::new();
            hash.field(clip.name.as_bytes()).field(clip.speaker.as_bytes());
            let [frames, columns] = clip.features.shape();
            for number in [clip.label, frames, columns] {
                hash.bytes(&(number as u64).to_le_bytes());
            }
            for value in clip.features.as_slice() {
                hash.bytes(&value.to_bits().to_le_bytes());
            }
            hash.finish()
        })
        .collect();
    let mut hash = Hash::new();
    for label in corpus.labels().names() {
        hash.field(label.as_bytes());
    }
    for clip_hash in clip_hashes {
        hash.bytes(&clip_hash.to_le_bytes());
    }
    format!("{:016x}", hash.finish64())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        Corpus::open(&folder.join("corpus.csv")).unwrap()
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
        let entries: Vec<PathBuf> =
            std::fs::read_dir(cache.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
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
            assert_ne!(fingerprint(&Corpus::open(&manifest).unwrap()), before, "{from} to {to}");
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
        let paths: Vec<&PathBuf> = corpus.entries().iter().map(|entry| &entry.path).collect();
        let clips = extract(&paths, &work(&settings, None), |_, clip| Ok(clip)).unwrap();
        let rates: Vec<u32> = clips.into_iter().map(|clip| clip.unwrap().sample_rate).collect();
        assert_eq!(rates, [8_000, 8_000, 8_000, 8_000, 8_000, 16_000, 8_000, 8_000]);
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
        let none: [PathBuf; 0] = [];
        assert_eq!(extract(&none, &Work { stop: &NEVER_STOP, ..work }, |_, clip| Ok(clip)).unwrap(), []);
    }

    #[test]
    fn ravdess_has_the_published_number_of_frames() {
        let Some(ravdess) = std::env::var_os("RAVDESS_DIR") else {
            println!("skipped: RAVDESS_DIR does not name the folder of RAVDESS");
            return;
        };
        let corpus = Corpus::open(Path::new(&ravdess)).unwrap();
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
}
