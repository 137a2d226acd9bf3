//! The state of the host before and after.

use crate::report::{
    assert_unchanged, children, descriptors, groups, is_root, lacks, processes_with, state,
    temporary, within,
};
use crate::scenario;
use cofferdam::{Sandbox, Stdio};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio as HostStdio;
use std::time::Duration;

/// What this process's sandboxes left on the host.
fn left() -> (BTreeSet<String>, BTreeSet<String>) {
    (groups(std::process::id()), temporary(std::process::id()))
}

/// The descriptors that the library keeps for good: the image of its init, and `/dev/null`.
fn kept(before: &BTreeMap<i32, String>, after: &BTreeMap<i32, String>) -> Vec<String> {
    let new = after
        .iter()
        .filter(|(number, _)| !before.contains_key(number));
    let mut new: Vec<String> = new.map(|(_, name)| name.clone()).collect();
    new.sort();
    new
}

fn allowed(new: &[String]) -> bool {
    new.iter()
        .all(|name| name == "/dev/null" || name.contains("memfd:cofferdam-init"))
        && new.len() <= 2
}

pub fn thirty_two_threads() {
    const THREADS: usize = 32;
    const EACH: usize = 20;
    let (before, opened, others) = (state(), descriptors(), left());
    {
        let sandbox = Sandbox::builder().build().expect("the default policy");
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    for round in 0..EACH {
                        let text = format!("{thread}.{round}");
                        let mut command = sandbox.command("sh");
                        command.args([
                            "-c",
                            "echo $1; read x; exit $2",
                            "sh",
                            &text,
                            &round.to_string(),
                        ]);
                        let output = command.output().expect("the shell");
                        assert_eq!(output.stdout, format!("{text}\n").as_bytes());
                        assert_eq!(output.status.code(), Some(round as i32));
                        assert!(output.enforcement.is_full());
                    }
                });
            }
        });
    }
    assert!(
        within(Duration::from_secs(2), || children().is_empty()),
        "left: {:?}",
        children()
    );
    assert_unchanged(&before, &state());
    let new = kept(&opened, &descriptors());
    assert!(allowed(&new), "descriptors left open: {new:?}");
    assert_eq!(left(), others);
    // Landlock and seccomp would show here.
    let file = tempfile::NamedTempFile::new().expect("the host can still write");
    fs::write(file.path(), "x").expect("write");
    fs::read_dir("/proc/1").expect("the host still sees its processes");
    std::net::TcpListener::bind("127.0.0.1:0").expect("the host still has its network");
    println!("{} commands by {THREADS} threads", THREADS * EACH);
}

pub fn failures() {
    let none = descriptors();
    let sandbox = Sandbox::builder().build().expect("the default policy");
    // The second makes a template, which stays as long as the sandbox.
    for _ in 0..2 {
        sandbox.command("true").status().expect("true");
    }
    let (before, opened, others) = (state(), descriptors(), left());
    for round in 0..50 {
        sandbox
            .command("no-such-program")
            .spawn()
            .expect_err("missing");
        sandbox
            .command("true")
            .current_dir("/nowhere")
            .spawn()
            .expect_err("no directory");
        sandbox
            .command("/etc/passwd")
            .spawn()
            .expect_err("no program");
        sandbox
            .command("true")
            .arg("x".repeat(200_000))
            .spawn()
            .expect_err("too long");
        let mut command = sandbox.command("sleep");
        let child = command
            .arg("1000")
            .stdout(Stdio::piped())
            .spawn()
            .expect("sleep");
        if round % 2 == 0 {
            drop(child);
        } else {
            let mut child = child;
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }
    assert!(children().is_empty(), "{:?}", children());
    assert_unchanged(&before, &state());
    assert_eq!(descriptors(), opened);
    drop(sandbox);
    let new = kept(&none, &descriptors());
    assert!(allowed(&new), "descriptors left open: {new:?}");
    assert_eq!(left(), others);
}

pub fn limited() {
    let before = state();
    let builder = Sandbox::builder().limits(|limits| limits.memory_mib(128).cpus(1.0));
    let sandbox = match builder.build() {
        Ok(sandbox) => sandbox,
        Err(error) if is_root() => return lacks(&error.to_string()),
        Err(error) => return println!("not for this user: {error}"),
    };
    for _ in 0..2 {
        sandbox.command("true").status().expect("true");
    }
    let opened = descriptors();
    for _ in 0..10 {
        assert!(sandbox.command("true").status().expect("true").success());
        sandbox
            .command("no-such-program")
            .spawn()
            .expect_err("missing");
        drop(sandbox.command("sleep").arg("1000").spawn().expect("sleep"));
        assert_eq!(descriptors(), opened);
    }
    assert!(children().is_empty(), "{:?}", children());
    assert_unchanged(&before, &state());
    drop(sandbox);
    assert_eq!(left(), Default::default());
}

pub fn environment() {
    const SECRET: &str = "sk-of-the-host-and-nobody-else";
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("API_KEY_OF_THE_HOST", SECRET) };
    let sandbox = Sandbox::builder().build().expect("the default policy");
    let script = "env; cat /proc/*/environ /proc/*/cmdline; set";
    let output = sandbox
        .command("sh")
        .args(["-c", script])
        .output()
        .expect("the shell");
    let holds = |bytes: &[u8]| {
        bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes())
    };
    assert!(!holds(&output.stdout) && !holds(&output.stderr));
    assert!(!output.stdout.is_empty());
    // The control: a program that is not confined does get it.
    let outside = std::process::Command::new("env").output().expect("env");
    assert!(holds(&outside.stdout), "the control shows nothing");
}

pub fn umask() {
    // SAFETY: umask(2) touches no memory.
    unsafe { libc::umask(0o077) };
    let directory = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::builder()
        .workspace(directory.path())
        .build()
        .expect("a workspace");
    let script = "cat /etc/passwd /etc/hosts >/dev/null && ls / /tmp ~ /dev/shm >/dev/null && \
                  echo x > file && echo x > /tmp/file && echo x > ~/file && echo fine";
    let output = sandbox
        .command("sh")
        .args(["-c", script])
        .output()
        .expect("the shell");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(out, "fine\n", "{err}");
    // SAFETY: as above.
    let mask = unsafe { libc::umask(0o077) };
    assert_eq!(mask, 0o077, "the host's umask was changed");
}

pub fn inherits() {
    let output = scenario("part_inherits").stdin(HostStdio::piped()).output();
    let output = output.expect("the part");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stdout, b"to the host's output\n");
    assert_eq!(output.stderr, b"to the host's error\n");
    assert!(processes_with("the host's output").is_empty());
}

pub fn part_inherits() {
    let sandbox = Sandbox::builder().build().expect("the default policy");
    let script = "cat; echo \"to the host's output\"; echo \"to the host's error\" >&2";
    let status = sandbox
        .command("sh")
        .args(["-c", script])
        .status()
        .expect("the shell");
    assert!(status.success());
}
