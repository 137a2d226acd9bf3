//! A kernel that lacks something, for the calling process and all it starts.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the kernel answer these calls with these error numbers (seccomp(2)).
pub fn deny(calls: &[(libc::c_long, i32)]) {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The number of the call is the first field of seccomp_data.
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (call, errno) in calls {
        program.push(step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            *call as u32,
        ));
        program.push(step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | *errno as u32,
        ));
    }
    program.push(step(
        libc::BPF_RET | libc::BPF_K,
        0,
        0,
        libc::SECCOMP_RET_ALLOW,
    ));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: PR_SET_NO_NEW_PRIVS touches no memory; PR_SET_SECCOMP reads the program, which lives
    // until the calls are done.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter),
            0
        );
    }
}

/// Runs a command where no further user namespace can be made, as an ordinary user without
/// capabilities: in a user namespace whose limit of them is 0 (user_namespaces(7)).
pub fn without_user_namespaces(command: &mut Command) -> &mut Command {
    // SAFETY: geteuid(2) and getegid(2) touch no memory.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let inside = |id: u32| if id == 0 { 1000 } else { id };
    let (uids, gids) = (
        format!("{} {uid} 1", inside(uid)),
        format!("{} {gid} 1", inside(gid)),
    );
    let enter = move || {
        // SAFETY: unshare(2) touches no memory.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", &uids)?;
        fs::write("/proc/self/gid_map", &gids)?;
        fs::write("/proc/sys/user/max_user_namespaces", "0")
    };
    // SAFETY: the process that this runs in was forked from one with a single thread, so no lock is
    // held by a thread that is not there.
    unsafe { command.pre_exec(enter) }
}
