//! One line of the audit log: words with values, of which those that a program can choose are quoted, or in
//! hexadecimal where they hold anything special (the kernel's `audit_log_untrustedstring`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What an access was about, as far as the record says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Object {
    /// A file; of what is to be made, removed or moved in a directory, that directory. As the program sees it.
    Path(PathBuf),
    /// A port.
    Port(u16),
    /// A process, as the host numbers it, and its name.
    Process(u32, OsString),
    /// Nothing that is known here.
    Unknown,
}

/// `audit(TIME:SERIAL): `, which all records of an event begin with, and the rest.
pub(super) fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.windows(3).position(|three| three == b"): ")?;
    let stamp = text.strip_prefix(b"audit(")?.get(..end - b"audit(".len())?;
    Some((stamp, &text[end + 3..]))
}

/// The value of a word; the text ends at its first NUL.
pub(super) fn value<'a>(fields: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = fields;
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let word = &rest[..equals];
        let word = word.rsplit(|byte| *byte == b' ').next().unwrap_or(word);
        let after = &rest[equals + 1..];
        let end = match after.first() {
            // A quoted value holds neither quotes nor control characters.
            Some(b'"') => 2 + after[1..].iter().position(|byte| *byte == b'"')?,
            _ => {
                let ends = |byte: &u8| *byte == b' ' || *byte == 0;
                after.iter().position(ends).unwrap_or(after.len())
            }
        };
        if word == name.as_bytes() {
            return Some(&after[..end]);
        }
        rest = &after[end..];
    }
}

/// A number.
pub(super) fn decimal(fields: &[u8], name: &str) -> Option<u32> {
    std::str::from_utf8(value(fields, name)?).ok()?.parse().ok()
}

/// A number in hexadecimal.
pub(super) fn hexadecimal(fields: &[u8], name: &str) -> Option<u64> {
    let digits = std::str::from_utf8(value(fields, name)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// A text that a program can choose.
pub(super) fn untrusted(fields: &[u8], name: &str) -> Option<OsString> {
    let raw = value(fields, name)?;
    if let Some(quoted) = raw.strip_prefix(b"\"") {
        return Some(OsString::from_vec(quoted.strip_suffix(b"\"")?.to_vec()));
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let bytes = raw.chunks(2).map(|two| match two {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    });
    Some(OsString::from_vec(bytes.collect::<Option<_>>()?))
}

/// What an access was about.
pub(super) fn object(fields: &[u8]) -> Object {
    if let Some(path) = untrusted(fields, "path") {
        return Object::Path(path.into());
    }
    if let Some(pid) = decimal(fields, "opid") {
        return Object::Process(pid, untrusted(fields, "ocomm").unwrap_or_default());
    }
    // A socket is connected to `dest` and bound to `src`.
    let port = decimal(fields, "dest").or_else(|| decimal(fields, "src"));
    match port.and_then(|port| u16::try_from(port).ok()) {
        Some(port) => Object::Port(port),
        None => Object::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_values() {
        let (stamp, fields) =
            split(b"audit(1729738800.268:30): domain=195ba459b blockers=fs.refer path=\"/usr/b in\" dev=\"vda2\"")
                .expect("a record");
        assert_eq!(stamp, b"1729738800.268:30");
        assert_eq!(hexadecimal(fields, "domain"), Some(0x1_95ba_459b));
        assert_eq!(value(fields, "blockers"), Some(&b"fs.refer"[..]));
        assert_eq!(object(fields), Object::Path("/usr/b in".into()));
        assert_eq!(untrusted(fields, "dev"), Some("vda2".into()));
        assert_eq!(value(fields, "omain"), None);
    }

    #[test]
    fn what_is_special_is_in_hexadecimal() {
        let fields = b"path=2F746D702F610A62 opid=12 ocomm=\"sh\"";
        assert_eq!(object(fields), Object::Path("/tmp/a\nb".into()));
        assert_eq!(object(b"path=2F7 x=1"), Object::Unknown);
        assert_eq!(
            object(b"opid=12 ocomm=\"sh\""),
            Object::Process(12, "sh".into())
        );
        assert_eq!(object(b"daddr=127.0.0.1 dest=80"), Object::Port(80));
        assert_eq!(object(b"saddr=::1 src=8080"), Object::Port(8080));
        assert_eq!(object(b"dest=99999"), Object::Unknown);
    }

    #[test]
    fn a_value_is_not_taken_for_a_word() {
        // The program's name holds what looks like a word of the kernel's.
        let fields = b"ocomm=\"x path=\" opid=7";
        assert_eq!(object(fields), Object::Process(7, "x path=".into()));
    }

    #[test]
    fn anything_can_be_read() {
        for text in [
            &b""[..],
            b"audit(",
            b"audit(): ",
            b"=\"",
            b"a=\"b",
            b"=",
            b"path=\"",
            b"path=",
        ] {
            let _ = split(text);
            let _ = object(text);
        }
        assert_eq!(object(b"path="), Object::Path("".into()));
    }
}
