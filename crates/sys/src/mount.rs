//! Mounts by descriptor, and the few path calls needed to build a tree of them.
//!
//! Descriptors are raw numbers here: the caller is a child that shares its host's memory, where
//! dropping an `OwnedFd` would run libc's close(2). [`AT_FDCWD`](libc::AT_FDCWD) is accepted
//! wherever a directory is.
//!
//! Sources: open_tree(2), move_mount(2), mount_setattr(2), fsopen(2), fsconfig(2), fsmount(2),
//! openat2(2), pivot_root(2), statx(2); `include/uapi/linux/mount.h` of Linux 6.18.

use crate::{Errno, Result, syscall};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub mod overlay;

/// `OPEN_TREE_CLONE`: a private, detached copy of the mount.
pub const OPEN_TREE_CLONE: u32 = 1;
/// `AT_RECURSIVE`: the mounts below as well.
pub const AT_RECURSIVE: u32 = 0x8000;
/// `AT_EMPTY_PATH`: the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;

/// `MOUNT_ATTR_RDONLY`.
pub const MOUNT_ATTR_RDONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`.
pub const MOUNT_ATTR_NOSUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`.
pub const MOUNT_ATTR_NODEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`.
pub const MOUNT_ATTR_NOEXEC: u64 = 0x8;
/// `MOUNT_ATTR_IDMAP` (Linux 5.12).
pub const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// `RESOLVE_NO_XDEV`: do not leave the mount.
pub const RESOLVE_NO_XDEV: u64 = 0x01;
/// `RESOLVE_NO_MAGICLINKS`: no links of the /proc/self/fd kind.
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
/// `RESOLVE_NO_SYMLINKS`: no symbolic link anywhere in the path.
pub const RESOLVE_NO_SYMLINKS: u64 = 0x04;
/// `RESOLVE_BENEATH`: fail rather than leave the directory.
pub const RESOLVE_BENEATH: u64 = 0x08;
/// `RESOLVE_IN_ROOT`: treat the directory as the root.
pub const RESOLVE_IN_ROOT: u64 = 0x10;

const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttr {
    /// `MOUNT_ATTR_*` bits to set.
    pub attr_set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub attr_clr: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u64,
    /// A user namespace, with [`MOUNT_ATTR_IDMAP`].
    pub userns_fd: u64,
}

/// What statx(2) says a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// Device of the file system, major and minor number.
    pub dev: (u32, u32),
    /// Inode number.
    pub ino: u64,
    /// Type and permission bits (`st_mode`).
    pub mode: u32,
    /// The device that a device node stands for, major and minor number.
    pub rdev: (u32, u32),
    /// The mount's id (`STATX_MNT_ID`, Linux 5.8; 0 before).
    pub mnt_id: u64,
    /// It is the root of a mount (`STATX_ATTR_MOUNT_ROOT`, Linux 5.8; `false` before).
    pub mount_root: bool,
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens a mount, or with [`OPEN_TREE_CLONE`] a detached copy of it (open_tree(2), Linux 5.2). The
/// descriptor is close-on-exec.
///
/// # Errors
/// As open_tree(2): `EINVAL` when a copy is asked of a mount that belongs to another mount
/// namespace, or without [`AT_RECURSIVE`] of one with locked mounts below; `EPERM` without
/// `CAP_SYS_ADMIN`.
pub fn open_tree(dir: RawFd, path: &CStr, flags: u32) -> Result<RawFd> {
    let flags = flags | libc::O_CLOEXEC as u32;
    // SAFETY: open_tree(2) only reads the path up to its NUL.
    let answer = unsafe { syscall!(libc::SYS_open_tree, dir, path.as_ptr(), flags) };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// Opens a path as a place only (`O_PATH`) that no symbolic link leads to, for a parent that keeps
/// it: [`openat2`] with `RESOLVE_NO_SYMLINKS`.
///
/// # Errors
/// As openat2(2): `ELOOP` where a symbolic link is in the path.
pub fn open_place(path: &CStr) -> Result<OwnedFd> {
    let fd = openat2(libc::AT_FDCWD, path, libc::O_PATH, 0, RESOLVE_NO_SYMLINKS)?;
    // SAFETY: the number was opened just now and is known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A detached copy of the mount at a place, with [`AT_RECURSIVE`] in `flags` of those below it as
/// well, for a parent that keeps it: [`open_tree`].
///
/// # Errors
/// As open_tree(2).
pub fn copy_tree(place: BorrowedFd<'_>, flags: u32) -> Result<OwnedFd> {
    let flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | flags;
    let fd = open_tree(place.as_raw_fd(), c"", flags)?;
    // SAFETY: the number was opened just now and is known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches the detached mount behind one descriptor to the file or directory behind another
/// (move_mount(2), Linux 5.2): no path is resolved.
///
/// # Errors
/// As move_mount(2): `ENOTDIR` when one is a directory and the other is not; `ENOENT` when the
/// target was deleted; `EINVAL` when the target is in another mount namespace.
pub fn move_mount(tree: RawFd, target: RawFd) -> Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    let empty = c"".as_ptr();
    // SAFETY: move_mount(2) only reads the two empty paths.
    let answer = unsafe { syscall!(libc::SYS_move_mount, tree, empty, target, empty, flags) };
    Errno::check(answer).map(drop)
}

/// Attaches the detached mount behind one descriptor at a path below another (move_mount(2), Linux
/// 5.2). A link at the path's end is not followed, one on the way is: for paths on which nobody else
/// can have put one.
///
/// # Errors
/// As [`move_mount`].
pub fn move_mount_to(tree: RawFd, dir: RawFd, path: &CStr) -> Result<()> {
    let empty = c"".as_ptr();
    // SAFETY: move_mount(2) only reads the two paths up to their NULs.
    let answer = unsafe {
        syscall!(
            libc::SYS_move_mount,
            tree,
            empty,
            dir,
            path.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH
        )
    };
    Errno::check(answer).map(drop)
}

/// Changes the attributes of the mount behind a descriptor, with [`AT_RECURSIVE`] in `flags` of all
/// below it as well (mount_setattr(2), Linux 5.12).
///
/// # Errors
/// As mount_setattr(2): `EPERM` when a locked attribute would be cleared; with
/// [`MOUNT_ATTR_IDMAP`] `EINVAL` when a file system below cannot be id-mapped, `EPERM` without
/// `CAP_SYS_ADMIN` over it.
pub fn mount_setattr(tree: RawFd, flags: u32, attr: &MountAttr) -> Result<()> {
    // SAFETY: mount_setattr(2) reads the empty path and `size_of` bytes of the structure, which is
    // borrowed for the call.
    let answer = unsafe {
        syscall!(
            libc::SYS_mount_setattr,
            tree,
            c"".as_ptr(),
            AT_EMPTY_PATH | flags,
            &raw const *attr,
            size_of::<MountAttr>()
        )
    };
    Errno::check(answer).map(drop)
}

/// Starts configuring a new instance of a file system (fsopen(2), Linux 5.2).
///
/// # Errors
/// `ENODEV` for a type the kernel does not have; `EPERM` without `CAP_SYS_ADMIN`.
pub fn fsopen(kind: &CStr) -> Result<RawFd> {
    // SAFETY: fsopen(2) only reads the name up to its NUL.
    let answer = unsafe { syscall!(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// Sets a parameter of the file system to a text (fsconfig(2), Linux 5.2).
///
/// # Errors
/// `EINVAL` for a key or value that the file system does not take, and for more than 255 bytes.
pub fn fsconfig_string(fs: RawFd, key: &CStr, value: &CStr) -> Result<()> {
    // SAFETY: FSCONFIG_SET_STRING only reads the two texts up to their NUL.
    let answer = unsafe {
        syscall!(
            libc::SYS_fsconfig,
            fs,
            FSCONFIG_SET_STRING,
            key.as_ptr(),
            value.as_ptr(),
            0
        )
    };
    Errno::check(answer).map(drop)
}

/// Sets a parameter of the file system that has no value (fsconfig(2), Linux 5.2).
///
/// # Errors
/// `EINVAL` for a key that the file system does not take.
pub fn fsconfig_flag(fs: RawFd, key: &CStr) -> Result<()> {
    // SAFETY: FSCONFIG_SET_FLAG only reads the key up to its NUL.
    let answer = unsafe {
        syscall!(
            libc::SYS_fsconfig,
            fs,
            FSCONFIG_SET_FLAG,
            key.as_ptr(),
            0,
            0
        )
    };
    Errno::check(answer).map(drop)
}

/// Creates the file system that was configured (fsconfig(2), Linux 5.2).
///
/// # Errors
/// As the file system's own mounting; `EPERM` without `CAP_SYS_ADMIN`.
pub fn fsconfig_create(fs: RawFd) -> Result<()> {
    // SAFETY: FSCONFIG_CMD_CREATE reads no memory.
    let answer = unsafe { syscall!(libc::SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0) };
    Errno::check(answer).map(drop)
}

/// Makes a detached mount of the created file system, with `MOUNT_ATTR_*` bits (fsmount(2), Linux
/// 5.2). Files can be made in it through the descriptor before it is attached anywhere.
///
/// # Errors
/// `EPERM` for proc and sysfs when every such mount the caller can see has something mounted over
/// a part of it: a new one would show what is hidden there.
pub fn fsmount(fs: RawFd, attributes: u64) -> Result<RawFd> {
    // SAFETY: fsmount(2) touches no memory.
    let answer = unsafe { syscall!(libc::SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes) };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// Changes how mount events spread from and to the mount at `target`: `MS_PRIVATE`, `MS_SLAVE`,
/// `MS_SHARED`, with `MS_REC` below it as well (mount(2)).
///
/// # Errors
/// As mount(2): `EPERM` without `CAP_SYS_ADMIN`; `EINVAL` when `target` is no mount point.
pub fn propagation(target: &CStr, flags: u64) -> Result<()> {
    // SAFETY: with a propagation flag mount(2) reads the target only.
    let answer = unsafe { syscall!(libc::SYS_mount, 0, target.as_ptr(), 0, flags, 0) };
    Errno::check(answer).map(drop)
}

/// Mounts in the classic way (mount(2)).
///
/// # Errors
/// As mount(2).
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: u64, data: &CStr) -> Result<()> {
    // SAFETY: mount(2) only reads: three texts up to their NUL, and from `data` on at most to the end
    // of a page, stopping early and without harm where memory ends.
    let answer = unsafe {
        syscall!(
            libc::SYS_mount,
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr()
        )
    };
    Errno::check(answer).map(drop)
}

/// Takes a mount away (umount2(2)); `MNT_DETACH` with all below it.
///
/// # Errors
/// As umount2(2).
pub fn umount2(target: &CStr, flags: i32) -> Result<()> {
    // SAFETY: umount2(2) only reads the path up to its NUL.
    let answer = unsafe { syscall!(libc::SYS_umount2, target.as_ptr(), flags) };
    Errno::check(answer).map(drop)
}

/// Makes `new` the root of the mount namespace and puts the old root at `old` (pivot_root(2)).
///
/// # Errors
/// `EINVAL` when the current root is no mount point (a chroot) or is the initial ramfs, when `new`
/// is no mount point, or when one of the mounts is shared.
pub fn pivot_root(new: &CStr, old: &CStr) -> Result<()> {
    // SAFETY: pivot_root(2) only reads the two paths up to their NUL.
    let answer = unsafe { syscall!(libc::SYS_pivot_root, new.as_ptr(), old.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// Opens a path with rules for its resolution (openat2(2), Linux 5.6). `O_CLOEXEC` is added.
///
/// # Errors
/// As openat2(2): `ELOOP` for a symbolic link that `resolve` forbids, `EXDEV` for leaving what it
/// allows. With `O_PATH|O_NOFOLLOW` a link at the very end is opened itself, whatever `resolve` says.
pub fn openat2(dir: RawFd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> Result<RawFd> {
    let how = OpenHow {
        flags: (flags | libc::O_CLOEXEC) as u32 as u64,
        mode: mode.into(),
        resolve,
    };
    // SAFETY: openat2(2) reads the path up to its NUL and `size_of` bytes of `how`, which lives
    // until the call returns.
    let answer = unsafe {
        syscall!(
            libc::SYS_openat2,
            dir,
            path.as_ptr(),
            &raw const how,
            size_of::<OpenHow>()
        )
    };
    Errno::check(answer).map(|fd| fd as RawFd)
}

/// What the object behind a descriptor is (statx(2), Linux 4.11).
///
/// # Errors
/// As statx(2).
pub fn identify(fd: RawFd) -> Result<FileId> {
    const STATX_MNT_ID: u32 = 0x1000;
    const MOUNT_ROOT: u64 = libc::STATX_ATTR_MOUNT_ROOT as u64;
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: statx(2) reads the empty path and writes one `struct statx` to the pointer, which is
    // good for writing that many bytes.
    let answer = unsafe {
        syscall!(
            libc::SYS_statx,
            fd,
            c"".as_ptr(),
            AT_EMPTY_PATH,
            libc::STATX_BASIC_STATS | STATX_MNT_ID,
            stat.as_mut_ptr()
        )
    };
    Errno::check(answer)?;
    // SAFETY: the structure holds integers only, zeroed above and then written by the kernel.
    let stat = unsafe { stat.assume_init() };
    Ok(FileId {
        dev: (stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
        mode: stat.stx_mode.into(),
        rdev: (stat.stx_rdev_major, stat.stx_rdev_minor),
        mnt_id: stat.stx_mnt_id,
        mount_root: stat.stx_attributes & MOUNT_ROOT != 0,
    })
}

/// Whether there is anything at `path`, which is taken from `dir` on; a link at its end is something
/// itself (faccessat2(2), Linux 5.8). It costs a fraction of an open.
///
/// # Errors
/// As faccessat2(2) but `ENOENT`. A filter may answer `ENOSYS` or `EPERM`.
pub fn exists(dir: RawFd, path: &CStr) -> Result<bool> {
    // SAFETY: faccessat2(2) only reads the path up to its NUL.
    let answer = unsafe {
        syscall!(
            libc::SYS_faccessat2,
            dir,
            path.as_ptr(),
            libc::F_OK,
            libc::AT_SYMLINK_NOFOLLOW | libc::AT_EACCESS
        )
    };
    match Errno::check(answer) {
        Ok(_) => Ok(true),
        Err(Errno(libc::ENOENT)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether the mount behind a descriptor, or its file system, is read-only (fstatfs(2)).
///
/// # Errors
/// As fstatfs(2).
pub fn is_read_only(fd: RawFd) -> Result<bool> {
    // `struct statfs` of 64-bit Linux is fifteen words, of which libc does not name the eleventh, the
    // flags (include/uapi/asm-generic/statfs.h).
    let mut stat = [0_u64; 15];
    // SAFETY: fstatfs(2) writes one `struct statfs`, the size of the array.
    Errno::check(unsafe { syscall!(libc::SYS_fstatfs, fd, stat.as_mut_ptr()) })?;
    Ok(stat[10] & libc::ST_RDONLY != 0)
}

const _: () = assert!(size_of::<libc::statfs>() == size_of::<[u64; 15]>());

/// Makes a directory (mkdirat(2)).
///
/// # Errors
/// As mkdirat(2).
pub fn mkdirat(dir: RawFd, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: mkdirat(2) only reads the path up to its NUL.
    let answer = unsafe { syscall!(libc::SYS_mkdirat, dir, path.as_ptr(), mode) };
    Errno::check(answer).map(drop)
}

/// Makes a symbolic link at `path` that reads `text` (symlinkat(2)).
///
/// # Errors
/// As symlinkat(2).
pub fn symlinkat(text: &CStr, dir: RawFd, path: &CStr) -> Result<()> {
    // SAFETY: symlinkat(2) only reads the two texts up to their NUL.
    let answer = unsafe { syscall!(libc::SYS_symlinkat, text.as_ptr(), dir, path.as_ptr()) };
    Errno::check(answer).map(drop)
}

/// Removes a name, with `AT_REMOVEDIR` an empty directory (unlinkat(2)).
///
/// # Errors
/// As unlinkat(2).
pub fn unlinkat(dir: RawFd, path: &CStr, flags: i32) -> Result<()> {
    // SAFETY: unlinkat(2) only reads the path up to its NUL.
    let answer = unsafe { syscall!(libc::SYS_unlinkat, dir, path.as_ptr(), flags) };
    Errno::check(answer).map(drop)
}

/// Makes a directory the calling task's working directory (fchdir(2)). A task that was made without
/// `CLONE_FS` has its own.
///
/// # Errors
/// As fchdir(2).
pub fn fchdir(dir: RawFd) -> Result<()> {
    // SAFETY: fchdir(2) touches no memory.
    Errno::check(unsafe { syscall!(libc::SYS_fchdir, dir) }).map(drop)
}

/// Makes a new file with these contents and permission bits (less the umask): openat(2) with
/// `O_CREAT|O_EXCL|O_NOFOLLOW`, write(2), close(2).
///
/// # Errors
/// As openat(2) and write(2): `EEXIST` when the name is taken, `ENOSPC` when the file system is full.
pub fn create_file(dir: RawFd, path: &CStr, bytes: &[u8], mode: u32) -> Result<()> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let file = crate::fd::openat(dir, path, flags, mode)?;
    let written = write_all(file, bytes);
    let _ = crate::fd::close(file);
    written
}

fn write_all(file: RawFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the number was opened by the caller, which closes it after this.
        let n = crate::fd::write(unsafe { BorrowedFd::borrow_raw(file) }, bytes)?;
        bytes = bytes.get(n..).unwrap_or_default();
        if n == 0 {
            return Err(Errno(libc::EIO));
        }
    }
    Ok(())
}
