//! Threads and other processes of the host.

use crate::report::{children, within};
use cofferdam::{Sandbox, Stdio};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn sandbox() -> Sandbox {
    Sandbox::builder().build().expect("the default policy")
}

pub fn ended_thread() {
    // A parent-death signal would follow the thread, not the process.
    let sandbox = sandbox();
    let starter = thread::spawn(move || {
        let mut command = sandbox.command("cat");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cat")
    });
    let mut child = starter.join().expect("the thread ends");
    thread::sleep(Duration::from_millis(300));
    assert!(
        child.try_wait().expect("try_wait").is_none(),
        "it went with its thread"
    );
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"still here").expect("write");
    drop(stdin);
    let mut text = String::new();
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut text)
        .expect("read");
    assert_eq!(text, "still here");
    assert!(child.wait().expect("wait").success());
}

pub fn moved_children() {
    let sandbox = sandbox();
    let all: Vec<_> = (0..24)
        .map(|n: i32| {
            let script = format!("sleep 0.1; exit {n}");
            let child = sandbox
                .command("sh")
                .args(["-c", &script])
                .spawn()
                .expect("the shell");
            (n, child)
        })
        .collect();
    let waiters: Vec<_> = all
        .into_iter()
        .map(|(n, mut child)| thread::spawn(move || (n, child.wait().expect("wait").code())))
        .collect();
    for waiter in waiters {
        let (n, code) = waiter.join().expect("waiter");
        assert_eq!(code, Some(n));
    }
    assert!(children().is_empty());
}

pub fn forking_host() {
    // Other programs that the host starts meanwhile get copies of every descriptor until they
    // execute; none of them may keep a sandbox waiting or alive.
    let sandbox = sandbox();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::process::Command::new("true").status().expect("true");
                }
            });
        }
        for _ in 0..100 {
            assert_eq!(
                sandbox
                    .command("echo")
                    .arg("x")
                    .output()
                    .expect("echo")
                    .stdout,
                b"x\n"
            );
            sandbox
                .command("no-such-program")
                .spawn()
                .expect_err("missing");
        }
        stop.store(true, Ordering::Relaxed);
    });
    // A long-lived one, started while a sandbox runs, has none of its descriptors.
    let mut child = sandbox
        .command("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("cat");
    let mut other = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("sleep");
    drop(child.stdin.take());
    let ended = child.wait_timeout(Duration::from_secs(10)).expect("wait");
    other.kill().expect("kill");
    other.wait().expect("wait");
    assert!(ended.expect("its input is closed").success());
    assert!(within(Duration::from_secs(1), || children().is_empty()));
}
