//! Which names of a directly written workspace stay read-only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::danger::DangerousNames;

/// The protection of dangerous names in a workspace that is written to directly
/// ([`Access::Write`](crate::Access::Write)): those that exist are read-only, and those that are made
/// anew are removed when a command has ended, which is not the same as prevented. In an overlay nothing reaches the host, so the names are writable there and are
/// pointed at in the review.
///
/// A write rule, also one below the workspace, is not protected: who names a path to be written means
/// it. [`Policy::restrict`](crate::Policy::restrict) keeps to that: what one policy gives as a
/// protected workspace does not become writable by the other's rule.
///
/// By default it is on, with the built-in list ([`DangerousNames`]). A repository that tracks such
/// files may have `git checkout` fail on them; then remove the name, or use an overlay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "Which dangerous names of a directly written workspace are read-only.")
)]
pub struct Protect {
    /// Whether names are read-only at all.
    pub enabled: bool,
    /// Names beside the built-in ones, relative to the workspace; one that ends in `/` is a
    /// directory, and one that begins with `.git/` counts in every git directory.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeSet::is_empty"))]
    pub add: BTreeSet<PathBuf>,
    /// Built-in names that are left writable. A name takes those below it along: `.claude` means
    /// all of `.claude`, `.git/hooks` the hooks of every git directory.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeSet::is_empty"))]
    pub remove: BTreeSet<PathBuf>,
}

impl Protect {
    /// The protection with the built-in list.
    #[must_use]
    pub fn on() -> Self {
        Protect {
            enabled: true,
            add: BTreeSet::new(),
            remove: BTreeSet::new(),
        }
    }

    /// No protection.
    #[must_use]
    pub fn off() -> Self {
        Protect {
            enabled: false,
            ..Protect::on()
        }
    }

    /// Protects `name` too.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "it adds to a list; there is no `+` of the two"
    )]
    pub fn add(mut self, name: impl Into<PathBuf>) -> Self {
        self.add.insert(name.into());
        self
    }

    /// Leaves the built-in `name` writable.
    #[must_use]
    pub fn remove(mut self, name: impl Into<PathBuf>) -> Self {
        self.remove.insert(name.into());
        self
    }

    /// The list with what is removed and added, for a review also where the protection is off.
    #[must_use]
    pub fn names(&self) -> DangerousNames {
        let list = self
            .remove
            .iter()
            .fold(DangerousNames::default(), |list, name| list.remove(name));
        self.add.iter().fold(list, |list, name| list.add(name))
    }

    /// Whether a workspace `inner` has at least those names read-only that a workspace `outer` has
    /// under this protection: it is the same, or lies in it and does not begin in one of the names.
    pub(crate) fn covers(&self, outer: &Path, inner: &Path) -> bool {
        inner == outer
            || inner
                .strip_prefix(outer)
                .is_ok_and(|between| !self.names().could_begin_in(between))
    }

    pub(crate) fn is_within(&self, other: &Protect) -> bool {
        !other.enabled
            || (self.enabled
                && self.add.is_superset(&other.add)
                && self.remove.is_subset(&other.remove))
    }

    pub(crate) fn restrict(&self, other: &Protect) -> Protect {
        match (self.enabled, other.enabled) {
            (true, true) => Protect {
                enabled: true,
                add: self.add.union(&other.add).cloned().collect(),
                remove: self.remove.intersection(&other.remove).cloned().collect(),
            },
            (true, false) => self.clone(),
            (false, true) => other.clone(),
            (false, false) => Protect::off(),
        }
    }
}

impl Default for Protect {
    /// [`Protect::on`].
    fn default() -> Self {
        Protect::on()
    }
}
