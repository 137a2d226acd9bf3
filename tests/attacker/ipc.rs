//! Attacks on keys and on System V and POSIX IPC.

use crate::{Outcome, c_path, call, check, number, unknown};
use std::io::{self, Read};

pub fn run(command: &[&str]) -> Outcome {
    match command {
        ["key-read", serial] => key_read(number(serial)),
        ["key-search", keyring, name] => {
            let (kind, name) = (c"user".as_ptr() as usize, c_path(name));
            // KEYCTL_SEARCH.
            let keyring = number::<isize>(keyring) as usize;
            call(
                libc::SYS_keyctl,
                [10, keyring, kind, name.as_ptr() as usize, 0, 0],
            )
            .map(|_| String::new())
        }
        ["shm-read", id] => shm_read(number(id)),
        ["shm-by-key", key] => {
            // SAFETY: shmget(2) touches no memory.
            let id = check(unsafe { libc::shmget(number(key), 1, 0) })?;
            shm_read(id)
        }
        ["msg-read", id] => msg_read(number(id)),
        ["mq-open", name] => {
            let name = c_path(name);
            // SAFETY: mq_open(3) reads the name up to its NUL.
            let queue = check(unsafe { libc::mq_open(name.as_ptr(), libc::O_RDONLY) })?;
            // SAFETY: the queue was just opened.
            check(unsafe { libc::mq_close(queue) }).map(|_| String::new())
        }
        // Makes one of each, and stays until standard input ends.
        ["hold", key, name] => hold(number(key), name),
        other => unknown(other),
    }
}

/// KEYCTL_READ by the key's number, without a keyring that leads to it.
fn key_read(serial: i32) -> Outcome {
    let mut bytes = [0_u8; 256];
    let at = bytes.as_mut_ptr() as usize;
    let n = call(
        libc::SYS_keyctl,
        [11, serial as usize, at, bytes.len(), 0, 0],
    )?;
    Ok(String::from_utf8_lossy(&bytes[..n.min(256)]).into_owned())
}

fn shm_read(id: i32) -> Outcome {
    // SAFETY: shmat(2) maps the segment where there is room.
    let at = unsafe { libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY) };
    if at as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the tests' segments are a page long and begin with a string that ends in NUL.
    let text = unsafe { std::ffi::CStr::from_ptr(at.cast()) };
    Ok(text.to_string_lossy().into_owned())
}

/// Looks at the first message of a queue without taking it (MSG_COPY needs a kernel option, so a
/// message that is too long for the buffer tells that it is there).
fn msg_read(id: i32) -> Outcome {
    let mut buffer = [0_u64; 1];
    // SAFETY: msgrcv(2) writes a long and no bytes of text.
    let answer = unsafe { libc::msgrcv(id, buffer.as_mut_ptr().cast(), 0, 0, libc::IPC_NOWAIT) };
    match io::Error::last_os_error() {
        _ if answer >= 0 => Ok(String::new()),
        error if error.raw_os_error() == Some(libc::E2BIG) => Ok("a message is there".into()),
        error => Err(error),
    }
}

fn hold(key: i32, name: &str) -> Outcome {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;
    // SAFETY: shmget(2) touches no memory.
    let id = check(unsafe { libc::shmget(key, 4096, flags) })?;
    // SAFETY: shmat(2) maps the segment where there is room.
    let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    // SAFETY: shmctl(2) writes nothing for IPC_RMID, and the segment stays until it is detached. It
    // is removed at once only in the sense that its key goes; so that is done at the end.
    let remove = || unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
    if at as isize == -1 {
        remove();
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the segment is a page long, and nobody else writes to it.
    unsafe { std::ptr::copy_nonoverlapping(c"held".as_ptr(), at.cast(), 5) };
    let queue_name = c_path(name);
    // SAFETY: mq_open(3) reads the name up to its NUL, the mode, and no attributes.
    let queue = unsafe {
        libc::mq_open(
            queue_name.as_ptr(),
            libc::O_CREAT | libc::O_RDWR,
            0o600 as libc::c_uint,
            std::ptr::null_mut::<libc::mq_attr>(),
        )
    };
    println!("ready {id}");
    let result = io::stdin().read_to_end(&mut Vec::new());
    remove();
    // SAFETY: mq_unlink(3) reads the name up to its NUL.
    unsafe { libc::mq_unlink(queue_name.as_ptr()) };
    check(queue)?;
    result.map(|_| String::new())
}
