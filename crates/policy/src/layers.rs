//! Which walls must stand.

use std::fmt;
use std::str::FromStr;

use crate::error::ParseNameError;

/// How hard the sandbox insists on a layer. Ordered from the tightest to the widest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Enforce {
    /// Nothing runs where the layer cannot be put up in full.
    #[default]
    Require,
    /// As much of the layer as the host offers; what is missing is reported.
    Prefer,
    /// The layer is left out.
    Off,
}

impl Enforce {
    /// Every value, tightest first.
    pub const ALL: [Enforce; 3] = [Enforce::Require, Enforce::Prefer, Enforce::Off];

    /// The name used in policy files: `require`, `prefer` or `off`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Enforce::Require => "require",
            Enforce::Prefer => "prefer",
            Enforce::Off => "off",
        }
    }
}

impl fmt::Display for Enforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Enforce {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ParseNameError::find("enforcement", text, &Self::ALL, |one| one.name())
    }
}

/// One wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// User, mount, pid, ipc, uts, cgroup and time namespaces, and the empty capability sets.
    Namespaces,
    /// The view of the file system: only what the policy names exists.
    Filesystem,
    /// The system call filter.
    Seccomp,
    /// Landlock's access rights, ports and scopes.
    Landlock,
    /// The control group that holds memory, processes, cpu and io.
    Cgroup,
    /// The network namespace.
    Network,
}

impl Layer {
    /// Every layer, in the order of [`Layers`].
    pub const ALL: [Layer; 6] = [
        Layer::Namespaces,
        Layer::Filesystem,
        Layer::Seccomp,
        Layer::Landlock,
        Layer::Cgroup,
        Layer::Network,
    ];

    /// The name used in policy files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Layer::Namespaces => "namespaces",
            Layer::Filesystem => "filesystem",
            Layer::Seccomp => "seccomp",
            Layer::Landlock => "landlock",
            Layer::Cgroup => "cgroup",
            Layer::Network => "network",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layer {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ParseNameError::find("layer", text, &Self::ALL, |one| one.name())
    }
}

/// What is asked of each layer. The default requires them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Layers {
    /// User, mount, pid, ipc, uts, cgroup and time namespaces.
    pub namespaces: Enforce,
    /// The view of the file system.
    pub filesystem: Enforce,
    /// The system call filter.
    pub seccomp: Enforce,
    /// Landlock.
    pub landlock: Enforce,
    /// The control group. Without it `memory`, `processes`, `cpus` and `io_weight` cannot be held.
    pub cgroup: Enforce,
    /// The network namespace.
    pub network: Enforce,
}

impl Layers {
    /// What is asked of `layer`.
    #[must_use]
    pub const fn get(&self, layer: Layer) -> Enforce {
        match layer {
            Layer::Namespaces => self.namespaces,
            Layer::Filesystem => self.filesystem,
            Layer::Seccomp => self.seccomp,
            Layer::Landlock => self.landlock,
            Layer::Cgroup => self.cgroup,
            Layer::Network => self.network,
        }
    }

    /// Asks `enforce` of `layer`.
    #[must_use]
    pub const fn with(mut self, layer: Layer, enforce: Enforce) -> Self {
        match layer {
            Layer::Namespaces => self.namespaces = enforce,
            Layer::Filesystem => self.filesystem = enforce,
            Layer::Seccomp => self.seccomp = enforce,
            Layer::Landlock => self.landlock = enforce,
            Layer::Cgroup => self.cgroup = enforce,
            Layer::Network => self.network = enforce,
        }
        self
    }

    /// Nothing runs without `layer`.
    #[must_use]
    pub const fn require(self, layer: Layer) -> Self {
        self.with(layer, Enforce::Require)
    }

    /// As much of `layer` as the host offers.
    #[must_use]
    pub const fn prefer(self, layer: Layer) -> Self {
        self.with(layer, Enforce::Prefer)
    }

    /// Leaves `layer` out.
    #[must_use]
    pub const fn off(self, layer: Layer) -> Self {
        self.with(layer, Enforce::Off)
    }
}
