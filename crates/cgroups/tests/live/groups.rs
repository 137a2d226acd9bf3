//! The life of a group: who is in it, who goes with it.

use crate::support::{
    MIB, NONE, assert_gone, expects_full, group, is_running, pids, remove, start, wait, wait_for,
};
use cofferdam_cgroups::{Controller, CreateError, Limits};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

#[test]
fn killing_reaches_what_has_forked_away() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    let tree = "(setsid sh -c 'sleep 60 & sleep 60 & wait' &); (sleep 60 &); exit 0";
    assert!(wait(start(&group, "/bin/sh", &["-c", tree])).success());
    wait_for("the tree is up", || pids(&group).len() == 4);
    let inside = pids(&group);
    assert!(inside.iter().all(|pid| is_running(*pid)));
    group.kill().unwrap();
    assert_eq!(pids(&group), [] as [u32; 0]);
    assert!(!inside.into_iter().any(is_running));
    group.kill().unwrap();
    remove(group);
    assert_gone(parent);
}

#[test]
fn without_limits_there_is_one_directory() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    assert_eq!(group.paths().len(), 1);
    assert!(group.in_force().limits.is_empty());
    match parent.create(&Limits {
        memory: Some(MIB),
        ..NONE
    }) {
        Err(CreateError::NotPrepared {
            controller: Controller::Memory,
        }) => {}
        other => panic!("{other:?}"),
    }
    remove(group);
    assert_gone(parent);
}

#[test]
fn joining_enters_every_directory_of_the_group() {
    let limits = Limits {
        memory: Some(64 * MIB),
        processes: Some(16),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let child = start(&group, "cat", &["/proc/self/cgroup"]);
    let seen = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    for path in group.paths() {
        // …/cofferdam/<host>/<n>
        let parts: Vec<_> = path.components().rev().take(3).collect();
        let tail: PathBuf = parts.into_iter().rev().collect();
        let tail = tail.to_str().unwrap();
        assert!(
            seen.lines().any(|line| line.ends_with(tail)),
            "{tail} in {seen}"
        );
    }
    remove(group);
    assert_gone(parent);
}

#[test]
fn a_child_can_be_started_inside() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    let Some(directory) = group.v2_dir() else {
        println!("not available on this host: no v2 directory to start a child in");
        assert!(!expects_full());
        return;
    };
    // SAFETY: clone_args is a C struct for which all zeroes mean "nothing asked for" (clone(2)).
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    // CLONE_INTO_CGROUP, which does not fit libc's type for it.
    arguments.flags = 1 << 33;
    arguments.cgroup = directory.as_raw_fd() as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is fork(2); clone3 reads the struct of the size given. The child
    // of a process with threads may only make async-signal-safe calls, and makes pause(2) only.
    let pid = unsafe {
        let pid = libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        );
        if pid == 0 {
            loop {
                libc::pause();
            }
        }
        pid as i32
    };
    assert!(pid > 0, "{}", io::Error::last_os_error());
    assert_eq!(pids(&group), [pid as u32]);
    group.kill().unwrap();
    let mut status = 0;
    // SAFETY: waitpid(2) writes one int to the pointer it is given.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
    remove(group);
    assert_gone(parent);
}

#[test]
fn dropping_ends_and_removes() {
    let limits = Limits {
        processes: Some(16),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let child = start(&group, "sleep", &["60"]);
    let paths = group.paths();
    // The parent may go first.
    drop(parent);
    assert!(paths.iter().all(|path| path.exists()));
    drop(group);
    assert_eq!(wait(child).signal(), Some(libc::SIGKILL));
    assert!(!paths.iter().any(|path| path.exists()));
}

#[test]
fn groups_below_the_group_go_with_it() {
    let Some((parent, group)) = group(&NONE) else {
        return;
    };
    let inner = group.paths()[0].join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let child = start(&group, "sleep", &["60"]);
    fs::write(inner.join("cgroup.procs"), child.id().to_string()).unwrap();
    assert_eq!(pids(&group), [] as [u32; 0]);
    remove(group);
    assert_eq!(wait(child).signal(), Some(libc::SIGKILL));
    assert_gone(parent);
}
