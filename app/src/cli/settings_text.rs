//! The settings in files by their text alone, for the fuzz targets. The commands read the same by their paths.

use super::options::{PAPER, Recipe, Written, built_in};
use super::paper::Hyperparameters;
use super::sweep::Grid;
use reslstm::error::Result;
use reslstm::train::CheckedSettings;

/// What stands for the path in errors.
const PLACE: &str = "text";

/// The settings of a recipe.
///
/// # Errors
/// [`Kind::Settings`](reslstm::error::Kind::Settings) if it is none, or a setting is wrong.
pub fn recipe(text: &str) -> Result<CheckedSettings> {
    Recipe::new(PLACE, Written::parse(text, PLACE)?)?.layers.settings()
}

/// The settings of each row of a grid.
///
/// # Errors
/// As [`recipe`].
pub fn grid(text: &str) -> Result<Vec<CheckedSettings>> {
    Ok(Grid::new(Written::parse(text, PLACE)?, &built_in(PAPER))?.rows)
}

/// Checks a table of hyperparameters, as `paper` takes it.
///
/// # Errors
/// As [`recipe`].
pub fn hyperparameters(text: &str) -> Result<()> {
    Hyperparameters::from_toml(text).map(|_| ())
}
