//! Policies in files.

use cofferdam::policy::{ParseError, Policy, PolicyError};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The longest file that is read, in bytes; ten thousand rules are about one million.
const LONGEST: u64 = 16 << 20;

/// Why a policy file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PolicyFileError {
    /// The file cannot be read.
    #[error("the policy {} cannot be read: {error}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// The file is no policy for its length alone.
    #[error("the policy {} is longer than {} MiB; name a policy file", .path.display(), LONGEST >> 20)]
    TooLong { path: PathBuf },
    /// The text is not understood.
    #[error("the policy {}, {error}", .path.display())]
    Parse {
        path: PathBuf,
        #[source]
        error: Box<ParseError>,
    },
    /// The policy makes no sense by itself.
    #[error("the policy {}: {error}", .path.display())]
    Invalid {
        path: PathBuf,
        #[source]
        error: Box<PolicyError>,
    },
}

/// Reads a policy. `here` makes the file's own path absolute; relative paths in it are taken from
/// the folder that it lies in.
pub(crate) fn load(path: &Path, here: &Path) -> Result<Policy, PolicyFileError> {
    let text = read(path).map_err(|error| PolicyFileError::Read {
        path: path.into(),
        error,
    })?;
    let Some(text) = text else {
        return Err(PolicyFileError::TooLong { path: path.into() });
    };
    let json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let policy = match json {
        true => Policy::from_json(&text),
        false => Policy::from_toml(&text),
    };
    let policy = policy.map_err(|error| PolicyFileError::Parse {
        path: path.into(),
        error: error.into(),
    })?;
    let folder = folder(&here.join(path)).map_err(|error| PolicyFileError::Read {
        path: path.into(),
        error,
    })?;
    Ok(policy.rebase(&folder))
}

/// The folder of a file that was just opened. A policy's paths have no `..`, so one in the name of the
/// file is resolved here, as the kernel has resolved it.
fn folder(file: &Path) -> io::Result<PathBuf> {
    let folder = file.parent().unwrap_or(file);
    match folder.components().any(|part| part == Component::ParentDir) {
        true => folder.canonicalize(),
        false => Ok(folder.to_owned()),
    }
}

/// As [`load`], for a policy that must make sense by itself.
pub(crate) fn load_valid(path: &Path, here: &Path) -> Result<Policy, PolicyFileError> {
    let policy = load(path, here)?;
    policy
        .validate()
        .map_err(|error| PolicyFileError::Invalid {
            path: path.into(),
            error: error.into(),
        })?;
    Ok(policy)
}

/// The text of a file; `None` when it is too long.
fn read(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_string(&mut text)?;
    Ok((text.len() as u64 <= LONGEST).then_some(text))
}
