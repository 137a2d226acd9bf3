//! The variables the program starts with.

use std::collections::{BTreeMap, BTreeSet};

/// The environment: only what is named here, and what the sandbox itself must set, such as `HOME`,
/// `PATH` and `TMPDIR`.
///
/// A name in both parts has the value of `set`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Environment {
    /// Names taken from the host's environment where they are set there. A list in a policy file
    /// replaces the default one.
    pub inherit: BTreeSet<String>,
    /// Names given a fixed value.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub set: BTreeMap<String, String>,
}

impl Environment {
    /// The names inherited by default: terminal type and colours, language, time zone. None of them
    /// is used for a secret, and none says where anything lies on the host.
    pub const DEFAULT_INHERIT: [&'static str; 23] = [
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLORTERM",
        "COLUMNS",
        "FORCE_COLOR",
        "LANG",
        "LANGUAGE",
        "LC_ADDRESS",
        "LC_ALL",
        "LC_COLLATE",
        "LC_CTYPE",
        "LC_IDENTIFICATION",
        "LC_MEASUREMENT",
        "LC_MESSAGES",
        "LC_MONETARY",
        "LC_NAME",
        "LC_NUMERIC",
        "LC_PAPER",
        "LC_TELEPHONE",
        "LC_TIME",
        "NO_COLOR",
        "TERM",
        "TZ",
    ];

    /// An environment with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Environment {
            inherit: BTreeSet::new(),
            set: BTreeMap::new(),
        }
    }

    /// Takes `name` from the host's environment.
    #[must_use]
    pub fn inherit(mut self, name: impl Into<String>) -> Self {
        self.inherit.insert(name.into());
        self
    }

    /// Gives `name` the value `value`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(name.into(), value.into());
        self
    }

    /// Leaves `name` out, wherever it came from.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.inherit.remove(name);
        self.set.remove(name);
        self
    }

    /// Drops everything named so far, the default list included.
    #[must_use]
    pub fn clear(self) -> Self {
        Environment::empty()
    }
}

impl Default for Environment {
    /// [`Environment::DEFAULT_INHERIT`] and nothing set.
    fn default() -> Self {
        Environment {
            inherit: Self::DEFAULT_INHERIT.map(String::from).into(),
            set: BTreeMap::new(),
        }
    }
}
