//! The page of `lab`: the engine as WebAssembly, a model, a synthetic recording. Everything else is computed in the page.

mod voices;

use super::page::Page;
use crate::synth::{Speech, synthesise};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reslstm::audio::{FeatureSettings, resample, write_wav16};
use reslstm::labels::RavdessName;
use reslstm::models::ModelFile;
use serde_json::{Value, json};

/// The page's parts, in the order in which they run.
const SCRIPTS: [&str; 12] = [
    include_str!("lab/bindings.js"),
    include_str!("lab/texts.js"),
    include_str!("lab/engine.js"),
    include_str!("lab/plot.js"),
    include_str!("lab/sound.js"),
    include_str!("lab/listen.js"),
    include_str!("lab/cell.js"),
    include_str!("lab/walk.js"),
    include_str!("lab/whatif.js"),
    include_str!("lab/check.js"),
    include_str!("lab/train.js"),
    include_str!("lab/exercises.js"),
];

/// The page, as HTML text.
///
/// # Panics
/// If the model has no metadata: it must read recordings.
pub fn html(file: &ModelFile) -> String {
    let metadata = file.metadata().expect("a model that reads recordings has metadata");
    let branch = |name: String, features: &FeatureSettings| {
        let groups = features.kinds().map(|(kind, count)| json!({ "kind": kind, "count": count }));
        json!({ "name": name, "groups": groups.collect::<Vec<_>>() })
    };
    let mut branches: Vec<Value> = metadata
        .branches
        .groups()
        .iter()
        .map(|group| branch(group.to_string(), &group.of_features(&metadata.features)))
        .collect();
    if branches.is_empty() {
        branches.push(branch(String::new(), &metadata.features));
    }
    let data = json!({
        "wasm": BASE64_STANDARD.encode(include_bytes!("lab/engine.wasm")),
        "model": BASE64_STANDARD.encode(file.to_bytes()),
        "clip": BASE64_STANDARD.encode(example(metadata.sample_rate)),
        "labels": metadata.labels,
        "rate": metadata.sample_rate,
        "seconds": metadata.features.hop as f64 / f64::from(metadata.sample_rate),
        "branches": branches,
        "licence": metadata.licence,
        "voices": voices::voices(),
    });
    Page {
        title: "reslstm lab",
        style: include_str!("lab/lab.css"),
        body: include_str!("lab/lab.html"),
        data: &data,
        script: &(SCRIPTS.concat() + include_str!("lab/main.js")),
    }
    .html()
}

/// A WAV file of synthetic speech at `rate` Hz, in a happy voice.
fn example(rate: u32) -> Vec<u8> {
    let name = RavdessName::new([3, 1, 3, 1, 1, 1, 3]).expect("a name of the corpus");
    let Speech { sample_rate, samples } = synthesise(1, &name);
    write_wav16(&resample(&samples, sample_rate, rate), rate)
}
