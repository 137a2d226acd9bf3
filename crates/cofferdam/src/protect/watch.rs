//! Looking for what appeared that should not have, and removing it.

use super::place::{Kind, Place};
use super::remove::{self, Removed};
use super::resolve::{Link, Roots};
use cofferdam_policy::Danger;
use cofferdam_sys::Errno;
use std::ffi::{CString, OsStr};
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// How often a name is tried that changes under our hands.
const TRIES: usize = 8;

/// The names that did not exist when the sandbox was built, and the links that did.
#[derive(Debug)]
pub(crate) struct Watch {
    roots: Arc<Roots>,
    absent: Vec<(PathBuf, Danger)>,
    groups: Vec<Group>,
    links: Vec<Link>,
}

/// Names that have the first part in common: where that is not there, none of them is.
#[derive(Debug)]
struct Group {
    /// The directory and the name in it, as [`Roots::first`] says.
    first: Option<(usize, CString)>,
    /// Which of the absent names.
    range: Range<usize>,
}

/// A name that should not be there, and what was done about it.
#[derive(Debug)]
pub(crate) struct Caught {
    /// Where it was, on the host. A link on the way to a dangerous name is named itself.
    pub path: PathBuf,
    /// What it would have been.
    pub what: Danger,
    /// What was done.
    pub outcome: Outcome,
    /// Of a directory, what was in it and is removed: the first thousand paths, relative to it.
    pub below: Vec<PathBuf>,
    /// How many entries in it were removed in all.
    pub below_count: u64,
}

/// What was done about something caught.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Removed.
    Removed,
    /// Removed, and the symbolic link that had been there made again.
    Restored,
    /// Still there, at least in part: to be tried again when no process of the sandbox is left.
    Left(io::Error),
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.path, self.what)?;
        match &self.outcome {
            Outcome::Removed => f.write_str(" was removed")?,
            Outcome::Restored => f.write_str(" was replaced, and is a link as before")?,
            Outcome::Left(error) => {
                write!(
                    f,
                    " could not be removed; do it by hand before using the directory: {error}"
                )?;
            }
        }
        match self.below_count {
            0 => Ok(()),
            count => write!(f, ", with {count} entries in it"),
        }
    }
}

impl Watch {
    pub(super) fn new(roots: Arc<Roots>, absent: Vec<(PathBuf, Danger)>, links: Vec<Link>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (index, (path, _)) in absent.iter().enumerate() {
            let first = roots.first(path);
            match groups.last_mut() {
                Some(last) if last.first == first => last.range.end = index + 1,
                _ => groups.push(Group {
                    first,
                    range: index..index + 1,
                }),
            }
        }
        Self {
            roots,
            absent,
            groups,
            links,
        }
    }

    /// Looks at every name again and removes what appeared; a link that was replaced is made again.
    ///
    /// For after each command, and once more when every process of the sandbox is dead: one that
    /// lives can make a name again as soon as it is gone. Whoever made it is not known, so what a
    /// person created meanwhile goes too: everything removed is in the answer, and nothing is kept.
    ///
    /// A link on the way to a name that did not exist is removed itself, and nothing is looked for
    /// behind it. Of a file with several names the one goes and the others stay.
    pub(crate) fn take_away(&self) -> Vec<Caught> {
        let groups = self.groups.iter().filter(|group| {
            let first = group.first.as_ref();
            !first.is_some_and(|(root, name)| self.roots.lacks(*root, name))
        });
        let absent = groups.flat_map(|group| &self.absent[group.range.clone()]);
        let absent = absent.filter_map(|(path, danger)| self.look(path, *danger, None));
        let links = self.links.iter();
        let links = links.filter_map(|link| self.look(&link.path, link.danger, Some(&link.text)));
        links.chain(absent).collect()
    }

    /// Looks at one name; `link` is what it may read.
    fn look(&self, path: &Path, danger: Danger, link: Option<&Path>) -> Option<Caught> {
        let (root, rest) = self.roots.of(path)?;
        let found = root.open(rest).map_err(|error| error.raw_os_error());
        if matches!(found, Err(Some(libc::ENOENT | libc::ENOTDIR))) {
            return None;
        }
        let mut visit = Visit {
            danger,
            link,
            unlocked: Vec::new(),
        };
        let top = path.ancestors().nth(rest.components().count())?;
        let caught = visit.walk(root, top, rest);
        visit.lock();
        caught
    }
}

/// The way to one name.
struct Visit<'a> {
    danger: Danger,
    link: Option<&'a Path>,
    /// Directories that got rights for their owner, and the modes they had.
    unlocked: Vec<(Place, u32)>,
}

impl Visit<'_> {
    fn walk(&mut self, root: &Place, top: &Path, rest: &Path) -> Option<Caught> {
        let mut path = top.to_owned();
        let mut here = match root.again() {
            Ok(here) => here,
            Err(error) => return Some(self.caught(path, Outcome::Left(error))),
        };
        let mut names = rest.components().peekable();
        while let Some(Component::Normal(name)) = names.next() {
            path.push(name);
            let last = names.peek().is_none();
            let place = match self.open(&here, name) {
                Ok(place) => place,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) => return Some(self.caught(path, Outcome::Left(error))),
            };
            match place.kind() {
                Kind::Link if last && self.is_known(&here, name) => return None,
                _ if last => return self.take(&here, name, path, self.link),
                Kind::Directory => here = place,
                Kind::Link => return self.take(&here, name, path, None),
                Kind::File | Kind::Other => return None,
            }
        }
        None
    }

    /// Whether the link is the one that was there.
    fn is_known(&self, dir: &Place, name: &OsStr) -> bool {
        self.link.is_some_and(|text| {
            dir.read_link(name)
                .is_ok_and(|now| now.as_os_str() == text.as_os_str())
        })
    }

    fn open(&mut self, dir: &Place, name: &OsStr) -> io::Result<Place> {
        match dir.open(name.as_ref()) {
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied && self.unlock(dir)? =>
            {
                dir.open(name.as_ref())
            }
            other => other,
        }
    }

    /// Gives the owner all rights on a directory until the removal is over; whether that changed
    /// anything.
    fn unlock(&mut self, dir: &Place) -> io::Result<bool> {
        let again = dir.again()?;
        let Some(mode) = again.unlock()? else {
            return Ok(false);
        };
        self.unlocked.push((again, mode));
        Ok(true)
    }

    fn lock(&mut self) {
        for (dir, mode) in self.unlocked.drain(..).rev() {
            // A directory that is gone, or that changed hands, keeps what it has.
            let _ = dir.set_mode(mode);
        }
    }

    /// Removes a name, whatever it is now, and puts a link there if one is given.
    fn take(
        &mut self,
        dir: &Place,
        name: &OsStr,
        path: PathBuf,
        link: Option<&Path>,
    ) -> Option<Caught> {
        let mut removed = Removed::default();
        let mut outcome = Err(Errno(libc::EAGAIN).into());
        let mut gone = false;
        for _ in 0..TRIES {
            outcome = match dir.unlink(name) {
                Ok(()) => Ok(()),
                Err(Errno(libc::ENOENT)) if removed.count == 0 => {
                    gone = true;
                    Ok(())
                }
                Err(Errno(libc::ENOENT)) => Ok(()),
                Err(Errno(libc::EISDIR)) => remove::directory(dir, name, &mut removed),
                Err(errno) => Err(errno.into()),
            };
            let again = match outcome.as_ref().map_err(|error| error.raw_os_error()) {
                Err(Some(libc::EACCES)) => self.unlock(dir).is_ok_and(|changed| changed),
                // It changed while it was removed.
                Err(Some(libc::ESTALE | libc::ENOTEMPTY | libc::ENOTDIR | libc::ENOENT)) => true,
                _ => false,
            };
            if !again {
                break;
            }
        }
        if gone {
            return None;
        }
        let outcome = match (outcome, link) {
            (Err(error), _) => Outcome::Left(error),
            (Ok(()), Some(text)) => match dir.make_link(name, text) {
                Ok(()) => Outcome::Restored,
                Err(error) => Outcome::Left(error),
            },
            (Ok(()), None) => Outcome::Removed,
        };
        Some(Caught {
            below: removed.paths,
            below_count: removed.count,
            ..self.caught(path, outcome)
        })
    }

    fn caught(&self, path: PathBuf, outcome: Outcome) -> Caught {
        Caught {
            path,
            what: self.danger,
            outcome,
            below: Vec::new(),
            below_count: 0,
        }
    }
}
