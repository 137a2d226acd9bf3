//! Hosts with strange tables of descriptors.

use crate::report::{children, descriptors};
use cofferdam::{Sandbox, SpawnError, Stdio};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Commands that need all there is: a workspace (Landlock rules), pipes, both streams.
fn works(low: bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let builder = Sandbox::builder().workspace(directory.path());
    let limit = if low { 64 } else { 4096 };
    let sandbox = builder
        .limits(|limits| limits.open_files(limit))
        .build()
        .expect("a workspace");
    for _ in 0..3 {
        let script = "echo out; echo err >&2; echo x > file; ls -l /proc/self/fd | wc -l";
        let output = sandbox
            .command("sh")
            .args(["-c", script])
            .output()
            .expect("the shell");
        // A header, 0, 1, 2 and the directory being listed.
        assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n5\n");
        assert_eq!(output.stderr, b"err\n");
        let status = sandbox.command("true").status().expect("inherited streams");
        assert!(status.success());
    }
}

pub fn closed_streams() {
    // Each of the numbers that the child overwrites is taken by something else in one of the rounds.
    for rounds in [1, 2, 3, 8] {
        for number in 0..rounds {
            // SAFETY: nothing in this process uses these descriptors by ownership; std's streams
            // answer EBADF as if they led nowhere.
            unsafe { libc::close(number) };
        }
        works(false);
    }
}

pub fn many() {
    let files: Vec<File> = (0..1500)
        .map(|_| File::open("/dev/null").expect("open"))
        .collect();
    assert!(files.last().expect("files").as_raw_fd() >= 1500);
    works(false);
    // A limit inside that is far below the numbers in use outside.
    works(true);
}

pub fn exhausted() {
    let sandbox = Sandbox::builder().build().expect("the default policy");
    sandbox.command("true").status().expect("true");
    let before = descriptors();
    let used = before.len() as u64;
    let (mut started, mut refused) = (0, 0);
    for spare in 0..24 {
        let limit = |soft| {
            let limit = libc::rlimit {
                rlim_cur: soft,
                rlim_max: 1024,
            };
            // SAFETY: setrlimit(2) reads one rlimit.
            let answer = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
            assert_eq!(answer, 0);
        };
        limit(used + spare);
        let mut command = sandbox.command("echo");
        command
            .arg("x")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let result = command.spawn();
        limit(1024);
        match result {
            Ok(child) => {
                assert_eq!(child.wait_with_output().expect("wait").stdout, b"x\n");
                started += 1;
            }
            Err(error) => {
                // No layer is to blame, so nobody is told to go on without one.
                let of_the_host = matches!(error, SpawnError::Host(_) | SpawnError::Stdio(_));
                assert!(of_the_host, "{spare} spare: {error:?}");
                let text = error.to_string();
                assert!(
                    text.contains("Too many open files"),
                    "{spare} spare: {text}"
                );
                refused += 1;
            }
        }
        assert_eq!(descriptors(), before, "{spare} spare");
        assert!(children().is_empty(), "{spare} spare: {:?}", children());
    }
    println!("{refused} refused, {started} started");
    assert!(
        refused > 3 && started > 3,
        "{refused} refused, {started} started"
    );
}

pub fn leaks() {
    // Descriptors of the host without close-on-exec, low and high, of every kind.
    let directory = File::open("/").expect("open");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    for number in [3, 4, 5, 9, 10, 11, 77, 500] {
        for fd in [directory.as_raw_fd(), listener.as_raw_fd()] {
            if fd != number && !descriptors().contains_key(&number) {
                // SAFETY: dup2(2) touches no memory; the number was free.
                assert_eq!(unsafe { libc::dup2(fd, number) }, number);
            }
        }
    }
    let sandbox = Sandbox::builder().build().expect("the default policy");
    let script = "for p in /proc/[0-9]*; do ls -l $p/fd 2>/dev/null; done; echo done";
    let output = sandbox
        .command("sh")
        .args(["-c", script])
        .output()
        .expect("the shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.ends_with("done\n"));
    assert!(!text.contains("socket:"), "{text}");
    assert!(!text.lines().any(|line| line.ends_with("-> /")), "{text}");
    // The control: a program that is not confined gets them.
    let outside = std::process::Command::new("ls")
        .args(["-l", "/proc/self/fd"])
        .output()
        .expect("ls");
    assert!(
        String::from_utf8_lossy(&outside.stdout).contains("-> /\n"),
        "the control shows nothing"
    );
}
