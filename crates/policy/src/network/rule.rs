//! What may be reached, or may not.

use super::http::{HttpMatch, is_method};
use super::path::{PathPattern, PathPatternError};
use super::segments::WILDCARD;
use super::{AddressRange, AddressRangeError, HostNameError, NamePattern, Ports, PortsError};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Destination {
    /// Hosts of these names, at whatever public address they have.
    Name(NamePattern),
    /// These addresses, asked for as such; and beside a rule that allows a name, these addresses as
    /// that name's, also where they are private ones.
    Address(AddressRange),
    /// Nowhere: a text that is no rule, kept for [`Policy::validate`](crate::Policy::validate) to
    /// report.
    Unreadable(Box<ParseRuleError>),
}

/// A rule about connections: in the list of those allowed, or of those denied. Written as text
/// `NAME[:PORTS]` or `ADDRESS[/BITS][:PORTS]` (`[...]` around IPv6), with PORTS such as `443`,
/// `80,443` or `8000-8100`.
///
/// After that may stand, with spaces between, the HTTP requests that alone are meant: methods with
/// commas between, and paths. `api.example.com:443 GET,HEAD /repos/** /user` is a rule.
///
/// ```
/// use cofferdam_policy::{HostName, NetworkRule};
/// let rule: NetworkRule = "*.example.com:443".parse()?;
/// assert!(rule.is_name(&HostName::parse("www.example.com")?, 443));
/// assert!(!rule.is_name(&HostName::parse("example.com")?, 443));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkRule {
    /// Where to.
    pub to: Destination,
    /// To which TCP ports.
    pub ports: Ports,
    /// Only these HTTP requests. Connections that such a rule is about are looked into.
    pub http: Option<HttpMatch>,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ParseRuleError {
    #[error("a network rule is empty; write one such as example.com:443")]
    Empty,
    #[error("{text:?} is a URL; a rule names a host and its port: write `{meant}`")]
    Url { text: String, meant: String },
    #[error(
        "the network rule {text:?} has an IPv6 address and a port; write brackets around the address, \
         as in [2001:db8::1]:443"
    )]
    Brackets { text: String },
    #[error("the network rule {text:?}: {error}")]
    Name {
        text: String,
        #[source]
        error: HostNameError,
    },
    #[error("the network rule {text:?}: {error}")]
    Address {
        text: String,
        #[source]
        error: AddressRangeError,
    },
    #[error("the network rule {text:?}: {error}")]
    Ports {
        text: String,
        #[source]
        error: PortsError,
    },
    #[error("the network rule {text:?}: {error}")]
    Path {
        text: String,
        #[source]
        error: PathPatternError,
    },
    #[error(
        "the network rule {text:?}: {method:?} is no method of HTTP; write methods in upper case such \
         as GET, and paths from `/` on"
    )]
    Method { text: String, method: String },
}

impl NetworkRule {
    /// A rule about every port of a destination.
    #[must_use]
    pub fn to(to: Destination) -> Self {
        NetworkRule {
            to,
            ports: Ports::ANY,
            http: None,
        }
    }

    /// With these ports only.
    #[must_use]
    pub fn ports(mut self, ports: impl Into<Ports>) -> Self {
        self.ports = ports.into();
        self
    }

    /// With these HTTP requests only: of these methods (of any, where there is none) for these paths
    /// (for any, where there is none). What is no method or path is kept for
    /// [`Policy::validate`](crate::Policy::validate) to report.
    #[must_use]
    pub fn http<M: AsRef<str>, P: AsRef<str>>(
        mut self,
        methods: impl IntoIterator<Item = M>,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        let text = self.to_string();
        let http = self.http.get_or_insert_default();
        for method in methods {
            http.methods.insert(method.as_ref().into());
        }
        for path in paths {
            match PathPattern::parse(path.as_ref()) {
                Ok(path) => {
                    http.paths.insert(path);
                }
                Err(error) => {
                    let text = text.clone();
                    self.to = Destination::Unreadable(ParseRuleError::Path { text, error }.into());
                }
            }
        }
        self
    }

    /// Whether it is about connections to this name and port.
    #[must_use]
    pub fn is_name(&self, name: &super::HostName, port: u16) -> bool {
        matches!(&self.to, Destination::Name(pattern) if pattern.matches(name))
            && self.ports.contains(port)
    }

    /// Whether it is about connections to this address and port.
    #[must_use]
    pub fn is_address(&self, address: IpAddr, port: u16) -> bool {
        matches!(&self.to, Destination::Address(range) if range.contains(address))
            && self.ports.contains(port)
    }
}

impl Destination {
    /// Whether it is everywhere that `other` is.
    #[must_use]
    pub fn covers(&self, other: &Destination) -> bool {
        match (self, other) {
            (Destination::Name(own), Destination::Name(other)) => own.covers(other),
            (Destination::Address(own), Destination::Address(other)) => own.covers(other),
            (_, Destination::Unreadable(_)) => true,
            _ => false,
        }
    }

    /// Where both are, if anywhere.
    #[must_use]
    pub fn intersection(&self, other: &Destination) -> Option<Destination> {
        match (self, other) {
            (Destination::Name(own), Destination::Name(other)) => {
                own.intersection(other).map(Destination::Name)
            }
            (Destination::Address(own), Destination::Address(other)) => {
                own.intersection(other).map(Destination::Address)
            }
            _ => None,
        }
    }
}

impl From<NamePattern> for NetworkRule {
    fn from(name: NamePattern) -> Self {
        NetworkRule::to(Destination::Name(name))
    }
}

impl From<AddressRange> for NetworkRule {
    fn from(range: AddressRange) -> Self {
        NetworkRule::to(Destination::Address(range))
    }
}

impl From<&str> for NetworkRule {
    /// Reads a rule; what is none is kept for [`Policy::validate`](crate::Policy::validate) to
    /// report, and means nothing until then.
    fn from(text: &str) -> Self {
        text.parse().unwrap_or_else(|error: ParseRuleError| {
            NetworkRule::to(Destination::Unreadable(error.into()))
        })
    }
}

impl From<String> for NetworkRule {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl FromStr for NetworkRule {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_ascii_whitespace();
        let place = words.next().ok_or(ParseRuleError::Empty)?;
        let (to, ports) = read_place(place)?;
        let mut rule = NetworkRule {
            to,
            ports: ports.unwrap_or(Ports::ANY),
            http: None,
        };
        let mut words = words.peekable();
        if let Some(methods) = words.next_if(|word| !word.starts_with('/')) {
            let http = rule.http.get_or_insert_default();
            // A star alone, so that a rule about any request has a text.
            for method in methods.split(',').filter(|_| methods != WILDCARD) {
                if !is_method(method) {
                    let (text, method) = (text.into(), method.into());
                    return Err(ParseRuleError::Method { text, method });
                }
                http.methods.insert(method.into());
            }
        }
        for path in words {
            let path = PathPattern::parse(path).map_err(|error| ParseRuleError::Path {
                text: text.into(),
                error,
            })?;
            rule.http.get_or_insert_default().paths.insert(path);
        }
        Ok(rule)
    }
}

impl fmt::Display for NetworkRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.fmt(f)?;
        if self.ports != Ports::ANY {
            write!(f, ":{}", self.ports)?;
        }
        let Some(http) = &self.http else {
            return Ok(());
        };
        if !http.methods.is_empty() {
            let methods: Vec<&str> = http.methods.iter().map(String::as_str).collect();
            write!(f, " {}", methods.join(","))?;
        } else if http.paths.is_empty() {
            f.write_str(" *")?;
        }
        http.paths.iter().try_for_each(|path| write!(f, " {path}"))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Name(name) => name.fmt(f),
            Destination::Address(range) => match range.address() {
                IpAddr::V4(_) => range.fmt(f),
                IpAddr::V6(address) if range.prefix() == 128 => write!(f, "[{address}]"),
                IpAddr::V6(address) => write!(f, "[{address}]/{}", range.prefix()),
            },
            Destination::Unreadable(error) => f.write_str(error.text()),
        }
    }
}

impl ParseRuleError {
    /// The text that is no rule.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            ParseRuleError::Empty => "",
            ParseRuleError::Url { text, .. }
            | ParseRuleError::Brackets { text }
            | ParseRuleError::Name { text, .. }
            | ParseRuleError::Address { text, .. }
            | ParseRuleError::Ports { text, .. }
            | ParseRuleError::Path { text, .. }
            | ParseRuleError::Method { text, .. } => text,
        }
    }
}

/// Reads a destination, and ports where some are named.
pub(crate) fn read_place(text: &str) -> Result<(Destination, Option<Ports>), ParseRuleError> {
    if text.is_empty() {
        return Err(ParseRuleError::Empty);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(ParseRuleError::Url {
            text: text.into(),
            meant: authority(scheme, rest),
        });
    }
    if let Some(inside) = text.strip_prefix('[') {
        return read_brackets(text, inside);
    }
    if text.bytes().filter(|byte| *byte == b':').count() > 1 {
        return match text.parse::<AddressRange>() {
            Ok(range) => Ok((Destination::Address(range), None)),
            Err(AddressRangeError::Address { .. }) => {
                Err(ParseRuleError::Brackets { text: text.into() })
            }
            Err(error) => Err(address_error(text, error)),
        };
    }
    let (place, ports) = match text.split_once(':') {
        Some((place, ports)) => (place, Some(read_ports(text, ports)?)),
        None => (text, None),
    };
    if is_ipv4(place) {
        let range = place.parse().map_err(|error| address_error(text, error))?;
        return Ok((Destination::Address(range), ports));
    }
    if let Some((host, _)) = place.split_once('/')
        && NamePattern::parse(host).is_ok()
    {
        let ports = ports.map_or(String::new(), |ports| format!(":{ports}"));
        return Err(ParseRuleError::Url {
            text: text.into(),
            meant: format!("{host}{ports}"),
        });
    }
    match NamePattern::parse(place) {
        Ok(name) => Ok((Destination::Name(name), ports)),
        Err(error) => Err(ParseRuleError::Name {
            text: text.into(),
            error,
        }),
    }
}

/// `[ADDRESS]`, `[ADDRESS]/BITS` or `[ADDRESS/BITS]`, with or without ports after it.
fn read_brackets(text: &str, inside: &str) -> Result<(Destination, Option<Ports>), ParseRuleError> {
    let brackets = || ParseRuleError::Brackets { text: text.into() };
    let (address, rest) = inside.split_once(']').ok_or_else(brackets)?;
    let (bits, ports) = match rest.split_once(':') {
        Some((bits, ports)) => (bits, Some(read_ports(text, ports)?)),
        None => (rest, None),
    };
    if !address.contains(':') || !(bits.is_empty() || bits.starts_with('/')) {
        return Err(brackets());
    }
    let range = format!("{address}{bits}")
        .parse()
        .map_err(|error| address_error(text, error))?;
    Ok((Destination::Address(range), ports))
}

/// Whether it looks like an IPv4 address or range: digits and dots before the `/`, and four numbers
/// of them. What has fewer is told apart by what is no name.
fn is_ipv4(place: &str) -> bool {
    let (address, bits) = place.split_once('/').unwrap_or((place, ""));
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    address.parse::<std::net::Ipv4Addr>().is_ok()
        || (!bits.is_empty() && digits(address) && address.contains('.'))
}

fn read_ports(text: &str, ports: &str) -> Result<Ports, ParseRuleError> {
    ports.parse().map_err(|error| ParseRuleError::Ports {
        text: text.into(),
        error,
    })
}

fn address_error(text: &str, error: AddressRangeError) -> ParseRuleError {
    ParseRuleError::Address {
        text: text.into(),
        error,
    }
}

/// What of a URL a rule is made of.
fn authority(scheme: &str, rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = match host.is_empty() {
        true => "example.com",
        false => host,
    };
    // A port after the host, or after the brackets of an IPv6 address.
    let bare = host.parse::<Ipv6Addr>().is_ok();
    let named = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let port = match scheme.to_ascii_lowercase().as_str() {
        _ if named || bare => return host.into(),
        "http" | "ws" => 80,
        "ssh" | "git+ssh" | "sftp" => 22,
        "git" => 9418,
        "postgres" | "postgresql" => 5432,
        "redis" => 6379,
        _ => 443,
    };
    format!("{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostName;

    fn error(text: &str) -> String {
        text.parse::<NetworkRule>().expect_err(text).to_string()
    }

    #[test]
    fn rules_read_back() {
        for (given, form) in [
            ("example.com", "example.com"),
            ("*.Example.com.:443", "*.example.com:443"),
            ("example.com:443,80", "example.com:80,443"),
            ("example.com:*", "example.com"),
            ("*", "*"),
            ("*:443", "*:443"),
            ("localhost:8000-8100", "localhost:8000-8100"),
            ("10.0.0.0/8:5432", "10.0.0.0/8:5432"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32:1", "192.0.2.1:1"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("2001:db8::/32", "[2001:db8::]/32"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[2001:db8::/32]:443", "[2001:db8::]/32:443"),
            ("[2001:db8::]/32:443", "[2001:db8::]/32:443"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("::/0", "[::]/0"),
            ("example.com GET", "example.com GET"),
            ("example.com *", "example.com *"),
            (
                "example.com  POST,GET /b /a/**",
                "example.com GET,POST /a/** /b",
            ),
            ("example.com:443 /a%20b", "example.com:443 /a%20b"),
        ] {
            let rule: NetworkRule = given.parse().expect(given);
            assert_eq!(rule.to_string(), form);
            assert_eq!(form.parse(), Ok(rule.clone()));
            assert_eq!(NetworkRule::from(given), rule);
        }
    }

    #[test]
    fn a_url_gets_what_to_write() {
        for (url, meant) in [
            ("https://example.com/a?b", "`example.com:443`"),
            ("http://example.com", "`example.com:80`"),
            (
                "https://user:secret@example.com:8443/",
                "`example.com:8443`",
            ),
            ("ssh://git@example.com/a.git", "`example.com:22`"),
            ("postgres://db.test/x", "`db.test:5432`"),
            ("https://[2001:db8::1]/", "`[2001:db8::1]:443`"),
            ("https://[2001:db8::1]:1/", "`[2001:db8::1]:1`"),
            ("https://", "`example.com:443`"),
            ("example.com/path", "`example.com`"),
            ("example.com/path:443", "`example.com:443`"),
        ] {
            assert!(
                error(url).ends_with(&format!("write {meant}")),
                "{}",
                error(url)
            );
        }
    }

    #[test]
    fn what_is_no_rule_says_what_to_write() {
        for (text, says) in [
            ("", "example.com:443"),
            ("  ", "example.com:443"),
            (":443", "the name is empty"),
            ("2130706433:80", "the address 127.0.0.1"),
            ("0x7f.1", "the address 127.0.0.1"),
            ("0177.0.0.1", "the address 127.0.0.1"),
            ("127.1", "the address 127.0.0.1"),
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("10.0.0.0/33", "32 bits"),
            ("10.0.0/8", "is no address"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("2001:db8::1::443", "brackets"),
            ("example.com:80:443", "brackets"),
            ("[2001:db8::1", "brackets"),
            ("[2001:db8::1]443", "brackets"),
            ("[example.com]:443", "brackets"),
            ("[192.0.2.1]:443", "brackets"),
            ("[fe80::1%1]:443", "is no address"),
            ("example.com:", "is no port"),
            ("example.com:https", "is no port"),
            ("example.com:0", "port 0"),
            ("user@example.com", "'@'"),
            ("a\0.example.com", "'\\0'"),
            ("example.com#@evil.test", "'#'"),
            ("bücher.example", "xn--"),
            ("*example.com", "whole labels"),
            ("example.com get", "upper case"),
            ("example.com GET,", "upper case"),
            ("example.com GET,*", "upper case"),
            ("example.com GET repos", "does not begin with `/`"),
            ("example.com /a?b", "query"),
        ] {
            assert!(error(text).contains(says), "{text}: {}", error(text));
            // From text it is kept, and means nothing.
            let rule = NetworkRule::from(text);
            assert!(matches!(rule.to, Destination::Unreadable(_)));
            assert!(!rule.is_name(&HostName::parse("example.com").expect("a name"), 443));
            assert!(!rule.is_address([127, 0, 0, 1].into(), 80));
        }
    }
}
