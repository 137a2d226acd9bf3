//! Overlays: what lies under them, and where what is written goes.

use super::Context;
use crate::error::BuildError;
use crate::store::Store;
use cofferdam_changes::Owners;
use cofferdam_namespaces::{
    IdMappedOwner, Lower, MountedOverlay, MountedUpper, Overlay, Upper as UpperLayer,
};
use cofferdam_policy::Upper;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a start adds to its policy: layers of a snapshot, and when the first of them came to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub frozen: Vec<Frozen>,
    pub since: Option<SystemTime>,
    /// The snapshot's name.
    pub parent: Option<String>,
}

/// The layers of a snapshot for one overlay, topmost first.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    /// The overlay's path inside.
    pub target: PathBuf,
    /// Upper directories.
    pub layers: Vec<PathBuf>,
}

/// A directory of the host that is shown as an overlay.
#[derive(Debug)]
pub(crate) struct Overlaid {
    /// Its path inside, as the policy has it.
    pub target: PathBuf,
    /// The same without the links on the way.
    pub place: PathBuf,
    /// Programs in it can be executed.
    pub exec: bool,
    /// The host's directory.
    pub source: PathBuf,
    /// The same, opened when the plan was made: what happens to the path does not matter.
    pub lower: File,
    pub frozen: Vec<PathBuf>,
    pub upper: MountedUpper,
    pub owners: Owners,
    /// It is the root, whose changes are nobody's to apply.
    pub root: bool,
}

impl Overlaid {
    /// The upper directory, if it is on disk.
    pub(crate) fn upper_directory(&self) -> Option<PathBuf> {
        match &self.upper {
            MountedUpper::Directory(path) => Some(path.join("upper")),
            _ => None,
        }
    }
}

/// The overlays of a view in the making.
#[derive(Debug)]
pub(super) struct Overlays<'a> {
    start: &'a Start,
    store: Option<&'a Store>,
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    target: PathBuf,
    source: PathBuf,
    frozen: Vec<PathBuf>,
    owner: Option<IdMappedOwner>,
    exec: bool,
    root: bool,
}

impl<'a> Overlays<'a> {
    pub(super) fn new(start: &'a Start, store: Option<&'a Store>) -> Self {
        Self {
            start,
            store,
            made: Vec::new(),
        }
    }

    /// The overlay of one directory of the host. `owner` says whose files are shown as the sandbox's,
    /// where that takes a mapping.
    pub(super) fn add(
        &mut self,
        target: &Path,
        source: &Path,
        exec: bool,
        writable: bool,
        owner: impl Fn(&Path) -> Result<Option<IdMappedOwner>, BuildError>,
    ) -> Result<Overlay, BuildError> {
        let frozen = self.start.frozen.iter();
        let frozen = frozen.filter(|frozen| frozen.target == target);
        let frozen: Vec<PathBuf> = frozen.flat_map(|frozen| frozen.layers.clone()).collect();
        let upper = match (writable, self.store) {
            (false, _) => UpperLayer::None,
            (true, None) => UpperLayer::Memory,
            (true, Some(store)) => UpperLayer::Directory(store.overlay(self.made.len())?),
        };
        let lowers = frozen.iter().map(PathBuf::as_path).chain([source]);
        let lowers = lowers.map(|source| {
            Ok(Lower {
                source: source.to_owned(),
                id_mapped: owner(source)?,
            })
        });
        let lowers: Vec<Lower> = lowers.collect::<Result<_, BuildError>>()?;
        self.made.push(Made {
            target: target.to_owned(),
            source: source.to_owned(),
            frozen,
            owner: lowers.last().and_then(|lower| lower.id_mapped),
            exec,
            root: target == Path::new("/"),
        });
        Ok(Overlay {
            lowers,
            upper,
            exec,
        })
    }

    /// The overlays as they are mounted.
    pub(super) fn finish(
        self,
        context: &Context<'_>,
        mounted: &[MountedOverlay],
    ) -> Result<Vec<Overlaid>, BuildError> {
        let unmatched =
            |frozen: &&Frozen| self.made.iter().all(|made| made.target != frozen.target);
        if let Some(frozen) = self.start.frozen.iter().find(unmatched) {
            return Err(BuildError::SnapshotPath {
                path: frozen.target.clone(),
            });
        }
        let throwaway = context.ids.throwaway.as_ref().map(|id| id.0);
        self.made
            .into_iter()
            .map(|made| {
                let Some(mounted) = find(&made, mounted) else {
                    return Err(BuildError::OverlayTarget { path: made.target });
                };
                let lower = File::options()
                    .read(true)
                    .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
                    .open(&made.source);
                let lower = lower.map_err(|error| BuildError::OverlaySource {
                    path: made.source.clone(),
                    error,
                })?;
                let owners = match (throwaway, made.owner) {
                    (Some(id), Some(owner)) => Owners::Map {
                        outside_uid: id,
                        outside_gid: id,
                        lower_uid: owner.uid,
                        lower_gid: owner.gid,
                    },
                    _ => Owners::Same,
                };
                Ok(Overlaid {
                    place: mounted.target.clone(),
                    exec: made.exec,
                    target: made.target,
                    source: made.source,
                    lower,
                    frozen: made.frozen,
                    upper: mounted.upper.clone(),
                    owners,
                    root: made.root,
                })
            })
            .collect()
    }
}

/// The overlay as it is mounted: at its target, or where the host's links lead from there.
fn find<'a>(made: &Made, mounted: &'a [MountedOverlay]) -> Option<&'a MountedOverlay> {
    let exactly = mounted.iter().find(|one| one.target == made.target);
    exactly.or_else(|| {
        let real = std::fs::canonicalize(&made.target).ok()?;
        mounted.iter().find(|one| one.target == real)
    })
}

/// The store on disk, if the policy's overlays have theirs there.
pub(super) fn store(context: &Context<'_>) -> Result<Option<Store>, BuildError> {
    let filesystem = &context.policy.filesystem;
    let Upper::Disk(place) = &filesystem.upper else {
        return Ok(None);
    };
    let rules = filesystem.rules.iter().map(|rule| rule.access);
    let workspace = filesystem.workspace_rule().map(|rule| rule.access);
    let root = (!filesystem.root.is_host()).then_some(filesystem.root_access);
    let mut accesses = rules.chain(workspace).chain(root);
    if !accesses.any(|access| access == cofferdam_policy::Access::Overlay) {
        return Ok(None);
    }
    let owner = context.ids.throwaway.as_ref().map(|id| id.0);
    Store::make(place.as_deref(), owner).map(Some)
}
