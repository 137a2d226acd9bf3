//! `cofferdam audit show`.

use super::{AuditFailure, line};
use crate::args::AuditCommand;
use crate::{records, text};
use cofferdam::audit::event::Record;
use cofferdam::audit::log::{Filter, ReadError, Reader};
use std::io::{self, Write};
use std::process::ExitCode;

pub(super) fn main(command: &AuditCommand) -> Result<ExitCode, AuditFailure> {
    let AuditCommand::Show {
        record,
        follow,
        json,
        ..
    } = command
    else {
        return Ok(ExitCode::SUCCESS);
    };
    let path = records::find(record.file.as_deref())?;
    let reader = Reader::open(&path)?.matching(filter(command)?);
    match follow {
        true => print(reader.follow(), *json),
        false => print(reader, *json),
    }
}

fn filter(command: &AuditCommand) -> Result<Filter, AuditFailure> {
    let mut filter = Filter::new();
    if let AuditCommand::Show {
        kinds,
        session,
        command,
        span,
        denied,
        text,
        ..
    } = command
    {
        filter = kinds.iter().fold(filter, Filter::kind);
        filter = session
            .iter()
            .fold(filter, |filter, id| filter.session(*id));
        filter = command
            .iter()
            .fold(filter, |filter, id| filter.command(*id));
        if let Some(span) = span {
            filter = filter.span(span.parse().map_err(|error| AuditFailure::Option {
                option: "--span",
                reason: format!("{error}"),
            })?);
        }
        if *denied {
            filter = filter.denied();
        }
        if let Some(text) = text {
            filter = filter.text(text);
        }
    }
    Ok(filter)
}

/// Prints them one by one: what follows can take hours. A line that is no record is told of, and the others are
/// printed all the same.
fn print(
    records: impl Iterator<Item = Result<Record, ReadError>>,
    json: bool,
) -> Result<ExitCode, AuditFailure> {
    let mut code = ExitCode::SUCCESS;
    let mut out = io::stdout().lock();
    for record in records {
        match record {
            Ok(record) => {
                let text = match json {
                    true => as_json(&record),
                    false => line(&record),
                };
                // A reader that has seen enough, such as `head`.
                if out
                    .write_all(text.as_bytes())
                    .and_then(|()| out.flush())
                    .is_err()
                {
                    return Ok(ExitCode::FAILURE);
                }
            }
            Err(error) => {
                text::complain(error, &[]);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// JSON escapes control characters by itself.
fn as_json(record: &Record) -> String {
    match serde_json::to_string(record) {
        Ok(text) => text + "\n",
        Err(error) => format!("{{\"error\":\"{error}\"}}\n"),
    }
}
