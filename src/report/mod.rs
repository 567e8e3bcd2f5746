//! Figures, tables and pages.
//!
//! A figure is a pure function from values to SVG text, beside one that gives the figure's data as CSV text:
//!
//! | file                     | shows                                                                              |
//! |--------------------------|------------------------------------------------------------------------------------|
//! | [`signal_flow`]          | one clip through the layers of a model (Fig. 3)                                    |
//! | [`confusion`]            | what each class was taken for (Fig. 4)                                             |
//! | [`embeddings`]           | clips as the model and as the features see them, in two dimensions (Fig. 5)        |
//! | [`learning_curves`]      | loss and validation UAR, epoch by epoch                                            |
//! | [`seeds`]                | UAR of every fold of every run                                                     |
//! | [`groups`]               | recall by emotion, sex and intensity                                               |
//! | [`parameters`]           | UAR against the size of the model, beside the paper's tables                       |
//! | [`gradient_flow`]        | how far the gradient reaches                                                       |
//!
//! [`principal_components`] has the mathematics of Fig. 5, [`published`] the numbers of the paper.
//!
//! Figures are drawn as SVG that reads on light and dark paper alike: no background, text and axes in a grey that both carry, colours
//! that both carry and that colour-blind readers tell apart; shapes say again what colours say.

mod base64;
mod colours;
pub mod confusion;
mod drawing;
pub mod embeddings;
pub mod explain;
pub mod gradient_flow;
pub mod groups;
pub mod learning_curves;
pub mod page;
pub mod parameters;
pub mod principal_components;
pub mod published;
pub mod seeds;
pub mod signal_flow;
pub mod table1;
pub mod table2;

use std::fmt::Display;

/// A table as CSV text: a header, then a line a row, every field quoted where it must be.
fn csv_text<R: IntoIterator<Item = F>, F: Display>(
    header: &[impl AsRef<[u8]>],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = "writing to memory";
    table.write_record(header).expect(written);
    for row in rows {
        table.write_record(row.into_iter().map(|field| field.to_string())).expect(written);
    }
    String::from_utf8(table.into_inner().expect(written)).expect("made of text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(csv_text(&["a", "b"], [["low, slow", "2"]]), "a,b\n\"low, slow\",2\n");
    }
}
