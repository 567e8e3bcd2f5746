//! Everything that is printed: messages for people on stderr, data on stdout.
//!
//! Names and labels come from files of strangers, so control characters in them are escaped: a terminal would obey them. A message
//! that nobody can read any more, as the reader of stderr has ended, is dropped.

use std::fmt::{self, Display};
use std::io::{self, Write};

/// Prints a message for people to stderr, with the arguments of `format!`. Unlike `eprintln!`, it does not panic where stderr is
/// closed.
macro_rules! message {
    ($($argument:tt)*) => { $crate::terminal::print_message(format_args!($($argument)*)) };
}

/// [`message!`], as a function.
pub fn print_message(text: fmt::Arguments<'_>) {
    // One write, so that messages of several processes do not mix.
    let _ = io::stderr().write_all(format!("{}\n", printable(&text.to_string())).as_bytes());
}

/// Prints a line, or several, of data to stdout.
///
/// # Errors
/// Those of stdout; [`BrokenPipe`](io::ErrorKind::BrokenPipe) where its reader has ended.
pub fn print_line(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{}", printable(&line.to_string()))
}

/// Prints an event of long work to stdout, as one line. The work goes on where nobody reads it.
pub fn print_event(event: &serde_json::Value) {
    let _ = print_line(event);
}

/// Text as a terminal may show it: control characters and marks that change the direction of writing are escaped as in JSON, so JSON
/// stays the same value. Line ends and tabs stay.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        // No characters at all, and not allowed in SVG.
        let none = matches!(c, '\u{fffe}' | '\u{ffff}');
        if turns || none || (c.is_control() && c != '\n' && c != '\t') {
            shown.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// [`printable`] text of one line, for what gives each entry a line: line ends and tabs are escaped too, so that a name cannot look
/// like another entry.
pub fn printable_line(text: &str) -> String {
    printable(text).replace('\n', "\\u000a").replace('\t', "\\u0009")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_all_else_stays() {
        assert_eq!(printable("Ärger\t木\n"), "Ärger\t木\n");
        let hostile = "a\u{1b}[2J\u{9b}31m\r\u{7}\u{7f}\u{202e}b";
        assert_eq!(printable(hostile), "a\\u001b[2J\\u009b31m\\u000d\\u0007\\u007f\\u202eb");
        assert_eq!(printable_line("a.wav: sad\n\tb.wav\u{7}"), "a.wav: sad\\u000a\\u0009b.wav\\u0007");
        // JSON that is escaped again is the same value.
        let value = serde_json::json!({ "label": hostile });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printable(&value.to_string())).unwrap(), value);
    }
}
