//! How a visitor gets into a place: as whom it runs, what it may not do, where its root is.

use crate::visit::VISITOR;
use cofferdam_tests::evidence::is_root;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Who visits where these tests run as root: an id that owns nothing.
pub const NOBODY: u32 = 60_001;

/// The visitor at work in a directory.
pub fn visitor(base: &Path) -> Command {
    command(VISITOR, base)
}

/// A visitor of another root, or with another program in front.
pub fn command(program: &str, base: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("report").arg(base).current_dir(base);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("TMPDIR", base.join("tmp"))
        .env("HOME", base.join("tmp"));
    command
}

/// Runs this between fork and exec.
pub fn then(command: &mut Command, act: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the acts of these tests make system calls, and what they allocate, the C library makes safe after
    // fork(2) in a process with threads.
    unsafe { command.pre_exec(act) };
}

/// As an ordinary user, whoever runs the tests.
pub fn as_user(command: &mut Command) {
    if is_root() {
        then(command, || become_user(NOBODY));
    }
}

pub fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: without groups setgroups(2) reads nothing; the others take numbers.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(id, id, id))?;
        check(libc::setresuid(id, id, id))?;
        // Its own files in /proc would belong to root until it executes.
        check(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))
    }
}

/// In a user namespace as an ordinary user of it, with every right in it until the program is executed.
pub fn new_user_namespace() -> io::Result<()> {
    // SAFETY: none of these touches memory.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let inside = |id: u32| if id == 0 { 1000 } else { id };
    // SAFETY: unshare(2) touches no memory.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{} {uid} 1", inside(uid)))?;
    fs::write("/proc/self/gid_map", format!("{} {gid} 1", inside(gid)))
}

/// In a mount namespace whose changes nobody else sees.
pub fn new_mount_namespace() -> io::Result<()> {
    // SAFETY: unshare(2) touches no memory.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE)
}

/// mount(2) without a file system of its own.
pub fn mount(source: Option<&Path>, target: &Path, flags: libc::c_ulong) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("a path");
    let (source, target) = (source.map(text), text(target));
    let source = source
        .as_ref()
        .map_or(std::ptr::null(), |path| path.as_ptr());
    // SAFETY: mount(2) reads the strings, which live until it is done.
    check(unsafe {
        libc::mount(
            source,
            target.as_ptr(),
            std::ptr::null(),
            flags,
            std::ptr::null(),
        )
    })
}

pub fn check(answer: libc::c_int) -> io::Result<()> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
