//! The policy: eight parts.

use std::path::Path;

use crate::{
    Environment, Filesystem, HostEndpoint, Identity, Layers, Limits, Network, Root, Secret,
    SecretSource, SshAgent, SyscallProfile, Syscalls, Upper,
};

/// Everything a sandbox may do, one part per concern.
///
/// A value is only data: it may hold nonsense until [`Policy::validate`] has passed it. The
/// [`Default`] is the documented default of each part and is valid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Which walls must stand.
    pub layers: Layers,
    /// The files the program sees.
    pub filesystem: Filesystem,
    /// The network it reaches.
    pub network: Network,
    /// The variables it starts with.
    pub environment: Environment,
    /// What it may use up.
    pub limits: Limits,
    /// The system calls it may make.
    pub syscalls: Syscalls,
    /// The user and group ids it runs under.
    pub identity: Identity,
    /// The secrets it uses and never has.
    pub secrets: Vec<Secret>,
}

impl Policy {
    /// The same policy with every relative host path made absolute below `base`.
    ///
    /// Purely lexical: nothing is looked up, symbolic links are not followed, and `..` is kept for
    /// [`Policy::validate`] to refuse (what `a/link/..` means depends on the disk). Host paths are
    /// the workspace, the paths of the rules, the root, the place of upper layers, an OCI profile,
    /// trusted certificates, unix sockets of the host and files of secrets; names inside the sandbox
    /// (rule targets, symlinks, sockets) are left alone, since they must be absolute as written, and
    /// so are the programs that secrets come from. Where `base` is itself relative the paths stay relative and
    /// validation refuses them.
    #[must_use]
    pub fn rebase(&self, base: &Path) -> Policy {
        let mut policy = self.clone();
        if let Some(workspace) = &mut policy.filesystem.workspace {
            rebase_path(workspace, base);
        }
        for rule in &mut policy.filesystem.rules {
            rebase_path(&mut rule.path, base);
        }
        match &mut policy.filesystem.root {
            Root::Host => {}
            Root::Directory(path) | Root::Image { layout: path, .. } => rebase_path(path, base),
        }
        if let Upper::Disk(Some(path)) = &mut policy.filesystem.upper {
            rebase_path(path, base);
        }
        policy.syscalls.profile = rebase_profile(policy.syscalls.profile, base);
        for path in &mut policy.network.trust {
            rebase_path(path, base);
        }
        for forward in &mut policy.network.forward {
            if let HostEndpoint::Unix(path) = &mut forward.host {
                rebase_path(path, base);
            }
        }
        if let Some(SshAgent {
            socket: Some(path), ..
        }) = &mut policy.network.ssh_agent
        {
            rebase_path(path, base);
        }
        for secret in &mut policy.secrets {
            if let SecretSource::File(path) = &mut secret.source {
                rebase_path(path, base);
            }
        }
        policy
    }
}

fn rebase_path(path: &mut std::path::PathBuf, base: &Path) {
    // An empty path is a mistake to be reported, not a name for the base.
    if path.is_relative() && !path.as_os_str().is_empty() {
        *path = base.join(&*path).components().collect();
    }
}

fn rebase_profile(profile: SyscallProfile, base: &Path) -> SyscallProfile {
    match profile {
        SyscallProfile::Oci(mut path) => {
            rebase_path(&mut path, base);
            SyscallProfile::Oci(path)
        }
        SyscallProfile::Stacked(all) => SyscallProfile::Stacked(
            all.into_iter()
                .map(|one| rebase_profile(one, base))
                .collect(),
        ),
        SyscallProfile::Default | SyscallProfile::Strict => profile,
    }
}
