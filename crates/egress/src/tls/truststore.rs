//! A truststore for Java. The format is the one of the JDK's own class `JavaKeyStore`, of which
//! only trusted certificates are written: they are not encrypted.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use std::time::SystemTime;

/// What Java's own truststore has. It guards nothing: it only goes into the digest at the end.
const PASSWORD: &str = "changeit";
const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;

/// Writes these certificates (DER) as a truststore.
pub(super) fn jks<'a>(certificates: impl Iterator<Item = &'a [u8]>, now: SystemTime) -> Vec<u8> {
    let certificates: Vec<&[u8]> = certificates.collect();
    let millis = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    let mut out = Vec::new();
    int(&mut out, MAGIC);
    int(&mut out, VERSION);
    int(&mut out, length(certificates.len()));
    for (index, der) in certificates.iter().enumerate() {
        int(&mut out, TRUSTED_CERTIFICATE);
        text(&mut out, &format!("root{index}"));
        out.extend(millis.to_be_bytes());
        text(&mut out, "X.509");
        int(&mut out, length(der.len()));
        out.extend(*der);
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        digest.update(&unit.to_be_bytes());
    }
    digest.update(b"Mighty Aphrodite");
    digest.update(&out);
    out.extend(digest.finish().as_ref());
    out
}

fn int(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

/// Java's modified UTF-8, which ASCII is, with its length in 16 bits.
fn text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
