//! `cofferdam audit verify`.

use super::{AuditFailure, UNREADABLE};
use crate::args::RecordArgument;
use crate::records;
use crate::text;
use cofferdam::audit::log::{Head, Verified, Verifier, VerifyError};
use std::process::ExitCode;

pub(super) fn main(
    record: &RecordArgument,
    key: Option<&str>,
    head: Option<&str>,
    json: bool,
) -> Result<ExitCode, AuditFailure> {
    let path = records::find(record.file.as_deref())?;
    let mut verifier = Verifier::new(&path);
    if let Some(key) = key {
        verifier = verifier.key(key.parse().map_err(|error| AuditFailure::Option {
            option: "--key",
            reason: format!("{error}"),
        })?);
    }
    if let Some(head) = head {
        let head: Head = serde_json::from_str(head).map_err(|error| AuditFailure::Option {
            option: "--head",
            reason: format!("no signature as --json prints it: {error}"),
        })?;
        verifier = verifier.known(head);
    }
    match verifier.run() {
        Ok(verified) => Ok(text::print(&match json {
            true => as_json(&verified, None),
            false => told(&verified),
        })),
        Err(VerifyError::Broken(broken)) => {
            if json {
                let place = serde_json::json!({
                    "file": broken.file.display().to_string(),
                    "line": broken.line,
                    "byte": broken.byte,
                    "seq": broken.seq,
                    "reason": broken.breach.to_string(),
                });
                text::print(&as_json(&broken.verified, Some(place)));
            } else {
                text::complain(&broken, &[]);
            }
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            text::complain(error, &[]);
            Ok(UNREADABLE.into())
        }
    }
}

fn told(verified: &Verified) -> String {
    let mut out = format!(
        "holds       {} records in {} file{}\n",
        verified.records,
        verified.files,
        if verified.files == 1 { "" } else { "s" }
    );
    match &verified.head {
        Some(head) => {
            let after = verified.records - verified.signed();
            out += &format!("signed      the first {}", verified.signed());
            out += &match after {
                0 => "\n".to_owned(),
                after => format!("; the {after} after them are not\n"),
            };
            out += &format!("by          {}\n", head.key);
        }
        None => out += "signed      nothing: whoever could write it could have written it anew\n",
    }
    if verified.keys.len() > 1 {
        out += &format!(
            "keys        {} different ones have signed it\n",
            verified.keys.len()
        );
    }
    if verified.cut > 0 {
        out += &format!(
            "cut         {} bytes of unfinished lines, when it was opened again\n",
            verified.cut
        );
    }
    if !verified.closed {
        out += "open        it is being written, or its writer was killed, or its end is gone\n";
    }
    out
}

fn as_json(verified: &Verified, broken: Option<serde_json::Value>) -> String {
    let value = serde_json::json!({
        "holds": broken.is_none(),
        "broken": broken,
        "records": verified.records,
        "files": verified.files,
        "signed": verified.signed(),
        "closed": verified.closed,
        "cut": verified.cut,
        "began": verified.began,
        "ended": verified.ended,
        "keys": verified.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "head": verified.head,
    });
    format!("{value:#}\n")
}
