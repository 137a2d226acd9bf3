//! Walking two views of the same tree side by side, a directory at a time.
//!
//! A view is a stack of layers, topmost first, merged as an overlay merges them. The host's
//! directory alone is a view, and so are the layers of a session above it. The walk goes through
//! the names that the layers of either view hold, in order; of the shared lowest layer it lists
//! only directories that one of the views hides, since elsewhere the two cannot differ.

mod frame;
mod lookup;

use crate::error::ReadError;
use crate::fs::{self, Handle, OpenFile, Repair};
use crate::state::Stat;
use frame::Frame;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// Descriptors that a walk keeps open; above them directories are opened again on the way back.
const DESCRIPTORS: usize = 96;

/// One directory that takes part.
#[derive(Debug)]
pub(crate) struct Layer {
    pub root: OwnedFd,
    pub repair: Repair,
    /// Whether an overlay wrote it, with whiteouts and opaque directories.
    pub upper: bool,
}

/// What a walk goes through.
#[derive(Debug)]
pub(crate) struct Plan {
    pub layers: Vec<Layer>,
    /// The two views: indexes of layers, topmost first.
    pub a: Vec<usize>,
    pub b: Vec<usize>,
    /// The layer that both views end in.
    pub shared: Option<usize>,
    /// Whether to go into directories that only the first view has.
    pub into_removed: bool,
}

/// What one view has at a name.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub layer: usize,
    pub stat: Stat,
    /// For a directory the layers that may be merged, topmost first.
    pub directories: Vec<usize>,
}

/// A name at which the views may differ.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: OsString,
    pub a: Option<Found>,
    pub b: Option<Found>,
}

#[derive(Debug)]
pub(crate) enum Event {
    Entry(Box<Entry>),
    /// All of a directory has been seen; the walk is in its parent again.
    Leave {
        name: OsString,
        handles: Vec<Option<Handle>>,
    },
}

#[derive(Debug)]
pub(crate) struct Walk {
    plan: Plan,
    frames: Vec<Frame>,
    /// The path of the directory the walk is in.
    path: Vec<u8>,
    pending: Option<Pending>,
    error: Option<ReadError>,
    keep: usize,
}

/// A directory to go into next.
#[derive(Debug)]
struct Pending {
    name: OsString,
    a: Option<Found>,
    b: Option<Found>,
    made: Option<Handle>,
}

impl Walk {
    /// Begins at the roots of the layers.
    pub(crate) fn new(plan: Plan) -> io::Result<Self> {
        let mut handles = Vec::new();
        for layer in &plan.layers {
            let id = fs::stat(layer.root.as_fd())?.id;
            let handle = fs::repaired_directory(layer.root.as_fd(), id, layer.repair)?;
            handles.push(Some(handle));
        }
        let (a, b) = (plan.a.clone(), plan.b.clone());
        let mut walk = Self {
            keep: (DESCRIPTORS / plan.layers.len().max(1)).max(4),
            plan,
            frames: Vec::new(),
            path: Vec::new(),
            pending: None,
            error: None,
        };
        let mut root = walk.frame(handles, &a, &b, 0)?;
        root.git = frame::is_bare_repository(&root)?.then_some(0);
        walk.frames.push(root);
        Ok(walk)
    }

    /// The next event; after an error the walk goes on.
    pub(crate) fn next(&mut self) -> Option<Result<Event, ReadError>> {
        loop {
            if let Some(error) = self.error.take() {
                return Some(Err(error));
            }
            if let Some(pending) = self.pending.take() {
                self.enter(pending);
                continue;
            }
            match self.next_name() {
                Err(error) => {
                    self.top_mut()?.names.stop();
                    return Some(Err(self.read_error(None, "list", error)));
                }
                Ok(None) => return self.leave().map(Ok),
                Ok(Some(name)) => match self.look(&name) {
                    Ok(Some(entry)) => return Some(Ok(Event::Entry(Box::new(entry)))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(self.read_error(Some(&name), "look", error))),
                },
            }
        }
    }

    /// Goes to a path at once; what is there, or nothing.
    pub(crate) fn find(&mut self, path: &Path) -> Result<Option<Entry>, ReadError> {
        let mut names = Vec::new();
        for part in path.components() {
            let Component::Normal(name) = part else {
                let error = io::Error::from(io::ErrorKind::InvalidInput);
                return Err(self.read_error(None, "look", error));
            };
            names.push(name);
        }
        let mut names = names.into_iter().peekable();
        while let Some(name) = names.next() {
            let entry = self
                .look(name)
                .map_err(|error| self.read_error(Some(name), "look", error))?;
            if names.peek().is_none() {
                self.pending = None;
                return Ok(entry);
            }
            let Some(pending) = self.pending.take() else {
                return Ok(None);
            };
            self.enter(pending);
            if let Some(error) = self.error.take() {
                return Err(error);
            }
        }
        Ok(None)
    }

    /// Goes into directories that only the first view has, too.
    pub(crate) fn into_removed(mut self) -> Self {
        self.plan.into_removed = true;
        self
    }

    /// The current directory in the layer that both views end in.
    pub(crate) fn shared(&self) -> Option<BorrowedFd<'_>> {
        self.directory(self.plan.shared?)
    }

    /// The same among the handles of a directory that was left.
    pub(crate) fn shared_of<'h>(&self, handles: &'h [Option<Handle>]) -> Option<&'h Handle> {
        handles.get(self.plan.shared?)?.as_ref()
    }

    /// The directory that was met last now exists in the shared layer.
    pub(crate) fn made(&mut self, handle: Handle) {
        if let Some(pending) = &mut self.pending {
            pending.made = Some(handle);
        }
    }

    /// The current directory in a layer, if it is there.
    pub(crate) fn directory(&self, layer: usize) -> Option<BorrowedFd<'_>> {
        let handle = self.frames.last()?.handles.get(layer)?.as_ref()?;
        Some(handle.fd.as_fd())
    }

    /// The current directory in a layer that something was just found in.
    pub(crate) fn directory_of(&self, found: &Found) -> io::Result<BorrowedFd<'_>> {
        self.directory(found.layer)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Opens a regular file that was just found.
    pub(crate) fn open_file(&self, name: &OsStr, found: &Found) -> io::Result<OpenFile> {
        let repair = self.plan.layers[found.layer].repair;
        fs::open_file(self.directory_of(found)?, name, &found.stat, repair)
    }

    /// Opens a directory that was just found.
    pub(crate) fn open_directory(&self, name: &OsStr, found: &Found) -> io::Result<Handle> {
        let repair = self.plan.layers[found.layer].repair;
        fs::open_directory(self.directory_of(found)?, name, &found.stat, repair)
    }

    /// A walk over all that the first or second view has below a directory that was just found.
    pub(crate) fn below(&self, name: &OsStr, found: &Found) -> io::Result<Walk> {
        let mut layers = Vec::new();
        for index in &found.directories {
            let layer = &self.plan.layers[*index];
            let dir = self.directory(*index).ok_or(io::ErrorKind::NotFound)?;
            let Some(stat) = fs::stat_at(dir, name)? else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let handle = fs::open_directory(dir, name, &stat, layer.repair)?;
            let opaque = frame::is_opaque(layer.upper, &handle)?;
            layers.push(Layer {
                root: fs::open_within(handle.fd.as_fd(), c".", rustix::fs::OFlags::PATH)?,
                repair: layer.repair,
                upper: layer.upper,
            });
            if opaque {
                break;
            }
        }
        Walk::new(Plan {
            a: (0..layers.len()).collect(),
            b: Vec::new(),
            layers,
            shared: None,
            into_removed: true,
        })
    }

    pub(crate) fn is_upper(&self, layer: usize) -> bool {
        self.plan.layers[layer].upper
    }

    /// The path of an entry that was just met.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        let mut path = Vec::with_capacity(self.path.len() + 1 + name.len());
        path.extend_from_slice(&self.path);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        OsString::from_vec(path).into()
    }

    /// How many directories the current one lies below the root.
    pub(crate) fn depth(&self) -> usize {
        self.frames.len().saturating_sub(1)
    }

    /// The path of an entry relative to a git directory above it that is not called `.git`.
    pub(crate) fn path_in_git(&self, name: &OsStr) -> Option<PathBuf> {
        let start = self.frames.last()?.git?;
        let above = self.path.get(start..).unwrap_or_default();
        let above = above.strip_prefix(b"/").unwrap_or(above);
        Some(Path::new(OsStr::from_bytes(above)).join(name))
    }

    pub(crate) fn read_error(
        &self,
        name: Option<&OsStr>,
        step: &'static str,
        source: io::Error,
    ) -> ReadError {
        let path = match name {
            Some(name) => self.path_of(name),
            None => OsStr::from_bytes(&self.path).into(),
        };
        ReadError::Entry { path, step, source }
    }

    fn top_mut(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut()
    }

    fn next_name(&mut self) -> io::Result<Option<OsString>> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(None);
        };
        let mut directories = Vec::with_capacity(frame.sources.len());
        for layer in &frame.sources {
            if let Some(handle) = &frame.handles[*layer] {
                directories.push(handle.fd.as_fd());
            }
        }
        frame.names.next(&directories)
    }

    /// Goes into a directory. If it cannot be opened the frame is empty and the error is kept.
    fn enter(&mut self, pending: Pending) {
        let Pending { name, a, b, made } = pending;
        let above = self.path.len();
        let frame = self.open_frame(&name, a.as_ref(), b.as_ref(), made, above);
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                self.error = Some(self.read_error(Some(&name), "open", error));
                Frame::empty(self.plan.layers.len(), above)
            }
        };
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.as_bytes());
        self.frames.push(frame);
        if let Some(index) = self.frames.len().checked_sub(self.keep + 1)
            && index > 0
        {
            self.frames[index].close();
        }
    }

    /// Goes back to the parent.
    fn leave(&mut self) -> Option<Event> {
        let mut child = self.frames.pop()?;
        if self.frames.is_empty() {
            return None;
        }
        let start = child.above + usize::from(child.above > 0);
        let name = OsString::from_vec(self.path.split_off(start));
        self.path.truncate(child.above);
        if let Err(error) = self.reopen(&child) {
            if let Some(frame) = self.top_mut() {
                frame.names.stop();
            }
            self.error = Some(self.read_error(None, "open again", error));
        }
        let handles = std::mem::take(&mut child.handles);
        Some(Event::Leave { name, handles })
    }

    /// Opens again what the parent had to close.
    fn reopen(&mut self, child: &Frame) -> io::Result<()> {
        let Some(parent) = self.frames.last_mut() else {
            return Ok(());
        };
        for (layer, closed) in std::mem::take(&mut parent.closed) {
            let repair = self.plan.layers[layer].repair;
            let below = child.handles[layer].as_ref();
            let from_below =
                below.and_then(|child| fs::open_parent(child.fd.as_fd(), closed, repair).ok());
            let handle = match from_below {
                Some(handle) => handle,
                None => {
                    let path = Path::new(OsStr::from_bytes(&self.path));
                    let place = fs::open_deep(self.plan.layers[layer].root.as_fd(), path)?;
                    fs::repaired_directory(place.as_fd(), closed, repair)?
                }
            };
            parent.handles[layer] = Some(handle);
        }
        Ok(())
    }
}
