//! Why a run has no exit code of its program.

use crate::compose::ComposeError;
use crate::learn::LearnFailure;
use crate::records::RecordError;
use crate::terminal::WriteOnlyError;
use crate::{exit, hint};
use cofferdam::learn::LearnError;
use cofferdam::{BuildError, ChangesError, SnapshotError, SpawnError, WaitError};
use nix::errno::Errno;
use std::io;

/// Why a run has no exit code of its program, or another than that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunFailure {
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(
        "no command is named, and no image that names one; write the command and its arguments after `--`"
    )]
    NoCommand,
    #[error("the image names no command; write one and its arguments after `--`")]
    NoEntrypoint,
    #[error(
        "a shell needs a terminal, and {0} is none; for a command without one there is \
         `cofferdam run -- COMMAND`, and `cofferdam run --tty` gives it a terminal all the same"
    )]
    NoTerminal(&'static str),
    #[error(transparent)]
    Learn(#[from] LearnFailure),
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
    #[error("nothing was run: {0}")]
    Record(#[from] RecordError),
    #[error("nothing was run: {0}")]
    Snapshot(#[source] SnapshotError),
    #[error("nothing was run: there is a snapshot {0:?} already; choose another name for --save")]
    Taken(String),
    #[error("the program ran, and its end is not known: {0}")]
    Wait(#[from] WaitError),
    #[error("the program ran, and its end cannot be awaited: {0}; it was killed")]
    Poll(#[source] Errno),
    #[error("the program ran, and this terminal cannot be joined to its own: {0}; it was killed")]
    Relay(#[source] io::Error),
    #[error("the program ran, and what it changed cannot be looked at: {0}")]
    Changes(#[from] ChangesError),
    #[error("the program ran, and its changes were not kept: {0}")]
    Save(String),
}

impl RunFailure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Spawn { error, .. } => exit::of_spawn(error),
            Self::Wait(_) | Self::Poll(_) | Self::Relay(_) => exit::UNKNOWN_END,
            Self::Changes(_) | Self::Save(_) | Self::Learn(LearnFailure::Write(..)) => {
                exit::NOT_APPLIED
            }
            _ => exit::NOT_RUN,
        }
    }

    /// What to do about it.
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Build(error) | Self::Learn(LearnFailure::Learn(LearnError::Build(error))) => {
                hint::for_build(error)
            }
            Self::Spawn { hints, .. } => hints.clone(),
            _ => Vec::new(),
        }
    }
}
