//! `cofferdam run`.

use crate::args::RunArguments;
use crate::compose::{self, ComposeError};
use crate::signals::Signals;
use crate::terminal::{self, Terminal, WriteOnlyError};
use crate::{exit, hint, text};
use cofferdam::policy::format_duration;
use cofferdam::{
    BuildError, Bytes, Child, Command, ExitStatus, Sandbox, SignalError, SpawnError, WaitError,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, raise};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

/// Why a run has no exit code of its program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum RunFailure {
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error("{}", hint::not_built(.0))]
    Build(#[from] BuildError),
    #[error(transparent)]
    Terminal(#[from] WriteOnlyError),
    #[error("the signals of this process cannot be read: {0}")]
    Signals(#[source] Errno),
    #[error("{}", hint::not_started(.error))]
    Spawn {
        #[source]
        error: SpawnError,
        hints: Vec<String>,
    },
    #[error("the program ran, and its end is not known: {0}")]
    Wait(#[from] WaitError),
    #[error("the program ran, and its end cannot be awaited: {0}; it was killed")]
    Poll(#[source] Errno),
}

pub(crate) fn main(arguments: &RunArguments) -> ExitCode {
    match run(arguments) {
        Ok(status) => exit::of_status(&status).into(),
        Err(failure) => {
            text::complain(&failure, &failure.hints());
            failure.code().into()
        }
    }
}

fn run(arguments: &RunArguments) -> Result<ExitStatus, RunFailure> {
    let composed = compose::compose(&arguments.policy)?;
    let sandbox = Sandbox::builder().policy(composed.policy).build()?;
    let mut command = command(&sandbox, arguments);
    command.envs(composed.variables);
    terminal::withhold_keyboard(&mut command)?;
    let terminal = Terminal::save();
    // From here on a signal waits for the program to get it.
    let signals = Signals::catch().map_err(RunFailure::Signals)?;
    let mut child = command.spawn().map_err(|error| RunFailure::Spawn {
        hints: hint::for_spawn(&error, sandbox.policy()),
        error,
    })?;
    let ended = attend(&mut child, &signals);
    terminal.restore();
    let status = ended?;
    report(arguments, &child, &status);
    Ok(status)
}

fn command(sandbox: &Sandbox, arguments: &RunArguments) -> Command {
    let mut words = arguments.command.iter();
    let mut command = sandbox.command(words.next().map_or("".as_ref(), |word| word.as_os_str()));
    command.args(words);
    command
}

/// Waits for the end of the program and passes signals on to it. The second request to end kills.
fn attend(child: &mut Child, signals: &Signals) -> Result<ExitStatus, RunFailure> {
    let mut requests = 0;
    loop {
        let mut polled = [
            PollFd::new(child.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(RunFailure::Poll(errno)),
        }
        let [ended, _] = polled.map(|one| one.any().unwrap_or(false));
        if ended {
            return Ok(child.wait()?);
        }
        while let Some(signal) = signals.next().map_err(RunFailure::Poll)? {
            // A program that has ended just now needs no signal; its end is seen next.
            let _ = match signal {
                Signal::SIGINT | Signal::SIGTERM if requests > 0 => child.kill(),
                Signal::SIGTSTP => stop(child),
                _ => child.signal(signal as i32),
            };
            requests += usize::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
        }
    }
}

/// Stops the program and this process, until somebody has both go on.
fn stop(child: &Child) -> Result<(), SignalError> {
    if terminal::is_shared() {
        // What the program has started runs on, and would read what is typed to the shell.
        text::complain(
            "not stopped, since what runs inside shares this terminal",
            &[],
        );
        return Ok(());
    }
    // The default action of SIGTSTP does not stop a process of an orphaned group.
    child.signal(Signal::SIGSTOP as i32)?;
    let _ = raise(Signal::SIGSTOP);
    child.signal(Signal::SIGCONT as i32)
}

/// Tells of the run what was asked for.
fn report(arguments: &RunArguments, child: &Child, status: &ExitStatus) {
    if arguments.enforcement {
        text::note(&text::escape_lines(child.enforcement()));
    }
    if arguments.usage {
        text::note(&usage(status));
    }
    if status.oom_killed() {
        text::complain("the memory limit killed a process of the sandbox", &[]);
    }
}

fn usage(status: &ExitStatus) -> String {
    let usage = status.usage();
    let time = |time: Duration| format_duration(Duration::from_millis(time.as_millis() as u64));
    let size = |bytes: u64| Bytes::kib(bytes / 1024).to_string();
    let optional = |value: Option<String>| value.unwrap_or_else(|| "not measured".into());
    format!(
        "ended       {status}\n\
         wall clock  {}\n\
         user        {}\n\
         system      {}\n\
         largest     {}\n\
         memory      {}\n\
         processes   {}\n",
        time(usage.wall),
        time(usage.user),
        time(usage.system),
        size(usage.max_rss),
        optional(usage.peak_memory.map(size)),
        optional(usage.peak_processes.map(|count| count.to_string())),
    )
}

impl RunFailure {
    fn code(&self) -> u8 {
        match self {
            Self::Compose(_) | Self::Build(_) | Self::Terminal(_) | Self::Signals(_) => {
                exit::NOT_RUN
            }
            Self::Spawn { error, .. } => exit::of_spawn(error),
            Self::Wait(_) | Self::Poll(_) => exit::UNKNOWN_END,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Build(error) => hint::for_build(error),
            Self::Spawn { hints, .. } => hints.clone(),
            _ => Vec::new(),
        }
    }
}
