//! `cofferdam diff`: what snapshots hold.

use crate::args::DiffArguments;
use crate::review::{Differences, line};
use crate::text;
use cofferdam::{Change, ChangesError, Diff, ReadError, Snapshot, SnapshotError};
use std::path::Path;
use std::process::ExitCode;

/// The two are the same. The codes are those of diff(1).
const SAME: u8 = 0;
/// They differ.
const DIFFERENT: u8 = 1;
/// That cannot be seen.
const TROUBLE: u8 = 2;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum DiffFailure {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error("the two have no directory in common; compare snapshots of one workspace")]
    NothingInCommon,
}

pub(crate) fn main(arguments: &DiffArguments) -> ExitCode {
    match diff(arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            text::complain(error, &[]);
            TROUBLE.into()
        }
    }
}

fn diff(arguments: &DiffArguments) -> Result<u8, DiffFailure> {
    let first = Snapshot::open(&arguments.first)?;
    let mut code = SAME;
    match &arguments.second {
        None => {
            for overlay in first.changes()?.overlays() {
                let found = print(overlay.path(), overlay.changes(), |change| {
                    overlay.diff(change)
                });
                code = code.max(found);
            }
        }
        Some(second) => {
            let comparison = first.compare(&Snapshot::open(second)?)?;
            if comparison.overlays().is_empty() {
                return Err(DiffFailure::NothingInCommon);
            }
            for overlay in comparison.overlays() {
                let found = print(overlay.path(), overlay.changes(), |change| {
                    overlay.diff(change)
                });
                code = code.max(found);
            }
        }
    }
    Ok(code)
}

/// Prints each change and how its text differs.
fn print(
    path: &Path,
    changes: Result<impl Iterator<Item = Result<Change, ReadError>>, ReadError>,
    diff: impl Fn(&Change) -> Result<Diff, ReadError>,
) -> u8 {
    let changes = match changes {
        Ok(changes) => changes,
        Err(error) => {
            text::complain(error, &[]);
            return TROUBLE;
        }
    };
    let mut code = SAME;
    let mut heading = format!("in {}:\n", text::escape(path.display()));
    let mut differences = Differences::unbounded();
    for change in changes {
        let change = match change {
            Ok(change) => change,
            Err(error) => {
                text::complain(error, &[]);
                code = TROUBLE;
                continue;
            }
        };
        let mut out = std::mem::take(&mut heading);
        out += &format!("{}\n", line(&change));
        out += &differences.text(&change, diff(&change));
        code = code.max(DIFFERENT);
        if text::print(&out) != ExitCode::SUCCESS {
            return TROUBLE;
        }
    }
    code
}
