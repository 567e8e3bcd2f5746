//! Table II: the paper's comparison with the literature, with our runs of its model in place.

use super::csv_text;
use super::published::{MODEL, Published, TABLE_1, TABLE_2};
use super::table1::Table1;
use reslstm::train::Protocol;
use serde::Serialize;
use std::fmt::Write;

/// The table, from the lowest UAR to the highest.
#[derive(Clone, Debug, Serialize)]
pub struct Table2 {
    /// Everybody's.
    pub rows: Vec<Row>,
}

/// A model on RAVDESS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is called.
    pub model: String,
    /// Number of learned values, where it is reported.
    pub parameters: Option<usize>,
    /// Unweighted average recall.
    pub uar: f64,
    /// The protocol, where it is ours.
    pub ours: Option<Protocol>,
    /// What the number is, where it is not the only one.
    pub remark: String,
}

impl Table2 {
    /// With the rows that `table1` has of the model that the paper compares: the same one, not the best of ours.
    pub fn of(table1: &Table1) -> Self {
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
            Row {
                model: "ResLSTM-SA-h64".into(),
                parameters: Some(ours.parameters),
                uar: ours.uar.mean,
                ours: Some(protocol),
                remark: format!("ours, {protocol}, mean of runs ({runs}), best {:.4}", ours.uar.max),
            }
        }));
        rows.sort_by(|a, b| a.uar.total_cmp(&b.uar));
        Table2 { rows }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "Table II. Models on RAVDESS by UAR: the literature as the paper cites it, the paper's model, and ours.\n\n\
             {:<34} {:>10} {:>7}\n",
            "model", "parameters", "UAR"
        );
        for Row { model, parameters, uar, remark, .. } in &self.rows {
            let parameters = parameters.map_or("–".into(), |count| format!("{:.2} M", count as f64 / 1e6));
            let line = format!("{model:<34} {parameters:>10} {uar:>7.4}  {remark}");
            writeln!(text, "{}", line.trim_end()).expect("writing to a string");
        }
        text
    }

    /// The same as a table with a header, every digit kept.
    pub fn csv(&self) -> String {
        let fields = |row: &Row| {
            let parameters = row.parameters.map_or(String::new(), |count| count.to_string());
            let ours = row.ours.map_or(String::new(), |protocol| protocol.to_string());
            [row.model.clone(), parameters, row.uar.to_string(), ours, row.remark.clone()]
        };
        csv_text(&["model", "parameters", "uar", "ours", "remark"], self.rows.iter().map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::published::Published;

    #[test]
    fn the_literature_stands_in_the_paper_s_order_with_the_paper_s_best_run() {
        let table = Table2::of(&Table1 { rows: Vec::new() });
        let models: Vec<&str> = table.rows.iter().map(|row| row.model.as_str()).collect();
        let mut expected = TABLE_2.map(|row: Published| row.name).to_vec();
        expected.insert(4, "ResLSTM-SA-h64");
        assert_eq!(models, expected);
        assert_eq!((table.rows[4].uar, table.rows[4].ours), (0.6517, None));
        let text = table.text();
        assert!(text.contains("\nCNN+LSTM                                    –  0.5671\n"), "{text}");
    }
}
