//! What a sandbox may do, as plain data.
//!
//! A [`Policy`] says what a confined program may see, touch and use. It does no I/O, reads no clock
//! and knows nothing of the host: two policies can be compared ([`Policy::is_within`]), combined so
//! that the result allows no more than either ([`Policy::restrict`]), checked
//! ([`Policy::validate`]) and, with feature `serde`, read from and written to TOML and JSON.
//!
//! The [`Default`] policy lets a program use the host's toolchains read-only, with an empty private
//! home and `/tmp`, no network, a scrubbed environment and every layer required.
//!
//! ```
//! use cofferdam_policy::{Bytes, Filesystem, Limits, Policy};
//!
//! let policy = Policy {
//!     filesystem: Filesystem::default().workspace("/home/me/repo").hide("/home/me/repo/.env"),
//!     limits: Limits::default().memory(Bytes::mib(2048)).processes(256).cpus(1.5),
//!     ..Policy::default()
//! };
//! policy.validate()?;
//! assert!(!policy.is_within(&Policy::default()), "the default grants no workspace");
//! # Ok::<(), cofferdam_policy::PolicyError>(())
//! ```
//!
//! Features: `serde` (TOML and JSON), `schema` (the JSON schema of that text). Neither changes a
//! default.

#![forbid(unsafe_code)]

mod danger;
mod environment;
mod error;
mod filesystem;
mod identity;
mod layers;
mod limits;
mod network;
mod order;
mod policy;
mod protect;
mod root;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod suggest;
mod syscalls;
#[cfg(feature = "serde")]
mod text;
mod tree;
mod units;
mod upper;
mod validate;
mod view;

pub use danger::{Danger, DangerousName, DangerousNames};
pub use environment::Environment;
#[cfg(feature = "serde")]
pub use error::{FormatError, ParseError};
pub use error::{ParseBytesError, ParseCpusError, ParseDurationError, ParseNameError, PolicyError};
pub use filesystem::{Access, Filesystem, PathRule, Symlink, Sys};
pub use identity::{IdRange, Identity};
pub use layers::{Enforce, Layer, Layers};
pub use limits::Limits;
pub use network::{
    AddressRange, AddressRangeError, Destination, Endpoint, Forward, HostEndpoint, HostName,
    HostNameError, HttpMatch, NamePattern, Network, NetworkMode, NetworkRule, ParseForwardError,
    ParsePublishError, ParseRuleError, PathPattern, PathPatternError, Ports, PortsError, Publish,
    SshAgent,
};
pub use policy::Policy;
pub use protect::Protect;
pub use root::Root;
pub use secret::{Secret, SecretHost, SecretHostError, SecretPlace, SecretSource};
pub use syscalls::{SyscallIntent, SyscallProfile, Syscalls};
pub use units::{Bytes, Cpus, format_duration, parse_duration};
pub use upper::Upper;
pub use view::ViewEntry;

#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../README.md")]
struct Readme;
