//! Models as ONNX files, for runtimes other than this engine, and back.
//!
//! | file           | what it does                                                            |
//! |----------------|-------------------------------------------------------------------------|
//! | `network.rs`   | the models as graphs, equation by equation                               |
//! | `prediction.rs` | from the networks' probabilities to the prediction                     |
//! | `front_end.rs` | the front end as a graph: from samples to features                       |
//! | `graph.rs`     | writing a graph as a formula                                             |
//! | `import.rs`    | reading a graph that `export` or PyTorch wrote, as a model file          |
//! | `proto.rs`     | the messages of the file format                                          |
//!
//! A file's metadata are those of the model file, one entry per field, each value as JSON.

mod front_end;
mod graph;
mod import;
mod network;
mod prediction;
mod proto;

pub use import::import;

use graph::{Graph, IR_VERSION, OPSET};
use prost::Message;
use proto::{ModelProto, OperatorSetIdProto, Size, StringStringEntryProto};
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Branch, Metadata, ModelFile};
use serde_json::{Map, Value as Json};

/// The name of the features in every graph: the input, or what the front end computes.
const FEATURES: &str = "features";
/// The names of what a graph gives.
const PROBABILITIES: &str = "probabilities";
const UNLIKE: &str = "unlike";
/// What the names of all that is no network and comes after the features begin with: see `prediction.rs`.
const PREDICTION: &str = "prediction.";
/// The program that wrote a file, as the file has it.
const PRODUCER: &str = "reslstm";

/// What an exported graph reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Features, one row per frame.
    Features,
    /// Samples at the model's rate: the front end is part of the graph.
    Samples,
}

/// The bytes of an ONNX file with the model and its metadata.
///
/// # Errors
/// [`Kind::Model`] if the graph is to read samples, and the file does not say how features are computed and normalised, or their
/// pitch cannot be computed.
pub fn export(file: &ModelFile, input: Input) -> Result<Vec<u8>> {
    let graph = Graph::default();
    let (frames, columns) = (Size::Name("frames".into()), Size::Number(file.inputs() as i64));
    let mut properties = properties(file);
    let features = match (input, file.metadata().filter(|metadata| metadata.has_normalisation())) {
        (Input::Features, metadata) => {
            let doc = match metadata {
                Some(_) => "Features of one clip, one row per frame, not normalised",
                None => "Features of one clip, one row per frame, normalised",
            };
            graph.input(FEATURES, &[frames, columns], doc)
        }
        (Input::Samples, Some(Metadata { features, sample_rate, .. })) => {
            properties.insert("tuning".into(), front_end::TUNING.into());
            let doc = format!("Samples of one clip, one channel at {sample_rate} Hz, -1 to 1");
            let samples = graph.input("samples", &[Size::Name("samples".into())], &doc);
            front_end::features(&samples, features, *sample_rate)?.called(FEATURES)
        }
        (Input::Samples, None) => return Err(no_front_end()),
    };
    let normaliser = file.metadata().map(Metadata::normaliser).transpose()?.flatten();
    let x = normaliser.map_or(features.clone(), |normaliser| network::normalise(&features, &normaliser));
    let unlike = |clips| graph.within(PREDICTION, || prediction::unlike(&x, clips)).called(UNLIKE);
    let unlike = file.training_clips().map(unlike);
    let is_ensemble = file.metadata().is_some_and(|metadata| !metadata.branches.is_none());
    let network = |(number, branch): (usize, &Branch)| match is_ensemble {
        true => {
            graph.within(&branch_scope(number), || network::probabilities(&x.columns(branch.columns()), branch.model()))
        }
        false => network::probabilities(&x, branch.model()),
    };
    let networks: Vec<_> = file.branches().iter().enumerate().map(network).collect();
    let temperature = file.metadata().and_then(|it| Some([it.temperature?, it.temperature_growth?]));
    let probabilities = graph.within(PREDICTION, || {
        let mean = prediction::mean(&networks);
        match (temperature, &unlike) {
            (Some(temperature), Some(unlike)) => prediction::temper(&mean, temperature, unlike),
            _ => mean,
        }
    });
    let probabilities = probabilities.called(PROBABILITIES);
    let doc = format!("Probability of every class: {}", file.labels().join(", "));
    graph.output(&probabilities, &[Size::Number(file.labels().count() as i64)], &doc);
    if let Some(unlike) = unlike {
        graph.output(&unlike, &[], "How unlike the training clips the clip is, near 1 for one of them");
    }

    let property = |(key, value): (String, Json)| StringStringEntryProto { key, value: value.to_string() };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: "Speech emotion recognition: probabilities of emotions".into(),
        graph: Some(graph.finish(&file.architecture())),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: properties.into_iter().map(property).collect(),
    };
    Ok(model.encode_to_vec())
}

/// What the names of a branch begin with, as in a model file.
fn branch_scope(number: usize) -> String {
    format!("branches.{number}.")
}

/// The fields of the metadata by name, sorted; of a state dict, which has none, the labels alone.
fn properties(file: &ModelFile) -> Map<String, Json> {
    let metadata = serde_json::to_value(file.metadata()).expect("text, numbers and lists are JSON");
    match metadata {
        Json::Object(fields) => fields,
        _ => Map::from_iter([("labels".to_string(), Json::from(file.labels().names().to_vec()))]),
    }
}

fn no_front_end() -> Error {
    let problem = "expected a model file with feature settings, mean and standard deviation, got one without";
    Error::new(Kind::Model, problem)
        .at("--with-front-end")
        .advice("export it without --with-front-end: such a model takes features that are normalised already")
}
