//! Paths as a caller gives them, and where the source of a bind really is.

use crate::error::ViewError;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

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
    /// Permission bits.
    pub mode: u32,
}

/// A symbolic link of the host: where it is and what it says.
pub(crate) type Link = (PathBuf, PathBuf);

/// What the walks of one preparation have met on the host: most of them share their directories.
#[derive(Debug, Default)]
pub(crate) struct Host {
    met: HashMap<OsString, Met>,
}

/// What a path of the host leads to; a symbolic link is not followed.
#[derive(Clone, Debug)]
pub(crate) enum Met {
    Directory,
    /// What stands in a layer of an overlay for a thing that was removed.
    Whiteout,
    Other,
    Link(PathBuf),
}

/// Checks the form of a path and removes `.` and doubled slashes, so that equal paths have equal
/// bytes.
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
    let mut checked = Vec::with_capacity(bytes.len());
    let mut names = Pending::new(path);
    while let Some(name) = names.pop() {
        if name == ".." {
            return Err(ViewError::ParentComponent { path: path.into() });
        }
        checked.push(b'/');
        checked.extend_from_slice(name.as_bytes());
    }
    if checked.is_empty() {
        checked.push(b'/');
    }
    Ok(OsString::from_vec(checked).into())
}

/// The names of a path that are yet to be walked. `.` and the root are left out, `..` is a name.
pub(crate) struct Pending<'a> {
    text: Cow<'a, [u8]>,
    /// Where in the text the next name begins, if there is one.
    start: usize,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        Self::at_name(Cow::Borrowed(path.as_os_str().as_bytes()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.text.len()
    }

    /// The next name.
    pub(crate) fn pop(&mut self) -> Option<&OsStr> {
        if self.is_empty() {
            return None;
        }
        let rest = &self.text[self.start..];
        let length = rest.iter().position(|byte| *byte == b'/');
        let name = self.start..self.start + length.unwrap_or(rest.len());
        self.start = name.end;
        self.skip();
        Some(OsStr::from_bytes(&self.text[name]))
    }

    /// Puts a link's text before what is left.
    pub(crate) fn follow(&mut self, text: &Path) {
        let text = [text.as_os_str().as_bytes(), &self.text[self.start..]].join(&b'/');
        *self = Self::at_name(Cow::Owned(text));
    }

    fn at_name(text: Cow<'a, [u8]>) -> Self {
        let mut pending = Self { text, start: 0 };
        pending.skip();
        pending
    }

    /// Skips slashes and the names `.`.
    fn skip(&mut self) {
        loop {
            self.start += match &self.text[self.start..] {
                [b'/', ..] => 1,
                [b'.', b'/', ..] => 2,
                [b'.'] => 1,
                _ => return,
            };
        }
    }
}

impl Host {
    /// What is at a path whose directory holds no link, as it was when it was first met.
    pub(crate) fn look(&mut self, path: &Path) -> io::Result<Met> {
        match self.met.get(path.as_os_str()) {
            Some(met) => Ok(met.clone()),
            None => self.look_again(path).map(|(met, _)| met),
        }
    }

    /// The same as it is now.
    fn look_again(&mut self, path: &Path) -> io::Result<(Met, Metadata)> {
        let meta = path.symlink_metadata()?;
        let met = if meta.is_symlink() {
            Met::Link(path.read_link()?)
        } else if meta.is_dir() {
            Met::Directory
        } else if meta.file_type().is_char_device() && meta.rdev() == 0 {
            Met::Whiteout
        } else {
            Met::Other
        };
        self.met.insert(path.into(), met.clone());
        Ok((met, meta))
    }

    /// Walks to a source, noting the symbolic links on the way. `path` has passed [`check`].
    pub(crate) fn locate(&mut self, path: &Path) -> Result<(Source, Vec<Link>), ViewError> {
        let failed = |source| ViewError::Source {
            path: path.into(),
            source,
        };
        let mut pending = Pending::new(path);
        let mut links: Vec<Link> = Vec::new();
        let mut here = PathBuf::from("/");
        let mut last: Option<Metadata> = None;
        while let Some(name) = pending.pop() {
            if name == ".." {
                here.pop();
                continue;
            }
            here.push(name);
            if here.as_os_str() == "/proc" {
                return Err(ViewError::SourceInProc { path: path.into() });
            }
            // Directories on the way are looked at once; the object itself each time.
            let met = if pending.is_empty() {
                let (met, meta) = self.look_again(&here).map_err(failed)?;
                last = Some(meta);
                met
            } else {
                self.look(&here).map_err(failed)?
            };
            let Met::Link(text) = met else {
                continue;
            };
            if links.len() == MAX_LINKS {
                return Err(ViewError::SymlinkLoop { path: path.into() });
            }
            last = None;
            pending.follow(&text);
            let link = here.clone();
            here.pop();
            if text.is_absolute() {
                here = PathBuf::from("/");
            }
            links.push((link, text));
        }
        let meta = match last {
            Some(meta) => meta,
            None => here.symlink_metadata().map_err(failed)?,
        };
        let source = Source {
            dev: (libc::major(meta.dev()), libc::minor(meta.dev())),
            ino: meta.ino(),
            directory: meta.is_dir(),
            mode: meta.mode() & 0o7777,
            path: here,
        };
        Ok((source, links))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(path: &Path) -> Result<(Source, Vec<Link>), ViewError> {
        Host::default().locate(path)
    }

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
