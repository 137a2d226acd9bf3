//! Whom a request is for: in every place where it says so, the host that was connected to.

use super::{Site, Version};
use crate::Host;
use crate::decision::Reason;
use cofferdam_policy::HostName;
use http::HeaderMap;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The authority of the request in its one form, if all of its places name the site: `:authority`,
/// the target in absolute form, and `Host`.
pub(super) fn check(
    uri: &Uri,
    fields: &HeaderMap,
    site: &Site,
    version: Version,
) -> Result<Authority, Reason> {
    if let Some(scheme) = uri.scheme()
        && *scheme != site.scheme()
    {
        return Err(Reason::OtherName);
    }
    let in_target = uri
        .authority()
        .map(|authority| site.authority(authority.as_str()))
        .transpose()?;
    let mut hosts = fields.get_all(HOST).iter();
    let in_field = hosts
        .next()
        .map(|host| site.authority(host.to_str().map_err(|_| Reason::Malformed)?))
        .transpose()?;
    if hosts.next().is_some() || (version == Version::Http1 && in_field.is_none()) {
        return Err(Reason::Malformed);
    }
    match (in_target, in_field) {
        (Some(target), Some(field)) if target != field => Err(Reason::OtherName),
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Err(Reason::Malformed),
    }
}

/// The target that is sent on.
pub(super) fn rewritten(uri: &Uri, authority: &Authority, site: &Site, version: Version) -> Uri {
    let mut parts = http::uri::Parts::default();
    let root = PathAndQuery::from_static("/");
    parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or(root));
    if version == Version::Http2 {
        parts.scheme = Some(site.scheme());
        parts.authority = Some(authority.clone());
    }
    // Parts that came out of a URI fit together; a path alone is a URI too.
    Uri::from_parts(parts).unwrap_or_default()
}

impl Site {
    fn scheme(&self) -> Scheme {
        if self.tls {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    /// Reads an authority (RFC 9110, 4.2, without user information), which has to be this site's.
    /// At an address every name is right: rules about addresses allow whatever is there.
    fn authority(&self, text: &str) -> Result<Authority, Reason> {
        let (host, port) = split(text).ok_or(Reason::Malformed)?;
        let known = read(host).ok_or(match self.host {
            Host::Name(_) => Reason::OtherName,
            Host::Address(_) => Reason::Malformed,
        })?;
        if let Host::Name(_) = self.host {
            let default = if self.tls { 443 } else { 80 };
            if known != self.host || port.unwrap_or(default) != self.port {
                return Err(Reason::OtherName);
            }
        }
        let mut one = match known {
            Host::Name(name) => name.as_str().to_owned(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        if let Some(port) = port {
            one.push_str(&format!(":{port}"));
        }
        one.parse().map_err(|_| Reason::Malformed)
    }
}

/// Host, with brackets where it has them, and port.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.find(']') {
        Some(at) => text.split_at(at + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.strip_prefix(':')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((host, Some(digits.parse().ok()?)))
}

fn read(host: &str) -> Option<Host> {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = bracketed {
        let address: Ipv6Addr = inner.parse().ok()?;
        return Some(Host::Address(IpAddr::V6(address).to_canonical()));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    HostName::parse(host).ok().map(Host::Name)
}
