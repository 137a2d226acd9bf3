//! The part of a URL (RFC 3986) that says which host is reached.

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// The host: a name in lower case, or an address without brackets.
    pub host: String,
    /// The port, the scheme's own where none is written.
    pub port: u16,
    /// The URL without user information.
    pub plain: String,
    /// Whether there was user information.
    pub credentials: bool,
}

/// A text is no URL of a host. The text itself is not shown: it may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("it leads to files of this host")]
    Local,
    #[error("its scheme is not one of http, https, ssh, git, sparse+http and git+https")]
    Scheme,
    #[error("its host or port cannot be read")]
    Authority,
    #[error("it has white space in it")]
    Space,
}

/// Reads a URL as far as its authority.
pub(super) fn parse(text: &str) -> Result<Url, UrlError> {
    let text = text.trim();
    // What follows may be another one, with a password of its own.
    if text.contains(char::is_whitespace) {
        return Err(UrlError::Space);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        // A path, or `file:` without an authority.
        let local = text.starts_with(['/', '.', '~']) || text.starts_with("file:");
        return Err(if local {
            UrlError::Local
        } else {
            UrlError::Scheme
        });
    };
    let scheme = scheme.to_ascii_lowercase();
    let kind = scheme.rsplit_once('+').map_or(&*scheme, |(_, kind)| kind);
    let default = match kind {
        "https" => 443,
        "http" => 80,
        "ssh" => 22,
        "git" => 9418,
        "file" => return Err(UrlError::Local),
        _ => return Err(UrlError::Scheme),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, place) = authority
        .rsplit_once('@')
        .map_or(("", authority), |(user, place)| (user, place));
    let (host, port) = split_port(place).ok_or(UrlError::Authority)?;
    let host = host.to_ascii_lowercase();
    let port = match port {
        None | Some("") => default,
        Some(port) => port.parse().map_err(|_| UrlError::Authority)?,
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || port == 0 || !host.bytes().all(is_host) {
        return Err(UrlError::Authority);
    }
    Ok(Url {
        host,
        port,
        plain: format!("{}://{place}{path}", &text[..scheme.len()]),
        credentials: !user.is_empty(),
    })
}

fn split_port(place: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match place.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((place, None)),
    }
}
