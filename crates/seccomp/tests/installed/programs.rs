//! Real programs under the strict profile. What runs under the general one, in whole sandboxes:
//! `tests/compatibility` of the workspace.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::{env, fs};

use crate::start;

/// Where a program is, if it can be run.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| {
            let mode = fs::metadata(file).map(|meta| {
                use std::os::unix::fs::PermissionsExt;
                meta.is_file() && meta.permissions().mode() & 0o111 != 0
            });
            mode.unwrap_or(false)
        })
}

/// Whether all these programs are here; what is not is named, and an error where all is expected.
fn all_here(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| find(program).is_none())
        .collect();
    if missing.is_empty() {
        return true;
    }
    println!("missing on this host: {}", missing.join(", "));
    let full = env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(!full, "missing: {}", missing.join(", "));
    false
}

/// Runs a shell script under a profile in a fresh folder and compares what it prints.
#[track_caller]
fn script(profile: &str, needs: &[&str], script: &str, expected: &str) {
    if !all_here(needs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |profile: &str| run_in(folder.path(), profile, &["sh", "-ec", script]);
    let confined = run(profile);
    let out = String::from_utf8_lossy(&confined.stdout).into_owned();
    let err = String::from_utf8_lossy(&confined.stderr).into_owned();
    assert!(
        confined.status.success() && out.trim_end() == expected,
        "{needs:?} under {profile}: {}\n{out}{err}",
        confined.status
    );
}

fn run_in(folder: &Path, profile: &str, command: &[&str]) -> Output {
    let mut child = start(profile, "exec", command);
    child
        .current_dir(folder)
        .env("HOME", folder)
        .env("TMPDIR", folder);
    child.output().unwrap()
}

pub(crate) fn programs_under_strict() {
    let strict =
        |needs: &[&str], text: &str, expected: &str| script("strict", needs, text, expected);
    strict(
        &["sh", "cat", "ls", "sort", "cp", "mv", "rm", "mkdir", "find"],
        "echo b > x; cp x y; mkdir d; mv y d; cat x d/y | sort; ls; find . -name y; rm -r d; ls",
        "b\nb\nd\nx\n./d/y\nx",
    );
    // The terminal is made outside, as by a supervisor: strict opens no new ones.
    let text = format!(
        "script -qec \"'{}' --child strict exec bash -ic 'sleep 5 & kill %1; wait %1; echo \\$?; \
         echo done'\" /dev/null | tr -d '\\r' | grep -E '^(143|done)$'",
        env::current_exe().unwrap().display()
    );
    script("none", &["bash", "script"], &text, "143\ndone");
    strict(
        &["python3"],
        r#"python3 - <<'END'
import concurrent.futures, json, os, subprocess, shutil, socket
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(abs, range(-5, 1))))
print(subprocess.check_output(["echo", "sub"], text=True).strip())
open("a", "w").write("x"); shutil.copy("a", "b"); print(open("b").read())
a, b = socket.socketpair(); a.send(b"pair"); print(b.recv(4).decode())
try:
    socket.socket()
except PermissionError:
    print("refused")
END"#,
        "15\nsub\nx\npair\nrefused",
    );
    strict(
        &["gcc"],
        "printf '#include <stdio.h>\\nint main(void){puts(\"c\");}' > a.c; \
         gcc -O2 -o a a.c; ./a; gcc -static -o s a.c; ./s",
        "c\nc",
    );
}
