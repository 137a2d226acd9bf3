//! The options about learning a policy.

use clap::Args;
use std::path::PathBuf;

/// Learning a policy from a run.
#[derive(Debug, Default, Args)]
pub(crate) struct LearnArguments {
    /// Write a policy with what the command uses to FILE. The command is let to use the files of this
    /// user as without a sandbox, and really changes them; only its network, its processes and the
    /// services of the host are kept from it. The working directory becomes the workspace unless
    /// --workspace names another
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Learning",
        requires = "command",
        conflicts_with_all = [
            "overlay", "upper", "read", "write", "hide", "toolchains", "no_toolchains", "no_protect", "protect",
            "unprotect", "root", "image", "root_access", "network", "deny_network", "package_clients", "secret",
            "publish", "forward", "ssh_agent", "memory", "processes", "cpus", "timeout", "policy", "restrict",
            "syscalls", "allow", "require", "prefer", "off", "apply", "save", "from", "tty",
        ]
    )]
    pub learn: Option<PathBuf>,
    /// Replace FILE if it is there
    #[arg(long, requires = "learn", help_heading = "Learning")]
    pub force: bool,
}
