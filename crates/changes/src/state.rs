//! What an object of a file system is.

use rustix::fs::{FileType as RawType, Statx};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The type of a file (`inode(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A unix socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

impl FileType {
    /// The name used in text: `file`, `directory` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FileType::Regular => "file",
            FileType::Directory => "directory",
            FileType::Symlink => "symbolic link",
            FileType::Fifo => "FIFO",
            FileType::Socket => "socket",
            FileType::CharacterDevice => "character device",
            FileType::BlockDevice => "block device",
        }
    }

    pub(crate) const fn is_directory(self) -> bool {
        matches!(self, FileType::Directory)
    }

    /// What this crate writes to the host: the rest can only be refused.
    pub(crate) const fn is_special(self) -> bool {
        !matches!(
            self,
            FileType::Regular | FileType::Directory | FileType::Symlink
        )
    }
}

/// What a path was or is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// The type of the object.
    pub file_type: FileType,
    /// The permission bits with set-user-ID, set-group-ID and sticky (the lower 12 bits).
    pub mode: u32,
    /// The owner, as [`Owners`](crate::Owners) translates it.
    pub uid: u32,
    /// The group, as [`Owners`](crate::Owners) translates it.
    pub gid: u32,
    /// Bytes. Of a directory what the file system says, which means nothing.
    pub size: u64,
    /// When the content changed last; a program can set it to anything.
    pub modified: SystemTime,
    /// When the kernel last noted a change of anything (ctime); a program cannot set it.
    pub changed: SystemTime,
    /// What a symbolic link says.
    pub target: Option<PathBuf>,
}

/// What statx(2) says, in the form this crate works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub id: Id,
    pub file_type: FileType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub links: u32,
    pub device: (u32, u32),
    pub modified: Time,
    pub changed: Time,
}

/// The identity of an object while it exists: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    dev: (u32, u32),
    ino: u64,
}

/// Seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl Stat {
    pub(crate) fn new(raw: &Statx) -> Self {
        let file_type = match RawType::from_raw_mode(u32::from(raw.stx_mode)) {
            RawType::Directory => FileType::Directory,
            RawType::Symlink => FileType::Symlink,
            RawType::Fifo => FileType::Fifo,
            RawType::Socket => FileType::Socket,
            RawType::CharacterDevice => FileType::CharacterDevice,
            RawType::BlockDevice => FileType::BlockDevice,
            _ => FileType::Regular,
        };
        Self {
            id: Id {
                dev: (raw.stx_dev_major, raw.stx_dev_minor),
                ino: raw.stx_ino,
            },
            file_type,
            mode: u32::from(raw.stx_mode) & 0o7777,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            links: raw.stx_nlink,
            device: (raw.stx_rdev_major, raw.stx_rdev_minor),
            modified: Time {
                seconds: raw.stx_mtime.tv_sec,
                nanoseconds: raw.stx_mtime.tv_nsec,
            },
            changed: Time {
                seconds: raw.stx_ctime.tv_sec,
                nanoseconds: raw.stx_ctime.tv_nsec,
            },
        }
    }

    /// Whether it is the same object, untouched. A rename changes the ctime on some file systems,
    /// so that one is left out.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.id, self.file_type, self.size, self.modified)
            == (other.id, other.file_type, other.size, other.modified)
            && self.mode == other.mode
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let parts = |length: Duration| {
            let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
            (seconds, length.subsec_nanos())
        };
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => {
                let (seconds, nanoseconds) = parts(after);
                Self {
                    seconds,
                    nanoseconds,
                }
            }
            Err(error) => match parts(error.duration()) {
                (seconds, 0) => Self {
                    seconds: -seconds,
                    nanoseconds: 0,
                },
                (seconds, part) => Self {
                    seconds: -seconds - 1,
                    nanoseconds: 1_000_000_000 - part,
                },
            },
        }
    }
}

impl From<Time> for SystemTime {
    /// What no `SystemTime` can say becomes 1970.
    fn from(time: Time) -> Self {
        let whole = Duration::from_secs(time.seconds.unsigned_abs());
        let start = if time.seconds < 0 {
            UNIX_EPOCH.checked_sub(whole)
        } else {
            UNIX_EPOCH.checked_add(whole)
        };
        let part = Duration::from_nanos(u64::from(time.nanoseconds));
        start
            .and_then(|start| start.checked_add(part))
            .unwrap_or(UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_1970_come_back() {
        for (seconds, nanoseconds) in [(0, 0), (5, 7), (-1, 999_999_999), (-7, 0), (1 << 40, 1)] {
            let time = Time {
                seconds,
                nanoseconds,
            };
            assert_eq!(Time::from(SystemTime::from(time)), time);
        }
        let hostile = Time {
            seconds: i64::MIN,
            nanoseconds: 0,
        };
        let _ = SystemTime::from(hostile);
    }
}
