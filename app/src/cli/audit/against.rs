//! `audit --against` and `audit --gradients`: cases, files with a batch, weights and results.

use super::{Audit, CLASSES, INPUTS, tensor_json};
use crate::cli::options::WrongCall;
use crate::cli::{Done, Outcome, print_line, progress};
use crate::files::{self, Existing};
use crate::report::audit_page::verdict;
use clap::Args;
use reslstm::audit::case::{Case, Compared, Diagnosis, Explanation};
use reslstm::data::batch::Example;
use reslstm::error::{Error, Kind};
use reslstm::packed::Padding;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Names of tensors in one line of text; JSON has them all.
const MOST_NAMES: usize = 6;

#[derive(Debug, Args)]
pub struct CaseOptions {
    /// Compare the results of another program, in a file, with ours
    ///
    /// The file holds a batch, weights and any results: logits, loss, attention, gradients, running statistics, weights after steps of
    /// Adam. One row per tensor; below the table, the known fault that explains the wrong ones. docs/audit.md lists the keys.
    #[arg(long, value_name = "CASE.safetensors",
          conflicts_with_all = ["arch", "seed", "audio", "model", "label", "per", "flow", "html"])]
    against: Option<PathBuf>,
    /// Write our results as such a file, for --against, --audio or one --arch
    #[arg(long, value_name = "OUT.safetensors", conflicts_with_all = ["per", "flow", "html"])]
    gradients: Option<PathBuf>,
}

impl CaseOptions {
    pub fn given(&self) -> bool {
        self.against.is_some() || self.gradients.is_some()
    }
}

impl Audit {
    pub(super) fn run_case(&self) -> Outcome {
        let CaseOptions { against, gradients } = &self.case;
        if let Some(out) = gradients {
            files::check_writable(out, Existing::Replace)?;
        }
        let case = match against {
            None => self.own_case()?,
            Some(path) => {
                let bytes = files::read(path)?;
                Case::read(&bytes).map_err(|error| error.at(path.display()))?
            }
        };
        if let Some(out) = gradients {
            files::write_atomically(out, &case.to_bytes())?;
            message!("written to {}", out.display());
        }
        match against {
            None => Ok(Done::Everything),
            Some(path) => report(path, &case, self.json),
        }
    }

    /// A case of ours: a model on a clip in evaluation mode, or random weights on a random batch.
    fn own_case(&self) -> anyhow::Result<Case> {
        if let Some(path) = &self.audio {
            let clip = self.read_clip(path)?;
            return Ok(Case::new(clip.model, &[Example { frames: clip.x, label: clip.label }], Padding::Ignored)?);
        }
        let [arch] = self.arch[..] else {
            let problem =
                format!("--gradients: expected one --arch, --audio or --against, got {} --arch", self.arch.len());
            return Err(WrongCall(Error::new(Kind::Settings, problem)).into());
        };
        Ok(Case::random(arch, INPUTS, CLASSES, self.seed)?)
    }
}

fn report(path: &Path, case: &Case, as_json: bool) -> Outcome {
    let rows = case.compare();
    let bar = progress::bar(0, "diagnosis", "known faults");
    let diagnosis = case.diagnose(&rows, |tasks, task| progress::tasks(&bar, tasks, task));
    bar.finish_and_clear();
    let wrong = rows.iter().filter(|row| !row.passes()).count();
    if as_json {
        let tensors: Vec<Value> = rows.iter().map(|row| tensor_json(row, row.elements(), row.passes())).collect();
        print_line(
            json!({ "case": path.display().to_string(), "arch": case.model().architecture(), "clips": case.clips(),
                           "tensors": tensors, "ignored": case.ignored(), "diagnosis": diagnosis, "passes": wrong == 0 }),
        )?;
    } else {
        print_table(case, &rows)?;
        if wrong > 0 {
            print_diagnosis(&diagnosis, wrong)?;
        }
    }
    if !case.ignored().is_empty() {
        message!("ignored, as no result of this network has such a key: {}", case.ignored().join(", "));
    }
    if wrong == 0 {
        return Ok(Done::Everything);
    }
    message!("error: {}: {wrong} of {} tensors exceed their bound", path.display(), rows.len());
    Ok(Done::SomeFailed)
}

fn print_table(case: &Case, rows: &[Compared]) -> anyhow::Result<()> {
    let padding = if case.padding() == Padding::Counted { "counted" } else { "ignored" };
    let arch = case.model().architecture();
    print_line(format_args!("{arch}: {} clips, padding {padding}; ours in f64 against theirs", case.clips()))?;
    print_line(format_args!(
        "{:<30} {:>9} {:>8}  {:>8} {:<12} {:>13} {:>13} {:>6}  verdict",
        "tensor", "shape", "elements", "error", "at", "ours", "theirs", "bound"
    ))?;
    for row in rows {
        let Compared { name, shape, scaled_error, at, ours, theirs, bound } = row;
        let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        print_line(format_args!(
            "{name:<30} {shape:>9} {:>8}  {scaled_error:>8.1e} {:<12} {ours:>13.6e} {theirs:>13.6e} {bound:>6.0e}  {}",
            row.elements(),
            format!("{at:?}"),
            verdict(row.passes())
        ))?;
    }
    let worst = rows.iter().map(|row| row.scaled_error).fold(0.0, f64::max);
    print_line(format_args!(
        "{:<30} {:>9} {:>8}  {worst:>8.1e} {:<12} {:>13} {:>13} {:>6}  {}",
        "all",
        "",
        rows.iter().map(Compared::elements).sum::<usize>(),
        "",
        "",
        "",
        "",
        verdict(rows.iter().all(Compared::passes))
    ))
}

fn print_diagnosis(diagnosis: &Diagnosis, wrong: usize) -> anyhow::Result<()> {
    for Explanation { sentences, tensors, dropout, .. } in &diagnosis.explanations {
        let probability = dropout.map_or(String::new(), |p| format!(", with probability {p:.3}"));
        print_line(format_args!("\n{}{probability}", sentences.join("\nor ")))?;
        let which = if tensors.len() == wrong { String::new() } else { format!(": {}", some(tensors)) };
        print_line(format_args!("  explains {} of {wrong} wrong tensors{which}", tensors.len()))?;
    }
    if !diagnosis.unexplained.is_empty() {
        print_line(format_args!("\nnone of the known faults explains {}", some(&diagnosis.unexplained)))?;
    }
    Ok(())
}

/// The first names of a list.
fn some(names: &[String]) -> String {
    let shown = names.len().min(MOST_NAMES);
    let more = if shown == names.len() { String::new() } else { format!(" and {} more", names.len() - shown) };
    format!("{}{more}", names[..shown].join(", "))
}
