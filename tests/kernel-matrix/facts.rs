//! The guests are what the table says, seen without this library: the control of all that follows.

use crate::guest::{Landlock, Namespaces, guest, in_guest, is_root};
use std::fs;
use std::io;

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[test]
fn the_kernel_is_the_one_that_was_asked_for() {
    if !in_guest() {
        return;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    assert!(release.starts_with(guest().release), "{release}");
}

#[test]
fn landlock_answers_as_the_table_says() {
    if !in_guest() {
        return;
    }
    let version: libc::c_long = 1 << 0;
    // SAFETY: with LANDLOCK_CREATE_RULESET_VERSION the call takes no pointer and makes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            version,
        )
    };
    let answered = match guest().landlock {
        Landlock::Abi(number) => answer == i64::from(number),
        Landlock::NotBuilt => answer == -1 && errno() == libc::ENOSYS,
        Landlock::NotEnabled => answer == -1 && errno() == libc::EOPNOTSUPP,
    };
    assert!(answered, "{answer}, {}", io::Error::last_os_error());
}

#[test]
fn user_namespaces_answer_as_the_table_says() {
    if !in_guest() {
        return;
    }
    // SAFETY: fork(2); the child makes one system call and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: unshare(2) touches no memory, _exit(2) runs nothing of this process.
        unsafe {
            let answer = libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
            let errno = *libc::__errno_location();
            libc::_exit(if answer == 0 { 0 } else { errno });
        }
    }
    let mut status = 0;
    // SAFETY: the child is this process's, the status a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status));
    let expected = match guest().namespaces {
        Namespaces::Work | Namespaces::NoMountSetattr => 0,
        Namespaces::NotUnprivileged if is_root() => 0,
        Namespaces::NotUnprivileged => libc::EPERM,
        Namespaces::Forbidden => libc::ENOSPC,
    };
    assert_eq!(libc::WEXITSTATUS(status), expected);
}

#[test]
fn mount_setattr_is_there_or_not() {
    if !in_guest() {
        return;
    }
    // SAFETY: the descriptor is none, so the call fails, with ENOSYS where it does not exist.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            -1,
            c"".as_ptr(),
            0,
            std::ptr::null::<u8>(),
            0usize,
        )
    };
    assert_eq!(answer, -1);
    let missing = errno() == libc::ENOSYS;
    assert_eq!(missing, guest().namespaces == Namespaces::NoMountSetattr);
}

#[test]
fn control_groups_are_version_2_alone_and_delegated() {
    if !in_guest() {
        return;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert_eq!(mounts.matches(" - cgroup2 ").count(), 1, "{mounts}");
    assert_eq!(mounts.matches(" - cgroup ").count(), 0, "{mounts}");
    assert!(mounts.contains("nsdelegate"), "{mounts}");
    let own = fs::read_to_string("/proc/self/cgroup").expect("a group");
    let own = own.trim().strip_prefix("0::").expect("one hierarchy");
    let own = format!("/sys/fs/cgroup{own}");
    let made = format!("{own}/trial");
    fs::create_dir(&made).expect("a group of one's own");
    let kill = fs::exists(format!("{made}/cgroup.kill")).expect("a directory");
    fs::remove_dir(&made).expect("removed");
    assert_eq!(kill, guest().cgroup_kill);
    let controllers = fs::read_to_string(format!("{own}/cgroup.controllers")).expect("read");
    for wanted in ["cpu", "io", "memory", "pids"] {
        assert!(
            controllers.split_whitespace().any(|each| each == wanted),
            "{wanted} is not in {controllers}"
        );
    }
}
