//! The network the program reaches.

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
    /// The host's network, host services on the loopback interface included.
    Host,
}

/// The network part of a policy. The default is no network.
///
/// The port lists are Landlock rules (ABI 4, Linux 6.7; `landlock(7)`): they hold plain TCP only.
/// UDP and every other protocol on the host's network is not held by them.
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
