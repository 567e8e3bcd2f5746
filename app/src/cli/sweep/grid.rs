//! `GRID.toml`: the settings of `cv`, each with one value or a list of them.

use super::super::options::{Layers, Recipe, Row, SETTINGS, Written, setting, unknown};
use crate::sweep::plan::MAX_JOBS;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::CheckedSettings;
use serde_json::Value;
use std::path::Path;

/// What to sweep over: every combination of the values.
#[derive(Debug)]
pub struct Grid {
    /// Each a row of the table, in order.
    pub rows: Vec<CheckedSettings>,
    /// Runs of each row: seeds derived from the row's own, as `cv --runs`.
    pub runs: usize,
    /// Folds of each run.
    pub folds: FoldPlan,
}

/// A setting and the values that it takes in turn.
struct Axis {
    row: &'static Row,
    values: Vec<Value>,
    place: String,
}

/// What a grid holds besides settings.
const OTHERS: [&str; 4] = ["model", "hidden", "folds", "runs"];

impl Grid {
    /// Reads and checks a file. What it leaves out comes from the recipe.
    ///
    /// # Errors
    /// [`Kind::Settings`], naming the file and, where there is one, the line.
    pub fn read(path: &Path, recipe: &Recipe) -> Result<Self> {
        Self::new(Written::read(path)?, recipe)
    }

    /// Checks a file that was read.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn new(mut file: Written, recipe: &Recipe) -> Result<Self> {
        if file.table.is_empty() {
            let error = Error::new(Kind::Settings, "expected a grid, found no setting").at(&file.path);
            return Err(error.advice("for example: arch = ['lstm-sa-h64', 'reslstm-sa-h64']"));
        }
        let (runs, folds) = (file.table.remove("runs"), file.table.remove("folds"));
        let folds =
            folds.map_or(Ok(FoldPlan::all()), |folds| fold_plan(&folds).map_err(|e| e.at(file.place("folds"))))?;
        architectures(&mut file)?;
        let mut axes = Vec::new();
        for row in &SETTINGS {
            let Some(value) = file.table.remove(row.name) else { continue };
            axes.push(Axis::new(row, value, file.place(row.name))?);
        }
        if let Some(name) = file.table.keys().next() {
            return Err(unknown(name, &OTHERS).at(file.place(name)));
        }
        let rows = product(&recipe.layers, &axes)?;
        let most = MAX_JOBS / rows.len();
        let runs = match runs {
            None => 1,
            Some(runs) => match runs.as_u64().map(|runs| runs as usize).filter(|runs| (1..=most).contains(runs)) {
                Some(runs) => runs,
                None => {
                    let problem = format!("runs: expected 1 to {most} for {} rows, got {runs}", rows.len());
                    return Err(Error::new(Kind::Settings, problem).at(file.place("runs")));
                }
            },
        };
        Ok(Grid { rows, runs, folds })
    }
}

impl Axis {
    fn new(row: &'static Row, value: Value, place: String) -> Result<Self> {
        let wrong = |problem: String| Err(Error::new(Kind::Settings, format!("{}: {problem}", row.name)).at(&place));
        let values = match value {
            Value::Array(values) if values.is_empty() => {
                return wrong("expected at least one value, got an empty list".into());
            }
            Value::Array(values) if row.decides_features && values.len() > 1 => {
                return wrong(format!(
                    "expected one value for all rows, as every clip is read once, got {}",
                    values.len()
                ));
            }
            Value::Array(values) => values,
            value => vec![value],
        };
        // Compared in the type of the setting, as 1 and 1.0 are one learning rate; `none` is a name as it is written.
        let checked = values.iter().map(|value| row.check(value.clone())).collect::<Result<Vec<_>>>();
        let checked = checked.map_err(|error| error.at(row.name).at(&place))?;
        if let Some(twice) = (1..checked.len()).find(|&n| checked[..n].contains(&checked[n])) {
            return wrong(format!("expected every value once, got {} twice", checked[twice]));
        }
        Ok(Axis { row, values, place })
    }
}

/// Every combination, the last axis fastest.
fn product(recipe: &Layers, axes: &[Axis]) -> Result<Vec<CheckedSettings>> {
    let mut total = 1;
    for axis in axes {
        total *= axis.values.len();
        if total > MAX_JOBS {
            let problem = format!("{}: expected at most {MAX_JOBS} rows, got {total}", axis.row.name);
            return Err(Error::new(Kind::Settings, problem).at(&axis.place));
        }
    }
    let row = |number: usize| {
        let (mut layers, mut rest) = (recipe.clone(), number);
        for Axis { row, values, place } in axes.iter().rev() {
            layers.set(row, values[rest % values.len()].clone(), place)?;
            rest /= values.len();
        }
        layers.settings()
    };
    (0..total).map(row).collect()
}

/// Makes `arch` of `model` × `hidden`.
fn architectures(file: &mut Written) -> Result<()> {
    let (model, hidden) = (file.table.remove("model"), file.table.remove("hidden"));
    if model.is_none() && hidden.is_none() {
        return Ok(());
    }
    if file.table.contains_key("arch") {
        let problem = "expected arch, or model and hidden, got both";
        let advice = "lstm-sa-h64 is model lstm-sa with hidden 64";
        return Err(Error::new(Kind::Settings, problem).at(file.place("arch")).advice(advice));
    }
    let place = file.place(if model.is_some() { "model" } else { "hidden" });
    let list = |value: Option<Value>, default: Value| match value.unwrap_or(default) {
        Value::Array(values) => values,
        value => vec![value],
    };
    let (models, hidden) = (list(model, "reslstm-sa".into()), list(hidden, 64.into()));
    let mut archs = Vec::new();
    for model in &models {
        let name = model.as_str().map_or_else(|| model.to_string(), str::to_string);
        archs.extend(hidden.iter().map(|hidden| Value::String(format!("{name}-h{hidden}"))));
    }
    let arch = setting("arch").expect("it has a row");
    archs.iter().try_for_each(|name| arch.check(name.clone()).map(drop)).map_err(|error| error.at(place))?;
    file.table.insert("arch".into(), archs.into());
    Ok(())
}

/// `folds`, as text or as a list of numbers.
fn fold_plan(folds: &Value) -> Result<FoldPlan> {
    let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    match folds {
        Value::Array(values) => values.iter().map(name).collect::<Vec<_>>().join(",").parse(),
        value => name(value).parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::options::{PAPER, SPEECH, built_in};
    use super::*;
    use reslstm::train::{Augment, Inputs, Settings, Validation, Weights};

    fn grid(text: &str) -> Result<Grid> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Grid::read(file.path(), &built_in(PAPER))
    }

    #[test]
    fn every_combination_is_a_row_and_the_rest_has_its_default() {
        let text = "model = ['lstm-sa', 'reslstm-sa']\nhidden = [32, 64]\nlr = [1e-3, 1]\ndropout = 0\nruns = 3\nfolds = [0, 3]";
        let Grid { rows, runs, folds } = grid(text).unwrap();
        assert_eq!((rows.len(), runs, folds.to_string()), (8, 3, "0,3".into()));
        let row = |n: usize| (rows[n].arch.to_string(), rows[n].lr, rows[n].dropout, rows[n].epochs);
        assert_eq!(row(0), ("lstm-sa-h32".into(), 1e-3, 0.0, Settings::default().epochs));
        assert_eq!(row(3), ("lstm-sa-h64".into(), 1.0, 0.0, Settings::default().epochs));
        assert_eq!(row(7), ("reslstm-sa-h64".into(), 1.0, 0.0, Settings::default().epochs));
        let plain = grid("arch = 'lstm-sa-h128-2vectors'\nprotocol = ['strict', 'published']\nfolds = 'k=4'").unwrap();
        assert_eq!((plain.rows.len(), plain.runs, plain.folds), (2, 1, "k=4".parse().unwrap()));
        let voices = "weights = ['last', 'average']\nvalidation = 'train'\ninputs = 'pitch'\naugment = { noise = 0.5 }";
        let rows = grid(voices).unwrap().rows;
        assert_eq!((rows.len(), rows[1].weights, rows[0].validation), (2, Weights::Average, Validation::Train));
        assert!(rows.iter().all(|row| row.inputs == Inputs::Pitch && row.augment.as_ref().unwrap().noise == 0.5));
        assert_eq!(grid("hidden = 32").unwrap().rows[0].arch.to_string(), "reslstm-sa-h32");
    }

    #[test]
    fn a_wrong_grid_is_named_with_its_line() {
        for (text, problem) in [
            ("", "expected a grid, found no setting"),
            ("# nothing\n", "expected a grid, found no setting"),
            ("epoch = 3", "line 1: unknown setting `epoch`: expected one of arch, branches, protocol, epochs"),
            ("epochs = 3\nlr = []", "line 2: lr: expected at least one value"),
            ("lr = []", "expected at least one value, got an empty list"),
            ("lr = 'high'", "lr: expected a number, got \"high\""),
            ("lr = [0.1, 0.2, 0.1]", "lr: expected every value once, got 0.1 twice"),
            ("lr = [0.1, -1]", "lr: expected above 0"),
            ("arch = 'gru-h64'", "expected an architecture like reslstm-sa-h64, got 'gru-h64'"),
            ("model = 'gru'", "got 'gru-h64'"),
            ("arch = 'lstm-sa-h4'\nhidden = 4", "expected arch, or model and hidden, got both"),
            ("protocol = 'lenient'", "protocol: expected strict, published or table1, got \"lenient\""),
            ("weights = ['best', 'mean']", "weights: expected best, last or average, got \"mean\""),
            ("validation = 'train'", "validation: expected apart"),
            ("inputs = ['paper', 'all']", "inputs: expected one value for all rows, as every clip is read once, got 2"),
            ("augment = { noise = -1.0 }", "augment.noise: expected 0 to 10"),
            ("runs = 0", "runs: expected 1 to 100000 for 1 rows, got 0"),
            ("folds = [7]", "expected folds from 0 to 4, got 7"),
            ("lr = [0.1", "TOML parse error"),
        ] {
            let error = grid(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: expected `{problem}` in: {error}");
        }
    }

    #[test]
    fn too_large_a_product_is_refused_before_it_is_made() {
        let many: Vec<String> = (1..=400).map(|n| n.to_string()).collect();
        let many = many.join(",");
        let error = grid(&format!("epochs = [{many}]\nt0 = [{many}]\nseed = [{many}]")).unwrap_err().to_string();
        assert!(error.contains("t0: expected at most 100000 rows, got 160000"), "{error}");
    }

    #[test]
    fn a_grid_lies_over_its_recipe() {
        let read = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            Grid::read(file.path(), &built_in(SPEECH)).unwrap().rows
        };
        let rows = read("lr = [0.1, 0.2]\naugment = 'voices'");
        assert_eq!((rows[1].lr, rows[1].inputs, &rows[1].augment), (0.2, Inputs::Speech, &Augment::preset("voices")));
        assert_eq!(read("augment = 'none'")[0].augment, None);
    }
}
