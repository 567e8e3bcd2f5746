//! One row per setting: its name, its values, its help. Flags, `--config` files, recipes, grids and candidates are all read by it.
//!
//! A new setting needs a row here, and a field of the same name in [`reslstm::train::Settings`].

use crate::files;
use clap::Arg;
use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser, ValueParser};
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Architecture, Branches};
use reslstm::train::Augment;
use serde_json::{Map, Number, Value};

/// A setting.
#[derive(Debug)]
pub struct Row {
    /// `weight-decay` in files, `--weight-decay` on the command line.
    pub name: &'static str,
    value_name: &'static str,
    values: Values,
    help: &'static str,
    /// What `--help` adds to `-h`; may be empty.
    more: &'static str,
    /// Whether it decides which features are computed: a grid has one value of it, as its clips are read once.
    pub decides_features: bool,
}

/// The values of a setting.
#[derive(Debug)]
enum Values {
    /// A whole number, 0 or more.
    Whole,
    /// A real number.
    Real,
    /// One of a few names, each with what it means.
    Names(&'static [(&'static str, &'static str)]),
    /// Text that a type of the engine reads.
    Text(fn(&str) -> Result<()>),
    /// A duration in milliseconds, or a name for that of the paper.
    Milliseconds,
    /// A number of clips, or a name for none.
    Clips,
    /// A preset's name or a table; on the command line also a file.
    Augment,
}

const fn row(name: &'static str, value_name: &'static str, values: Values, help: &'static str) -> Row {
    Row { name, value_name, values, help, more: "", decides_features: false }
}

impl Row {
    const fn more(self, more: &'static str) -> Self {
        Row { more, ..self }
    }

    const fn decides_features(self) -> Self {
        Row { decides_features: true, ..self }
    }
}

/// The settings of a training, in the order in which a grid varies them: the last one fastest.
pub static SETTINGS: [Row; 19] = [
    row("arch", "NAME", Values::Text(|name| name.parse::<Architecture>().map(drop)), "Model and its hidden units")
        .more("reslstm-sa-hH, lstm-sa-hH or lstm-sa-hH-2vectors, where H is the number of hidden units."),
    row("branches", "GROUPS", Values::Text(|list| list.parse::<Branches>().map(drop)), "Network inputs")
        .more(
            "Columns that each network reads. none: one network, all columns. mfcc,mfcc+deltas,all: three networks of the architecture \
             --arch in one model file, each trained on the named columns; their probabilities are averaged. This is an ensemble; its \
             number of parameters is the sum over the networks. Kinds of columns: mfcc, chroma, pitch (with voicing), level, deltas, \
             if the feature set (--inputs) has them.",
        ),
    row(
        "protocol",
        "NAME",
        Values::Names(&[
            ("strict", "Statistics of the training speakers only, padding ignored"),
            ("published", "As the paper's code: statistics of all speakers, padded frames counted"),
            ("table1", "As published, but each fold keeps the epoch that is best on its test speakers"),
        ]),
        "Evaluation protocol",
    ),
    row("epochs", "E", Values::Whole, "Passes over the training clips"),
    row("batch", "B", Values::Whole, "Clips per batch, at least 2"),
    row("lr", "RATE", Values::Real, "Learning rate at the start of each cosine cycle"),
    row("weight-decay", "FACTOR", Values::Real, "Factor of the L2 penalty"),
    row("dropout", "P", Values::Real, "Dropout before the last layer"),
    row("t0", "EPOCHS", Values::Whole, "Epochs per cosine cycle"),
    row(
        "inputs",
        "NAME",
        Values::Names(&[
            ("paper", "34 MFCC and 12 chroma: 46 features per frame"),
            ("deltas", "34 MFCC and 12 deltas: 46"),
            ("all", "34 MFCC, 12 chroma and 12 deltas: 58"),
            ("pitch", "34 MFCC, 12 chroma, voicing, pitch and 12 deltas: 60"),
            ("voice", "As pitch, without chroma: 48"),
            ("speech", "As pitch, at 16,000 Hz, long silence left out, speech at one level, which is a column: 61"),
        ]),
        "Feature set",
    )
    .decides_features(),
    row("window-ms", "MS", Values::Milliseconds, "Window length in milliseconds")
        .more(
            "paper: as the paper's 4096 samples at 48,000 Hz, 85.33 ms; at other sample rates a window of the same duration. The \
             transform has the next power of two, with zeros around the window (librosa's win_length).",
        )
        .decides_features(),
    row("hop-ms", "MS", Values::Milliseconds, "Milliseconds from one frame to the next")
        .more("paper: as the paper's 2048 samples at 48,000 Hz, 42.67 ms; at other sample rates the same duration.")
        .decides_features(),
    row(
        "weights",
        "NAME",
        Values::Names(&[
            ("best", "Of the epoch with the best UAR on the validation speakers (table1: test speakers)"),
            ("last", "Of the last epoch"),
            ("average", "Mean over the ends of the cosine cycles in the second half of the training"),
        ]),
        "Weights to keep",
    ),
    row(
        "validation",
        "NAME",
        Values::Names(&[
            ("apart", "They choose the epoch and fit the temperature"),
            ("train", "They are trained on; needs last or average weights, or table1"),
        ]),
        "How validation speakers are used",
    ),
    row(
        "balance",
        "NAME",
        Values::Names(&[
            ("none", "Every clip counts the same"),
            ("weights", "Every class counts the same: a clip of class k has the weight n/(K*n_k) in the loss"),
        ]),
        "How rare classes count in the loss",
    ),
    row("label-smoothing", "E", Values::Real, "Label smoothing of the loss")
        .more("Share of each training label that is spread over all classes, as PyTorch's label_smoothing: the target of the right class is 1 - E + E/K, that of the others E/K."),
    row("enrolment", "K", Values::Clips, "Normalise by clips of the speaker; K weigh half")
        .more(
            "none: features are normalised by mean and standard deviation of the training speakers. 4: by a weighted mean of these \
             and those of k clips of the speaker, which have the weight k/(k+4): four clips weigh half. In training k is drawn from \
             0, 1, 2, 4, 8, 16 and all, so the model works without clips too. enrol and predict --enrol use such a model.",
        ),
    row("augment", "NAME|TABLE|FILE", Values::Augment, "Random augmentation: a name or a table")
        .more(
            "The names are none, voices, anywhere and speech: voices has speeds, stretch and noise; anywhere has these, a telephone, a small loudspeaker and white noise; speech has \
             speeds, noise, a telephone and three codecs, five sample rates, two rooms, babble, white noise and trimmed clips. A table is written \
             '{ speeds = [0.9, 1, 1.1], noise = 0.5 }' or in a TOML file; its fields are speeds; conditions; shares, the \
             probabilities of a speed other than 1 and of a condition, as in { speeds = 0.4, conditions = 0.4 }; stretch; channel; \
             gain, each clip quieter by a random 0 to so many dB; and noise. A table changes only the fields it lists; a name \
             replaces the whole augmentation.",
        )
        .decides_features(),
    row("seed", "S", Values::Whole, "Seed of all random numbers"),
];

/// Settings of a cross-validation, which a file named by `--config` may hold too.
pub static PLAN: [Row; 2] = [
    row(
        "folds",
        "FOLDS",
        Values::Text(|folds| folds.parse::<FoldPlan>().map(drop)),
        "Folds: all, 0,3, k=N, balanced, loso, corpus",
    )
    .more(
        "all: the five standard folds (with 3 or 4 speakers, leave one out); 0,3: some of them; k=N: N other folds; balanced or \
         balanced=N: five or N folds of about as many clips, and as many of each class; loso: leave one speaker out; corpus: leave \
         one DATA out (cv A B); k=N:0,3, balanced:1, loso:2 and corpus:0: some of these; within=F:K: the speakers that fold F does \
         not test, in K folds.",
    ),
    row("runs", "N", Values::Whole, "Runs over all folds, each with its own seed"),
];

/// The setting of this name.
pub fn setting(name: &str) -> Option<&'static Row> {
    SETTINGS.iter().find(|row| row.name == name)
}

impl Row {
    /// The option of a command, which shows `default`.
    pub fn arg(&'static self, default: String, heading: String) -> Arg {
        let arg = Arg::new(self.name).long(self.name).value_name(self.value_name).help(self.help);
        let arg =
            arg.default_value(default).help_heading(heading).value_parser(self.parser()).allow_negative_numbers(true);
        match self.values {
            // clap shows them in both helps or in none; `-h` is to fit a screen.
            Values::Names(names) => {
                arg.hide_possible_values(true).long_help(format!("{}\n\n{}", self.help, listed(names)))
            }
            _ if self.more.is_empty() => arg,
            _ => arg.long_help(format!("{}\n\n{}", self.help, self.more)),
        }
    }

    fn parser(&'static self) -> ValueParser {
        match self.values {
            Values::Names(names) => {
                let values = names.iter().map(|(name, meaning)| PossibleValue::new(name).help(meaning));
                ValueParser::new(PossibleValuesParser::new(values).map(Value::String))
            }
            _ => ValueParser::new(StringValueParser::new().try_map(|text| self.parse(&text))),
        }
    }

    /// A word of the command line.
    fn parse(&self, text: &str) -> Result<Value> {
        let value = match self.values {
            Values::Whole => text.parse().ok().map(|number: u64| number.into()),
            Values::Real | Values::Milliseconds | Values::Clips => {
                text.parse().ok().and_then(Number::from_f64).map(Value::Number)
            }
            Values::Augment => Some(augment_argument(text)?),
            Values::Names(_) | Values::Text(_) => None,
        };
        self.check(value.unwrap_or_else(|| text.into()))
    }

    /// The value, in the type of the setting.
    ///
    /// # Errors
    /// [`Kind::Settings`], saying what was expected.
    pub fn check(&self, value: Value) -> Result<Value> {
        let wrong = |expected: &str| Err(Error::new(Kind::Settings, format!("expected {expected}, got {value}")));
        match (&self.values, &value) {
            (Values::Whole, value) if value.is_u64() => Ok(value.clone()),
            (Values::Whole, _) => wrong("a whole number"),
            (Values::Real, value) => value.as_f64().map_or_else(|| wrong("a number"), |number| Ok(number.into())),
            (Values::Names(names), Value::String(name)) if names.iter().any(|(known, _)| known == name) => Ok(value),
            (Values::Names(names), _) => wrong(&either(names.iter().map(|(name, _)| *name))),
            (Values::Text(read), Value::String(text)) => read(text).map(|()| value),
            (Values::Text(_), _) => wrong("text"),
            (Values::Milliseconds, Value::String(name)) if name == PAPER_FRAMES => Ok(Value::Null),
            (Values::Milliseconds, value) => value
                .as_f64()
                .map_or_else(|| wrong(&format!("{PAPER_FRAMES} or a number of milliseconds")), |ms| Ok(ms.into())),
            (Values::Clips, Value::String(name)) if name == NONE => Ok(Value::Null),
            (Values::Clips, value) => {
                value.as_f64().map_or_else(|| wrong(&format!("{NONE} or a number of clips")), |clips| Ok(clips.into()))
            }
            (Values::Augment, Value::String(name)) => named_augment(name),
            (Values::Augment, Value::Object(_)) => match serde_json::from_value::<Augment>(value.clone()) {
                Ok(_) => Ok(value),
                Err(error) => Err(Error::new(Kind::Settings, error.to_string())),
            },
            (Values::Augment, _) => wrong("a name or a table"),
        }
    }

    /// A value as the command line takes it.
    pub fn text(&self, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Null if matches!(self.values, Values::Milliseconds) => PAPER_FRAMES.into(),
            Value::Null => NONE.into(),
            Value::Object(_) => {
                let augment: Augment = serde_json::from_value(value.clone()).expect("a checked table");
                match Augment::PRESETS.into_iter().find(|name| Augment::preset(name).as_ref() == Some(&augment)) {
                    Some(name) => name.into(),
                    None => {
                        let mut fields = all_fields(&augment);
                        // TOML has no null.
                        fields.retain(|_, value| !value.is_null());
                        toml::Value::try_from(fields).expect("numbers and names are TOML").to_string()
                    }
                }
            }
            // As people write it: 0.01, 1e-9, and 1 where JSON has 1.0.
            Value::Number(number) => number.as_u64().map_or_else(
                || number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
                |number| number.to_string(),
            ),
            other => other.to_string(),
        }
    }
}

/// Names as a sentence lists them.
pub fn either<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// Names with what each means, one per line.
fn listed(names: &[(&str, &str)]) -> String {
    let width = names.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    let lines = names.iter().map(|(name, meaning)| format!("\n- {:width$} {meaning}", format!("{name}:")));
    format!("Possible values:{}", lines.collect::<String>())
}

/// The name of the paper's window and hop.
const PAPER_FRAMES: &str = "paper";

/// The name that switches augmentation or enrolment off.
const NONE: &str = "none";

pub fn all_fields(augment: &Augment) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(augment) else { unreachable!("a struct is an object") };
    fields.entry("conditions").or_insert_with(|| Value::Array(Vec::new()));
    fields.entry("shares").or_insert(Value::Null);
    for strength in ["channel", "gain"] {
        fields.entry(strength).or_insert_with(|| 0.0.into());
    }
    fields
}

/// The table of a preset; null for none.
fn named_augment(name: &str) -> Result<Value> {
    if name == NONE {
        return Ok(Value::Null);
    }
    Augment::preset(name).map(|preset| Value::Object(all_fields(&preset))).ok_or_else(|| {
        let names = [NONE].into_iter().chain(Augment::PRESETS);
        Error::new(Kind::Settings, format!("expected {}, or a table, got '{name}'", either(names))).advice(
            "for example { speeds = [0.9, 1.0, 1.1], noise = 0.5 }; a file can be named on the command line only",
        )
    })
}

/// A name, an inline table or a file, as a name or a table.
fn augment_argument(text: &str) -> Result<Value> {
    if text == NONE || Augment::PRESETS.contains(&text) {
        return Ok(text.into());
    }
    let advice = || {
        let names = [NONE].into_iter().chain(Augment::PRESETS);
        format!("name {}, or a TOML file with a line such as: speeds = [0.9, 1.0, 1.1]", either(names))
    };
    let wrong = |problem: String| Error::new(Kind::Settings, problem).at(text).advice(advice());
    let parse = |toml: &str| toml.parse::<toml::Table>().map_err(|error| wrong(error.message().into()));
    let table = if text.trim_start().starts_with('{') {
        parse(&format!("augment = {text}"))?.remove("augment").expect("it is the only key")
    } else {
        parse(&files::read_text(text.as_ref()).map_err(|error| wrong(error.to_string()))?)?.into()
    };
    let value = json(table);
    serde_json::from_value::<Augment>(value.clone()).map_err(|error| wrong(error.to_string()))?;
    Ok(value)
}

/// What the text of `--augment` describes, unchecked.
///
/// # Errors
/// [`Kind::Settings`] if it is no name, table or file.
pub fn augment(text: &str) -> Result<Augment> {
    let row = setting("augment").expect("it has a row");
    let value = row.parse(text).map_err(|error| error.at("augment"))?;
    let augment: Option<Augment> = serde_json::from_value(value).expect("it is checked");
    Ok(augment.unwrap_or_default())
}

/// A TOML value as JSON. What JSON has no number for (`nan`, `inf`), and dates, become texts, which no setting takes for a number.
pub fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
        }
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(name, value)| (name, json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::train::settings::{Balance, Inputs, Protocol, Settings, Validation, Weights};
    use serde_json::json;

    #[test]
    fn every_setting_has_a_row_and_every_row_a_setting() {
        let settings = Settings::default().with(|settings| {
            // What has its default is not written.
            (settings.inputs, settings.weights) = (Inputs::All, Weights::Last);
            (settings.validation, settings.augment) = (Validation::Train, Augment::preset("voices"));
            (settings.window_ms, settings.hop_ms) = (Some(64.0), Some(32.0));
            (settings.balance, settings.label_smoothing) = (Balance::Weights, 0.1);
            (settings.branches, settings.enrolment) = ("mfcc".parse().unwrap(), Some(4.0));
        });
        let Value::Object(fields) = json!(settings) else { unreachable!() };
        let mut names: Vec<&str> = SETTINGS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        let mut fields: Vec<&str> = fields.keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(names, fields);
    }

    #[test]
    fn every_name_of_a_choice_is_known_here_and_in_the_engine() {
        let names = |name: &str| match setting(name).unwrap().values {
            Values::Names(names) => names.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            _ => panic!("{name} is no choice"),
        };
        assert_eq!(names("protocol"), Protocol::ALL.map(|(name, _)| name));
        assert_eq!(names("inputs"), Inputs::ALL.map(|(name, _)| name));
        assert_eq!(names("weights"), Weights::ALL.map(|(name, _)| name));
        assert_eq!(names("validation"), Validation::ALL.map(|(name, _)| name));
        assert_eq!(names("balance"), Balance::ALL.map(|(name, _)| name));
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for (name, value, problem) in [
            ("epochs", json!("many"), "expected a whole number, got \"many\""),
            ("epochs", json!(1.5), "expected a whole number, got 1.5"),
            ("epochs", json!(-1), "expected a whole number, got -1"),
            ("lr", json!("high"), "expected a number, got \"high\""),
            ("weights", json!("mean"), "expected best, last or average, got \"mean\""),
            ("arch", json!("gru-h4"), "expected an architecture like reslstm-sa-h64, got 'gru-h4'"),
            ("arch", json!(4), "expected text, got 4"),
            ("window-ms", json!("long"), "expected paper or a number of milliseconds, got \"long\""),
            ("enrolment", json!("all"), "expected none or a number of clips, got \"all\""),
            ("hop-ms", json!(true), "expected paper or a number of milliseconds, got true"),
            ("augment", json!("loud"), "expected none, voices, anywhere or speech, or a table, got 'loud'"),
            ("augment", json!({ "pitch": 2 }), "unknown field `pitch`"),
            ("augment", json!(0.5), "expected a name or a table, got 0.5"),
        ] {
            let error = setting(name).unwrap().check(value).unwrap_err();
            assert!(error.kind() == Kind::Settings && error.to_string().starts_with(problem), "{name}: {error}");
        }
        assert_eq!(setting("lr").unwrap().check(json!(1)).unwrap(), json!(1.0));
    }

    #[test]
    fn a_value_as_text_is_that_value_again() {
        let augment =
            json!({ "speeds": [0.9, 1], "conditions": ["clipped", { "noise": { "snr": 5 } }], "noise": 0.25 });
        for (name, value, text) in [
            ("seed", json!(u64::MAX), "18446744073709551615"),
            ("lr", json!(0.0008), "0.0008"),
            ("lr", json!(1.0), "1"),
            ("arch", json!("lstm-sa-h4"), "lstm-sa-h4"),
            ("branches", json!("mfcc, all"), "mfcc, all"),
            ("window-ms", json!("paper"), "paper"),
            ("hop-ms", json!(10), "10"),
            ("enrolment", json!("none"), "none"),
            ("enrolment", json!(2.5), "2.5"),
            ("augment", json!("none"), "none"),
            ("augment", json!("anywhere"), "anywhere"),
            (
                "augment",
                augment,
                "{ channel = 0.0, conditions = [\"clipped\", { noise = { snr = 5.0 } }], gain = 0.0, noise = 0.25, \
                 speeds = [0.9, 1.0], stretch = 0.0 }",
            ),
        ] {
            let row = setting(name).unwrap();
            assert_eq!(row.text(&row.check(value).unwrap()), text);
            assert_eq!(row.text(&row.parse(text).unwrap()), text);
        }
    }
}
