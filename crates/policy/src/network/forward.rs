//! Ways between the host and the inside that are no rules about names.

use super::ports::{self, PortsError};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A port of the sandbox that the host can connect to. As text `[[ADDRESS:]PORT:]PORT`: where the
/// host listens (on 127.0.0.1 at the same port, unless said), and the port inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Publish {
    /// Where the host listens; port 0 stands for one that the kernel picks.
    pub host: SocketAddr,
    /// The TCP port inside, on the sandbox's loopback.
    pub port: u16,
}

/// One service of the host that can be reached from inside. As text `INSIDE=HOST`, or a port alone
/// for the same one on the host's loopback interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Forward {
    /// Where it is inside.
    pub inside: Endpoint,
    /// Where it is on the host.
    pub host: HostEndpoint,
}

/// A place inside. As text a port, or a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP port of the sandbox's loopback.
    Tcp(u16),
    /// A unix socket at this path; its directory is made where it is missing.
    Unix(PathBuf),
}

/// A place on the host. As text a port (of 127.0.0.1), `ADDRESS:PORT`, or a path, which has a `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HostEndpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix socket at this path.
    Unix(PathBuf),
}

/// The host's ssh-agent, of which the program can list and use the chosen keys and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SshAgent {
    /// The agent's socket on the host; left out, where `SSH_AUTH_SOCK` leads.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub socket: Option<PathBuf>,
    /// The keys, by fingerprint (`SHA256:…`, as ssh-add -l prints it).
    pub keys: Vec<String>,
}

/// Why a text says nothing about a port to publish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ParsePublishError {
    #[error(
        "{text:?} names no port to publish; write PORT, HOST-PORT:PORT or ADDRESS:HOST-PORT:PORT, with \
         brackets around IPv6"
    )]
    Form { text: String },
    #[error("{text:?} cannot be published: {error}")]
    Port {
        text: String,
        #[source]
        error: PortsError,
    },
}

/// Why a text says nothing about a service to forward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ParseForwardError {
    #[error(
        "{text:?} is no place inside; write a port, or the path of a socket from `/` on, as in \
         5432=/run/db.sock"
    )]
    Inside { text: String },
    #[error("{text:?} is no place on the host; write a port, ADDRESS:PORT or the path of a socket")]
    Host { text: String },
    #[error("{text:?} names a socket inside and none of the host; write INSIDE=HOST")]
    HalfUnix { text: String },
}

impl FromStr for Publish {
    type Err = ParsePublishError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ParsePublishError::Form { text: text.into() };
        let port = |number: &str| {
            ports::port(number, number).map_err(|error| ParsePublishError::Port {
                text: text.into(),
                error,
            })
        };
        let Some((host, inside)) = text.rsplit_once(':') else {
            let port = port(text)?;
            return Ok(Publish {
                host: loopback(port),
                port,
            });
        };
        // On the host, port 0 has a meaning.
        let host = match host {
            "0" => loopback(0),
            _ if host.contains(':') => host.parse().map_err(|_| form())?,
            // The address alone would leave in doubt which of the two ports is meant.
            _ if host.parse::<Ipv4Addr>().is_ok() || host.starts_with('[') => return Err(form()),
            _ => loopback(port(host)?),
        };
        let port = port(inside)?;
        Ok(Publish { host, port })
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Forward {
    type Err = ParseForwardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((inside, host)) = text.split_once('=') else {
            return match text.parse()? {
                Endpoint::Tcp(port) => Ok(Forward {
                    inside: Endpoint::Tcp(port),
                    host: HostEndpoint::Tcp(loopback(port)),
                }),
                Endpoint::Unix(_) => Err(ParseForwardError::HalfUnix { text: text.into() }),
            };
        };
        Ok(Forward {
            inside: inside.parse()?,
            host: host.parse()?,
        })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.inside, self.host)
    }
}

impl FromStr for Endpoint {
    type Err = ParseForwardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match ports::port(text, text) {
            Ok(port) => Ok(Endpoint::Tcp(port)),
            Err(_) if text.starts_with('/') => Ok(Endpoint::Unix(text.into())),
            Err(_) => Err(ParseForwardError::Inside { text: text.into() }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(port) => port.fmt(f),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for HostEndpoint {
    type Err = ParseForwardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(port) = ports::port(text, text) {
            return Ok(HostEndpoint::Tcp(loopback(port)));
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Ok(HostEndpoint::Tcp(address)),
            Err(_) if text.contains('/') => Ok(HostEndpoint::Unix(text.into())),
            _ => Err(ParseForwardError::Host { text: text.into() }),
        }
    }
}

impl fmt::Display for HostEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostEndpoint::Tcp(address) => address.fmt(f),
            HostEndpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_to_publish_read_back() {
        for (given, form) in [
            ("8080", "127.0.0.1:8080:8080"),
            ("3000:8080", "127.0.0.1:3000:8080"),
            ("0:8080", "127.0.0.1:0:8080"),
            ("0.0.0.0:3000:8080", "0.0.0.0:3000:8080"),
            ("[::1]:3000:8080", "[::1]:3000:8080"),
        ] {
            let publish: Publish = given.parse().expect(given);
            assert_eq!(publish.to_string(), form);
            assert_eq!(form.parse(), Ok(publish));
        }
        for text in [
            "",
            "a",
            "0",
            "8080:0",
            "127.0.0.1:8080",
            "[::1]:8080",
            "a:1:2",
            "::1:3000:8080",
            "1:2:3",
            "1:",
            ":1",
            "-1",
        ] {
            let error = text.parse::<Publish>().expect_err(text).to_string();
            assert!(error.contains("write"), "{text}: {error}");
        }
    }

    #[test]
    fn services_to_forward_read_back() {
        for (given, form) in [
            ("5432", "5432=127.0.0.1:5432"),
            ("5432=6543", "5432=127.0.0.1:6543"),
            ("5432=192.0.2.1:6543", "5432=192.0.2.1:6543"),
            ("5432=[::1]:6543", "5432=[::1]:6543"),
            ("5432=/run/db.sock", "5432=/run/db.sock"),
            ("/run/a.sock=./a=b.sock", "/run/a.sock=./a=b.sock"),
            ("/run/a.sock=80", "/run/a.sock=127.0.0.1:80"),
        ] {
            let forward: Forward = given.parse().expect(given);
            assert_eq!(forward.to_string(), form);
            assert_eq!(form.parse(), Ok(forward));
        }
        for text in [
            "",
            "0",
            "a",
            "run/a.sock=80",
            "80=",
            "=80",
            "80=db",
            "80=0",
            "80=1.2.3.4:0",
            "80=localhost:1",
            "/run/a.sock",
            "65536=1",
        ] {
            let error = text.parse::<Forward>().expect_err(text).to_string();
            assert!(error.contains("write"), "{text}: {error}");
        }
    }
}
