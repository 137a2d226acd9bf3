//! Small systems for other roots than the host's: a shell and some programs, with what they load.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: &[&str] = &[
    "sh", "cat", "ls", "id", "env", "touch", "mkdir", "sleep", "stat",
];

/// Makes a system in a directory; `programs` are put beside the usual ones in `/usr/bin`.
pub fn make(root: &Path, programs: &[&Path]) {
    for directory in [
        "usr/bin", "etc", "proc", "dev", "tmp", "home", "root", "srv",
    ] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    symlink("usr/bin", root.join("bin")).expect("a link");
    let usual = PROGRAMS.iter().map(|name| Path::new("/usr/bin").join(name));
    let programs = usual.chain(programs.iter().map(|path| path.to_path_buf()));
    let mut libraries = BTreeSet::new();
    for program in programs {
        let name = program.file_name().expect("a name");
        copy(&program, &root.join("usr/bin").join(name));
        libraries.extend(loaded(&program));
    }
    for library in libraries {
        let to = root.join(library.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
        copy(&library, &to);
    }
    fs::write(root.join("etc/name"), "another system\n").expect("a file");
}

/// Another process does it: were the copy open for writing here, a process that another thread
/// starts would have it open as well, and the kernel would not execute it (`ETXTBSY`).
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-L").args([from, to]).status();
    assert!(status.expect("cp").success(), "{}", from.display());
}

/// What the loader takes in.
fn loaded(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.split_whitespace();
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}
