//! Hostile text made fit for a terminal.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Bytes that a program chose, shown on one line: control characters, marks of direction, invisible
/// characters and backslashes as escapes, bytes that are no UTF-8 as `\xff`. Nothing else is
/// changed, and different bytes give different text.
///
/// ```
/// use cofferdam_changes::Escaped;
/// let name = b"a\x1b[2J\xff";
/// assert_eq!(Escaped::from(&name[..]).to_string(), r"a\u{1b}[2J\xff");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    tabs: bool,
}

impl<'a> Escaped<'a> {
    /// The same with tabs as they are, for lines of a file.
    #[must_use]
    pub fn with_tabs(self) -> Self {
        Self { tabs: true, ..self }
    }
}

impl<'a> From<&'a [u8]> for Escaped<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, tabs: false }
    }
}

impl<'a> From<&'a OsStr> for Escaped<'a> {
    fn from(text: &'a OsStr) -> Self {
        Self::from(text.as_bytes())
    }
}

impl<'a> From<&'a Path> for Escaped<'a> {
    fn from(path: &'a Path) -> Self {
        Self::from(path.as_os_str())
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\t' && self.tabs {
                    f.write_char(c)?;
                } else if c == '\\' || is_odd(c) {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    f.write_char(c)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a name says something else than it seems to: control, direction and invisible
/// characters, or bytes that are no UTF-8.
pub(crate) fn is_odd_name(name: &OsStr) -> bool {
    name.to_str().is_none_or(|name| name.chars().any(is_odd))
}

/// Control characters; Unicode's marks of direction, line and paragraph (UAX #9); characters
/// without width; tags.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(bytes: &[u8]) -> String {
        Escaped::from(bytes).to_string()
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(escape(b"a\nb\rc\x07\x1b[2J"), r"a\nb\rc\u{7}\u{1b}[2J");
        assert_eq!(
            escape("\u{202e}txt.\u{200b}".as_bytes()),
            r"\u{202e}txt.\u{200b}"
        );
        assert_eq!(escape(b"\xff\xc3("), r"\xff\xc3(");
        assert_eq!(escape("C1 \u{9b}".as_bytes()), r"C1 \u{9b}");
        assert_eq!(escape("añ → ü 日".as_bytes()), "añ → ü 日");
    }

    #[test]
    fn different_names_give_different_text() {
        assert_ne!(escape(b"\\n"), escape(b"\n"));
        assert_ne!(escape(b"\\xff"), escape(b"\xff"));
        assert_eq!(escape(b"a\tb"), r"a\tb");
        assert_eq!(Escaped::from(&b"a\tb"[..]).with_tabs().to_string(), "a\tb");
    }

    #[test]
    fn odd_names_are_known() {
        assert!(is_odd_name(OsStr::from_bytes(b"a\xffb")));
        assert!(is_odd_name(OsStr::new("a\u{2066}b")));
        assert!(!is_odd_name(OsStr::new("größe \\ 日本")));
    }
}
