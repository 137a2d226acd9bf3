//! The attacker as a host: what must be done to a host before it starts a sandbox and cannot be
//! done to the process that runs the tests.
//!
//! `host [mounts DIR | terminal | plain] WORKSPACE -- ATTACK…` starts the attack both as an ordinary
//! child and in a sandbox of its own, and prints what each says.

use crate::{check, namespaces};
use cofferdam::policy::PathRule;
use cofferdam::{Sandbox, Stdio};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;

pub fn run(arguments: &[&str]) {
    let end = arguments.iter().position(|argument| *argument == "--");
    let (setup, attack) = arguments.split_at(end.expect("an attack"));
    let attack = &attack[1..];
    match setup {
        ["plain"] => both(Sandbox::builder(), attack),
        ["terminal"] => {
            // SAFETY: setsid(2) and TIOCSCTTY touch no memory.
            unsafe {
                check(libc::setsid()).expect("a session");
                check(libc::ioctl(0, libc::TIOCSCTTY, 0)).expect("a terminal");
            }
            both(Sandbox::builder(), attack);
        }
        // A file system mounted below a directory that is shown read-only.
        ["submount", directory] => {
            own_mounts();
            let below = format!("{directory}/below");
            fs::create_dir(&below).expect("a directory");
            crate::run(&["namespaces", "tmpfs", &below]).expect("a mount");
            fs::write(format!("{below}/file"), "original").expect("a file");
            both(Sandbox::builder().read(*directory), attack);
            let text = fs::read_to_string(format!("{below}/file")).expect("the file");
            println!("after {text}");
        }
        // A file system mounted later, below a directory that is shown and whose mount is shared.
        ["later", directory] => {
            own_mounts();
            crate::run(&["namespaces", "bind", directory, directory]).expect("a mount");
            propagation(directory, libc::MS_SHARED);
            later(directory, attack);
        }
        other => panic!("no such host: {other:?}"),
    }
}

/// Mounts of this process's own; an ordinary user needs a user namespace for that, in which it keeps
/// its number.
fn own_mounts() {
    // SAFETY: geteuid(2) and getegid(2) touch no memory and cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let user = if uid == 0 { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: unshare(2) touches no memory.
    check(unsafe { libc::unshare(user | libc::CLONE_NEWNS) }).expect("namespaces");
    if user != 0 {
        fs::write("/proc/self/setgroups", "deny").expect("groups");
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).expect("a map");
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).expect("a map");
    }
    propagation("/", libc::MS_PRIVATE);
}

fn propagation(at: &str, kind: libc::c_ulong) {
    let at = crate::c_path(at);
    // SAFETY: mount(2) reads the path up to its NUL; all else is null.
    let answer = unsafe {
        libc::mount(
            std::ptr::null(),
            at.as_ptr(),
            std::ptr::null(),
            libc::MS_REC | kind,
            std::ptr::null(),
        )
    };
    check(answer).expect("propagation");
}

/// Runs the attack without the wall and behind it, and prints both answers.
fn both(builder: cofferdam::SandboxBuilder, attack: &[&str]) {
    let own = std::env::current_exe().expect("a program");
    let outside = Command::new(&own)
        .args(attack)
        .stdin(Stdio2::inherit())
        .output();
    print_answer("outside", &outside.expect("the attack outside").stdout);
    let sandbox = builder
        .filesystem(|files| files.rule(PathRule::read(&own).at("/attacker")))
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    let inside = sandbox
        .command("/attacker")
        .args(attack)
        .stdin(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    std::io::stderr()
        .write_all(&inside.stderr)
        .expect("an open stream");
    print_answer("inside", &inside.stdout);
}

use std::process::Stdio as Stdio2;

fn print_answer(whose: &str, text: &[u8]) {
    for line in String::from_utf8_lossy(text).lines() {
        println!("{whose} {line}");
    }
}

/// Mounts while the attack waits, inside and in mounts that follow this process's.
fn later(directory: &str, attack: &[&str]) {
    let own = std::env::current_exe().expect("a program");
    let mut control = Command::new(&own)
        .args(["then"])
        .args(attack)
        .stdin(Stdio2::piped())
        .stdout(Stdio2::piped())
        .spawn()
        .expect("the attack outside");
    let sandbox = Sandbox::builder()
        .read(directory)
        .filesystem(|files| files.rule(PathRule::read(&own).at("/attacker")))
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    let mut inside = sandbox
        .command("/attacker")
        .arg("then")
        .args(attack)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    let mut outside_says = BufReader::new(control.stdout.take().expect("piped")).lines();
    let mut inside_says = BufReader::new(inside.stdout.take().expect("piped")).lines();
    for lines in [
        &mut outside_says as &mut dyn Iterator<Item = _>,
        &mut inside_says,
    ] {
        let line: Option<std::io::Result<String>> = lines.next();
        assert_eq!(line.expect("a line").expect("text"), "ready");
    }
    let at = format!("{directory}/later");
    fs::create_dir(&at).expect("a directory");
    namespaces::run(&["tmpfs", &at]).expect("a mount");
    fs::write(format!("{at}/file"), "mounted later").expect("a file");
    control
        .stdin
        .take()
        .expect("piped")
        .write_all(b"go\n")
        .expect("a reader");
    inside
        .stdin
        .take()
        .expect("piped")
        .write_all(b"go\n")
        .expect("a reader");
    let rest = |lines: &mut dyn Iterator<Item = std::io::Result<String>>| {
        lines
            .map(|line| line.expect("text"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    print_answer("outside", rest(&mut outside_says).as_bytes());
    print_answer("inside", rest(&mut inside_says).as_bytes());
    control.wait().expect("an end");
    inside.wait().expect("an end");
}
