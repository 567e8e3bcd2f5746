//! Figures of a model or a clip: `figure signal-flow`, `figure augmentation`, `figure pca`.

use super::super::bundled::{self, model_file};
use super::super::eval::{SpeakerOverlap, require_metadata};
use super::super::inputs;
use super::super::options::{self, CacheOption, DataOptions, all_cores};
use super::super::source::{Found, Licensed};
use super::super::{Done, Outcome, clip};
use super::Output;
use crate::corpus::condition::apply_condition;
use crate::report::augmentation::{self, AugmentedClip};
use crate::report::embeddings::{self, Embeddings};
use crate::report::{Figure, signal_flow};
use clap::Args;
use reslstm::audio::{FeatureSettings, FrontEnd, Recording};
use reslstm::data::Clip;
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, ModelFile, Predictor, Trace};
use reslstm::normalise::Normaliser;
use reslstm::rng::RandomStream;
use reslstm::train::augment::{Augment, add_noise, change_channel, stretch};
use std::path::PathBuf;

/// The longest clip of a figure, in frames: in a longer one a frame is narrower than a pixel.
pub const MOST_FRAMES: usize = 700;

/// Draw one clip on its way through a model (Fig. 3): features, LSTM outputs, attention.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm figure signal-flow clip.wav -o flow.svg")]
pub struct SignalFlow {
    /// A recording, or features (.npy)
    audio: PathBuf,
    /// Model file of one network [default: the bundled model paper]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl SignalFlow {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let mut predictor = Predictor::new(model_file(self.model.as_deref(), &bundled::PAPER)?)?;
        let name = self.audio.file_name().unwrap_or_default().to_string_lossy();
        let features = clip::features(&mut predictor, &self.audio, None);
        let drawing = features.and_then(|features| draw_signal_flow(&mut predictor, &features, &name));
        self.output.write(&drawing.map_err(|error| error.at(self.audio.display()))?)?;
        Ok(Done::Everything)
    }
}

/// Draws one clip, given by its features `[T,D]`, not normalised. The caller adds the file's name to errors.
pub fn draw_signal_flow(predictor: &mut Predictor, features: &Matrix<f32>, name: &str) -> Result<Figure> {
    predictor.file().only_model()?;
    let prediction = predictor.predict_features(features)?;
    if features.rows() > MOST_FRAMES {
        let problem = format!("expected a clip of at most {MOST_FRAMES} frames, got {}", features.rows());
        return Err(Error::new(Kind::Features, problem).advice("cut out the part to show"));
    }
    let x = predictor.normalised(features)?.clone();
    let trace = Trace::new(predictor.model(), &x);
    let arch = predictor.model().architecture();
    let label = &predictor.labels()[prediction.label];
    let per_cent = 100.0 * prediction.probabilities[prediction.label];
    let title = format!("{arch}: {name}, recognised as {label} ({per_cent:.0} %)");
    let metadata = predictor.metadata();
    Ok(Figure { svg: signal_flow::svg(&title, &x, &trace, metadata), csv: signal_flow::csv(&x, &trace, metadata) })
}

/// Draw one clip as recorded and augmented, at both ends of the range of each augmentation.
#[derive(Debug, Args)]
#[command(after_help = "Features are normalised with the mean and standard deviation of the clip as recorded.

Example: reslstm figure augmentation clip.wav -o augmentation.svg")]
pub struct Augmentation {
    /// A recording
    audio: PathBuf,
    /// Augmentation: voices, anywhere, speech, or a TOML file as train --augment reads it
    ///
    /// The picture shows speeds, conditions, stretch, channel and noise, but not gain and shares.
    #[arg(long, value_name = "NAME|FILE.toml", default_value = "voices")]
    augment: String,
    /// Seed of the noise
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: Output,
}

impl Augmentation {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let augment = options::augment(&self.augment).map_err(options::WrongCall)?;
        augment.check().map_err(options::WrongCall)?;
        let name = self.audio.file_name().unwrap_or_default().to_string_lossy();
        let clips =
            inputs::recording(&self.audio).and_then(|recording| augmented_clips(&recording, &augment, self.seed));
        let clips = clips.map_err(|error| error.at(self.audio.display()))?;
        let title = format!("{name}, as recorded and as augmented by --augment {}", self.augment);
        let svg = augmentation::svg(&title, &clips, &FeatureSettings::default());
        self.output.write(&Figure { svg, csv: augmentation::csv(&clips) })?;
        Ok(Done::Everything)
    }
}

/// The clip as recorded, at the slowest and the fastest speed, in the other conditions, shortest and longest, through another
/// channel, and with noise.
fn augmented_clips(recording: &Recording, augment: &Augment, seed: u64) -> Result<Vec<AugmentedClip>> {
    let (window, hop, rate) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS, recording.sample_rate);
    let mut front_end = FrontEnd::new(FeatureSettings::default().with_frames(window, hop, rate)?, rate)?;
    let recorded = front_end.features(&recording.samples)?;
    if recorded.rows() > MOST_FRAMES {
        let problem = format!("expected a clip of at most {MOST_FRAMES} frames, got {}", recorded.rows());
        return Err(Error::new(Kind::Features, problem).advice("cut out the part to show"));
    }
    let normaliser = Normaliser::fit([&recorded])?;
    let recorded = normaliser.apply(&recorded)?;
    let mut clips = vec![AugmentedClip { name: "as recorded".into(), features: recorded.clone() }];
    let speeds = augment.other_speeds();
    let ends = [speeds.first(), speeds.last()].into_iter().flatten().take(speeds.len());
    for &condition in ends.chain(&augment.conditions) {
        let changed = apply_condition(condition, recording.clone())?;
        let features = normaliser.apply(&front_end.features(&changed.samples)?)?;
        clips.push(AugmentedClip { name: condition.to_string(), features });
    }
    for factor in [1.0 - augment.stretch, 1.0 + augment.stretch].into_iter().filter(|&factor| factor != 1.0) {
        let mut features = Matrix::default();
        stretch(&recorded, (recorded.rows() as f64 * factor).round() as usize, &mut features);
        clips.push(AugmentedClip { name: format!("stretched to {factor} of its frames"), features });
    }
    if augment.channel > 0.0 {
        let mut features = recorded.clone();
        change_channel(augment.channel, &mut RandomStream::new(seed, "augment", 1), &mut features);
        clips.push(AugmentedClip {
            name: format!("through a channel of {} standard deviations", augment.channel),
            features,
        });
    }
    if augment.noise > 0.0 {
        let mut features = recorded;
        add_noise(augment.noise, &mut RandomStream::new(seed, "augment", 0), &mut features);
        clips.push(AugmentedClip { name: format!("with noise of {} standard deviations", augment.noise), features });
    }
    Ok(clips)
}

/// Draw clips in two dimensions (Fig. 5): embeddings of a model and averaged features, by emotion.
#[derive(Debug, Args)]
#[command(
    after_help = "The embedding of a clip is its context vector before batch norm. Features are normalised as the model \
                  reads them and averaged over the frames of the clip. Both are projected to their first two principal \
                  components. If the model was trained on a fold of the data, only the clips of its test speakers are \
                  shown.

Example: reslstm figure pca ravdess --model cv-h64/models/run0-fold0.safetensors -o pca.svg"
)]
pub struct Pca {
    /// Folder of a known corpus such as RAVDESS, or a .csv table: path,label,speaker
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    /// Model file of one network [default: the bundled model paper]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheOption,
    #[command(flatten)]
    output: Output,
}

impl Pca {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let file = model_file(self.model.as_deref(), &bundled::PAPER)?;
        let name = self.model.as_ref().map_or_else(|| bundled::PAPER.to_string(), |path| path.display().to_string());
        let metadata = require_metadata(&file).map_err(|error| error.at(name))?;
        let corpus = Found::open(&self.data, &self.reading.reading())?;
        let (features, rate) = (metadata.features.clone(), metadata.sample_rate);
        let data = corpus.load(features, rate, self.cache.cache.as_deref(), all_cores())?;
        check_fit(metadata, &data).map_err(|error| error.at(self.data.display()))?;
        let drawing = draw_embeddings(&file, metadata, &data).map_err(|error| error.at(self.data.display()))?;
        self.output.write(&drawing)?;
        Ok(Done::Everything)
    }
}

/// Checks that the corpus has the model's labels.
fn check_fit(metadata: &Metadata, data: &Licensed) -> Result<()> {
    let (ours, theirs) = (metadata.labels.names(), data.dataset().labels().names());
    if ours != theirs {
        let problem = format!("expected the model's labels {}, got {}", ours.join(", "), theirs.join(", "));
        return Err(Error::new(Kind::Data, problem));
    }
    Ok(())
}

/// Draws the clips of the model's test speakers, or all clips if it has none in the data.
pub fn draw_embeddings(file: &ModelFile, metadata: &Metadata, data: &Licensed) -> Result<Figure> {
    let model = file.only_model()?;
    let overlap = SpeakerOverlap::between(metadata, data);
    let chosen = overlap.clips(metadata, data);
    let clips: Vec<&Clip> = chosen.iter().map(|&clip| &data.dataset().clips()[clip]).collect();
    let whose = match overlap {
        SpeakerOverlap::Fold(fold) => format!("of the test speakers of fold {fold}"),
        SpeakerOverlap::All => "it was trained on".into(),
        SpeakerOverlap::SameNames => "of speakers whose names it was trained on".into(),
        SpeakerOverlap::None => "of speakers it was not trained on".into(),
    };
    let title = format!("{}: {} clips {whose}", model.architecture(), clips.len());
    let normaliser = metadata.require_normaliser()?;
    let shown = Embeddings::new(model, &normaliser, &clips)?;
    Ok(Figure {
        svg: embeddings::svg(&title, &shown, &metadata.labels),
        csv: embeddings::csv(&shown, &metadata.labels),
    })
}
