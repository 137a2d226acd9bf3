//! Placeholders in requests, and values in their stead.

use data_encoding::{BASE64, BASE64_NOPAD};
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use zeroize::Zeroizing;

/// Where a secret is put, its names read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere in the values of this header.
    Header(HeaderName),
    /// The token of `Authorization: Bearer`.
    Bearer,
    /// User name or password of `Authorization: Basic`.
    Basic,
    /// The value of this parameter.
    Query(String),
}

/// Why a value was not put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// Its bytes cannot stand there.
    Illegal,
    /// The result is longer than a request can be.
    Long,
}

impl Place {
    /// Whether the placeholder is there.
    pub fn holds(&self, parts: &Parts, placeholder: &str) -> bool {
        match self {
            Place::Header(name) => parts
                .headers
                .get_all(name)
                .iter()
                .any(|value| find(value.as_bytes(), placeholder.as_bytes()).is_some()),
            Place::Bearer => parts
                .headers
                .get_all(AUTHORIZATION)
                .iter()
                .any(|value| is_bearer(value, placeholder)),
            Place::Basic => parts
                .headers
                .get_all(AUTHORIZATION)
                .iter()
                .any(|value| basic(value, placeholder).is_some()),
            Place::Query(parameter) => parts
                .uri
                .query()
                .is_some_and(|query| query.split('&').any(|p| is_pair(p, parameter, placeholder))),
        }
    }

    /// Puts the value there.
    pub fn put(&self, parts: &mut Parts, placeholder: &str, value: &[u8]) -> Result<(), Misfit> {
        let name = match self {
            Place::Header(name) => name,
            Place::Bearer | Place::Basic => &AUTHORIZATION,
            Place::Query(parameter) => {
                let uri = with_query(&parts.uri, parameter, placeholder, value)?;
                parts.uri = uri;
                return Ok(());
            }
        };
        let http::header::Entry::Occupied(mut fields) = parts.headers.entry(name) else {
            return Ok(());
        };
        for field in fields.iter_mut() {
            if let Some(new) = self.field(field, placeholder, value)? {
                let mut new = HeaderValue::from_bytes(&new).map_err(|_| Misfit::Illegal)?;
                new.set_sensitive(true);
                *field = new;
            }
        }
        Ok(())
    }

    /// The field with the value in it; none where the placeholder is not there.
    fn field(
        &self,
        field: &HeaderValue,
        placeholder: &str,
        value: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Misfit> {
        match self {
            Place::Header(_) => {
                // White space at the ends is no part of a field's value (RFC 9110, 5.5).
                let fits = value.iter().all(|b| is_field_byte(*b));
                let (new, found) = replaced(field.as_bytes(), placeholder.as_bytes(), value);
                match found {
                    false => Ok(None),
                    true if fits && value.trim_ascii() == value => Ok(Some(new)),
                    true => Err(Misfit::Illegal),
                }
            }
            Place::Bearer if !is_bearer(field, placeholder) => Ok(None),
            Place::Bearer => {
                if !value.iter().all(u8::is_ascii_graphic) {
                    return Err(Misfit::Illegal);
                }
                let mut new = Zeroizing::new(b"Bearer ".to_vec());
                new.extend_from_slice(value);
                Ok(Some(new))
            }
            Place::Basic => {
                let Some((user, password)) = basic(field, placeholder) else {
                    return Ok(None);
                };
                // A colon ends the user name; neither may hold control characters (RFC 7617, 2).
                let is_user = user.as_slice() == placeholder.as_bytes();
                let is_password = password.as_slice() == placeholder.as_bytes();
                if value.iter().any(u8::is_ascii_control) || is_user && value.contains(&b':') {
                    return Err(Misfit::Illegal);
                }
                let mut pair = Zeroizing::new(Vec::new());
                pair.extend_from_slice(if is_user { value } else { &user });
                pair.push(b':');
                pair.extend_from_slice(if is_password { value } else { &password });
                let encoded = Zeroizing::new(BASE64.encode(&pair));
                let mut new = Zeroizing::new(b"Basic ".to_vec());
                new.extend_from_slice(encoded.as_bytes());
                Ok(Some(new))
            }
            Place::Query(_) => Ok(None),
        }
    }
}

fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// What follows the scheme of credentials (RFC 9110, 11.4).
fn credentials<'a>(field: &'a HeaderValue, scheme: &str) -> Option<&'a [u8]> {
    let (before, after) = field.as_bytes().split_at_checked(scheme.len())?;
    let is_scheme = before.eq_ignore_ascii_case(scheme.as_bytes()) && after.first() == Some(&b' ');
    is_scheme.then(|| after.trim_ascii())
}

fn is_bearer(field: &HeaderValue, placeholder: &str) -> bool {
    credentials(field, "Bearer") == Some(placeholder.as_bytes())
}

type Pair = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

/// User name and password, where one of them is the placeholder.
fn basic(field: &HeaderValue, placeholder: &str) -> Option<Pair> {
    let encoded = credentials(field, "Basic")?;
    let decoded = BASE64
        .decode(encoded)
        .or_else(|_| BASE64_NOPAD.decode(encoded));
    let decoded = Zeroizing::new(decoded.ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = Zeroizing::new(decoded[..colon].to_vec());
    let password = Zeroizing::new(decoded[colon + 1..].to_vec());
    let here = |part: &[u8]| part == placeholder.as_bytes();
    (here(&user) || here(&password)).then_some((user, password))
}

fn is_pair(pair: &str, parameter: &str, placeholder: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    decoded(name) == parameter.as_bytes() && decoded(value) == placeholder.as_bytes()
}

fn with_query(uri: &Uri, parameter: &str, placeholder: &str, value: &[u8]) -> Result<Uri, Misfit> {
    let Some(query) = uri.query() else {
        return Ok(uri.clone());
    };
    let mut new = Zeroizing::new(uri.path().to_owned());
    for (index, pair) in query.split('&').enumerate() {
        new.push(if index == 0 { '?' } else { '&' });
        if is_pair(pair, parameter, placeholder) {
            new.push_str(pair.split('=').next().unwrap_or_default());
            new.push('=');
            encode(value, &mut new);
        } else {
            new.push_str(pair);
        }
    }
    let mut parts = uri.clone().into_parts();
    // All of its characters are legal, so what is refused is refused for its length.
    let new = PathAndQuery::try_from(new.as_str()).map_err(|_| Misfit::Long)?;
    parts.path_and_query = Some(new);
    Uri::from_parts(parts).map_err(|_| Misfit::Long)
}

/// Decodes a name or value of a query, as forms write them; `%` without two digits stands for itself.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        let (byte, used) = match (*first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => (u8::try_from(high * 16 + low).unwrap_or(b'%'), 2),
            (b'+', ..) => (b' ', 0),
            (byte, ..) => (byte, 0),
        };
        out.push(byte);
        rest = after.get(used..).unwrap_or_default();
    }
    out
}

/// Percent-encodes all but the unreserved characters (RFC 3986, 2.3).
pub(super) fn encode(value: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn replaced(text: &[u8], part: &[u8], value: &[u8]) -> (Zeroizing<Vec<u8>>, bool) {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + value.len()));
    let mut rest = text;
    let mut found = false;
    while let Some(at) = find(rest, part) {
        found = true;
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + part.len()..];
    }
    out.extend_from_slice(rest);
    (out, found)
}
