//! What an HTTP proxy is asked (RFC 9110, section 9.3.6; RFC 9112, section 3.2).

use super::{Parsed, Target};
use crate::Host;

/// The port of `http` URLs.
const HTTP: u16 = 80;

/// The longest head, in bytes, as large servers have it.
pub const MAX_HEAD: usize = 16 * 1024;

/// What a proxy is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// `CONNECT host:port`: the whole head is taken; what follows is the tunnel's.
    Connect(Target),
    /// A request with `http://host[:port]/…`. Nothing is taken: the head is the request's own, and
    /// each further request on the connection has to be for the same target.
    Absolute(Target),
}

/// Why a head is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum HeadError {
    #[error("not a head of HTTP/1.1")]
    Malformed,
    #[error("a head of more than {MAX_HEAD} bytes")]
    TooLong,
    #[error("a request that names no server; this is a proxy")]
    NoTarget,
    #[error("a proxy is asked for http only; use CONNECT for everything else")]
    Scheme,
    #[error("CONNECT with a body")]
    Body,
}

impl HeadError {
    /// What to send before the connection is closed.
    pub fn reply(&self) -> &'static [u8] {
        match self {
            HeadError::TooLong => {
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: \
                  close\r\n\r\n"
            }
            HeadError::Malformed | HeadError::NoTarget | HeadError::Scheme | HeadError::Body => {
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
        }
    }
}

/// Reads a head. Only the form that RFC 9112 has for senders is read: lines end with CRLF, words of
/// the first are one space apart, no value goes on in a further line.
///
/// # Errors
/// [`HeadError`].
pub fn head(bytes: &[u8]) -> Result<Parsed<Proxied>, HeadError> {
    let within = &bytes[..bytes.len().min(MAX_HEAD)];
    let mut lines = Lines(within);
    let more = match bytes.len() {
        0..MAX_HEAD => Ok(Parsed::NeedMore),
        _ => Err(HeadError::TooLong),
    };
    let Some(first) = lines.next()? else {
        return more;
    };
    let words: Vec<&str> = first.split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
        return Err(HeadError::Malformed);
    };
    if method.is_empty() || !method.bytes().all(is_tchar) {
        return Err(HeadError::Malformed);
    }
    if method != "CONNECT" {
        let value = Proxied::Absolute(absolute(target)?);
        return Ok(Parsed::Done { value, consumed: 0 });
    }
    let value = Proxied::Connect(authority(target, None).ok_or(HeadError::Malformed)?);
    while let Some(line) = lines.next()? {
        if line.is_empty() {
            let consumed = within.len() - lines.0.len();
            return Ok(Parsed::Done { value, consumed });
        }
        let (name, content) = line.split_once(':').ok_or(HeadError::Malformed)?;
        if name.is_empty() || !name.bytes().all(is_tchar) {
            return Err(HeadError::Malformed);
        }
        // What follows the head is the tunnel's; a body would be taken for its beginning.
        let empty = content.trim_matches([' ', '\t']) == "0";
        if name.eq_ignore_ascii_case("transfer-encoding")
            || name.eq_ignore_ascii_case("content-length") && !empty
        {
            return Err(HeadError::Body);
        }
    }
    more
}

/// The lines of a head that have arrived whole.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<&'a str>, HeadError> {
        let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        let Some(end) = self.0.iter().position(|byte| !plain(byte)) else {
            return Ok(None);
        };
        let (line, rest) = self.0.split_at(end);
        match rest {
            [b'\r'] => Ok(None),
            [b'\r', b'\n', rest @ ..] => {
                self.0 = rest;
                str::from_utf8(line)
                    .map(Some)
                    .map_err(|_| HeadError::Malformed)
            }
            _ => Err(HeadError::Malformed),
        }
    }
}

fn absolute(target: &str) -> Result<Target, HeadError> {
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(HeadError::NoTarget);
    };
    if target.starts_with(['/', '*']) {
        return Err(HeadError::NoTarget);
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(HeadError::Scheme);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    authority(&rest[..end], Some(HTTP)).ok_or(HeadError::Malformed)
}

/// `host:port`, the port only left out where there is a default (RFC 9110, section 4.2).
fn authority(text: &str, default: Option<u16>) -> Option<Target> {
    let bare = text.ends_with(']') || !text.contains(':');
    let (host, port) = match bare {
        true => (text, default?),
        false => {
            let (host, port) = text.rsplit_once(':')?;
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (host, port.parse().ok().filter(|_| digits)?)
        }
    };
    // Of an address without brackets nobody knows where it ends.
    if port == 0 || host.contains(':') && !host.starts_with('[') {
        return None;
    }
    let host = Host::parse(host).ok()?;
    Some(Target { host, port })
}

/// The characters of a token (RFC 9110, section 5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, HeadError> {
        match head(text.as_bytes())? {
            Parsed::NeedMore => Ok("more".into()),
            Parsed::Done {
                value: Proxied::Connect(target),
                consumed,
            } => Ok(format!(
                "connect {} {} {consumed}",
                target.host, target.port
            )),
            Parsed::Done {
                value: Proxied::Absolute(target),
                consumed,
            } => {
                assert_eq!(consumed, 0);
                Ok(format!("absolute {} {}", target.host, target.port))
            }
        }
    }

    #[test]
    fn connect() {
        let text = "CONNECT Example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n";
        let done = format!("connect example.com 443 {}", text.len());
        assert_eq!(read(text), Ok(done.clone()));
        assert_eq!(read(&format!("{text}\x16\x03")), Ok(done));
        for length in 0..text.len() {
            assert_eq!(read(&text[..length]), Ok("more".into()), "{length}");
        }
        for (target, host) in [
            ("[::1]:1", "::1 1"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1 80"),
            ("0x7f.1:65535", "127.0.0.1 65535"),
        ] {
            let text = format!("CONNECT {target} HTTP/1.0\r\n\r\n");
            assert_eq!(read(&text), Ok(format!("connect {host} {}", text.len())));
        }
    }

    #[test]
    fn connect_to_nowhere() {
        for target in [
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+1",
            ":443",
            "user@example.com:443",
            "::1:443",
            "[::1]",
            "[::1",
            "example.com:443/",
            "http://example.com:443",
            "example.com\0:443",
            "a:1:2",
            "*:443",
            "127.0.0.256:1",
            "[127.0.0.1]:1",
            "[::1%1]:1",
        ] {
            let text = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
            assert_eq!(read(&text), Err(HeadError::Malformed), "{target}");
        }
    }

    #[test]
    fn odd_heads_are_refused() {
        let line = "CONNECT example.com:443 HTTP/1.1\r\n";
        assert!(read(&format!("{line}A: b\r\nContent-Length: 0\r\n\r\n")).is_ok());
        for text in [
            "CONNECT example.com:443 HTTP/1.1\n\n".to_owned(),
            "CONNECT  example.com:443 HTTP/1.1\r\n\r\n".into(),
            "CONNECT example.com:443 HTTP/1.1 \r\n\r\n".into(),
            "CONNECT example.com:443\r\n\r\n".into(),
            "CONNECT example.com:443 HTTP/2.0\r\n\r\n".into(),
            "CONN(CT example.com:443 HTTP/1.1\r\n\r\n".into(),
            "\r\nCONNECT example.com:443 HTTP/1.1\r\n\r\n".into(),
            "CONNECT example.com:443 HTTP/1.1\r\r\n".into(),
            format!("{line} folded: a\r\n\r\n"),
            format!("{line}A: b\r\n c\r\n\r\n"),
            format!("{line}A : b\r\n\r\n"),
            format!("{line}A\r\n\r\n"),
            format!("{line}A: \0\r\n\r\n"),
            format!("{line}: a\r\n\r\n"),
        ] {
            assert_eq!(read(&text), Err(HeadError::Malformed), "{text:?}");
        }
        for field in [
            "Content-Length: 5",
            "content-length: 0, 5",
            "Transfer-Encoding: chunked",
        ] {
            assert_eq!(
                read(&format!("{line}{field}\r\n\r\n")),
                Err(HeadError::Body),
                "{field}"
            );
        }
    }

    #[test]
    fn absolute_form() {
        for (target, host) in [
            ("http://example.com/", "example.com 80"),
            ("HTTP://Example.com:8080?a", "example.com 8080"),
            ("http://[::1]", "::1 80"),
            ("http://[::1]:81/", "::1 81"),
            ("http://2130706433/", "127.0.0.1 80"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\n");
            assert_eq!(read(&text), Ok(format!("absolute {host}")));
        }
        for (target, error) in [
            ("/", HeadError::NoTarget),
            ("*", HeadError::NoTarget),
            ("/http://example.com/", HeadError::NoTarget),
            ("https://example.com/", HeadError::Scheme),
            ("ftp://example.com/", HeadError::Scheme),
            ("http://user@example.com/", HeadError::Malformed),
            ("http:///", HeadError::Malformed),
            ("http://example.com\\@evil.test/", HeadError::Malformed),
        ] {
            assert_eq!(
                read(&format!("GET {target} HTTP/1.1\r\n")),
                Err(error),
                "{target}"
            );
        }
    }

    #[test]
    fn long_heads() {
        let line = "CONNECT example.com:443 HTTP/1.1\r\nA: ";
        let room = MAX_HEAD - line.len() - 4;
        let fits = format!("{line}{}\r\n\r\n", "a".repeat(room));
        assert_eq!(
            read(&fits),
            Ok(format!("connect example.com 443 {MAX_HEAD}"))
        );
        let long = format!("{line}{}\r\n\r\n", "a".repeat(room + 1));
        assert_eq!(read(&long), Err(HeadError::TooLong));
        assert!(HeadError::TooLong.reply().starts_with(b"HTTP/1.1 431 "));
        assert!(
            HeadError::TooLong
                .reply()
                .ends_with(b"\r\nConnection: close\r\n\r\n")
        );
    }
}
