//! Programs of a working day, in a workspace: from their start to their end, in a live session and by themselves.

use super::{Line, Steady, turns};
use cofferdam::{Sandbox, Session, Stdio};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Files of the tree.
const DIRECTORIES: usize = 200;
const FILES: usize = 100;

/// Programs with their arguments; the first word of the key names the one that must be there.
const PROGRAMS: [(&str, &str, &[&str]); 4] = [
    ("git", "git status, 20,000 files", &["status", "--short"]),
    (
        "python3",
        "Python, imports",
        &[
            "-I",
            "-B",
            "-c",
            "import asyncio, decimal, email, http.client, json, ssl, unittest, xml.etree.ElementTree",
        ],
    ),
    (
        "gcc",
        "gcc, a file of 100 functions",
        &["-O1", "-c", "source.c", "-o", "source.o"],
    ),
    ("grep", "grep -r, 20,000 files", &["-r", "needle", "tree"]),
];

/// What both sides have.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub fn measure(steady: &mut Steady, rounds: usize) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let workspace = directory.path().join("workspace");
    make(&workspace).map_err(|error| format!("the tree: {error}"))?;
    let sandbox = Sandbox::builder().workspace(&workspace).build();
    let session = sandbox.map_err(|error| error.to_string())?.start();
    let session = session.map_err(|error| error.to_string())?;
    let rounds = (rounds / 10).max(3);
    for (key, what, arguments) in PROGRAMS {
        let both = || {
            let program = find(key)?;
            let outside = &mut || outside(&program, arguments, &workspace);
            let inside = &mut || inside(&session, &program, arguments, &workspace);
            turns(rounds, outside, inside)
        };
        match both() {
            Ok((outside, inside)) => steady.lines.push(Line {
                key,
                what: what.to_owned(),
                outside,
                inside,
            }),
            Err(why) => steady.absent.push((key, why)),
        }
    }
    Ok(())
}

/// Where a program is that both sides can start.
fn find(name: &str) -> Result<PathBuf, String> {
    let mut all = PATH
        .split(':')
        .map(|directory| Path::new(directory).join(name));
    all.find(|path| path.is_file())
        .ok_or_else(|| format!("no {name} in {PATH}"))
}

fn outside(program: &Path, arguments: &[&str], workspace: &Path) -> Result<Duration, String> {
    let null = std::process::Stdio::null;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(workspace)
        .env_clear()
        .envs([
            ("PATH", PATH),
            ("HOME", "/nonexistent"),
            ("LANG", "C.UTF-8"),
        ])
        .stdin(null())
        .stdout(null())
        .stderr(null())
        .status();
    let time = start.elapsed();
    match status {
        Ok(status) if status.success() => Ok(time),
        Ok(status) => Err(format!("{} outside: {status}", program.display())),
        Err(error) => Err(error.to_string()),
    }
}

fn inside(
    session: &Session,
    program: &Path,
    arguments: &[&str],
    workspace: &Path,
) -> Result<Duration, String> {
    let start = Instant::now();
    let mut command = session.command(program);
    let command = command.args(arguments).current_dir(workspace);
    let command = command.env("LANG", "C.UTF-8").stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let time = start.elapsed();
    match status {
        Ok(status) if status.success() => Ok(time),
        Ok(status) => Err(format!("{} inside: {status:?}", program.display())),
        Err(error) => Err(error.to_string()),
    }
}

/// A repository with everything committed, and a source beside it.
fn make(workspace: &Path) -> std::io::Result<()> {
    for directory in 0..DIRECTORIES {
        let path = workspace.join(format!("tree/{directory}"));
        std::fs::create_dir_all(&path)?;
        for file in 0..FILES {
            let text = format!("line of {directory} and {file}\n").repeat(10);
            std::fs::write(path.join(format!("{file}.txt")), text)?;
        }
    }
    std::fs::write(workspace.join("tree/0/0.txt"), "a needle\n")?;
    let mut source = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n".to_owned();
    for number in 0..100 {
        source += &format!(
            "int f{number}(int n) {{ char t[64]; int s = 0; for (int i = 0; i < n; i++) {{ \
             snprintf(t, sizeof t, \"%d\", i * {number}); s += (int)strlen(t) + atoi(t); }} return s; }}\n"
        );
    }
    std::fs::write(workspace.join("source.c"), source)?;
    std::fs::write(workspace.join(".gitignore"), "source.*\n")?;
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(workspace);
        command.args([
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@example.com",
        ]);
        command.args(["-c", "gc.auto=0"]).args(arguments);
        let null = std::process::Stdio::null;
        let status = command.stdout(null()).stderr(null()).status();
        status.is_ok_and(|status| status.success())
    };
    // Without git nothing else needs a repository.
    let _ = git(&["init"]) && git(&["add", "."]) && git(&["commit", "-m", "all"]);
    Ok(())
}
