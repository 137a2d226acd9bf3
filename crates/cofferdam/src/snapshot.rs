//! Sessions frozen under a name, from which others start.

mod error;
mod file;

use crate::error::ChangesError;
use crate::lower::{Frozen, Overlaid, Start};
use crate::review::{self, Changes, OverlayChanges};
use crate::session::Session;
use crate::store;
use cofferdam_changes::{Change, Changes as Iter, Diff, Owners, ReadError, copy_upper};
use cofferdam_policy::DangerousNames;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use error::SnapshotError;

/// The changes of a session, frozen under a name. Any number of sessions start from it, in constant
/// time and beside each other ([`Sandbox::start_from`](crate::Sandbox::start_from)); none changes it.
///
/// It is kept below `$XDG_STATE_HOME/cofferdam/snapshots` (`~/.local/state/…`; for root
/// `/var/lib/cofferdam/snapshots`) until [`Snapshot::remove`]. What a session has in `/tmp`, the private
/// home and in memory is no part of it: only what its overlays hold.
#[derive(Clone, Debug)]
pub struct Snapshot {
    name: String,
    path: PathBuf,
    since: SystemTime,
    parent: Option<Box<Snapshot>>,
    overlays: Vec<Saved>,
}

/// The layer of one overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Saved {
    /// The directory in the snapshot's.
    number: usize,
    /// Where the overlay was inside.
    target: PathBuf,
    /// The host's directory under it.
    source: PathBuf,
}

/// What two snapshots of the same directories have different.
#[derive(Debug)]
pub struct Comparison {
    overlays: Vec<ComparedOverlay>,
}

/// What two snapshots have different in one directory of the host.
#[derive(Debug)]
pub struct ComparedOverlay {
    before: OverlayChanges,
    after: OverlayChanges,
}

/// Snapshots on each other; the kernel takes more layers, a person hardly.
const DEPTH: usize = 32;

impl Session {
    /// Ends the session and freezes what its overlays hold under a name: letters, digits, `.`, `_` and
    /// `-`, at most 64 of them. Layers on disk are moved there, where the snapshot is on the same file
    /// system and the host is no root; others are copied.
    ///
    /// # Errors
    /// [`SnapshotError`]; the session has ended, and nothing is kept. If the name is taken or not
    /// possible, or there is no overlay, the session is given back by the error's
    /// [`into_session`](SnapshotError::into_session).
    pub fn snapshot(self, name: &str) -> Result<Snapshot, SnapshotError> {
        let refusal = check_name(name)
            .and_then(|()| {
                let taken = directory()?.join(name).exists();
                match taken {
                    true => Err(SnapshotError::Exists(name.to_owned())),
                    false => Ok(()),
                }
            })
            .and_then(|()| match self.lowered().overlaid.is_empty() {
                true => Err(SnapshotError::NoOverlay),
                false => Ok(()),
            });
        if let Err(error) = refusal {
            return Err(error.with_session(self));
        }
        freeze(self, name)
    }
}

impl Snapshot {
    /// Finds a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`] when there is none of that name, or it cannot be read.
    pub fn open(name: &str) -> Result<Self, SnapshotError> {
        check_name(name)?;
        open_in(&directory()?, name, DEPTH)
    }

    /// The names of all snapshots, sorted.
    ///
    /// # Errors
    /// [`SnapshotError`] when their directory cannot be read.
    pub fn list() -> Result<Vec<String>, SnapshotError> {
        let directory = directory()?;
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| SnapshotError::io(&directory, error))?,
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            check_name(&name).is_ok().then_some(name)
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        Ok(names)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The snapshot that its session had started from.
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_ref().map(|parent| parent.name.as_str())
    }

    /// What it changes of the host's directories, with what its parents changed.
    ///
    /// # Errors
    /// [`ChangesError`] when its layers, or the host's directories, cannot be opened.
    pub fn changes(&self) -> Result<Changes, ChangesError> {
        let overlays = self.targets();
        let overlays = overlays.filter(|saved| saved.target != Path::new("/"));
        let overlays = overlays.map(|saved| self.overlay(&saved));
        Ok(Changes::from_parts(overlays.collect::<Result<_, _>>()?))
    }

    /// What `other` has different, in the directories that both have overlays of.
    ///
    /// # Errors
    /// [`ChangesError`] when a layer, or a directory of the host, cannot be opened.
    pub fn compare(&self, other: &Self) -> Result<Comparison, ChangesError> {
        let mut overlays = Vec::new();
        for saved in self.targets() {
            let same = |one: &Saved| one.target == saved.target && one.source == saved.source;
            let Some(others) = other.targets().find(same) else {
                continue;
            };
            overlays.push(ComparedOverlay {
                before: self.overlay(&saved)?,
                after: other.overlay(&others)?,
            });
        }
        Ok(Comparison { overlays })
    }

    /// Removes it. Sessions that started from it must have ended.
    ///
    /// # Errors
    /// [`SnapshotError::InUse`] while another snapshot is based on it.
    pub fn remove(self) -> Result<(), SnapshotError> {
        for name in Self::list()? {
            let based = Self::open(&name).is_ok_and(|one| one.parent() == Some(&self.name));
            if based {
                return Err(SnapshotError::InUse {
                    name: self.name,
                    by: name,
                });
            }
        }
        store::remove(&self.path).map_err(|error| SnapshotError::io(&self.path, error))
    }

    /// What a session that starts from it adds to its policy.
    pub(crate) fn start(&self) -> Start {
        let frozen = self.targets().map(|saved| Frozen {
            layers: self.layers(&saved.target),
            target: saved.target,
        });
        Start {
            frozen: frozen.collect(),
            since: Some(self.first()),
            parent: Some(self.name.clone()),
        }
    }

    /// When the lowest of its layers came to be.
    fn first(&self) -> SystemTime {
        let parent = self.parent.as_ref();
        parent.map_or(self.since, |parent| parent.first())
    }

    /// Every overlay that it or a parent has a layer of.
    fn targets(&self) -> impl Iterator<Item = Saved> {
        let mut all: Vec<Saved> = Vec::new();
        let chain = std::iter::successors(Some(self), |one| one.parent.as_deref());
        for saved in chain.flat_map(|one| &one.overlays) {
            if all.iter().all(|have| have.target != saved.target) {
                all.push(saved.clone());
            }
        }
        all.into_iter()
    }

    /// The layers of one overlay, topmost first.
    fn layers(&self, target: &Path) -> Vec<PathBuf> {
        let chain = std::iter::successors(Some(self), |one| one.parent.as_deref());
        let layers = chain.flat_map(|one| {
            let saved = one.overlays.iter().filter(|saved| saved.target == target);
            saved.map(|saved| layer(&one.path, saved.number))
        });
        layers.collect()
    }

    fn overlay(&self, saved: &Saved) -> Result<OverlayChanges, ChangesError> {
        let open = |path: &Path| {
            review::open(path).map_err(|error| ChangesError::Layer {
                path: path.to_owned(),
                error,
            })
        };
        let uppers = self.layers(&saved.target);
        let uppers = uppers.iter().map(|path| open(path));
        Ok(OverlayChanges::new(
            saved.source.clone(),
            open(&saved.source)?,
            uppers.collect::<Result<_, _>>()?,
            self.first(),
            // They were given their owners when they were frozen.
            Owners::Same,
            DangerousNames::default(),
            None,
        ))
    }
}

impl Comparison {
    /// The directories that both have overlays of.
    pub fn overlays(&self) -> &[ComparedOverlay] {
        &self.overlays
    }
}

impl ComparedOverlay {
    /// The host's directory.
    pub fn path(&self) -> &Path {
        self.before.path()
    }

    /// What the second has different from the first.
    ///
    /// # Errors
    /// [`ReadError`] when a layer cannot be read.
    pub fn changes(&self) -> Result<Iter<'_>, ReadError> {
        cofferdam_changes::compare(self.before.tree(), self.after.tree())
    }

    /// How the text of a file differs.
    ///
    /// # Errors
    /// [`ReadError`] when one of the two cannot be read.
    pub fn diff(&self, change: &Change) -> Result<Diff, ReadError> {
        cofferdam_changes::diff_between(self.before.tree(), self.after.tree(), change)
    }
}

fn directory() -> Result<PathBuf, SnapshotError> {
    store::state_directory("snapshots").map_err(SnapshotError::NoDirectory)
}

/// Where a snapshot in this directory has the layer of an overlay.
fn layer(snapshot: &Path, number: usize) -> PathBuf {
    snapshot.join(number.to_string()).join("upper")
}

/// A name is a directory's: it must lead nowhere else, and not look like an option.
fn check_name(name: &str) -> Result<(), SnapshotError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = !name.is_empty()
        && name.len() <= 64
        && name.chars().all(plain)
        && !name.starts_with(['.', '-']);
    if good {
        Ok(())
    } else {
        Err(SnapshotError::Name(name.to_owned()))
    }
}

fn open_in(directory: &Path, name: &str, depth: usize) -> Result<Snapshot, SnapshotError> {
    let path = directory.join(name);
    let text = file::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SnapshotError::NotFound(name.to_owned()),
        _ => SnapshotError::io(&path, error),
    })?;
    let broken = |what: &str| SnapshotError::Broken {
        name: name.to_owned(),
        what: what.to_owned(),
    };
    let parsed = file::parse(&text).map_err(&broken)?;
    let parent = match parsed.parent {
        None => None,
        Some(_) if depth == 0 => return Err(broken("it is based on too many others")),
        Some(parent) => {
            check_name(&parent)?;
            Some(Box::new(open_in(directory, &parent, depth - 1)?))
        }
    };
    Ok(Snapshot {
        name: name.to_owned(),
        path,
        since: parsed.since,
        parent,
        overlays: parsed.overlays,
    })
}

fn freeze(session: Session, name: &str) -> Result<Snapshot, SnapshotError> {
    let directory = directory()?;
    let failed = |error| SnapshotError::io(&directory, error);
    store::make_private(&directory, false).map_err(failed)?;
    let temporary = store::Temporary::make(&directory).map_err(failed)?;

    let (lowered, since) = (session.lowered().clone(), session.since());
    let mut uppers = Vec::new();
    for overlaid in &lowered.overlaid {
        uppers.push(session.upper(overlaid)?);
    }
    let held = session.held();
    // Nothing writes from here on.
    session.end();
    let mut overlays = Vec::new();
    for (overlaid, upper) in lowered.overlaid.iter().zip(uppers) {
        let Some(upper) = upper else { continue };
        let saved = Saved {
            number: overlays.len(),
            target: overlaid.target.clone(),
            source: overlaid.source.clone(),
        };
        keep(overlaid, &upper, temporary.path(), saved.number)?;
        overlays.push(saved);
    }
    let parent = lowered.parent().map(str::to_owned);
    let text = file::write(since, parent.as_deref(), &overlays);
    file::create(temporary.path(), &text).map_err(failed)?;
    let path = directory.join(name);
    temporary
        .become_directory(&path)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::EEXIST | libc::ENOTEMPTY) => SnapshotError::Exists(name.to_owned()),
            _ => SnapshotError::io(&path, error),
        })?;
    if let Some(held) = held {
        held.keep(name);
    }
    open_in(&directory, name, DEPTH)
}

/// Moves or copies one layer.
fn keep(
    overlaid: &Overlaid,
    upper: &OwnedFd,
    snapshot: &Path,
    number: usize,
) -> Result<(), SnapshotError> {
    let to = layer(snapshot, number);
    let failed = |error| SnapshotError::io(&to, error);
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    builder
        .create(to.parent().unwrap_or(snapshot))
        .map_err(failed)?;
    if overlaid.owners == Owners::Same
        && let Some(from) = overlaid.upper_directory()
    {
        match fs::rename(&from, &to) {
            // Another file system.
            Err(error) if error.raw_os_error() == Some(libc::EXDEV) => {}
            other => return other.map_err(failed),
        }
    }
    builder.create(&to).map_err(failed)?;
    let to = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(&to)
        .map_err(failed)?;
    copy_upper(upper, &to.into(), overlaid.owners).map_err(SnapshotError::Copy)
}
