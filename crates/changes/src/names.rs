//! The names in several directories, in order and in bounded memory.

use rustix::fs::{RawDir, SeekFrom};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// The names of several directories together, each once, in the order of their bytes. Of a
/// directory with more than this many names it is read again for each portion.
const PORTION: usize = 1 << 16;

#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The next names, the first one last.
    ready: Vec<Box<[u8]>>,
    last: Vec<u8>,
    state: Rest,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Rest {
    #[default]
    Unread,
    More,
    Nothing,
}

impl Names {
    /// No more names.
    pub(crate) fn stop(&mut self) {
        self.ready = Vec::new();
        self.state = Rest::Nothing;
    }

    /// The next name of those in `directories`.
    pub(crate) fn next(&mut self, directories: &[BorrowedFd<'_>]) -> io::Result<Option<OsString>> {
        self.next_of(directories, PORTION)
    }

    fn next_of(
        &mut self,
        directories: &[BorrowedFd<'_>],
        portion: usize,
    ) -> io::Result<Option<OsString>> {
        if self.ready.is_empty() && self.state != Rest::Nothing {
            self.read(directories, portion)?;
        }
        let Some(name) = self.ready.pop() else {
            return Ok(None);
        };
        if self.state == Rest::More {
            self.last.clear();
            self.last.extend_from_slice(&name);
        }
        Ok(Some(OsString::from_vec(name.into_vec())))
    }

    /// Reads the next names after the last one.
    fn read(&mut self, directories: &[BorrowedFd<'_>], portion: usize) -> io::Result<()> {
        let mut more = false;
        let mut buffer = vec![MaybeUninit::uninit(); 1 << 15];
        for directory in directories {
            rustix::fs::seek(directory, SeekFrom::Start(0))?;
            let mut entries = RawDir::new(directory, &mut buffer);
            while let Some(entry) = entries.next() {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") || (!self.last.is_empty() && *name <= *self.last) {
                    continue;
                }
                self.ready.push(name.into());
                if self.ready.len() >= 2 * portion {
                    more |= self.keep(portion);
                }
            }
        }
        more |= self.keep(portion);
        self.ready.reverse();
        self.ready.shrink_to_fit();
        self.state = if more { Rest::More } else { Rest::Nothing };
        Ok(())
    }

    /// Keeps the first names; whether some had to go.
    fn keep(&mut self, portion: usize) -> bool {
        self.ready.sort_unstable();
        self.ready.dedup();
        let over = self.ready.len() > portion;
        self.ready.truncate(portion);
        over
    }
}

/// Every name of one directory, in any order; for directories that are ours to read at once.
pub(crate) fn each(directory: BorrowedFd<'_>, mut found: impl FnMut(&OsStr)) -> io::Result<()> {
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 15];
    rustix::fs::seek(directory, SeekFrom::Start(0))?;
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        found(OsStr::from_bytes(entry?.file_name().to_bytes()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;

    #[test]
    fn portions_give_every_name_once_and_in_order() {
        let one = tempfile::tempdir().expect("a directory");
        let two = tempfile::tempdir().expect("a directory");
        let mut expected = Vec::new();
        for number in 0..100 {
            let name = format!("n{number:03}");
            if number % 3 != 0 {
                fs::write(one.path().join(&name), "").expect("made");
            }
            if number % 3 != 1 {
                fs::write(two.path().join(&name), "").expect("made");
            }
            expected.push(OsString::from(name));
        }
        let one = File::open(one.path()).expect("opened");
        let two = File::open(two.path()).expect("opened");
        for portion in [1, 7, 50, 99, 100, 1000] {
            let mut names = Names::default();
            let mut seen = Vec::new();
            while let Some(name) = names
                .next_of(&[one.as_fd(), two.as_fd()], portion)
                .expect("read")
            {
                seen.push(name);
            }
            assert_eq!(seen, expected, "portion {portion}");
        }
    }
}
