//! A page of its own: one HTML file that holds its style, its script and its numbers, and asks no network for anything.

use serde_json::Value;

/// What a browser lets the page load: what stands in it, and nothing else.
const CLOSED: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; media-src data:";

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What the browser calls it.
    pub title: &'a str,
    /// CSS, after that of all pages.
    pub style: &'a str,
    /// HTML within `<body>`.
    pub body: &'a str,
    /// What the script finds as JSON in the element `data`.
    pub data: &'a Value,
    /// JavaScript, after that of all pages.
    pub script: &'a str,
}

impl Page<'_> {
    /// The file.
    pub fn html(&self) -> String {
        let (all_style, all_script) = (include_str!("page/page.css"), include_str!("page/page.js"));
        // Within a script element the only text that means something is `</script`, which JSON can spell otherwise.
        let data = self.data.to_string().replace('<', "\\u003c");
        let Page { style, body, script, .. } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{CLOSED}\">\n<title>{title}</title>\n\
             <style>\n{all_style}{style}</style>\n</head>\n<body>\n{body}\
             <script type=\"application/json\" id=\"data\">{data}</script>\n\
             <script>\n{all_script}{script}</script>\n</body>\n</html>\n",
            title = escape(self.title),
        )
    }
}

/// Text as HTML shows it, also within quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
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
