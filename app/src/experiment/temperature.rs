//! A temperature of calibration: the same for all clips, or one that grows with the distance of a clip from the training clips.

use reslstm::models::MOST_GROWTH;
use reslstm::models::training_clips::temper_at;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Written `0.832`, or `0.951,1.640`; in JSON a number or an array of two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Temperature {
    /// `T`, by which the scores of every network are divided.
    Constant(f64),
    /// `T` and `B` of [`reslstm::models::training_clips`].
    Growing(f64, f64),
}

impl Temperature {
    /// `T`.
    pub fn at_one(self) -> f64 {
        let (Temperature::Constant(temperature) | Temperature::Growing(temperature, _)) = self;
        temperature
    }

    /// `B`; none of a constant one.
    pub fn growth(self) -> Option<f64> {
        match self {
            Temperature::Constant(_) => None,
            Temperature::Growing(_, growth) => Some(growth),
        }
    }

    /// Changes the probabilities `[K]` of a clip at this distance, if the temperature grows with it.
    pub fn temper(self, probabilities: &mut [f32], distance: f32) {
        if let Temperature::Growing(temperature, growth) = self {
            temper_at(probabilities, [temperature, growth], distance);
        }
    }
}

impl fmt::Display for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Temperature::Constant(temperature) => write!(f, "{temperature:.3}"),
            Temperature::Growing(temperature, growth) => write!(f, "{temperature:.3},{growth:.3}"),
        }
    }
}

impl FromStr for Temperature {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, least: f64, most: f64| {
            let number = text.trim().parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("expected {least} to {most}, got '{text}'"))
        };
        match text.split_once(',') {
            None => Ok(Temperature::Constant(number(text, 0.01, 100.0)?)),
            Some((t, b)) => Ok(Temperature::Growing(number(t, 0.01, 100.0)?, number(b, 0.0, MOST_GROWTH)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_json_are_read_again_and_what_is_out_of_range_is_refused() {
        for (text, json) in [("0.832", "0.832"), ("0.951,1.640", "[0.951,1.64]")] {
            let temperature: Temperature = text.parse().unwrap();
            assert_eq!(
                (temperature.to_string().as_str(), serde_json::to_string(&temperature).unwrap().as_str()),
                (text, json)
            );
            assert_eq!(serde_json::from_str::<Temperature>(json).unwrap(), temperature);
        }
        for text in ["", "0", "1,-1", "1,11", "nan", "1,2,3", "inf,1"] {
            assert!(text.parse::<Temperature>().unwrap_err().contains("expected 0"), "{text}");
        }
    }
}
