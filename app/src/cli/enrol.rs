//! `enrol AUDIO|DIR… -o PROFILE.json`

use super::bundled::{self, model_file};
use super::{Done, Outcome, clip, inputs, interrupt, print_line};
use crate::files::{self, Existing};
use clap::Args;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Enroller, ModelFile, Predictor, Profile};
use std::path::{Path, PathBuf};

/// Write the statistics of a speaker's voice, for predict --enrol.
///
/// The profile has the mean and standard deviation of every feature column over all frames of the recordings, and no sound. The model
/// must be trained with --enrolment. Use recordings of several emotions: a warning says if they seem to show one only.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm enrol anna/ -o anna.json --model model.safetensors
         reslstm predict call.wav --model model.safetensors --enrol anna.json")]
pub struct Enrol {
    /// Recordings of one speaker, folders of them, or tables (.csv) with a column path
    #[arg(required = true, value_name = "AUDIO|DIR|TABLE")]
    inputs: Vec<PathBuf>,
    /// Profile to write
    #[arg(short, long, value_name = "PROFILE.json")]
    output: PathBuf,
    /// Model file, trained with --enrolment, or the bundled model speech [default: speech]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// Print the profile as JSON
    #[arg(long)]
    json: bool,
}

impl Enrol {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Replace)?;
        let profile = of_recordings(&model_file(self.model.as_deref(), &bundled::SPEECH)?, &self.inputs)?;
        files::write_json(&self.output, &profile)?;
        if self.json {
            print_line(serde_json::to_string(&profile)?)?;
        } else {
            message!("{}: {} clips, {} frames", self.output.display(), profile.clips, profile.frames);
        }
        Ok(Done::Everything)
    }
}

/// The profile of the recordings of one speaker. A warning about them is printed.
fn of_recordings(file: &ModelFile, paths: &[PathBuf]) -> Result<Profile> {
    let mut enroller = Enroller::new(file)?;
    let mut predictor = Predictor::new(file.clone())?;
    interrupt::stop_flag();
    for input in inputs::recordings(paths)? {
        if interrupt::stopped() {
            return Err(Error::new(Kind::Interrupted, "stopped before all recordings were read"));
        }
        let mut add = || {
            let features = clip::features(&mut predictor, &input.path, input.segment)?;
            let label = predictor.predict_features(&features)?.label;
            enroller.add(&features, label)
        };
        add().map_err(|error| error.at(&input))?;
    }
    let profile = enroller.profile()?;
    print_warning(&profile);
    Ok(profile)
}

/// The profile in a file `.json`, or of a recording or folder.
pub fn profile(file: &ModelFile, path: &Path) -> Result<Profile> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return of_recordings(file, &[path.to_path_buf()]);
    }
    let wrong = |error: Error| error.at(path.display()).advice("make it again with reslstm enrol");
    let profile = Profile::from_json(&files::read(path)?).map_err(wrong)?;
    print_warning(&profile);
    Ok(profile)
}

fn print_warning(profile: &Profile) {
    if let Some(warning) = &profile.warning {
        message!("warning: enrolment: {warning}; labels may be wrong, so enrol several emotions");
    }
}
