//! The network the program reaches.

mod address;
mod forward;
pub(crate) mod http;
mod name;
mod path;
mod ports;
pub(crate) mod rule;
mod segments;

pub use address::{AddressRange, AddressRangeError};
pub use forward::{
    Endpoint, Forward, HostEndpoint, ParseForwardError, ParsePublishError, Publish, SshAgent,
};
pub use http::HttpMatch;
pub use name::{HostName, HostNameError, NamePattern};
pub use path::{PathPattern, PathPatternError};
pub use ports::{Ports, PortsError};
pub use rule::{Destination, NetworkRule, ParseRuleError};

use std::net::SocketAddr;
use std::path::PathBuf;

/// Which network the program is in. Ordered from the tightest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum NetworkMode {
    /// A network of its own with nothing but a loopback interface.
    #[default]
    None,
    /// A network of its own whose only way out is the gate: what [`Network::allow`] names.
    Rules,
    /// The host's network, host services on the loopback interface included.
    Host,
}

/// The network part of a policy. The default is no network.
///
/// The port lists are Landlock rules (ABI 4, Linux 6.7; `landlock(7)`): they hold plain TCP only.
/// UDP and every other protocol on the host's network is not held by them. All that comes after them
/// is only for mode `rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// Which network.
    pub mode: NetworkMode,
    /// The TCP ports that may be connected to; left out, any. Only with mode `host`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub connect: Option<Vec<u16>>,
    /// The TCP ports that may be listened on; left out, any. Only with mode `host`. Port 0 stands
    /// for a port that the kernel picks.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bind: Option<Vec<u16>>,
    /// What may be reached, with mode `rules`; where it is empty, nothing.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub allow: Vec<NetworkRule>,
    /// What may not, whatever is allowed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub deny: Vec<NetworkRule>,
    /// Allows what the package clients of this host (pip, npm, cargo, apt, go) are configured to
    /// use, found out when a sandbox is built.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub package_clients: bool,
    /// Files with further certificate authorities (PEM), beside the system's, that servers may be
    /// certified by where the gate looks into TLS.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub trust: Vec<PathBuf>,
    /// Ports of the sandbox that the host can connect to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub publish: Vec<Publish>,
    /// Services of the host that can be reached from inside.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub forward: Vec<Forward>,
    /// Keys of the host's ssh-agent that can be used from inside.
    #[cfg_attr(
        feature = "serde",
        serde(
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::text::shape::optional_table"
        )
    )]
    pub ssh_agent: Option<SshAgent>,
}

impl Network {
    /// No network.
    #[must_use]
    pub fn none(self) -> Self {
        Network::default()
    }

    /// The host's network.
    #[must_use]
    pub fn host(mut self) -> Self {
        self.mode = NetworkMode::Host;
        self
    }

    /// A network of its own, out of which leads only what is allowed; at first nothing.
    #[must_use]
    pub fn rules(mut self) -> Self {
        self.mode = NetworkMode::Rules;
        self
    }

    /// Allows connections, as in `allow("*.example.com:443")`; see [`NetworkRule`] for the text. One
    /// that is no rule is kept for [`Policy::validate`](crate::Policy::validate) to report. Where
    /// there was no network, the mode is now [`NetworkMode::Rules`].
    #[must_use]
    pub fn allow(mut self, rule: impl Into<NetworkRule>) -> Self {
        self.allow.push(rule.into());
        self.by_rules()
    }

    /// Allows HTTP requests: of these methods (of any, where there is none) for these paths (for
    /// any, where there is none), and nothing else there. Otherwise as [`Network::allow`].
    #[must_use]
    pub fn allow_http<M: AsRef<str>, P: AsRef<str>>(
        self,
        rule: impl Into<NetworkRule>,
        methods: impl IntoIterator<Item = M>,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.allow(rule.into().http(methods, paths))
    }

    /// Denies connections, whatever is allowed. Otherwise as [`Network::allow`].
    #[must_use]
    pub fn deny(mut self, rule: impl Into<NetworkRule>) -> Self {
        self.deny.push(rule.into());
        self.by_rules()
    }

    /// Denies HTTP requests, as [`Network::allow_http`] allows them.
    #[must_use]
    pub fn deny_http<M: AsRef<str>, P: AsRef<str>>(
        self,
        rule: impl Into<NetworkRule>,
        methods: impl IntoIterator<Item = M>,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.deny(rule.into().http(methods, paths))
    }

    /// Allows what the package clients of this host are configured to use. Where there was no
    /// network, the mode is now [`NetworkMode::Rules`].
    #[must_use]
    pub fn package_clients(mut self) -> Self {
        self.package_clients = true;
        self.by_rules()
    }

    /// Takes servers that an authority in this file (PEM) certifies, beside the system's.
    #[must_use]
    pub fn trust(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust.push(path.into());
        self.by_rules()
    }

    /// Lets the host connect to this port of the sandbox, at `host`; port 0 there stands for one
    /// that the kernel picks.
    #[must_use]
    pub fn publish(mut self, host: SocketAddr, port: u16) -> Self {
        self.publish.push(Publish { host, port });
        self.by_rules()
    }

    /// Lets the program reach a service of the host.
    #[must_use]
    pub fn forward(mut self, service: Forward) -> Self {
        self.forward.push(service);
        self.by_rules()
    }

    /// Lets the program reach the host's TCP service `host` at this port of its loopback interface.
    #[must_use]
    pub fn forward_tcp(self, inside: u16, host: SocketAddr) -> Self {
        self.forward(Forward {
            inside: Endpoint::Tcp(inside),
            host: HostEndpoint::Tcp(host),
        })
    }

    /// Lets the program reach the host's unix socket `host` at the path `inside`.
    #[must_use]
    pub fn forward_unix(self, inside: impl Into<PathBuf>, host: impl Into<PathBuf>) -> Self {
        self.forward(Forward {
            inside: Endpoint::Unix(inside.into()),
            host: HostEndpoint::Unix(host.into()),
        })
    }

    /// Lets the program sign with these keys of the host's ssh-agent, by fingerprint (`SHA256:…`);
    /// added to those named before.
    #[must_use]
    pub fn ssh_agent<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        let agent = self.ssh_agent.get_or_insert_default();
        agent.keys.extend(keys.into_iter().map(Into::into));
        self.by_rules()
    }

    /// Rules, where there was no network; the host's network stays, for validation to refuse.
    fn by_rules(mut self) -> Self {
        self.mode = self.mode.max(NetworkMode::Rules);
        self
    }

    /// Only these TCP ports may be connected to (added to those named before).
    #[must_use]
    pub fn connect(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.connect.get_or_insert_default().extend(ports);
        self
    }

    /// Only these TCP ports may be listened on (added to those named before).
    #[must_use]
    pub fn bind(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.bind.get_or_insert_default().extend(ports);
        self
    }
}
