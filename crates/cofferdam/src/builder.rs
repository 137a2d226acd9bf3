//! Building a sandbox.

use crate::egress::{Egress, Hooks};
use crate::error::BuildError;
use crate::lower::{self, Heard, Hears, Lowered, Observe, Start};
use crate::record::KernelLog;
use crate::sandbox::Sandbox;
use cofferdam_audit::Audit;
use cofferdam_policy::{
    Environment, Filesystem, Identity, Layer, Layers, Limits, Network, Policy, Secret, Syscalls,
};
use cofferdam_spawn::Observer;
use std::path::PathBuf;
use std::sync::Arc;

/// Says what a [`Sandbox`] may do; nothing touches the host before [`SandboxBuilder::build`].
///
/// Each closure gets the part of the policy as it is so far and returns it changed.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct SandboxBuilder {
    policy: Policy,
    pub(crate) hooks: Hooks,
    audit: Option<Audit>,
    trace: bool,
    kernel_log: bool,
}

impl SandboxBuilder {
    /// Starts from a whole policy, replacing all that was said before.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The directory the program works in: writable, at the same path inside, and the working
    /// directory of every command.
    pub fn workspace(mut self, path: impl Into<PathBuf>) -> Self {
        self.policy.filesystem = self.policy.filesystem.workspace(path);
        self
    }

    /// The directory the program works in, as an overlay: what it writes goes to an upper layer, and the
    /// host's files stay as they are until [`OverlayChanges::apply`](crate::OverlayChanges::apply).
    pub fn overlay_workspace(mut self, path: impl Into<PathBuf>) -> Self {
        self.policy.filesystem = self.policy.filesystem.overlay_workspace(path);
        self
    }

    /// A file or directory that can be read, with all below it.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.policy.filesystem = self.policy.filesystem.read(path);
        self
    }

    /// A file or directory that can be written, with all below it.
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.policy.filesystem = self.policy.filesystem.write(path);
        self
    }

    /// A file or directory that is not to be seen, below one that is.
    pub fn hide(mut self, path: impl Into<PathBuf>) -> Self {
        self.policy.filesystem = self.policy.filesystem.hide(path);
        self
    }

    /// Shows the toolchains kept in the user's home (rustup, pyenv, nvm, …) read-only, without the
    /// credentials lying beside them.
    pub fn toolchains(mut self) -> Self {
        self.policy.filesystem = self.policy.filesystem.toolchains(true);
        self
    }

    /// Changes the file system part.
    pub fn filesystem(mut self, change: impl FnOnce(Filesystem) -> Filesystem) -> Self {
        self.policy.filesystem = change(self.policy.filesystem);
        self
    }

    /// Changes the network part.
    pub fn network(mut self, change: impl FnOnce(Network) -> Network) -> Self {
        self.policy.network = change(self.policy.network);
        self
    }

    /// A secret that programs use and never have: inside is a placeholder, for which the gate puts the
    /// value in, in requests to the hosts that the secret is bound to.
    pub fn secret(mut self, describe: impl FnOnce(Secret) -> Secret) -> Self {
        self.policy.secrets.push(describe(Secret::default()));
        self
    }

    /// Changes the environment part.
    pub fn environment(mut self, change: impl FnOnce(Environment) -> Environment) -> Self {
        self.policy.environment = change(self.policy.environment);
        self
    }

    /// Changes the limits.
    pub fn limits(mut self, change: impl FnOnce(Limits) -> Limits) -> Self {
        self.policy.limits = change(self.policy.limits);
        self
    }

    /// Changes the system calls.
    pub fn syscalls(mut self, change: impl FnOnce(Syscalls) -> Syscalls) -> Self {
        self.policy.syscalls = change(self.policy.syscalls);
        self
    }

    /// Changes which layers are required, preferred or off.
    pub fn layers(mut self, change: impl FnOnce(Layers) -> Layers) -> Self {
        self.policy.layers = change(self.policy.layers);
        self
    }

    /// Changes the ids that are used.
    pub fn identity(mut self, change: impl FnOnce(Identity) -> Identity) -> Self {
        self.policy.identity = change(self.policy.identity);
        self
    }

    /// Records what all commands and sessions of the sandbox do. What this cannot record is not done: no
    /// environment is put up, no program started, no connection opened and no change applied
    /// ([`OnFailure`](crate::audit::OnFailure)).
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Records as well which files programs ask for that the host has and the policy does not show, or shows for
    /// reading only. Each call that names a file then takes about 10 µs more. Means nothing without
    /// [`SandboxBuilder::audit`].
    pub fn trace_files(mut self) -> Self {
        self.trace = true;
        self
    }

    /// Records as well what Landlock refuses, as the kernel tells it in the audit log of the whole machine (Linux 6.15,
    /// landlock(7)): files, ports, signals, sockets, each with the right that was missing. Means nothing without
    /// [`SandboxBuilder::audit`].
    ///
    /// For this the host has to run as root, not in a container, and the log has to be switched on
    /// (`auditctl -e 1`); else [`SandboxBuilder::build`] fails. Programs inside can then write to that log as fast as
    /// they are refused: think of its limits (`auditctl -r`). Each command's end waits up to half a second, as a rule
    /// 20 ms, until the kernel has told all.
    pub fn kernel_log(mut self) -> Self {
        self.kernel_log = true;
        self
    }

    /// Checks the policy, looks at the host, and prepares every layer. Relative paths are taken
    /// from the current directory. No process is started and nothing on the host is changed.
    ///
    /// # Errors
    /// [`BuildError`]: the policy's defect, or the layer that this host cannot put up, with the
    /// remedy.
    pub fn build(self) -> Result<Sandbox, BuildError> {
        let observe = match self.audit {
            Some(_) if self.trace => Observe::Files,
            Some(_) => Observe::Programs,
            None => Observe::Nothing,
        };
        self.lower(observe).map(Sandbox::new)
    }

    /// The same with somebody who hears of every file that is named inside.
    pub(crate) fn build_traced(self, observer: Arc<dyn Observer>) -> Result<Sandbox, BuildError> {
        let mut lowered = self.lower(Observe::Files)?;
        lowered.observer = Some(Hears(observer));
        Ok(Sandbox::new(lowered))
    }

    fn lower(self, observe: Observe) -> Result<Lowered, BuildError> {
        let here = std::env::current_dir().map_err(BuildError::CurrentDirectory)?;
        let mut policy = self.policy.rebase(&here);
        policy.validate()?;
        let egress = Egress::start(&mut policy, &self.hooks, self.audit.as_ref())?;
        let start = Start::default();
        let kernel_log = match self.kernel_log && self.audit.is_some() {
            true => Some(KernelLog::open().map_err(|error| BuildError::Unavailable {
                layer: Layer::Landlock,
                feature: "what it refuses, in the kernel's audit log".into(),
                reason: error.to_string(),
                remedy: error.remedy().to_owned(),
            })?),
            false => None,
        };
        let heard = Heard {
            audit: self.audit,
            observe,
            kernel_log,
        };
        lower::lower(policy, &start, egress, heard)
    }
}
