//! `GRID.toml`: the settings of `cv`, each with one value or a list of them.

use crate::sweep::plan::MAX_JOBS;
use anyhow::Context;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::Architecture;
use reslstm::train::{Augment, Inputs, Protocol, Recipe, Settings, Validation, Weights};
use serde::de::{Deserializer, Error as _, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// What to sweep over: every combination of the values.
#[derive(Debug)]
pub struct Grid {
    /// Each a row of the table, in order.
    pub rows: Vec<Settings>,
    /// Runs of each row: seeds derived from the row's own, as `cv --runs`.
    pub runs: usize,
    /// Folds of each run.
    pub folds: FoldPlan,
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    arch: Option<Axis<Architecture>>,
    model: Option<Axis<String>>,
    hidden: Option<Axis<usize>>,
    protocol: Option<Axis<Protocol>>,
    folds: Option<Axis<toml::Value>>,
    runs: Option<usize>,
    seed: Option<Axis<u64>>,
    epochs: Option<Axis<usize>>,
    batch: Option<Axis<usize>>,
    lr: Option<Axis<f64>>,
    weight_decay: Option<Axis<f64>>,
    dropout: Option<Axis<f64>>,
    t0: Option<Axis<usize>>,
    weights: Option<Axis<Weights>>,
    validation: Option<Axis<Validation>>,
    // What is read of a clip is the same for all rows, as the data are loaded once.
    inputs: Inputs,
    augment: Option<Augment>,
}

impl Grid {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || {
            let text = std::fs::read_to_string(path)?;
            if text.parse::<toml::Table>()?.is_empty() {
                let error = Error::new(Kind::Settings, "expected a grid, found no setting");
                anyhow::bail!(error.advice("for example: arch = ['lstm-sa-h64', 'reslstm-sa-h64']"));
            }
            anyhow::Ok(toml::from_str::<File>(&text)?.check()?)
        };
        read().with_context(|| path.display().to_string())
    }
}

impl File {
    fn check(self) -> Result<Grid> {
        let mut rows = vec![Recipe { inputs: self.inputs, augment: self.augment.clone(), ..Recipe::default() }];
        let archs = self.architectures()?;
        cross(&mut rows, "arch", archs, |recipe, value| recipe.arch = value)?;
        cross(&mut rows, "protocol", self.protocol, |recipe, value| recipe.protocol = value)?;
        cross(&mut rows, "epochs", self.epochs, |recipe, value| recipe.epochs = value)?;
        cross(&mut rows, "batch", self.batch, |recipe, value| recipe.batch = value)?;
        cross(&mut rows, "lr", self.lr, |recipe, value| recipe.lr = value)?;
        cross(&mut rows, "weight-decay", self.weight_decay, |recipe, value| recipe.weight_decay = value)?;
        cross(&mut rows, "dropout", self.dropout, |recipe, value| recipe.dropout = value)?;
        cross(&mut rows, "t0", self.t0, |recipe, value| recipe.t0 = value)?;
        cross(&mut rows, "weights", self.weights, |recipe, value| recipe.weights = value)?;
        cross(&mut rows, "validation", self.validation, |recipe, value| recipe.validation = value)?;
        cross(&mut rows, "seed", self.seed, |recipe, value| recipe.seed = value)?;
        let rows: Vec<Settings> = rows.into_iter().map(Recipe::check).collect::<Result<_>>()?;
        let runs = self.runs.unwrap_or(1);
        if !(1..=MAX_JOBS / rows.len()).contains(&runs) {
            let problem = format!("runs: expected 1 to {} for {} rows, got {runs}", MAX_JOBS / rows.len(), rows.len());
            return Err(Error::new(Kind::Settings, problem));
        }
        let folds = self.folds.map_or(Ok(FoldPlan::all()), |Axis(values)| {
            let name = |value: toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
            values.into_iter().map(name).collect::<Vec<_>>().join(",").parse()
        })?;
        Ok(Grid { rows, runs, folds })
    }

    /// `arch`, or `model` × `hidden`.
    fn architectures(&self) -> Result<Option<Axis<Architecture>>> {
        let File { arch, model, hidden, .. } = self;
        if model.is_none() && hidden.is_none() {
            return Ok(arch.clone());
        }
        if arch.is_some() {
            let problem = "expected arch, or model and hidden, got both";
            return Err(Error::new(Kind::Settings, problem).advice("lstm-sa-h64 is model lstm-sa with hidden 64"));
        }
        let models = model.clone().unwrap_or(Axis(vec!["reslstm-sa".into()])).0;
        let hidden = hidden.clone().unwrap_or(Axis(vec![64])).0;
        let names = models.iter().flat_map(|model| hidden.iter().map(move |hidden| format!("{model}-h{hidden}")));
        names.map(|name| name.parse()).collect::<Result<_>>().map(|archs| Some(Axis(archs)))
    }
}

/// Every row with every value in turn. Where the file does not say, the rows stay as they are.
fn cross<T: Clone + PartialEq + Serialize>(
    rows: &mut Vec<Recipe>,
    name: &str,
    values: Option<Axis<T>>,
    set: impl Fn(&mut Recipe, T),
) -> Result<()> {
    let Some(Axis(values)) = values else { return Ok(()) };
    let wrong = |problem: String| Err(Error::new(Kind::Settings, problem));
    if let Some(twice) = (1..values.len()).find(|&n| values[..n].contains(&values[n])) {
        return wrong(format!("{name}: expected every value once, got {} twice", serde_json::json!(values[twice])));
    }
    if rows.len() * values.len() > MAX_JOBS {
        return wrong(format!("{name}: expected at most {MAX_JOBS} rows, got {}", rows.len() * values.len()));
    }
    let with = |row: &Recipe, value: &T| {
        let mut row = row.clone();
        set(&mut row, value.clone());
        row
    };
    *rows = rows.iter().flat_map(|row| values.iter().map(move |value| with(row, value))).collect();
    Ok(())
}

/// One value, or a list of at least one.
#[derive(Clone, Debug)]
struct Axis<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Axis<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(AxisVisitor(PhantomData))
    }
}

struct AxisVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AxisVisitor<T> {
    type Value = Axis<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Axis<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        if values.is_empty() {
            Err(A::Error::custom("expected at least one value, got an empty list"))
        } else {
            Ok(Axis(values))
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<Axis<T>, E> {
        Ok(Axis(vec![T::deserialize(value.into_deserializer())?]))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Axis<T>, E> {
        Ok(Axis(vec![T::deserialize(value.into_deserializer())?]))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> std::result::Result<Axis<T>, E> {
        Ok(Axis(vec![T::deserialize(value.into_deserializer())?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(text: &str) -> anyhow::Result<Grid> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Grid::read(file.path())
    }

    #[test]
    fn every_combination_is_a_row_and_the_rest_has_its_default() {
        let text = "model = ['lstm-sa', 'reslstm-sa']\nhidden = [32, 64]\nlr = [1e-3, 1]\ndropout = 0\nruns = 3\nfolds = [0, 3]";
        let Grid { rows, runs, folds } = grid(text).unwrap();
        assert_eq!((rows.len(), runs, folds.to_string()), (8, 3, "0,3".into()));
        let row = |n: usize| (rows[n].arch.to_string(), rows[n].lr, rows[n].dropout, rows[n].epochs);
        assert_eq!(row(0), ("lstm-sa-h32".into(), 1e-3, 0.0, Recipe::default().epochs));
        assert_eq!(row(3), ("lstm-sa-h64".into(), 1.0, 0.0, Recipe::default().epochs));
        assert_eq!(row(7), ("reslstm-sa-h64".into(), 1.0, 0.0, Recipe::default().epochs));
        let plain = grid("arch = 'lstm-sa-h128-2vectors'\nprotocol = ['strict', 'published']\nfolds = 'k=4'").unwrap();
        assert_eq!((plain.rows.len(), plain.runs, plain.folds), (2, 1, "k=4".parse().unwrap()));
        let voices = "weights = ['last', 'average']\nvalidation = 'train'\ninputs = 'pitch'\naugment = { noise = 0.5 }";
        let rows = grid(voices).unwrap().rows;
        assert_eq!((rows.len(), rows[1].weights, rows[0].validation), (2, Weights::Average, Validation::Train));
        assert!(rows.iter().all(|row| row.inputs == Inputs::Pitch && row.augment.as_ref().unwrap().noise == 0.5));
        assert_eq!(grid("hidden = 32").unwrap().rows[0].arch.to_string(), "reslstm-sa-h32");
    }

    #[test]
    fn what_is_no_grid_is_said_with_its_line() {
        for (text, problem) in [
            ("", "expected a grid, found no setting"),
            ("# nothing\n", "expected a grid, found no setting"),
            ("epoch = 3", "unknown field `epoch`, expected one of"),
            ("epochs = 3\nlr = []", "line 2, column 6"),
            ("lr = []", "expected at least one value, got an empty list"),
            ("lr = 'high'", "expected f64"),
            ("lr = [0.1, 0.2, 0.1]", "lr: expected every value once, got 0.1 twice"),
            ("lr = [0.1, -1]", "lr: expected above 0"),
            ("arch = 'gru-h64'", "expected an architecture like reslstm-sa-h64, got 'gru-h64'"),
            ("model = 'gru'", "got 'gru-h64'"),
            ("arch = 'lstm-sa-h4'\nhidden = 4", "expected arch, or model and hidden, got both"),
            ("protocol = 'lenient'", "unknown variant `lenient`"),
            ("weights = ['best', 'mean']", "unknown variant `mean`"),
            ("validation = 'train'", "validation: expected apart"),
            ("inputs = ['paper', 'all']", "inputs"),
            ("augment = { noise = -1.0 }", "augment.noise: expected 0 to 10"),
            ("runs = 0", "runs: expected 1 to 100000 for 1 rows, got 0"),
            ("folds = [7]", "expected folds from 0 to 4, got 7"),
            ("lr = [0.1", "TOML parse error"),
        ] {
            let error = format!("{:#}", grid(text).unwrap_err());
            assert!(error.contains(problem), "{text}: expected `{problem}` in: {error}");
        }
    }

    #[test]
    fn too_large_a_product_is_refused_before_it_is_made() {
        let many: Vec<String> = (1..=400).map(|n| n.to_string()).collect();
        let many = many.join(",");
        let error = format!("{:#}", grid(&format!("epochs = [{many}]\nt0 = [{many}]\nseed = [{many}]")).unwrap_err());
        assert!(error.contains("t0: expected at most 100000 rows, got 160000"), "{error}");
    }
}
