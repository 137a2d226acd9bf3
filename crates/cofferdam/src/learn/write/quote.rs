//! Text of others in a policy: it cannot end a string or a comment, nor be hidden.

use std::path::Path;

/// A path as a TOML string. Only called for paths that are text.
pub(super) fn quote(path: &Path) -> String {
    quote_text(&path.to_string_lossy())
}

/// A basic string (TOML 1.0).
pub(super) fn quote_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if is_hidden(c) => quoted += &format!("\\U{:08X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Text without characters that end a comment or cannot be seen.
pub(super) fn escape(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        match is_hidden(c) {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    clean
}

pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Control characters, and those that have no width or turn the direction of writing.
pub(in crate::learn) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
