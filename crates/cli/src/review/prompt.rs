//! Asking a person at the terminal.

use super::listing::line;
use super::{DIFFERENCES, differences_of, listing::Listing};
use crate::text;
use cofferdam::{Change, ChangeKind, OverlayChanges};
use nix::sys::termios::{FlushArg, tcflush};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// What a person chose.
#[derive(Debug, Default)]
pub(super) struct Choice {
    chosen: HashSet<PathBuf>,
    declined: HashSet<PathBuf>,
    /// What was not asked about and is not risky.
    rest: bool,
}

impl Choice {
    pub(super) fn is_none(&self) -> bool {
        self.chosen.is_empty() && !self.rest
    }

    pub(super) fn wants(&self, change: &Change) -> bool {
        self.chosen.contains(&change.path)
            || (self.rest && change.risks.is_empty() && !self.declined.contains(&change.path))
    }
}

/// Asks what to do with the changes of one directory. At the end of input nothing is applied.
pub(super) fn ask(overlay: &OverlayChanges, listing: &Listing) -> io::Result<Choice> {
    // What was typed before the first question is no answer to it, nor is what a terminal says by itself
    // because the program asked it to.
    let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
    let path = text::escape(overlay.path().display());
    let all = match (listing.risky, listing.changes() - listing.risky) {
        (0, _) => "[a]ll",
        (_, 0) => "[a]ll, asked one by one since they are risky",
        _ => "[a]ll, the risky ones asked one by one",
    };
    loop {
        text::note(&format!(
            "apply to {path}? {all}, [c]hoose each, show [d]ifferences, [l]ist everything, [n]one: "
        ));
        match answer()?.as_deref() {
            Some("a" | "all") => return each(overlay, true),
            Some("c" | "choose") => return each(overlay, false),
            Some("d" | "diff") => text::note(&differences_of(overlay, DIFFERENCES)),
            Some("l" | "list") => {
                for change in changes(overlay) {
                    text::note(&format!("  {}\n", line(&change)));
                }
            }
            Some("n" | "none" | "no") | None => return Ok(Choice::default()),
            Some(_) => {}
        }
    }
}

/// Asks about every change, or about the risky ones alone and takes the others.
fn each(overlay: &OverlayChanges, risky_only: bool) -> io::Result<Choice> {
    let mut choice = Choice {
        rest: risky_only,
        ..Choice::default()
    };
    let mut without: Option<PathBuf> = None;
    for change in changes(overlay) {
        let is_within = |directory: &PathBuf| change.path.starts_with(directory);
        if without.as_ref().is_some_and(is_within) {
            continue;
        }
        if choice.rest && change.risks.is_empty() {
            continue;
        }
        text::note(&format!("  {}\n", line(&change)));
        match one(overlay, &change, choice.rest)? {
            Answer::Yes => drop(choice.chosen.insert(change.path)),
            Answer::No => {
                if makes_directory(&change) {
                    without = Some(change.path.clone());
                }
                choice.declined.insert(change.path);
            }
            Answer::Rest => {
                if change.risks.is_empty() {
                    choice.chosen.insert(change.path);
                }
                choice.rest = true;
            }
            Answer::Quit => break,
        }
    }
    Ok(choice)
}

enum Answer {
    Yes,
    No,
    Rest,
    Quit,
}

fn one(overlay: &OverlayChanges, change: &Change, rest: bool) -> io::Result<Answer> {
    let others = match rest {
        true => "[q] none of the other risky ones",
        false => "[a]ll the rest that is not risky, [q] none of the rest",
    };
    loop {
        text::note(&format!("apply? [y]es, [n]o, [d]ifference, {others}: "));
        match answer()?.as_deref() {
            Some("y" | "yes") => return Ok(Answer::Yes),
            Some("n" | "no") => return Ok(Answer::No),
            Some("d" | "diff") => {
                let mut differences = super::Differences::bounded(DIFFERENCES);
                text::note(&differences.text(change, overlay.diff(change)));
            }
            Some("a" | "all") if !rest => return Ok(Answer::Rest),
            Some("q" | "quit") | None => return Ok(Answer::Quit),
            Some(_) => {}
        }
    }
}

/// Whether it makes a directory, without which nothing in it can be applied.
pub(super) fn makes_directory(change: &Change) -> bool {
    let is_directory =
        |after: &cofferdam::FileState| after.file_type == cofferdam::FileType::Directory;
    matches!(change.kind, ChangeKind::Added | ChangeKind::TypeChanged)
        && change.after.as_ref().is_some_and(is_directory)
}

/// What can be read; the rest was said in the listing.
fn changes(overlay: &OverlayChanges) -> impl Iterator<Item = Change> {
    overlay.changes().into_iter().flatten().flatten()
}

/// One line, in lower case; `None` at the end of input.
fn answer() -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match nix::unistd::read(io::stdin(), &mut byte) {
            Ok(0) => {
                text::note("\n");
                return Ok(None);
            }
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() < 100 => line.push(byte[0]),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(Some(
        String::from_utf8_lossy(&line).trim().to_ascii_lowercase(),
    ))
}

/// Whether a path lies in a directory that was left out.
pub(super) fn is_left_out(left: Option<&PathBuf>, path: &Path) -> bool {
    left.is_some_and(|directory| path.starts_with(directory))
}
