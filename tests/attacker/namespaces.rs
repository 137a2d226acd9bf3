//! Attacks with namespaces and mounts.

use crate::{Outcome, c_path, call, check, number, unknown};
use std::fs;
use std::io;
use std::ptr::null;

pub fn run(command: &[&str]) -> Outcome {
    match command {
        ["unshare", flag] => {
            // SAFETY: unshare(2) touches no memory.
            check(unsafe { libc::unshare(flag_of(flag)) }).map(|_| String::new())
        }
        ["clone", flag] => clone(flag_of(flag)),
        ["clone3"] => clone3(),
        ["setns", file, flag] => {
            let file = fs::File::open(file)?;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
            // SAFETY: setns(2) touches no memory.
            check(unsafe { libc::setns(fd, flag_of(flag)) }).map(|_| String::new())
        }
        ["tmpfs", at] => mount(c"tmpfs", at, c"tmpfs", 0),
        ["bind", from, to] => {
            let from = c_path(from);
            mount(&from, to, c"", libc::MS_BIND | libc::MS_REC)
        }
        ["remount-writable", at] => mount(c"", at, c"", libc::MS_REMOUNT | libc::MS_BIND),
        ["remount-filesystem", at] => mount(c"", at, c"", libc::MS_REMOUNT),
        ["attributes-writable", at] => clear_read_only(at),
        ["unmount", at] => {
            let at = c_path(at);
            // SAFETY: umount2(2) reads the path up to its NUL.
            check(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) }).map(|_| String::new())
        }
        ["copy-tree", at] => copy_tree(at),
        ["chroot", to] => {
            let to = c_path(to);
            // SAFETY: chroot(2) reads the path up to its NUL.
            check(unsafe { libc::chroot(to.as_ptr()) }).map(|_| String::new())
        }
        ["pivot", to] => {
            let to = c_path(to);
            let at = to.as_ptr() as usize;
            call(libc::SYS_pivot_root, [at, at, 0, 0, 0, 0]).map(|_| String::new())
        }
        ["mounts-below", at] => {
            let text = fs::read_to_string("/proc/self/mountinfo")?;
            let places = text.lines().filter_map(|line| line.split(' ').nth(4));
            let below: Vec<_> = places.filter(|place| place.starts_with(at)).collect();
            Ok(below.join(" "))
        }
        other => unknown(other),
    }
}

fn flag_of(name: &str) -> libc::c_int {
    match name {
        "user" => libc::CLONE_NEWUSER,
        "mount" => libc::CLONE_NEWNS,
        "pid" => libc::CLONE_NEWPID,
        "net" => libc::CLONE_NEWNET,
        "ipc" => libc::CLONE_NEWIPC,
        "uts" => libc::CLONE_NEWUTS,
        "cgroup" => libc::CLONE_NEWCGROUP,
        "time" => 0x80,
        other => number(other),
    }
}

/// Takes user, mount, network and IPC namespaces of its own, mapped to root, which gives every
/// capability in them.
pub fn become_root() -> io::Result<()> {
    // SAFETY: geteuid(2) and getegid(2) touch no memory and cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let all = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC;
    // SAFETY: unshare(2) touches no memory.
    check(unsafe { libc::unshare(all) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

fn mount(source: &std::ffi::CStr, at: &str, kind: &std::ffi::CStr, flags: u64) -> Outcome {
    let at = c_path(at);
    // SAFETY: mount(2) reads the strings up to their NULs; the data may be null.
    let answer = unsafe { libc::mount(source.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, null()) };
    check(answer).map(|_| String::new())
}

/// mount_setattr(2): takes the read-only flag off a mount and all below it.
fn clear_read_only(at: &str) -> Outcome {
    const RDONLY: u64 = 1;
    let at = c_path(at);
    let attributes: [u64; 4] = [0, RDONLY, 0, 0];
    let recursive = 0x8000;
    call(
        libc::SYS_mount_setattr,
        [
            libc::AT_FDCWD as usize,
            at.as_ptr() as usize,
            recursive,
            attributes.as_ptr() as usize,
            size_of_val(&attributes),
            0,
        ],
    )
    .map(|_| String::new())
}

/// open_tree(2) with a copy of the mounts.
fn copy_tree(at: &str) -> Outcome {
    let at = c_path(at);
    let clone_recursive = 1 | 0x8000;
    let here = libc::AT_FDCWD as usize;
    call(
        libc::SYS_open_tree,
        [here, at.as_ptr() as usize, clone_recursive, 0, 0, 0],
    )
    .map(|_| String::new())
}

/// clone(2) into a new namespace; the child ends at once.
fn clone(flag: libc::c_int) -> Outcome {
    let flags = (flag | libc::SIGCHLD) as usize;
    match call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0])? {
        // SAFETY: the child of a single-threaded process; ends without running anything else.
        0 => unsafe { libc::_exit(0) },
        child => reaped(child),
    }
}

/// clone3(2), whose flags no filter can read, with a new user namespace.
fn clone3() -> Outcome {
    let mut arguments = [0_u64; 8];
    arguments[0] = libc::CLONE_NEWUSER as u64;
    arguments[4] = libc::SIGCHLD as u64;
    let size = size_of_val(&arguments);
    match call(
        libc::SYS_clone3,
        [arguments.as_ptr() as usize, size, 0, 0, 0, 0],
    )? {
        // SAFETY: as in `clone`.
        0 => unsafe { libc::_exit(0) },
        child => reaped(child),
    }
}

fn reaped(child: usize) -> Outcome {
    let mut status = 0;
    // SAFETY: waitpid(2) writes one int.
    check(unsafe { libc::waitpid(child as i32, &mut status, 0) }).map(|_| String::new())
}
