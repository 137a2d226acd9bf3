//! The system calls a program may make.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::ParseNameError;

/// Which filter to start from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SyscallProfile {
    /// General programs: compilers, interpreters, virtual machines, package managers.
    #[default]
    Default,
    /// Programs that only compute on their input. Allows nothing that `Default` refuses.
    Strict,
    /// An OCI or Docker profile, the JSON file at this host path.
    Oci(PathBuf),
    /// Several at once: a call must be allowed by every one of them. This is what the kernel does
    /// with several installed filters (`seccomp(2)`), and what [`Policy::restrict`] gives for two
    /// profiles of which neither is known to be the tighter.
    ///
    /// [`Policy::restrict`]: crate::Policy::restrict
    Stacked(BTreeSet<SyscallProfile>),
}

impl SyscallProfile {
    /// The single profiles this one is made of; a single profile is made of itself.
    #[must_use]
    pub fn parts(&self) -> BTreeSet<&SyscallProfile> {
        match self {
            SyscallProfile::Stacked(all) => all.iter().flat_map(SyscallProfile::parts).collect(),
            one => BTreeSet::from([one]),
        }
    }
}

/// Something that a profile refuses and that a program may need, by intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SyscallIntent {
    /// Debuggers and tracers: `ptrace`, `process_vm_readv` and their kin, within the sandbox.
    Ptrace,
    /// Programs that build namespaces of their own: browsers, container tools.
    NestedNamespaces,
    /// `io_uring`, whose operations the filter cannot see.
    IoUring,
    /// `userfaultfd`, which makes kernel races winnable.
    Userfaultfd,
    /// `perf_event_open`.
    PerfEvents,
    /// Kernel keyrings. The user keyring is the host user's: it belongs to no namespace.
    Keyring,
}

impl SyscallIntent {
    /// Every intent.
    pub const ALL: [SyscallIntent; 6] = [
        SyscallIntent::Ptrace,
        SyscallIntent::NestedNamespaces,
        SyscallIntent::IoUring,
        SyscallIntent::Userfaultfd,
        SyscallIntent::PerfEvents,
        SyscallIntent::Keyring,
    ];

    /// The name used in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SyscallIntent::Ptrace => "ptrace",
            SyscallIntent::NestedNamespaces => "nested-namespaces",
            SyscallIntent::IoUring => "io-uring",
            SyscallIntent::Userfaultfd => "userfaultfd",
            SyscallIntent::PerfEvents => "perf-events",
            SyscallIntent::Keyring => "keyring",
        }
    }
}

impl fmt::Display for SyscallIntent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SyscallIntent {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ParseNameError::find("system call intent", text, &Self::ALL, |one| one.name())
    }
}

/// The system call part of a policy: a profile and what is added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Syscalls {
    /// Where to start.
    pub profile: SyscallProfile,
    /// What to add.
    pub allow: BTreeSet<SyscallIntent>,
}

impl Syscalls {
    /// Starts from `profile`.
    #[must_use]
    pub fn profile(mut self, profile: SyscallProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Starts from the strict profile.
    #[must_use]
    pub fn strict(self) -> Self {
        self.profile(SyscallProfile::Strict)
    }

    /// Starts from the OCI profile in the file `path`.
    #[must_use]
    pub fn oci(self, path: impl Into<PathBuf>) -> Self {
        self.profile(SyscallProfile::Oci(path.into()))
    }

    /// Adds what `intent` needs.
    #[must_use]
    pub fn allow(mut self, intent: SyscallIntent) -> Self {
        self.allow.insert(intent);
        self
    }
}
