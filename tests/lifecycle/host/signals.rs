//! Hosts that do their own thing with signals and children.

use crate::report::{assert_unchanged, children, marker, processes_with, state, within};
use cofferdam::Sandbox;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

fn sandbox() -> Sandbox {
    Sandbox::builder().build().expect("the default policy")
}

/// Starts, ends, kills and fails a few commands, in a host that reaps them itself.
fn use_sandbox() {
    let sandbox = sandbox();
    let marker = marker();
    for code in 0..20 {
        let script = format!("(sleep {marker} &) ; exit {code}");
        let output = sandbox
            .command("sh")
            .args(["-c", &script])
            .output()
            .expect("the shell");
        assert_eq!(output.status.code(), Some(code));
        sandbox
            .command("no-such-program")
            .spawn()
            .expect_err("missing");
        let mut child = sandbox
            .command("sleep")
            .arg(&marker)
            .spawn()
            .expect("sleep");
        if code % 2 == 0 {
            child.kill().expect("kill");
            assert_eq!(child.wait().expect("wait").signal(), Some(9));
        }
    }
    let status = sandbox
        .command("sleep")
        .arg(&marker)
        .timeout(Duration::from_millis(50))
        .status();
    assert!(status.expect("sleep").timed_out());
    assert!(processes_with(&marker).is_empty());
    assert!(
        within(Duration::from_secs(2), || children().is_empty()),
        "{:?}",
        children()
    );
}

pub fn ignored_sigchld() {
    // SAFETY: SIG_IGN is no function of ours; nothing else in this process waits for children.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    use_sandbox();
}

pub fn reaper() {
    static STOP: AtomicBool = AtomicBool::new(false);
    static REAPED: AtomicU32 = AtomicU32::new(0);
    let thread = std::thread::spawn(|| {
        while !STOP.load(Ordering::Relaxed) {
            // SAFETY: waitpid(2) may be given a null pointer for the status.
            match unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } {
                -1 => std::thread::sleep(Duration::from_micros(50)),
                _ => drop(REAPED.fetch_add(1, Ordering::Relaxed)),
            }
        }
    });
    use_sandbox();
    STOP.store(true, Ordering::Relaxed);
    thread.join().expect("the reaper");
    println!(
        "{} children were reaped by the host's own thread",
        REAPED.load(Ordering::Relaxed)
    );
}

static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_: libc::c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

pub fn handlers() {
    // SAFETY: the handler does nothing but add to an atomic; both sets are plain data that
    // sigemptyset(3) and sigaddset(3) initialise.
    unsafe {
        libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t);
        libc::signal(libc::SIGALRM, handler as *const () as libc::sighandler_t);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR2);
        libc::sigaddset(&raw mut set, libc::SIGWINCH);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        // A signal a millisecond, for EINTR everywhere.
        let every = libc::timeval {
            tv_sec: 0,
            tv_usec: 1000,
        };
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
    let before = state();
    let sandbox = sandbox();
    for _ in 0..50 {
        let output = sandbox
            .command("cat")
            .arg("/proc/self/status")
            .output()
            .expect("cat");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
        assert!(text.contains("SigIgn:\t0000000000000000"), "{text}");
        let status = sandbox
            .command("sleep")
            .arg("0.01")
            .status()
            .expect("sleep");
        assert!(status.success(), "{status}");
    }
    let limit = Duration::from_millis(60);
    let mut child = sandbox.command("sleep").arg("1000").spawn().expect("sleep");
    let start = std::time::Instant::now();
    assert!(child.wait_timeout(limit).expect("wait").is_none());
    assert!(
        start.elapsed() >= limit,
        "a signal cut the wait short: {:?}",
        start.elapsed()
    );
    drop(child);
    // SAFETY: setitimer(2) reads one itimerval.
    unsafe {
        let off: libc::itimerval = std::mem::zeroed();
        libc::setitimer(libc::ITIMER_REAL, &raw const off, std::ptr::null_mut());
    }
    assert_unchanged(&before, &state());
    let calls = CALLS.load(Ordering::Relaxed);
    assert!(calls > 50, "the handler was called {calls} times only");
    println!("{calls} signals were handled meanwhile");
}
