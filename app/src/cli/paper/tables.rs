//! The tables of a folder of cross-validations, written to files in that folder.

use crate::experiment::Results;
use crate::files::{self, Existing};
use crate::report::decomposition::Decomposition;
use crate::report::table1::Table1;
use crate::report::table2::Table2;
use reslstm::error::{Error, Kind, Result};
use serde::Serialize;
use std::path::Path;

/// Both of the paper's tables, and what the first one is made of.
#[derive(Debug, Serialize)]
pub struct Tables {
    table1: Table1,
    table2: Table2,
    decomposition: Decomposition,
}

impl Tables {
    /// Makes the tables from every cross-validation in the folder that has a finished run.
    pub fn new(folder: &Path) -> Result<Self> {
        let results = Results::read_all(folder)?;
        if results.is_empty() {
            let problem = "expected folders of cross-validations with a finished run, found none";
            return Err(Error::new(Kind::Data, problem).at(folder.display()).advice("paper DATA -o DIR makes them"));
        }
        let table1 = Table1::new(&results).map_err(|error| error.at(folder.display()))?;
        Ok(Tables { table2: Table2::new(&table1), table1, decomposition: Decomposition::new(&results) })
    }

    /// Checks that they can be written to a folder later.
    pub fn check_writable(folder: &Path) -> Result<()> {
        files::check_writable(&folder.join("table1.json"), Existing::Replace)
    }

    /// Writes them as text, CSV and JSON.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = |name: &str, text: String| files::write_atomically(&folder.join(name), text.as_bytes());
        text("table1.txt", self.table1.text())?;
        text("table1.csv", self.table1.csv())?;
        files::write_json(&folder.join("table1.json"), &self.table1)?;
        text("table2.txt", self.table2.text())?;
        text("table2.csv", self.table2.csv())?;
        files::write_json(&folder.join("table2.json"), &self.table2)?;
        if !self.decomposition.rows.is_empty() {
            text("decomposition.txt", self.decomposition.text())?;
            text("decomposition.csv", self.decomposition.csv())?;
            files::write_json(&folder.join("decomposition.json"), &self.decomposition)?;
        }
        Ok(())
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}", self.table1.text(), self.table2.text());
        if !self.decomposition.rows.is_empty() {
            text += &format!("\n{}", self.decomposition.text());
        }
        text
    }
}
