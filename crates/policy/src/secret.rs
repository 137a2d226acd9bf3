//! Secrets that stay outside: what the program gets is a placeholder.

use crate::network::rule::read_place;
use crate::network::{Destination, NamePattern, ParseRuleError, Ports};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A secret that the program uses and never has. The variable `name` inside holds a random
/// placeholder; on the way out, in requests to the hosts it is bound to and in the place it is
/// bound to, the placeholder is replaced by the value.
///
/// ```
/// use cofferdam_policy::{Secret, SecretPlace, SecretSource};
/// let secret = Secret::default()
///     .env("API_TOKEN")
///     .from_command(["vault-cli", "token"])
///     .bearer_for("api.example.com");
/// assert_eq!(secret.name, "API_TOKEN");
/// assert_eq!(secret.place, SecretPlace::Bearer);
/// assert_eq!(secret.hosts[0].to_string(), "api.example.com:443");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Secret {
    /// The variable inside, and the name in events.
    pub name: String,
    /// Where the value comes from.
    pub source: SecretSource,
    /// How long a value is used before it is fetched again; for ever, where it is left out.
    pub ttl: Option<Duration>,
    /// The hosts it is for. Connections to them are looked into.
    pub hosts: Vec<SecretHost>,
    /// Where in a request it is put.
    pub place: SecretPlace,
    /// What the placeholder begins with, for programs that check what a token looks like.
    pub prefix: String,
    /// Texts that are no hosts, kept for [`Policy::validate`](crate::Policy::validate) to report.
    pub unreadable: Vec<SecretHostError>,
}

/// A host that a secret is for. As text `NAME[:PORTS]`, with PORTS as in a
/// [`NetworkRule`](crate::NetworkRule).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretHost {
    /// Its name.
    pub name: NamePattern,
    /// The ports; 443 where a text names none.
    pub ports: Ports,
}

/// Why a text names no host for a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum SecretHostError {
    #[error("a secret's host: {0}")]
    Rule(#[from] ParseRuleError),
    #[error(
        "a secret's host is {text:?}, an address; a secret is bound to names: write the host's"
    )]
    Address { text: String },
}

/// Where a secret's value comes from, on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SecretSource {
    /// A variable of the host's environment.
    Env(String),
    /// A file; one newline at its end is not part of the secret.
    File(PathBuf),
    /// What a program on the host prints, likewise; never through a shell.
    Command(Vec<String>),
    /// A provider that the embedding program registers under this name.
    Provider(String),
}

/// Where in an HTTP request a secret is put.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SecretPlace {
    /// Anywhere in the value of this header.
    Header(String),
    /// `Authorization: Bearer` (RFC 6750).
    #[default]
    Bearer,
    /// The password, or the user name, of `Authorization: Basic` (RFC 7617).
    Basic,
    /// The value of this parameter in the query.
    Query(String),
}

impl Secret {
    /// The variable inside. Unless another source is named, the value is that of the host's variable
    /// of this name.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if self.source == SecretSource::Env(std::mem::take(&mut self.name)) {
            self.source = SecretSource::Env(name.clone());
        }
        self.name = name;
        self
    }

    /// The value is that of this variable of the host's environment.
    #[must_use]
    pub fn from_env(mut self, name: impl Into<String>) -> Self {
        self.source = SecretSource::Env(name.into());
        self
    }

    /// The value is what this file of the host holds, without one newline at its end.
    #[must_use]
    pub fn from_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = SecretSource::File(path.into());
        self
    }

    /// The value is what this program of the host prints, without one newline at its end. The first
    /// word is the program, found by `PATH` where it is a name alone; no shell reads it.
    #[must_use]
    pub fn from_command<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.source = SecretSource::Command(words.into_iter().map(Into::into).collect());
        self
    }

    /// The value comes from the provider that the embedding program registers under this name.
    #[must_use]
    pub fn from_provider(mut self, name: impl Into<String>) -> Self {
        self.source = SecretSource::Provider(name.into());
        self
    }

    /// How long a value is used before it is fetched again.
    #[must_use]
    pub fn ttl(mut self, time: Duration) -> Self {
        self.ttl = Some(time);
        self
    }

    /// What the placeholder begins with.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Where in a request it is put. There is one place, for all hosts: the last one named.
    #[must_use]
    pub fn place(mut self, place: SecretPlace) -> Self {
        self.place = place;
        self
    }

    /// A host that it is for, `NAME[:PORTS]`. A text that is none is kept for
    /// [`Policy::validate`](crate::Policy::validate) to report.
    #[must_use]
    pub fn host(mut self, host: impl AsRef<str>) -> Self {
        match host.as_ref().parse() {
            Ok(host) => self.hosts.push(host),
            Err(error) => self.unreadable.push(error),
        }
        self
    }

    /// In `Authorization: Bearer`, for this host. As [`Secret::place`] and [`Secret::host`].
    #[must_use]
    pub fn bearer_for(self, host: impl AsRef<str>) -> Self {
        self.place(SecretPlace::Bearer).host(host)
    }

    /// In `Authorization: Basic`, for this host. As [`Secret::place`] and [`Secret::host`].
    #[must_use]
    pub fn basic_for(self, host: impl AsRef<str>) -> Self {
        self.place(SecretPlace::Basic).host(host)
    }

    /// In the header `header`, for this host. As [`Secret::place`] and [`Secret::host`].
    #[must_use]
    pub fn header_for(self, header: impl Into<String>, host: impl AsRef<str>) -> Self {
        self.place(SecretPlace::Header(header.into())).host(host)
    }

    /// In the parameter `parameter` of the query, for this host. As [`Secret::place`] and
    /// [`Secret::host`].
    #[must_use]
    pub fn query_for(self, parameter: impl Into<String>, host: impl AsRef<str>) -> Self {
        self.place(SecretPlace::Query(parameter.into())).host(host)
    }

    /// Whether it is bound to this name and port.
    #[must_use]
    pub fn is_for(&self, name: &crate::HostName, port: u16) -> bool {
        let bound = |host: &SecretHost| host.name.matches(name) && host.ports.contains(port);
        self.hosts.iter().any(bound)
    }
}

impl Default for Secret {
    /// Nothing yet: without a name and a host, which validation refuses. In `Authorization: Bearer`
    /// unless said otherwise.
    fn default() -> Self {
        Secret {
            name: String::new(),
            source: SecretSource::Env(String::new()),
            ttl: None,
            hosts: Vec::new(),
            place: SecretPlace::default(),
            prefix: String::new(),
            unreadable: Vec::new(),
        }
    }
}

impl SecretHost {
    /// The port where a text names none: that of HTTPS, since a secret is sent over TLS.
    pub const DEFAULT_PORT: u16 = 443;
}

impl FromStr for SecretHost {
    type Err = SecretHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match read_place(text)? {
            (Destination::Name(name), ports) => Ok(SecretHost {
                name,
                ports: ports.unwrap_or_else(|| Ports::one(Self::DEFAULT_PORT)),
            }),
            _ => Err(SecretHostError::Address { text: text.into() }),
        }
    }
}

impl fmt::Display for SecretHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.ports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostName;

    #[test]
    fn hosts_read_back() {
        for (given, form) in [
            ("api.example.com", "api.example.com:443"),
            ("*.example.com:8443,443", "*.example.com:443,8443"),
            ("api.example.com:*", "api.example.com:*"),
        ] {
            let host: SecretHost = given.parse().expect(given);
            assert_eq!(host.to_string(), form);
            assert_eq!(form.parse(), Ok(host));
        }
        let error = "192.0.2.1:443"
            .parse::<SecretHost>()
            .expect_err("an address");
        assert!(error.to_string().contains("bound to names"), "{error}");
        let error = "https://a.test".parse::<SecretHost>().expect_err("a URL");
        assert!(error.to_string().contains("write `a.test:443`"), "{error}");
    }

    #[test]
    fn the_variable_is_the_source_unless_another_is_named() {
        let source = |secret: Secret| secret.env("A").source;
        assert_eq!(source(Secret::default()), SecretSource::Env("A".into()));
        assert_eq!(
            source(Secret::default().env("B")),
            SecretSource::Env("A".into())
        );
        assert_eq!(
            source(Secret::default().from_env("C")),
            SecretSource::Env("C".into())
        );
        assert_eq!(
            source(Secret::default().from_file("/f")),
            SecretSource::File("/f".into())
        );
    }

    #[test]
    fn it_is_for_its_hosts() {
        let secret = Secret::default()
            .env("A")
            .bearer_for("*.a.test")
            .host("b.test:80")
            .host("");
        let is_for = |name, port| secret.is_for(&HostName::parse(name).expect("a name"), port);
        assert!(is_for("x.a.test", 443) && is_for("b.test", 80));
        assert!(!is_for("a.test", 443) && !is_for("x.a.test", 80) && !is_for("b.test", 443));
        assert_eq!(secret.unreadable.len(), 1);
    }
}
