//! From the spawn of `/bin/true` to its end.

use crate::contender::Contender;
use cofferdam::Sandbox;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub fn contenders() -> Vec<Contender> {
    let mut all = vec![Contender::new("std::process::Command", || {
        succeeds(Command::new("/bin/true"))
    })];
    let sandbox = Sandbox::builder()
        .build()
        .expect("the default sandbox can be built here");
    let view = view();
    if succeeds(bubblewrap(&view)) {
        all.push(Contender::new("bubblewrap, same view", move || {
            succeeds(bubblewrap(&view))
        }));
    } else {
        println!("bubblewrap cannot run here (package bubblewrap): no ratios to it");
    }
    all.push(Contender::new("cofferdam, sandbox built each time", || {
        let sandbox = Sandbox::builder()
            .build()
            .expect("it could be built before");
        sandbox
            .command("/bin/true")
            .status()
            .is_ok_and(|status| status.success())
    }));
    all.push(Contender::new("cofferdam, one sandbox", move || {
        sandbox
            .command("/bin/true")
            .status()
            .is_ok_and(|status| status.success())
    }));
    match cli() {
        Some(cli) => all.push(Contender::new("cofferdam run -- /bin/true", move || {
            let mut command = Command::new(&cli);
            command.args(["run", "--", "/bin/true"]);
            succeeds(command)
        })),
        None => {
            println!("no `cofferdam` beside this program: build it with --release -p cofferdam-cli")
        }
    }
    all
}

fn succeeds(mut command: Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// bubblewrap's arguments for the same view: the binds, links and file systems of the default
/// sandbox, taken from its plan, so that both do the same work.
fn view() -> Vec<String> {
    let sandbox = Sandbox::builder()
        .build()
        .expect("the default sandbox can be built here");
    let plan = sandbox.plan().to_string();
    let mut arguments: Vec<String> = [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]
    .map(String::from)
    .into();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(ToString::to_string));
    for tree in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = PathBuf::from("/").join(tree);
        if let Ok(target) = std::fs::read_link(&path) {
            add(&[
                "--symlink",
                &target.to_string_lossy(),
                &path.to_string_lossy(),
            ]);
        }
    }
    for line in plan.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, "bind", source, "on", target, ..] = words[..] {
            add(&["--ro-bind", source, target.trim_end_matches(',')]);
        }
    }
    add(&[
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm",
    ]);
    arguments
}

fn bubblewrap(view: &[String]) -> Command {
    let mut command = Command::new("bwrap");
    command.args(view).args(["--", "/bin/true"]);
    command
}

/// The `cofferdam` program beside this one.
fn cli() -> Option<PathBuf> {
    let cli = std::env::current_exe().ok()?.with_file_name("cofferdam");
    cli.exists().then_some(cli)
}
