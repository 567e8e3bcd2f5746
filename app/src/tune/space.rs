//! The search space: parameters and their ranges.

use reslstm::error::{Error, Kind, Result};
use reslstm::rng::RandomStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Range of one parameter. It serialises as in Optuna's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "attributes")]
pub enum Distribution {
    /// A real number from `low` to `high`.
    #[serde(rename = "FloatDistribution")]
    Float {
        /// Distance between two values; `None` for a continuous range.
        step: Option<f64>,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// Whether to search on a logarithmic scale.
        log: bool,
    },
    /// A whole number from `low` to `high`.
    #[serde(rename = "IntDistribution")]
    Int {
        /// Whether to search on a logarithmic scale.
        log: bool,
        /// Distance between two values.
        step: i64,
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
    },
    /// One of several unordered values.
    #[serde(rename = "CategoricalDistribution")]
    Categorical {
        /// Numbers, strings, booleans or null.
        choices: Vec<Value>,
    },
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Distribution::Float { low, high, .. } => write!(f, "{low} to {high}"),
            Distribution::Int { low, high, .. } => write!(f, "a whole number from {low} to {high}"),
            Distribution::Categorical { choices } => {
                write!(f, "one of {}", choices.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Distribution {
    /// Refuses a range without any value.
    pub fn check(self) -> Result<Self> {
        let (low, high, log) = match self {
            Distribution::Float { low, high, log, .. } => (low, high, log),
            Distribution::Int { low, high, log, .. } => (low as f64, high as f64, log),
            Distribution::Categorical { ref choices } => {
                require(!choices.is_empty(), || "expected at least one choice, got none".into())?;
                return Ok(self);
            }
        };
        require(low <= high, || format!("expected low up to high, got {low} to {high}"))?;
        require(!log || low > 0.0, || format!("expected low above 0 for a logarithm, got {low}"))?;
        Ok(self)
    }

    /// JSON in a string, as in the journal.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values become JSON")
    }

    /// The internal number of a value: the number itself, or the index of a choice. `None` if the value cannot occur.
    pub fn to_number(&self, value: &Value) -> Option<f64> {
        let number = match self {
            Distribution::Categorical { choices } => {
                choices.iter().position(|choice| same_choice(choice, value))? as f64
            }
            _ => value.as_f64()?,
        };
        self.can_be_observed(number).then_some(number)
    }

    /// The value of an internal number.
    pub fn to_value(&self, number: f64) -> Value {
        match self {
            Distribution::Float { .. } => number.into(),
            Distribution::Int { .. } => (number as i64).into(),
            Distribution::Categorical { choices } => choices[number as usize].clone(),
        }
    }

    /// Whether a kernel can be placed at this number. It may be outside the range, from an earlier and wider search.
    pub fn can_be_observed(&self, number: f64) -> bool {
        match self {
            Distribution::Categorical { choices } => (0.0..choices.len() as f64).contains(&number),
            Distribution::Float { log, .. } | Distribution::Int { log, .. } => {
                number.is_finite() && (number > 0.0 || !log)
            }
        }
    }

    /// Whether the number is in the range, and on its steps.
    pub fn contains(&self, number: f64) -> bool {
        self.can_be_observed(number) && self.nearest(number) == number
    }

    /// The nearest number in the range, on its steps.
    pub fn nearest(&self, number: f64) -> f64 {
        let stepped = |low: f64, high: f64, step: f64| (low + ((number - low) / step).round() * step).clamp(low, high);
        match *self {
            Distribution::Float { low, high, step: None, .. } => number.clamp(low, high),
            Distribution::Float { low, high, step: Some(step), .. } => stepped(low, high, step),
            Distribution::Int { low, high, step, .. } => stepped(low as f64, high as f64, step as f64),
            Distribution::Categorical { .. } => number,
        }
    }

    /// Whether the range has one value only.
    pub fn is_single(&self) -> bool {
        match self {
            Distribution::Float { low, high, .. } => low == high,
            Distribution::Int { low, high, .. } => low == high,
            Distribution::Categorical { choices } => choices.len() == 1,
        }
    }

    /// Whether one study may have trials with both ranges, by Optuna's rule.
    pub fn is_compatible(&self, other: &Distribution) -> bool {
        use Distribution::{Categorical, Float, Int};
        match (self, other) {
            (Float { log: a, .. }, Float { log: b, .. }) | (Int { log: a, .. }, Int { log: b, .. }) => a == b,
            (Categorical { choices: a }, Categorical { choices: b }) => a == b,
            _ => false,
        }
    }

    /// Draws a number uniformly from the range, on its scale.
    pub fn draw(&self, stream: &mut RandomStream) -> f64 {
        let between = |low: f64, high: f64, log: bool, stream: &mut RandomStream| match log {
            true => stream.between(low.ln(), high.ln()).exp(),
            false => stream.between(low, high),
        };
        let drawn = match *self {
            Distribution::Float { low, high, log, step } => {
                let half = step.unwrap_or(0.0) / 2.0;
                between(low - half, high + half, log, stream)
            }
            Distribution::Int { low, high, log, step } => {
                let half = step as f64 / 2.0;
                between(low as f64 - half, high as f64 + half, log, stream)
            }
            Distribution::Categorical { ref choices } => stream.below(choices.len()) as f64,
        };
        self.nearest(drawn)
    }

    /// Both ends of the range, or every choice.
    pub fn extremes(&self) -> Vec<Value> {
        match self {
            Distribution::Float { low, high, .. } => vec![(*low).into(), (*high).into()],
            Distribution::Int { low, high, .. } => vec![(*low).into(), (*high).into()],
            Distribution::Categorical { choices } => choices.clone(),
        }
    }
}

fn require(holds: bool, problem: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(Kind::Settings, problem())) }
}

/// Equality as in Python: 8 equals 8.0.
fn same_choice(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A parameter as written in a TOML file.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Range {
    Float {
        low: f64,
        high: f64,
        #[serde(default)]
        log: bool,
    },
    Int {
        low: i64,
        high: i64,
        #[serde(default)]
        log: bool,
    },
    Categorical {
        choices: Vec<Value>,
    },
}

impl Range {
    /// Checks the range.
    fn distribution(self) -> Result<Distribution> {
        match self {
            Range::Float { low, high, log } => {
                let finite = low.is_finite() && high.is_finite();
                require(finite, || format!("expected finite ends, got {low} to {high}"))?;
                Distribution::Float { step: None, low, high, log }.check()
            }
            Range::Int { low, high, log } => Distribution::Int { log, step: 1, low, high }.check(),
            Range::Categorical { choices } => {
                for (i, choice) in choices.iter().enumerate() {
                    let scalar = !(choice.is_array() || choice.is_object());
                    require(scalar, || format!("expected numbers or strings as choices, got {choice}"))?;
                    let new = !choices[..i].iter().any(|earlier| same_choice(earlier, choice));
                    require(new, || format!("expected every choice once, got {choice} twice"))?;
                }
                Distribution::Categorical { choices }.check()
            }
        }
    }
}

/// The parameters of a search, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space(BTreeMap<String, Distribution>);

impl Space {
    /// Names of the built-in spaces.
    pub const PRESETS: [&str; 3] = ["paper", "code", "table1"];

    /// A built-in space: that of the paper's text (`paper`), the wider one of its code (`code`), or the latter without the batch size
    /// (`table1`).
    pub fn preset(name: &str) -> Option<Self> {
        let text = match name {
            "paper" => include_str!("spaces/paper.toml"),
            "code" => include_str!("spaces/code.toml"),
            "table1" => include_str!("spaces/table1.toml"),
            _ => return None,
        };
        Some(Self::from_toml(text).expect("the built-in spaces are valid"))
    }

    /// Reads a space from TOML.
    ///
    /// ```
    /// let space = reslstm_cli::tune::Space::from_toml(
    ///     r#"
    ///     lr = { type = "float", low = 1e-4, high = 1e-2, log = true }
    ///     t0 = { type = "int", low = 1, high = 10 }
    ///     batch_size = { type = "categorical", choices = [8, 16, 32] }
    ///     "#,
    /// )?;
    /// assert_eq!(space.names().collect::<Vec<_>>(), ["batch_size", "lr", "t0"]);
    /// # Ok::<(), reslstm::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Kind::Settings`] if the text is not TOML, or a parameter is incomplete, naming it.
    pub fn from_toml(text: &str) -> Result<Self> {
        let advice = "a parameter is written as lr = { type = \"float\", low = 1e-5, high = 1e-2, log = true }, \
                      t0 = { type = \"int\", low = 1, high = 10 } or batch_size = { type = \"categorical\", choices = [8, 16] }";
        let wrong = |problem: String| Error::new(Kind::Settings, problem).advice(advice);
        let table: BTreeMap<String, toml::Value> = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if table.is_empty() {
            return Err(wrong("expected at least one parameter, got none".into()));
        }
        let read = |(name, value): (String, toml::Value)| {
            let range: Range =
                value.try_into().map_err(|error: toml::de::Error| wrong(error.message().into()).at(&name))?;
            Ok((name.clone(), range.distribution().map_err(|error| error.at(name))?))
        };
        Ok(Space(table.into_iter().map(read).collect::<Result<_>>()?))
    }

    /// Names of the parameters, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Parameters by name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Distribution)> {
        self.0.iter().map(|(name, distribution)| (name.as_str(), distribution))
    }

    /// The range of a parameter.
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn distributions_are_written_as_optuna_writes_them() {
        let written = |distribution: &str| -> Distribution { serde_json::from_str(distribution).unwrap() };
        for text in [
            r#"{"name": "FloatDistribution", "attributes": {"step": null, "low": 3e-05, "high": 0.0002, "log": true}}"#,
            r#"{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 1, "high": 9}}"#,
            r#"{"name": "CategoricalDistribution", "attributes": {"choices": [8, "a", null, 0.5]}}"#,
        ] {
            let again: Value = serde_json::from_str(&written(text).to_json()).unwrap();
            assert_eq!(again, serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn the_presets_have_the_published_ranges() {
        let [paper, code, mut table1] = Space::PRESETS.map(|name| Space::preset(name).unwrap());
        assert_eq!(paper.get("lr"), Some(&Distribution::Float { step: None, low: 3e-5, high: 2e-4, log: true }));
        assert_eq!(code.get("dropout"), Some(&Distribution::Float { step: None, low: 0.02, high: 0.5, log: false }));
        assert_eq!(code.get("batch_size").unwrap().extremes(), [4, 8, 16, 32, 64].map(Value::from));
        assert!(paper.names().eq(code.names()) && Space::preset("other").is_none());
        table1.0.extend(code.0.get_key_value("batch_size").map(|(name, range)| (name.clone(), range.clone())));
        assert_eq!(table1, code);
    }

    #[test]
    fn values_convert_to_numbers_and_back() {
        let choices = Distribution::Categorical { choices: vec![json!(8), json!("b")] };
        assert_eq!(choices.to_number(&json!(8.0)), Some(0.0));
        assert_eq!(choices.to_number(&json!("b")), Some(1.0));
        assert_eq!(choices.to_number(&json!(7)), None);
        assert_eq!(choices.to_value(1.0), json!("b"));
        let int = Distribution::Int { log: false, step: 2, low: 1, high: 9 };
        assert_eq!(int.to_value(3.0).to_string(), "3");
        assert!(int.contains(5.0) && !int.contains(4.0) && !int.contains(11.0));
        assert_eq!(int.nearest(4.4), 5.0);
    }

    #[test]
    fn draws_are_uniform_on_the_scale_of_the_range() {
        let mut stream = RandomStream::new(4, "draws", 0);
        let mut share_below = |distribution: Distribution, middle: f64| {
            let draws =
                (0..4000).map(|_| distribution.draw(&mut stream)).inspect(|&x| assert!(distribution.contains(x)));
            draws.filter(|&x| x < middle).count() as f64 / 4000.0
        };
        // Standard error 0.008: four of them.
        for (distribution, middle) in [
            (Distribution::Float { step: None, low: 0.0, high: 4.0, log: false }, 2.0),
            (Distribution::Float { step: None, low: 1e-4, high: 1e-2, log: true }, 1e-3),
            (Distribution::Int { log: false, step: 1, low: 1, high: 6 }, 3.5),
            (Distribution::Categorical { choices: vec![json!(1), json!(2)] }, 0.5),
        ] {
            let share = share_below(distribution.clone(), middle);
            assert!((share - 0.5).abs() < 0.032, "{distribution:?}: {share}");
        }
    }

    #[test]
    fn an_invalid_space_is_refused_naming_the_parameter() {
        for (text, parts) in [
            ("lr = 3", ["lr: ", "type = \"float\""]),
            ("lr = { type = \"float\", low = 2, high = 1 }", ["lr: ", "expected low up to high, got 2 to 1"]),
            ("lr = { type = \"float\", low = 0, high = 1, log = true }", ["lr: ", "above 0 for a logarithm"]),
            ("lr = { type = \"float\", low = 0, hihg = 1 }", ["lr: ", "hihg"]),
            ("lr = { type = \"double\", low = 0, high = 1 }", ["lr: ", "double"]),
            ("t0 = { type = \"int\", low = 0.5, high = 1 }", ["t0: ", "0.5"]),
            ("t0 = { type = \"categorical\", choices = [] }", ["t0: ", "at least one choice"]),
            ("t0 = { type = \"categorical\", choices = [2, 2.0] }", ["t0: ", "2.0 twice"]),
            ("", ["at least one parameter", ""]),
            ("lr = {", ["TOML", "line 1"]),
        ] {
            let error = Space::from_toml(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            assert!(parts.iter().all(|part| error.to_string().contains(part)), "{text}: {error}");
        }
    }
}
