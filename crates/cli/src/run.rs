//! `cofferdam run`.

use crate::args::RunArguments;
use crate::failure::RunFailure;
use crate::launch::{Launch, Place};
use crate::signals::Signals;
use crate::terminal::{self, Terminal};
use crate::tty::{self, Termination};
use crate::{afterwards, exit, learn, text};
use cofferdam::{Child, Command, ExitStatus, SignalError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, raise};
use std::os::fd::AsFd;
use std::process::ExitCode;

pub(crate) fn main(arguments: &RunArguments) -> ExitCode {
    exit::of_run(run(arguments))
}

fn run(arguments: &RunArguments) -> Result<u8, RunFailure> {
    if let Some(file) = &arguments.learning.learn {
        return learn::learn(arguments, file);
    }
    let launch = Launch::prepare(&arguments.policy, &arguments.review, &arguments.record)?;
    let words = launch.words(&arguments.command)?;
    // From here on a signal waits for the program to get it.
    let signals = Signals::catch().map_err(RunFailure::Signals)?;
    let place = launch.start()?;
    let (program, rest) = words.split_first().ok_or(RunFailure::NoCommand)?;
    let mut command = place.command(program);
    command.args(rest);
    let (child, status) = match arguments.tty {
        true => {
            tty::prepare(&mut command, launch.sandbox.policy());
            on_terminal(&place, &mut command, &signals)?
        }
        false => beside(|command| place.spawn(command), &mut command, &signals)?,
    };
    signals.release();
    afterwards::finish(
        &launch,
        place,
        afterwards::Wanted {
            report: arguments.report,
            review: &arguments.review,
        },
        (&child, &status),
    )
}

/// Runs it on a terminal of its own.
fn on_terminal(
    place: &Place<'_>,
    command: &mut Command,
    signals: &Signals,
) -> Result<(Child, ExitStatus), RunFailure> {
    let mut child = place.spawn(command)?;
    let status = tty::attend(&mut child, signals, Termination::Signal)?;
    Ok((child, status))
}

/// Runs it with this process's standard streams.
pub(crate) fn beside(
    spawn: impl FnOnce(&mut Command) -> Result<Child, RunFailure>,
    command: &mut Command,
    signals: &Signals,
) -> Result<(Child, ExitStatus), RunFailure> {
    terminal::withhold_keyboard(command)?;
    let terminal = Terminal::save();
    let mut child = spawn(command)?;
    let ended = attend(&mut child, signals);
    terminal.restore();
    Ok((child, ended?))
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
            &["--tty gives it one of its own".into()],
        );
        return Ok(());
    }
    // The default action of SIGTSTP does not stop a process of an orphaned group.
    child.signal(Signal::SIGSTOP as i32)?;
    let _ = raise(Signal::SIGSTOP);
    child.signal(Signal::SIGCONT as i32)
}
