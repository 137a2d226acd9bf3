//! A host as Ubuntu 24.04 is: user namespaces are made and are worth nothing, or are refused to programs without a
//! profile (`kernel.apparmor_restrict_unprivileged_userns`).
//!
//! An imitation: a listener of seccomp_unotify(2) answers as that kernel does. Opening `/proc/…/setgroups` for
//! writing and every call that needs a capability are refused; the sysctl reads 1. What differs: it is a filter, so
//! programs inside have no listener of their own, and what needs a capability is refused by the call's name.

use crate::filters::step;
use crate::places::{as_user, check, then, visitor};
use crate::visit::{Ground, Report, WITHOUT_NAMESPACES, visit};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::JoinHandle;

const SYSCTL: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// `SECCOMP_IOCTL_NOTIF_RECV`, `…_SEND` and `…_ADDFD` (linux/seccomp.h).
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ADD_FD: libc::c_ulong = 0x4018_2103;

/// Calls of which the listener hears: those that open files, and those that make namespaces.
const HEARD: [libc::c_long; 4] = [
    libc::SYS_openat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_unshare,
];

/// Calls that need a capability, which nobody has there.
const CAPABLE: [libc::c_long; 9] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_sethostname,
    libc::SYS_setns,
];

/// What such a host does to a user namespace.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// The profile `unprivileged_userns` is loaded: it is made, without any right.
    TakesRights,
    /// It is not loaded: none is made.
    RefusesNamespace,
}

/// Visits such a host.
fn restricted(ground: &Ground, rule: Rule) -> Report {
    let mut command = visitor(&ground.base());
    as_user(&mut command);
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    behind_listener(&mut command, theirs.as_raw_fd());
    let listener: JoinHandle<()> = std::thread::spawn(move || {
        let fd = receive_descriptor(&ours).expect("the listener");
        while answer(&fd, rule).is_ok() {}
    });
    let report = visit(&mut command);
    drop(theirs);
    listener.join().expect("the listener");
    report
}

/// Puts the filter on and hands its listener out.
fn behind_listener(command: &mut Command, socket: RawFd) {
    let ret = |k| step(libc::BPF_RET | libc::BPF_K, k, 0, 0);
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let heard = HEARD.map(|call| (call, libc::SECCOMP_RET_USER_NOTIF));
    let capable = CAPABLE.map(|call| (call, refused));
    for (call, answer) in heard.into_iter().chain(capable) {
        program.push(step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            call as u32,
            0,
            1,
        ));
        program.push(ret(answer));
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    then(command, move || {
        let filter = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut(),
        };
        // SAFETY: PR_SET_NO_NEW_PRIVS touches no memory; seccomp(2) reads the program and opens a descriptor.
        let listener = unsafe {
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
            let fd = libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) as i32;
            check(fd)?;
            OwnedFd::from_raw_fd(fd)
        };
        send_descriptor(socket, listener.as_raw_fd())
    });
}

/// Answers one call; an error when nobody is left to make one.
fn answer(listener: &OwnedFd, rule: Rule) -> io::Result<()> {
    // SAFETY: all zeroes is a valid value of each.
    let (mut call, mut reply): (libc::seccomp_notif, libc::seccomp_notif_resp) =
        unsafe { std::mem::zeroed() };
    let mut ready = libc::pollfd {
        fd: listener.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: poll(2) writes the one entry.
    check(unsafe { libc::poll(&raw mut ready, 1, -1) })?;
    if ready.revents & libc::POLLIN == 0 {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    // SAFETY: the request fills one `seccomp_notif`.
    let received = check(unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut call) });
    if received.is_err() {
        // Whoever called was killed meanwhile.
        return Ok(());
    }
    let told = decide(&call, rule);
    reply.id = call.id;
    match told {
        Told::On => reply.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Told::Refuse(errno) => reply.error = -errno,
        Told::File(text) => {
            let file = pipe_with(text);
            let mut added = libc::seccomp_notif_addfd {
                id: call.id,
                // SECCOMP_ADDFD_FLAG_SEND: the descriptor is the answer.
                flags: 2,
                srcfd: file.as_raw_fd() as u32,
                newfd: 0,
                newfd_flags: libc::O_CLOEXEC as u32,
            };
            // SAFETY: the request reads one `seccomp_notif_addfd`.
            let _ = unsafe { libc::ioctl(listener.as_raw_fd(), ADD_FD, &raw mut added) };
            return Ok(());
        }
    }
    // Whoever called may be gone.
    // SAFETY: the request reads one `seccomp_notif_resp`.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut reply) };
    Ok(())
}

enum Told {
    On,
    Refuse(i32),
    File(&'static str),
}

/// What that kernel says to a call.
fn decide(call: &libc::seccomp_notif, rule: Rule) -> Told {
    let number = libc::c_long::from(call.data.nr);
    let arguments = &call.data.args;
    if number == libc::SYS_openat {
        let path = path_at(call.pid, arguments[1]).unwrap_or_default();
        let writes = arguments[2] as i32 & libc::O_ACCMODE != libc::O_RDONLY;
        return match path.as_str() {
            SYSCTL => Told::File("1\n"),
            path if writes && path.starts_with("/proc/") && path.ends_with("/setgroups") => {
                Told::Refuse(libc::EACCES)
            }
            _ => Told::On,
        };
    }
    let flags = match number {
        libc::SYS_clone3 => word_at(call.pid, arguments[0]).unwrap_or(0),
        _ => arguments[0],
    };
    let namespace = flags & libc::CLONE_NEWUSER as u64 != 0;
    match namespace && rule == Rule::RefusesNamespace {
        true => Told::Refuse(libc::EACCES),
        false => Told::On,
    }
}

fn word_at(pid: u32, address: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut bytes, address)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn path_at(pid: u32, address: u64) -> io::Result<String> {
    let mut bytes = [0; 256];
    // Shorter where the mapping ends.
    let count = File::open(format!("/proc/{pid}/mem"))?.read_at(&mut bytes, address)?;
    let path = CStr::from_bytes_until_nul(&bytes[..count]);
    let path = path.map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(path.to_string_lossy().into_owned())
}

fn pipe_with(text: &str) -> OwnedFd {
    let (read, mut write) = io::pipe().expect("a pipe");
    write.write_all(text.as_bytes()).expect("written");
    read.into()
}

/// Room for one descriptor in a message, aligned as the kernel wants it (cmsg(3)).
type Control = [u64; 3];

fn message<'a>(byte: &'a mut libc::iovec, control: &'a mut Control) -> libc::msghdr {
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>();
    message
}

fn send_descriptor(socket: RawFd, fd: RawFd) -> io::Result<()> {
    let (mut text, mut control) = ([0_u8; 1], Control::default());
    let mut byte = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let message = message(&mut byte, &mut control);
    // SAFETY: the control buffer has room for one header with one descriptor; sendmsg(2) reads what is named.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
        check(libc::sendmsg(socket, &raw const message, 0) as i32)
    }
}

fn receive_descriptor(socket: &UnixStream) -> io::Result<OwnedFd> {
    let (mut text, mut control) = ([0_u8; 1], Control::default());
    let mut byte = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut message = message(&mut byte, &mut control);
    // SAFETY: recvmsg(2) writes into the buffers named; with a header the kernel has put a new descriptor there.
    unsafe {
        let flags = libc::MSG_CMSG_CLOEXEC;
        check(libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) as i32)?;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let fd = libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned();
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The profile that is to be written, with this program's path.
const PROFILE: [&str; 4] = [
    "AppArmor",
    "kernel.apparmor_restrict_unprivileged_userns=1",
    "apparmor_parser -r /etc/apparmor.d/visitor",
    "flags=(unconfined) {   userns, }",
];

#[test]
fn where_apparmor_takes_every_right_the_profile_is_named() {
    // Made, as on Ubuntu; only what follows fails.
    the_profile_is_named(Rule::TakesRights, "done");
}

#[test]
fn where_apparmor_refuses_the_namespace_the_profile_is_named() {
    the_profile_is_named(Rule::RefusesNamespace, "EACCES");
}

fn the_profile_is_named(rule: Rule, unshare: &str) {
    let ground = Ground::new();
    restricted(&ground, rule)
        .unshare(unshare)
        .refuses("required", "namespaces", &PROFILE)
        .refuses("require namespaces", "namespaces", &PROFILE)
        .preferred(WITHOUT_NAMESPACES, &PROFILE[..3])
        .doctor(&PROFILE[..3])
        .leaves_nothing(&ground);
}
