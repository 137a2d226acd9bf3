//! Differences as text.

use crate::change::Change;
use crate::content;
use crate::error::ReadError;
use crate::escape::Escaped;
use crate::state::FileType;
use crate::tree::Tree;
use crate::walk::{Found, Walk};
use similar::{DiffOp, DiffTag, TextDiff};
use std::fmt;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

/// Bytes of a side; above, a file is too large for a difference.
const LIMIT: u64 = 1 << 20;
/// After this long the rest is taken for replaced as a whole.
const TIME: Duration = Duration::from_millis(500);
const CONTEXT: usize = 3;

/// What is different in the content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diff {
    /// Lines. The text of a symbolic link counts as one line.
    Text(UnifiedDiff),
    /// One of the sides is no text (it has a NUL byte).
    Binary,
    /// One of the sides has more than 1 MiB.
    TooLarge,
    /// The content is the same, or neither side has any.
    None,
}

/// A unified difference.
///
/// [`Display`](fmt::Display) escapes each line for a terminal; [`UnifiedDiff::as_bytes`] is the
/// difference as it is, for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnifiedDiff {
    bytes: Vec<u8>,
    added: usize,
    removed: usize,
}

impl UnifiedDiff {
    /// The difference with the bytes of the files in it: hostile.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lines that are new.
    #[must_use]
    pub fn added(&self) -> usize {
        self.added
    }

    /// Lines that are gone.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.removed
    }

    fn new(header: [&str; 2], old: &[u8], new: &[u8]) -> Self {
        let (old, new) = (lines(old), lines(new));
        let compared = TextDiff::configure().timeout(TIME).diff_slices(&old, &new);
        let mut this = Self {
            bytes: format!("--- {}\n+++ {}\n", header[0], header[1]).into_bytes(),
            added: 0,
            removed: 0,
        };
        for hunk in compared.grouped_ops(CONTEXT) {
            this.hunk(&hunk, &old, &new);
        }
        this
    }

    fn hunk(&mut self, ops: &[DiffOp], old: &[&[u8]], new: &[&[u8]]) {
        let (Some(first), Some(last)) = (ops.first(), ops.last()) else {
            return;
        };
        let before = first.old_range().start..last.old_range().end;
        let after = first.new_range().start..last.new_range().end;
        let head = format!("@@ -{} +{} @@\n", Lines(before), Lines(after));
        self.bytes.extend_from_slice(head.as_bytes());
        for op in ops {
            if op.tag() == DiffTag::Equal {
                self.side(b' ', &old[op.old_range()]);
                continue;
            }
            self.removed += op.old_range().len();
            self.added += op.new_range().len();
            self.side(b'-', &old[op.old_range()]);
            self.side(b'+', &new[op.new_range()]);
        }
    }

    fn side(&mut self, sign: u8, lines: &[&[u8]]) {
        for line in lines {
            self.bytes.push(sign);
            self.bytes.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                self.bytes
                    .extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
}

impl fmt::Display for UnifiedDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        for (index, line) in lines.enumerate() {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            // The two lines of the head are escaped already, and the note is our own.
            if index < 2 || line.starts_with(b"\\") {
                writeln!(f, "{}", String::from_utf8_lossy(line))?;
            } else {
                writeln!(f, "{}", Escaped::from(line).with_tabs())?;
            }
        }
        Ok(())
    }
}

impl Tree {
    /// What is different in the content at a path that changed.
    ///
    /// Files are read up to 1 MiB a side, and compared for half a second at most; after that the
    /// rest counts as replaced as a whole.
    ///
    /// # Errors
    /// [`ReadError`] when one of the sides cannot be read.
    pub fn diff(&self, change: &Change) -> Result<Diff, ReadError> {
        of(self.walk()?, change)
    }
}

/// The difference at the path of a change, between the two views of a walk.
pub(crate) fn of(mut walk: Walk, change: &Change) -> Result<Diff, ReadError> {
    let Some(entry) = walk.find(&change.path)? else {
        return Ok(Diff::None);
    };
    let name = &entry.name;
    let [old, new] = [&entry.a, &entry.b].map(|found| content_of(&walk, name, found.as_ref()));
    let failed = |error| walk.read_error(Some(name), "read", error);
    let (old, new) = (old.map_err(failed)?, new.map_err(failed)?);
    let (old, new) = match (old, new) {
        (Side::TooLarge, _) | (_, Side::TooLarge) => return Ok(Diff::TooLarge),
        (Side::Nothing, Side::Nothing) => return Ok(Diff::None),
        (old, new) => (old, new),
    };
    let path = Escaped::from(change.path.as_path());
    let header = [(&old, "a"), (&new, "b")].map(|(side, letter)| match side {
        Side::Bytes(_) => format!("{letter}/{path}"),
        Side::Nothing | Side::TooLarge => String::from("/dev/null"),
    });
    let (old, new) = (old.into_bytes(), new.into_bytes());
    if old == new {
        return Ok(Diff::None);
    }
    if old.contains(&0) || new.contains(&0) {
        return Ok(Diff::Binary);
    }
    let diff = UnifiedDiff::new([&header[0], &header[1]], &old, &new);
    Ok(Diff::Text(diff))
}

enum Side {
    Nothing,
    Bytes(Vec<u8>),
    TooLarge,
}

impl Side {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Side::Bytes(bytes) => bytes,
            Side::Nothing | Side::TooLarge => Vec::new(),
        }
    }
}

fn content_of(walk: &Walk, name: &std::ffi::OsStr, found: Option<&Found>) -> io::Result<Side> {
    let Some(found) = found else {
        return Ok(Side::Nothing);
    };
    match found.stat.file_type {
        FileType::Regular if found.stat.size > LIMIT => Ok(Side::TooLarge),
        FileType::Regular => {
            let opened = walk.open_file(name, found)?;
            let size = usize::try_from(found.stat.size).unwrap_or(0);
            Ok(Side::Bytes(content::read(&opened.file, size)?))
        }
        FileType::Symlink => {
            let target = crate::fs::read_link(walk.directory_of(found)?, name)?;
            Ok(Side::Bytes(target.as_os_str().as_bytes().to_vec()))
        }
        _ => Ok(Side::Nothing),
    }
}

/// The lines with their ends; a carriage return is part of a line.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A range of lines as a hunk's head has it.
struct Lines(Range<usize>);

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            // No lines: those before are named.
            0 => write!(f, "{},0", self.0.start),
            1 => write!(f, "{}", self.0.start + 1),
            length => write!(f, "{},{length}", self.0.start + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn diff(old: &[u8], new: &[u8]) -> UnifiedDiff {
        UnifiedDiff::new(["a/f", "b/f"], old, new)
    }

    #[test]
    fn it_is_what_diff_u_writes() {
        let old = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = b"1\n2\n3\n4\nfive\n6\n7\n8\n9\n10";
        let made = diff(old, new);
        assert_eq!(
            String::from_utf8_lossy(made.as_bytes()),
            "--- a/f\n+++ b/f\n@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+10\n\
             \\ No newline at end of file\n"
        );
        assert_eq!((made.added(), made.removed()), (2, 1));
        let made = diff(b"", b"x\n");
        assert_eq!(
            String::from_utf8_lossy(made.as_bytes()),
            "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+x\n"
        );
    }

    #[test]
    fn a_terminal_gets_escapes() {
        let made = diff(b"a\n", b"a\x1b[2J\r\n\xff\tb\n").to_string();
        assert!(made.contains("+a\\u{1b}[2J\\r\n+\\xff\tb\n"), "{made}");
        assert!(!made.contains('\u{1b}'));
    }

    #[test]
    fn time_is_bounded() {
        let side = |salt: u32| -> Vec<u8> {
            (0..60_000_u32)
                .flat_map(|line| format!("{}\n", line.wrapping_mul(salt) % 997).into_bytes())
                .collect()
        };
        let start = Instant::now();
        let made = diff(&side(2_654_435_761), &side(40_503));
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
        assert!(made.added() > 0);
    }
}
