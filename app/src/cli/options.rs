//! Options that several commands have, and the one way from them to the settings of a training: defaults, then the recipe, then the
//! file that `--config` names, then flags.

mod data;
mod layers;
mod recipe;
mod table;

pub use data::{DataOptions, ExactLabels};
pub use layers::{COMMAND_LINE, Layers, Written, unknown};
pub use recipe::{BUILT_IN, PAPER, Recipe, SPEECH, TABLE1, all_values, built_in, text_of};
pub use table::{Row, SETTINGS, augment, setting};

use crate::experiment::Plan;
use crate::experiment::plan::check_runs;
use crate::label_map::LabelMap;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint, parser::ValueSource};
use reslstm::audio::check_sample_rate;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{CheckedSettings, Protocol};
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;
use table::PLAN;

/// An error in how the settings of this call are written, on the command line or in a file: exit code 2.
#[derive(Debug)]
pub struct WrongCall(pub Error);

impl fmt::Display for WrongCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for WrongCall {}

/// A [`WrongCall`] with this problem.
pub fn wrong_call(problem: impl Into<String>, advice: &str) -> WrongCall {
    WrongCall(Error::new(Kind::Settings, problem).advice(advice))
}

/// Checks the sample rate that `--rate` gives, Hz.
pub fn check_rate(rate: u32) -> std::result::Result<(), WrongCall> {
    check_sample_rate(rate).map_err(|error| WrongCall(error.at("--rate").advice("44100 and 48000 are common")))
}

/// How many threads work.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ThreadOption {
    /// Number of threads, one model each [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl ThreadOption {
    /// The number of threads.
    pub fn count(self) -> usize {
        self.threads.map_or_else(all_cores, usize::from)
    }
}

/// A pool of so many threads.
///
/// # Errors
/// [`Kind::Io`] if the system has no more threads.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Error::new(Kind::Io, error.to_string()).at("threads"))
}

/// Where features are kept.
#[derive(Args, Clone, Debug, Default)]
pub struct CacheOption {
    /// Folder of the feature cache [default: the user's]
    ///
    /// The user's is `reslstm` in the cache folder of the system, as ~/.cache on Linux. Where the user's folder cannot be written, features are computed every time.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// How work that consists of many trainings is done; nothing here changes a result.
#[derive(Args, Clone, Debug, Default)]
pub struct WorkOptions {
    #[command(flatten)]
    pub threads: ThreadOption,
    /// Continue earlier work, or start where there is none
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub cache: CacheOption,
}

impl WorkOptions {
    /// Trainings at a time.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// Folder of the feature cache, if one is named.
    pub fn cache(&self) -> Option<&std::path::Path> {
        self.cache.cache.as_deref()
    }

    /// The names of these options in a file.
    const NAMES: [&str; 3] = ["threads", "resume", "cache"];

    /// Takes what flags leave open from a file, out of its table.
    fn fill(&mut self, file: &mut Written) -> Result<()> {
        for name in Self::NAMES {
            let Some(value) = file.table.remove(name) else { continue };
            let wrong = |expected: &str| {
                let problem = format!("{name}: expected {expected}, got {value}");
                Error::new(Kind::Settings, problem).at(file.place(name))
            };
            match name {
                "threads" => {
                    let threads = value.as_u64().filter(|threads| (1..=1024).contains(threads));
                    let threads = threads.ok_or_else(|| wrong("1 to 1024"))? as u16;
                    self.threads.threads.get_or_insert(threads);
                }
                "resume" => self.resume |= value.as_bool().ok_or_else(|| wrong("true or false"))?,
                _ => {
                    let folder = value.as_str().ok_or_else(|| wrong("a folder"))?;
                    self.cache.cache.get_or_insert_with(|| folder.into());
                }
            }
        }
        Ok(())
    }
}

/// What a training command takes where nothing is given.
#[derive(Debug)]
struct Defaults {
    recipe: &'static str,
    folds: &'static str,
}

/// `train`, as the parameter of [`TrainingOptions`].
pub const TRAIN: usize = 0;
/// `cv`
pub const CV: usize = 1;
/// `tune`
pub const TUNE: usize = 2;

static DEFAULTS: [Defaults; 3] = [
    Defaults { recipe: SPEECH, folds: "0" },
    Defaults { recipe: SPEECH, folds: "all" },
    Defaults { recipe: PAPER, folds: "all" },
];

/// The options of a training command.
#[derive(Clone, Debug)]
pub struct TrainingOptions<const COMMAND: usize> {
    recipe: Option<String>,
    config: Option<PathBuf>,
    flags: Vec<(&'static Row, Value)>,
    /// How the work is done, as the command line says it.
    pub work: WorkOptions,
}

impl<const COMMAND: usize> Args for TrainingOptions<COMMAND> {
    fn augment_args(command: Command) -> Command {
        let Defaults { recipe, folds } = DEFAULTS[COMMAND];
        let command = command
            .arg(
                Arg::new("recipe")
                    .long("recipe")
                    .value_name("NAME|FILE.toml")
                    .help("A recipe by name, or a TOML file")
                    .long_help(
                        "Named settings, which --config and flags change: paper, voices, anywhere, speech, table1 (reslstm recipes shows \
                         them), or a TOML file of the same form. With --resume the default is what the work was started with; under \
                         the published protocol, and for data without recordings, it is paper; under the table1 protocol, table1.",
                    )
                    .default_value(recipe)
                    .value_hint(ValueHint::FilePath),
            )
            .arg(
                Arg::new("config")
                    .long("config")
                    .value_name("FILE")
                    .help("TOML file with options, e.g. weight-decay = 0.001")
                    .value_parser(clap::value_parser!(PathBuf)),
            );
        let command = WorkOptions::augment_args(command);
        let values = &built_in(recipe).layers;
        let heading = format!("Settings (defaults of the recipe {recipe})");
        let settings = SETTINGS.iter().map(|row| {
            let default = values.get(row.name).map(|value| row.text(value)).expect("our own recipes are complete");
            row.arg(default, heading.clone())
        });
        let plan = PLAN.iter().map(|row| match (row.name, COMMAND) {
            ("folds", TRAIN) => row
                .arg(folds.into(), heading.clone())
                .value_name("FOLD")
                .help("Fold to hold out for testing, e.g. 2")
                .long_help("Fold to hold out for testing, e.g. 2: its test speakers are not trained on."),
            ("folds", _) => row.arg(folds.into(), heading.clone()),
            // A training or a trial is one run; a file that says so is understood.
            (_, TRAIN | TUNE) => row.arg("1".into(), heading.clone()).hide(true),
            _ => row.arg("1".into(), heading.clone()),
        });
        command.args(settings.chain(plan))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const COMMAND: usize> FromArgMatches for TrainingOptions<COMMAND> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let flags = SETTINGS.iter().chain(&PLAN).filter(|row| given(row.name));
        let value = |row: &'static Row| (row, matches.get_one::<Value>(row.name).expect("it is given").clone());
        Ok(TrainingOptions {
            recipe: matches.get_one::<String>("recipe").filter(|_| given("recipe")).cloned(),
            config: matches.get_one::<PathBuf>("config").cloned(),
            flags: flags.map(value).collect(),
            work: WorkOptions::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Window and hop in milliseconds, as settings have them.
pub type FramesMs = (Option<f64>, Option<f64>);

/// What earlier work was started with.
#[derive(Debug)]
pub struct Begun {
    /// What holds it: a folder, a model, a study.
    pub place: String,
    /// Its settings, as files have them.
    pub settings: Map<String, Value>,
    /// Its runs and folds, where it is a cross-validation.
    pub plan: Option<(usize, String)>,
}

impl Begun {
    /// Its window and hop in milliseconds, as far as they are set.
    pub fn frames(&self) -> FramesMs {
        let ms = |name: &str| self.settings.get(name).and_then(Value::as_f64);
        (ms("window-ms"), ms("hop-ms"))
    }

    /// Of settings, and of the plan they are part of, if any.
    pub fn new(place: impl fmt::Display, settings: &CheckedSettings, plan: Option<&Plan>) -> Self {
        let Ok(Value::Object(settings)) = serde_json::to_value(settings) else { unreachable!("a struct is an object") };
        let plan = plan.map(|plan| (plan.runs, plan.folds.to_string()));
        Begun { place: place.to_string(), settings, plan }
    }
}

/// Options together with the file that `--config` names.
#[derive(Debug)]
pub struct Request {
    defaults: &'static Defaults,
    recipe: Option<String>,
    /// What file and flags say, which wins over any recipe.
    given: Layers,
    runs: Option<usize>,
    folds: Option<String>,
    /// How the work is done.
    pub work: WorkOptions,
}

impl<const COMMAND: usize> TrainingOptions<COMMAND> {
    /// Reads the file.
    ///
    /// # Errors
    /// [`WrongCall`] if it cannot be read, or says what is no option.
    pub fn with_config(&self) -> std::result::Result<Request, WrongCall> {
        self.read().map_err(WrongCall)
    }

    fn read(&self) -> Result<Request> {
        let mut request = Request {
            defaults: &DEFAULTS[COMMAND],
            recipe: self.recipe.clone(),
            given: Layers::default(),
            runs: None,
            folds: None,
            work: self.work.clone(),
        };
        if let Some(path) = &self.config {
            let mut file = Written::read(path)?;
            request.work.fill(&mut file)?;
            for (name, value) in std::mem::take(&mut file.table) {
                let place = file.place(&name);
                let row = setting(&name).or_else(|| PLAN.iter().find(|row| row.name == name)).ok_or_else(|| {
                    let others = PLAN.iter().map(|row| row.name).chain(WorkOptions::NAMES).collect::<Vec<_>>();
                    unknown(&name, &others).at(&place)
                })?;
                request.set(row, value, &place)?;
            }
        }
        for (row, value) in &self.flags {
            request.set_checked(row, value.clone(), COMMAND_LINE);
        }
        Ok(request)
    }
}

impl Request {
    fn set(&mut self, row: &'static Row, value: Value, place: &str) -> Result<()> {
        let value = row.check(value).map_err(|error| error.at(layers::place_of(row.name, place)))?;
        self.set_checked(row, value, place);
        Ok(())
    }

    fn set_checked(&mut self, row: &'static Row, value: Value, place: &str) {
        match (row.name, value) {
            ("folds", Value::String(folds)) => self.folds = Some(folds),
            ("runs", value) => self.runs = value.as_u64().map(|runs| runs as usize),
            (_, value) => self.given.set_checked(row, value, place),
        }
    }

    /// What to train, checked; its map of labels is empty.
    ///
    /// Without `--recipe` it is based on what the work was started with; where it is new, on the recipe that
    /// the command has as its default, which a note on stderr names if the command has several.
    ///
    /// # Errors
    /// [`WrongCall`] if there is no such recipe, or values are out of their range or contradict each other.
    pub fn plan(
        &self,
        begun: Option<Begun>,
        features_only: impl FnOnce() -> bool,
    ) -> std::result::Result<Plan, WrongCall> {
        self.planned(begun, features_only).map_err(WrongCall)
    }

    fn planned(&self, begun: Option<Begun>, features_only: impl FnOnce() -> bool) -> Result<Plan> {
        let (mut layers, mut earlier, mut note) = (Layers::default(), None, None);
        match (&self.recipe, begun) {
            (Some(name), _) => layers = Recipe::read(name)?.layers,
            (None, Some(begun)) => {
                note = Some(format!("settings: those that {} was started with", begun.place));
                layers.set_all(begun.settings, &|_| begun.place.clone())?;
                earlier = begun.plan;
            }
            (None, None) => {
                let (recipe, chosen) = self.default_recipe(features_only);
                (layers, note) = (recipe.layers, chosen);
            }
        }
        layers.lay(&self.given);
        let (runs, folds) = earlier.unwrap_or_else(|| (1, self.defaults.folds.into()));
        let runs = self.runs.unwrap_or(runs);
        check_runs("--runs", runs)?;
        let plan = Plan {
            settings: layers.settings()?,
            runs,
            folds: self.folds.clone().unwrap_or(folds).parse()?,
            map: LabelMap::default(),
        };
        if let Some(note) = note {
            message!("{note}");
        }
        Ok(plan)
    }

    /// The default recipe; where that depends on the call, with a note that names it.
    fn default_recipe(&self, features_only: impl FnOnce() -> bool) -> (Recipe, Option<String>) {
        let under = |protocol: Protocol| self.given.get("protocol").is_some_and(|name| *name == protocol.to_string());
        if under(Protocol::Table1) {
            let recipe = built_in(TABLE1);
            let note = format!("recipe: table1 ({})", recipe.description);
            return (recipe, Some(note));
        }
        if self.defaults.recipe == PAPER {
            return (built_in(PAPER), None);
        }
        let published = under(Protocol::Published);
        let recipe = built_in(if published || features_only() { PAPER } else { self.defaults.recipe });
        let Recipe { name, description, .. } = &recipe;
        let note = match (published, name == PAPER) {
            (true, _) => format!("recipe: paper ({description}), as the published protocol repeats the paper"),
            (_, true) => {
                format!("recipe: paper ({description}), as others need recordings and these data are features")
            }
            _ => format!("recipe: {name} ({description}); --recipe paper has the paper's settings"),
        };
        (recipe, Some(note))
    }

    /// Whether file or flags give a setting a value.
    pub fn gives(&self, name: &str) -> bool {
        self.given.get(name).is_some()
    }

    /// Whether the recipe is the command's default.
    pub fn names_no_recipe(&self) -> bool {
        self.recipe.is_none()
    }
}

/// As many threads as the machine has for this process.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Cv {
        #[command(flatten)]
        options: TrainingOptions<CV>,
    }

    #[derive(Debug, Parser)]
    struct Tune {
        #[command(flatten)]
        options: TrainingOptions<TUNE>,
    }

    fn request(line: &str) -> Request {
        Cv::try_parse_from(line.split(' ')).unwrap().options.with_config().unwrap()
    }

    fn plan(line: &str) -> Plan {
        request(line).plan(None, || false).unwrap()
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_string()
        };
        let recipe = file("recipe.toml", "epochs = 7\nlr = 0.1\ndropout = 0.1\naugment = 'voices'\n");
        let config = file("config.toml", "lr = 0.2\ndropout = 0.2\nruns = 3\nfolds = 'k=4'\nthreads = 2\n");
        let line = format!("cv --recipe {recipe} --config {config} --dropout 0.3 --augment none");
        let found = request(&line);
        assert_eq!(found.work.threads(), 2);
        let Plan { settings, runs, folds, .. } = found.plan(None, || false).unwrap();
        assert_eq!((settings.epochs, settings.lr, settings.dropout, &settings.augment), (7, 0.2, 0.3, &None));
        assert_eq!((runs, folds.to_string()), (3, "k=4".into()));
        assert_eq!(plan(&format!("{line} --runs 5 --folds 0")).runs, 5);
    }

    #[test]
    fn the_default_recipe_is_the_commands_or_fits_protocol_and_data() {
        let settings = |name: &str| built_in(name).layers.settings().unwrap();
        assert_eq!(plan("cv").settings, settings(SPEECH));
        assert_eq!(request("cv").plan(None, || true).unwrap().settings, settings(PAPER));
        assert_eq!(plan("cv --recipe voices").settings, settings("voices"));
        assert_eq!(plan("cv --protocol published").settings.weight_decay, settings(PAPER).weight_decay);
        let tune = Tune::try_parse_from(["tune"]).unwrap().options.with_config().unwrap();
        assert_eq!(tune.plan(None, || false).unwrap().settings, settings(PAPER));
        let tune = Tune::try_parse_from(["tune", "--protocol", "table1"]).unwrap().options.with_config().unwrap();
        assert_eq!(tune.plan(None, || false).unwrap().settings, settings(TABLE1));
        assert_eq!(plan("cv --protocol table1 --arch lstm-sa-h5").settings.batch, 32);
    }

    #[test]
    fn begun_work_goes_on_with_its_own_settings() {
        let begun = || {
            let Value::Object(settings) = serde_json::json!({ "epochs": 9, "batch": 4 }) else { unreachable!() };
            Some(Begun { place: "out".into(), settings, plan: Some((2, "k=3".into())) })
        };
        let Plan { settings, runs, folds, .. } = request("cv --lr 0.5").plan(begun(), || false).unwrap();
        assert_eq!((settings.epochs, settings.batch, settings.lr, settings.weight_decay), (9, 4, 0.5, 1.6e-3));
        assert_eq!((runs, folds.to_string()), (2, "k=3".into()));
        let Plan { settings, runs, .. } = request("cv --recipe paper").plan(begun(), || false).unwrap();
        assert_eq!((settings.epochs, runs), (100, 1));
    }

    #[test]
    fn help_shows_values_and_the_defaults_of_the_recipe() {
        let help = |mut command: Command| {
            let help = command.render_long_help().to_string();
            help.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let cv = help(Cv::command());
        for text in ["[default: speech]", "- voice: As pitch, without chroma: 48", "[default: 0.0008]"] {
            assert!(cv.contains(text), "{text}: {cv}");
        }
        let tune = help(Tune::command());
        assert!(tune.contains("[default: 0.0016]") && tune.contains("recipe paper"), "{tune}");
    }

    #[test]
    fn completions_know_the_values() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cv::command(), "cv", &mut script);
        let script = String::from_utf8(script).unwrap();
        for values in ["strict published table1", "paper deltas all pitch voice", "best last average", "apart train"] {
            assert!(script.contains(values), "{values}");
        }
    }
}
