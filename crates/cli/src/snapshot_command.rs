//! `cofferdam snapshot`.

use crate::args::SnapshotCommand;
use crate::compose::ComposeError;
use crate::review::{Review, Selection};
use crate::{exit, text};
use cofferdam::{ChangesError, Snapshot, SnapshotError};
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum SnapshotFailure {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error(transparent)]
    Selection(#[from] ComposeError),
}

pub(crate) fn main(command: &SnapshotCommand) -> ExitCode {
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            text::complain(error, &[]);
            ExitCode::FAILURE
        }
    }
}

fn run(command: &SnapshotCommand) -> Result<ExitCode, SnapshotFailure> {
    match command {
        SnapshotCommand::List => list(),
        SnapshotCommand::Remove { name } => {
            Snapshot::open(name)?.remove()?;
            Ok(ExitCode::SUCCESS)
        }
        SnapshotCommand::Apply {
            name,
            apply,
            apply_risky,
            diff,
        } => {
            let selection = Selection::new(apply, *apply_risky)?;
            let changes = Snapshot::open(name)?.changes()?;
            let review = Review {
                selection: selection.as_ref(),
                diff: *diff,
                advice: "name after the snapshot what to apply: all, or patterns",
            };
            Ok(match review.run(&changes) {
                true => ExitCode::SUCCESS,
                false => exit::NOT_APPLIED.into(),
            })
        }
    }
}

fn list() -> Result<ExitCode, SnapshotFailure> {
    let mut out = String::new();
    let mut code = ExitCode::SUCCESS;
    for name in Snapshot::list()? {
        match Snapshot::open(&name) {
            Ok(snapshot) => match snapshot.parent() {
                Some(parent) => out += &format!("{name}  from {parent}\n"),
                None => out += &format!("{name}\n"),
            },
            Err(error) => {
                text::complain(error, &[]);
                code = ExitCode::FAILURE;
            }
        }
    }
    let printed = text::print(&out);
    Ok(if code == ExitCode::SUCCESS {
        printed
    } else {
        code
    })
}
