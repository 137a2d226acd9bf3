//! `cofferdam run --learn`.

use crate::args::RunArguments;
use crate::compose;
use crate::failure::RunFailure;
use crate::signals::Signals;
use crate::{exit, hint, run, text};
use cofferdam::learn::{LearnError, Learned, Learner, Learning};
use cofferdam::{Child, ExitStatus, SpawnError};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LearnFailure {
    #[error("nothing was run: {0}")]
    Learn(#[from] LearnError),
    #[error("nothing was run: {} is there already; choose another name, or add --force to replace it", .0.display())]
    Exists(PathBuf),
    #[error("nothing was run: {} cannot be written: {}; choose another place", .0.display(), .1)]
    Unwritable(PathBuf, #[source] io::Error),
    #[error("the program ran, and what was learned cannot be written to {}: {}", .0.display(), .1)]
    Write(PathBuf, #[source] io::Error),
    #[error("--env {0:?} is not UTF-8, which a policy cannot hold; leave it out")]
    Variable(OsString),
}

/// Dangerous things that are named on the terminal.
const LISTED: usize = 10;

/// Runs the command with what it uses being heard of, and writes the policy.
pub(crate) fn learn(arguments: &RunArguments, file: &Path) -> Result<u8, RunFailure> {
    let composed = compose::compose(&arguments.policy)?;
    if let Some((name, _)) = composed.variables.into_iter().next() {
        return Err(LearnFailure::Variable(name).into());
    }
    let policy = composed.policy;
    let here = std::env::current_dir().map_err(compose::ComposeError::CurrentDirectory)?;
    let workspace = policy.filesystem.workspace.unwrap_or(here.clone());
    let file = here.join(file);
    check(&file, arguments.learning.force)?;
    let learner = Learner::new(workspace).environment(policy.environment);
    // What cannot be learned is said before anything else.
    let mut learning = learner.clone().build().map_err(LearnFailure::Learn)?;
    text::note(
        "cofferdam: learning: this run uses and changes your files as one without a sandbox does; nothing leaves \
         this machine\n",
    );
    let signals = Signals::catch().map_err(RunFailure::Signals)?;
    let mut tries = 0;
    let (child, status) = loop {
        tries += 1;
        match attempt(&learning, arguments, &signals) {
            // Files of the host that were to be hidden can have gone meanwhile.
            Err(RunFailure::Spawn { error, .. }) if tries < TRIES && !is_of_program(&error) => {
                learning = learner.clone().build().map_err(LearnFailure::Learn)?;
            }
            done => break done?,
        }
    };
    signals.release();
    if arguments.report.enforcement {
        text::note(&text::escape_lines(child.enforcement()));
    }
    if arguments.report.usage {
        text::note(&crate::afterwards::usage(
            &status,
            &cofferdam::Usage::default(),
        ));
    }
    drop(child);
    let observations = learning.observations();
    let learned = observations.learn(&arguments.command);
    write(&file, &learned.text, arguments.learning.force)?;
    let files = observations.files.len();
    let programs = observations.programs().count();
    tell(&file, files, programs, &learned);
    Ok(exit::of_status(&status))
}

/// How often the host's files are looked at, where they change meanwhile.
const TRIES: usize = 5;

/// Runs the command once.
fn attempt(
    learning: &Learning,
    arguments: &RunArguments,
    signals: &Signals,
) -> Result<(Child, ExitStatus), RunFailure> {
    let sandbox = learning.sandbox();
    let (program, rest) = arguments
        .command
        .split_first()
        .ok_or(RunFailure::NoCommand)?;
    let mut command = sandbox.command(program);
    command.args(rest);
    let spawn = |command: &mut cofferdam::Command| {
        command.spawn().map_err(|error| {
            let mut hints = hint::for_spawn(&error, sandbox.policy());
            if is_root() {
                hints.push(
                    "learn as an ordinary user: for root every file system here has to be id-mapped".into(),
                );
            }
            RunFailure::Spawn { hints, error }
        })
    };
    run::beside(spawn, &mut command, signals)
}

/// Whether the program could not be started, and not the sandbox put up.
fn is_of_program(error: &SpawnError) -> bool {
    matches!(
        error,
        SpawnError::NotFound { .. } | SpawnError::NotExecutable { .. } | SpawnError::Nul { .. }
    )
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

/// Whether the policy can be written: better said before the run.
fn check(file: &Path, force: bool) -> Result<(), LearnFailure> {
    match file.symlink_metadata() {
        Ok(_) if !force => return Err(LearnFailure::Exists(file.to_owned())),
        Ok(data) if data.is_file() => return Ok(()),
        Ok(_) => {
            let error = io::Error::other("it is no file of its own");
            return Err(LearnFailure::Unwritable(file.to_owned(), error));
        }
        Err(_) => {}
    }
    let directory = file.parent().unwrap_or(Path::new("/"));
    let place = tempfile_in(directory);
    place.map_err(|error| LearnFailure::Unwritable(file.to_owned(), error))
}

/// Makes a file there and removes it.
fn tempfile_in(directory: &Path) -> io::Result<()> {
    let name = directory.join(format!(".cofferdam-learn-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&name)?;
    std::fs::remove_file(name)
}

/// Writes the whole file or nothing. The program may have put anything in its place meanwhile.
fn write(file: &Path, text: &str, force: bool) -> Result<(), LearnFailure> {
    let failed = |error| LearnFailure::Write(file.to_owned(), error);
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let made = OpenOptions::new().write(true).create_new(true).open(&new);
    let mut made = made.map_err(failed)?;
    let written = made
        .write_all(text.as_bytes())
        .and_then(|()| made.sync_all());
    let moved = written.and_then(|()| match force {
        true => std::fs::rename(&new, file),
        // A link, unlike a renaming, never replaces; nor does a new file, where there are no links.
        false => match std::fs::hard_link(&new, file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let mut made = OpenOptions::new().write(true).create_new(true).open(file)?;
                made.write_all(text.as_bytes())
            }
            done => done,
        },
    });
    if !(force && moved.is_ok()) {
        let _ = std::fs::remove_file(&new);
    }
    moved.map_err(failed)
}

fn tell(file: &Path, files: usize, programs: usize, learned: &Learned) {
    let name = text::escape(file.display());
    text::note(&format!(
        "cofferdam: learned from {} and {}: {} and {} beside the workspace, in {name}\n",
        count(files, "file"),
        count(programs, "program"),
        count(learned.paths, "path"),
        count(learned.hosts, "host"),
    ));
    for what in learned.dangerous.iter().take(LISTED) {
        text::note(&format!(
            "  not given, as it is dangerous: {}\n",
            text::escape(what)
        ));
    }
    if learned.dangerous.len() > LISTED {
        let more = learned.dangerous.len() - LISTED;
        text::note(&format!("  and {more} more; the reasons are in the file\n"));
    }
    text::note(&format!(
        "  read it, then: cofferdam run --policy {name} -- COMMAND\n"
    ));
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}
