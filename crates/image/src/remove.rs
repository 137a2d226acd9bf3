//! Deletes trees of any shape: no recursion, a fixed number of descriptors, no link followed.

use crate::resolve::open_directory;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, fchmod, openat, renameat, renameat_with,
    statat, unlinkat,
};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Deletes the directory `name` of `at`. It is first moved to `trash`, a directory for nothing else on
/// the same file system.
pub(crate) fn remove_beneath(at: BorrowedFd<'_>, name: &[u8], trash: BorrowedFd<'_>) -> Result<()> {
    move_up(at, name, trash, &mut 0)?;
    empty(trash)
}

/// Deletes all that is in a directory.
///
/// A directory found within another is moved up to the first one before it is emptied, so that depth
/// does not matter.
pub(crate) fn empty(top: BorrowedFd<'_>) -> Result<()> {
    let mut next = 0;
    loop {
        let mut any = false;
        for (name, is_directory) in names(top)? {
            any = true;
            if is_directory {
                let directory = open_for_change(top, name.as_bytes())?;
                flatten(directory.as_fd(), top, &mut next)?;
                unlinkat(top, &name, AtFlags::REMOVEDIR)?;
            } else {
                unlinkat(top, &name, AtFlags::empty())?;
            }
        }
        if !any {
            return Ok(());
        }
    }
}

/// Deletes the files of a directory and moves its directories up.
fn flatten(directory: BorrowedFd<'_>, top: BorrowedFd<'_>, next: &mut u64) -> Result<()> {
    loop {
        let mut any = false;
        for (name, is_directory) in names(directory)? {
            any = true;
            if is_directory {
                move_up(directory, name.as_bytes(), top, next)?;
            } else {
                unlinkat(directory, &name, AtFlags::empty())?;
            }
        }
        if !any {
            return Ok(());
        }
    }
}

fn move_up(at: BorrowedFd<'_>, name: &[u8], top: BorrowedFd<'_>, next: &mut u64) -> Result<()> {
    loop {
        let fresh = format!("{next}");
        *next += 1;
        let moved = match renameat_with(at, name, top, &*fresh, RenameFlags::NOREPLACE) {
            // File systems without RENAME_NOREPLACE: an existing name is left alone if it is looked up.
            Err(Errno::INVAL) => match statat(top, &*fresh, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => renameat(at, name, top, &*fresh),
                _ => Err(Errno::EXIST),
            },
            other => other,
        };
        match moved {
            Err(Errno::EXIST) => {}
            // A directory that moves has its `..` written.
            Err(Errno::ACCESS) => drop(open_for_change(at, name)?),
            other => return other,
        }
        if *next == u64::MAX {
            return Err(Errno::EXIST);
        }
    }
}

/// A part of the names in a directory, each with whether it is a directory.
fn names(directory: BorrowedFd<'_>) -> Result<Vec<(CString, bool)>> {
    let mut some = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        some.push((name.to_owned(), kind == FileType::Directory));
        if some.len() == 4096 {
            break;
        }
    }
    Ok(some)
}

/// Opens a directory whose owner may lack the right to, and gives it to the owner.
fn open_for_change(at: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let directory = match open_directory(at, name) {
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let path = openat(at, name, flags, Mode::empty())?;
            // fchmod(2) takes no O_PATH descriptor; the link in /proc leads to exactly this directory.
            rustix::fs::chmod(format!("/proc/self/fd/{}", path.as_raw_fd()), Mode::RWXU)?;
            open_directory(at, name)?
        }
        other => other?,
    };
    fchmod(&directory, Mode::RWXU)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn deep_trees_with_odd_modes_go_and_what_links_lead_to_stays() {
        let base = tempfile::tempdir().unwrap();
        let kept = base.path().join("kept");
        std::fs::write(&kept, "kept").unwrap();
        let top = base.path().join("top");
        std::fs::create_dir(&top).unwrap();
        symlink(&kept, top.join("link")).unwrap();
        symlink(base.path(), top.join("0")).unwrap();
        // Deeper than PATH_MAX, which recursion by path could not delete.
        let mut at: OwnedFd = std::fs::File::open(&top).unwrap().into();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "ddd", Mode::RWXU).unwrap();
            at = open_directory(at.as_fd(), b"ddd").unwrap();
        }
        std::fs::create_dir_all(top.join("closed/inner/most")).unwrap();
        std::fs::set_permissions(top.join("closed/inner"), PermissionsExt::from_mode(0o000))
            .unwrap();
        let dir: OwnedFd = std::fs::File::open(&top).unwrap().into();
        empty(dir.as_fd()).unwrap();
        assert_eq!(std::fs::read_dir(&top).unwrap().count(), 0);
        assert_eq!(std::fs::read(&kept).unwrap(), b"kept");
    }
}
