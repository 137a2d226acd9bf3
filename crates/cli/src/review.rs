//! What an overlay holds after a run: shown, and applied as the command line or a person says.
//!
//! A risky change is applied in two cases only: `--apply-risky` goes with an `--apply` that names it,
//! or a person at the terminal said yes to it alone.

mod differences;
mod listing;
mod prompt;
mod selection;

pub(crate) use differences::Differences;
pub(crate) use listing::{Listing, line};
pub(crate) use selection::Selection;

use crate::text;
use cofferdam::{Applied, Change, ChangeKind, Changes, OverlayChanges};
use listing::LISTED;
use prompt::{ask, is_left_out, makes_directory};
use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

/// Lines of differences that are shown at once.
const DIFFERENCES: usize = 2000;

/// How changes are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Review<'a> {
    /// What is to be applied; `None` asks, where there is somebody to ask.
    pub selection: Option<&'a Selection>,
    pub diff: bool,
    /// What can be done where there is nobody to ask.
    pub advice: &'a str,
}

impl Review<'_> {
    /// Shows the changes and applies what is to be applied; whether all of that is on the host.
    pub(crate) fn run(&self, changes: &Changes) -> bool {
        let mut complete = true;
        let mut matched = Vec::new();
        for overlay in changes.overlays() {
            complete &= self.overlay(overlay, &mut matched);
        }
        let unmatched = self
            .selection
            .map(|selection| selection.unmatched(&matched));
        for pattern in unmatched.into_iter().flatten() {
            text::complain(format_args!("no change is named by --apply {pattern}"), &[]);
        }
        complete
    }

    fn overlay(&self, overlay: &OverlayChanges, matched: &mut Vec<bool>) -> bool {
        let listing = shown(overlay, self.diff);
        if listing.changes() == 0 {
            return true;
        }
        match self.selection {
            Some(selection) if selection.is_none() => {
                text::note("cofferdam: nothing was applied\n");
                true
            }
            Some(selection) => apply_selected(overlay, selection, matched),
            None if io::stdin().is_terminal() && io::stderr().is_terminal() => {
                let choice = match ask(overlay, &listing) {
                    Ok(choice) => choice,
                    Err(error) => {
                        text::complain(format_args!("the answer cannot be read: {error}"), &[]);
                        return false;
                    }
                };
                if choice.is_none() {
                    text::note("cofferdam: nothing was applied\n");
                    return true;
                }
                apply(overlay, |change| choice.wants(change))
            }
            None => {
                text::note(&format!(
                    "cofferdam: nothing was applied; {}\n",
                    self.advice
                ));
                true
            }
        }
    }
}

/// Shows the changes and applies none; whether all can be seen.
pub(crate) fn show(changes: &Changes, diff: bool) -> bool {
    let mut complete = true;
    for overlay in changes.overlays() {
        complete &= shown(overlay, diff).unread == 0;
    }
    complete
}

fn shown(overlay: &OverlayChanges, diff: bool) -> Listing {
    let listing = Listing::of(overlay);
    text::note(&listing.text(overlay.path()));
    if diff {
        text::note(&differences_of(overlay, DIFFERENCES));
    }
    listing
}

fn differences_of(overlay: &OverlayChanges, lines: usize) -> String {
    let mut differences = Differences::bounded(lines);
    let mut out = String::new();
    // What cannot be read is in the listing.
    for change in overlay.changes().into_iter().flatten().flatten() {
        out += &differences.text(&change, overlay.diff(&change));
        if differences.is_cut() {
            out += "and more: choose each change to see its own, or --save them for `cofferdam diff`\n";
            break;
        }
    }
    out
}

/// Applies what is named, with the new directories that lead there.
fn apply_selected(
    overlay: &OverlayChanges,
    selection: &Selection,
    matched: &mut Vec<bool>,
) -> bool {
    let taken = |change: &Change| {
        selection.names(change) && (selection.takes_risky() || change.risks.is_empty())
    };
    let mut leading: HashSet<PathBuf> = HashSet::new();
    let mut left_out = 0;
    for change in overlay.changes().into_iter().flatten().flatten() {
        selection.note_matches(&change.path, matched);
        if taken(&change) {
            let above = change.path.ancestors().skip(1);
            // Those above one that is known are known.
            for directory in above {
                if !leading.insert(directory.to_owned()) {
                    break;
                }
            }
        } else if selection.names(&change) {
            left_out += 1;
        }
    }
    // Nothing of the host's gives way to what was not named.
    let leads = |change: &Change| {
        change.kind == ChangeKind::Added
            && leading.contains(&change.path)
            && (selection.takes_risky() || change.risks.is_empty())
    };
    let complete = apply(overlay, |change| taken(change) || leads(change));
    if left_out > 0 {
        text::note(&format!(
            "cofferdam: {} left out; --apply-risky applies what is risky too\n",
            match left_out {
                1 => "1 risky change was".to_owned(),
                several => format!("{several} risky changes were"),
            }
        ));
    }
    complete
}

/// Applies what is wanted, and nothing in a new directory that is not; whether all went well.
fn apply(overlay: &OverlayChanges, wants: impl Fn(&Change) -> bool) -> bool {
    let mut without: Option<PathBuf> = None;
    let mut below = 0;
    let applied = overlay.apply(|change| {
        let wanted = wants(change);
        if is_left_out(without.as_ref(), &change.path) {
            below += u64::from(wanted);
            return false;
        }
        if !wanted && makes_directory(change) {
            without = Some(change.path.clone());
        }
        wanted
    });
    match applied {
        Ok(applied) => {
            text::note(&outcome(overlay, &applied));
            if below > 0 {
                text::note(&format!(
                    "cofferdam: {} left out, being in a directory that was left out\n",
                    count(below, "change")
                ));
            }
            applied.is_complete()
        }
        Err(error) => {
            let path = text::escape(overlay.path().display());
            let source = std::error::Error::source(&error);
            let why = source.map(|why| format!(": {why}")).unwrap_or_default();
            text::complain(format_args!("{path}: {error}{why}"), &[]);
            false
        }
    }
}

fn outcome(overlay: &OverlayChanges, applied: &Applied) -> String {
    let path = text::escape(overlay.path().display());
    let mut out = format!(
        "cofferdam: {} applied to {path}\n",
        count(applied.applied, "change")
    );
    let conflicts = applied.conflicts.iter().map(ToString::to_string);
    let refused = applied.refused.iter().map(ToString::to_string);
    for (heading, lines, number) in [
        (
            "in conflict with the host's files:",
            &mut conflicts.take(LISTED) as &mut dyn Iterator<Item = String>,
            applied.conflicts.len(),
        ),
        (
            "not applied:",
            &mut refused.take(LISTED),
            applied.refused.len(),
        ),
    ] {
        if number > 0 {
            out += &format!("  {heading}\n");
        }
        for line in lines {
            out += &format!("    {}\n", text::escape(line));
        }
        if number > LISTED {
            out += &format!("    and {} more\n", number - LISTED);
        }
    }
    if applied.unlisted > 0 {
        out += &format!("  and {} more that were not applied\n", applied.unlisted);
    }
    out
}

/// A number of things.
fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
