//! Names from an image as text for a person.

/// At most this many bytes of a name are shown.
const LONGEST: usize = 300;

/// The name with everything escaped that could mislead on a terminal: control characters, characters
/// that change the direction of text or are invisible, and bytes that are not UTF-8.
pub(crate) fn escaped(name: &[u8]) -> String {
    let shown = &name[..name.len().min(LONGEST)];
    let mut text = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            if misleading(c) {
                text.extend(c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if shown.len() < name.len() {
        text.push('…');
    }
    text
}

fn misleading(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_misleads_is_escaped_and_the_rest_is_kept() {
        assert_eq!(escaped("etc/paß wd".as_bytes()), "etc/paß wd");
        assert_eq!(escaped(b"a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(escaped("x\u{202e}fdp".as_bytes()), "x\\u{202e}fdp");
        assert_eq!(escaped(b"a\xffb"), "a\\xffb");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(escaped(&[b'a'; 5000]).chars().count(), 301);
    }
}
