//! `audit`

mod against;

use super::bundled::{self, model_file};
use super::options::WrongCall;
use super::{Done, Outcome, clip, print_line, progress};
use crate::files::{self, Existing};
use crate::report;
use crate::report::audit_page::{self, Audited};
use against::CaseOptions;
use clap::{Args, ValueEnum};
use reslstm::audit::finite_difference::{StepCurve, step_curves};
use reslstm::audit::flow::{Connection, Flow, gradient_flow};
use reslstm::audit::subjects::{LossSubject, ModelSubject};
use reslstm::audit::{self, Along, DIFFERENCE_BOUND, DUAL_BOUND, Derivatives, Point, Subject, TensorAudit};
use reslstm::error::{Error, Kind};
use reslstm::matrix::Matrix;
use reslstm::models::{Architecture, Model, Predictor};
use reslstm::packed::{Packed, Padding};
use reslstm::params::Parameters;
use reslstm::rng::RandomStream;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Frames of the clips in the default audit's batch.
const LENGTHS: [usize; 3] = [4, 3, 2];
/// Features per frame and classes in the default audit, as for RAVDESS.
const INPUTS: usize = 46;
const CLASSES: usize = 8;
/// Dropout probability in the default audit.
const DROPOUT: f64 = 0.3;
/// Random directions per tensor, where there are too many elements.
const DIRECTIONS: usize = 8;

/// Check every gradient with dual numbers and central differences.
///
/// Compares three computations of the same derivatives: the hand-written backward pass; dual numbers through the forward pass,
/// exact to rounding; and central differences. The exit code is 1 if a tensor exceeds a bound.
///
/// Without --audio: every element, for random parameters and a random batch of clips of 4, 3 and 2 frames, in training mode. With
/// --audio: eight random directions per tensor, for a trained model, a real clip and cross-entropy, in evaluation mode (batch
/// statistics need more than one clip).
///
/// Bounds, relative to a tensor's largest derivative, in f64: 1e-12 against dual numbers, as both sides round at 1e-16 some
/// hundred times; 1e-7 against differences, whose truncation and cancellation errors are about 1e-9. The f32 column is the
/// error of a gradient computed in training precision.
///
/// With --html, the result also becomes one page for a browser: a picture of the errors of every tensor's elements, the error of
/// central differences by step, and what f32 costs. It needs no network.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reslstm audit
  reslstm audit --html audit.html
  reslstm audit --model model.safetensors --audio clip.wav --label angry
  reslstm audit --audio clip.wav --label angry --flow flow.svg
  reslstm audit --audio clip.wav --label angry --flow untrained.svg --arch reslstm-sa-h64
  reslstm audit --against case.safetensors
  reslstm audit --gradients ours.safetensors --arch lstm-sa-h5")]
pub struct Audit {
    /// Untrained model, H hidden units: lstm-sa-hH or reslstm-sa-hH [default: both, H = 64]
    ///
    /// May be given several times, but only once with --audio.
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    arch: Vec<Architecture>,
    /// Seed of random parameters and inputs
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Recording or feature file (.npy) to audit a trained model on
    #[arg(long, value_name = "FILE")]
    audio: Option<PathBuf>,
    /// Model file of one network [default: the bundled model paper]
    #[arg(short, long, value_name = "MODEL.safetensors", requires = "audio")]
    model: Option<PathBuf>,
    /// Class of the clip [default: the predicted one]
    #[arg(long, value_name = "LABEL", requires = "audio")]
    label: Option<String>,
    /// Derivatives to compare [default: element; with --audio: direction]
    #[arg(long, value_name = "WHAT")]
    per: Option<Per>,
    /// Show the gradient's norm per frame instead, as a table and a picture [default: gradient-flow.svg]
    ///
    /// For a residual model, both with the residual connection and with it cut.
    #[arg(long, value_name = "FILE.svg", num_args = 0..=1, default_missing_value = "gradient-flow.svg", requires = "audio",
          conflicts_with = "per")]
    flow: Option<PathBuf>,
    /// Also write a page with pictures of all errors [default: audit.html]
    #[arg(long, value_name = "PAGE.html", num_args = 0..=1, default_missing_value = "audit.html", conflicts_with = "flow")]
    html: Option<PathBuf>,
    #[command(flatten)]
    case: CaseOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Per {
    /// Every element of the gradient
    Element,
    /// Derivatives along random directions
    Direction,
}

/// The audit of one model; the curves for the page, if one is written.
type AuditedModel = (Audited, Vec<StepCurve>);

impl Audit {
    pub fn run(self) -> Outcome {
        if self.case.given() {
            return self.run_case();
        }
        if let Some(page) = &self.html {
            files::check_writable(page, Existing::Replace)?;
        }
        if let Some(path) = &self.audio {
            let clip = self.read_clip(path)?;
            return match &self.flow {
                Some(picture) => self.show_flow(&clip, picture),
                None => self.report(&[self.audit_clip(&clip)]),
            };
        }
        let defaults = || ["lstm-sa-h64", "reslstm-sa-h64"].map(|name| name.parse().expect("a model")).to_vec();
        let architectures = if self.arch.is_empty() { defaults() } else { self.arch.clone() };
        let audited: Vec<AuditedModel> = architectures.into_iter().map(|arch| self.audit_batch(arch)).collect();
        self.report(&audited)
    }

    /// Audits random parameters on a random batch, in training mode.
    fn audit_batch(&self, arch: Architecture) -> AuditedModel {
        let layout = Packed::new(&LENGTHS, Padding::Ignored);
        let subject = ModelSubject::new(arch, layout, INPUTS, CLASSES, DROPOUT);
        let point = audit::random_point(&subject, self.seed);
        let what = format!("random parameters, training mode, clips of 4, 3 and 2 frames, seed {}", self.seed);
        self.audit(arch, &subject, &point, self.per.unwrap_or(Per::Element), what)
    }

    /// Audits a model on a real clip, in evaluation mode.
    fn audit_clip(&self, clip: &Clip) -> AuditedModel {
        let [frames, inputs] = clip.x.shape();
        let (architecture, classes) = (clip.model.architecture(), clip.model.classes());
        let layout = Packed::new(&[frames], Padding::Ignored);
        let subject = LossSubject { architecture, layout, inputs, classes, labels: vec![clip.label] };
        let point = Point { layer: clip.model.clone(), x: clip.x.clone(), dy: Matrix::from_rows(&[[1.0]]) };
        let what = format!("{}, {frames} frames as {}, evaluation mode", clip.name, clip.label_name);
        self.audit(architecture, &subject, &point, self.per.unwrap_or(Per::Direction), what)
    }

    fn audit<A: Subject<Layer<f64> = Model<f64>>>(
        &self,
        arch: Architecture,
        subject: &A,
        point: &Point<Model<f64>>,
        per: Per,
        what: String,
    ) -> AuditedModel {
        let (along, compared) = match per {
            Per::Element => (Along::Elements, "every element"),
            Per::Direction => (Along::Directions(DIRECTIONS), "eight random directions per tensor"),
        };
        let bar = progress::bar(0, &format!("{arch} derivatives"), "parts");
        let start = Instant::now();
        let derivatives = audit::derivatives(subject, point, along, |tasks, task| progress::tasks(&bar, tasks, task));
        let seconds = start.elapsed().as_secs_f64();
        let tensors = derivatives.iter().map(Derivatives::summary).collect();
        let (parameters, what) = (point.layer.parameter_count(), format!("{what}; {compared}"));
        let curves = match self.html {
            Some(_) => {
                bar.set_message(format!("{arch} error by step"));
                step_curves(subject, point, &report::audit_figures::steps())
            }
            None => Vec::new(),
        };
        bar.finish_and_clear();
        (Audited { arch, parameters, what, derivatives, tensors, seconds }, curves)
    }

    fn report(&self, audited: &[AuditedModel]) -> Outcome {
        let passes = audited.iter().all(|(model, _)| model.passes());
        if self.json {
            let models: Vec<Value> = audited.iter().map(|(model, _)| to_json(model)).collect();
            print_line(json!({ "models": models, "bounds": { "dual": DUAL_BOUND, "differences": DIFFERENCE_BOUND },
                               "passes": passes }))?;
        } else {
            audited.iter().try_for_each(|(model, _)| print(model))?;
        }
        if let Some(path) = &self.html {
            let page = audit_page::html(audited);
            files::write_atomically(path, page.as_bytes())?;
            message!("{}: {:.1} MB, for a browser", path.display(), page.len() as f64 / 1e6);
        }
        for failure in audited.iter().flat_map(|(model, _)| model.failures()) {
            message!("error: {failure}");
        }
        Ok(if passes { Done::Everything } else { Done::SomeFailed })
    }

    /// Reads the model, and the clip to audit it on.
    fn read_clip(&self, path: &Path) -> anyhow::Result<Clip> {
        let mut predictor = Predictor::new(model_file(self.model.as_deref(), &bundled::PAPER)?)?;
        predictor.file().only_model()?;
        let features = clip::features(&mut predictor, path, None).map_err(|error| error.at(path.display()))?;
        let predicted = predictor.predict_features(&features).map_err(|error| error.at(path.display()))?.label;
        let label = match &self.label {
            None => predicted,
            Some(name) => clip::class(predictor.labels(), name).map_err(WrongCall)?,
        };
        let (inputs, classes) = (predictor.model().inputs(), predictor.model().classes());
        let model = match self.arch[..] {
            [] => clip::in_f64(predictor.model()),
            [arch] => Model::init(arch, inputs, classes, &mut RandomStream::new(self.seed, "init", 0)),
            [_, another, ..] => {
                let problem = format!("arch: expected one model for a clip, got {another} too");
                return Err(WrongCall(Error::new(Kind::Settings, problem)).into());
            }
        };
        let seconds =
            predictor.metadata().map_or(1.0, |metadata| metadata.features.hop as f64 / f64::from(metadata.sample_rate));
        let label_name = predictor.labels()[label].clone();
        let x = audit::cast(predictor.normalised(&features)?);
        Ok(Clip { name: path.display().to_string(), model, x, label, label_name, seconds })
    }

    fn show_flow(&self, clip: &Clip, picture: &Path) -> Outcome {
        files::check_writable(picture, Existing::Replace)?;
        let flow = |connection| gradient_flow(&clip.model, &clip.x, clip.label, connection);
        let arch = clip.model.architecture();
        let flows = match clip.model {
            Model::LstmSa(_) => vec![("no residual connection", flow(Connection::Residual))],
            Model::ResLstmSa(_) => vec![
                ("with the residual connection", flow(Connection::Residual)),
                ("the same weights, connection cut", flow(Connection::Cut)),
            ],
        };
        let shown: Vec<(&str, &Flow)> = flows.iter().map(|(name, flow)| (*name, flow)).collect();
        let file = Path::new(&clip.name).file_name().unwrap_or_default().to_string_lossy();
        let title = format!("Gradient flow of {arch}: {file} as {}", clip.label_name);
        let svg = report::gradient_flow::svg(&title, &shown, clip.seconds);
        files::write_atomically(picture, svg.as_bytes())?;
        if self.json {
            print_line(flows_json(clip, &shown))?;
        } else {
            print_flows(clip, &shown)?;
            message!("drawn in {}", picture.display());
        }
        Ok(Done::Everything)
    }
}

/// A model and a clip, ready to be audited.
struct Clip {
    name: String,
    model: Model<f64>,
    /// Normalised features, `[T,D]`.
    x: Matrix<f64>,
    label: usize,
    label_name: String,
    /// Time between frames, seconds.
    seconds: f64,
}

/// The row of a tensor, with its number of elements and its verdict.
fn tensor_json(row: &impl Serialize, elements: usize, passes: bool) -> Value {
    let mut json = json!(row);
    json["elements"] = json!(elements);
    json["passes"] = json!(passes);
    json
}

fn to_json(model: &Audited) -> Value {
    let tensor = |tensor: &TensorAudit| tensor_json(tensor, tensor.elements(), tensor.passes());
    let tensors: Vec<Value> = model.tensors.iter().map(tensor).collect();
    json!({ "arch": model.arch, "parameters": model.parameters, "what": model.what, "tensors": tensors,
            "passes": model.passes(), "seconds": model.seconds })
}

fn print(model: &Audited) -> anyhow::Result<()> {
    let (learned, input) = (model.parameters, model.tensors.last().map_or(0, TensorAudit::elements));
    print_line(format_args!("{}: {learned} parameters and an input of {input} numbers", model.arch))?;
    print_line(&model.what)?;
    print_line(model.table().text())
}

/// The quantities of a flow: names, and one value per frame.
fn quantities(flow: &Flow) -> Vec<(String, &[f64])> {
    let states = flow.lstms.iter().flat_map(|lstm| {
        [(format!("{}.h", lstm.name), lstm.h.as_slice()), (format!("{}.c", lstm.name), lstm.c.as_slice())]
    });
    states.chain([("input".to_string(), flow.input.as_slice())]).collect()
}

fn flows_json(clip: &Clip, flows: &[(&str, &Flow)]) -> Value {
    let flow = |(name, flow): &(&str, &Flow)| {
        let norms: serde_json::Map<String, Value> =
            quantities(flow).into_iter().map(|(name, norms)| (name, json!(norms))).collect();
        json!({ "name": name, "loss": flow.loss, "norms": norms })
    };
    let flows: Vec<Value> = flows.iter().map(flow).collect();
    json!({ "clip": clip.name, "label": clip.label_name, "arch": clip.model.architecture(),
            "seconds_per_frame": clip.seconds, "flows": flows })
}

/// Prints one row per frame, and per quantity one column for each flow.
fn print_flows(clip: &Clip, flows: &[(&str, &Flow)]) -> anyhow::Result<()> {
    for (number, (name, flow)) in flows.iter().enumerate() {
        print_line(format_args!("{}: {name}, loss {:.3e} nats", number + 1, flow.loss))?;
    }
    let columns: Vec<(String, &[f64])> = {
        let all: Vec<Vec<(String, &[f64])>> = flows.iter().map(|(_, flow)| quantities(flow)).collect();
        let column = |quantity: usize, flow: usize| {
            let (name, norms) = &all[flow][quantity];
            (format!("{name} {}", flow + 1), *norms)
        };
        (0..all[0].len()).flat_map(|quantity| (0..all.len()).map(move |flow| column(quantity, flow))).collect()
    };
    let header: Vec<String> = columns.iter().map(|(name, _)| format!("{name:>10}")).collect();
    print_line(format_args!("{:>8} {}", "seconds", header.join(" ")))?;
    for t in 0..clip.x.rows() {
        let row: Vec<String> = columns.iter().map(|(_, norms)| format!("{:>10.2e}", norms[t])).collect();
        print_line(format_args!("{:>8.3} {}", clip.seconds * t as f64, row.join(" ")))?;
    }
    Ok(())
}
