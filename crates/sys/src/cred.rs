//! Ids, capabilities, securebits and the session keyring of the calling task.
//!
//! libc's setuid functions change every thread of the process; these calls change the calling task
//! alone, which is what a child that shares its host's memory needs.
//!
//! `setresuid`, `setresgid` and [`capset`] can reset two things as a side effect, when the effective
//! or file system id changes or a capability is gained: the **dumpable flag, which belongs to the
//! memory** and so to a host that shares it, and the task's parent-death signal. Giving capabilities
//! up resets neither.
//!
//! Sources: credentials(7), capabilities(7), prctl(2), keyrings(7); `commit_creds` of Linux 6.18.

use crate::{Errno, Result, syscall};

/// `SECBIT_NOROOT`: user id 0 gets no capabilities at execve(2).
pub const SECBIT_NOROOT: u32 = 1 << 0;
/// `SECBIT_NO_SETUID_FIXUP`: capabilities do not change with the user id.
pub const SECBIT_NO_SETUID_FIXUP: u32 = 1 << 2;
/// `SECBIT_KEEP_CAPS`, under its lock ([`SECBITS_LOCKED_DOWN`] has it off).
pub const SECBIT_KEEP_CAPS: u32 = 1 << 4;
/// `SECBIT_NO_CAP_AMBIENT_RAISE`: nothing can be added to the ambient set (Linux 4.3).
pub const SECBIT_NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;
/// Every bit on but `SECBIT_KEEP_CAPS`, and each locked: the lock of a bit is the bit after it.
pub const SECBITS_LOCKED_DOWN: u32 = SECBIT_NOROOT
    | SECBIT_NO_SETUID_FIXUP
    | SECBIT_NO_CAP_AMBIENT_RAISE
    | (SECBIT_NOROOT << 1)
    | (SECBIT_NO_SETUID_FIXUP << 1)
    | (SECBIT_KEEP_CAPS << 1)
    | (SECBIT_NO_CAP_AMBIENT_RAISE << 1);

const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const PR_CAP_AMBIENT: i32 = 47;
const PR_CAP_AMBIENT_CLEAR_ALL: i32 = 4;
const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;

/// The three sets of capget(2), one bit per capability number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The effective set.
    pub effective: u64,
    /// The permitted set.
    pub permitted: u64,
    /// The inheritable set.
    pub inheritable: u64,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The effective user id (geteuid(2)).
pub fn geteuid() -> u32 {
    // SAFETY: geteuid(2) touches no memory.
    unsafe { syscall!(libc::SYS_geteuid) as u32 }
}

/// The effective group id (getegid(2)).
pub fn getegid() -> u32 {
    // SAFETY: getegid(2) touches no memory.
    unsafe { syscall!(libc::SYS_getegid) as u32 }
}

/// Sets real, effective and saved user id of the calling task (setresuid(2)).
///
/// # Errors
/// `EINVAL` for an id that the user namespace does not map; `EPERM` without `CAP_SETUID`; `EAGAIN`
/// when the kernel could not allocate.
pub fn setresuid(uid: u32) -> Result<()> {
    // SAFETY: setresuid(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Sets real, effective and saved group id of the calling task (setresgid(2)).
///
/// # Errors
/// `EINVAL` for an id that the user namespace does not map; `EPERM` without `CAP_SETGID`.
pub fn setresgid(gid: u32) -> Result<()> {
    // SAFETY: setresgid(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// Sets the supplementary groups of the calling task (setgroups(2)).
///
/// # Errors
/// `EPERM` without `CAP_SETGID`, and in a user namespace whose `/proc/PID/setgroups` says `deny`;
/// `EINVAL` for an id that the user namespace does not map.
pub fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: setgroups(2) reads `len` ids, which are borrowed for the call.
    let answer = unsafe { syscall!(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// The calling task's effective, permitted and inheritable capabilities (capget(2)).
///
/// # Errors
/// None are known for the calling task itself.
pub fn capget() -> Result<Capabilities> {
    let mut header = Header {
        version: LINUX_CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 of capget(2) reads and may write the header and writes two data structures;
    // both live until the call returns.
    let answer = unsafe { syscall!(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::check(answer)?;
    let join = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
    Ok(Capabilities {
        effective: join(data[0].effective, data[1].effective),
        permitted: join(data[0].permitted, data[1].permitted),
        inheritable: join(data[0].inheritable, data[1].inheritable),
    })
}

/// Sets the calling task's effective, permitted and inheritable capabilities (capset(2)).
///
/// # Errors
/// `EPERM` for adding to the permitted set, or to the inheritable one what neither the permitted
/// nor the bounding set allows.
pub fn capset(sets: Capabilities) -> Result<()> {
    let mut header = Header {
        version: LINUX_CAPABILITY_VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 of capset(2) reads the header, to which it writes only on a version it does
    // not know, and two data structures; both live until the call returns.
    let answer = unsafe { syscall!(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// Drops one capability from the calling task's bounding set (`PR_CAPBSET_DROP`).
///
/// # Errors
/// `EINVAL` for a number past the kernel's last capability; `EPERM` without `CAP_SETPCAP`.
pub fn drop_bounding(capability: u32) -> Result<()> {
    // SAFETY: PR_CAPBSET_DROP touches no memory.
    let answer = unsafe { syscall!(libc::SYS_prctl, libc::PR_CAPBSET_DROP, capability) };
    Errno::check(answer).map(drop)
}

/// Empties the calling task's ambient set (`PR_CAP_AMBIENT_CLEAR_ALL`, Linux 4.3).
///
/// # Errors
/// `EINVAL` before Linux 4.3.
pub fn clear_ambient() -> Result<()> {
    // SAFETY: PR_CAP_AMBIENT touches no memory.
    let answer = unsafe { syscall!(libc::SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL) };
    Errno::check(answer).map(drop)
}

/// Sets the calling task's securebits (`PR_SET_SECUREBITS`).
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP` or when a locked bit would change.
pub fn set_securebits(bits: u32) -> Result<()> {
    // SAFETY: PR_SET_SECUREBITS touches no memory.
    let answer = unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_SECUREBITS, bits) };
    Errno::check(answer).map(drop)
}

/// The calling task's securebits (`PR_GET_SECUREBITS`).
///
/// # Errors
/// None are known.
pub fn securebits() -> Result<u32> {
    // SAFETY: PR_GET_SECUREBITS touches no memory.
    let answer = unsafe { syscall!(libc::SYS_prctl, libc::PR_GET_SECUREBITS) };
    Errno::check(answer).map(|bits| bits as u32)
}

/// Replaces the calling task's session keyring by a new, empty, anonymous one, so that it no longer
/// possesses the keys of the login session it came from (keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`).
///
/// # Errors
/// `ENOSYS` on a kernel without keys; `EDQUOT` when the user's quota of keys
/// (`kernel.keys.maxkeys`, 200) is used up: each keyring counts until its last task ends.
pub fn join_new_session_keyring() -> Result<()> {
    // SAFETY: with a null name KEYCTL_JOIN_SESSION_KEYRING reads no memory.
    let answer = unsafe { syscall!(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) };
    Errno::check(answer).map(drop)
}
