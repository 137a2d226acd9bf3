//! Asking a client about its own defaults.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a client may take. Some reach their index once, over a slow line; a person waits for it.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// The most of an answer that is read: the longest (pip's report) has some kilobytes.
const MOST: u64 = 4 << 20;

/// How often a client that has closed its output is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Runs a client of this host and gives what it writes to standard output.
pub(super) fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        // A project's own settings are in the current directory; they do not count.
        .current_dir("/")
        // Local files must not hide what the index says.
        .env_remove("PIP_FIND_LINKS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut text = String::new();
        let read = output.take(MOST).read_to_string(&mut text);
        // Nobody waits any more after the deadline.
        let _ = sender.send(read.map(|_| text));
    });
    let end = Instant::now() + DEADLINE;
    let text = reader
        .ok()
        .and_then(|_| receiver.recv_timeout(DEADLINE).ok());
    let done = ended(&mut child, end);
    text?.ok().filter(|_| done)
}

/// Whether a program of this name is in `PATH`.
pub(super) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| {
        let data = directory.join(program).metadata();
        data.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

/// Waits for the end; kills the client where it does not come. Whether it was a success.
fn ended(child: &mut Child, end: Instant) -> bool {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => std::thread::sleep(INTERVAL),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
