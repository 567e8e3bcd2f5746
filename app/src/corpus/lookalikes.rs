//! Names that a person would take for one another: `High` and `high`, `1` and `01`, one with an invisible character.

use std::collections::{BTreeMap, BTreeSet};
use unicode_normalization::UnicodeNormalization;

/// What two names that look alike have in common: no case, no blanks at the ends or twice, no invisible characters, one Unicode
/// form, no leading zeros of a number.
fn key(name: &str) -> String {
    let visible = |c: &char| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let plain: String = name.nfkc().filter(visible).flat_map(char::to_lowercase).collect();
    let mut key = String::new();
    let mut after_digit = false;
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = words.chars().peekable();
    while let Some(c) = rest.next() {
        let leading_zero = c == '0' && !after_digit && rest.peek().is_some_and(char::is_ascii_digit);
        if !leading_zero {
            key.push(c);
            after_digit = c.is_ascii_digit();
        }
    }
    key
}

/// A warning per group of names that look alike; `what` they are, and what they count as, both in the plural.
pub fn warnings<'a>(what: &str, count_as: &str, names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        groups.entry(key(name)).or_default().insert(name);
    }
    let alike = groups.into_values().filter(|names| names.len() > 1);
    let warning = |names: BTreeSet<&str>| {
        // Invisible characters are shown by their codes.
        let shown: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.escape_debug())).collect();
        format!(
            "warning: {what} {} look alike but count as different {count_as}: write them alike if they are one",
            shown.join(" and ")
        )
    };
    alike.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_in_case_blanks_form_and_leading_zeros() {
        for (a, b) in [
            ("High", "high"),
            ("high", "\u{200b}high"),
            ("very  happy", " very happy"),
            ("fr\u{e9}d", "fre\u{301}d"),
            ("1", "01"),
            ("s7", "S007"),
            ("0", "00"),
        ] {
            assert_eq!(key(a), key(b), "{a} {b}");
        }
        for (a, b) in [("1", "10"), ("100", "10"), ("ann", "anna"), ("a b", "ab"), ("0", "")] {
            assert_ne!(key(a), key(b), "{a} {b}");
        }
    }

    #[test]
    fn each_group_is_one_warning_and_single_names_are_none() {
        let names = ["a", "A", "b", "a", "c", "C", "c "].map(String::from);
        let found = warnings("labels", "classes", &names);
        assert_eq!(found.len(), 2);
        assert!(
            found[0].starts_with("warning: labels `A` and `a` look alike but count as different classes"),
            "{found:?}"
        );
        assert!(found[1].contains("`C` and `c` and `c `"), "{found:?}");
    }
}
