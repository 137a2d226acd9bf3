//! The hosts: programs that embed the library, each in a process of its own.

use crate::evidence::Evidence;
use crate::inside;
use crate::shape::{self, Ground, Kind, PROGRAM, Shape, Tree};
use crate::tracer::{BEGIN, END};
use cofferdam::{Child, Sandbox, Session, Stdio};
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, Instant};

/// How a part of the work failed; what the error says.
type Failed = (&'static str, String);

/// What a host says on its standard output, a word and a text in each line.
pub fn say(what: &str, text: impl Display) {
    println!("{what} {}", text.to_string().replace('\n', " | "));
}

/// A host of which one call fails: it puts everything up, runs the program, takes what it wrote, and ends all.
pub fn calls(shape: &Shape, base: &Path) {
    let ground = Ground::at(base);
    let places = ground.places();
    go();
    let before = Evidence::take(&places);
    let mut said = Vec::new();
    begin();
    let done = work(shape, &ground, &mut |what, text| said.push((what, text)));
    end();
    if let Err((part, text)) = done {
        said.push(("failed", format!("{part}: {text}")));
    }
    let base = base.display().to_string();
    said.iter()
        .for_each(|(what, text)| say(what, text.replace(&base, "/base")));
    // Directories on the host have a watcher, to which a socket is kept; and tokio, which the gate runs on, keeps a pair
    // for signals.
    let sockets = shape.limits || shape.tree == Tree::Disk || shape.rules;
    let kept = |name: &str| kept(name) || sockets && name.starts_with("socket:");
    let (left, waited) = before.left(&places, &kept);
    left.iter().for_each(|what| say("left", what));
    if waited {
        say("lingered", "");
    }
    say("over", "");
}

/// The descriptors that are kept for good: the library's init, `/dev/null`, and where the standard library takes random
/// numbers from if getrandom(2) gives none.
fn kept(name: &str) -> bool {
    name == "/dev/null" || name == "/dev/urandom" || name.contains("memfd:cofferdam-init")
}

/// One run of everything that a shape has. `tell` hears of the walls in force and of what was applied.
fn work(
    shape: &Shape,
    ground: &Ground,
    tell: &mut dyn FnMut(&'static str, String),
) -> Result<(), Failed> {
    let sandbox = shape::build(shape, ground).map_err(failed("build"))?;
    match shape.kind {
        Kind::OneShot => {
            if shape.second {
                // What is first need not run anything.
                drop(sandbox.start().map_err(failed("start"))?);
            }
            let command = sandbox.command(PROGRAM);
            ended(started(command)?, tell)
        }
        Kind::Session => {
            let session = sandbox.start().map_err(failed("start"))?;
            ended(started(session.command(PROGRAM))?, tell)?;
            applied(shape, session, tell)
        }
        Kind::Pool => {
            let one = NonZero::new(1).expect("one");
            let pool = sandbox.pool(one).map_err(failed("pool"))?;
            ended(started(pool.command(PROGRAM))?, tell)
        }
    }
}

fn failed<E: Display>(part: &'static str) -> impl FnOnce(E) -> Failed {
    move |error| (part, error.to_string())
}

/// The same with the sources, to which errors of reviews leave the kernel's answer.
fn whole<E: Error>(part: &'static str) -> impl FnOnce(E) -> Failed {
    move |error| {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        (part, text)
    }
}

fn started(mut command: cofferdam::Command) -> Result<Child, Failed> {
    let host = inside::namespaces();
    command.args(["--inside", &host, "2"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    command.spawn().map_err(failed("spawn"))
}

/// Hears what the program finds, and lets it end.
fn ended(mut child: Child, tell: &mut dyn FnMut(&'static str, String)) -> Result<(), Failed> {
    tell("enforcement", child.enforcement().to_string());
    let (groups, limits) = group(child.id());
    tell("groups", groups);
    limits.into_iter().for_each(|line| tell("walls", line));
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).map_err(failed("read"))? == 0 {
            break;
        }
        match line.trim() {
            "done" => break,
            line => tell("walls", line.to_owned()),
        }
    }
    let status = child.wait().map_err(failed("wait"))?;
    tell("status", status.to_string());
    Ok(())
}

/// The control groups of a process, and the limits that hold for it by those of ours.
fn group(pid: u32) -> (String, Vec<String>) {
    let read = || fs::read_to_string(format!("/proc/{pid}/cgroup"));
    let groups = read().or_else(|_| read()).unwrap_or_default();
    let mut lines = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        if !path.contains("/cofferdam/") {
            continue;
        }
        let mount = match controllers {
            "" => "unified".to_owned(),
            other => other.trim_start_matches("name=").to_owned(),
        };
        for place in [
            format!("/sys/fs/cgroup/{mount}{path}"),
            format!("/sys/fs/cgroup{path}"),
        ] {
            for file in [
                "memory.max",
                "memory.swap.max",
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
                "pids.max",
            ] {
                // The one that is made to fail may be this.
                let read = || fs::read_to_string(format!("{place}/{file}"));
                if let Ok(value) = read().or_else(|_| read()) {
                    lines.push(format!("group {controllers} {file} {}", value.trim()));
                }
            }
        }
    }
    (groups, lines)
}

/// Takes what a session's overlays hold.
fn applied(
    shape: &Shape,
    session: Session,
    tell: &mut dyn FnMut(&'static str, String),
) -> Result<(), Failed> {
    if shape.tree == Tree::Direct {
        session.end();
        return Ok(());
    }
    let changes = session.changes().map_err(whole("changes"))?;
    drop(session);
    for overlay in changes.overlays() {
        let applied = overlay.apply(|_| true).map_err(whole("apply"))?;
        match applied.is_complete() {
            true => tell("applied", applied.applied.to_string()),
            false => tell("failed", format!("apply: {applied:?}")),
        }
    }
    Ok(())
}

/// A host in whose plan one operation after another fails: nothing runs, nothing is left.
pub fn operations(shape: &Shape, base: &Path) {
    let ground = Ground::at(base);
    let places = ground.places();
    go();
    let mut walls = 0;
    // The control: without a fault the program runs and leaves its marks. It also makes what is made once.
    work(shape, &ground, &mut |what, _| {
        walls += usize::from(what == "walls")
    })
    .unwrap_or_else(|(part, text)| panic!("{part}: {text}"));
    assert!(walls > 20, "the control said nothing");
    let version = versions(&ground.tree);
    assert_eq!(
        version,
        [shape.version()],
        "the control wrote something else"
    );
    restore(&ground.tree);
    let sandbox = shape::build(shape, &ground).unwrap_or_else(|error| panic!("{error}"));
    let plan = sandbox.plan().to_string();
    let points = plan.lines().count() - 1;
    let before = Evidence::take(&places);
    for index in 0..points {
        let errno = [libc::EPERM, libc::EIO, libc::ENOSPC, libc::ENOSYS][index % 4];
        let failing = sandbox.danger_failing_at(index, errno);
        let failing = failing.unwrap_or_else(|error| panic!("{error}"));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let error = attempt(shape, &failing, writer);
        drop(failing);
        let error = error.expect_err("an operation failed, and the program was started");
        let wanted = format!("step {index} ");
        let answer = name(errno);
        assert!(
            error.contains(&wanted) && error.contains(answer),
            "neither {wanted:?} nor {answer} in: {error}"
        );
        let mut mark = String::new();
        // Nobody has the other end any more: the program never had it, or has ended.
        { reader }.read_to_string(&mut mark).expect("a pipe");
        assert_eq!(
            mark, "",
            "the program ran although operation {index} failed"
        );
        assert_eq!(versions(&ground.tree), [1], "after a fault at {index}");
        let (left, _) = before.left(&places, &|_| false);
        assert!(left.is_empty(), "after a fault at {index}: {left:?}");
    }
    say("points", points);
    drop(sandbox);
    say("over", "");
}

/// Starts the program of a shape; what the error says.
fn attempt(shape: &Shape, sandbox: &Sandbox, mark: std::io::PipeWriter) -> Result<(), String> {
    let text = |error: &dyn Display| error.to_string();
    let mark = std::os::fd::OwnedFd::from(mark);
    let run = |mut command: cofferdam::Command| {
        command.args(["--inside", "", "2"]).stdin(Stdio::null());
        command.stdout(Stdio::from(mark.try_clone().expect("a copy")));
        command.status().map(drop).map_err(|error| text(&error))
    };
    match shape.kind {
        Kind::OneShot => run(sandbox.command(PROGRAM)),
        Kind::Session => {
            let session = sandbox.start().map_err(|error| text(&error))?;
            run(session.command(PROGRAM))
        }
        Kind::Pool => {
            let one = NonZero::new(1).expect("one");
            let pool = sandbox.pool(one).map_err(|error| text(&error))?;
            run(pool.command(PROGRAM))
        }
    }
}

/// How errors name an error number.
pub fn name(errno: i32) -> &'static str {
    match errno {
        libc::EPERM => "EPERM",
        libc::EIO => "EIO",
        libc::ENOSPC => "ENOSPC",
        libc::ENOSYS => "ENOSYS",
        libc::EINTR => "EINTR",
        libc::ENOMEM => "ENOMEM",
        libc::EMFILE => "EMFILE",
        libc::EACCES => "EACCES",
        libc::EAGAIN => "EAGAIN",
        libc::EINVAL => "EINVAL",
        libc::EBUSY => "EBUSY",
        other => panic!("{other} has no name here"),
    }
}

/// The versions that the files of the tree have, each file being whole.
pub fn versions(tree: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    for number in 0..inside::NAMES {
        let file = fs::read(tree.join(inside::name(number))).expect("a file of the tree");
        let first = file.get(5..15).map(String::from_utf8_lossy);
        let version = first.and_then(|text| text.parse().ok()).unwrap_or(0);
        assert!(
            file == inside::content(number, version),
            "{} is of no version: {} bytes, {version}",
            inside::name(number),
            file.len()
        );
        found.push(version);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Makes the tree anew, in its first version: with a repository, whose hooks are to be protected, and settings of an
/// editor.
pub fn restore(tree: &Path) {
    for directory in [".git/hooks", ".git/objects", ".git/refs", ".vscode"] {
        fs::create_dir_all(tree.join(directory)).expect("a directory");
    }
    for (file, text) in [
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/config", "[core]\n\tbare = false\n"),
        (".vscode/tasks.json", "{}\n"),
    ] {
        fs::write(tree.join(file), text).expect("a file");
    }
    for number in 0..inside::NAMES {
        fs::write(tree.join(inside::name(number)), inside::content(number, 1)).expect("a file");
    }
}

/// Waits until whoever started this host has made ready.
pub fn go() {
    let read = std::io::stdin().read(&mut [0; 1]);
    assert_eq!(read.expect("a pipe"), 1);
    // With its first thread, libc takes a handler for a signal of its own.
    std::thread::spawn(|| ()).join().expect("a thread");
    // One that was joined is still listed for a moment.
    let threads = || fs::read_dir("/proc/self/task").expect("threads").count();
    let until = Instant::now() + Duration::from_secs(10);
    while threads() > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn begin() {
    // Whatever is said from here on is there also when the host is killed: standard output is written line by line.
    // SAFETY: raise(3) touches no memory.
    unsafe { libc::raise(BEGIN) };
}

pub fn end() {
    // SAFETY: the kernel does not know the option, so it touches no memory.
    unsafe { libc::prctl(END, 0, 0, 0, 0) };
}
