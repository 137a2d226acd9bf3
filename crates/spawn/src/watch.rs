//! A process that outlives the host and removes its control groups.
//!
//! Everything else of a sandbox goes by itself when the host is killed; directories in cgroupfs do
//! not. One watcher is started for each set of directories of this host process, before the first
//! group is made in them; it sleeps until the host is gone. `init/watch.rs` is its program.

use crate::error::SpawnError;
use crate::plan::{Layers, Plan};
use crate::protocol::{Request, WATCH};
use crate::start::{Launched, launch};
use cofferdam_sys::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Mutex;

/// The watched directories, and the host process and socket of each watcher. The sockets are never
/// closed: the kernel does it when the host ends.
static WATCHERS: Mutex<BTreeMap<(u32, Vec<PathBuf>), OwnedFd>> = Mutex::new(BTreeMap::new());

/// Makes sure that these directories are watched.
pub(crate) fn ensure(directories: Vec<PathBuf>) -> Result<(), SpawnError> {
    let mut watchers = WATCHERS.lock().unwrap_or_else(|poison| poison.into_inner());
    // A host that has forked is another host.
    let key = (std::process::id(), directories);
    if watchers.contains_key(&key) {
        return Ok(());
    }
    let mut strings = Vec::new();
    for directory in &key.1 {
        // A path that came out of the kernel's own tables holds no NUL.
        strings.extend_from_slice(directory.as_os_str().as_bytes());
        strings.push(0);
    }
    let request = Request {
        kind: WATCH,
        strings: u32::try_from(strings.len()).unwrap_or(u32::MAX),
        ..Request::default()
    };
    let mut bytes = request.to_bytes().to_vec();
    bytes.append(&mut strings);
    // No layer at all: it works on the host, for the host.
    let Launched { mut supervisor, .. } = launch(&Plan::new(Layers::default()), &bytes, &[])?;
    let control = supervisor.control.try_clone();
    let control = control.map_err(|error| SpawnError::Host {
        what: "a watcher's socket",
        errno: Errno(error.raw_os_error().unwrap_or(libc::EMFILE)),
    })?;
    // The first process has made the second one, which is nobody's child here, and ends.
    let _ = supervisor.reap();
    watchers.insert(key, control);
    Ok(())
}
