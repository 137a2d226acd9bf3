//! Data inside of HTML, so that nothing in it ends the element or becomes markup.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Bytes after which a new element is begun: browsers read them one by one, and limit strings.
const CHUNK: usize = 512 * 1024;

const OPEN: &[u8] = b"<script type=\"application/json\" class=\"log\">[\n";
const CLOSE: &[u8] = b"\n]</script>\n";

/// Writes JSON values as elements `<script type="application/json">`, which are data blocks to HTML: never run.
pub(super) struct Chunks<W> {
    out: W,
    /// In the element that is open; 0 if none is.
    bytes: usize,
}

impl<W: Write> Chunks<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, bytes: 0 }
    }

    /// Adds a value.
    pub(super) fn push(&mut self, value: &serde_json::Value) -> io::Result<()> {
        self.out
            .write_all(if self.bytes == 0 { OPEN } else { b",\n" })?;
        let json = script_safe(&value.to_string());
        self.out.write_all(json.as_bytes())?;
        self.bytes += json.len();
        if self.bytes >= CHUNK {
            self.finish()?;
        }
        Ok(())
    }

    /// Closes the element that is open.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.bytes > 0 {
            self.out.write_all(CLOSE)?;
            self.bytes = 0;
        }
        Ok(())
    }
}

/// The same JSON without the characters that HTML, old JavaScript or terminals take for more than text. They can only stand
/// in strings, where the escapes mean the same.
pub(super) fn script_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            // JSON lets these stand, and a terminal that is shown the file would obey them.
            '\u{7f}'..='\u{9f}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Text as content of an element or a quoted attribute; control and direction characters become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() || is_hidden(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Characters that show nothing or turn others round.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// SHA-256 in base64, as a policy names it.
pub(super) fn hash(text: &str) -> String {
    BASE64.encode(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::script_safe;

    #[test]
    fn what_is_more_than_text_is_spelled_out_and_means_the_same() {
        let text = "</script>&\u{7f}\u{9b}2J\u{2028}\u{e9}";
        let json = serde_json::Value::from(text).to_string();
        let safe = script_safe(&json);
        assert_eq!(
            safe,
            "\"\\u003c/script\\u003e\\u0026\\u007f\\u009b2J\\u2028\u{e9}\""
        );
        assert_eq!(serde_json::from_str::<String>(&safe).expect("JSON"), text);
    }
}
