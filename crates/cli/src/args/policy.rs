//! The options that make a policy.

use super::network::{NetworkArgument, SecretArgument};
use clap::{Args, ValueEnum};
use cofferdam::policy::{Cpus, Forward, NetworkRule, Publish, parse_duration};
use cofferdam::{Bytes, Layer, SyscallIntent};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What makes a policy.
#[derive(Debug, Default, Args)]
pub(crate) struct PolicyArguments {
    /// The working directory: writable, at the same path inside
    #[arg(long, short = 'w', value_name = "DIR", help_heading = "Files")]
    pub workspace: Option<PathBuf>,
    /// Keep what is written to the workspace apart from the host's files, in an overlay; afterwards
    /// the changes are shown, and applied as --apply or a person at the terminal says
    #[arg(long, help_heading = "Files")]
    pub overlay: bool,
    /// Where overlays keep what is written: SIZE of memory (1GiB unless said), or the disk, in DIR
    #[arg(long, value_name = "SIZE|disk[:DIR]", help_heading = "Files")]
    pub upper: Option<OsString>,
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
    /// Leave the dangerous names of the workspace (git hooks, editor and agent configuration and the
    /// like) writable
    #[arg(long, conflicts_with = "protect", help_heading = "Files")]
    pub no_protect: bool,
    /// Make this name, relative to the workspace, read-only as well
    #[arg(long, value_name = "NAME", help_heading = "Files")]
    pub protect: Vec<PathBuf>,
    /// Leave this one of the dangerous names writable, such as .vscode or .git/hooks
    #[arg(long, value_name = "NAME", help_heading = "Files")]
    pub unprotect: Vec<PathBuf>,
    /// The system in this directory instead of the host's
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "image",
        help_heading = "Files"
    )]
    pub root: Option<PathBuf>,
    /// The system in this image instead of the host's: an OCI layout, a directory or tar file, and
    /// after `#` the name or digest of one of several in it
    #[arg(long, value_name = "PATH[#REFERENCE]", help_heading = "Files")]
    pub image: Option<OsString>,
    /// What may be done with a --root or --image: be written to an overlay that is thrown away, or
    /// be read only
    #[arg(long, value_name = "ACCESS", help_heading = "Files")]
    pub root_access: Option<RootAccessArgument>,

    /// Set a variable, or pass the host's value of it on
    #[arg(
        long,
        short = 'e',
        value_name = "NAME[=VALUE]",
        help_heading = "Environment and network"
    )]
    pub env: Vec<OsString>,
    /// The network: none, nothing but a loopback interface; host, the host's; or the names and
    /// addresses that can be reached, each with an option of its own, such as example.com:443,
    /// *.example.com, 10.0.0.0/8:5432, [2001:db8::1]:80, or 'api.example.com GET,HEAD /repos/**' for
    /// some HTTP requests only
    #[arg(
        long,
        value_name = "none|host|RULE",
        help_heading = "Environment and network"
    )]
    pub network: Vec<NetworkArgument>,
    /// Deny what such a rule means, whatever is allowed
    #[arg(long, value_name = "RULE", help_heading = "Environment and network")]
    pub deny_network: Vec<NetworkRule>,
    /// Allow what the package clients of this host (pip, npm, cargo, apt, go) are configured to use
    #[arg(long, help_heading = "Environment and network")]
    pub package_clients: bool,
    /// Give the program a placeholder in the variable NAME, and put the secret in its place on the way
    /// out to HOST. SOURCE is env:VARIABLE (the one of the same name unless said), file:PATH,
    /// command:PROGRAM ARGUMENTS, or provider:NAME; PLACE is bearer, basic, header=NAME or query=NAME.
    /// Such as GITHUB_TOKEN@bearer:api.example.com; again with the same NAME for another HOST
    #[arg(
        long,
        value_name = "NAME[=SOURCE]@PLACE:HOST[:PORT]",
        help_heading = "Environment and network"
    )]
    pub secret: Vec<SecretArgument>,
    /// Let the host connect to a port of the sandbox, at 127.0.0.1 and the same port unless said
    #[arg(
        long,
        value_name = "[[ADDRESS:]PORT:]PORT",
        help_heading = "Environment and network"
    )]
    pub publish: Vec<Publish>,
    /// Let the program reach a service of the host: INSIDE is a port or the path of a socket, HOST a
    /// port, ADDRESS:PORT or the path of a socket; a port alone is that of the host's loopback
    /// interface
    #[arg(
        long,
        value_name = "INSIDE[=HOST]",
        help_heading = "Environment and network"
    )]
    pub forward: Vec<Forward>,
    /// Let the program sign with this key of the host's ssh-agent, as ssh-add -l prints it
    #[arg(
        long,
        value_name = "FINGERPRINT",
        help_heading = "Environment and network"
    )]
    pub ssh_agent: Vec<String>,

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
pub(crate) enum RootAccessArgument {
    /// Nothing is written to it
    Read,
    /// What is written to it is gone after the run
    Overlay,
}
