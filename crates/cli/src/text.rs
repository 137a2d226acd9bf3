//! What is written to the terminal: nothing that a hostile name could steer it with.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// The text with each control character, and each character that turns the direction of writing,
/// in the form `\u{1b}`. A name that a program chose could else move the cursor or forge a line.
pub(crate) fn escape(text: impl Display) -> String {
    let text = text.to_string();
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_direction(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// As [`escape`], for text of several lines that are meant.
pub(crate) fn escape_lines(text: impl Display) -> String {
    let text = text.to_string();
    let mut clean: Vec<String> = text.split('\n').map(escape).collect();
    for line in &mut clean {
        line.truncate(line.trim_end().len());
    }
    clean.join("\n")
}

/// Unicode's marks of direction and of line and paragraph (UAX #9, and U+2028, U+2029).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Adds words to `text` after a label of `indent` columns; lines that are too long go on below the
/// first word. A line of its own in `words`, as of a file to be written, stays one.
pub(crate) fn wrap(text: &mut String, label: &str, words: &str, indent: usize) {
    const WIDTH: usize = 100;
    let mut column = indent;
    *text += &format!("{label:<indent$}");
    for (number, line) in words.lines().enumerate() {
        if number > 0 {
            *text += &format!("\n{:indent$}", "");
            column = indent;
        }
        for (index, word) in line.split_whitespace().enumerate() {
            let length = word.chars().count();
            if index > 0 && column + 1 + length > WIDTH {
                *text += &format!("\n{:indent$}", "");
                column = indent;
            } else if index > 0 {
                text.push(' ');
                column += 1;
            }
            *text += word;
            column += length;
        }
    }
    text.push('\n');
}

/// Says what went wrong, and under it what to do; lines of a remedy stay lines.
pub(crate) fn complain(what: impl Display, remedies: &[String]) {
    let mut text = format!("cofferdam: {}\n", escape(what));
    for (index, remedy) in remedies.iter().enumerate() {
        let label = if index == 0 { "what to do" } else { "or" };
        let remedy = escape_lines(remedy).replace('\n', "\n    ");
        text += &format!("  {label}: {remedy}\n");
    }
    note(&text);
}

/// Writes to standard error. Where it leads nowhere there is nobody to tell.
pub(crate) fn note(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to standard output; exit code 1 when it cannot be written.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, such as `head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            complain(
                format_args!("standard output cannot be written: {error}"),
                &[],
            );
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{escape, escape_lines, wrap};

    #[test]
    fn long_lines_go_on_below_the_first_word() {
        let mut text = String::new();
        wrap(&mut text, "label", &"word ".repeat(30), 8);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("label   word word"), "{text}");
        assert!(lines[1].starts_with("        word"), "{text}");
        assert!(lines.iter().all(|line| line.len() <= 100), "{text}");
        assert_eq!(text.matches("word").count(), 30);
        text.clear();
        wrap(&mut text, "to do", "write this:\nfirst {\n  second", 8);
        assert_eq!(
            text,
            "to do   write this:\n        first {\n        second\n"
        );
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(escape("a\u{1b}[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(escape("a\nb\rc\u{9b}d"), r"a\nb\rc\u{9b}d");
        assert_eq!(escape("\u{202e}txt"), r"\u{202e}txt");
        assert_eq!(escape("añ → ü"), "añ → ü");
    }

    #[test]
    fn lines_that_are_meant_stay() {
        assert_eq!(escape_lines("a\u{7}\n  b  \n"), "a\\u{7}\n  b\n");
    }
}
