//! Directories that belong to this process: somebody has to remove them where a host was killed.

use crate::error::BuildError;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tempfile::TempDir;

const PREFIX: &str = "cofferdam-private-";

/// Makes a private directory of a wall without mounts.
pub(super) fn directory() -> Result<TempDir, BuildError> {
    let parent = std::env::temp_dir();
    // Follows no link, so nothing that a program left there leads elsewhere.
    sweep(&parent, PREFIX, &|path| drop(fs::remove_dir_all(path)));
    watch(&parent, PREFIX).map_err(BuildError::PrivateDirectory)?;
    let made = tempfile::Builder::new()
        .prefix(&prefix(PREFIX))
        .tempdir_in(parent);
    made.map_err(BuildError::PrivateDirectory)
}

/// The beginning of a name that tells whose the directory is.
pub(crate) fn prefix(kind: &str) -> String {
    let pid = std::process::id();
    format!("{kind}{pid}-{}-", started(pid).unwrap_or_default())
}

/// Has this process's directories in `parent` removed when it is gone, also if it is killed.
pub(crate) fn watch(parent: &Path, kind: &str) -> io::Result<()> {
    cofferdam_spawn::remove_after_this_process(parent, &prefix(kind)).map_err(io::Error::other)
}

/// Removes the directories of this user's processes that are gone. One of another process namespace,
/// which could share the parent directory, has another namespace's number in its name and is left
/// alone.
pub(crate) fn sweep(parent: &Path, kind: &str, remove: &dyn Fn(&Path)) {
    let uid = cofferdam_sys::cred::geteuid();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(kind));
        let mut parts = owner.into_iter().flat_map(|owner| owner.splitn(3, '-'));
        let (Some(pid), Some(start), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (Ok(pid), Some((namespace, _))) = (pid.parse(), start.split_once('.')) else {
            continue;
        };
        if own_namespace().is_none_or(|own| own != namespace) {
            continue;
        }
        let alive = started(pid).is_some_and(|since| since == start);
        let ours = entry
            .metadata()
            .is_ok_and(|data| data.is_dir() && data.uid() == uid);
        if ours && !alive {
            remove(&entry.path());
        }
    }
}

/// The process namespace and when a process started, in clock ticks since boot (proc_pid_stat(5)):
/// with its number this is no other process.
fn started(pid: u32) -> Option<String> {
    let namespace = own_namespace()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{namespace}.{start}"))
}

/// The number of this process's process namespace (namespaces(7)).
fn own_namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(
        link.to_str()?
            .chars()
            .filter(char::is_ascii_digit)
            .collect(),
    )
}
