//! In a chroot: the kernel makes no user namespace there (EPERM, user_namespaces(7)).

use crate::places::{
    NOBODY, become_user, check, command, mount, new_mount_namespace, new_user_namespace, then,
};
use crate::visit::{Ground, Report, visit};
use cofferdam_tests::evidence::is_root;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A visit in a chroot: of a directory, or of one that something is mounted on.
fn chrooted(ground: &Ground, mount_point: bool, user: bool) -> Report {
    let root = ground.path();
    let mut command = command("/bin/visitor", Path::new("/visit"));
    command.current_dir(&root);
    let name = CString::new(root.as_os_str().as_bytes()).expect("a path");
    then(&mut command, move || {
        if !is_root() {
            new_user_namespace()?;
        }
        new_mount_namespace()?;
        if mount_point {
            mount(Some(&root), &root, libc::MS_BIND)?;
        }
        for name in ["proc", "dev"] {
            let flags = libc::MS_BIND | libc::MS_REC;
            mount(Some(&Path::new("/").join(name)), &root.join(name), flags)?;
        }
        // SAFETY: chroot(2) and chdir(2) read the strings.
        unsafe {
            check(libc::chroot(name.as_ptr()))?;
            check(libc::chdir(c"/visit".as_ptr()))?;
        }
        // SAFETY: geteuid(2) cannot fail.
        match user && unsafe { libc::geteuid() } == 0 {
            true => become_user(NOBODY),
            false => Ok(()),
        }
    });
    visit(&mut command)
}

const REMEDY: [&str; 2] = ["outside", "chroot"];

#[test]
fn in_a_chroot_the_chroot_is_named() {
    for (mount_point, reason) in [
        (false, "user namespaces cannot be made in a chroot"),
        // It looks like any root, but no filter has answered.
        (
            true,
            "the kernel itself refuses user namespaces to this process",
        ),
    ] {
        let words = [reason, REMEDY[0], REMEDY[1]];
        let ground = Ground::root();
        let report = chrooted(&ground, mount_point, true);
        report
            .unshare("EPERM")
            .lacks_namespaces(&words)
            .runs("require seccomp")
            .leaves_nothing(&ground);
    }
}

#[test]
fn in_a_chroot_root_runs_nothing_and_learns_why() {
    if !is_root() {
        return println!("for root alone");
    }
    let words = ["user namespaces cannot be made in a chroot", "outside"];
    let ground = Ground::root();
    let report = chrooted(&ground, false, false);
    report
        .unshare("EPERM")
        .refuses("required", "namespaces", &words)
        .refuses(
            "preferred",
            "namespaces",
            &["this process is root", "ordinary user"],
        )
        .leaves_nothing(&ground);
    let doctor = report.of("doctor");
    for word in [words[0], "only namespaces keep them from the program"] {
        assert!(doctor.contains(word), "{word:?}: {doctor}");
    }
}
