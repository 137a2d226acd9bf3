//! `cofferdam audit`.

mod line;
mod report;
mod show;
mod verify;

pub(crate) use line::line;

use crate::args::AuditCommand;
use crate::records::{self, RecordError};
use crate::text;
use cofferdam::audit::log::ReadError;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// The record cannot be read.
const UNREADABLE: u8 = 2;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AuditFailure {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{option} is {reason}")]
    Option {
        option: &'static str,
        reason: String,
    },
    #[error("{} cannot be written: {error}", .path.display())]
    Write { path: PathBuf, error: io::Error },
}

pub(crate) fn main(command: &AuditCommand) -> ExitCode {
    let done = match command {
        AuditCommand::Verify {
            record,
            key,
            head,
            json,
        } => verify::main(record, key.as_deref(), head.as_deref(), *json),
        AuditCommand::Show { .. } => show::main(command),
        AuditCommand::Report {
            record,
            output,
            title,
        } => report::main(record, output, title),
        AuditCommand::List => list(),
    };
    done.unwrap_or_else(|error| {
        text::complain(error, &[]);
        UNREADABLE.into()
    })
}

fn list() -> Result<ExitCode, AuditFailure> {
    let mut out = String::new();
    for path in records::list()? {
        out += &format!("{}\n", text::escape(path.display()));
    }
    Ok(text::print(&out))
}
