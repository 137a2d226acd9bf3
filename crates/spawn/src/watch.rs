//! Processes that outlive the host and remove what it leaves.
//!
//! Everything else of a sandbox goes by itself when the host is killed; directories do not, in cgroupfs or
//! elsewhere. One watcher is started for each set of directories of this host process, before the first is
//! made there; it sleeps until the host is gone. `init/watch.rs` is its program.

use crate::error::SpawnError;
use crate::plan::{Layers, Plan};
use crate::protocol::{REMOVE, Request, WATCH};
use crate::start::{Launched, launch};
use cofferdam_sys::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What is watched, and the host process and socket of each watcher. The sockets are never closed: the
/// kernel does it when the host ends.
static WATCHERS: Mutex<BTreeMap<Key, OwnedFd>> = Mutex::new(BTreeMap::new());

/// The host process, the kind of request, and its strings.
type Key = (u32, u32, Vec<PathBuf>);

/// Makes sure that when this process is gone, however it ended, these control groups of its own are removed with all
/// they hold. They need not be there yet.
///
/// # Errors
/// [`SpawnError`] when the process that does it cannot be started.
pub fn remove_groups_after_this_process(directories: Vec<PathBuf>) -> Result<(), SpawnError> {
    watch(WATCH, directories)
}

/// Makes sure that when this process is gone, however it ended, everything in `directory` is removed whose
/// name begins with `prefix`, with all it holds. A prefix must belong to this process alone.
///
/// # Errors
/// [`SpawnError::Prefix`] for one that is empty, begins with a dot or is no part of a name,
/// [`SpawnError::Watched`] where the directory cannot be found, and others when the process that does
/// it cannot be started.
pub fn remove_after_this_process(directory: &Path, prefix: &str) -> Result<(), SpawnError> {
    if prefix.is_empty() || prefix.starts_with('.') || prefix.contains(['/', '\0']) {
        let prefix = prefix.to_owned();
        return Err(SpawnError::Prefix { prefix });
    }
    // The watcher follows no link when it opens this, and a working directory changes; the dot asks
    // for a directory.
    let real = directory
        .join(".")
        .canonicalize()
        .map_err(|error| SpawnError::Watched {
            path: directory.to_owned(),
            errno: Errno(error.raw_os_error().unwrap_or(libc::EINVAL)),
        })?;
    watch(REMOVE, vec![real, prefix.into()])
}

fn watch(kind: u32, texts: Vec<PathBuf>) -> Result<(), SpawnError> {
    let mut watchers = WATCHERS.lock().unwrap_or_else(|poison| poison.into_inner());
    // A host that has forked is another host.
    let key = (std::process::id(), kind, texts);
    if watchers.contains_key(&key) {
        return Ok(());
    }
    let mut strings = Vec::new();
    for text in &key.2 {
        // A path that the kernel has taken holds no NUL.
        strings.extend_from_slice(text.as_os_str().as_bytes());
        strings.push(0);
    }
    let request = Request {
        kind,
        strings: u32::try_from(strings.len()).unwrap_or(u32::MAX),
        ..Request::default()
    };
    let mut bytes = request.to_bytes().to_vec();
    bytes.append(&mut strings);
    // No layer at all: it works on the host, for the host.
    let Launched { mut supervisor, .. } = launch(&Plan::new(Layers::default()), &bytes, &[], None)?;
    let control = supervisor.control.socket.try_clone();
    let control = control.map_err(|error| SpawnError::Host {
        what: "a watcher's socket",
        errno: Errno(error.raw_os_error().unwrap_or(libc::EMFILE)),
    })?;
    // The first process has made the second one, which is nobody's child here, and ends.
    let _ = supervisor.reap();
    watchers.insert(key, control);
    Ok(())
}
