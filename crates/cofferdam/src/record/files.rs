//! Files that were changed, as seen afterwards.

use super::denials::Mark;
use super::{Recorder, convert, lock, remedy};
use crate::error::ChangesError;
use crate::lower::Lowered;
use crate::review::{Changes, OverlayChanges};
use crate::taken::TakenAway;
use cofferdam_audit::event::Context;
use cofferdam_audit::{Denial, Event, SinkError};
use cofferdam_changes::{Applied, Change, Kind};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Changes that are recorded of one environment, one by one.
const LISTED: usize = 1000;

/// Changes that are counted beyond those. A program can make any number.
const COUNTED: u64 = 100_000;

/// What became of a change.
const HELD: &str = "held";
const APPLIED: &str = "applied";
const DISCARDED: &str = "discarded";
const REMOVED: &str = "removed";

/// The changes of a session that are held back, until they are applied or nobody holds them any more.
#[derive(Debug)]
pub(crate) struct Held {
    recorder: Recorder,
    /// Each by its path on the host, with how it changed and why it needs a second look.
    changes: Mutex<BTreeMap<PathBuf, (&'static str, Vec<String>)>>,
}

impl Held {
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            changes: Mutex::default(),
        }
    }

    /// Records what is held back now that the session has ended.
    pub(crate) fn list(&self, overlays: &[OverlayChanges]) {
        self.recorder.list(overlays, HELD, |path, change, risks| {
            lock(&self.changes).insert(path, (change, risks));
        });
    }

    /// Records that a change is about to be applied.
    ///
    /// # Errors
    /// [`SinkError`]: it must not be applied.
    pub(crate) fn applying(&self, directory: &Path, change: &Change) -> Result<(), SinkError> {
        let path = directory.join(&change.path);
        self.recorder
            .changed(&path, word(change.kind), risks(change), APPLIED)?;
        lock(&self.changes).remove(&path);
        Ok(())
    }

    /// Records which of those were not applied after all.
    pub(crate) fn applied(&self, directory: &Path, changes: &[(PathBuf, Kind)], applied: &Applied) {
        let conflicts = applied.conflicts.iter().map(|one| &one.path);
        let refused = applied.refused.iter().map(|one| &one.path);
        for left in conflicts.chain(refused) {
            let Some((_, kind)) = changes.iter().find(|(path, _)| path == left) else {
                continue;
            };
            let path = directory.join(left);
            let _ = self.recorder.changed(&path, word(*kind), Vec::new(), HELD);
            let mut changes = lock(&self.changes);
            if changes.len() < LISTED {
                changes.insert(path, (word(*kind), Vec::new()));
            }
        }
    }

    /// Records that they are kept as a snapshot, and so are not discarded.
    pub(crate) fn keep(&self, snapshot: &str) {
        lock(&self.changes).clear();
        self.recorder.note("snapshot", "name", snapshot.to_owned());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (path, (change, risks)) in std::mem::take(&mut *lock(&self.changes)) {
            let _ = self.recorder.changed(&path, change, risks, DISCARDED);
        }
    }
}

/// What a single command leaves in overlays of its own, which are gone with it.
#[derive(Debug, Default)]
pub(crate) struct Leaves(Option<Result<Changes, ChangesError>>);

impl Leaves {
    /// That of a start, opened before its environment ends.
    pub(crate) fn of(
        lowered: &Arc<Lowered>,
        handed_out: Option<BorrowedFd<'_>>,
        since: SystemTime,
    ) -> Self {
        let overlays = !lowered.overlaid.is_empty();
        Self(overlays.then(|| Changes::of(lowered, handed_out, since, None)))
    }

    /// Records that it is gone.
    pub(super) fn discard(&self, recorder: &Recorder) {
        match &self.0 {
            Some(Ok(changes)) => recorder.list(changes.overlays(), DISCARDED, |_, _, _| {}),
            Some(Err(error)) => recorder.unseen(error),
            None => {}
        }
    }
}

impl Recorder {
    /// Records that overlays were there whose changes could not be looked at.
    pub(crate) fn unseen(&self, error: &ChangesError) {
        self.note("changes_unseen", "error", error.to_string());
    }

    /// Records the dangerous names that were taken away, and adds them to what was refused.
    pub(crate) fn taken(&self, context: &Context, command: Option<Mark>, taken: &[TakenAway]) {
        for (number, one) in taken.iter().enumerate() {
            let what = one.what().to_string();
            let path = convert::path(one.path());
            let reason = match one.is_removed() {
                true => format!("it is dangerous ({what}), and was removed"),
                false => format!("it is dangerous ({what}); it could not be removed as a whole"),
            };
            let denial = Denial::certain("filesystem", format!("make {path}"), reason)
                .remedy(remedy::unprotect(one.path()));
            self.inner.denials.add(command, denial);
            if number < LISTED {
                let state = match one.is_removed() {
                    true => REMOVED,
                    false => "direct",
                };
                let _ = self.record(context.clone(), || Event::FileChanged {
                    path,
                    change: "added".into(),
                    risks: vec![what],
                    state: state.into(),
                });
            }
        }
        self.suppressed(context, taken.len().saturating_sub(LISTED) as u64);
    }

    /// The first changes one by one, and how many more there are.
    fn list(
        &self,
        overlays: &[OverlayChanges],
        state: &str,
        mut keep: impl FnMut(PathBuf, &'static str, Vec<String>),
    ) {
        if !self.records() {
            return;
        }
        let (mut listed, mut more) = (0, 0);
        'all: for overlay in overlays {
            let changes = match overlay.changes() {
                Ok(changes) => changes,
                Err(error) => {
                    self.note("changes_unseen", "error", error.to_string());
                    continue;
                }
            };
            for change in changes {
                if listed >= LISTED {
                    more += 1;
                    if more >= COUNTED {
                        break 'all;
                    }
                    continue;
                }
                listed += 1;
                let change = match change {
                    Ok(change) => change,
                    Err(error) => {
                        self.note("change_unseen", "error", error.to_string());
                        continue;
                    }
                };
                let path = overlay.path().join(&change.path);
                let _ = self.changed(&path, word(change.kind), risks(&change), state);
                keep(path, word(change.kind), risks(&change));
            }
        }
        self.suppressed(&self.context(), more);
        if more >= COUNTED {
            self.note("changes_uncounted", "counted", COUNTED.to_string());
        }
    }

    fn changed(
        &self,
        path: &Path,
        change: &str,
        risks: Vec<String>,
        state: &str,
    ) -> Result<(), SinkError> {
        self.record(self.context(), || Event::FileChanged {
            path: convert::path(path),
            change: change.to_owned(),
            risks,
            state: state.to_owned(),
        })
    }

    /// Records how many changes are not recorded one by one.
    fn suppressed(&self, context: &Context, count: u64) {
        if count > 0 {
            let _ = self.record(context.clone(), || Event::Suppressed {
                kind: "file_changed".into(),
                count,
            });
        }
    }

    pub(super) fn note(&self, name: &str, attribute: &str, value: String) {
        let _ = self.record(self.context(), || Event::Note {
            name: name.to_owned(),
            attributes: [(attribute.to_owned(), value)].into(),
        });
    }
}

/// How a path changed, in the record's words.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "added",
        Kind::Removed => "deleted",
        Kind::TypeChanged => "type",
        Kind::Metadata => "mode",
        _ => "modified",
    }
}

fn risks(change: &Change) -> Vec<String> {
    change.risks.iter().map(ToString::to_string).collect()
}
