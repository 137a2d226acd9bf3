//! A test in a process of its own, whose files that stay are in a temporary directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Set in that process: the temporary directory.
const STATE: &str = "COFFERDAM_TEST_STATE";

/// The directory, if this is the process of its own.
pub fn state() -> Option<PathBuf> {
    std::env::var_os(STATE).map(PathBuf::from)
}

/// Runs `test` in a process of its own: this test program again, with the test of this name alone.
/// What Cofferdam keeps for good there is in a directory that is removed: an ordinary user's by the
/// variables of the XDG specification, root's by mounts that no other process sees. `test` gets a
/// directory beside it.
pub fn run(name: &str, test: impl FnOnce(&Path)) {
    if let Some(state) = state() {
        test(&state.join("test"));
        return;
    }
    let held = held();
    let output = command(name, held.path()).output().expect("this program");
    passed(&output);
}

/// A directory for [`command`].
pub fn held() -> TempDir {
    let held = tempfile::tempdir().expect("a directory");
    for name in ["test", "state", "cache"] {
        std::fs::create_dir(held.path().join(name)).expect("a directory");
    }
    held
}

/// The command behind [`run`], of which several can share one directory.
pub fn command(name: &str, held: &Path) -> Command {
    let exe = std::env::current_exe().expect("this program");
    let held = held.canonicalize().expect("a path");
    let mut command;
    if is_root() {
        command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg(
                "mount --bind \"$COFFERDAM_TEST_STATE/state\" /var/lib &&
                 mount --bind \"$COFFERDAM_TEST_STATE/cache\" /var/cache && exec \"$0\" \"$@\"",
            )
            .arg(exe);
    } else {
        command = Command::new(exe);
        command.env("XDG_STATE_HOME", held.join("state"));
        command.env("XDG_CACHE_HOME", held.join("cache"));
    }
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(STATE, held);
    command
}

/// Fails as that process did.
pub fn passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "there is no test of that name");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("/proc/self").uid() == 0
}
