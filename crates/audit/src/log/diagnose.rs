//! Naming what was done to a chain that breaks.

use super::error::Breach;
use super::hash::{self, Hash};
use super::lines::{Position, Step, Walk};
use serde::Deserialize;
use std::io;
use std::path::PathBuf;

/// What a line says about its place.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
}

impl Link {
    fn of(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    fn follows(&self, seq: u64, prev: &Hash) -> bool {
        self.seq == seq && self.prev.as_bytes() == hash::digits(prev)
    }
}

/// Names the breach at the line that was read last, where a record `seq` after a line `prev` belongs, by the lines
/// that follow it. `before` is the place of the line before, `here` that of this one.
pub(super) fn diagnose(
    walk: &mut Walk,
    seq: u64,
    prev: &Hash,
    before: Option<Position>,
    here: Position,
) -> Result<(Position, Breach), (PathBuf, io::Error)> {
    let hash = hash::hash(&walk.lines.line);
    let this = Link::of(&walk.lines.line);
    let next = match walk.step()? {
        Step::Line(_) => Link::of(&walk.lines.line),
        _ => None,
    };
    if next.as_ref().is_some_and(|next| next.follows(seq, prev)) {
        let after = hash::hash(&walk.lines.line);
        let swapped = this.is_some_and(|this| this.follows(seq + 1, &after));
        let breach = if swapped {
            Breach::Reordered
        } else {
            Breach::Inserted
        };
        return Ok((here, breach));
    }
    let Some(this) = this else {
        return Ok((here, Breach::Changed));
    };
    if this.seq == seq {
        // This line still is what the next one says it was, so the one before is not what this one says.
        let intact = next.is_some_and(|next| next.follows(seq + 1, &hash));
        return Ok(match before {
            Some(before) if intact => (before, Breach::Changed),
            _ => (here, Breach::Changed),
        });
    }
    if next
        .as_ref()
        .is_some_and(|next| next.follows(seq + 1, &hash))
    {
        return Ok((here, Breach::Changed));
    }
    if next.as_ref().is_some_and(|next| next.seq == seq + 1) {
        return Ok((here, Breach::Changed));
    }
    if this.seq < seq {
        return Ok((here, Breach::Inserted));
    }
    let records = this.seq - seq;
    let mut later = next;
    loop {
        if later.is_some_and(|later| later.seq == seq) {
            return Ok((here, Breach::Reordered));
        }
        later = match walk.step()? {
            Step::Line(_) => Link::of(&walk.lines.line),
            Step::TooLong => None,
            Step::Torn | Step::Missing | Step::End => {
                return Ok((here, Breach::Removed { records }));
            }
        };
    }
}
