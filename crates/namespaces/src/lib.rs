//! Linux namespaces, id maps, mount views and credentials for a confined child.
//!
//! Everything comes in two steps. **Prepare** runs in the parent: it reads, checks, allocates and
//! reports errors in words. **Apply** runs in the child, which may share its memory with a
//! multi-threaded host: it makes raw system calls and nothing else.
//!
//! | in the parent | in the child, in this order |
//! |---|---|
//! | [`Namespaces::clone_flags`] | clone3(2) |
//! | [`IdMap::prepare`] | [`PreparedIdMap::apply_in_child`], or wait until the parent wrote |
//! | [`Credentials::prepare`] | [`PreparedCredentials::become_ids`] |
//! | [`Redirect::prepare`] | [`PreparedRedirect::apply_routes`], [`PreparedRedirect::apply_rules`] |
//! | [`View::prepare`], [`Mounts::detach`] | [`Mounts::apply`] |
//! | | [`PreparedCredentials::drop_capabilities`] |
//!
//! Needs Linux 5.12 for views; [`probe`] says what a host offers.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod apply;
mod apply_overlay;
mod apply_template;
mod credentials;
mod detached;
mod dev;
mod error;
mod explain;
mod gather;
mod helper;
mod idmap;
mod idmapped;
mod layers;
mod layout;
mod list;
mod list_overlay;
mod merge;
mod merged;
mod missing;
mod mounts;
mod overlay;
mod pins;
mod probe;
mod proc;
mod redirect;
mod resolve;
mod set;
mod show;
mod source;
mod template;
mod view;

pub use apply::Context;
pub use credentials::{Credentials, CredentialsError, PreparedCredentials};
pub use detached::Detached;
pub use error::{DetachError, MountError, StepError, ViewError};
pub use helper::HelperError;
pub use idmap::{IdMap, IdMapError, IdRange, MapWriter, PreparedIdMap, WriteMapError};
pub use idmapped::{IdMappedOwner, MappingError, MappingNamespace};
pub use missing::Missing;
pub use mounts::{MountOp, Mounts, TEMPLATE_CLOCKS};
pub use overlay::{Lower, MountedOverlay, MountedUpper, Overlay, Upper};
pub use probe::{Feature, Support, probe, probe_view_calls, time_namespaces_are_safe};
pub use redirect::{Families, PreparedRedirect, Redirect, probe_redirect};
pub use set::Namespaces;
pub use template::Template;
pub use view::{Bind, View};
