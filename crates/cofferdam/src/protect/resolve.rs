//! Where a path in a hostile tree really leads, link by link, without following any blindly.

use super::place::{Kind, Place, text};
use cofferdam_policy::Danger;
use cofferdam_sys::Errno;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links on one path, as in path_resolution(7).
const MAX_LINKS: usize = 40;

/// The directories that a sandbox can write to, each open: the workspace, and git's outside of it.
#[derive(Debug)]
pub(super) struct Roots(Vec<(PathBuf, Place)>);

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub path: PathBuf,
    /// What it reads.
    pub text: PathBuf,
    /// What is behind it.
    pub danger: Danger,
}

/// Where a path leads, and the links on the way with what they read.
#[derive(Debug)]
pub(super) struct Resolved {
    pub links: Vec<(PathBuf, PathBuf)>,
    pub end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// Something that is no link.
    Found(PathBuf, Kind),
    /// A name that does not exist, in what does exist or in more that does not.
    Missing(PathBuf),
    /// Somewhere that the sandbox cannot write to.
    Outside(PathBuf),
    Failed(PathBuf, io::Error),
}

impl Roots {
    pub(super) fn new(workspace: &Path) -> io::Result<Self> {
        let place = Place::root(workspace)?;
        Ok(Self(vec![(workspace.to_owned(), place)]))
    }

    /// The directory that it began with.
    pub(super) fn workspace(&self) -> &Path {
        &self.0[0].0
    }

    /// Adds a directory by a path without links.
    pub(super) fn add(&mut self, path: &Path) -> io::Result<()> {
        let place = Place::root(path)?;
        self.0.push((path.to_owned(), place));
        Ok(())
    }

    /// The directory that a path is in or is, and the rest of the path.
    pub(super) fn of<'a>(&'a self, path: &'a Path) -> Option<(&'a Place, &'a Path)> {
        self.0.iter().find_map(|(root, place)| {
            let rest = path.strip_prefix(root).ok()?;
            Some((place, rest))
        })
    }

    pub(super) fn contain(&self, path: &Path) -> bool {
        self.of(path).is_some()
    }

    /// The number of the directory that a path is in, for [`Roots::lacks`], and the first name of the rest.
    pub(super) fn first(&self, path: &Path) -> Option<(usize, CString)> {
        let (number, rest) = self.0.iter().enumerate().find_map(|(number, (root, _))| {
            let rest = path.strip_prefix(root).ok()?;
            Some((number, rest))
        })?;
        match rest.components().next()? {
            Component::Normal(name) => Some((number, text(name).ok()?)),
            _ => None,
        }
    }

    /// As [`Place::lacks`], in one of these directories.
    pub(super) fn lacks(&self, number: usize, name: &CStr) -> bool {
        self.0
            .get(number)
            .is_some_and(|(_, place)| place.lacks(name))
    }

    /// Opens what is at a path, a link itself.
    ///
    /// # Errors
    /// `EXDEV` for a path in none of the directories; as [`Place::open`].
    pub(super) fn open(&self, path: &Path) -> io::Result<Place> {
        let (root, rest) = self.of(path).ok_or(Errno(libc::EXDEV))?;
        match rest.as_os_str().is_empty() {
            true => root.open(".".as_ref()),
            false => root.open(rest),
        }
    }

    /// The contents of a file, `None` where there is no such name; the last name may be a link that
    /// leads to a file in these directories.
    pub(super) fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.resolve(path).end {
            End::Found(real, _) => self.open(&real)?.read(limit).map(Some),
            End::Missing(_) => Ok(None),
            End::Outside(_) => Err(Errno(libc::EXDEV).into()),
            End::Failed(_, error) => Err(error),
        }
    }

    /// Follows a path.
    pub(super) fn resolve(&self, path: &Path) -> Resolved {
        let mut links = Vec::new();
        if let Some(end) = self.at_once(path) {
            return Resolved { links, end };
        }
        let end = self.follow(path, &mut links);
        Resolved { links, end }
    }

    /// Where a path leads that no link is on, in one step. The kernel looks at the names in their order, so
    /// one that it does not find has no link before it: that would have been `ELOOP`.
    fn at_once(&self, path: &Path) -> Option<End> {
        let (root, rest) = self.0.iter().find_map(|(root, place)| {
            let rest = path.strip_prefix(root).ok()?;
            Some(((root, place), rest))
        })?;
        // Name by name, since a slash at the end would ask for a directory.
        let mut names = PathBuf::with_capacity(rest.as_os_str().len());
        for part in rest.components() {
            let Component::Normal(name) = part else {
                return None;
            };
            names.push(name);
        }
        if names.as_os_str().is_empty() {
            return None;
        }
        let found = root.1.open(&names).map(|place| place.kind());
        let real = root.0.join(names);
        match found.map_err(|error| error.raw_os_error()) {
            Ok(Kind::Link) => None,
            Ok(kind) => Some(End::Found(real, kind)),
            Err(Some(libc::ENOENT | libc::ENOTDIR)) => Some(End::Missing(real)),
            Err(_) => None,
        }
    }

    fn follow(&self, path: &Path, links: &mut Vec<(PathBuf, PathBuf)>) -> End {
        let entered = self.enter(path).ok_or(());
        let (mut real, mut rest) = match entered.or_else(|()| self.enter_from_outside(path)) {
            Ok(there) => there,
            Err(outside) => return End::Outside(outside),
        };
        let mut kind;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                real.pop();
                if !self.contain(&real) {
                    match self.enter_from_outside(&joined(&real, &rest)) {
                        Ok(there) => (real, rest) = there,
                        Err(outside) => return End::Outside(outside),
                    }
                }
                continue;
            }
            let next = real.join(&name);
            let place = match self.open(&next) {
                Ok(place) => place,
                Err(error) => return missing(next, &rest, error),
            };
            kind = place.kind();
            match kind {
                Kind::Directory => real = next,
                Kind::Link => {
                    let text = match self.open(&real).and_then(|dir| dir.read_link(&name)) {
                        Ok(text) => text,
                        Err(error) => return End::Failed(next, error),
                    };
                    links.push((next.clone(), text.clone()));
                    if links.len() > MAX_LINKS {
                        return End::Failed(next, Errno(libc::ELOOP).into());
                    }
                    if text.is_absolute() {
                        let whole = joined(&text, &rest);
                        let entered = self.enter(&whole).ok_or(());
                        match entered.or_else(|()| self.enter_from_outside(&whole)) {
                            Ok(there) => (real, rest) = there,
                            Err(outside) => return End::Outside(outside),
                        }
                    } else {
                        names(&text)
                            .into_iter()
                            .rev()
                            .for_each(|name| rest.push_front(name));
                    }
                }
                Kind::File | Kind::Other if rest.is_empty() => return End::Found(next, kind),
                Kind::File | Kind::Other => {
                    return missing(next, &rest, Errno(libc::ENOTDIR).into());
                }
            }
        }
        End::Found(real, Kind::Directory)
    }

    /// The directory that a path begins with, and the names below.
    fn enter(&self, path: &Path) -> Option<(PathBuf, VecDeque<OsString>)> {
        let (root, _) = self.0.iter().find(|(root, _)| path.starts_with(root))?;
        let below = path.strip_prefix(root).ok()?;
        Some((root.clone(), names(below)))
    }

    /// The same for a path that leads in through directories of the host, which no sandbox writes; the
    /// end of it need not exist.
    fn enter_from_outside(&self, path: &Path) -> Result<(PathBuf, VecDeque<OsString>), PathBuf> {
        let there = path.ancestors().find_map(|above| {
            let real = std::fs::canonicalize(above).ok()?;
            let rest = path.strip_prefix(above).ok()?;
            // Joining nothing would add a slash, and with it ask for a directory.
            Some(rest.iter().fold(real, |real, name| real.join(name)))
        });
        let there = there.unwrap_or_else(|| path.to_owned());
        self.enter(&there).ok_or(there)
    }
}

/// The names of a path; `..` stays, since what is before it may be a link.
fn names(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    parts.collect()
}

fn joined(path: &Path, rest: &VecDeque<OsString>) -> PathBuf {
    rest.iter()
        .fold(path.to_owned(), |path, name| path.join(name))
}

fn missing(path: PathBuf, rest: &VecDeque<OsString>, error: io::Error) -> End {
    match error.raw_os_error() {
        // No name can come to exist behind `missing/..` but by making `missing`.
        Some(libc::ENOENT | libc::ENOTDIR) if rest.iter().any(|name| name == "..") => {
            End::Missing(path)
        }
        Some(libc::ENOENT | libc::ENOTDIR) => End::Missing(joined(&path, rest)),
        _ => End::Failed(path, error),
    }
}
