//! The spawn path: one clone, a list of operations, a static init, an exec.
//!
//! A [`Plan`] holds every layer prepared. [`Plan::spawn`] makes one child with clone3(2) that shares
//! the host's memory (`CLONE_VM`), so that the cost does not grow with the host; the child runs the
//! plan's operations with bare system calls and executes a tiny static init from a sealed memfd.
//! init starts the program, and is what the returned [`Process`] talks to.
//!
//! Rules that hold here, and why:
//! - The child allocates nothing, takes no lock, never panics and never touches `errno`: another
//!   thread of the host may hold any lock at the moment of the clone, and thread-local storage is
//!   shared.
//! - Whatever the child reads stays alive until init answers or the socket closes: the kernel lets
//!   go of the shared memory (execve(2), exit(2)) before it closes the child's descriptors.
//! - Any failure ends the child before the program is executed.
//! - The host's death closes its end of the socket, and init ends the sandbox. No `PR_SET_PDEATHSIG`:
//!   that signal follows the *thread* that made the child, and thread pools end threads.

mod child;
mod command;
mod connector;
mod dumpable;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod init;
mod network;
mod observe;
mod plan;
mod process;
mod protocol;
mod session;
mod start;
mod supervisor;
mod template;
mod watch;

pub use command::{Command, TerminalSize};
pub use connector::{ConnectError, Connector};
pub use error::{SpawnError, Stage};
pub use network::{Listener, Listeners, NetworkPlan};
pub use observe::{Access, Exec, Intent, Observation, Observer, Refused, family};
pub use plan::{CgroupPlan, Layers, Operation, Plan};
pub use process::{Ended, Process, WaitError};
pub use session::Session;
pub use watch::{remove_after_this_process, remove_groups_after_this_process};
