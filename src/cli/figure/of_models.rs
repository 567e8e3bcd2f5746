//! Figures of what a model computes: `figure signal-flow`, `figure pca`.

use super::super::eval::{Acquaintance, check_fit, described};
use super::super::options::all_cores;
use super::super::predict::model_file;
use super::super::source::{Found, Licensed};
use super::super::{Done, Outcome, clip};
use super::Output;
use clap::Args;
use reslstm::data::Clip;
use reslstm::data::normalise::Normaliser;
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, ModelFile, Predictor, Trace};
use reslstm::report::embeddings::{self, Embeddings};
use reslstm::report::{Figure, signal_flow};
use std::path::PathBuf;

/// The longest clip of a signal flow: beyond it a frame is narrower than a pixel, and the picture grows without end.
pub const MOST_FRAMES: usize = 700;

/// One clip on its way through a model (Fig. 3): features, outputs of the LSTMs, attention.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm figure signal-flow clip.wav -o flow.svg")]
pub struct SignalFlow {
    /// A recording (.wav), or features (.npy)
    audio: PathBuf,
    /// The model [the bundled weights]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl SignalFlow {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let mut predictor = Predictor::new(model_file(self.model.as_deref())?)?;
        let name = self.audio.file_name().unwrap_or_default().to_string_lossy();
        let features = clip::features(&mut predictor, &self.audio);
        let drawing = features.and_then(|features| draw_signal_flow(&mut predictor, &features, &name));
        self.output.write(&drawing.map_err(|error| error.at(self.audio.display()))?)?;
        Ok(Done::Everything)
    }
}

/// Of one clip's features `[T,D]`, not normalised. Errors are left to be named by the caller.
pub fn draw_signal_flow(predictor: &mut Predictor, features: &Matrix<f32>, name: &str) -> Result<Figure> {
    let prediction = predictor.predict_features(features)?;
    if features.rows() > MOST_FRAMES {
        let problem = format!("expected a clip of at most {MOST_FRAMES} frames, got {}", features.rows());
        return Err(Error::new(Kind::Features, problem).advice("cut out the part to be shown"));
    }
    let x = predictor.normalised(features)?.clone();
    let trace = Trace::of(predictor.model(), &x);
    let arch = predictor.model().architecture();
    let label = &predictor.labels()[prediction.label];
    let per_cent = 100.0 * prediction.probabilities[prediction.label];
    let title = format!("{arch}: {name}, recognised as {label} ({per_cent:.0} %)");
    let metadata = predictor.metadata();
    Ok(Figure { svg: signal_flow::svg(&title, &x, &trace, metadata), csv: signal_flow::csv(&x, &trace, metadata) })
}

/// Clips in two dimensions (Fig. 5): a model's embeddings beside averaged features, by emotion.
#[derive(Debug, Args)]
#[command(
    after_help = "An embedding is a clip's context vector, before batch norm; features are normalised as the model sees them and averaged over \
                  the frames of a clip. Each is shown along its first two principal components. Where the model was trained on \
                  a fold of the data, its test speakers alone are shown.

Example: reslstm figure pca ravdess --model cv-h64/models/run0-fold0.safetensors -o pca.svg"
)]
pub struct Pca {
    /// A RAVDESS folder, or a manifest .csv with the columns path,label,speaker
    data: PathBuf,
    /// The model [the bundled weights]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// Folder of the feature cache [reslstm in the user's cache folder, or none where that cannot be written]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Pca {
    pub fn run(self) -> Outcome {
        self.output.check()?;
        let file = model_file(self.model.as_deref())?;
        let name = self.model.as_ref().map_or("the bundled weights".into(), |path| path.display().to_string());
        let metadata = described(&file).map_err(|error| error.at(name))?;
        let data = Found::open(&self.data)?.load(metadata.features.clone(), self.cache.as_deref(), all_cores())?;
        check_fit(metadata, &data).map_err(|error| error.at(self.data.display()))?;
        let drawing = draw_embeddings(&file, metadata, &data).map_err(|error| error.at(self.data.display()))?;
        self.output.write(&drawing)?;
        Ok(Done::Everything)
    }
}

/// Of the clips of the data that the model says most of: its test speakers', where it has any.
pub fn draw_embeddings(file: &ModelFile, metadata: &Metadata, data: &Licensed) -> Result<Figure> {
    let acquaintance = Acquaintance::of(metadata, data);
    let chosen = acquaintance.clips(metadata, data);
    let clips: Vec<&Clip> = chosen.iter().map(|&clip| &data.dataset().clips()[clip]).collect();
    let whose = match acquaintance {
        Acquaintance::Fold(fold) => format!("of the test speakers of fold {fold}"),
        Acquaintance::Everybody => "it was trained on".into(),
        Acquaintance::Namesakes => "of speakers whose names it was trained on".into(),
        Acquaintance::Strangers => "of speakers it never heard".into(),
    };
    let title = format!("{}: {} clips {whose}", file.model().architecture(), clips.len());
    let normaliser = Normaliser::new(metadata.mean.clone(), metadata.std.clone())?;
    let shown = Embeddings::of(file.model(), &normaliser, &clips)?;
    Ok(Figure {
        svg: embeddings::svg(&title, &shown, &metadata.labels),
        csv: embeddings::csv(&shown, &metadata.labels),
    })
}
