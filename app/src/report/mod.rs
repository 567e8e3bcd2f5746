//! Figures, tables and pages.
//!
//! A figure is a pure function from values to SVG text, with a second one that gives its data as CSV text:
//!
//! | file                     | shows                                                                              |
//! |--------------------------|------------------------------------------------------------------------------------|
//! | [`signal_flow`]          | one clip through the layers of a model (Fig. 3)                                    |
//! | [`confusion`]            | the confusion matrix (Fig. 4)                                                      |
//! | [`embeddings`]           | embeddings and averaged features of clips in two dimensions (Fig. 5)               |
//! | [`learning_curves`]      | loss and validation UAR by epoch                                                   |
//! | [`seeds`]                | UAR of every fold of every run                                                     |
//! | [`groups`]               | recall by emotion, sex and intensity                                               |
//! | [`parameters`]           | UAR against the number of parameters, with the paper's tables                      |
//! | [`robustness`]           | UAR in other conditions, reliability diagram                                       |
//! | [`augmentation`]         | one clip as recorded and augmented                                                 |
//! | [`gradient_flow`]        | norms of the gradients over the frames of a clip                                   |
//!
//! A page is one HTML file without references to others:
//!
//! | file                     | shows                                                                              |
//! |--------------------------|------------------------------------------------------------------------------------|
//! | [`explain`]              | every step of a model on one clip                                                  |
//! | [`lab`]                  | the engine itself, which runs in the page                                          |
//! | [`results_page`]         | cross-validations, and the paper's tables                                          |
//! | [`audit_page`]           | an audit of gradients, with the figures of [`audit_figures`]                       |
//! | [`study_page`]           | a search for hyper-parameters, with the figures of `study_figures`                 |
//!
//! [`comparison`], [`table1`] and [`table2`] are tables, made of a [`table::Table`], which writes text, CSV and HTML.
//! [`principal_components`] has the mathematics of Fig. 5, [`published`] the numbers of the paper.
//!
//! Figures are SVG for light and dark backgrounds: no background of their own, text and axes in grey, colours with contrast on
//! both that colour-blind readers can tell apart. Shapes repeat the information of colours.

pub mod audit_figures;
pub mod audit_page;
pub mod augmentation;
mod colours;
pub mod comparison;
pub mod confusion;
pub mod decomposition;
mod drawing;
pub mod embeddings;
pub mod explain;
pub mod gradient_flow;
pub mod groups;
pub mod lab;
pub mod learning_curves;
mod marks;
pub mod page;
pub mod parameters;
pub mod principal_components;
pub mod published;
pub mod results_page;
pub mod robustness;
pub mod seeds;
mod sheet;
pub mod signal_flow;
mod study_figures;
pub mod study_page;
pub mod table;
pub mod table1;
pub mod table2;

use crate::csv_field::field;
use crate::experiment::Results;
use reslstm::train::{Protocol, Spread};
use std::fmt::Display;

/// A figure: a picture and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// SVG text.
    pub svg: String,
    /// CSV text, with a header.
    pub csv: String,
}

/// The title of results: model, protocol, score, runs.
pub fn title(results: &Results) -> String {
    let settings = &results.plan.settings;
    let uar = Spread::new(results.runs.iter().map(|run| run.scores.uar).collect());
    let several = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (runs, folds) = (several(uar.values.len(), "run"), several(results.runs[0].folds.len(), "fold"));
    let note = note_behind(settings.protocol);
    format!("{}, {} protocol: UAR {uar}, {runs} of {folds}{note}", settings.arch, settings.protocol)
}

/// What must be said of scores under a protocol, to stand behind a title: `, chosen on …`; empty if nothing must.
pub fn note_behind(protocol: Protocol) -> String {
    protocol.score_note().map_or(String::new(), |note| format!(", {note}"))
}

/// What must be said of scores under these protocols, one line for each protocol that has a note.
pub fn score_notes(protocols: impl Iterator<Item = Protocol>) -> String {
    let mut noted: Vec<Protocol> = Vec::new();
    for protocol in protocols {
        if !noted.contains(&protocol) {
            noted.push(protocol);
        }
    }
    noted.into_iter().filter_map(|it| Some(format!("{it}: {}\n", it.score_note()?))).collect()
}

/// CSV text: a header, then one line per row, with quotes where they are needed, and no text that a spreadsheet would run.
fn csv_text<R: IntoIterator<Item = F>, F: Display>(
    header: &[impl AsRef<[u8]>],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = "writing to memory";
    let names = header.iter().map(|name| field(&String::from_utf8_lossy(name.as_ref())).into_owned());
    table.write_record(names).expect(written);
    for row in rows {
        table.write_record(row.into_iter().map(|text| field(&text.to_string()).into_owned())).expect(written);
    }
    String::from_utf8(table.into_inner().expect(written)).expect("made of text")
}

#[cfg(test)]
mod any_results;
#[cfg(test)]
mod example;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(csv_text(&["a", "b"], [["low, slow", "2"]]), "a,b\n\"low, slow\",2\n");
        assert_eq!(csv_text(&["a", "=b"], [["+c", "-2.5"]]), "a,'=b\n'+c,-2.5\n");
    }

    #[test]
    fn the_title_has_model_score_and_number_of_runs() {
        let mut results = example::results();
        // Recalls of run 0: 1, 2/3, 1; of run 3: 0, 0, 1.
        assert_eq!(title(&results), "reslstm-sa-h64, strict protocol: UAR 0.6111 ± 0.2778, 2 runs of 2 folds");
        results.runs.truncate(1);
        assert_eq!(title(&results), "reslstm-sa-h64, strict protocol: UAR 0.8889, 1 run of 2 folds");
    }
}
