//! What has changed, as a list that is never too long.

use super::count;
use crate::text;
use cofferdam::{Change, ChangeKind, FileType, OverlayChanges, ReadError};
use std::path::Path;

/// Changes that are listed of each sort, and things that went wrong.
pub(super) const LISTED: usize = 100;

/// What a list is made of.
pub(crate) type Source<'a> = dyn Iterator<Item = Result<Change, ReadError>> + 'a;

/// The changes of one directory, counted, and the first of them. The risky ones have places of their
/// own: nothing that a sandbox writes pushes them out but more of them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    kinds: [u64; 5],
    bytes: u64,
    pub risky: u64,
    pub unread: u64,
    first: Vec<String>,
    first_risky: Vec<String>,
    first_unread: Vec<String>,
}

const KINDS: [ChangeKind; 5] = [
    ChangeKind::Added,
    ChangeKind::Modified,
    ChangeKind::Removed,
    ChangeKind::TypeChanged,
    ChangeKind::Metadata,
];

impl Listing {
    pub(super) fn of(overlay: &OverlayChanges) -> Self {
        match overlay.changes() {
            Ok(mut changes) => Self::read(&mut changes),
            Err(error) => Self::read(&mut std::iter::once(Err(error))),
        }
    }

    /// Counts all that is different.
    pub(crate) fn read(changes: &mut Source<'_>) -> Self {
        let mut listing = Self::default();
        for change in changes {
            let change = match change {
                Ok(change) => change,
                Err(error) => {
                    listing.unread += 1;
                    if listing.first_unread.len() < LISTED {
                        listing.first_unread.push(text::escape(error));
                    }
                    continue;
                }
            };
            if let Some(kind) = KINDS.iter().position(|kind| *kind == change.kind) {
                listing.kinds[kind] += 1;
            }
            listing.bytes = listing.bytes.saturating_add(bytes(&change).unwrap_or(0));
            let risky = !change.risks.is_empty();
            listing.risky += u64::from(risky);
            let lines = match risky {
                true => &mut listing.first_risky,
                false => &mut listing.first,
            };
            if lines.len() < LISTED {
                lines.push(line(&change));
            }
        }
        listing
    }

    pub(crate) fn changes(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// The summary, the risky changes, the others.
    pub(crate) fn text(&self, path: &Path) -> String {
        let path = text::escape(path.display());
        let mut out = match self.changes() {
            0 => format!("cofferdam: nothing was changed in {path}\n"),
            changes => format!(
                "cofferdam: {} in {path}: {}\n",
                count(changes, "change"),
                self.counts()
            ),
        };
        let calm = self.changes() - self.risky;
        for (lines, all, heading) in [
            (&self.first_risky, self.risky, "risky:"),
            (&self.first, calm, ""),
            (&self.first_unread, self.unread, "not read:"),
        ] {
            if !heading.is_empty() && all > 0 {
                out += &format!("  {heading}\n");
            }
            for line in lines {
                out += &format!("  {line}\n");
            }
            let more = all - lines.len() as u64;
            if more > 0 {
                out += &format!("  and {more} more\n");
            }
        }
        out
    }

    fn counts(&self) -> String {
        let kinds = KINDS.iter().zip(self.kinds).filter(|(_, count)| *count > 0);
        let mut parts: Vec<String> = kinds
            .map(|(kind, count)| format!("{count} {}", kind.name()))
            .collect();
        parts.push(size(self.bytes));
        if self.risky > 0 {
            parts.push(format!("{} risky", self.risky));
        }
        parts.join(", ")
    }
}

/// One change with its size; its own text is escaped already.
pub(crate) fn line(change: &Change) -> String {
    let size = bytes(change).map(size).unwrap_or_default();
    format!("{size:>9}  {change}")
}

/// The bytes of a file that is there now.
fn bytes(change: &Change) -> Option<u64> {
    let after = change.after.as_ref()?;
    (after.file_type == FileType::Regular && change.kind != ChangeKind::Metadata)
        .then_some(after.size)
}

/// Bytes for a person to read.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
