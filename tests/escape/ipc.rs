//! Keys, System V and POSIX IPC of the host.

use crate::support::*;
use cofferdam::SyscallIntent;
use std::ffi::{CString, c_long};
use std::fs;

/// A key of the user, in the keyrings that every process of the user shares.
struct Key {
    serial: c_long,
    ring: c_long,
    name: String,
}

const SESSION: c_long = -3;
const USER: c_long = -4;

impl Key {
    /// None where the kernel has no keyrings. The thread gets a session keyring of its own, which the
    /// processes it starts inherit, with a link to that of the user.
    fn plant(ring: c_long, text: &str) -> Option<Self> {
        // SAFETY: KEYCTL_JOIN_SESSION_KEYRING takes no name, and KEYCTL_LINK touches no memory.
        let joined = unsafe {
            let joined = libc::syscall(libc::SYS_keyctl, 1, 0);
            libc::syscall(libc::SYS_keyctl, 8, USER, SESSION);
            joined
        };
        if joined < 0 {
            let error = std::io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::ENOSYS), "{error}");
            return None;
        }
        let name = secret();
        let (kind, c_name) = (c"user", CString::new(name.as_str()).expect("no NUL"));
        // SAFETY: add_key(2) reads two strings up to their NUL and the text within its length.
        let serial = unsafe {
            libc::syscall(
                libc::SYS_add_key,
                kind.as_ptr(),
                c_name.as_ptr(),
                text.as_ptr(),
                text.len(),
                ring,
            )
        };
        assert!(serial > 0, "{}", std::io::Error::last_os_error());
        // KEYCTL_SETPERM: all for the possessor and the user, as a careless owner would.
        // SAFETY: KEYCTL_SETPERM touches no memory.
        let answer = unsafe { libc::syscall(libc::SYS_keyctl, 5, serial, 0x3f3f_0000_u64) };
        assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
        Some(Self { serial, ring, name })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: KEYCTL_UNLINK touches no memory.
        unsafe { libc::syscall(libc::SYS_keyctl, 9, self.serial, self.ring) };
    }
}

#[test]
fn keys_of_the_host_are_not_read() {
    for ring in [SESSION, USER] {
        let held = secret();
        let Some(key) = Key::plant(ring, &held) else {
            return lacks("kernel keyrings (CONFIG_KEYS)");
        };
        let (serial, ring) = (key.serial.to_string(), ring.to_string());
        let attacks: [&[&str]; 3] = [
            &["ipc", "key-read", &serial],
            &["ipc", "key-search", &ring, &key.name],
            &["files", "read", "/proc/keys"],
        ];
        let answers = inside(&build(wall()), &attacks);
        assert_eq!(answers[..2], ["EPERM", "EPERM"]);
        assert!(!answers[2].contains(&key.name[..16]), "{}", answers[2]);
        let controls = outside(&attacks);
        assert_eq!(controls[0], format!("done {held}"));
        assert_eq!(controls[1], "done");

        // With keyrings allowed, the keyrings found are the sandbox's own.
        let open = build(wall().syscalls(|calls| calls.allow(SyscallIntent::Keyring)));
        let answers = inside(&open, &attacks);
        assert_eq!(answers[1], "ENOKEY");
        assert!(!answers[2].contains(&key.name[..16]), "{}", answers[2]);
        if is_root() {
            // On a root host it is another user.
            assert_eq!(answers[0], "EACCES");
        }
    }
}

#[test]
fn system_v_objects_of_the_host_are_not_there() {
    // SAFETY: shmget(2) and msgget(2) touch no memory.
    let (memory, queue) = unsafe {
        (
            libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600),
            libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | 0o600),
        )
    };
    assert!(
        memory >= 0 && queue >= 0,
        "{}",
        std::io::Error::last_os_error()
    );
    // SAFETY: shmat(2) maps the segment where there is room; it is a page, and this test's alone.
    unsafe {
        let at = libc::shmat(memory, std::ptr::null(), 0);
        assert_ne!(at as isize, -1);
        std::ptr::copy_nonoverlapping(c"canary".as_ptr(), at.cast(), 7);
        libc::shmdt(at);
    }
    let message = (1_i64, *b"canary\0\0");
    // SAFETY: msgsnd(2) reads a long and six bytes of text.
    let sent = unsafe { libc::msgsnd(queue, (&raw const message).cast(), 6, libc::IPC_NOWAIT) };
    let (id, queue_id) = (memory.to_string(), queue.to_string());
    let attacks: [&[&str]; 3] = [
        &["ipc", "shm-read", &id],
        &["ipc", "msg-read", &queue_id],
        &["files", "read", "/proc/sysvipc/shm"],
    ];
    let answers = inside(&build(wall()), &attacks);
    let controls = outside(&attacks);
    // SAFETY: IPC_RMID writes nothing.
    unsafe {
        libc::shmctl(memory, libc::IPC_RMID, std::ptr::null_mut());
        libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut());
    }
    assert_eq!(sent, 0);
    assert_eq!(answers[..2], ["EINVAL", "EINVAL"]);
    assert!(!answers[2].contains(&format!(" {id} ")), "{}", answers[2]);
    assert_eq!(controls[..2], ["done canary", "done a message is there"]);
    assert!(controls[2].contains(&format!(" {id} ")), "{}", controls[2]);
}

#[test]
fn posix_objects_of_the_host_are_not_there() {
    let name = secret();
    let (shared, queue) = (format!("/dev/shm/{name}"), format!("/{name}"));
    fs::write(&shared, "canary").expect("shared memory");
    let c_queue = CString::new(queue.as_str()).expect("no NUL");
    // SAFETY: mq_open(3) reads the name up to its NUL, a mode, and no attributes.
    let made = unsafe {
        libc::mq_open(
            c_queue.as_ptr(),
            libc::O_CREAT | libc::O_RDWR,
            0o600 as libc::c_uint,
            std::ptr::null_mut::<libc::mq_attr>(),
        )
    };
    let error = std::io::Error::last_os_error();
    let attacks: [&[&str]; 2] = [&["files", "read", &shared], &["ipc", "mq-open", &queue]];
    let (answers, controls) = (inside(&build(wall()), &attacks), outside(&attacks));
    fs::remove_file(&shared).expect("removed");
    // SAFETY: mq_unlink(3) reads the name up to its NUL; mq_close(3) closes what was opened.
    unsafe {
        libc::mq_unlink(c_queue.as_ptr());
        if made >= 0 {
            libc::mq_close(made);
        }
    }
    assert_eq!(answers, ["ENOENT", "ENOENT"]);
    assert_eq!(controls[0], "done canary");
    match made {
        -1 => lacks(&format!("POSIX message queues ({error})")),
        _ => assert_eq!(controls[1], "done"),
    }
}
