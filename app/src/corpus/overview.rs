//! What a corpus is: clips, speakers, labels, sample rates, durations, and clips with the same content.

use super::{ClipSource, Corpus, Entry, read_clip};
use crate::hash::Hash;
use rayon::prelude::*;
use reslstm::audio::Recording;
use reslstm::error::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An overview of a corpus, all of whose clips were read.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// What it was taken for.
    pub kind: String,
    /// The terms of its recordings; empty if they are not known.
    pub licence: String,
    /// Number of clips.
    pub clips: usize,
    /// Clips of each speaker.
    pub speakers: BTreeMap<String, usize>,
    /// In the order of the classes.
    pub labels: Vec<LabelCount>,
    /// Clips at each sample rate, Hz.
    pub rates: BTreeMap<u32, usize>,
    /// Length of the clips.
    pub seconds: Seconds,
    /// Names of clips whose samples are equal to the bit, in groups.
    pub duplicates: Vec<Vec<String>>,
    /// Errors of the clips that cannot be read.
    pub unread: Vec<String>,
}

/// A label in numbers.
#[derive(Debug, PartialEq, Serialize)]
pub struct LabelCount {
    /// Its name.
    pub label: String,
    /// Number of clips.
    pub clips: usize,
    /// Number of speakers who have such a clip.
    pub speakers: usize,
}

/// Lengths in seconds; all zero without clips.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// The shortest.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The longest.
    pub max: f64,
    /// Of all.
    pub total: f64,
}

/// One clip, read.
struct Read {
    rate: u32,
    seconds: f64,
    content: u128,
}

fn read(entry: &Entry, note: &(dyn Fn(&Path, String) + Sync)) -> Result<Read> {
    let source = ClipSource::from(entry);
    let Recording { sample_rate: rate, samples } =
        read_clip(source, |found| note(&entry.path, found)).map_err(|error| error.at(source))?;
    let seconds = samples.len() as f64 / f64::from(rate);
    let mut content = Hash::new();
    content.bytes(&rate.to_le_bytes());
    samples.iter().for_each(|sample| _ = content.bytes(&sample.to_bits().to_le_bytes()));
    Ok(Read { rate, seconds, content: content.finish() })
}

impl Overview {
    /// Reads every clip, on all cores. `progress` is called after each, `note` with what a user should know of one.
    pub fn new(corpus: &Corpus, progress: impl Fn() + Sync, note: &(dyn Fn(&Path, String) + Sync)) -> Self {
        let entries = corpus.entries();
        let count = |entry: &Entry| {
            let read = read(entry, note);
            progress();
            read
        };
        let read: Vec<Result<Read>> = entries.par_iter().map(count).collect();
        let (mut rates, mut speakers, mut contents) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut seconds, mut unread) = (Vec::new(), Vec::new());
        for (entry, read) in entries.iter().zip(read) {
            *speakers.entry(entry.speaker.clone()).or_insert(0) += 1;
            match read {
                Err(error) => unread.push(error.to_string()),
                Ok(read) => {
                    *rates.entry(read.rate).or_insert(0) += 1;
                    seconds.push(read.seconds);
                    contents.entry(read.content).or_insert_with(Vec::new).push(entry.name.clone());
                }
            }
        }
        let label = |(class, label): (usize, &String)| {
            let clips: Vec<&Entry> = entries.iter().filter(|entry| entry.label == class).collect();
            let speakers = clips.iter().map(|entry| &entry.speaker).collect::<BTreeSet<_>>().len();
            LabelCount { label: label.clone(), clips: clips.len(), speakers }
        };
        Overview {
            kind: corpus.kind().into(),
            licence: corpus.licence().into(),
            clips: entries.len(),
            speakers,
            labels: corpus.labels().names().iter().enumerate().map(label).collect(),
            rates,
            seconds: Seconds::of(seconds),
            duplicates: contents.into_values().filter(|names| names.len() > 1).collect(),
            unread,
        }
    }
}

impl Seconds {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (all.first(), all.last()) else { return Seconds::default() };
        Seconds { min, median: all[all.len() / 2], max, total: all.iter().sum() }
    }
}
