//! Overlayfs: what its layers say, and a short-lived child that tries it out.
//!
//! Source: Documentation/filesystems/overlayfs.rst of Linux 6.18.

use super::{fsconfig_create, fsconfig_flag, fsconfig_string, fsmount, fsopen};
use crate::probe::try_in_child;
use crate::process;
use crate::{Errno, Result, fd, mount, syscall};
use std::ffi::CStr;
use std::os::fd::RawFd;

/// Whether a directory of a layer says that nothing of the layers below shows in it, in an overlay
/// with the option `userxattr`: the attribute `user.overlay.opaque` is `y` (getxattr(2)). A directory
/// that cannot be read, or is gone, says nothing.
pub fn is_opaque(directory: &CStr) -> bool {
    let mut value = [0_u8; 1];
    // SAFETY: lgetxattr(2) reads two texts up to their NUL and writes at most one byte.
    let answer = unsafe {
        syscall!(
            libc::SYS_lgetxattr,
            directory.as_ptr(),
            c"user.overlay.opaque".as_ptr(),
            value.as_mut_ptr(),
            value.len()
        )
    };
    Errno::check(answer) == Ok(1) && value == *b"y"
}

/// Which part of mounting an overlay failed in [`probe_overlay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What views without overlays need as well: the namespaces, id maps and a tmpfs.
    Stage,
    /// fsopen(2): the kernel knows the file system.
    Known,
    /// Mounting it with the option `userxattr`.
    Mount,
    /// Writing a `user.` attribute in a tmpfs.
    Attribute,
}

struct Shared<'a> {
    uid_map: &'a [u8],
    gid_map: &'a [u8],
    outcome: std::result::Result<(), (Step, Errno)>,
}

/// Mounts an overlay with its upper layer in memory in a child that ends at once, in a user and mount
/// namespace of its own with these two maps (text as for `/proc/PID/uid_map`).
///
/// # Errors
/// The step that failed and the kernel's error number. With [`Step::Attribute`] the overlay works,
/// and cannot note in memory that a directory hides those of the lower layers.
pub fn probe_overlay(uid_map: &[u8], gid_map: &[u8]) -> std::result::Result<(), (Step, Errno)> {
    let mut shared = Shared {
        uid_map,
        gid_map,
        outcome: Err((Step::Stage, Errno(libc::ECANCELED))),
    };
    let namespaces = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
    // SAFETY: the entry makes raw calls only, and touches nothing but `shared`.
    unsafe { try_in_child(namespaces as u64, try_out, (&raw mut shared).cast()) }
        .map_err(|errno| (Step::Stage, errno))?;
    shared.outcome
}

extern "C" fn try_out(shared: *mut u8) -> ! {
    // SAFETY: the pointer is to the `Shared` of `probe_overlay`, which waits in clone3 and so does not
    // use it meanwhile.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    shared.outcome = steps(shared);
    process::exit(0)
}

/// The descriptors made here go with the child.
fn steps(shared: &Shared<'_>) -> std::result::Result<(), (Step, Errno)> {
    let stage = stage(shared).map_err(|errno| (Step::Stage, errno))?;
    let overlay = fsopen(c"overlay").map_err(|errno| (Step::Known, errno))?;
    fsconfig_string(overlay, c"lowerdir", c"lower")
        .and_then(|()| fsconfig_string(overlay, c"upperdir", c"upper"))
        .and_then(|()| fsconfig_string(overlay, c"workdir", c"work"))
        .and_then(|()| fsconfig_flag(overlay, c"userxattr"))
        .and_then(|()| fsconfig_create(overlay))
        .and_then(|()| fsmount(overlay, 0))
        .map_err(|errno| (Step::Mount, errno))?;
    attribute(stage).map_err(|errno| (Step::Attribute, errno))
}

/// A tmpfs with the directories of three layers, as the working directory.
fn stage(shared: &Shared<'_>) -> Result<RawFd> {
    process::write_file(c"/proc/self/setgroups", b"deny")?;
    process::write_file(c"/proc/self/uid_map", shared.uid_map)?;
    process::write_file(c"/proc/self/gid_map", shared.gid_map)?;
    mount::propagation(c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    let fs = fsopen(c"tmpfs")?;
    fsconfig_create(fs)?;
    let tmpfs = fsmount(fs, 0)?;
    for name in [c"lower", c"upper", c"work"] {
        mount::mkdirat(tmpfs, name, 0o700)?;
    }
    let root = mount::openat2(libc::AT_FDCWD, c"/", libc::O_PATH, 0, 0)?;
    mount::move_mount(tmpfs, root)?;
    mount::fchdir(tmpfs)?;
    Ok(tmpfs)
}

fn attribute(stage: RawFd) -> Result<()> {
    let upper = fd::openat(stage, c"upper", libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    // SAFETY: fsetxattr(2) reads the name up to its NUL and one byte of the value.
    let answer = unsafe {
        syscall!(
            libc::SYS_fsetxattr,
            upper,
            c"user.probe".as_ptr(),
            c"y".as_ptr(),
            1,
            0
        )
    };
    Errno::check(answer).map(drop)
}
