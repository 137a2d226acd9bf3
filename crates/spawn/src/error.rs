//! Why a program was not started.

use crate::protocol::MOST_PROGRAMS;
use cofferdam_sys::{Errno, cause};
use std::path::PathBuf;

/// What init was doing when the program could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the request.
    Request,
    /// Making the process.
    Clone,
    /// Entering the working directory.
    Directory,
    /// Placing standard input, output and error.
    Stdio,
    /// Executing the program.
    Exec,
    /// Opening a terminal.
    Terminal,
    /// Finding a place for one more program.
    Capacity,
    /// Executing the program, which something inside stopped (SIGSTOP) again and again.
    Stopped,
    /// Making itself, or the process that was to become the program, ready.
    Ready,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Capacity => return write!(f, "{MOST_PROGRAMS} programs run in this session, the most that can"),
            Self::Stopped => {
                "another program of this session keeps stopping the new one (SIGSTOP): end that first"
            }
            Self::Ready => "init, or the process that was to become the program, could not make itself ready",
            Self::Request => "init could not read the request",
            Self::Clone => "no process could be made for the program",
            Self::Directory => "the working directory cannot be entered inside the sandbox",
            Self::Stdio => "standard input, output and error could not be placed",
            Self::Exec => "the program cannot be executed inside the sandbox",
            Self::Terminal => {
                "no terminal could be opened: the view needs a /dev of its own, and the filter must \
                 allow its ioctls"
            }
        })
    }
}

/// Why [`Plan::spawn`](crate::Plan::spawn) started nothing. Whatever was made on the way is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// A descriptor, pipe or stack could not be made in the host.
    #[error("{what} could not be made: {errno}")]
    Host {
        /// What was to be made.
        what: &'static str,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// No directory to be cleaned when this process is gone.
    #[error("{path:?} cannot be cleaned after this process; name an existing directory: {errno}")]
    Watched {
        /// The directory as it was given.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// What the names to be removed begin with would take more than belongs to this process.
    #[error(
        "{prefix:?} is no beginning of names that belong to this process alone; give one that is not \
         empty, does not begin with a dot and holds no slash"
    )]
    Prefix {
        /// The prefix as it was given.
        prefix: String,
    },
    /// The control group could not be made.
    #[error(transparent)]
    Cgroup(#[from] cofferdam_cgroups::CreateError),
    /// An id-mapped mount could not be made.
    #[error("{}{}", .0, cause(.0))]
    Detach(#[from] cofferdam_namespaces::DetachError),
    /// clone3(2) was refused.
    #[error("no process with these namespaces could be made ({flags}): {errno}")]
    Clone {
        /// The namespaces that were asked for.
        flags: String,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// The id maps could not be written from outside.
    #[error("{}{}", .0, cause(.0))]
    IdMap(#[from] cofferdam_namespaces::WriteMapError),
    /// An operation of the view failed in the child.
    #[error("step {index} failed: {error}{}", cause(.error))]
    Mount {
        /// Which operation of the plan, counted from 0.
        index: usize,
        /// What failed, in words.
        #[source]
        error: cofferdam_namespaces::MountError,
    },
    /// An operation of the plan failed in the child.
    #[error("step {index} failed: {operation}: {errno}")]
    Operation {
        /// Which operation, counted from 0.
        index: usize,
        /// The operation.
        kind: crate::Operation,
        /// The operation in words.
        operation: String,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// The child was killed while it put the walls up.
    #[error("the child was killed by signal {signal} at step {index}: {operation}")]
    Killed {
        /// Which operation, counted from 0.
        index: usize,
        /// The operation in words.
        operation: String,
        /// The signal.
        signal: i32,
    },
    /// The walls stood, but the program could not be started.
    #[error("{stage}: {errno}")]
    Program {
        /// What init was doing.
        stage: Stage,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// The session has ended, so nothing can be started in it.
    #[error("the session has ended ({how}): start another")]
    Ended {
        /// How.
        how: String,
    },
    /// init went without an answer.
    #[error("init went without an answer ({how}); it may have been killed by the memory limit")]
    Init {
        /// How it went.
        how: String,
    },
}
