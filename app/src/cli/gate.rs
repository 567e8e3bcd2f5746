//! Which predictions get a label: none where nobody speaks, and none below a minimum probability if there is one.

use super::rows::Place;
use clap::Args;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::Prediction;

/// When a prediction gets no emotion as its label.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Gate {
    /// Label pauses and noise like speech
    ///
    /// By default the label is `none` where nobody speaks: where less than 3 % of the sound, or less than 0.1 s, is voice.
    #[arg(long)]
    pub no_gate: bool,
    /// Label predictions below this probability `unsure`
    #[arg(long, value_name = "P", value_parser = probability)]
    pub min_probability: Option<f32>,
}

/// Why a prediction's most probable class is not its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody speaks.
    NoSpeech,
    /// The probability is below the minimum.
    LowProbability,
}

impl Gate {
    /// Why this prediction gets no emotion as its label; none if it does. What was predicted from features, in which speech cannot
    /// be heard, counts as speech.
    pub fn refusal(&self, prediction: &Prediction) -> Option<Refusal> {
        if !self.no_gate && prediction.sound.is_some_and(|sound| !sound.has_speech) {
            return Some(Refusal::NoSpeech);
        }
        let too_low = self.min_probability.is_some_and(|least| prediction.probability() < least);
        too_low.then_some(Refusal::LowProbability)
    }

    /// The label in a timeline; none where nobody speaks.
    pub fn label(&self, prediction: &Prediction) -> Option<String> {
        match self.refusal(prediction) {
            None => Some(prediction.label_name().into()),
            Some(Refusal::NoSpeech) => None,
            Some(refusal) => Some(refusal.label().into()),
        }
    }
}

impl Refusal {
    /// The label in its place.
    pub fn label(self) -> &'static str {
        match self {
            Refusal::NoSpeech => "none",
            Refusal::LowProbability => "unsure",
        }
    }

    /// The reason, as CSV and JSON have it.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::NoSpeech => "no speech",
            Refusal::LowProbability => "low probability",
        }
    }
}

/// A note on stderr for the first place where nobody speaks.
#[derive(Debug, Default)]
pub struct SilenceNote {
    printed: bool,
}

impl SilenceNote {
    /// Prints the note, if nobody speaks here and it is not printed yet.
    pub fn print_once(&mut self, place: Place, refusal: Option<Refusal>) {
        if refusal == Some(Refusal::NoSpeech) && !self.printed {
            self.printed = true;
            let place = place.text();
            message!(
                "note: nobody speaks in {}: the label is 'none', there and wherever else nobody speaks; --no-gate labels it all \
                 the same",
                place.trim()
            );
        }
    }
}

fn probability(text: &str) -> Result<f32> {
    let wrong = || Error::new(Kind::Settings, format!("expected a probability from 0 to 1, got {text}"));
    text.parse().ok().filter(|least| (0.0..=1.0).contains(least)).ok_or_else(wrong)
}
