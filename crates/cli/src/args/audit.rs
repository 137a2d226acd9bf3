//! `audit` and `why`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct AuditCommandArguments {
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Says whether a record is whole, and where it breaks if not
    ///
    /// Exit code 0 when it holds, 1 when it does not, 2 when it cannot be read. Without --key any key may have signed
    /// it; a record that ends at one of its signatures looks like one that was cut there, unless --head names a later
    /// one.
    Verify {
        #[command(flatten)]
        record: RecordArgument,
        /// The key that must have signed it, as 64 hexadecimal digits
        #[arg(long, value_name = "HEX")]
        key: Option<String>,
        /// A signature that it had before, as --json printed it: it must still be there
        #[arg(long, value_name = "JSON")]
        head: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints the events of a record
    Show {
        #[command(flatten)]
        record: RecordArgument,
        /// Only events of this type, such as exec or network; can be repeated
        #[arg(long = "type", value_name = "TYPE")]
        kinds: Vec<String>,
        /// Only events of this session
        #[arg(long, value_name = "NUMBER")]
        session: Option<u64>,
        /// Only events of this command
        #[arg(long, value_name = "NUMBER")]
        command: Option<u64>,
        /// Only events under the tool call with this span
        #[arg(long, value_name = "SPAN")]
        span: Option<String>,
        /// Only what was denied
        #[arg(long)]
        denied: bool,
        /// Only events in which this text occurs
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
        /// Wait for more
        #[arg(long, short = 'f')]
        follow: bool,
        /// Print the lines of the record as they are
        #[arg(long)]
        json: bool,
    },
    /// Writes a record as one page for a browser
    Report {
        #[command(flatten)]
        record: RecordArgument,
        /// Where to; a file that exists is replaced
        #[arg(long, short = 'o', value_name = "FILE")]
        output: PathBuf,
        /// The heading of the page
        #[arg(long, default_value = "")]
        title: String,
    },
    /// Prints the names of the records that runs have left
    List,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgument {
    /// The record; that of the last run without it
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    #[command(flatten)]
    pub record: RecordArgument,
    /// Print what a model is to be told, a line each
    #[arg(long)]
    pub for_model: bool,
}

/// Where a run is recorded.
#[derive(Clone, Debug, Args)]
pub(crate) struct RecordArguments {
    /// Record what happens in this file, continuing it if it is a record; without this option each run has a file of
    /// its own in the directory for such things, where the last 100 are kept
    #[arg(long, value_name = "FILE", conflicts_with = "no_record")]
    pub record: Option<PathBuf>,
    /// Record as well which files of the host the command asks for and does not get, for `cofferdam why`; each call that
    /// names a file takes about 10 µs more
    #[arg(long, conflicts_with = "no_record")]
    pub trace: bool,
    /// Record as well what Landlock refuses, as the kernel's audit log tells it: as root, on the host itself, where that
    /// log is switched on (auditctl -e 1)
    #[arg(long, conflicts_with = "no_record")]
    pub kernel_log: bool,
    /// Record nothing
    #[arg(long)]
    pub no_record: bool,
}
