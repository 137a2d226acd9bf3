//! Bytes of the kernel's as text.

use std::fmt::Write;

/// The bytes as text: what is UTF-8 stays, every other byte becomes `\xNN`. Paths, arguments and
/// variables of Linux are bytes without NUL, JSON's strings are not.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_is_no_utf8_stays_visible() {
        assert_eq!(text("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
        assert_eq!(text(b"a\xff\xfeb"), "a\\xff\\xfeb");
        assert_eq!(text(b""), "");
    }
}
