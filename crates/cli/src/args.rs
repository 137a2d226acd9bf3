//! What can be typed. The comments here are the help and the man page.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use cofferdam::policy::{Cpus, parse_duration};
use cofferdam::{Bytes, Layer, SyscallIntent};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Runs any program behind a wall that the kernel holds up
///
/// What is not named does not exist inside: the file system is built from nothing, the network is
/// off, the environment is a short list. If a wall cannot be put up, nothing runs.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a command in a sandbox
    ///
    /// Without options the command sees the system's programs read-only, an empty private home and
    /// /tmp, no network, and a short list of variables. The exit code is the command's; 128+N after
    /// signal N; 124 after the time limit; 125 when nothing ran because the sandbox could not be put
    /// up; 126 when the command cannot be executed and 127 when it is not inside.
    Run(RunArguments),
    /// Prints what run would do, and runs nothing
    ///
    /// Takes run's options. Prints the policy, the names of the variables, the layers, and the
    /// operations of a spawn in their order.
    Plan(PlanArguments),
    /// Says what this host offers, layer by layer
    ///
    /// Exit code 0 when every layer can be put up, 1 when one cannot.
    Doctor(DoctorArguments),
    /// Checks and prints policies
    Policy(PolicyCommandArguments),
    /// Prints the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Prints the man page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// Print what was in force, layer by layer, to standard error after the run
    #[arg(long)]
    pub enforcement: bool,
    /// Print the time and memory used to standard error after the run
    #[arg(long)]
    pub usage: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, hide = true)]
    pub enforcement: bool,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, hide = true)]
    pub usage: bool,
    /// The command and its arguments; printed, not run
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyCommandArguments {
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Prints the JSON schema of a policy file
    Schema,
    /// Checks policy files; exit code 1 when one has a defect
    Check {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Prints the policy that run's options make
    Print {
        #[command(flatten)]
        policy: Box<PolicyArguments>,
        /// Print JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
}

/// What makes a policy.
#[derive(Debug, Default, Args)]
pub(crate) struct PolicyArguments {
    /// The working directory: writable, at the same path inside
    #[arg(long, short = 'w', value_name = "DIR", help_heading = "Files")]
    pub workspace: Option<PathBuf>,
    /// Show a path, with all below it, read-only
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub read: Vec<PathBuf>,
    /// Show a path, with all below it, writable
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub write: Vec<PathBuf>,
    /// Hide a path below one that is shown
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub hide: Vec<PathBuf>,
    /// Show the toolchains kept in the home (rustup, pyenv, nvm and the like) read-only, without the
    /// credentials beside them
    #[arg(long, overrides_with = "no_toolchains", help_heading = "Files")]
    pub toolchains: bool,
    /// Do not show them, whatever the policy file says
    #[arg(long, overrides_with = "toolchains", help_heading = "Files")]
    pub no_toolchains: bool,

    /// Set a variable, or pass the host's value of it on
    #[arg(
        long,
        short = 'e',
        value_name = "NAME[=VALUE]",
        help_heading = "Environment and network"
    )]
    pub env: Vec<OsString>,
    /// The network: nothing but a loopback interface, or the host's
    #[arg(long, value_name = "MODE", help_heading = "Environment and network")]
    pub network: Option<NetworkArgument>,

    /// Memory of all processes together, such as 512MiB
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub memory: Option<Bytes>,
    /// Processes and threads at one time
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub processes: Option<u32>,
    /// Processors' worth of time, such as 1.5
    #[arg(
        long,
        value_name = "X",
        help_heading = "Limits",
        allow_negative_numbers = true
    )]
    pub cpus: Option<Cpus>,
    /// Kill everything after this time, such as 30s or 1h30m
    #[arg(long, value_name = "DURATION", help_heading = "Limits", value_parser = parse_duration)]
    pub timeout: Option<Duration>,

    /// Start from this policy, TOML or (named *.json) JSON; its relative paths are taken from its
    /// folder, and the options here are added on top
    #[arg(long, short = 'p', value_name = "FILE", help_heading = "Policy")]
    pub policy: Option<PathBuf>,
    /// Allow only what this policy allows as well; it can tighten and never widen
    #[arg(long, value_name = "FILE", help_heading = "Policy")]
    pub restrict: Vec<PathBuf>,
    /// The system call profile: default, strict, or an OCI or Docker profile as a JSON file
    #[arg(long, value_name = "PROFILE", help_heading = "Policy")]
    pub syscalls: Option<PathBuf>,
    /// Allow what the profile refuses: ptrace, nested-namespaces, io-uring, userfaultfd,
    /// perf-events, keyring
    #[arg(long, value_name = "INTENT", help_heading = "Policy")]
    pub allow: Vec<SyscallIntent>,
    /// Run nothing without this layer (what all layers have by default): namespaces, filesystem,
    /// seccomp, landlock, cgroup, network
    #[arg(long, value_name = "LAYER", help_heading = "Policy")]
    pub require: Vec<Layer>,
    /// Go on without what this host does not offer of this layer
    #[arg(long, value_name = "LAYER", help_heading = "Policy")]
    pub prefer: Vec<Layer>,
    /// Leave this layer out
    #[arg(long, value_name = "LAYER", help_heading = "Policy")]
    pub off: Vec<Layer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkArgument {
    /// Nothing but a loopback interface
    None,
    /// The host's, services on its loopback interface included
    Host,
}
