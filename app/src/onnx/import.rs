//! Reading a graph as a model file: what `export` wrote, and what PyTorch's exporters write for these architectures.
//!
//! The nodes are followed from the features to the probabilities (`walk.rs`). Of every value it is known which stage of the
//! network it is, and which of its axes are frames and columns (`value.rs`). A node that does not belong to the network is an
//! error that names it.

mod constant;
mod node;
mod sizes;
mod value;
mod walk;

use super::proto::{GraphProto, ModelProto, NodeProto, Size, StringStringEntryProto, ValueInfoProto};
use super::{FEATURES, PREDICTION, PRODUCER, branch_scope, prediction};
use constant::Constant;
use prost::Message;
use reslstm::audio::FeatureSettings;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Branches, Metadata, ModelFile};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::rc::Rc;
use value::Axis;
use walk::{Found, Walk};

/// Key of the metadata in a model file's header.
const METADATA_KEY: &str = "reslstm";
/// The field that every description in a model file has.
const FORMAT: &str = "format";
/// The first version of ONNX's operators with a softmax over one axis.
const FIRST_OPSET: i64 = 13;
/// The number of frames that stands for any number: a prime, so that no other size is a multiple of it.
const ANY_FRAMES: usize = 1009;

const WHAT_IS_READ: &str = "import reads LSTM-SA and ResLSTM-SA for one clip at a time, as `reslstm export` and \
                            torch.onnx.export write them";
const DAMAGED: &str = "the file is damaged or was cut off: copy it again";

/// The model of an ONNX file's bytes.
///
/// # Errors
/// [`Kind::Model`] if these are not the bytes of an ONNX file, the graph is of another architecture, or the metadata contradict
/// the graph; and those of [`ModelFile::from_bytes`].
pub fn import(bytes: &[u8]) -> Result<ModelFile> {
    let model = decode(bytes)?;
    let graph = model.graph.as_ref().ok_or_else(|| not_onnx(bytes))?;
    check_opset(&model)?;
    let metadata = metadata(&model)?;
    let constants = constant::all(graph)?;
    let networks = if model.producer_name == PRODUCER {
        follow_ours(graph, &constants, metadata.as_ref())?
    } else {
        vec![(String::new(), follow(graph, &constants)?)]
    };
    let file = ModelFile::from_bytes(&model_file(&networks, training_clips(&constants), metadata))?;
    for ((_, network), number) in networks.iter().zip(0..) {
        check_normalisation(network, file.metadata())?;
        check_columns(network, &file, number)?;
    }
    Ok(file)
}

/// The networks of a graph, each with what the names of its tensors begin with in a model file.
type Networks = Vec<(String, Found)>;

/// All tensors and the metadata as the bytes of a model file, which are checked where all model files are.
fn model_file(
    networks: &Networks,
    training_clips: Option<[(&str, Constant); 2]>,
    metadata: Option<Map<String, Json>>,
) -> Vec<u8> {
    let weights = networks.iter().flat_map(|(prefix, network)| {
        network.state_dict().into_iter().map(move |(name, constant)| (format!("{prefix}{name}"), constant))
    });
    let clips = training_clips.into_iter().flatten().map(|(name, constant)| (name.to_string(), constant));
    let tensor = |(name, constant): (String, Constant)| {
        let bytes: Vec<u8> = constant.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        (name, constant.shape(), bytes)
    };
    let tensors: Vec<_> = weights.chain(clips).map(tensor).collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a constant has the values of its shape"))
    });
    let header = metadata.map(|fields| HashMap::from([(METADATA_KEY.to_string(), Json::from(fields).to_string())]));
    safetensors::serialize(views, header).expect("a few names are a short header")
}

fn decode(bytes: &[u8]) -> Result<ModelProto> {
    ModelProto::decode(bytes).map_err(|cause| match bytes {
        // Every exporter writes the version of the format first.
        [0x08, ..] => {
            let problem = format!("expected a whole ONNX file, got {} bytes: {cause}", bytes.len());
            Error::new(Kind::Model, problem).advice(DAMAGED)
        }
        _ => not_onnx(bytes),
    })
}

fn not_onnx(bytes: &[u8]) -> Error {
    let beginning = bytes[..bytes.len().min(12)].escape_ascii();
    let problem = match bytes {
        [] => "expected an ONNX file, got an empty one".to_string(),
        _ => format!("expected an ONNX file, got {} bytes beginning \"{beginning}\"", bytes.len()),
    };
    Error::new(Kind::Model, problem).advice("model files of this program (.safetensors) need no import")
}

/// The operators must be those of a version whose meaning is known here.
fn check_opset(model: &ModelProto) -> Result<()> {
    let standard = model.opset_import.iter().find(|opset| ["", "ai.onnx"].contains(&opset.domain.as_str()));
    match standard.map(|opset| opset.version) {
        Some(version) if version >= FIRST_OPSET => Ok(()),
        version => {
            let got = version.map_or("none".into(), |version| version.to_string());
            let problem = format!("expected ONNX operators of version {FIRST_OPSET} or later, got {got}");
            Err(Error::new(Kind::Model, problem).advice("export the model again with opset_version=17"))
        }
    }
}

/// The fields of the metadata that `export` wrote; none in other files.
fn metadata(model: &ModelProto) -> Result<Option<Map<String, Json>>> {
    if !model.metadata_props.iter().any(|entry| entry.key == FORMAT) {
        return Ok(None);
    }
    let field = |entry: &StringStringEntryProto| {
        let value = serde_json::from_str(&entry.value).map_err(|error| {
            Error::caused_by(Kind::Model, error).at(format!("metadata {}", entry.key)).advice(DAMAGED)
        })?;
        Ok((entry.key.clone(), value))
    };
    model.metadata_props.iter().map(field).collect::<Result<Map<_, _>>>().map(Some)
}

/// The networks of a graph that `export` wrote. What comes before the features is the front end, which the metadata describe; the
/// names of all else that is no network begin with [`PREDICTION`].
fn follow_ours(
    graph: &GraphProto,
    constants: &HashMap<&str, Rc<Constant>>,
    metadata: Option<&Map<String, Json>>,
) -> Result<Networks> {
    let features = metadata.and_then(|fields| FeatureSettings::deserialize(fields.get("features")?).ok());
    let branches = metadata.and_then(|fields| Branches::deserialize(fields.get("branches")?).ok()).unwrap_or_default();
    let columns = features.map_or_else(|| columns(graph, constants), |features| Ok(features.width()))?;
    let first =
        graph.node.iter().position(|node| node.output.iter().any(|name| name == FEATURES)).map_or(0, |at| at + 1);
    let nodes = || graph.node[first..].iter().filter(|node| !node.name.starts_with(PREDICTION));
    let is_of = |number: usize| move |node: &&NodeProto| node.name.starts_with(&branch_scope(number));
    let follow = |prefix: String, nodes: Vec<&NodeProto>| {
        let outputs = nodes.last().map_or(&[][..], |last| &last.output);
        let walk = Walk::new(constants, (FEATURES, vec![Axis::Frame, Axis::Column], ANY_FRAMES, columns));
        walk.through(nodes, outputs).map(|network| (prefix, network))
    };
    if branches.is_none() {
        return Ok(vec![follow(String::new(), nodes().collect())?]);
    }
    let shared = || nodes().take_while(|node| !is_of(0)(node));
    let branch = |number| follow(branch_scope(number), shared().chain(nodes().filter(is_of(number))).collect());
    (0..branches.count()).map(branch).collect()
}

/// The network of a graph that PyTorch wrote, from its input on.
fn follow(graph: &GraphProto, constants: &HashMap<&str, Rc<Constant>>) -> Result<Found> {
    let columns = columns(graph, constants)?;
    let input = only_input(graph)?;
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut first_error = None;
    for (axes, frames) in readings(input)? {
        match Walk::new(constants, (&input.name, axes, frames, columns)).through(&graph.node, &outputs) {
            Ok(found) => return Ok(found),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.expect("an input can be read in one way at least"))
}

/// The training clips among the constants, as a model file has them: of the matrix the rows up to the diagonal. `None` if there
/// are none.
fn training_clips(constants: &HashMap<&str, Rc<Constant>>) -> Option<[(&'static str, Constant); 2]> {
    let constant = |name| constants.get(format!("{PREDICTION}{name}").as_str());
    let (mean, whitening) = (constant(prediction::MEAN)?, constant(prediction::WHITENING)?);
    let rows = whitening.values.chunks(mean.values.len().max(1)).zip(1..);
    let triangle: Vec<f32> = rows.flat_map(|(row, length)| row.iter().take(length)).copied().collect();
    let whitening = Constant::new(&[triangle.len()], triangle);
    Some([(prediction::MEAN, Constant::clone(mean)), (prediction::WHITENING, whitening)])
}

/// `D`, from the weights of the first LSTM.
fn columns(graph: &GraphProto, constants: &HashMap<&str, Rc<Constant>>) -> Result<usize> {
    let Some(lstm) = graph.node.iter().find(|node| node.op_type == "LSTM") else {
        let problem = format!("expected one LSTM node or two, got none among {} nodes", graph.node.len());
        return Err(Error::new(Kind::Model, problem).advice(WHAT_IS_READ));
    };
    match lstm.input.get(1).and_then(|name| constants.get(name.as_str())).map(|weights| &weights.dims[..]) {
        Some(&[1, _, columns]) => Ok(columns as usize),
        _ => Err(node::Node(lstm).error("expected constant weights W of shape [1,4H,D], of one direction")),
    }
}

fn only_input(graph: &GraphProto) -> Result<&ValueInfoProto> {
    // Old files list their constants among the inputs.
    let is_constant = |input: &&ValueInfoProto| graph.initializer.iter().any(|constant| constant.name == input.name);
    let inputs: Vec<_> = graph.input.iter().filter(|input| !is_constant(input)).collect();
    match inputs[..] {
        [input] => Ok(input),
        _ => {
            let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
            let problem = format!("expected one input, the features, got {}: {}", inputs.len(), names.join(", "));
            Err(Error::new(Kind::Model, problem).at("graph inputs").advice(WHAT_IS_READ))
        }
    }
}

/// In which ways the axes of the input can be read, with the number of frames: `[T,D]`, `[1,T,D]` or `[T,1,D]`.
fn readings(input: &ValueInfoProto) -> Result<Vec<(Vec<Axis>, usize)>> {
    let shape = input.r#type.as_ref().and_then(|it| it.tensor_type.as_ref()).and_then(|it| it.shape.as_ref());
    let sizes: Vec<Option<i64>> = shape.map_or(Vec::new(), |shape| {
        let number = |size: &Option<Size>| if let Some(Size::Number(number)) = size { Some(*number) } else { None };
        shape.dim.iter().map(|dim| number(&dim.value)).collect()
    });
    let may_be_one = |size: Option<i64>| size.is_none_or(|size| size == 1);
    let frames = |size: Option<i64>| size.and_then(|size| usize::try_from(size).ok()).unwrap_or(ANY_FRAMES);
    use Axis::{Column, Frame, One};
    let mut readings = Vec::new();
    match sizes[..] {
        [t, _] => readings.push((vec![Frame, Column], frames(t))),
        [a, b, _] => {
            if may_be_one(a) {
                readings.push((vec![One, Frame, Column], frames(b)));
            }
            if may_be_one(b) {
                readings.push((vec![Frame, One, Column], frames(a)));
            }
        }
        _ => {}
    }
    if readings.is_empty() {
        let shown: Vec<String> = sizes.iter().map(|size| size.map_or("?".into(), |size| size.to_string())).collect();
        let problem = format!("expected features of one clip, [frames,D] or [1,frames,D], got [{}]", shown.join(","));
        return Err(Error::new(Kind::Model, problem).at(format!("graph input {}", input.name)).advice(WHAT_IS_READ));
    }
    Ok(readings)
}

/// The graph must normalise features as the metadata say: not at all without metadata.
fn check_normalisation(found: &Found, metadata: Option<&Metadata>) -> Result<()> {
    let rounded = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
    let normaliser = metadata.map(Metadata::normaliser).transpose()?.flatten();
    let described = normaliser.map(|it| (rounded(it.mean()), rounded(it.std())));
    match (&found.normalisation, described) {
        (graph, described) if *graph == described => Ok(()),
        (Some(_), None) => {
            let problem = "the graph normalises its input, and no metadata say how features are computed";
            Err(Error::new(Kind::Model, problem).advice("export the model without the normalisation of its features"))
        }
        _ => {
            let problem = "expected the graph to normalise features by the mean and std of the metadata";
            Err(Error::new(Kind::Model, problem).at("metadata").advice("export the model again"))
        }
    }
}

/// A branch must read the columns that the metadata say.
fn check_columns(found: &Found, file: &ModelFile, number: usize) -> Result<()> {
    let described = &file.branches()[number];
    match &found.columns {
        None if described.columns().len() == file.inputs() => Ok(()),
        Some(columns) if columns == described.columns() => Ok(()),
        columns => {
            let problem = format!(
                "expected branch {} to read the columns {:?}, got {columns:?}",
                number + 1,
                described.columns()
            );
            Err(Error::new(Kind::Model, problem).at("metadata branches").advice("export the model again"))
        }
    }
}
