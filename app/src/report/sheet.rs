//! A page of headings, text, tables and figures.

use super::page::Page;
use super::table::Table;
use crate::experiment::results::program;
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

/// Pixels of a figure per rem of the page.
const PIXELS_OF_A_REM: f64 = 15.0;

/// A page in the making.
#[derive(Clone, Debug)]
pub struct Sheet {
    title: String,
    /// HTML.
    body: String,
}

impl Sheet {
    /// A page with a title and its main result in a sentence or two.
    pub fn new(title: &str, lead: &str) -> Self {
        let mut sheet = Sheet { title: title.into(), body: String::new() };
        sheet.push(html! { p.lead { (lead) } });
        sheet
    }

    /// HTML of the page's own.
    pub(super) fn push(&mut self, markup: Markup) {
        self.body += &markup.into_string();
        self.body.push('\n');
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        self.push(html! { h2 { (text) } });
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        self.push(html! { p { (text) } });
    }

    /// A command for a terminal.
    pub fn command(&mut self, line: &str) {
        self.push(html! { pre { code { (line) } } });
    }

    /// Names and values.
    pub fn facts(&mut self, facts: &[(&str, String)]) {
        self.push(html! { dl { @for (name, value) in facts { dt { (name) } dd { (value) } } } });
    }

    /// A table: the first column names the rows.
    pub fn table(&mut self, caption: &str, table: &Table) {
        self.push(table.html(caption));
    }

    /// A figure, given as the text of an SVG file.
    pub fn figure(&mut self, svg: &str, caption: &str) {
        self.push(html! {
            figure role="img" aria-label=(caption) { (PreEscaped(inlined(svg))) figcaption { (caption) } }
        });
    }

    /// A part that readers can open, with the content that `fill` writes.
    pub fn details(&mut self, summary: &str, fill: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.body);
        fill(self);
        let inside = std::mem::replace(&mut self.body, before);
        self.push(html! { details { summary { (summary) } (PreEscaped(inside)) } });
    }

    /// The end of every page: the licence of the data, empty if it is not known, and the program that made the page.
    pub fn licence(&mut self, licence: &str) {
        self.heading("Licence");
        match licence {
            "" => self.text(
                "The licence of the data is not known here; models trained on them may be bound by it. RAVDESS, for one, is CC \
                 BY-NC-SA 4.0: no commercial use.",
            ),
            licence => self.text(&format!("The models: {licence}")),
        }
        self.made_by();
    }

    /// The program that made the page.
    pub fn made_by(&mut self) {
        self.text(&format!("Page made by {}.", program()));
    }

    /// The page, as HTML text.
    pub fn html(&self) -> String {
        self.html_with("", &Value::Null, "")
    }

    /// The page with more CSS, and with data for a script.
    pub(super) fn html_with(&self, style: &str, data: &Value, script: &str) -> String {
        let body = html! {
            header { h1 { (self.title) } button #theme aria-label="light or dark" { "◐" } }
            main { (PreEscaped(&self.body)) }
        };
        Page {
            title: &self.title,
            style: &(include_str!("page/sheet.css").to_string() + style),
            body: &body.into_string(),
            data,
            script: &(include_str!("page/sheet.js").to_string() + script),
        }
        .html()
    }
}

/// A figure for use within HTML: without the name space, so that the page contains no address, and with a width that grows with
/// the font size of the page.
fn inlined(svg: &str) -> String {
    let svg = svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
    let width = svg.strip_prefix("<svg width=\"").and_then(|rest| rest.split_once('"'));
    let Some((width, rest)) = width.and_then(|(width, rest)| Some((width.parse::<f64>().ok()?, rest))) else {
        return svg;
    };
    format!("<svg style=\"width:{}rem\"{rest}", width / PIXELS_OF_A_REM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::Column;

    #[test]
    fn all_text_is_escaped() {
        let mut sheet = Sheet::new("<t>", "<l>");
        sheet.heading("<h>");
        sheet.text("<p>");
        sheet.command("a < b");
        sheet.facts(&[("<n>", "<v>".into())]);
        let mut table = Table::new(vec![Column::left("<a>", 0), Column::left("", 0)]);
        table.push(vec!["<b>".into(), "<d>".into()]);
        sheet.table("<c>", &table);
        let svg = "<svg width=\"900\" height=\"6\" xmlns=\"http://www.w3.org/2000/svg\"><path/></svg>";
        sheet.details("<s>", |sheet| sheet.figure(svg, "\"<f>\""));
        let html = sheet.html();
        let body = &html[html.find("<body>").unwrap()..];
        for name in ["t", "l", "h", "n", "v", "c", "a", "b", "d", "s", "f"] {
            assert!(body.contains(&format!("&lt;{name}&gt;")), "{name}: {body}");
        }
        assert!(
            body.contains("<svg style=\"width:60rem\" height=\"6\"><path/></svg>")
                && body.contains("aria-label=\"&quot;&lt;f&gt;&quot;\""),
            "{body}"
        );
        assert!(
            body.contains("<th scope=\"row\">&lt;b&gt;</th><td>&lt;d&gt;</td>") && !body.contains("http"),
            "{body}"
        );
    }
}
