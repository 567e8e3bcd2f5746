//! `explain AUDIO -o PAGE.html`

use super::bundled::{self, model_file};
use super::options::{WrongCall, wrong_call};
use super::{Done, Outcome, clip};
use crate::files::{self, Existing};
use crate::report::explain::{Explained, html};
use clap::Args;
use reslstm::audio::Recording;
use reslstm::audit::cast;
use reslstm::audit::clip_gradients::{ClipGradients, Connection};
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Metadata, ModelFile, Predictor, Trace};
use std::path::PathBuf;

/// The longest recording: in a longer one a frame is narrower than a pixel, and every three seconds add a megabyte to the page.
const MOST_SECONDS: f64 = 30.0;

/// Show every step of a model on one clip, as an interactive page.
#[derive(Debug, Args)]
#[command(
    after_help = "The page begins with the sound, the attention and the answer. \"All values\" adds the features, the gates and \
                  states of every LSTM, the gradient flow and the saliency of the inputs on one time axis, and the equations \
                  of any unit with their numbers, forward and backward. It is one file, needs no network, and contains the \
                  recording unless --no-sound is given.

In the page: the pointer or the arrow keys move the frame, a click holds it and selects a unit, the \
                  space bar plays. The address can set the start: page.html#view=all&t=40&lstm=2&unit=7&theme=dark

Example: reslstm explain clip.wav -o page.html --label angry"
)]
pub struct Explain {
    /// A recording of at most 30 seconds
    audio: PathBuf,
    /// Page to write
    #[arg(short, long, value_name = "PAGE.html")]
    output: PathBuf,
    /// Model file, or a bundled model: speech or paper [default: paper]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// Class whose loss the gradients belong to [default: the predicted class]
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// The branch to show of a model with several, from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    branch: u64,
    /// Leave the recording out of the page
    #[arg(long)]
    no_sound: bool,
}

impl Explain {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Replace)?;
        let mut predictor = Predictor::new(model_file(self.model.as_deref(), &bundled::PAPER)?)?;
        let count = predictor.file().branches().len();
        if self.branch > count as u64 {
            let problem = format!("--branch: expected 1 to {count}, the branches of the model, got {}", self.branch);
            return Err(wrong_call(problem, "reslstm info lists them").into());
        }
        let label = self.label.as_ref().map(|name| clip::class(predictor.labels(), name));
        let label = label.transpose().map_err(WrongCall)?;
        let page = self.page(&mut predictor, label).map_err(|error| error.at(self.audio.display()))?;
        files::write_atomically(&self.output, page.as_bytes())?;
        message!("{}: {:.1} MB, for a browser", self.output.display(), page.len() as f64 / 1e6);
        Ok(Done::Everything)
    }

    /// The page, with the gradients of class `label`, or of the predicted one.
    fn page(&self, predictor: &mut Predictor, label: Option<usize>) -> Result<String> {
        let recording = clip::recording(predictor, &self.audio, None)?;
        check_length(&recording)?;
        let features = predictor.features(&recording.samples)?;
        let shown = self.shown(predictor.file());
        let prediction = predictor.predict_by_branch(shown.number, &features)?;
        let sound = predictor.sound(&recording.samples)?;
        if !sound.has_speech {
            message!("note: nobody speaks in {}: predict labels it 'none'", self.audio.display());
        }
        let label = label.unwrap_or(prediction.label);
        // What the preparation leaves out is not in the frames either.
        let kept = predictor.kept(&recording.samples)?;
        let recording = Recording { samples: kept, ..recording };
        let x = predictor.normalised(&features)?.clone();
        let branch = &predictor.file().branches()[shown.number];
        let x = branch.select(&x);
        let trace = Trace::new(branch.model(), &x);
        let model = clip::in_f64(branch.model());
        let gradients = ClipGradients::new(&model, &cast(&x), label, Connection::Residual);
        Ok(html(&Explained {
            clip: &self.audio.file_name().unwrap_or_default().to_string_lossy(),
            recording: &recording,
            play: !self.no_sound,
            sound,
            metadata: &shown.metadata,
            x: &x,
            prediction: &prediction,
            label,
            trace: &trace,
            model: &model,
            gradients: &gradients,
        }))
    }
}

/// The branch that is shown.
struct ShownBranch {
    /// From 0.
    number: usize,
    /// The metadata of the model, with name and features of the branch.
    metadata: Metadata,
}

impl Explain {
    /// The branch to show. Notes say which of several it is, and that a growing temperature is not shown.
    fn shown(&self, file: &ModelFile) -> ShownBranch {
        let mut metadata = file.metadata().expect("a model that reads recordings has metadata").clone();
        let (number, count) = (self.branch as usize - 1, file.branches().len());
        if let Some(group) = metadata.branches.groups().get(number) {
            let arch = file.branches()[number].model().architecture();
            message!("note: branch {} of {count} ({group}) is shown; predict averages all of them", self.branch);
            metadata.architecture = format!("{arch}, branch {} of {count} of an ensemble ({group})", self.branch);
            metadata.features = group.of_features(&metadata.features);
        }
        if metadata.temperature_growth.is_some() {
            message!("note: the page has the probabilities before the temperature that predict gives this clip");
        }
        ShownBranch { number, metadata }
    }
}

fn check_length(recording: &Recording) -> Result<()> {
    let seconds = recording.samples.len() as f64 / f64::from(recording.sample_rate);
    if seconds <= MOST_SECONDS {
        return Ok(());
    }
    let problem = format!("expected a recording of at most {MOST_SECONDS} seconds, got {seconds:.1}");
    Err(Error::new(Kind::Audio, problem).advice("cut it first, for example with: ffmpeg -i INPUT -ss 12 -t 10 CUT.wav"))
}
