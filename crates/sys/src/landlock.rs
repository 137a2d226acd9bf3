//! Landlock's three calls, and the two that find a rule's target.
//!
//! Sources: landlock(7), landlock_create_ruleset(2), landlock_add_rule(2),
//! landlock_restrict_self(2), the kernel's `include/uapi/linux/landlock.h` and
//! `Documentation/userspace-api/landlock.rst`.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{Errno, Result, syscall};

/// `struct landlock_ruleset_attr` as of ABI 6: what a ruleset denies unless a rule allows it.
///
/// Kernels before ABI 6 know a shorter struct. They take the longer one as long as the fields they
/// do not know are zero, and answer `E2BIG` otherwise.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulesetAttr {
    /// `LANDLOCK_ACCESS_FS_*` bits. Since ABI 1 (Linux 5.13).
    pub handled_access_fs: u64,
    /// `LANDLOCK_ACCESS_NET_*` bits. Since ABI 4 (Linux 6.7).
    pub handled_access_net: u64,
    /// `LANDLOCK_SCOPE_*` bits: no rule can make an exception to these. Since ABI 6 (Linux 6.12).
    pub scoped: u64,
}

/// `struct landlock_path_beneath_attr`, which the kernel declares packed.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPortAttr {
    allowed_access: u64,
    port: u64,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
const RULE_NET_PORT: u32 = 2;

/// `LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF`: the audit log stays silent about denials up to the
/// next execve(2). Since ABI 7 (Linux 6.15).
pub const RESTRICT_SELF_LOG_SAME_EXEC_OFF: u32 = 1;
/// `LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON`: the audit log also records denials after the next
/// execve(2). Since ABI 7 (Linux 6.15).
pub const RESTRICT_SELF_LOG_NEW_EXEC_ON: u32 = 2;
/// `LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF`: the audit log stays silent about domains made
/// inside this one. Since ABI 7 (Linux 6.15).
pub const RESTRICT_SELF_LOG_SUBDOMAINS_OFF: u32 = 4;

/// The running kernel's Landlock ABI version, 1 or more.
///
/// # Errors
/// `ENOSYS`: the kernel is older than Linux 5.13 or built without Landlock. `EOPNOTSUPP`: built in,
/// but left out of the list of security modules at boot.
pub fn abi_version() -> Result<u32> {
    // SAFETY: with LANDLOCK_CREATE_RULESET_VERSION the attribute pointer must be null and its size
    // 0; nothing is read, written or created.
    let answer = unsafe {
        syscall!(
            libc::SYS_landlock_create_ruleset,
            0,
            0,
            CREATE_RULESET_VERSION
        )
    };
    Errno::check(answer).map(|version| version as u32)
}

/// Creates a ruleset and returns its descriptor, which is close-on-exec.
///
/// # Errors
/// `EINVAL` for a bit that this kernel's ABI does not have, `E2BIG` for a field it does not have,
/// `ENOMSG` when all fields are zero; `ENOSYS` and `EOPNOTSUPP` as for [`abi_version`].
pub fn create_ruleset(attr: &RulesetAttr) -> Result<OwnedFd> {
    // SAFETY: landlock_create_ruleset(2) reads `size` bytes from the pointer; both are those of one
    // RulesetAttr borrowed for the call.
    let answer = unsafe {
        syscall!(
            libc::SYS_landlock_create_ruleset,
            &raw const *attr,
            size_of::<RulesetAttr>(),
            0
        )
    };
    let fd = Errno::check(answer)? as RawFd;
    // SAFETY: the call succeeded, so this is a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows `access` (`LANDLOCK_ACCESS_FS_*` bits) on the file that `target` refers to, and, if it is
/// a directory, on everything beneath it. `target` may be an `O_PATH` descriptor. Since Linux 5.13.
///
/// The ruleset is the kernel's object behind `ruleset`: every holder of a copy of the descriptor,
/// in whatever process, sees the rule.
///
/// # Errors
/// `EINVAL` for a right that the ruleset does not handle, or one that only directories have on a
/// target that is none; `ENOMSG` for no right at all; `EBADFD` for a target on a file system that
/// has no path (a pipe, a socket, a namespace file).
pub fn add_path_rule(ruleset: BorrowedFd<'_>, target: BorrowedFd<'_>, access: u64) -> Result<()> {
    let attr = PathBeneathAttr {
        allowed_access: access,
        parent_fd: target.as_raw_fd(),
    };
    // SAFETY: for LANDLOCK_RULE_PATH_BENEATH landlock_add_rule(2) reads one
    // landlock_path_beneath_attr, which lives until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const attr,
            0
        )
    };
    Errno::check(answer).map(drop)
}

/// Allows `access` (`LANDLOCK_ACCESS_NET_*` bits) on a port. Since ABI 4 (Linux 6.7).
///
/// # Errors
/// `EINVAL` for a right that the ruleset does not handle; `ENOMSG` for no right at all;
/// `EAFNOSUPPORT` on a kernel built without TCP/IP.
pub fn add_port_rule(ruleset: BorrowedFd<'_>, port: u16, access: u64) -> Result<()> {
    let attr = NetPortAttr {
        allowed_access: access,
        port: port.into(),
    };
    // SAFETY: for LANDLOCK_RULE_NET_PORT landlock_add_rule(2) reads one landlock_net_port_attr,
    // which lives until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_NET_PORT,
            &raw const attr,
            0
        )
    };
    Errno::check(answer).map(drop)
}

/// Puts the calling thread, and all that it starts from now on, under the ruleset. There is no way
/// back. The process's other threads are not touched.
///
/// `flags` are the `RESTRICT_SELF_LOG_*` bits, 0 before ABI 7.
///
/// # Errors
/// `EPERM` without `no_new_privs` or `CAP_SYS_ADMIN` in the thread's user namespace; `E2BIG` when
/// the thread already is under 16 rulesets; `EINVAL` for a flag this kernel does not have.
pub fn restrict_self(ruleset: BorrowedFd<'_>, flags: u32) -> Result<()> {
    // SAFETY: landlock_restrict_self(2) takes two integers and reads no memory of the caller.
    let answer = unsafe { syscall!(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), flags) };
    Errno::check(answer).map(drop)
}

/// Opens the target of a path rule: `O_PATH`, close-on-exec, and no symbolic link followed anywhere
/// in the path. Uses openat2(2), since Linux 5.6.
///
/// # Errors
/// `ELOOP` when a part of the path is a symbolic link, else those of openat2(2).
pub fn open_target(path: &CStr) -> Result<OwnedFd> {
    let how = open_how(libc::O_PATH | libc::O_CLOEXEC, libc::RESOLVE_NO_SYMLINKS);
    // SAFETY: openat2(2) reads a NUL-terminated path and `size` bytes of struct open_how; `how` has
    // that struct's three u64 fields, and both live until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            size_of_val(&how)
        )
    };
    let fd = Errno::check(answer)? as RawFd;
    // SAFETY: the call succeeded, so this is a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether a descriptor (an `O_PATH` one too) refers to a directory.
///
/// # Errors
/// Those of fstat(2).
pub fn is_directory(fd: BorrowedFd<'_>) -> Result<bool> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat(2) writes one struct stat through the pointer; libc declares it with the
    // kernel's layout on the 64-bit architectures this crate is built for.
    let answer = unsafe { syscall!(libc::SYS_fstat, fd.as_raw_fd(), stat.as_mut_ptr()) };
    Errno::check(answer)?;
    // SAFETY: the call succeeded, so the kernel has filled in the whole struct.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// `struct open_how` of openat2(2): flags, mode, resolve.
const fn open_how(flags: i32, resolve: u64) -> [u64; 3] {
    [flags as u64, 0, resolve]
}

const _: () = {
    assert!(size_of::<RulesetAttr>() == 24);
    assert!(size_of::<PathBeneathAttr>() == 12);
    assert!(size_of::<NetPortAttr>() == 16);
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn an_empty_ruleset_is_refused() {
        let answer = create_ruleset(&RulesetAttr::default()).err();
        match abi_version() {
            Ok(version) => {
                assert!(version >= 1);
                assert_eq!(answer, Some(Errno(libc::ENOMSG)));
            }
            // Without Landlock both calls must tell the same reason.
            Err(errno) => assert_eq!(answer, Some(errno)),
        }
    }

    #[test]
    fn a_target_is_opened_without_following_links() {
        for (path, directory) in [(c"/proc", true), (c"/proc/version", false)] {
            let target = open_target(path).expect("open");
            assert_eq!(is_directory(target.as_fd()), Ok(directory), "{path:?}");
        }
        assert_eq!(open_target(c"/proc/self").err(), Some(Errno(libc::ELOOP)));
        assert_eq!(
            open_target(c"/nonexistent").err(),
            Some(Errno(libc::ENOENT))
        );
    }
}
