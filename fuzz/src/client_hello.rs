//! First bytes that begin as TLS does: never taken for something else, and what is known stays so.

use cofferdam_egress::sniff::{MAX_PEEK, Sniff, classify};

/// One input.
pub fn check(data: &[u8]) {
    let mut bytes = vec![22];
    bytes.extend(data);
    let whole = classify(&bytes);
    assert!(matches!(
        whole,
        Sniff::NeedMore | Sniff::Tls(_) | Sniff::Malformed
    ));
    assert!(whole != Sniff::NeedMore || bytes.len() < MAX_PEEK);
    let half = classify(&bytes[..bytes.len() / 2]);
    match half {
        Sniff::NeedMore => {}
        // A further ClientHello may follow, and is refused.
        Sniff::Tls(_) => assert!(whole == half || whole == Sniff::Malformed),
        _ => assert_eq!(whole, half),
    }
}
