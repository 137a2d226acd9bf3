//! Putting an object at a name of the host in one step.

use super::outcome::{ConflictReason, Problem, Refusal};
use crate::fs::{self, Repair};
use crate::names;
use crate::remove;
use crate::state::Stat;
use crate::tree::Tree;
use crate::walk::{Event, Layer, Plan, Walk};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const PREFIX: &str = ".cofferdam-apply.";
const DIGITS: usize = 16;

/// A name in a directory of the host, and what is expected there.
pub(super) struct Place<'a> {
    pub tree: &'a Tree,
    pub dir: BorrowedFd<'a>,
    pub name: &'a OsStr,
    pub expected: Option<Stat>,
}

/// A new regular file that is not at its place yet.
pub(super) struct NewFile {
    pub file: OwnedFd,
    /// Where the file system has no files without a name.
    temporary: Option<OsString>,
}

impl NewFile {
    /// Removes it where it has a name already.
    pub(super) fn discard(&self, dir: BorrowedFd<'_>) {
        if let Some(name) = &self.temporary {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
        }
    }
}

impl Place<'_> {
    /// A new empty file, readable for its owner alone.
    pub(super) fn new_file(&self) -> Result<NewFile, Problem> {
        let mode = Mode::from_raw_mode(0o600);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(self.dir, c".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => Ok(NewFile {
                file,
                temporary: None,
            }),
            // open(2): what file systems without O_TMPFILE, and old kernels, answer.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {
                let name = temporary_name();
                let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let file = rustix::fs::openat(self.dir, &name, flags, mode)
                    .map_err(Problem::io("make a file"))?;
                let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
                Ok(NewFile {
                    file,
                    temporary: Some(name),
                })
            }
            Err(error) => Err(Problem::io("make a file")(error)),
        }
    }

    /// Puts a finished file at its place.
    pub(super) fn put_file(&self, new: &NewFile) -> Result<(), Problem> {
        if let Some(temporary) = &new.temporary {
            return self.put(temporary);
        }
        if self.expected.is_none() {
            return match link(new.file.as_fd(), self.dir, self.name) {
                Ok(()) => Ok(()),
                Err(Errno::EXIST) => Err(ConflictReason::Appeared.into()),
                Err(error) => Err(Problem::io("give the file its name")(error)),
            };
        }
        self.put_link(new.file.as_fd())
    }

    /// Puts another name of an open file at its place.
    pub(super) fn put_link(&self, file: BorrowedFd<'_>) -> Result<(), Problem> {
        let temporary = temporary_name();
        link(file, self.dir, &temporary).map_err(Problem::io("give the file a name"))?;
        self.put(&temporary)
    }

    /// Moves what has a temporary name to its place. On failure it is removed.
    pub(super) fn put(&self, temporary: &OsStr) -> Result<(), Problem> {
        let result = match &self.expected {
            None => self.put_new(temporary),
            Some(expected) => self.exchange(temporary, expected),
        };
        if result.is_err() {
            let _ = remove::remove_at(self.dir, temporary);
        }
        result
    }

    /// Removes what is at the place. It is moved aside first, so that something else that takes
    /// its place at the last moment is not lost.
    pub(super) fn remove(&self) -> Result<(), Problem> {
        let Some(expected) = &self.expected else {
            return Ok(());
        };
        self.nothing_newer(self.name, expected)?;
        let temporary = temporary_name();
        match rename(self.dir, self.name, &temporary) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(Problem::io("move it aside")(error)),
        }
        if let Err(problem) = self.came_out(&temporary, expected) {
            let _ = rename(self.dir, &temporary, self.name);
            return Err(problem);
        }
        self.remove_old(&temporary, expected)
    }

    /// Removes what was at the place and has a temporary name now.
    fn remove_old(&self, temporary: &OsStr, old: &Stat) -> Result<(), Problem> {
        // Its other names see a new ctime, which is our doing.
        let linked = !old.file_type.is_directory() && old.links > 1;
        let kept = linked.then(|| fs::open_within(self.dir, temporary, OFlags::PATH));
        remove::remove_at(self.dir, temporary).map_err(Problem::io("remove the old one"))?;
        if let Some(Ok(kept)) = kept
            && let Ok(stat) = fs::stat(kept.as_fd())
        {
            self.tree.note(&stat);
        }
        Ok(())
    }

    fn put_new(&self, temporary: &OsStr) -> Result<(), Problem> {
        match rename(self.dir, temporary, self.name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(ConflictReason::Appeared.into()),
            Err(error) => Err(Problem::io("give it its name")(error)),
        }
    }

    /// Exchanges the new with the old object, looks at what came out, and removes it; or exchanges
    /// them back if it is not the one expected.
    fn exchange(&self, temporary: &OsStr, expected: &Stat) -> Result<(), Problem> {
        self.nothing_newer(self.name, expected)?;
        match fs::stat_at(self.dir, self.name).map_err(Problem::io("look"))? {
            Some(now) if (now.id, now.changed) == (expected.id, expected.changed) => {}
            Some(_) => return Err(ConflictReason::Changed.into()),
            None => return Err(ConflictReason::Gone.into()),
        }
        let swap = || {
            let flags = RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(self.dir, temporary, self.dir, self.name, flags)
        };
        match swap() {
            Ok(()) => {
                if let Err(problem) = self.came_out(temporary, expected) {
                    let _ = swap();
                    return Err(problem);
                }
                self.remove_old(temporary, expected)
            }
            Err(Errno::NOENT) => Err(ConflictReason::Gone.into()),
            // A file system without exchange: the look above is as near as one gets.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if expected.file_type.is_directory() {
                    self.remove()?;
                    return self.put_new(temporary);
                }
                rustix::fs::renameat(self.dir, temporary, self.dir, self.name)
                    .map_err(Problem::io("replace the old one"))
            }
            Err(error) => Err(Problem::io("replace the old one")(error)),
        }
    }

    /// An error unless what was moved aside is what was expected.
    fn came_out(&self, temporary: &OsStr, expected: &Stat) -> Result<(), Problem> {
        match fs::stat_at(self.dir, temporary) {
            Ok(Some(now)) if now.is_same(expected) => self.nothing_newer(temporary, &now),
            Err(error) => Err(Problem::io("look at the old one")(error)),
            _ => Err(ConflictReason::Changed.into()),
        }
    }

    /// An error if the host changed anything below a directory.
    fn nothing_newer(&self, name: &OsStr, stat: &Stat) -> Result<(), Problem> {
        if !stat.file_type.is_directory() {
            return Ok(());
        }
        let open = || {
            let root = fs::open_within(self.dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
            Walk::new(Plan {
                layers: vec![Layer {
                    root,
                    repair: Repair::Never,
                    upper: false,
                }],
                a: vec![0],
                b: Vec::new(),
                shared: None,
                into_removed: true,
            })
        };
        let mut walk = open().map_err(Problem::io("look into the directory"))?;
        while let Some(event) = walk.next() {
            match event {
                Ok(Event::Entry(entry)) => {
                    if entry.a.is_some_and(|found| self.tree.is_newer(&found.stat)) {
                        return Err(ConflictReason::Changed.into());
                    }
                }
                Ok(Event::Leave { .. }) => {}
                Err(error) => {
                    return Err(Refusal::Io {
                        step: "look into the directory",
                        source: std::io::Error::other(error),
                    }
                    .into());
                }
            }
        }
        Ok(())
    }
}

/// A name that nothing else has.
pub(super) fn temporary_name() -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos() as u64);
    let number = now
        .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from(std::process::id());
    format!("{PREFIX}{number:016x}").into()
}

/// Whether it is such a name.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let digits = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Removes what a killed process left. What another process still writes is locked.
pub(super) fn sweep(dir: BorrowedFd<'_>) {
    let mut found = Vec::new();
    let Ok(listed) = fs::reopen_directory(dir) else {
        return;
    };
    let _ = names::each(listed.as_fd(), |name| {
        if is_temporary(name) {
            found.push(name.to_os_string());
        }
    });
    for name in found {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let locked = fs::open_within(dir, &name, flags).is_ok_and(|file| {
            let lock = FlockOperation::NonBlockingLockExclusive;
            rustix::fs::flock(file, lock) == Err(Errno::WOULDBLOCK)
        });
        if !locked {
            let _ = remove::remove_at(dir, &name);
        }
    }
}

/// Gives an open file a name that does not exist yet.
fn link(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    // By descriptor alone it takes a capability.
    let path = fs::proc_path(file);
    match rustix::fs::linkat(CWD, &path, dir, name, AtFlags::SYMLINK_FOLLOW) {
        Err(Errno::NOENT) => rustix::fs::linkat(file, c"", dir, name, AtFlags::EMPTY_PATH),
        result => result,
    }
}

/// Renames to a name that does not exist.
fn rename(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return result,
    }
    // A file system without that flag: a link fails if the name is there.
    match rustix::fs::linkat(dir, from, dir, to, AtFlags::empty()) {
        Ok(()) => rustix::fs::unlinkat(dir, from, AtFlags::empty()),
        Err(Errno::EXIST) => Err(Errno::EXIST),
        // Directories and file systems without links.
        Err(_) => match fs::stat_at(dir, to) {
            Ok(None) => rustix::fs::renameat(dir, from, dir, to),
            Ok(Some(_)) => Err(Errno::EXIST),
            Err(_) => Err(Errno::IO),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_known_and_others_are_not() {
        assert!(is_temporary(&temporary_name()));
        assert_ne!(temporary_name(), temporary_name());
        for name in [
            ".cofferdam-apply.",
            ".cofferdam-apply.12",
            "x",
            ".cofferdam-apply.0123456789abcdeg",
        ] {
            assert!(!is_temporary(OsStr::new(name)), "{name}");
        }
    }
}
