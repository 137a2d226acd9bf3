//! Terminals of the host.

use crate::support::*;
use cofferdam::Stdio;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

/// A terminal: its two ends. Bytes come as they are typed, unechoed, and reads do not wait.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut::<libc::c_char>();
    // SAFETY: openpty(3) writes two descriptors; name, attributes and size may be null.
    let made = unsafe {
        libc::openpty(
            &mut master,
            &mut slave,
            null,
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the descriptors were just made; all zeros is a termios that tcgetattr(3) fills.
    unsafe {
        for fd in [master, slave] {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        let mut how: libc::termios = std::mem::zeroed();
        libc::tcgetattr(slave, &mut how);
        libc::cfmakeraw(&mut how);
        libc::tcsetattr(slave, libc::TCSANOW, &how);
        (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
    }
}

/// What has been typed into a terminal.
fn typed(slave: &OwnedFd) -> Vec<u8> {
    let path = format!("/proc/self/fd/{}", slave.as_raw_fd());
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options.read(true),
        libc::O_NONBLOCK | libc::O_NOCTTY,
    );
    let mut bytes = [0; 16];
    match options.open(path).expect("the terminal").read(&mut bytes) {
        Ok(n) => bytes[..n].to_vec(),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
            Vec::new()
        }
    }
}

/// TIOCSTI types into a terminal what a shell then executes; the kernel looks at the low 32 bits of
/// the request alone.
#[test]
fn nothing_is_typed_into_a_terminal() {
    let requests = [
        "0x5412",
        "0x100005412",
        "0xffffffff00005412",
        "0x541c",
        "0x10000541c",
    ];
    let sandbox = build(wall());
    for request in requests {
        let (_master, slave) = terminal();
        // The attacker makes it its own first, as typing into a foreign one needs root.
        let attack = ["terminal", "take", "0", "--", "terminal", "ioctl", request];
        let output = sandbox
            .command(INSIDE)
            .args(attack)
            .stdin(Stdio::from(slave.try_clone().expect("a copy")))
            .timeout(PATIENCE)
            .output()
            .unwrap_or_else(|error| panic!("{error}"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(typed(&slave).is_empty(), "{request}: {said}");
        assert!(said.ends_with("\nEPERM\n"), "{request}: {said}");

        let (_master, slave) = terminal();
        let control = Command::new(ATTACKER)
            .args(["terminal", "new-session", "--"])
            .args(attack)
            .stdin(slave.try_clone().expect("a copy"))
            .output()
            .expect("started");
        let said = String::from_utf8_lossy(&control.stdout).into_owned();
        // TIOCLINUX is for the machine's own console, which no test has.
        if !request.ends_with("541c") {
            match said.ends_with("\nEIO\n") {
                true => lacks("TIOCSTI for this user (dev.tty.legacy_tiocsti is 0)"),
                false => assert_eq!(typed(&slave), b"X", "{request}: {said}"),
            }
        } else {
            assert!(!said.ends_with("\nEPERM\n"), "{said}");
        }
    }
}

/// A host with a terminal of its own, as a person starts one from a shell.
#[test]
fn the_terminal_of_the_launcher_is_not_the_program_s() {
    let (_master, slave) = terminal();
    let host = |attack: &[&str]| {
        let output = Command::new(ATTACKER)
            .args(["host", "terminal", "--"])
            .args(attack)
            .stdin(slave.try_clone().expect("a copy"))
            .output();
        let output = output.expect("started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{text} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    assert_eq!(
        host(&["terminal", "controlling"]),
        "outside done\ninside ENXIO\n"
    );
    // Only root can steal one; the wall's root is none.
    let stolen = host(&["terminal", "take", "1"]);
    assert!(stolen.ends_with("inside EPERM\n"), "{stolen}");
}

#[test]
fn terminals_of_the_host_are_not_listed() {
    let (_master, slave) = terminal();
    let link = std::fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd())).expect("a link");
    let path = text(&link);
    let attacks: [&[&str]; 2] = [
        &["files", "list", "/dev/pts"],
        &["files", "open", "w", path],
    ];
    assert_eq!(inside(&build(wall()), &attacks), ["done ptmx", "ENOENT"]);
    let controls = outside(&attacks);
    let name = path.rsplit('/').next().expect("a name");
    assert!(
        controls[0].split(' ').any(|other| other == name),
        "{}",
        controls[0]
    );
    assert_eq!(controls[1], "done");
}
