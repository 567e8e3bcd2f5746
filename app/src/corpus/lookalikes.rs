//! Names that a person would take for one another: `High` and `high`, `1` and `01`, one with an invisible character.

use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// A name without what cannot be seen: in one Unicode form, no invisible characters, no blanks at the ends or twice.
fn clean(name: &str) -> String {
    let visible = |c: &char| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let plain: String = name.nfkc().filter(visible).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What two names that look alike have in common: they are [`clean`], in lower case, without leading zeros of a number.
pub(super) fn key(name: &str) -> String {
    let plain: String = clean(name).chars().flat_map(char::to_lowercase).collect();
    let mut key = String::new();
    let mut after_digit = false;
    let mut rest = plain.chars().peekable();
    while let Some(c) = rest.next() {
        let leading_zero = c == '0' && !after_digit && rest.peek().is_some_and(char::is_ascii_digit);
        if !leading_zero {
            key.push(c);
            after_digit = c.is_ascii_digit();
        }
    }
    key
}

/// Merges names that look alike, with a note per group; without `merge`, a warning per group. `what` they are, and what they count
/// as, both in the plural. They become the most frequent of the group, of equals the first in order, [`clean`].
pub fn settle(what: &str, count_as: &str, mut names: Vec<&mut String>, merge: bool) -> Vec<String> {
    let mut groups: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for name in &names {
        *groups.entry(key(name)).or_default().entry(name.to_string()).or_insert(0) += 1;
    }
    groups.retain(|_, names| names.len() > 1);
    let mut said = Vec::new();
    for (key_of_group, group) in groups {
        // Invisible characters are shown by their codes.
        let shown: Vec<String> = group.keys().map(|name| format!("`{}`", name.escape_debug())).collect();
        let shown = shown.join(" and ");
        if !merge {
            said.push(format!(
                "warning: {what} {shown} look alike but count as different {count_as}: if they are one, --normalise-labels merges them"
            ));
            continue;
        }
        // In reverse, the first of equals is the last, which is the one that is chosen.
        let most = group
            .iter()
            .rev()
            .max_by_key(|(_, count)| **count)
            .map(|(name, _)| clean(name))
            .expect("a group has names");
        names.iter_mut().filter(|name| key(name) == key_of_group).for_each(|name| name.clone_from(&most));
        said.push(format!("note: {what} {shown} are merged as `{most}`"));
    }
    said
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

    /// The names afterwards, and what is said.
    fn settled(names: &[&str], merge: bool) -> (Vec<String>, Vec<String>) {
        let mut names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let said = settle("labels", "classes", names.iter_mut().collect(), merge);
        (names, said)
    }

    #[test]
    fn each_group_is_one_warning_and_single_names_are_none() {
        let names = ["a", "A", "b", "a", "c", "C", "c "];
        let (after, found) = settled(&names, false);
        assert_eq!((after, found.len()), (names.map(String::from).to_vec(), 2));
        assert!(
            found[0].starts_with(
                "warning: labels `A` and `a` look alike but count as different classes: if they are one, --norm"
            ),
            "{found:?}"
        );
        assert!(found[1].contains("`C` and `c` and `c `"), "{found:?}");
    }

    #[test]
    fn names_that_look_alike_become_the_most_frequent_one() {
        let (after, said) =
            settled(&["High", "high", "high", "low", "LOW", "7", "007", "b", "\u{200b}x", "x", "\u{200b}x"], true);
        assert_eq!(after, ["high", "high", "high", "LOW", "LOW", "007", "007", "b", "x", "x", "x"]);
        assert_eq!(
            said,
            [
                "note: labels `007` and `7` are merged as `007`",
                "note: labels `High` and `high` are merged as `high`",
                "note: labels `LOW` and `low` are merged as `LOW`",
                "note: labels `x` and `\\u{200b}x` are merged as `x`",
            ]
        );
    }
}
