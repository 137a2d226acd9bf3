//! A sandbox: a policy prepared for this host.

use crate::builder::SandboxBuilder;
use crate::command::Command;
use crate::enforcement::LayerReport;
use crate::error::{BuildError, SpawnError};
use crate::host::Host;
use crate::lower::Lowered;
use crate::pool::Pool;
use crate::session::Session;
use crate::snapshot::Snapshot;
use cofferdam_policy::Policy;
use std::ffi::OsStr;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;

/// A policy prepared for this host, from which any number of commands can be started, from any
/// thread. Cloning shares the preparation.
///
/// Every command gets namespaces, mounts and a control group of its own; two commands of one
/// sandbox share the files that the policy makes writable, the ids they run under, the user namespace (in which
/// neither has a capability; not where a limit of processes is counted in it), and nothing else.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) lowered: Arc<Lowered>,
}

impl Sandbox {
    pub(crate) fn new(lowered: Lowered) -> Self {
        Self {
            lowered: Arc::new(lowered),
        }
    }

    /// Starts with the default policy: the system's programs read-only, an empty private home and
    /// `/tmp`, no network, a short environment.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// What this host offers, layer by layer, with the remedy for what is missing. Starts a short
    /// process to try what can only be tried; changes nothing.
    pub fn probe() -> Host {
        Host::probe()
    }

    /// A command in this sandbox. The program is looked up in the sandbox's `PATH`, inside, unless
    /// its name has a slash.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(self, program.as_ref())
    }

    /// Puts up a live environment in which any number of commands run, together or one after another.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing is left behind then.
    pub fn start(&self) -> Result<Session, SpawnError> {
        Session::start(self.lowered.for_start().map_err(SpawnError::prepare)?)
    }

    /// The same with the changes of a snapshot in its overlays, in constant time however large they are.
    /// The snapshot is not changed; any number of sessions can start from it.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing is left behind then. [`SpawnError::Prepare`] where the snapshot has
    /// changes of a directory that this sandbox shows as no overlay.
    pub fn start_from(&self, snapshot: &Snapshot) -> Result<Session, SpawnError> {
        let lowered = self.lowered.again(&snapshot.start());
        Session::start(Arc::new(lowered.map_err(SpawnError::prepare)?))
    }

    /// The command that the image at the root names, with its arguments; `None` where the root is no image
    /// or names none.
    pub fn entrypoint(&self) -> Option<Command> {
        let image = self.lowered.root.as_ref()?.image.as_ref()?;
        let (program, arguments) = image.entrypoint.split_first()?;
        let mut command = self.command(program);
        command.args(arguments);
        Some(command)
    }

    /// Keeps `size` environments ready, so that commands start at once.
    ///
    /// # Errors
    /// [`SpawnError`] when the first of them cannot be put up; nothing is left behind then.
    pub fn pool(&self, size: NonZero<usize>) -> Result<Pool, SpawnError> {
        Pool::new(self, size)
    }

    /// The policy, with absolute paths.
    pub fn policy(&self) -> &Policy {
        &self.lowered.policy
    }

    /// What the layers will be, as far as it can be said before a child has them: the same reports
    /// that a child's [`Enforcement`](crate::Enforcement) holds as evidence.
    pub fn planned(&self) -> &[LayerReport] {
        &self.lowered.reports
    }

    /// The operations that every spawn runs, one a line.
    pub fn plan(&self) -> impl fmt::Display + '_ {
        &self.lowered.plan
    }

    /// This sandbox prepared once more, with an operation of its plan that always fails: nothing that is started from
    /// it runs. For tests of what is left behind then.
    #[doc(hidden)]
    pub fn danger_failing_at(&self, index: usize, errno: i32) -> Result<Self, BuildError> {
        self.lowered.danger_failing_at(index, errno).map(Self::new)
    }

    /// The variables that every command starts with, before its own changes.
    pub fn environment(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.lowered
            .environment
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}
