//! `info MODEL`

use super::{Done, Outcome, clip, print_line};
use clap::Args;
use reslstm::params::{Parameters, Path, Role};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show the content of a model file.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm info model.safetensors --json | jq .metadata.scores")]
pub struct Info {
    /// Model file
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Info {
    pub fn run(self) -> Outcome {
        let file = clip::read_model(&self.model)?;
        let mut tensors = Vec::new();
        file.model().visit(&Path::ROOT, &mut |path, role, shape, _| {
            tensors.push((path.to_string(), shape.to_vec(), role == Role::Parameter));
        });
        let metadata = serde_json::to_value(file.metadata())?;
        let arch = file.model().architecture().to_string();
        let parameters = file.model().parameter_count();
        if self.json {
            let tensors: Vec<Value> = tensors
                .iter()
                .map(|(name, shape, learned)| json!({ "name": name, "shape": shape, "learned": learned }))
                .collect();
            let (inputs, classes) = (file.model().inputs(), file.model().classes());
            print_line(json!({ "arch": arch, "parameters": parameters, "inputs": inputs, "classes": classes,
                               "labels": file.labels(), "metadata": metadata, "tensors": tensors }))?;
            return Ok(Done::Everything);
        }
        let (inputs, classes) = (file.model().inputs(), file.model().classes());
        print_line(format_args!("{arch}: {parameters} parameters, {inputs} inputs, {classes} classes"))?;
        print_line(format_args!("labels: {}", file.labels().join(", ")))?;
        match &metadata {
            Value::Object(entries) => {
                for (name, value) in entries.iter().filter(|(name, _)| *name != "labels") {
                    match value {
                        Value::Array(values) if values.len() > 30 => {
                            print_line(format_args!("{name}: {} values", values.len()))?;
                        }
                        Value::String(text) => print_line(format_args!("{name}: {text}"))?,
                        value => print_line(format_args!("{name}: {value}"))?,
                    }
                }
            }
            _ => {
                print_line(
                    "no metadata: a plain state dict, which takes normalised features (.npy) but no recordings",
                )?;
            }
        }
        for (name, shape, learned) in &tensors {
            let note = if *learned { "" } else { "  (running statistics)" };
            print_line(format_args!("  {name:<28} {shape:?}{note}"))?;
        }
        Ok(Done::Everything)
    }
}
