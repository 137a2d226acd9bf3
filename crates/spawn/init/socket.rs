//! Taking requests and giving answers over a socket.

use crate::protocol::{Reply, Request};
use crate::sysno;
use crate::time::Timespec;
use core::ptr::null_mut;

/// How often, and how long in between, an answer is sent again for which there was no memory: a control group at its
/// limit has some again when the kernel has killed a process of it.
const TRIES: usize = 100;
static PAUSE: Timespec = Timespec::new(2_000_000);

/// The most descriptors that come with a request.
pub const MOST_FDS: usize = 4;

#[repr(C)]
struct Iovec(*mut u8, usize);

#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    fds: [i32; MOST_FDS],
}

/// Length of a control message before its descriptors (cmsg(3)).
const HEADER: usize = 16;

#[repr(C)]
struct Message {
    name: *mut u8,
    name_length: u32,
    iov: *mut Iovec,
    iov_length: usize,
    control: *mut Control,
    control_length: usize,
    flags: i32,
}

/// Reads one request, and the descriptors that come with it; those that do not come are -1. False
/// when the other side is gone.
pub fn receive(socket: i32, request: &mut Request, fds: &mut [i32; MOST_FDS]) -> bool {
    let bytes = (request as *mut Request).cast::<u8>();
    let mut done = 0;
    while done < size_of::<Request>() {
        // SAFETY: `done` is below the structure's size.
        let mut iov = Iovec(unsafe { bytes.add(done) }, size_of::<Request>() - done);
        let mut control = Control {
            length: 0,
            level: 0,
            kind: 0,
            fds: [-1; MOST_FDS],
        };
        let mut message = Message {
            name: null_mut(),
            name_length: 0,
            iov: &raw mut iov,
            iov_length: 1,
            control: &raw mut control,
            control_length: size_of::<Control>(),
            flags: 0,
        };
        // SAFETY: recvmsg(2) writes to the bytes and the control buffer within the lengths given;
        // any bytes make a valid Request.
        let n = unsafe {
            syscall!(
                sysno::RECVMSG,
                socket,
                &raw mut message,
                sysno::MSG_CMSG_CLOEXEC
            )
        };
        if n == -(sysno::EINTR as isize) {
            continue;
        }
        if n <= 0 {
            return false;
        }
        if control.level == sysno::SOL_SOCKET && control.kind == sysno::SCM_RIGHTS {
            *fds = control.fds;
        }
        done += n as usize;
    }
    true
}

/// Whether there is something to read, or the end of the stream, without waiting for it.
pub fn has_word(socket: i32) -> bool {
    let mut byte = 0_u8;
    // SAFETY: recvfrom(2) writes at most one byte.
    let n = unsafe {
        syscall!(
            sysno::RECVFROM,
            socket,
            &raw mut byte,
            1,
            sysno::MSG_PEEK | sysno::MSG_DONTWAIT,
            0,
            0
        )
    };
    n >= 0 || n != -(sysno::EAGAIN as isize)
}

/// Reads exactly `length` bytes to `to`; false when the other side is gone.
///
/// # Safety
/// `to` must be good for writing `length` bytes.
pub unsafe fn read_all(socket: i32, to: *mut u8, length: usize) -> bool {
    let mut done = 0;
    while done < length {
        // SAFETY: read(2) writes at most the rest of the buffer of `length` bytes.
        let n = unsafe { syscall!(sysno::READ, socket, to.add(done), length - done) };
        if n == -(sysno::EINTR as isize) {
            continue;
        }
        if n <= 0 {
            return false;
        }
        done += n as usize;
    }
    true
}

/// Sends a reply, and a descriptor with it unless that is -1; whether it went out, or nobody is there to miss it. A
/// host that is gone is noticed by the next read; one that does not read what it asked for loses it.
pub fn send(socket: i32, reply: &Reply, fd: i32) -> bool {
    let mut iov = Iovec(
        (reply as *const Reply).cast_mut().cast(),
        size_of::<Reply>(),
    );
    let mut control = Control {
        length: HEADER + size_of::<i32>(),
        level: sysno::SOL_SOCKET,
        kind: sysno::SCM_RIGHTS,
        fds: [fd, -1, -1, -1],
    };
    let message = Message {
        name: null_mut(),
        name_length: 0,
        iov: &raw mut iov,
        iov_length: 1,
        control: if fd < 0 { null_mut() } else { &raw mut control },
        control_length: if fd < 0 { 0 } else { HEADER + size_of::<i32>() },
        flags: 0,
    };
    let mut n;
    let mut tries = 0;
    loop {
        // SAFETY: sendmsg(2) reads the structure, plain integers without padding, and the control message.
        n = unsafe {
            syscall!(
                sysno::SENDMSG,
                socket,
                &raw const message,
                sysno::MSG_NOSIGNAL | sysno::MSG_DONTWAIT
            )
        };
        let no_memory = n == -(sysno::ENOMEM as isize) || n == -(sysno::ENOBUFS as isize);
        if !no_memory || tries == TRIES {
            break;
        }
        tries += 1;
        // SAFETY: nanosleep(2) reads one timespec.
        unsafe { syscall!(sysno::NANOSLEEP, &raw const PAUSE, 0) };
    }
    n >= 0 || n == -(sysno::EPIPE as isize) || n == -(sysno::ECONNRESET as isize)
}

/// Closes a descriptor, if it is one.
pub fn close(fd: i32) {
    if fd >= 0 {
        // SAFETY: close(2) touches no memory.
        unsafe { syscall!(sysno::CLOSE, fd) };
    }
}
