//! A page to be read from top to bottom: headings, text, tables, figures.

use super::page::{Page, escape};
use crate::experiment::results::program;
use serde_json::Value;
use std::fmt::Write;

/// Pixels of a figure that are as wide as the page's letters are high.
const PIXELS_OF_A_REM: f64 = 15.0;

/// A page in the making.
#[derive(Clone, Debug)]
pub struct Sheet {
    title: String,
    body: String,
}

/// Writing into the memory of a page cannot fail.
macro_rules! put {
    ($sheet:expr, $($text:tt)*) => { write!($sheet.body, $($text)*).expect("writing to a string") };
}

impl Sheet {
    /// With its title, and what the most important is, in a sentence or two.
    pub fn new(title: &str, lead: &str) -> Self {
        let mut sheet = Sheet { title: title.into(), body: String::new() };
        let title = escape(title);
        put!(
            sheet,
            "<header><h1>{title}</h1><button id=\"theme\" aria-label=\"light or dark\">◐</button></header>\n<main>\n"
        );
        put!(sheet, "<p class=\"lead\">{}</p>\n", escape(lead));
        sheet
    }

    /// A part begins.
    pub fn heading(&mut self, text: &str) {
        put!(self, "<h2>{}</h2>\n", escape(text));
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        put!(self, "<p>{}</p>\n", escape(text));
    }

    /// What is typed in a terminal.
    pub fn command(&mut self, line: &str) {
        put!(self, "<pre><code>{}</code></pre>\n", escape(line));
    }

    /// Names, each with what there is to say.
    pub fn facts(&mut self, facts: &[(&str, String)]) {
        self.body.push_str("<dl>\n");
        for (name, value) in facts {
            put!(self, "<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value));
        }
        self.body.push_str("</dl>\n");
    }

    /// A table: the first column names the rows.
    pub fn table(&mut self, caption: &str, header: &[String], rows: &[Vec<String>]) {
        put!(self, "<div class=\"wide\"><table><caption>{}</caption>\n<thead><tr>", escape(caption));
        for name in header {
            put!(self, "<th scope=\"col\">{}</th>", escape(name));
        }
        self.body.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.body.push_str("<tr>");
            for (column, field) in row.iter().enumerate() {
                let (tag, scope) = if column == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                put!(self, "<{tag}{scope}>{}</{tag}>", escape(field));
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// A figure, given as the text of an SVG file.
    pub fn figure(&mut self, svg: &str, caption: &str) {
        let (svg, caption) = (inlined(svg), escape(caption));
        put!(self, "<figure role=\"img\" aria-label=\"{caption}\">{svg}<figcaption>{caption}</figcaption></figure>\n");
    }

    /// What follows, up to [`close`](Self::close), is shown to those who open it.
    pub fn open(&mut self, summary: &str) {
        put!(self, "<details><summary>{}</summary>\n", escape(summary));
    }

    /// Ends [`open`](Self::open).
    pub fn close(&mut self) {
        self.body.push_str("</details>\n");
    }

    /// The end of every page: what the licence of the data asks for, empty where it is not known, and what made the page.
    pub fn licence(&mut self, licence: &str) {
        self.heading("Licence");
        match licence {
            "" => self.text(
                "The licence of the data is not known here; models trained on them may be bound by it. RAVDESS, for one, is CC \
                 BY-NC-SA 4.0: no commercial use.",
            ),
            licence => self.text(&format!("The models: {licence}")),
        }
        self.text(&format!("Page made by {}.", program()));
    }

    /// The page, as HTML text.
    pub fn html(&self) -> String {
        Page {
            title: &self.title,
            style: include_str!("page/sheet.css"),
            body: &format!("{}</main>\n", self.body),
            data: &Value::Null,
            script: include_str!("page/sheet.js"),
        }
        .html()
    }
}

/// A figure for use within HTML: no name space, which is known there, so that a page names no address; and a width that grows with the
/// page's letters.
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

    #[test]
    fn whatever_is_written_is_text() {
        let mut sheet = Sheet::new("<t>", "<l>");
        sheet.heading("<h>");
        sheet.text("<p>");
        sheet.command("a < b");
        sheet.facts(&[("<n>", "<v>".into())]);
        sheet.table("<c>", &["<a>".into()], &[vec!["<b>".into(), "<d>".into()]]);
        sheet.open("<s>");
        let svg = "<svg width=\"900\" height=\"6\" xmlns=\"http://www.w3.org/2000/svg\"><path/></svg>";
        sheet.figure(svg, "\"<f>\"");
        sheet.close();
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
