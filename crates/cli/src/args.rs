//! What can be typed. The comments here are the help and the man page.

mod audit;
mod learn;
mod network;
mod policy;
mod review;

pub(crate) use audit::{
    AuditCommand, AuditCommandArguments, RecordArgument, RecordArguments, WhyArguments,
};
pub(crate) use learn::LearnArguments;
pub(crate) use network::{NetworkArgument, SecretArgument};
pub(crate) use policy::{PolicyArguments, RootAccessArgument};
pub(crate) use review::ReviewArguments;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

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
    /// up; 126 when the command cannot be executed and 127 when it is not inside; 122 when changes
    /// that were to be applied or saved were not.
    Run(Box<RunArguments>),
    /// Opens a shell in a sandbox, on this terminal
    ///
    /// Takes run's options. The shell has a terminal of its own, with job control; this one passes
    /// on what is typed, ^C and ^Z too, and shows what is printed. Escape sequences of what runs
    /// inside act on this terminal, as those of a remote machine do. Exit codes are run's.
    Shell(Box<ShellArguments>),
    /// Prints what run would do, and runs nothing
    ///
    /// Takes run's options. Prints the policy, the names of the variables, the layers, and the
    /// operations of a spawn in their order.
    Plan(Box<PlanArguments>),
    /// Shows what a snapshot changes, or what two have different
    ///
    /// Exit code 0 when nothing is different, 1 when something is, 2 when that cannot be seen.
    Diff(DiffArguments),
    /// Lists, removes and applies what run --save has kept
    Snapshot(SnapshotCommandArguments),
    /// Shows, verifies and reports what runs have recorded
    Audit(AuditCommandArguments),
    /// Says what the last run was denied and what would allow it
    ///
    /// What a program was told by the kernel alone is not always known: such denials are concluded from what it wrote, and
    /// are said to be.
    Why(WhyArguments),
    /// Unpacks, lists and removes the images that --image uses
    Image(ImageCommandArguments),
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
    #[command(flatten)]
    pub review: ReviewArguments,
    /// Give the command a terminal of its own, which this one passes on to; without a terminal here
    /// it has 24 lines of 80 characters
    #[arg(long, short = 't')]
    pub tty: bool,
    #[command(flatten)]
    pub record: RecordArguments,
    #[command(flatten)]
    pub learning: LearnArguments,
    #[command(flatten)]
    pub report: ReportArguments,
    /// The command and its arguments; an image names its own
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArguments {
    #[command(flatten)]
    pub policy: PolicyArguments,
    #[command(flatten)]
    pub review: ReviewArguments,
    #[command(flatten)]
    pub record: RecordArguments,
    #[command(flatten)]
    pub report: ReportArguments,
    /// The shell and its arguments; bash if it is inside, else sh
    #[arg(trailing_var_arg = true, value_name = "SHELL")]
    pub command: Vec<OsString>,
}

/// What is told after a run.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ReportArguments {
    /// Print what was in force, layer by layer, to standard error after the run
    #[arg(long)]
    pub enforcement: bool,
    /// Print the time and memory used to standard error after the run
    #[arg(long)]
    pub usage: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub policy: PolicyArguments,
    #[command(flatten)]
    pub review: ReviewArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, short = 't', hide = true)]
    pub tty: bool,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, hide = true)]
    pub record: Option<PathBuf>,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, hide = true)]
    pub no_record: bool,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, hide = true)]
    pub trace: bool,
    /// Taken so that a run's line can be repeated; changes nothing
    #[arg(long, hide = true)]
    pub kernel_log: bool,
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
pub(crate) struct DiffArguments {
    /// The snapshot to begin with
    pub first: String,
    /// The snapshot to compare it with; without one, FIRST is compared with the host's files
    pub second: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotCommandArguments {
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Prints the names of all snapshots
    List,
    /// Removes a snapshot
    Remove {
        /// Its name
        name: String,
    },
    /// Applies what a snapshot holds to the host's files; the snapshot stays
    ///
    /// Exit code 122 when a change that was to be applied was not.
    Apply {
        /// Its name
        name: String,
        /// What to apply, as with run's --apply; without it, a person at a terminal is asked
        #[arg(value_name = "WHAT")]
        apply: Vec<String>,
        /// Apply what is risky as well
        #[arg(long, requires = "apply")]
        apply_risky: bool,
        /// Show how texts changed
        #[arg(long)]
        diff: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImageCommandArguments {
    #[command(subcommand)]
    pub command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Prints the digests of the images that are unpacked
    List,
    /// Removes an unpacked image
    Remove {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Unpacks an image, so that the first run need not, and prints its digest
    Unpack {
        /// The OCI layout, a directory or tar file; the image of several after `#`
        #[arg(value_name = "PATH[#REFERENCE]")]
        image: OsString,
    },
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
