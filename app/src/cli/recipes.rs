//! `recipes [NAME]`

use super::options::{BUILT_IN, Recipe, SETTINGS, built_in, text_of};
use super::{Done, Outcome, print_line};
use clap::Args;
use reslstm::error::Result;
use serde_json::{Value, json};
use std::fmt::Write;

/// Show the recipes: named settings for --recipe.
#[derive(Debug, Args)]
#[command(after_help = "Examples: all recipes; one as a file to edit, and a training with it
  reslstm recipes
  reslstm recipes voices > mine.toml
  reslstm train DATA -o model.safetensors --recipe mine.toml")]
pub struct Recipes {
    /// Print this recipe as TOML
    #[arg(value_parser = BUILT_IN.map(|(name, _)| name))]
    name: Option<String>,
    /// Print descriptions and settings as JSON
    #[arg(long)]
    json: bool,
}

impl Recipes {
    pub fn run(self) -> Outcome {
        let shown: Vec<Recipe> = BUILT_IN
            .iter()
            .filter(|(name, _)| self.name.as_deref().is_none_or(|wanted| wanted == *name))
            .map(|(name, _)| built_in(name))
            .collect();
        match &self.name {
            _ if self.json => print_line(json!(shown.iter().map(as_json).collect::<Result<Vec<_>>>()?))?,
            Some(name) => print_line(text_of(name).trim_end())?,
            None => print_line(table(&shown).trim_end())?,
        }
        Ok(Done::Everything)
    }
}

fn as_json(recipe: &Recipe) -> Result<Value> {
    let settings = recipe.layers.settings()?;
    Ok(json!({ "name": recipe.name, "description": recipe.description, "settings": *settings }))
}

/// Descriptions, then one row per setting and one column per recipe.
fn table(recipes: &[Recipe]) -> String {
    let mut text = String::new();
    for Recipe { name, description, .. } in recipes {
        writeln!(text, "{name:<8}  {description}").expect("writing to a string");
    }
    let mut line = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: String = cells.map(|cell| format!("  {cell:<14}")).collect();
        writeln!(text, "{}", format!("{name:<12}{cells}").trim_end()).expect("writing to a string");
    };
    line("", &mut std::iter::empty());
    line("setting", &mut recipes.iter().map(|recipe| recipe.name.clone()));
    for row in &SETTINGS {
        let value = |recipe: &Recipe| recipe.layers.get(row.name).map_or_else(String::new, |value| row.text(value));
        line(row.name, &mut recipes.iter().map(value));
    }
    text
}
