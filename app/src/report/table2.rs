//! Table II: the paper's comparison with the literature, with our runs of its model.

use super::note_behind;
use super::published::{MODEL, Published, TABLE_1, TABLE_2};
use super::table::{Cell, Column, Table};
use super::table1::Table1;
use reslstm::train::Protocol;
use serde::Serialize;

/// The table, from the lowest UAR to the highest.
#[derive(Clone, Debug, Serialize)]
pub struct Table2 {
    /// Sorted by UAR.
    pub rows: Vec<Row>,
}

/// A model on RAVDESS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub model: String,
    /// Number of parameters, if it is reported.
    pub parameters: Option<usize>,
    /// Unweighted average recall.
    pub uar: f64,
    /// The protocol of our own results.
    pub ours: Option<Protocol>,
    /// Describes the score if the model has several.
    pub remark: String,
}

impl Table2 {
    /// Adds the rows of `table1` for the model that the paper compares: the same model, not our best one.
    pub fn new(table1: &Table1) -> Self {
        let literature = |row: Published| Row {
            model: row.name.into(),
            parameters: row.parameters,
            uar: row.uar,
            ours: None,
            remark: String::new(),
        };
        let mut rows: Vec<Row> = TABLE_2.map(literature).into();
        // The paper's table has the best of its ten runs.
        rows.extend(TABLE_1.into_iter().filter(|row| row.arch == Some(MODEL)).filter_map(|row| {
            let remark = format!("the paper's, best of ten runs, mean {:.4}", row.uar);
            Some(Row { uar: row.max?, remark, ..literature(row) })
        }));
        let ours = table1.rows.iter().map(|row| &row.ours).filter(|ours| ours.arch.to_string() == MODEL);
        rows.extend(ours.map(|ours| {
            let (protocol, runs) = (ours.protocol, ours.uar.values.len());
            let note = note_behind(protocol);
            Row {
                model: "ResLSTM-SA-h64".into(),
                parameters: Some(ours.parameters),
                uar: ours.uar.mean,
                ours: Some(protocol),
                remark: format!("ours, {protocol}{note}, mean of runs ({runs}), best {:.4}", ours.uar.max),
            }
        }));
        rows.sort_by(|a, b| a.uar.total_cmp(&b.uar));
        Table2 { rows }
    }

    /// One row per model.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::left("model", 34).csv(&["model"]),
            Column::right("parameters", 10).csv(&["parameters"]),
            Column::right("UAR", 7).csv(&["uar"]),
            Column::csv_only(&["ours"]),
            Column::left("", 0).gap(2).csv(&["remark"]),
        ]);
        for Row { model, parameters, uar, ours, remark } in &self.rows {
            table.push(vec![
                model.clone().into(),
                Cell::or_missing(*parameters, Cell::Millions),
                Cell::Score(*uar),
                Cell::or_missing(*ours, |protocol| protocol.to_string().into()),
                remark.clone().into(),
            ]);
        }
        table
    }

    /// Aligned text.
    pub fn text(&self) -> String {
        let title =
            "Table II. Models on RAVDESS by UAR: the literature as the paper cites it, the paper's model, and ours.";
        format!("{title}\n\n{}", self.table().text())
    }

    /// CSV text, every digit kept.
    pub fn csv(&self) -> String {
        self.table().csv()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::published::Published;

    #[test]
    fn the_literature_is_in_the_paper_s_order_with_the_paper_s_best_run() {
        let table = Table2::new(&Table1 { rows: Vec::new() });
        let models: Vec<&str> = table.rows.iter().map(|row| row.model.as_str()).collect();
        let mut expected = TABLE_2.map(|row: Published| row.name).to_vec();
        expected.insert(4, "ResLSTM-SA-h64");
        assert_eq!(models, expected);
        assert_eq!((table.rows[4].uar, table.rows[4].ours), (0.6517, None));
        let text = table.text();
        assert!(text.contains("\nCNN+LSTM                                    –  0.5671\n"), "{text}");
    }
}
