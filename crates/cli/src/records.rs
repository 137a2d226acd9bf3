//! The records of runs: where they are, and what a new one is written with.

use crate::args::RecordArguments;
use crate::text;
use cofferdam::audit::Redactor;
use cofferdam::audit::log::{LogOptions, SigningKey, SyncPolicy};
use cofferdam::{Audit, Policy, Secret, SecretSource};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The records that are kept.
const KEPT: usize = 100;

/// What the names of records end with; what the files of one log after its first are called is theirs.
const SUFFIX: &str = ".jsonl";

/// A record could not be begun or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RecordError {
    #[error("there is no place for records: {0}; set HOME, or name one with --record FILE")]
    NoPlace(&'static str),
    #[error(
        "{} cannot hold records: {error}; name a file with --record FILE, or use --no-record",
        .path.display()
    )]
    Directory { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Key(#[from] cofferdam::audit::log::KeyError),
    #[error(transparent)]
    Open(#[from] cofferdam::audit::log::OpenError),
    #[error("no run has left a record yet; `cofferdam run` leaves one, or name a file")]
    None,
}

/// The record of a run, where there is to be one.
pub(crate) fn of_run(
    arguments: &RecordArguments,
    policy: &Policy,
) -> Result<Option<Audit>, RecordError> {
    if arguments.no_record {
        return Ok(None);
    }
    match begin(arguments.record.as_deref(), policy) {
        Ok(audit) => Ok(Some(audit)),
        // Nobody has asked for it: where there is no home, or none that can be written, programs run all the same.
        Err(error) if arguments.record.is_none() => {
            text::complain(format_args!("not recorded: {error}"), &[]);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Begins a record, in this file or one of its own.
fn begin(file: Option<&Path>, policy: &Policy) -> Result<Audit, RecordError> {
    let directory = directory()?;
    make(&directory)?;
    // One key for all records of this user, so that it can be told to whoever verifies them.
    let key = SigningKey::load_or_generate(directory.join("key"))?;
    let path = match file {
        Some(file) => file.to_owned(),
        None => {
            forget(&directory);
            fresh(&directory)?
        }
    };
    let sync = match file {
        Some(_) => SyncPolicy::default(),
        // What a run waits for the disk would be more than all else of it; only a crash of the machine loses it.
        None => SyncPolicy::Never,
    };
    let log = LogOptions::new(path).key(key).sync(sync).open()?;
    let redactor = Redactor::builder().build();
    for secret in &policy.secrets {
        hide(&redactor, secret);
    }
    Ok(Audit::builder()
        .redact(Arc::new(redactor))
        .sink(log)
        .build())
}

/// Has the value of a secret taken out wherever it stands, as far as it is known here. What cannot be read is told by
/// the gate, which reads it again.
fn hide(redactor: &Redactor, secret: &Secret) {
    let value = match &secret.source {
        SecretSource::Env(variable) => std::env::var_os(variable).map(OsString::into_vec),
        SecretSource::File(path) => fs::read(path).ok(),
        _ => None,
    };
    if let Some(mut value) = value {
        if matches!(secret.source, SecretSource::File(_)) && value.ends_with(b"\n") {
            value.pop();
        }
        // One that is too short to be told from other text is refused by the gate.
        let _ = redactor.add(&secret.name, &value);
    }
}

/// The records that runs have left, oldest first.
pub(crate) fn list() -> Result<Vec<PathBuf>, RecordError> {
    let directory = directory()?;
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(RecordError::Directory {
                path: directory,
                error,
            });
        }
    };
    let name = |entry: io::Result<fs::DirEntry>| {
        let path = entry.ok()?.path();
        path.to_str()?.ends_with(SUFFIX).then_some(path)
    };
    // Names begin with the time.
    let mut records: Vec<PathBuf> = entries.filter_map(name).collect();
    records.sort();
    Ok(records)
}

/// The record that was named, or that of the last run.
pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, RecordError> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => list()?.pop().ok_or(RecordError::None),
    }
}

fn directory() -> Result<PathBuf, RecordError> {
    cofferdam::state_directory("records").map_err(RecordError::NoPlace)
}

/// Makes the directory; nobody else can read it.
fn make(path: &Path) -> Result<(), RecordError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| RecordError::Directory {
        path: path.to_owned(),
        error,
    })
}

/// A file that nobody has: its name has the time down to nanoseconds and this process.
fn fresh(directory: &Path) -> Result<PathBuf, RecordError> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let name = format!("{:020}-{}{SUFFIX}", since.as_nanos(), std::process::id());
    let path = directory.join(name);
    let made = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        Ok(_) => Ok(path),
        Err(error) => Err(RecordError::Directory { path, error }),
    }
}

/// Removes the oldest records, so that with a new one there are no more than are kept. What cannot be removed
/// is tried again by the next run.
fn forget(directory: &Path) {
    let Ok(records) = list() else { return };
    let old = records.len().saturating_sub(KEPT - 1);
    for record in &records[..old] {
        let Some(name) = record.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // With the files that it went on in.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry
                .file_name()
                .to_str()
                .is_some_and(|file| file.starts_with(name))
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
