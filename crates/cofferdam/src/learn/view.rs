//! What a run that is learned from sees: the host's files, as the user may use them.
//!
//! Not the host's services: there is no `/run`, and the sockets of other programs that are known are hidden, since
//! what is asked for there is carried out outside of every wall.

use cofferdam_policy::{Filesystem, Protect, Symlink};
use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Directories that the sandbox has of its own, or that are shown piece by piece.
const OTHER: [&str; 6] = ["/proc", "/sys", "/dev", "/run", "/etc", "/lost+found"];

/// Files of the sandbox's own, in the place of the host's.
pub(super) const OWN_ETC: [&str; 5] = [
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
];

/// Links and programs below `/run` that hold no sockets (NixOS).
pub(super) const RUN: [&str; 3] = [
    "/run/current-system",
    "/run/booted-system",
    "/run/opengl-driver",
];

/// Sockets of other programs outside of `/run`.
const SOCKETS: [&str; 3] = ["/tmp/.X11-unix", "/tmp/.ICE-unix", "/tmp/dbus"];

/// Sockets of other programs in a home.
const HOME_SOCKETS: [&str; 6] = [
    ".docker/run",
    ".docker/desktop",
    ".colima",
    ".orbstack/run",
    ".rd",
    ".gnupg/S.gpg-agent",
];

/// The file system of the run.
pub(super) fn permissive(workspace: &Path, home: &Path) -> Filesystem {
    let mut files = Filesystem::default().workspace(workspace);
    files.system = false;
    files.tmp = None;
    files.home = None;
    files.protect = Protect::off();
    for path in entries(Path::new("/")) {
        if !OTHER.iter().any(|other| path == Path::new(other)) && path != workspace {
            files = show(files, path, true);
        }
    }
    for path in entries(Path::new("/etc")) {
        if !OWN_ETC.iter().any(|own| path == Path::new(own)) {
            files = show(files, path, false);
        }
    }
    for path in RUN.iter().map(PathBuf::from) {
        files = show(files, path, false);
    }
    let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let sockets = SOCKETS
        .iter()
        .map(PathBuf::from)
        .chain(sockets(Path::new("/tmp")));
    let of_home = HOME_SOCKETS.iter().map(|name| home.join(name));
    // Through no link: it is the socket that is hidden. What is hidden takes along what is below it.
    let hidden = sockets.chain(of_home).chain(agent);
    let hidden: BTreeSet<PathBuf> = hidden.filter_map(|path| path.canonicalize().ok()).collect();
    for path in &hidden {
        let is_below = path.ancestors().skip(1).any(|above| hidden.contains(above));
        let is_absent = OTHER.iter().any(|other| path.starts_with(other));
        let is_own = path.starts_with(workspace) || workspace.starts_with(path);
        if !is_below && !is_absent && !is_own {
            files = files.hide(path);
        }
    }
    files
}

/// The sockets below a directory, not far down: of terminals, editors, agents.
fn sockets(directory: &Path) -> Vec<PathBuf> {
    const DEEP: usize = 3;
    const MOST: usize = 10_000;
    let mut found = Vec::new();
    let mut seen = 0;
    let mut level = vec![directory.to_owned()];
    for _ in 0..DEEP {
        let mut next = Vec::new();
        for entry in level
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .flatten()
        {
            seen += 1;
            match entry.file_type() {
                _ if seen > MOST => return found,
                Ok(kind) if kind.is_socket() => found.push(entry.path()),
                Ok(kind) if kind.is_dir() => next.push(entry.path()),
                _ => {}
            }
        }
        level = next;
    }
    found
}

fn show(files: Filesystem, path: PathBuf, writable: bool) -> Filesystem {
    let Ok(data) = path.symlink_metadata() else {
        return files;
    };
    if data.is_symlink() {
        let mut files = files;
        if let Ok(target) = std::fs::read_link(&path) {
            files.symlinks.push(Symlink { path, target });
        }
        return files;
    }
    match writable && data.is_dir() {
        true => files.write(path),
        false => files.read(path),
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    entries
}
