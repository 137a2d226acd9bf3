//! `cofferdam audit report`.

use super::AuditFailure;
use crate::args::RecordArgument;
use crate::{records, text};
use cofferdam::audit::log::{Reader, Verifier, VerifyError};
use cofferdam::audit::report::{self, Options, Verification};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn main(
    record: &RecordArgument,
    output: &Path,
    title: &str,
) -> Result<ExitCode, AuditFailure> {
    let path = records::find(record.file.as_deref())?;
    let mut code = ExitCode::SUCCESS;
    let verification = match Verifier::new(&path).run() {
        Ok(verified) => match verified.head {
            Some(head) => Verification::Signed {
                key: head.key.to_string(),
            },
            None => Verification::Chained,
        },
        Err(VerifyError::Broken(broken)) => {
            text::complain(&broken, &[]);
            code = ExitCode::FAILURE;
            Verification::Failed {
                reason: broken.to_string(),
            }
        }
        Err(error) => {
            text::complain(&error, &[]);
            return Ok(super::UNREADABLE.into());
        }
    };
    let options = Options::default().title(title).verification(verification);
    let reader = Reader::open(&path)?;
    let written = write(reader, &options, output);
    written.map_err(|error| AuditFailure::Write {
        path: output.to_owned(),
        error,
    })?;
    Ok(code)
}

/// Writes the page beside its place and moves it there, so that a page that is there is a whole one.
fn write(reader: Reader, options: &Options, output: &Path) -> std::io::Result<()> {
    let mut name = output.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let file = File::options().write(true).create_new(true).open(&name)?;
    let mut file = BufWriter::new(file);
    let written = report::write(reader.flatten(), options, &mut file)
        .and_then(|()| file.flush())
        .and_then(|()| std::fs::rename(&name, output));
    if written.is_err() {
        let _ = std::fs::remove_file(&name);
    }
    written
}
