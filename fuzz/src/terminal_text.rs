//! Text of others made fit for a terminal and for a page: nothing steers either, and nothing is lost.

use cofferdam_changes::Escaped;

#[allow(dead_code, reason = "only what escapes is called")]
#[path = "../../crates/cli/src/text.rs"]
mod command;
#[path = "../../crates/image/src/text.rs"]
mod image;

/// One input.
pub fn check(bytes: &[u8]) {
    let escaped = Escaped::from(bytes).to_string();
    harmless(&escaped, "");
    assert_eq!(unescaped(&escaped), bytes, "{escaped}");
    let with_tabs = Escaped::from(bytes).with_tabs().to_string();
    harmless(&with_tabs, "\t");
    assert_eq!(unescaped(&with_tabs), bytes, "{escaped}");

    let of_image = image::escaped(bytes);
    harmless(&of_image, "");
    assert!(of_image.len() <= 300 * 10 + 3);

    let text = String::from_utf8_lossy(bytes);
    harmless(&command::escape(&text), "");
    harmless(&command::escape_lines(&text), "\n");
    let mut wrapped = String::new();
    command::wrap(&mut wrapped, "label", &command::escape_lines(&text), 8);
    harmless(&wrapped, "\n");
    // Text of the kernel's keeps what is text.
    let plain = cofferdam_audit::text(bytes);
    assert_eq!(str::from_utf8(bytes).is_ok(), plain.as_bytes() == bytes);
}

/// No control characters, and none that turn the direction of what is beside them (UAX #9).
fn harmless(text: &str, but: &str) {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found = text.chars().find(|c| odd(*c) && !but.contains(*c));
    assert_eq!(found, None, "{text:?}");
}

/// The bytes that escapes stand for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend(c.to_string().bytes());
            continue;
        }
        let code = |digits: &str| u32::from_str_radix(digits, 16).expect("digits");
        let kind = rest.chars().next().expect("an escape");
        rest = &rest[1..];
        match kind {
            'x' => {
                bytes.push(code(&rest[..2]) as u8);
                rest = &rest[2..];
            }
            'u' => {
                let (digits, after) = rest[1..].split_once('}').expect("braces");
                let c = char::from_u32(code(digits)).expect("a character");
                bytes.extend(c.to_string().bytes());
                rest = after;
            }
            't' => bytes.push(b'\t'),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            other => bytes.extend(other.to_string().bytes()),
        }
    }
    bytes
}
