//! Fields that are about one connection only and end at it (RFC 9110, section 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Removes what is about the program's connection only. What the program asks to upgrade to stays
/// out too.
pub(super) fn of_request(fields: &mut HeaderMap) {
    let trailers = has(fields, TE, "trailers");
    nominated(fields);
    fields.remove(PROXY_AUTHORIZATION);
    fields.remove(HTTP2_SETTINGS);
    // gRPC servers insist on it, and trailers are passed on.
    if trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes what is about the server's connection only.
pub(super) fn of_response(fields: &mut HeaderMap) {
    // A length beside chunks was not what ended the body.
    if fields.contains_key(TRANSFER_ENCODING) {
        fields.remove(CONTENT_LENGTH);
    }
    nominated(fields);
}

/// What the request asks to upgrade to, if it is one protocol that is not HTTP or TLS once more:
/// in those there would be requests that nobody looks at.
pub(super) fn upgrade(fields: &HeaderMap) -> Option<HeaderValue> {
    if !has(fields, CONNECTION, "upgrade") {
        return None;
    }
    let mut values = fields.get_all(UPGRADE).iter();
    let value = values.next()?;
    let token = value.to_str().ok()?.trim().to_ascii_lowercase();
    let single = !token.contains(',') && values.next().is_none();
    let again = ["h2", "h3", "http", "tls"]
        .iter()
        .any(|known| token.starts_with(known));
    (single && !again && !token.is_empty()).then(|| value.clone())
}

/// Asks for an upgrade, or agrees to one.
pub(super) fn set_upgrade(fields: &mut HeaderMap, protocol: HeaderValue) {
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(UPGRADE, protocol);
}

fn nominated(fields: &mut HeaderMap) {
    let names: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Whoever calls the framing or the host a matter of one connection wants it lost on the way.
        .filter(|name| *name != CONTENT_LENGTH && *name != http::header::HOST)
        .collect();
    for name in names {
        fields.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        fields.remove(name);
    }
}

fn has(fields: &HeaderMap, name: HeaderName, token: &str) -> bool {
    fields
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}
