//! First bytes that may be HTTP, and heads to the proxy: what is known stays so, and nothing that has
//! a version of HTTP in its first line after a token is taken for another protocol.

use cofferdam_egress::proxy::{Parsed, Proxied, head};
use cofferdam_egress::sniff::{Sniff, classify};

/// One input.
pub fn check(bytes: &[u8]) {
    let whole = classify(bytes);
    let half = classify(&bytes[..bytes.len() / 2]);
    if !matches!(half, Sniff::NeedMore | Sniff::Tls(_)) {
        assert_eq!(whole, half);
    }
    if let Some(line) = str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split('\n').next())
    {
        let words: Vec<&str> = line
            .split([' ', '\r'])
            .filter(|word| !word.is_empty())
            .collect();
        if let [method, target, version, ..] = words[..]
            && method.bytes().all(|byte| byte.is_ascii_alphabetic())
            && target.bytes().all(|byte| byte.is_ascii_graphic())
            && version.starts_with("HTTP/1.")
        {
            assert!(matches!(whole, Sniff::Http1 | Sniff::Http2), "{whole:?}");
        }
    }
    match head(bytes) {
        Ok(Parsed::Done {
            value: Proxied::Connect(_),
            consumed,
        }) => {
            assert!(bytes[..consumed].ends_with(b"\r\n\r\n"));
            assert_eq!(head(&bytes[..consumed]), head(bytes));
            assert_eq!(classify(&bytes[..consumed]), Sniff::Http1);
        }
        Ok(Parsed::Done {
            value: Proxied::Absolute(_),
            consumed,
        }) => assert_eq!(consumed, 0),
        Ok(Parsed::NeedMore) | Err(_) => {}
    }
}
