//! The path of a request in the form that rules are compared with.

/// A path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// In the form of [`cofferdam_policy::PathPattern::matches`].
    Clear(String),
    /// Servers read it in different ways.
    Ambiguous,
}

impl Path {
    /// Reads the path of a request, which has no query.
    pub(super) fn read(text: &str) -> Self {
        // OPTIONS * (RFC 9112, section 3.2.4) is about no path, and no pattern matches it.
        if text == "*" {
            return Path::Clear(text.to_owned());
        }
        match text.strip_prefix('/') {
            Some(rest) => segments(rest).map_or(Path::Ambiguous, Path::Clear),
            None => Path::Ambiguous,
        }
    }
}

fn segments(rest: &str) -> Option<String> {
    let mut path = String::new();
    for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
        path.push('/');
        path.push_str(&decoded(segment)?);
    }
    match path.is_empty() {
        true => Some("/".to_owned()),
        false => Some(path),
    }
}

/// A segment, decoded but for what patterns keep encoded.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let [Some(high), Some(low)] =
            [rest.next(), rest.next()].map(|digit| char::from(digit?).to_digit(16))
        else {
            return None;
        };
        bytes.push((high << 4 | low) as u8);
    }
    if bytes == b"." || bytes == b".." || bytes.iter().any(|byte| is_ambiguous(*byte)) {
        return None;
    }
    // A server that decodes twice.
    let again = |escape: &[u8]| {
        escape.len() == 3 && escape[0] == b'%' && {
            let digits = str::from_utf8(&escape[1..]).unwrap_or_default();
            u8::from_str_radix(digits, 16)
                .is_ok_and(|byte| matches!(byte, b'.' | b'%') || is_ambiguous(byte))
        }
    };
    if bytes.windows(3).any(again) {
        return None;
    }
    let text = match str::from_utf8(&bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Some(text),
        Ok(_) => return None,
        Err(_) => None,
    };
    let mut decoded = String::with_capacity(segment.len());
    match text {
        Some(text) => text.chars().for_each(|char| match char {
            '%' | '?' | '#' | '*' => decoded.push_str(&format!("%{:02X}", u32::from(char))),
            _ => decoded.push(char),
        }),
        // Only a `*` means such a segment.
        None => bytes
            .iter()
            .for_each(|byte| decoded.push_str(&format!("%{byte:02X}"))),
    }
    Some(decoded)
}

/// Bytes that some servers take for the end, or for a border of segments: NUL and other control
/// characters, slashes, `;` (parameters that some take off), and 0xC0 and 0xC1, which begin the
/// overlong form of an ASCII character that lenient decoders of UTF-8 read.
fn is_ambiguous(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\' | b';' | 0..0x20 | 0x7f | 0xc0 | 0xc1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_paths() {
        for (text, path) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//a///b/", "/a/b"),
            ("/a%20b/%7Euser", "/a b/~user"),
            ("/%61dmin", "/admin"),
            ("/caf%C3%A9", "/café"),
            ("/.well-known/...", "/.well-known/..."),
            ("/100%25", "/100%25"),
            ("/a%3Fb%23c%2a", "/a%3Fb%23c%2A"),
            ("/%e9t", "/%E9%74"),
            ("*", "*"),
        ] {
            assert_eq!(Path::read(text), Path::Clear(path.into()), "{text}");
        }
    }

    #[test]
    fn ambiguous_paths() {
        for text in [
            "",
            "a",
            "http://example.com/",
            "/a/../b",
            "/..",
            "/a/.",
            "/a/%2e%2E/b",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a;b/c",
            "/a%3bb",
            "/a%00",
            "/a\0",
            "/a%0d%0a",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%u002e",
            "/a%252e%252e/b",
            "/a%252Fb",
            "/a%25252f",
            "/%c0%ae%c0%ae/a",
            "/%7f",
            "/%C2%85",
            "/a%+1",
        ] {
            assert_eq!(Path::read(text), Path::Ambiguous, "{text}");
        }
    }
}
