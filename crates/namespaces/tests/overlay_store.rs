//! The upper layers in memory, read by the host while the sandbox runs and after it ended.

mod common;

use cofferdam_namespaces::{MountedUpper, Overlay, Upper};
use cofferdam_sys::mount::{RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2};
use cofferdam_sys::socket::stream_pair;
use common::{Child, base, scratch};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The one descriptor that comes with the next byte (unix(7), `SCM_RIGHTS`); `None` at the end.
fn receive(socket: &OwnedFd) -> Option<OwnedFd> {
    let mut byte = [0_u8; 1];
    let mut iov = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut control = [0_u64; 8];
    // SAFETY: msghdr is plain data for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the header, the byte and the control buffer live until the call returns.
    let count =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    if count < 1 || message.msg_controllen < size_of::<libc::cmsghdr>() {
        return None;
    }
    // SAFETY: recvmsg has written a control message, which begins at the buffer's start.
    let header = unsafe { &*control.as_ptr().cast::<libc::cmsghdr>() };
    assert_eq!(
        (header.cmsg_level, header.cmsg_type),
        (libc::SOL_SOCKET, libc::SCM_RIGHTS)
    );
    // SAFETY: its data is one descriptor, which belongs to nobody else.
    Some(unsafe { OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()) })
}

fn open(store: &OwnedFd, path: &str) -> Result<File, cofferdam_sys::Errno> {
    let path = CString::new(path).expect("no NUL");
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    let file = openat2(
        store.as_raw_fd(),
        &path,
        libc::O_RDONLY | libc::O_NOFOLLOW,
        0,
        resolve,
    )?;
    // SAFETY: the number was opened just now.
    Ok(unsafe { File::from_raw_fd(file) })
}

fn read(store: &OwnedFd, path: &str) -> String {
    let mut text = String::new();
    let mut file = open(store, path).unwrap_or_else(|errno| panic!("{path}: {errno}"));
    file.read_to_string(&mut text).expect("read");
    text
}

#[test]
fn the_host_reads_the_upper_layers() {
    let (_keep, dir) = scratch();
    let (lower, signal) = (dir.join("lower"), dir.join("signal"));
    fs::create_dir_all(lower.join("src")).expect("made");
    fs::create_dir(&signal).expect("made");
    fs::write(lower.join("src/file"), "old\n").expect("written");
    let view = base()
        .upper_memory(1 << 20, None)
        .bind(&signal, "/signal", cofferdam_namespaces::Bind::WRITABLE)
        .overlay("/z", Overlay::new(&lower, Upper::Memory))
        .overlay("/a", Overlay::new(&lower, Upper::Memory))
        .overlay("/read", Overlay::new(&lower, Upper::None));
    let mut child = Child::new(view);
    assert!(child.mounts.hands_out());
    let overlays = child.mounts.overlays();
    let list: Vec<_> = overlays
        .iter()
        .map(|it| (it.target.as_path(), &it.upper))
        .collect();
    let memory = |number| MountedUpper::Memory { number };
    assert_eq!(
        list,
        [
            (Path::new("/a"), &memory(0)),
            (Path::new("/read"), &MountedUpper::None),
            (Path::new("/z"), &memory(1)),
        ]
    );
    let (host, end) = stream_pair().expect("sockets");
    child.hand_out = Some(end);
    let script = "echo a > /a/src/file && echo z > /z/src/new && rm /z/src/file && : > /signal/there; \
        while ! [ -e /signal/go ]; do sleep 0.01; done; echo late > /a/late; ls /proc 2>/dev/null; ls /";
    let mut store = None;
    let done = child.run_while(script, || {
        let start = Instant::now();
        while !signal.join("there").exists() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let handed = receive(&host).expect("a descriptor");
        assert_eq!(read(&handed, "0/upper/src/file"), "a\n");
        assert!(open(&handed, "0/upper/late").is_err());
        fs::write(signal.join("go"), "x").expect("written");
        store = Some(handed);
    });
    let text = done.expect_output();
    assert!(!text.contains("memory"), "{text}");
    let store = store.expect("a descriptor");
    // The child has been reaped, and its mount namespace went with it.
    assert_eq!(read(&store, "0/upper/src/file"), "a\n");
    assert_eq!(read(&store, "0/upper/late"), "late\n");
    assert_eq!(read(&store, "1/upper/src/new"), "z\n");
    let path = CString::new("1/upper/src/file").expect("no NUL");
    let removed = openat2(
        store.as_raw_fd(),
        &path,
        libc::O_PATH | libc::O_NOFOLLOW,
        0,
        RESOLVE_BENEATH,
    );
    // SAFETY: the number was opened just now.
    let removed = unsafe { File::from_raw_fd(removed.expect("a whiteout")) };
    let meta = removed.metadata().expect("metadata");
    assert_eq!(
        (meta.mode() & libc::S_IFMT, meta.rdev()),
        (libc::S_IFCHR, 0)
    );
    assert_eq!(
        fs::read_to_string(lower.join("src/file")).expect("read"),
        "old\n"
    );
    // Nothing leads out of it.
    assert!(open(&store, "..").is_err() && open(&store, "0/../../..").is_err());
    // The control: a view without such a layer hands nothing out.
    let mut child = Child::new(base().overlay("/r", Overlay::new(&lower, Upper::None)));
    assert!(!child.mounts.hands_out());
    let (host, end) = stream_pair().expect("sockets");
    child.hand_out = Some(end);
    child.run("true").expect_output();
    drop(child);
    assert!(receive(&host).is_none());
}
