//! Exit codes.

use crate::failure::RunFailure;
use crate::text;
use clap::error::ErrorKind;
use cofferdam::{ExitStatus, SpawnError};
use std::process::ExitCode;

/// The program ran, and changes that were to be applied or kept were not.
pub(crate) const NOT_APPLIED: u8 = 122;
/// The program ran, and how it ended is not known.
pub(crate) const UNKNOWN_END: u8 = 123;
/// The time limit ended the program; as timeout(1).
pub(crate) const TIMED_OUT: u8 = 124;
/// The sandbox could not be put up, or the command line makes no sense: nothing ran.
pub(crate) const NOT_RUN: u8 = 125;
/// The program cannot be executed; as shells do.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The program does not exist inside; as shells do.
pub(crate) const NOT_FOUND: u8 = 127;

/// The code of a run, or what went wrong and its code.
pub(crate) fn of_run(ended: Result<u8, RunFailure>) -> ExitCode {
    match ended {
        Ok(code) => code.into(),
        Err(failure) => {
            text::complain(&failure, &failure.hints());
            failure.code().into()
        }
    }
}

/// The code for the end of a program.
pub(crate) fn of_status(status: &ExitStatus) -> u8 {
    if status.timed_out() {
        return TIMED_OUT;
    }
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        // Signals go up to 64 (signal(7)).
        (None, Some(signal)) => 128 + signal,
        (None, None) => return UNKNOWN_END,
    };
    u8::try_from(code).unwrap_or(UNKNOWN_END)
}

/// The code for a program that was not started.
pub(crate) fn of_spawn(error: &SpawnError) -> u8 {
    match error {
        SpawnError::NotFound { .. } => NOT_FOUND,
        SpawnError::NotExecutable { .. } => NOT_EXECUTABLE,
        _ => NOT_RUN,
    }
}

/// Prints clap's answer: the help, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return text::print(&error.render().to_string());
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        text::note(&error.render().to_string());
    } else {
        text::note(&text::escape_lines(error.render()));
    }
    NOT_RUN.into()
}
