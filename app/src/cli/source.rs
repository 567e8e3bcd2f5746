//! `DATA`: a corpus loaded for training or evaluation, with its licence.

use super::inputs::is_features;
use super::notes::Notes;
use super::options::{FramesMs, thread_pool};
use super::{interrupt, progress};
use crate::corpus::resample::to_feature_rate;
use crate::corpus::{self, Cache, ClipSource, Corpus, Entry, Loaded, Rates, Reading, Work};
use reslstm::audio::{FeatureSettings, Recording};
use reslstm::data::condition::Condition;
use reslstm::data::folds::{FoldPlan, Split};
use reslstm::data::{ConditionedClips, Dataset};
use reslstm::error::{Error, Result};
use reslstm::labels::Labels;
use reslstm::models::Metadata;
use reslstm::train::{CheckedSettings, Inputs, Settings, TrainingData, Validation};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The paper's sample rate, Hz.
pub const PAPER_RATE: u32 = 48_000;

/// A loaded corpus, and what models trained on it must say.
pub struct Licensed {
    loaded: Loaded,
    /// Hash of the content of the files, when it was needed.
    content: OnceLock<String>,
    threads: usize,
    features: FeatureSettings,
    corpus: Corpus,
    cache: Option<Cache>,
    /// The rate that recordings are resampled to, if not all have it.
    resample_to: Option<u32>,
}

impl Licensed {
    /// Clips, labels, speakers.
    pub fn dataset(&self) -> &Dataset {
        &self.loaded.dataset
    }

    /// The recording of a clip, at the [sample rate](Self::sample_rate). What is odd about it was noted when its features were computed.
    pub fn recording(&self, clip: usize) -> Result<Recording> {
        let source = ClipSource::from(&self.corpus.entries()[clip]);
        let at_rate = |recording| to_feature_rate(recording, self.sample_rate(), &self.features);
        corpus::read_clip(source, |_| {}).and_then(at_rate).map_err(|error| error.at(source))
    }

    /// Fingerprint of the data.
    pub fn fingerprint(&self) -> &str {
        &self.loaded.fingerprint
    }

    /// Hash of the content of the files. The first call reads them all.
    pub fn content(&self) -> Result<&str> {
        if let Some(content) = self.content.get() {
            return Ok(content);
        }
        let content = thread_pool(self.threads)?.install(|| corpus::content(&self.corpus))?;
        Ok(self.content.get_or_init(|| content))
    }

    /// What is to be said of a model of data with this fingerprint: whether their files are those that it was trained on.
    pub fn content_note(&self, metadata: &Metadata) -> Result<Option<String>> {
        let content = metadata.data_content.as_str();
        if content.is_empty() {
            let note = "note: the model does not say the content of its files: only their features were compared";
            return Ok(Some(note.into()));
        }
        let now = self.content()?;
        Ok((content != now).then(|| {
            format!(
                "warning: the features are those that the model was trained on, but the files are others: their content was \
                 {content}, now {now}; reslstm cache --clear removes features of the files before"
            )
        }))
    }

    /// Of the recordings after resampling, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.loaded.sample_rate
    }

    /// Every clip in a condition, its features from the cache where they are there, on the threads of the pool this is called
    /// in.
    pub fn in_condition(&self, condition: Condition) -> Result<Dataset> {
        let stop = interrupt::stop_flag();
        let (settings, cache) = (&self.features, self.cache.as_ref());
        let (progress, note, rate) = (&|_, _| {}, &|_: &Path, _| {}, self.resample_to);
        let work = Work { settings, rate, condition, cache, progress, note, stop };
        corpus::load_in_condition(&self.corpus, &work)
    }

    /// What training takes. Reads all files, for their [content](Self::content).
    pub fn source(&self) -> Result<TrainingData<'_>> {
        Ok(TrainingData {
            dataset: &self.loaded.dataset,
            sample_rate: self.loaded.sample_rate,
            features: &self.features,
            fingerprint: &self.loaded.fingerprint,
            content: self.content()?,
            licence: self.corpus.licence(),
        })
    }
}

/// `DATA` as it is found, before the work of reading every clip.
#[derive(Clone)]
pub struct Found {
    corpus: Corpus,
    /// Where it is, for notes and errors.
    place: String,
    /// Counted when first needed.
    rates: OnceLock<Rates>,
    /// Whether a note has said what is resampled; shared by clones.
    said_rates: Arc<AtomicBool>,
}

impl Found {
    /// Finds the clips of a folder or a manifest, and says on stderr what is left out and how a table was understood.
    pub fn open(data: &Path, reading: &Reading) -> Result<Self> {
        let found = Self::find(data, reading)?;
        found.print_notes();
        Ok(found)
    }

    /// [`open`](Self::open) without the notes.
    pub fn find(data: &Path, reading: &Reading) -> Result<Self> {
        Ok(Self::new(Corpus::open(data, reading)?, data.display().to_string()))
    }

    /// [`find`](Self::find), of several folders or manifests pooled, whose names of one emotion are one label unless `exact`.
    pub fn find_all(data: &[PathBuf], reading: &Reading, exact: bool) -> Result<Self> {
        if let [only] = data {
            return Self::find(only, reading);
        }
        let each = data.iter().map(|path| Ok((path.clone(), Corpus::open(path, reading)?))).collect::<Result<_>>()?;
        let place = data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        Ok(Self::new(Corpus::merge(each, exact).map_err(|error| error.at(&place))?, place))
    }

    fn new(corpus: Corpus, place: String) -> Self {
        Found { corpus, place, rates: OnceLock::new(), said_rates: Arc::default() }
    }

    /// The class names.
    pub fn labels(&self) -> &Labels {
        self.corpus.labels()
    }

    fn rates(&self) -> &Rates {
        self.rates.get_or_init(|| Rates::of(&self.corpus))
    }

    /// The rate, in Hz, that training has all clips at: that of the feature set, or the most common one, of equals the lowest.
    fn sample_rate(&self, inputs: Inputs) -> u32 {
        inputs.sample_rate().unwrap_or_else(|| self.rates().most_common().unwrap_or(PAPER_RATE))
    }

    /// Gives settings for training on these clips their frames: the paper's 4096 and 2048 samples at its 48 kHz, and as long in time
    /// at other rates, which a note says. Feature sets that have their own sample rate keep their frames. Settings that
    /// have frames in milliseconds keep them; the others of work that goes on get those it was `begun` with.
    ///
    /// # Errors
    /// [`Kind::Settings`](reslstm::error::Kind::Settings) if a frame is too short or too long at the sample rate of the clips.
    pub fn settle_frames<'a>(
        &self,
        all: impl IntoIterator<Item = &'a mut CheckedSettings>,
        begun: Option<FramesMs>,
    ) -> Result<()> {
        let paper = (Some(FeatureSettings::PAPER_WINDOW_MS), Some(FeatureSettings::PAPER_HOP_MS));
        let mut followed = None;
        for settings in all {
            let rate = self.sample_rate(settings.inputs);
            let follow_rate = begun.is_none() && rate != PAPER_RATE;
            let is_set = !settings.frames_follow_sample_rate();
            if !is_set {
                let frames = if follow_rate { paper } else { begun.unwrap_or_default() };
                *settings = Settings::clone(settings).with(|it| (it.window_ms, it.hop_ms) = frames).check()?;
            }
            let features = settings.features(rate).map_err(|error| error.at(&self.place))?;
            followed = followed.or((follow_rate && !is_set).then_some((rate, features.window(), features.hop)));
        }
        if let Some((rate, window, hop)) = followed {
            message!(
                "note: at {rate} Hz, frames are 85.33 ms long and 42.67 ms apart, {window} and {hop} samples, as the paper's at \
                 {PAPER_RATE} Hz; --window-ms and --hop-ms change them"
            );
        }
        Ok(())
    }

    /// Says on stderr what is left out and how a table was understood.
    pub fn print_notes(&self) {
        self.corpus.notes().iter().for_each(|note| message!("{note}"));
    }

    /// Whether every clip is a matrix of features, without a recording that could be played faster or through a telephone.
    pub fn holds_features_only(&self) -> bool {
        self.corpus.entries().iter().all(|entry| is_features(&entry.path))
    }

    /// Its speakers, each once, sorted.
    fn speakers(&self) -> BTreeSet<&String> {
        self.corpus.entries().iter().map(|entry| &entry.speaker).collect()
    }

    /// The folds of its speakers.
    pub fn splits(&self, plan: &FoldPlan) -> Result<Vec<Split>> {
        let clips = self.corpus.entries().iter().map(|entry| (&entry.speaker[..], entry.label));
        plan.splits_of(clips).map_err(|error| error.at(&self.place))
    }

    /// [`splits`](Self::splits), with notes on stderr: if the speakers are too few for the standard folds, if folds differ much in clips,
    /// and if a fold's training speakers lack a class.
    pub fn splits_with_notes(&self, plan: &FoldPlan, validation: Validation) -> Result<Vec<Split>> {
        let splits = self.splits(plan)?;
        let speakers = self.speakers().len();
        if plan.is_leave_one_out_for(speakers) {
            message!("note: {speakers} speakers are too few for five folds, so each fold leaves out one");
        }
        // Clips of each speaker, by class.
        let classes = self.corpus.labels().names();
        let mut counts: HashMap<&String, Vec<usize>> = HashMap::new();
        for Entry { speaker, label, .. } in self.corpus.entries() {
            counts.entry(speaker).or_insert_with(|| vec![0; classes.len()])[*label] += 1;
        }
        let clips = |speakers: &[String]| {
            speakers.iter().filter_map(|speaker| counts.get(speaker)).fold(vec![0; classes.len()], |sum, counts| {
                sum.iter().zip(counts).map(|(sum, count)| sum + count).collect()
            })
        };
        let tested: Vec<usize> = splits.iter().map(|split| clips(split.test()).iter().sum()).collect();
        let (least, most) = (tested.iter().min().unwrap_or(&0), tested.iter().max().unwrap_or(&0));
        if matches!(plan, FoldPlan::Standard(_) | FoldPlan::KFold(_)) && *most > 2 * least {
            let tested = tested.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            message!("note: the folds test {tested} clips; --folds balanced makes them more equal");
        }
        for split in &splits {
            let [train, validating, test] = [split.train(), split.validation(), split.test()].map(clips);
            for (class, name) in classes.iter().enumerate() {
                if train[class] + if validation == Validation::Train { validating[class] } else { 0 } == 0 {
                    let (fold, test) = (split.name(), test[class]);
                    message!(
                        "warning: fold {fold}: no training speaker has a clip of '{name}', so none of its {test} test clips can \
                         be recognised"
                    );
                }
            }
        }
        Ok(splits)
    }

    /// Reads every clip for a model, at its sample rate in Hz: features from the cache where they are there.
    pub fn load(
        self,
        features: FeatureSettings,
        sample_rate: u32,
        cache: Option<&Path>,
        threads: usize,
    ) -> Result<Licensed> {
        self.load_at(features, sample_rate, &[], cache, threads)
    }

    /// Reads what these settings train with: their feature set, in all their conditions, at one sample rate.
    pub fn load_for(self, settings: &Settings, cache: Option<&Path>, threads: usize) -> Result<Licensed> {
        let rate = self.sample_rate(settings.inputs);
        self.load_at(settings.features(rate)?, rate, &settings.other_conditions(), cache, threads)
    }

    fn load_at(
        self,
        features: FeatureSettings,
        sample_rate: u32,
        others: &[Condition],
        cache: Option<&Path>,
        threads: usize,
    ) -> Result<Licensed> {
        let cache = open_cache(cache)?;
        let resample_to = self.rates().differ_from(sample_rate).then_some(sample_rate);
        if let Some(note) = self.rates().note(sample_rate)
            && !self.said_rates.swap(true, Ordering::Relaxed)
        {
            message!("note: {}: {note}", self.place);
        }
        let bar = progress::bar((self.corpus.entries().len() * (1 + others.len())) as u64, "features", "clips");
        let notes = Notes::default();
        let work = Work {
            settings: &features,
            rate: resample_to,
            condition: Condition::AsRecorded,
            cache: cache.as_ref(),
            progress: &|_, _| bar.inc(1),
            note: &|path, note| notes.add(path, note),
            stop: interrupt::stop_flag(),
        };
        let pool = thread_pool(threads)?;
        let loaded = pool.install(|| {
            let mut loaded = corpus::load_dataset(&self.corpus, &work)?;
            let conditioned = |&condition: &Condition| {
                let work = Work { condition, note: &|_, _| {}, ..work };
                let clips = corpus::load_in_condition(&self.corpus, &work)?.into_clips();
                Ok(ConditionedClips { condition, features: clips.into_iter().map(|clip| clip.features).collect() })
            };
            loaded.dataset = loaded.dataset.with_conditions(others.iter().map(conditioned).collect::<Result<_>>()?);
            Ok(loaded)
        });
        bar.finish_and_clear();
        notes.print();
        let loaded = loaded.map_err(|error: Error| error.at(&self.place))?;
        let content = OnceLock::new();
        Ok(Licensed { loaded, content, threads, features, corpus: self.corpus, cache, resample_to })
    }
}

/// The cache in the given folder, or the user's own. Where that cannot be written, as on a read-only system, there is none, and
/// features are computed every time.
fn open_cache(given: Option<&Path>) -> Result<Option<Cache>> {
    if let Some(folder) = given {
        return Cache::open(folder).map(Some);
    }
    let opened = Cache::default_folder().map(|folder| Cache::open(&folder)).transpose();
    Ok(opened.unwrap_or_else(|error| {
        message!("note: features are not cached: {error}");
        None
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::write_wav16;

    #[test]
    fn the_content_of_files_is_read_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, level) in [("a.wav", 0.1), ("b.wav", 0.2)] {
            std::fs::write(path(name), write_wav16(&vec![level; 9000], 8000)).unwrap();
        }
        std::fs::write(path("clips.csv"), "path,label,speaker\na.wav,calm,x\nb.wav,cross,y\n").unwrap();
        let found = Found::find(&path("clips.csv"), &Reading::default()).unwrap();
        let data = found.load(FeatureSettings::default(), 8000, Some(&path("cache")), 1).unwrap();
        assert_eq!((data.fingerprint().len(), data.content.get()), (16, None));
        // A file that is gone is noticed only now.
        let bytes = std::fs::read(path("b.wav")).unwrap();
        std::fs::remove_file(path("b.wav")).unwrap();
        let error = data.source().unwrap_err().to_string();
        assert!(error.contains("b.wav"), "{error}");
        std::fs::write(path("b.wav"), bytes).unwrap();
        assert_eq!(data.source().unwrap().content, data.content().unwrap());
        assert_eq!(data.content.get().map(String::len), Some(16));
    }
}
