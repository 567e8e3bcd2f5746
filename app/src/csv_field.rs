//! Text fields of CSV: a spreadsheet takes a field that begins with `=`, `+`, `-` or `@` for a formula and runs it, and names and
//! labels come from files of strangers.

use std::borrow::Cow;

/// Beginnings of formulas. Spreadsheets skip a tab or a line end before them.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The field for a text: with `'` before what a spreadsheet would take for a formula. Numbers stay as they are.
pub fn field(text: &str) -> Cow<'_, str> {
    match text.starts_with(FORMULA) && text.parse::<f64>().is_err() {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

/// The text of a [`field`].
pub fn text(field: &str) -> &str {
    field.strip_prefix('\'').filter(|text| text.starts_with(FORMULA)).unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text_and_numbers_stay_numbers() {
        for formula in ["=HYPERLINK(\"http://x\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(field(formula), format!("'{formula}"));
            assert_eq!(text(&field(formula)), formula);
        }
        for plain in ["-1.5", "-inf", "+2", "1e-7", "", "anger", "a=b", "'quoted'"] {
            assert_eq!((field(plain).as_ref(), text(plain)), (plain, plain));
        }
    }
}
