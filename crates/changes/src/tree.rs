//! One overlaid directory.

use crate::changes::Changes;
use crate::error::ReadError;
use crate::fs::{self, Repair};
use crate::risk::Names;
use crate::state::{Id, Stat, Time};
use crate::walk::{Layer, Plan, Walk};
use cofferdam_policy::DangerousNames;
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A directory of the host and what a program wrote in the overlay above it.
///
/// All that is read goes through the descriptors given here; no path is looked up anywhere else.
#[derive(Debug)]
pub struct Tree {
    pub(crate) lower: OwnedFd,
    uppers: Vec<OwnedFd>,
    since: Time,
    pub(crate) owners: Owners,
    pub(crate) origin: String,
    pub(crate) names: Names,
    pub(crate) set_id: bool,
    /// What this tree applied: the ctime that is our own doing. An inode number that is used again
    /// for something else has another ctime.
    applied: Mutex<HashMap<Id, Time>>,
}

/// Who owns what is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owners {
    /// The ids in the upper are those of the lower.
    #[default]
    Same,
    /// The sandbox ran under ids of its own, which stand for others in the lower. Other ids in the
    /// upper stay what they are.
    Map {
        /// The uid that files in the upper have.
        outside_uid: u32,
        /// The gid that files in the upper have.
        outside_gid: u32,
        /// The uid they get in the lower.
        lower_uid: u32,
        /// The gid they get in the lower.
        lower_gid: u32,
    },
}

impl Owners {
    pub(crate) fn translate(self, uid: u32, gid: u32) -> (u32, u32) {
        match self {
            Owners::Same => (uid, gid),
            Owners::Map {
                outside_uid,
                outside_gid,
                lower_uid,
                lower_gid,
            } => (
                if uid == outside_uid { lower_uid } else { uid },
                if gid == outside_gid { lower_gid } else { gid },
            ),
        }
    }
}

impl Tree {
    /// A tree of `lower` and the upper directories above it, the topmost first; each may have been
    /// opened with `O_PATH`. `since` is the clock just before the first of the uppers came to be:
    /// what changed in the lower after it counts as changed underneath.
    ///
    /// The kernel's file times lag behind the clock by up to one tick (10 ms at most): a change of
    /// the host within the first tick after `since` can go unnoticed.
    #[must_use]
    pub fn new(lower: OwnedFd, uppers: Vec<OwnedFd>, since: SystemTime) -> Self {
        Self {
            lower,
            uppers,
            since: since.into(),
            owners: Owners::Same,
            origin: String::from("the directory"),
            names: Names::new(DangerousNames::default()),
            set_id: false,
            applied: Mutex::default(),
        }
    }

    /// Who owns what is applied. Only a privileged host can give files to others.
    #[must_use]
    pub fn owners(self, owners: Owners) -> Self {
        Self { owners, ..self }
    }

    /// What errors call the lower directory, such as its path.
    #[must_use]
    pub fn origin(self, text: impl Into<String>) -> Self {
        let origin = text.into();
        Self { origin, ..self }
    }

    /// The names that are pointed at as dangerous; the built-in list unless given.
    #[must_use]
    pub fn dangerous_names(self, names: DangerousNames) -> Self {
        let names = Names::new(names);
        Self { names, ..self }
    }

    /// Lets [`Tree::apply`] give files the set-user-ID and set-group-ID bits that they have in the
    /// upper. A program that got such a file onto the host acts as its owner whenever anyone runs
    /// it.
    #[must_use]
    pub fn danger_apply_set_id(self, apply: bool) -> Self {
        Self {
            set_id: apply,
            ..self
        }
    }

    /// What changed, parents before what is in them, names in the order of their bytes.
    ///
    /// Nothing is kept but the directories on the way down, the names in them, and a bounded table
    /// of files with several links. A program that still runs can change what is being read; each
    /// entry is then what was seen, or an error.
    ///
    /// # Errors
    /// [`ReadError`] when the roots cannot be opened. Entries that cannot be read come as errors of
    /// the iterator, which goes on after them.
    pub fn changes(&self) -> Result<Changes<'_>, ReadError> {
        Ok(Changes::new(None, self, self.walk()?))
    }

    pub(crate) fn walk(&self) -> Result<Walk, ReadError> {
        self.try_walk(None).map_err(|error| self.root_error(error))
    }

    /// A walk over what differs between another tree with the same lower and this one.
    pub(crate) fn walk_against(&self, other: &Tree) -> Result<Walk, ReadError> {
        let lower = fs::stat(self.lower.as_fd()).map_err(|error| self.root_error(error))?;
        let others = fs::stat(other.lower.as_fd()).map_err(|error| other.root_error(error))?;
        if lower.id != others.id {
            return Err(ReadError::DifferentLower);
        }
        self.try_walk(Some(other))
            .map_err(|error| self.root_error(error))
    }

    fn try_walk(&self, other: Option<&Tree>) -> io::Result<Walk> {
        let mut layers = Vec::new();
        let mut view = |tree: Option<&Tree>| -> io::Result<Vec<usize>> {
            let mut indexes = Vec::new();
            for upper in tree.into_iter().flat_map(|tree| &tree.uppers) {
                indexes.push(layers.len());
                layers.push(Layer {
                    // Not `.` in it, which its mode may keep from being opened.
                    root: upper.try_clone()?,
                    repair: Repair::Read,
                    upper: true,
                });
            }
            Ok(indexes)
        };
        let (mut a, mut b) = (view(other)?, view(Some(self))?);
        let lower = layers.len();
        layers.push(Layer {
            root: fs::open_within(self.lower.as_fd(), c".", OFlags::PATH)?,
            repair: Repair::Never,
            upper: false,
        });
        a.push(lower);
        b.push(lower);
        Walk::new(Plan {
            layers,
            a,
            b,
            shared: Some(lower),
            into_removed: false,
        })
    }

    pub(crate) fn root_error(&self, source: io::Error) -> ReadError {
        let origin = self.origin.clone();
        ReadError::Root { origin, source }
    }

    /// Whether something of the lower changed after the session began, and not by us.
    pub(crate) fn is_newer(&self, stat: &Stat) -> bool {
        stat.changed > self.since && self.own_changes().get(&stat.id) != Some(&stat.changed)
    }

    /// Notes that the last change of something was ours.
    pub(crate) fn note(&self, stat: &Stat) {
        self.own_changes().insert(stat.id, stat.changed);
    }

    fn own_changes(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Time>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
