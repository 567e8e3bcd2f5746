//! `DATA`: a corpus loaded for training or evaluation, with its licence.

use super::{interrupt, progress};
use reslstm::audio::FeatureSettings;
use reslstm::corpus::{self, Cache, Corpus, Loaded, Work};
use reslstm::data::Dataset;
use reslstm::train::cross_validate::Source;
use std::path::Path;

/// A loaded corpus, and what models trained on it must say.
pub struct Licensed {
    loaded: Loaded,
    features: FeatureSettings,
    licence: &'static str,
}

impl Licensed {
    /// Clips, labels, speakers.
    pub fn dataset(&self) -> &Dataset {
        &self.loaded.dataset
    }

    /// Fingerprint of the data.
    pub fn fingerprint(&self) -> &str {
        &self.loaded.fingerprint
    }

    /// Of the recordings, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.loaded.sample_rate
    }

    /// What training takes.
    pub fn source(&self) -> Source<'_> {
        Source {
            dataset: &self.loaded.dataset,
            sample_rate: self.loaded.sample_rate,
            features: &self.features,
            fingerprint: &self.loaded.fingerprint,
            licence: self.licence,
        }
    }
}

/// Loads `DATA` with the default features.
pub fn load(data: &Path, cache: Option<&Path>, threads: usize) -> anyhow::Result<Licensed> {
    load_with(data, FeatureSettings::default(), cache, threads)
}

/// Loads `DATA`, features from the cache where they are there.
pub fn load_with(
    data: &Path,
    features: FeatureSettings,
    cache: Option<&Path>,
    threads: usize,
) -> anyhow::Result<Licensed> {
    let corpus = Corpus::open(data)?;
    if corpus.skipped() > 0 {
        eprintln!("note: {} songs and videos of RAVDESS are left out", corpus.skipped());
    }
    let folder = cache.map(Path::to_path_buf).or_else(Cache::default_folder);
    let cache = folder.map(|folder| Cache::open(&folder)).transpose()?;
    let bar = progress::bar(corpus.entries().len() as u64, "features");
    let work = Work {
        settings: &features,
        cache: cache.as_ref(),
        progress: &|done, _| bar.set_position(done as u64),
        stop: interrupt::stop_flag(),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let loaded = pool.install(|| corpus::load_dataset(&corpus, &work));
    bar.finish_and_clear();
    Ok(Licensed { loaded: loaded?, licence: corpus.licence(), features })
}
