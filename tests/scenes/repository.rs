//! Repositories made by git.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// git without any configuration of the host.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"]);
    command
}

/// Runs git; what it says.
pub fn git<S: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = S>) -> String {
    let output = command(directory).args(arguments).output().expect("git");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// A repository with one commit of one file.
pub fn make(directory: &Path) {
    std::fs::create_dir_all(directory).expect("a directory");
    git(directory, ["init", "-q", "-b", "main"]);
    std::fs::write(directory.join("file"), "one\n").expect("a file");
    git(directory, ["add", "."]);
    git(directory, ["commit", "-q", "-m", "one"]);
}
