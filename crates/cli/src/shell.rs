//! `cofferdam shell`.

use crate::args::ShellArguments;
use crate::failure::RunFailure;
use crate::launch::{Launch, Place};
use crate::signals::Signals;
use crate::tty::{self, Termination};
use crate::{afterwards, exit};
use cofferdam::{Child, SpawnError};
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// What is tried where no shell is named.
const SHELLS: [&str; 2] = ["bash", "sh"];

/// What tells of the terminal and its reader. The policy usually passes them on.
const OF_TERMINAL: [&str; 3] = ["TERM", "COLORTERM", "LANG"];

pub(crate) fn main(arguments: &ShellArguments) -> ExitCode {
    exit::of_run(run(arguments))
}

fn run(arguments: &ShellArguments) -> Result<u8, RunFailure> {
    if !io::stdin().is_terminal() {
        return Err(RunFailure::NoTerminal("standard input"));
    }
    if !io::stdout().is_terminal() {
        return Err(RunFailure::NoTerminal("standard output"));
    }
    let launch = Launch::prepare(&arguments.policy, &arguments.review, &arguments.record)?;
    // From here on a signal waits for the program to get it.
    let signals = Signals::catch().map_err(RunFailure::Signals)?;
    let place = launch.start()?;
    let mut child = match arguments.command.split_first() {
        Some((program, rest)) => start(&launch, &place, program, rest)?,
        None => start_any(&launch, &place)?,
    };
    let status = tty::attend(&mut child, &signals, Termination::HangUp)?;
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

/// Starts the first of the usual shells that is inside.
fn start_any(launch: &Launch, place: &Place<'_>) -> Result<Child, RunFailure> {
    let mut last = RunFailure::NoCommand;
    for shell in SHELLS {
        last = match start(launch, place, shell.as_ref(), &[]) {
            Err(
                failure @ RunFailure::Spawn {
                    error: SpawnError::NotFound { .. },
                    ..
                },
            ) => failure,
            other => return other,
        };
    }
    Err(last)
}

fn start(
    launch: &Launch,
    place: &Place<'_>,
    program: &OsStr,
    rest: &[OsString],
) -> Result<Child, RunFailure> {
    let mut command = place.command(program);
    command.args(rest);
    for name in OF_TERMINAL {
        let inside = launch
            .sandbox
            .environment()
            .any(|(inside, _)| inside == name);
        if let Some(value) = std::env::var_os(name).filter(|_| !inside) {
            command.env(name, value);
        }
    }
    tty::prepare(&mut command, launch.sandbox.policy());
    place.spawn(&mut command)
}
