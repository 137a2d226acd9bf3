//! Under a filter that refuses namespaces, as container runtimes put it on.

use crate::places::{as_user, check, then, visitor};
use crate::visit::{Ground, visit};
use std::io;
use std::process::Command;

/// Refuses `clone` and `unshare` with a user namespace, and hides `clone3`, into which a filter cannot look
/// (seccomp(2)).
pub fn without_user_namespaces(command: &mut Command, errno: i32) {
    const NUMBER: u32 = 0;
    // The lower half of the first argument, which holds the flags.
    const FLAGS: u32 = 16;
    let load = |at| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0);
    let equal =
        |k: libc::c_long, jf| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k as u32, 0, jf);
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, k, 0, 0);
    let refuse = |errno: i32| answer(libc::SECCOMP_RET_ERRNO | errno as u32);
    let user = libc::CLONE_NEWUSER as u32;
    let program = vec![
        load(NUMBER),
        equal(libc::SYS_clone3, 1),
        refuse(libc::ENOSYS),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::SYS_clone as u32,
            1,
            0,
        ),
        equal(libc::SYS_unshare, 3),
        load(FLAGS),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, user, 0, 1),
        refuse(errno),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    then(command, move || install(&program));
}

pub fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

/// Puts a filter on the calling process.
fn install(program: &[libc::sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: PR_SET_NO_NEW_PRIVS touches no memory; PR_SET_SECCOMP reads the program.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        let mode = libc::SECCOMP_MODE_FILTER;
        check(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter))
    }
}

#[test]
fn a_filter_that_refuses_user_namespaces_is_named() {
    for (errno, name) in [(libc::EPERM, "EPERM"), (libc::EACCES, "EACCES")] {
        let ground = Ground::new();
        let mut command = visitor(&ground.base());
        as_user(&mut command);
        without_user_namespaces(&mut command, errno);
        let words = [
            "clone3 is hidden by a seccomp filter around this process",
            "--security-opt seccomp=unconfined",
        ];
        visit(&mut command)
            .unshare(name)
            .lacks_namespaces(&words)
            .leaves_nothing(&ground);
    }
}
