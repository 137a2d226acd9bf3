//! Terminals: the view's own devpts, also where the root is an overlay.

mod common;

use cofferdam_namespaces::{Bind, Overlay, Upper};
use common::{Child, base, scratch};
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _};

#[test]
fn terminals_can_be_made() {
    const MARK: &str = "COFFERDAM_TEST_INSIDE";
    if std::env::var_os(MARK).is_some() {
        return inside();
    }
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("image")).expect("made");
    let program = std::env::current_exe().expect("this program");
    let view = base().proc().bind(program, "/test", Bind::READ_ONLY);
    let image = Overlay::new(dir.join("image"), Upper::Memory);
    let rooted = view.clone().upper_memory(1 << 20, None).root(image);
    for view in [view, rooted] {
        let done = Child::new(view).run(&format!(
            "export {MARK}=1 RUST_BACKTRACE=0; cd /; /test --exact terminals_can_be_made --test-threads=1 2>&1; \
             ls /dev/pts",
        ));
        let text = done.expect_output();
        assert!(text.contains("1 passed"), "{text}");
        // Those of the host are not there; the one made inside is gone.
        assert!(text.ends_with("\nptmx\n"), "{text}");
    }
}

fn inside() {
    let mut options = OpenOptions::new();
    let mut master = options
        .read(true)
        .write(true)
        .open("/dev/ptmx")
        .expect("a terminal");
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    let answer = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes flags and touches no memory.
    let peer = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    assert!(peer >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the number was opened just now.
    let mut peer = unsafe { fs::File::from_raw_fd(peer) };
    peer.write_all(b"hello\n").expect("written");
    let mut bytes = [0; 7];
    master.read_exact(&mut bytes).expect("read");
    assert_eq!(&bytes, b"hello\r\n");
    let name = fs::read_link(format!("/proc/self/fd/{}", peer.as_raw_fd())).expect("a link");
    assert_eq!(name, std::path::Path::new("/dev/pts/0"));
    options.open(&name).expect("by its name too");
}
