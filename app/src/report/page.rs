//! A self-contained page: one HTML file with its style, script and numbers, which needs no network.

use crate::terminal::printable;
use maud::{DOCTYPE, PreEscaped, html};
use serde_json::Value;

/// The content security policy: the browser loads nothing from outside the page. WebAssembly in it may run (`lab`), and scripts
/// that it made itself (an audio worklet).
const CLOSED: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'wasm-unsafe-eval' data:; img-src data:; media-src data:";

/// The parts of a page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The title in the browser.
    pub title: &'a str,
    /// CSS, after that of all pages.
    pub style: &'a str,
    /// HTML within `<body>`.
    pub body: &'a str,
    /// The data for the script, as JSON in the element `data`.
    pub data: &'a Value,
    /// JavaScript, after that of all pages.
    pub script: &'a str,
}

impl Page<'_> {
    /// The file.
    pub fn html(&self) -> String {
        let (all_style, all_script) = (include_str!("page/page.css"), include_str!("page/page.js"));
        // Within a script element only `</script` has a meaning, and JSON can write its `<` in another way.
        let data = self.data.to_string().replace('<', "\\u003c");
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(CLOSED);
                    title { (self.title) }
                    style { (PreEscaped(all_style)) (PreEscaped(self.style)) }
                }
                body {
                    (PreEscaped(self.body))
                    script type="application/json" id="data" { (PreEscaped(data)) }
                    script { (PreEscaped(all_script)) (PreEscaped(self.script)) }
                }
            }
        };
        // Names may hold control characters, which HTML does not allow.
        printable(&page.into_string()) + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_a_page() {
        let data = serde_json::json!({ "name": "</script><b>" });
        let html = Page { title: "<a & \"b\">", style: "", body: "", data: &data, script: "" }.html();
        assert!(html.contains("<title>&lt;a &amp; &quot;b&quot;&gt;</title>"), "{html}");
        assert!(html.contains(r#"{"name":"\u003c/script>\u003cb>"}"#), "{html}");
    }
}
