//! `info MODEL`

use super::{Done, Outcome, clip, print_line};
use crate::terminal::printable_line;
use clap::Args;
use reslstm::models::branches::{Branch, ColumnGroup};
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
        let ensemble = file.metadata().map(|metadata| &metadata.branches).filter(|branches| !branches.is_none());
        for (number, branch) in file.branches().iter().enumerate() {
            let prefix = ensemble.map_or(String::new(), |_| format!("branches.{number}."));
            branch.model().visit(&Path::ROOT, &mut |path, role, shape, _| {
                tensors.push((format!("{prefix}{path}"), shape.to_vec(), role == Role::Parameter));
            });
        }
        let branches = ensemble.map(|branches| -> Vec<Value> {
            let of_branch = |(group, branch): (&ColumnGroup, &Branch)| {
                let (arch, parameters) = (branch.model().architecture(), branch.model().parameter_count());
                json!({ "columns": group.to_string(), "arch": arch, "inputs": branch.columns().len(), "parameters": parameters })
            };
            branches.groups().iter().zip(file.branches()).map(of_branch).collect()
        });
        let metadata = serde_json::to_value(file.metadata())?;
        let arch = file.architecture();
        let parameters = file.parameter_count();
        if self.json {
            let tensors: Vec<Value> = tensors
                .iter()
                .map(|(name, shape, learned)| json!({ "name": name, "shape": shape, "learned": learned }))
                .collect();
            let (inputs, classes) = (file.inputs(), file.model().classes());
            let mut shown = json!({ "arch": arch, "parameters": parameters, "inputs": inputs, "classes": classes,
                                    "labels": file.labels(), "metadata": metadata, "tensors": tensors });
            if let Some(branches) = branches {
                shown["ensemble"] = branches.into();
            }
            print_line(shown)?;
            return Ok(Done::Everything);
        }
        let (inputs, classes) = (file.inputs(), file.model().classes());
        print_line(format_args!("{arch}: {parameters} parameters, {inputs} inputs, {classes} classes"))?;
        for (number, branch) in branches.iter().flatten().enumerate() {
            if number == 0 {
                print_line(format_args!(
                    "an ensemble: the probabilities of {} branches are averaged",
                    file.branches().len()
                ))?;
            }
            let [arch, columns] = ["arch", "columns"].map(|key| branch[key].as_str().expect("text"));
            let (inputs, parameters) = (&branch["inputs"], &branch["parameters"]);
            print_line(format_args!(
                "branch {}: {arch} on {inputs} columns ({columns}), {parameters} parameters",
                number + 1
            ))?;
        }
        // What a stranger wrote cannot look like another entry.
        print_line(format_args!("labels: {}", printable_line(&file.labels().join(", "))))?;
        match &metadata {
            Value::Object(entries) => {
                for (name, value) in entries.iter().filter(|(name, _)| *name != "labels") {
                    match value {
                        Value::Array(values) if values.len() > 30 => {
                            print_line(format_args!("{name}: {} values", values.len()))?;
                        }
                        Value::String(text) => print_line(format_args!("{name}: {}", printable_line(text)))?,
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
