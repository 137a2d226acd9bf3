//! What a ruleset can restrict, and what a kernel lacks of it.

use core::fmt;

use crate::{Abi, Right};

/// One thing that Landlock can restrict (or, for [`Feature::DenialLog`], do).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// A right on files.
    File(Right),
    /// bind(2) of TCP sockets, by port. ABI 4.
    BindTcp,
    /// connect(2) of TCP sockets, by port. ABI 4.
    ConnectTcp,
    /// Connections to abstract unix sockets made outside. ABI 6.
    ScopeAbstractUnix,
    /// Signals to processes outside. ABI 6.
    ScopeSignals,
    /// Denials in programs that are executed later are written to the audit log. ABI 7.
    DenialLog,
}

impl Feature {
    /// All of them: file rights, network, scopes, log.
    pub fn all() -> impl Iterator<Item = Self> {
        Right::ALL.iter().copied().map(Self::File).chain([
            Self::BindTcp,
            Self::ConnectTcp,
            Self::ScopeAbstractUnix,
            Self::ScopeSignals,
            Self::DenialLog,
        ])
    }

    /// A name in the manner of the kernel's constants, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File(right) => right.name(),
            Self::BindTcp => "bind_tcp",
            Self::ConnectTcp => "connect_tcp",
            Self::ScopeAbstractUnix => "scope_abstract_unix_socket",
            Self::ScopeSignals => "scope_signal",
            Self::DenialLog => "log_new_exec",
        }
    }

    /// The first ABI that offers it.
    pub fn abi(self) -> Abi {
        let number = match self {
            Self::File(right) => return right.abi(),
            Self::BindTcp | Self::ConnectTcp => 4,
            Self::ScopeAbstractUnix | Self::ScopeSignals => 6,
            Self::DenialLog => 7,
        };
        Abi::of_kernel(number).unwrap_or(Abi::NEWEST)
    }

    /// What a program can do when this is not restricted.
    const fn when_missing(self) -> &'static str {
        match self {
            Self::File(Right::Refer) => {
                "renaming and linking between directories is always denied instead"
            }
            Self::File(Right::Truncate) => "files that may not be written can still be truncated",
            Self::File(Right::IoctlDev) => "devices take ioctl commands",
            Self::File(Right::ResolveUnix) => "unix sockets with a path can be connected to",
            Self::File(_) => "files are not restricted in this respect",
            Self::BindTcp => "TCP sockets can be bound to any port",
            Self::ConnectTcp => "TCP sockets can connect to any port",
            Self::ScopeAbstractUnix => "abstract unix sockets outside can be connected to",
            Self::ScopeSignals => "processes outside can be sent signals",
            Self::DenialLog => "denials are not written to the audit log",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that a ruleset asks for and that this kernel's ABI does not offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Missing {
    /// What was asked for.
    pub feature: Feature,
}

impl Missing {
    /// The ABI that brings it.
    pub fn abi(self) -> Abi {
        self.feature.abi()
    }

    /// The kernel release that brings it.
    pub fn kernel(self) -> &'static str {
        self.abi().kernel()
    }

    /// Whether a program can do more than was asked for. Not so for [`Right::Refer`], which
    /// a kernel without it always denies, nor for the log.
    pub const fn weakens(self) -> bool {
        !matches!(
            self.feature,
            Feature::File(Right::Refer) | Feature::DenialLog
        )
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "landlock {} needs linux {} (abi {}); {}",
            self.feature,
            self.kernel(),
            self.abi(),
            self.feature.when_missing()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landlock::{Access as _, AccessNet, Scope};

    #[test]
    fn network_and_scopes_come_with_the_abi_of_the_tables() {
        for abi in Abi::all() {
            let net = AccessNet::from_all(abi.to_landlock());
            let scopes = Scope::from_all(abi.to_landlock());
            assert_eq!(
                Feature::BindTcp.abi() <= abi,
                net.contains(AccessNet::BindTcp)
            );
            assert_eq!(
                Feature::ConnectTcp.abi() <= abi,
                net.contains(AccessNet::ConnectTcp)
            );
            assert_eq!(
                Feature::ScopeAbstractUnix.abi() <= abi,
                scopes.contains(Scope::AbstractUnixSocket)
            );
            assert_eq!(
                Feature::ScopeSignals.abi() <= abi,
                scopes.contains(Scope::Signal)
            );
        }
    }

    #[test]
    fn a_missing_feature_says_what_brings_it_and_what_follows() {
        let missing = Missing {
            feature: Feature::File(Right::Truncate),
        };
        assert_eq!(
            missing.to_string(),
            "landlock truncate needs linux 6.2 (abi 3); \
             files that may not be written can still be truncated"
        );
    }
}
