//! Paths as a caller gives them, and where the source of a bind really is.

use crate::error::ViewError;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// What the kernel follows in one path (path_resolution(7)).
pub(crate) const MAX_LINKS: usize = 40;
const PATH_MAX: usize = 4096;

/// An object of the host by its one path without symbolic links, and its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub dev: (u32, u32),
    pub ino: u64,
    pub directory: bool,
}

/// A symbolic link of the host: where it is and what it says.
pub(crate) type Link = (PathBuf, PathBuf);

/// Checks the form of a path and removes `.` and doubled slashes.
pub(crate) fn check(path: &Path) -> Result<PathBuf, ViewError> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(ViewError::Nul { path: path.into() });
    }
    if bytes.len() >= PATH_MAX {
        let length = bytes.len();
        return Err(ViewError::TooLong { length });
    }
    if !path.is_absolute() {
        return Err(ViewError::NotAbsolute { path: path.into() });
    }
    if path.components().any(|c| c == Component::ParentDir) {
        return Err(ViewError::ParentComponent { path: path.into() });
    }
    Ok(path.components().collect())
}

/// Pushes a path's components so that the first is popped first; `.` and the root are left out, `..`
/// stays.
pub(crate) fn push_reversed(pending: &mut Vec<OsString>, path: &Path) {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        _ => None,
    });
    let start = pending.len();
    pending.extend(names);
    if let Some(added) = pending.get_mut(start..) {
        added.reverse();
    }
}

/// Walks to a source, noting the symbolic links on the way. `path` has passed [`check`].
pub(crate) fn locate(path: &Path) -> Result<(Source, Vec<Link>), ViewError> {
    let failed = |source| ViewError::Source {
        path: path.into(),
        source,
    };
    let mut pending = Vec::new();
    push_reversed(&mut pending, path);
    let mut links: Vec<Link> = Vec::new();
    let mut here = PathBuf::from("/");
    let mut meta = here.symlink_metadata().map_err(failed)?;
    while let Some(name) = pending.pop() {
        if name == ".." {
            here.pop();
            meta = here.symlink_metadata().map_err(failed)?;
            continue;
        }
        let next = here.join(name);
        if next.starts_with("/proc") {
            return Err(ViewError::SourceInProc { path: path.into() });
        }
        let found = next.symlink_metadata().map_err(failed)?;
        if !found.is_symlink() {
            (here, meta) = (next, found);
            continue;
        }
        if links.len() == MAX_LINKS {
            return Err(ViewError::SymlinkLoop { path: path.into() });
        }
        let text = next.read_link().map_err(failed)?;
        if text.is_absolute() {
            here = PathBuf::from("/");
        }
        push_reversed(&mut pending, &text);
        links.push((next, text));
    }
    let source = Source {
        dev: (libc::major(meta.dev()), libc::minor(meta.dev())),
        ino: meta.ino(),
        directory: meta.is_dir(),
        path: here,
    };
    Ok((source, links))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn the_form_of_a_path_is_checked() {
        assert_eq!(
            check(Path::new("/a//b/./c/")).expect("fine"),
            Path::new("/a/b/c")
        );
        assert!(matches!(
            check(Path::new("a/b")),
            Err(ViewError::NotAbsolute { .. })
        ));
        assert!(matches!(
            check(Path::new("/a/../b")),
            Err(ViewError::ParentComponent { .. })
        ));
        assert!(matches!(
            check(Path::new(OsStr::from_bytes(b"/a\0b"))),
            Err(ViewError::Nul { .. })
        ));
        assert!(matches!(check(Path::new("")), Err(ViewError::Nul { .. })));
        let long = format!("/{}", "x/".repeat(2100));
        assert!(matches!(
            check(Path::new(&long)),
            Err(ViewError::TooLong { length: 4201 })
        ));
    }

    #[test]
    fn links_are_noted_on_the_way() {
        let dir = tempfile::tempdir().expect("a directory");
        let base = dir.path().canonicalize().expect("a path");
        std::fs::create_dir_all(base.join("real/deep")).expect("made");
        std::os::unix::fs::symlink("real", base.join("one")).expect("made");
        std::os::unix::fs::symlink(base.join("one/deep/.."), base.join("two")).expect("made");
        let (source, links) = locate(&base.join("two/deep")).expect("found");
        assert_eq!(source.path, base.join("real/deep"));
        assert!(source.directory);
        let at: Vec<PathBuf> = links.into_iter().map(|(at, _)| at).collect();
        assert_eq!(at, [base.join("two"), base.join("one")]);
        std::os::unix::fs::symlink("loop", base.join("loop")).expect("made");
        assert!(matches!(
            locate(&base.join("loop")),
            Err(ViewError::SymlinkLoop { .. })
        ));
        assert!(matches!(
            locate(Path::new("/proc/self/root/etc")),
            Err(ViewError::SourceInProc { .. })
        ));
    }
}
