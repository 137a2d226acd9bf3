//! Upper layers on disk: a directory for each start, removed with it.

use crate::error::BuildError;
use crate::lower::private;
use cofferdam_changes::remove_upper;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "cofferdam-upper-";

/// A directory that holds the upper layers of one start, in numbered directories. Removed when dropped,
/// and when this process is gone; what is left in spite of that, when the next one is made beside it.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// On a root host: the id that the layers belong to.
    owner: Option<u32>,
}

impl Store {
    /// Makes one below `place`, or below the usual directory for such things.
    pub(crate) fn make(place: Option<&Path>, owner: Option<u32>) -> Result<Self, BuildError> {
        let parent = match place {
            Some(place) => place.to_owned(),
            None => state_directory("uppers").map_err(BuildError::NoStateDirectory)?,
        };
        let failed = |error| BuildError::Store {
            path: parent.clone(),
            error,
        };
        make_private(&parent, owner.is_some()).map_err(failed)?;
        private::sweep(&parent, PREFIX, &|path| drop(remove(path)));
        private::watch(&parent, PREFIX).map_err(failed)?;
        let made = tempfile::Builder::new()
            .prefix(&private::prefix(PREFIX))
            .tempdir_in(&parent)
            .map_err(failed)?;
        let store = Self {
            path: made.keep(),
            owner,
        };
        // The child goes there by path, under other ids.
        let mode = if owner.is_some() { 0o711 } else { 0o700 };
        fs::set_permissions(&store.path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        Ok(store)
    }

    /// The directory of an overlay, with its `upper` and `work`.
    pub(crate) fn overlay(&self, number: usize) -> Result<PathBuf, BuildError> {
        let path = self.path.join(number.to_string());
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.and_then(|()| match self.owner {
            Some(id) => std::os::unix::fs::chown(&path, Some(id), Some(id)),
            None => Ok(()),
        })
        .map_err(|error| BuildError::Store {
            path: path.clone(),
            error,
        })?;
        Ok(path)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

/// A directory in the making, removed as a [`Store`] is.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: Option<PathBuf>,
}

/// Begins as no name of what it becomes does, and not with a dot, which the watcher takes for none of
/// its own.
const TEMPORARY: &str = "+cofferdam-";

impl Temporary {
    pub(crate) fn make(parent: &Path) -> io::Result<Self> {
        private::sweep(parent, TEMPORARY, &|path| drop(remove(path)));
        private::watch(parent, TEMPORARY)?;
        let made = tempfile::Builder::new()
            .prefix(&private::prefix(TEMPORARY))
            .tempdir_in(parent)?;
        Ok(Self {
            path: Some(made.keep()),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Gives it the name it is to keep, which nothing may have.
    pub(crate) fn become_directory(mut self, name: &Path) -> io::Result<()> {
        // A directory that is not empty is not replaced (rename(2)).
        fs::rename(self.path(), name)?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = remove(path);
        }
    }
}

/// Removes a directory of layers, whatever is in it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let directory = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(path)?;
    let emptied = remove_upper(&directory.into());
    fs::remove_dir(path).map_err(|error| match emptied {
        Ok(()) => error,
        Err(left) => io::Error::other(left),
    })
}

/// Where this library keeps what outlives a process, by the name of its kind: below `/var/lib/cofferdam` for root,
/// else below `$XDG_STATE_HOME/cofferdam` or `~/.local/state/cofferdam` (XDG Base Directory). Nothing is made.
///
/// # Errors
/// What is missing, in words.
pub fn state_directory(name: &str) -> Result<PathBuf, &'static str> {
    if cofferdam_sys::cred::geteuid() == 0 {
        return Ok(Path::new("/var/lib/cofferdam").join(name));
    }
    let absolute = |variable| {
        let path = std::env::var_os(variable).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or("neither XDG_STATE_HOME nor HOME is an absolute path")?;
    Ok(state.join("cofferdam").join(name))
}

/// Makes a directory and what leads to it; nobody else can read it. `passable` lets other ids go through
/// it to what they own.
pub(crate) fn make_private(path: &Path, passable: bool) -> io::Result<()> {
    let mode = if passable { 0o711 } else { 0o700 };
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path);
    match made {
        // Something is there, of which std could not tell that it is a directory; why not, says more.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::metadata(path) {
            Ok(data) if data.is_dir() => Ok(()),
            Ok(_) => Err(error),
            Err(why) => Err(why),
        },
        made => made,
    }
}
