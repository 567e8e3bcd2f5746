//! The model file: bytes in, a checked model out, and back.
//!
//! One [safetensors](https://huggingface.co/docs/safetensors) file: eight bytes with the length of the header, the header
//! (JSON: name, type, shape and place of every tensor), the tensors. Tensors have the names and shapes of the published
//! PyTorch state dict and are 32-bit floats. [`Metadata`] is one JSON text in the header, under the key `reslstm`, its
//! keys sorted: the format's own map has no order, and the same model must give the same bytes.
//!
//! Two tensors, `training.mean` and `training.whitening`, are no weights: they are the [`TrainingClips`].
//!
//! A file with [branches] has several models: the names of branch 0 begin with `branches.0.`, and so on.
//!
//! A state dict saved from PyTorch loads as well: it has no metadata, may hold 64-bit floats, and counts batches in
//! `*.num_batches_tracked`, which nothing here needs. Wrappers put a prefix before every name (`_orig_mod.` by
//! `torch.compile`, `module.` by `DataParallel`); it is removed, and [`ModelFile::prefix`] has it.

use super::branches::{self, Branch};
use super::stored::{self, Precision, SCALE};
use super::tensors::{self, Tensor, Tensors};
use super::training_clips::Likeness;
use super::{Architecture, Family, Metadata, Model, TrainingClips};
use crate::error::{Error, Kind, Result};
use crate::labels::Labels;
use crate::params::{Parameters, Path};
use crate::prelude::*;

/// Key of the metadata in the file's header.
const METADATA_KEY: &str = "reslstm";
/// PyTorch's count of batches that a running average has seen.
const BATCH_COUNT: &str = ".num_batches_tracked";

const DAMAGED: &str = "the file is damaged or was cut off: copy it again";
const SAVE_FROM_PYTORCH: &str = "a model of this program is one .safetensors file; save one from PyTorch with \
                                 safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")";
const OTHER_ARCHITECTURE: &str = "the models of this program have LSTMs of one layer and one direction, with biases; \
                                  other architectures cannot be loaded";

/// A checked model: every weight is finite, and the metadata, if there is any, agrees with the tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// At least one; in an ordinary file one that reads all columns.
    branches: Vec<Branch>,
    metadata: Option<Metadata>,
    training_clips: Option<TrainingClips>,
    labels: Labels,
    prefix: String,
}

impl ModelFile {
    /// A model and its description.
    ///
    /// # Errors
    /// [`Kind::Model`] if a weight is not finite, a running variance is negative, or the metadata contradicts the model.
    pub fn new(model: Model<f32>, metadata: Option<Metadata>) -> Result<Self> {
        Self::of_networks(vec![model], metadata)
    }

    /// A model with branches: one network for each column group in `metadata`, in their order.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_branches(networks: Vec<Model<f32>>, metadata: Metadata) -> Result<Self> {
        Self::of_networks(networks, Some(metadata))
    }

    fn of_networks(networks: Vec<Model<f32>>, metadata: Option<Metadata>) -> Result<Self> {
        let mut checked = Ok(());
        for (number, model) in networks.iter().enumerate() {
            model.visit(&Path::ROOT, &mut |path, _, shape, values| {
                if checked.is_ok() {
                    let place = place_of(metadata.as_ref(), number) + &path.to_string();
                    checked = check_values(&place, shape, 0, values);
                }
            });
        }
        checked?;
        let columns = match &metadata {
            Some(metadata) => metadata.check(&networks.iter().map(Model::shape).collect::<Vec<Shape>>())?,
            None => vec![(0..networks[0].inputs()).collect()],
        };
        let branches: Vec<Branch> =
            columns.into_iter().zip(networks).map(|(columns, model)| Branch::new(columns, model)).collect();
        let classes = branches[0].model().classes();
        let ravdess = Labels::ravdess();
        let labels = match &metadata {
            Some(metadata) => metadata.labels.clone(),
            None if classes == ravdess.count() => ravdess,
            None => Labels::new((0..classes).map(|class| format!("class {class}")).collect())?,
        };
        Ok(ModelFile { branches, metadata, training_clips: None, labels, prefix: String::new() })
    }

    /// The file with its training clips, if there are any, to which a temperature may refer.
    ///
    /// # Errors
    /// [`Kind::Model`] if they are of other features, or missing where the temperature grows with the distance from them.
    pub fn with_training_clips(self, training_clips: Option<TrainingClips>) -> Result<Self> {
        check_training_clips(training_clips.as_ref(), self.metadata.as_ref(), self.inputs())?;
        Ok(ModelFile { training_clips, ..self })
    }

    /// Where the training clips lie; none in files that do not say it.
    pub fn training_clips(&self) -> Option<&TrainingClips> {
        self.training_clips.as_ref()
    }

    /// What predictions need of the training clips; none in files that do not say where they lie.
    pub fn likeness(&self) -> Option<Likeness> {
        Likeness::new(self.training_clips.clone(), self.metadata.as_ref())
    }

    /// The networks, each with the columns that it reads: in an ordinary file one that reads all.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The model of an ordinary file; of a file with branches the first network.
    pub fn model(&self) -> &Model<f32> {
        self.branches[0].model()
    }

    /// The model of an ordinary file.
    ///
    /// # Errors
    /// [`Kind::Model`] if the file has branches.
    pub fn only_model(&self) -> Result<&Model<f32>> {
        match self.metadata.as_ref().map(|metadata| &metadata.branches).filter(|branches| !branches.is_none()) {
            None => Ok(self.model()),
            Some(branches) => {
                let problem = format!("expected a model of one network, got an ensemble with the branches {branches}");
                let advice = "explain --branch N shows one of them; a model trained without --branches has one network";
                Err(Error::new(Kind::Model, problem).advice(advice))
            }
        }
    }

    /// Its name: that of its network, or of all, such as `5x lstm-sa-h32`.
    pub fn architecture(&self) -> String {
        let all: Vec<Architecture> = self.branches.iter().map(|branch| branch.model().architecture()).collect();
        branches::architecture_name(&all)
    }

    /// Number of parameters of all its networks.
    pub fn parameter_count(&self) -> usize {
        branches::parameter_count(&self.branches)
    }

    /// `D`, the columns of its features, of which a branch may read only some.
    pub fn inputs(&self) -> usize {
        let widest = self.branches.iter().flat_map(Branch::columns).max().map_or(0, |last| last + 1);
        self.metadata.as_ref().map_or(widest, |metadata| metadata.features.width())
    }

    /// The description in the file; none for a PyTorch state dict.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Class names, `[K]`. Without metadata, eight classes are RAVDESS's in its order, others `class 0`, `class 1`, …
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What stood before every tensor's name in the file and was removed, such as `_orig_mod.`; empty for most files.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The bytes of the file; the same model gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes_of(|name, shape, values| vec![(name.into(), Tensor::of_f32(shape, values))])
    }

    /// The file with the tensors that `stored` makes of each of the model's.
    fn bytes_of<'a>(&self, stored: impl Fn(&str, &[usize], &[f32]) -> Vec<(String, Tensor<'a>)>) -> Vec<u8> {
        let mut tensors = Tensors::new();
        for (number, branch) in self.branches.iter().enumerate() {
            let place = place_of(self.metadata.as_ref(), number);
            branch.model().visit(&Path::ROOT, &mut |path, _, shape, values| {
                tensors.extend(stored(&format!("{place}{path}"), shape, values));
            });
        }
        for (name, shape, values) in self.training_clips.iter().flat_map(TrainingClips::tensors) {
            tensors.extend(stored(name, &shape, values));
        }
        let texts = self.metadata.iter().map(|it| (METADATA_KEY.to_string(), it.to_json())).collect();
        tensors::write(&tensors, &texts)
    }

    /// The bytes of the file with weights of fewer bits, as [`Precision`] says. All else is as in [`to_bytes`](Self::to_bytes).
    pub fn to_bytes_with(&self, precision: Precision) -> Vec<u8> {
        self.bytes_of(|name, shape, values| stored::quantise(name, shape, values, precision))
    }

    /// The model of a file's bytes. Its architecture is read off the names and shapes of the tensors; 16, 32 and 64-bit floats are
    /// taken, the last rounded, and 8-bit integers with their scales.
    ///
    /// # Errors
    /// [`Kind::Model`] if this is no safetensors file or cut off; a tensor is missing, unknown, of another shape or type; and
    /// those of [`new`](Self::new). Memory is taken in proportion to the bytes given, whatever their header claims.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let Contents { networks, metadata, training_clips, prefix } = read_networks(bytes, read_model)?;
        let file = ModelFile { prefix, ..ModelFile::of_networks(networks, metadata)? };
        file.with_training_clips(training_clips)
    }
}

/// What is in the bytes of a file.
pub(super) struct Contents<N> {
    pub networks: Vec<N>,
    pub metadata: Option<Metadata>,
    pub training_clips: Option<TrainingClips>,
    /// What stood before all names.
    pub prefix: String,
}

/// Reads a file whose networks `read_network` makes of their tensors, all of them, each by its published name.
pub(super) fn read_networks<'a, N>(
    bytes: &'a [u8],
    read_network: impl Fn(&Tensors<'a>) -> Result<N>,
) -> Result<Contents<N>> {
    let (mut named, texts) = tensors::read(bytes).map_err(|problem| unreadable(bytes, &problem))?;
    named.retain(|name, _| !name.ends_with(BATCH_COUNT));
    let training_clips = TrainingClips::take(&mut named)?;
    let metadata = || texts.get(METADATA_KEY).map(|json| Metadata::from_json(json)).transpose();
    if !named.keys().any(|name| name.starts_with(BRANCHES)) {
        let prefix = find_prefix(&named)?;
        let networks = vec![read_network(&without_prefix(named, &prefix))?];
        return Ok(Contents { networks, metadata: metadata()?, training_clips, prefix });
    }
    let metadata = metadata()?.filter(|metadata| !metadata.branches.is_none()).ok_or_else(|| {
        let problem = format!("expected a list of branches, as tensors begin with {BRANCHES}, got none");
        Error::new(Kind::Model, problem).at("metadata").advice(DAMAGED)
    })?;
    let mut networks = Vec::new();
    for number in 0..metadata.branches.count() {
        let prefix = place_of(Some(&metadata), number);
        let (own, others) = named.into_iter().partition(|(name, _)| name.starts_with(&prefix));
        networks.push(read_network(&without_prefix(own, &prefix)).map_err(|error| error.at(prefix))?);
        named = others;
    }
    if let Some(name) = named.keys().next() {
        let problem = format!("a model with the branches {} has no such tensor", metadata.branches);
        return Err(Error::new(Kind::Model, problem).at(format!("tensor {name}")).advice(DAMAGED));
    }
    Ok(Contents { networks, metadata: Some(metadata), training_clips, prefix: String::new() })
}

/// Checks that the training clips of a file are of features of this many columns, and there if the temperature refers to them.
pub(super) fn check_training_clips(
    clips: Option<&TrainingClips>,
    metadata: Option<&Metadata>,
    columns: usize,
) -> Result<()> {
    match clips {
        Some(clips) => clips.check(columns),
        None if metadata.is_some_and(|metadata| metadata.temperature_growth.is_some()) => {
            let problem = "expected the training clips from which distances grow the temperature, got none";
            Err(Error::new(Kind::Model, problem).at("metadata").advice(DAMAGED))
        }
        None => Ok(()),
    }
}

/// What stands before the names of all tensors of branches.
const BRANCHES: &str = "branches.";

/// What stands before the names of the tensors of a network: nothing in an ordinary file.
fn place_of(metadata: Option<&Metadata>, number: usize) -> String {
    match metadata {
        Some(metadata) if !metadata.branches.is_none() => format!("{BRANCHES}{number}."),
        _ => String::new(),
    }
}

/// The tensors by their names without what stands before all of them.
fn without_prefix<'a>(named: Tensors<'a>, prefix: &str) -> Tensors<'a> {
    named.into_iter().map(|(name, tensor)| (name[prefix.len()..].into(), tensor)).collect()
}

/// The network of these tensors, all of them.
fn read_model(tensors: &Tensors) -> Result<Model<f32>> {
    let (architecture, inputs, classes) = infer(tensors)?;
    let mut model = Model::<f32>::zeros(architecture, inputs, classes);
    let mut unread = tensors.clone();
    let mut filled = Ok(());
    model.visit_mut(&Path::ROOT, &mut |path, _, shape, values| {
        let name = path.to_string();
        unread.remove(&name);
        unread.remove(&format!("{name}{SCALE}"));
        if filled.is_ok() {
            filled = fill(tensors, &name, shape, values);
        }
    });
    filled?;
    match unread.keys().next() {
        Some(name) => Err(unknown_tensor(name, architecture)),
        None => Ok(model),
    }
}

pub(super) fn unknown_tensor(name: &str, architecture: Architecture) -> Error {
    let problem = format!("a model {architecture} has no such tensor");
    Error::new(Kind::Model, problem).at(format!("tensor {name}")).advice(OTHER_ARCHITECTURE)
}

/// The error for bytes that are not a model file.
fn unreadable(bytes: &[u8], cause: &str) -> Error {
    let beginning = bytes[..bytes.len().min(12)].escape_ascii();
    let (problem, advice) = match bytes {
        [] => ("expected a model file, got an empty one".to_string(), DAMAGED),
        // A zip archive, which is what torch.save writes.
        [b'P', b'K', 3, 4, ..] => ("expected a safetensors file, got a zip archive".to_string(), SAVE_FROM_PYTORCH),
        // The header is a JSON object, and it begins right after its length.
        [_, _, _, _, _, _, _, _, b'{', ..] => (format!("expected a whole safetensors file: {cause}"), DAMAGED),
        _ => {
            let what = format!("got {} bytes beginning \"{beginning}\"", bytes.len());
            (format!("expected a safetensors file, {what}"), SAVE_FROM_PYTORCH)
        }
    };
    Error::new(Kind::Model, problem).advice(advice)
}

/// What stands before the published names: the same before all of them, and most often nothing.
fn find_prefix(tensors: &Tensors) -> Result<String> {
    let before = |name: &String| {
        let rest = name.strip_suffix("lstm1.weight_ih_l0").or_else(|| name.strip_suffix("lstm.weight_ih_l0"))?;
        (rest.is_empty() || rest.ends_with('.')).then(|| rest.to_string())
    };
    let Some(prefix) = tensors.keys().filter_map(before).min_by_key(String::len) else {
        let names: Vec<&str> = tensors.keys().take(5).map(String::as_str).collect();
        let found =
            if names.is_empty() { "none".into() } else { format!("{} such as {}", tensors.len(), names.join(", ")) };
        let problem = format!("expected a tensor lstm.weight_ih_l0 or lstm1.weight_ih_l0, got {found}");
        return Err(Error::new(Kind::Model, problem).advice(SAVE_FROM_PYTORCH));
    };
    match tensors.keys().find(|name| !name.starts_with(&prefix)) {
        None => Ok(prefix),
        Some(other) => {
            let problem = format!("expected {prefix} before the names of all tensors or of none, got {other} too");
            let advice = "save the state dict of the model alone: the part of the saved object that has this name";
            Err(Error::new(Kind::Model, problem).at(format!("tensors {prefix}*")).advice(advice))
        }
    }
}

/// Architecture, inputs `D` and classes `K` of a network.
pub(super) type Shape = (Architecture, usize, usize);

/// The shape of a network from the tensors that name every size. Their shapes are checked against each
/// other: all other tensors of the model are smaller, so that it takes no more memory than the file.
pub(crate) fn infer(tensors: &Tensors) -> Result<Shape> {
    let (family, top_lstm) = match tensors.contains_key("lstm1.weight_ih_l0") {
        true => (Family::ResLstmSa, "lstm2"),
        false => (Family::LstmSa, "lstm"),
    };
    if let Some(name) = tensors.keys().find(|name| name.ends_with("_reverse")) {
        let problem = "expected an LSTM of one direction, got a bidirectional one";
        return Err(Error::new(Kind::Model, problem).at(format!("tensor {name}")).advice(OTHER_ARCHITECTURE));
    }
    let weight_ih = format!("{top_lstm}.weight_ih_l0");
    let [_, inputs] = matrix_shape(tensors, &weight_ih)?;
    let [hidden, vectors] = matrix_shape(tensors, "attention_vector")?;
    let [classes, _] = matrix_shape(tensors, "fc.weight")?;
    let architecture = Architecture::new(family, hidden, vectors)
        .map_err(|error| Error::caused_by(Kind::Model, error).at("tensor attention_vector"))?;
    if inputs == 0 || classes < 2 {
        let problem = format!("expected a model of at least 1 input and 2 classes, got {inputs} and {classes}");
        return Err(Error::new(Kind::Model, problem));
    }
    expect_shape(tensors, &weight_ih, &[4 * hidden, inputs])?;
    expect_shape(tensors, &format!("{top_lstm}.weight_hh_l0"), &[4 * hidden, hidden])?;
    expect_shape(tensors, "fc.weight", &[classes, hidden])?;
    if family == Family::ResLstmSa {
        // What the residual adds to its input is as wide as that; a width that overflows is in no file.
        expect_shape(tensors, "lstm1.weight_ih_l0", &[inputs.saturating_mul(4), inputs])?;
    }
    Ok((architecture, inputs, classes))
}

/// The shape of the tensor of this name.
fn shape_of<'t>(tensors: &'t Tensors, name: &str) -> Result<&'t [usize]> {
    let tensor = stored::find(tensors, name).map_err(|error| error.advice(OTHER_ARCHITECTURE))?;
    Ok(&tensor.shape)
}

fn matrix_shape(tensors: &Tensors, name: &str) -> Result<[usize; 2]> {
    let shape = shape_of(tensors, name)?;
    shape.try_into().map_err(|_| {
        Error::new(Kind::Model, format!("expected two dimensions, got shape {shape:?}")).at(format!("tensor {name}"))
    })
}

pub(super) fn expect_shape(tensors: &Tensors, name: &str, expected: &[usize]) -> Result<()> {
    let got = shape_of(tensors, name)?;
    if got == expected {
        return Ok(());
    }
    let problem = format!("expected shape {expected:?} to go with the other tensors, got {got:?}");
    Err(Error::new(Kind::Model, problem).at(format!("tensor {name}")))
}

/// Copies a tensor of the file into the model's, of this shape.
pub(super) fn fill(tensors: &Tensors, name: &str, shape: &[usize], values: &mut [f32]) -> Result<()> {
    expect_shape(tensors, name, shape)?;
    values.copy_from_slice(&stored::numbers(tensors, name)?);
    Ok(())
}

/// Checks `values` of a tensor of this shape, after the `first` ones.
pub(super) fn check_values(name: &str, shape: &[usize], first: usize, values: &[f32]) -> Result<()> {
    let variance = name.ends_with("running_var");
    let fits = |value: f32| value.is_finite() && !(variance && value < 0.0);
    let Some(bad) = values.iter().position(|&value| !fits(value)) else { return Ok(()) };
    let at = first + bad;
    let expected = if variance { "variances that are finite and not negative" } else { "finite values" };
    let place = match shape {
        [_, columns] => format!("row {}, column {}", at / columns, at % columns),
        _ => format!("place {at}"),
    };
    Err(Error::new(Kind::Model, format!("expected {expected}, got {} in {place}", values[bad]))
        .at(format!("tensor {name}"))
        .advice("the training that gave these weights diverged, or the file is damaged"))
}

#[cfg(test)]
mod tests;
