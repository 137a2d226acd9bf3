//! What a session changed in its overlays.

use crate::error::ChangesError;
use crate::lower::{Lowered, Overlaid};
use crate::record::Held;
use cofferdam_changes::{
    Applied, ApplyError, Change, Changes as Iter, Diff, Owners, ReadError, Tree,
};
use cofferdam_namespaces::MountedUpper;
use cofferdam_policy::DangerousNames;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// What a session changed in its overlays. Nothing of it is on the host until it is applied; when this
/// and the session are dropped, it is gone.
///
/// It can be looked at while the session lives, and is then what it is at that moment. Apply when the
/// session has ended: the kernel does not expect the files under an overlay to change.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = cofferdam::Sandbox::builder().overlay_workspace("./repo").build()?;
/// let session = sandbox.start()?;
/// session.command("make").status()?;
/// let changes = session.changes()?;
/// drop(session);
/// for overlay in changes.overlays() {
///     for change in overlay.changes()? {
///         println!("{}", change?);
///     }
///     overlay.apply(|change| change.risks.is_empty())?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Changes {
    overlays: Arc<[OverlayChanges]>,
}

/// What was changed in one directory of the host.
#[derive(Debug)]
pub struct OverlayChanges {
    path: PathBuf,
    tree: Tree,
    /// What is recorded of them, where they are a session's. Before the layers, which it tells of.
    held: Option<Arc<Held>>,
    /// Keeps the layers on disk.
    _lowered: Option<Arc<Lowered>>,
}

impl Changes {
    /// Those of a start; `handed_out` is the root of the layers in memory.
    pub(crate) fn of(
        lowered: &Arc<Lowered>,
        handed_out: Option<BorrowedFd<'_>>,
        since: SystemTime,
        held: Option<&Arc<Held>>,
    ) -> Result<Self, ChangesError> {
        let names = lowered.policy.filesystem.protect.names();
        let overlays = lowered.overlaid.iter().filter(|overlaid| !overlaid.root);
        let overlays = overlays.map(|overlaid| {
            let failed = |error| ChangesError::Layer {
                path: overlaid.target.clone(),
                error,
            };
            let mut uppers = Vec::new();
            uppers.extend(upper(overlaid, handed_out).map_err(failed)?);
            for layer in &overlaid.frozen {
                uppers.push(open(layer).map_err(failed)?);
            }
            let lower = overlaid.lower.try_clone().map_err(failed)?;
            let mut changes = OverlayChanges::new(
                overlaid.source.clone(),
                lower.into(),
                uppers,
                since,
                overlaid.owners,
                names.clone(),
                Some(Arc::clone(lowered)),
            );
            changes.held = held.cloned();
            Ok(changes)
        });
        Ok(Self {
            overlays: overlays.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn from_parts(overlays: Vec<OverlayChanges>) -> Self {
        Self {
            overlays: overlays.into(),
        }
    }

    /// The directories that are shown as overlays, each with its changes.
    pub fn overlays(&self) -> &[OverlayChanges] {
        &self.overlays
    }

    /// Whether nothing was changed.
    ///
    /// # Errors
    /// [`ReadError`] when that cannot be seen.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        for overlay in &*self.overlays {
            if let Some(change) = overlay.changes()?.next() {
                change?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl OverlayChanges {
    pub(crate) fn new(
        path: PathBuf,
        lower: OwnedFd,
        uppers: Vec<OwnedFd>,
        since: SystemTime,
        owners: Owners,
        names: DangerousNames,
        lowered: Option<Arc<Lowered>>,
    ) -> Self {
        let tree = Tree::new(lower, uppers, since)
            .owners(owners)
            .origin(path.display().to_string())
            .dangerous_names(names);
        Self {
            path,
            tree,
            held: None,
            _lowered: lowered,
        }
    }

    /// The host's directory. The paths of changes are relative to it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was changed, parents before what is in them. Nothing is held in memory but the way down.
    ///
    /// # Errors
    /// [`ReadError`] when the layers cannot be opened; the iterator gives one for each entry that cannot
    /// be read.
    pub fn changes(&self) -> Result<Iter<'_>, ReadError> {
        self.tree.changes()
    }

    /// How the text of a file changed.
    ///
    /// # Errors
    /// [`ReadError`] when one of the two cannot be read.
    pub fn diff(&self, change: &Change) -> Result<Diff, ReadError> {
        self.tree.diff(change)
    }

    /// Applies the changes for which `filter` says so to the host's files, each file whole or not at all.
    /// What changed on the host in the meantime, and what must not be applied, is left and listed.
    ///
    /// # Errors
    /// [`ApplyError`] when the layers cannot be read or the directory not be written, or a change not be
    /// recorded: it and those after it are not applied then.
    pub fn apply(&self, mut filter: impl FnMut(&Change) -> bool) -> Result<Applied, ApplyError> {
        let Some(held) = &self.held else {
            return self.tree.apply(filter);
        };
        let mut unrecorded = None;
        let mut chosen = Vec::new();
        let applied = self.tree.apply(|change| {
            if unrecorded.is_some() || !filter(change) {
                return false;
            }
            match held.applying(&self.path, change) {
                Ok(()) => {
                    chosen.push((change.path.clone(), change.kind));
                    true
                }
                Err(error) => {
                    unrecorded = Some(error);
                    false
                }
            }
        })?;
        held.applied(&self.path, &chosen, &applied);
        match unrecorded {
            Some(error) => Err(ApplyError::Record {
                source: std::io::Error::other(error),
            }),
            None => Ok(applied),
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }
}

/// The upper layer of this start; none where the overlay is read-only.
pub(crate) fn upper(
    overlaid: &Overlaid,
    handed_out: Option<BorrowedFd<'_>>,
) -> std::io::Result<Option<OwnedFd>> {
    match &overlaid.upper {
        MountedUpper::None => Ok(None),
        MountedUpper::Directory(path) => open(&path.join("upper")).map(Some),
        MountedUpper::Memory { number } => {
            let store = handed_out.ok_or(std::io::ErrorKind::NotFound)?;
            // Two directories that nothing inside can reach but through the overlay.
            let path = format!("/proc/self/fd/{}/{number}/upper", store.as_raw_fd());
            open(Path::new(&path)).map(Some)
        }
    }
}

/// A program may have closed the directory by its mode; no right is needed for this.
pub(crate) fn open(path: &Path) -> std::io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    Ok(file.into())
}
