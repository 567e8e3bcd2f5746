//! Features of many clips, on all cores: each worker has its own front end and takes the next clip when it is free.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::condition::apply_condition;
use super::folders::{Corpus, Entry};
use super::resample::to_feature_rate;
use super::segment::Segment;
use super::{Cache, all_faults, sound};
use crate::files;
use crate::hash::Hash;
use reslstm::audio::{FeatureSettings, FrontEnd, Recording, Sound};
use reslstm::data::condition::Condition;
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use xxhash_rust::xxh3::Xxh3;

/// Features of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipFeatures {
    /// `[T,D]`, one row per frame, not normalised.
    pub features: Matrix<f32>,
    /// Sample rate of the recording, after resampling, Hz.
    pub sample_rate: u32,
    /// Level and speech of the recording.
    pub sound: Sound,
}

/// Where a clip is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipSource<'a> {
    /// Its file.
    pub path: &'a Path,
    /// The part of the file, if it is not the whole.
    pub segment: Option<Segment>,
}

impl<'a, P: AsRef<Path>> From<&'a P> for ClipSource<'a> {
    fn from(path: &'a P) -> Self {
        ClipSource { path: path.as_ref(), segment: None }
    }
}

impl<'a> From<&'a Entry> for ClipSource<'a> {
    fn from(entry: &'a Entry) -> Self {
        ClipSource { path: &entry.path, segment: entry.segment }
    }
}

impl fmt::Display for ClipSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.segment.map_or(Ok(()), |segment| segment.fmt(f))
    }
}

/// Reads a clip at its own sample rate; `note` is called with what a user should know of its file. The caller adds the clip to errors.
///
/// # Errors
/// [`Kind::Io`], [`Kind::Audio`] if the file cannot be read; [`Kind::Data`] if it has no such segment.
pub fn read_clip(clip: ClipSource<'_>, note: impl Fn(String)) -> Result<Recording> {
    let recording = read_file(clip.path, note)?;
    match clip.segment {
        Some(segment) => segment.of(&recording),
        None => Ok(recording),
    }
}

fn read_file(path: &Path, note: impl Fn(String)) -> Result<Recording> {
    // Not `files::read`: the path is added once, to every error of the clip.
    let sound = sound::decode_file(path)?;
    sound.notes.into_iter().for_each(note);
    Ok(sound.recording)
}

/// How features are computed.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Settings of the front end.
    pub settings: &'a FeatureSettings,
    /// Rate that recordings are resampled to, Hz; `None`: each keeps its own.
    pub rate: Option<u32>,
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

/// Computes the features of `clips` and passes each, with its index, to `finish`. Returns the results in the order of `clips`; for a
/// clip that cannot be used, an error that names it. Segments of one file should follow each other: it is read once by each thread.
///
/// Runs on the threads of the current rayon pool, `finish` too.
///
/// # Errors
/// [`Kind::Settings`] if the settings are out of range, [`Kind::Interrupted`] if `work.stop` was set before the last clip.
pub fn extract<T: Send>(
    clips: &[ClipSource<'_>],
    work: &Work,
    finish: impl Fn(usize, ClipFeatures) -> Result<T> + Sync,
) -> Result<Vec<Result<T>>> {
    work.settings.validate()?;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut results: Vec<(usize, Result<T>)> = rayon::broadcast(|_| {
        let mut worker = Worker { work, front_ends: Vec::new(), whole: None };
        let mut results = Vec::new();
        while !work.stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&clip) = clips.get(index) else { break };
            let features = worker.features(clip).map_err(|error| error.at(clip));
            results.push((index, features.and_then(|features| finish(index, features))));
            (work.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, clips.len());
        }
        results
    })
    .into_iter()
    .flatten()
    .collect();
    if results.len() < clips.len() {
        let problem = format!("stopped after the features of {} of {} clips", results.len(), clips.len());
        return Err(Error::new(Kind::Interrupted, problem));
    }
    if let Some(cache) = work.cache {
        cache.shrink(super::cache::MOST_BYTES);
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

/// The clips of a corpus, in `work.condition`.
///
/// # Errors
/// Those of [`load_dataset`].
pub fn load_in_condition(corpus: &Corpus, work: &Work) -> Result<Dataset> {
    Ok(read_clips(corpus, work).map_err(|error| error.at(work.condition))?.0)
}

/// The checked clips, and their common sample rate, Hz.
fn read_clips(corpus: &Corpus, work: &Work) -> Result<(Dataset, u32)> {
    let entries = corpus.entries();
    let sources: Vec<ClipSource<'_>> = entries.iter().map(ClipSource::from).collect();
    let mut clips = Vec::with_capacity(entries.len());
    let mut rates = Vec::with_capacity(entries.len());
    let mut sounds = Vec::with_capacity(entries.len());
    let mut faults = Vec::new();
    for (entry, result) in entries.iter().zip(extract(&sources, work, |_, clip| Ok(clip))?) {
        match result {
            Err(error) => faults.push(error.to_string()),
            Ok(ClipFeatures { features, sample_rate, sound }) => {
                rates.push(sample_rate);
                sounds.push(sound);
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
        let (first, rate) = (sources[0], rates[0]);
        let problem = format!("expected {rate} Hz as in the first clip, {first}, got {} Hz", rates[odd]);
        return Err(Error::new(Kind::Data, problem)
            .at(sources[odd])
            .advice("resample the clips to one rate: features of different rates cannot be compared"));
    }
    Ok((Dataset::new(corpus.labels().clone(), clips)?.with_sounds(sounds), rates[0]))
}

/// One thread's work and its front ends.
struct Worker<'a> {
    work: &'a Work<'a>,
    /// One front end per sample rate found so far.
    front_ends: Vec<FrontEnd>,
    /// The file that the latest segment is a part of.
    whole: Option<(&'a Path, Recording)>,
}

impl<'a> Worker<'a> {
    fn features(&mut self, clip: ClipSource<'a>) -> Result<ClipFeatures> {
        let work = self.work;
        let cached = work.cache.and_then(|cache| Some((cache, cache.key(clip, work)?)));
        if let Some(features) = cached.as_ref().and_then(|(cache, key)| cache.get(key)) {
            return Ok(features);
        }
        let mut recording = self.read(clip)?;
        if let Some(rate) = work.rate {
            recording = to_feature_rate(recording, rate, work.settings)?;
        }
        let Recording { sample_rate, samples } = apply_condition(work.condition, recording)?;
        let features = self.front_end(sample_rate)?.features(&samples)?;
        let sound = Sound::measure(&samples, sample_rate)?;
        let features = ClipFeatures { features, sample_rate, sound };
        if let Some((cache, key)) = cached {
            cache.put(&key, &features);
        }
        Ok(features)
    }

    fn read(&mut self, clip: ClipSource<'a>) -> Result<Recording> {
        let note = |note| (self.work.note)(clip.path, note);
        let Some(segment) = clip.segment else { return read_clip(clip, note) };
        if self.whole.as_ref().is_none_or(|(path, _)| *path != clip.path) {
            self.whole = Some((clip.path, read_file(clip.path, note)?));
        }
        let (_, whole) = self.whole.as_ref().expect("just read");
        segment.of(whole)
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

/// 16 hexadecimal digits that depend on every byte of every file of a corpus, whatever the feature cache says of it: a hash in the
/// order of the clips, of each file once where segments of it follow each other. Runs on the threads of the current rayon pool.
///
/// # Errors
/// [`Kind::Io`] if a file cannot be read, naming it.
pub fn content(corpus: &Corpus) -> Result<String> {
    let mut files: Vec<&Path> = corpus.entries().iter().map(|entry| entry.path.as_path()).collect();
    files.dedup();
    let hash_of = |path: &&Path| {
        let mut hash = Xxh3::new();
        let copied = files::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hash));
        copied.map(|_| hash.digest()).map_err(|error| Error::io(path.display(), error))
    };
    let hashes = files.par_iter().map(hash_of).collect::<Result<Vec<u64>>>()?;
    let mut hash = Hash::new();
    hashes.iter().for_each(|file| _ = hash.bytes(&file.to_le_bytes()));
    Ok(format!("{:016x}", hash.finish64()))
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
mod tests;
