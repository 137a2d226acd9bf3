//! What these tests share: sandboxes, and evidence from the host's side.

use cofferdam::{Command, Sandbox};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, process, thread};

/// The default policy on this host.
pub fn sandbox() -> Sandbox {
    Sandbox::builder().build().expect("the default policy")
}

/// The default policy with a workspace.
pub fn with_workspace(workspace: &Path) -> Sandbox {
    let builder = Sandbox::builder().workspace(workspace);
    builder.build().expect("a workspace")
}

/// A script for the shell inside.
pub fn sh(sandbox: &Sandbox, script: &str) -> Command {
    let mut command = sandbox.command("sh");
    command.args(["-c", script]);
    command
}

/// What a script writes to standard output, as text without the last line break.
pub fn says(sandbox: &Sandbox, script: &str) -> String {
    let output = sh(sandbox, script).output().expect("the shell runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim_end().to_owned()
}

/// A number that is sleepable, and in no other command line of this machine.
pub fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("9{:07}.{next:04}", process::id())
}

/// The processes of the host whose command line holds the text.
pub fn processes_with(text: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").expect("/proc");
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(text.len()).any(|part| part == text.as_bytes())
        })
        .collect()
}

/// All that descends from a process of the host, zombies too.
pub fn descendants(pid: u32) -> usize {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let children =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let count = |text: String| {
        let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.map(|pid| 1 + descendants(pid)).sum::<usize>()
    };
    children.map(count).sum()
}

/// SIGKILL from the host's side.
pub fn kill_from_outside(pid: u32) {
    let killed = process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.expect("kill(1)").success());
}

/// Waits for a condition; false when it does not come within the time.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether this test runs as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").expect("/proc/self").uid() == 0
}

/// Says what this host lacks; a failure where everything is expected of it.
pub fn lacks(what: &str) {
    println!("this host lacks: {what}");
    let expected = std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(
        !expected,
        "COFFERDAM_EXPECT=full, and this host lacks {what}"
    );
}
