//! Rights on files: single ones, sets of them, and the sets that people ask for.

use core::fmt;
use core::ops::{BitAnd, BitOr};

use landlock::{Access as _, AccessFs};

use crate::Abi;

macro_rules! rights {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One right on files, as in landlock(7), "Filesystem actions".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Right { $($(#[$doc])* $variant,)* }

        impl Right {
            /// All of them, oldest first.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kernel's name in lower case, without `LANDLOCK_ACCESS_FS_`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn access_fs(self) -> AccessFs {
                match self { $(Self::$variant => AccessFs::$variant,)* }
            }
        }
    };
}

rights! {
    /// Execute a file. ABI 1.
    Execute = "execute",
    /// Open a file for writing. ABI 1.
    WriteFile = "write_file",
    /// Open a file for reading. ABI 1.
    ReadFile = "read_file",
    /// Open a directory or list it. Directories only. ABI 1.
    ReadDir = "read_dir",
    /// Remove an empty directory, or rename one. Directories only. ABI 1.
    RemoveDir = "remove_dir",
    /// Remove a file, or rename one. Directories only. ABI 1.
    RemoveFile = "remove_file",
    /// Create a character device. Directories only. ABI 1.
    MakeChar = "make_char",
    /// Create a directory. Directories only. ABI 1.
    MakeDir = "make_dir",
    /// Create a regular file, by a link too. Directories only. ABI 1.
    MakeReg = "make_reg",
    /// Create a unix socket. Directories only. ABI 1.
    MakeSock = "make_sock",
    /// Create a named pipe. Directories only. ABI 1.
    MakeFifo = "make_fifo",
    /// Create a block device. Directories only. ABI 1.
    MakeBlock = "make_block",
    /// Create a symbolic link. Directories only. ABI 1.
    MakeSym = "make_sym",
    /// Rename or link a file into another directory; both directories need it. Directories only.
    /// ABI 2; with ABI 1 every file ruleset denies this without exception.
    Refer = "refer",
    /// Change the size of a file, also by opening it with `O_TRUNC` or creat(2). ABI 3.
    Truncate = "truncate",
    /// Send ioctl(2) commands to a device that is opened under the ruleset. ABI 5.
    IoctlDev = "ioctl_dev",
    /// Connect or send to a unix socket that has a path, and that was not made under the same
    /// ruleset. ABI 9.
    ResolveUnix = "resolve_unix",
}

impl Right {
    /// The first ABI that has this right.
    pub fn abi(self) -> Abi {
        Abi::all()
            .find(|abi| Rights::of_abi(*abi).contains(self))
            .unwrap_or(Abi::NEWEST)
    }

    const fn bit(self) -> u64 {
        self.access_fs() as u64
    }
}

/// A set of rights on files.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights(u64);

impl Rights {
    /// No right.
    pub const EMPTY: Self = Self(0);
    /// Every right up to [`Abi::NEWEST`].
    pub const ALL: Self = Self::of(Right::ALL);

    /// The set of these.
    pub const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < rights.len() {
            bits |= rights[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// Every right that an ABI has.
    pub fn of_abi(abi: Abi) -> Self {
        Self(AccessFs::from_all(abi.to_landlock()).bits())
    }

    /// The rights that make sense for a file that is no directory. The kernel takes only these in
    /// a rule for such a file.
    pub fn for_files(self) -> Self {
        Self(self.0 & AccessFs::from_file(Abi::NEWEST.to_landlock()).bits())
    }

    /// This set with one right more.
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | right.bit())
    }

    /// This set with one right less.
    pub const fn without(self, right: Right) -> Self {
        Self(self.0 & !right.bit())
    }

    /// Whether the set holds a right.
    pub const fn contains(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether the set holds none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights in the set, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL
            .iter()
            .copied()
            .filter(move |right| self.contains(*right))
    }

    /// The kernel's `LANDLOCK_ACCESS_FS_*` bits.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What a path rule allows on the path and beneath it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Read files and list directories.
    Read,
    /// [`Access::Read`] and execute.
    ReadExec,
    /// [`Access::Read`], and write, create, delete, truncate, rename and link, also between
    /// directories that both allow it. No device nodes are created, no device takes an ioctl.
    Write,
    /// [`Access::Write`] and execute.
    WriteExec,
    /// Read, list, write and ioctl(2): for device nodes and directories of them. Nothing is
    /// created or deleted.
    Device,
    /// Connect to unix sockets. To be named for each socket (or directory of sockets) of a process
    /// outside, such as a daemon's, as no other preset allows it. From ABI 9 on; Landlock does not
    /// restrict this before.
    Socket,
    /// Exactly these rights.
    Exactly(Rights),
}

impl Access {
    /// The rights that it stands for.
    pub const fn rights(self) -> Rights {
        use Right::*;
        const READ: Rights = Rights::of(&[ReadFile, ReadDir]);
        const WRITE: Rights = READ.union(Rights::of(&[
            WriteFile, Truncate, RemoveDir, RemoveFile, MakeDir, MakeReg, MakeSock, MakeFifo,
            MakeSym, Refer,
        ]));
        match self {
            Self::Read => READ,
            Self::ReadExec => READ.with(Execute),
            Self::Write => WRITE,
            Self::WriteExec => WRITE.with(Execute),
            Self::Device => READ.union(Rights::of(&[WriteFile, Truncate, IoctlDev])),
            Self::Socket => Rights::of(&[ResolveUnix]),
            Self::Exactly(rights) => rights,
        }
    }
}

impl From<Rights> for Access {
    fn from(rights: Rights) -> Self {
        Self::Exactly(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landlock::BitFlags;

    #[test]
    fn every_right_of_the_tables_has_a_name_here() {
        assert_eq!(Rights::ALL.bits(), BitFlags::<AccessFs>::all().bits());
        assert_eq!(Rights::ALL, Rights::of_abi(Abi::NEWEST));
        assert_eq!(Rights::ALL.iter().count(), Right::ALL.len());
    }

    #[test]
    fn rights_come_with_the_abi_that_the_kernel_documents() {
        for right in Right::ALL {
            let abi = match right {
                Right::Refer => 2,
                Right::Truncate => 3,
                Right::IoctlDev => 5,
                Right::ResolveUnix => 9,
                _ => 1,
            };
            assert_eq!(right.abi().number(), abi, "{right:?}");
        }
    }

    #[test]
    fn presets_grow_as_documented() {
        let holds = |larger: Access, smaller: Access| {
            larger.rights() & smaller.rights() == smaller.rights()
        };
        assert!(holds(Access::ReadExec, Access::Read));
        assert!(holds(Access::Write, Access::Read));
        assert!(holds(Access::WriteExec, Access::Write));
        assert!(holds(Access::WriteExec, Access::ReadExec));
        assert!(!Access::Write.rights().contains(Right::Execute));
        for preset in [Access::WriteExec, Access::ReadExec] {
            for kept_out in [
                Right::IoctlDev,
                Right::MakeChar,
                Right::MakeBlock,
                Right::ResolveUnix,
            ] {
                assert!(
                    !preset.rights().contains(kept_out),
                    "{preset:?} {kept_out:?}"
                );
            }
        }
        assert!(Access::Device.rights().contains(Right::IoctlDev));
        assert!(!Access::Device.rights().contains(Right::MakeReg));
    }

    #[test]
    fn file_rights_leave_out_what_only_directories_have() {
        let files = Rights::ALL.for_files();
        for right in [
            Right::ReadDir,
            Right::MakeReg,
            Right::Refer,
            Right::RemoveFile,
        ] {
            assert!(!files.contains(right), "{right:?}");
        }
        for right in [
            Right::ReadFile,
            Right::Truncate,
            Right::IoctlDev,
            Right::ResolveUnix,
        ] {
            assert!(files.contains(right), "{right:?}");
        }
    }
}
