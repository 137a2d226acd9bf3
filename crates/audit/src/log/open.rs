//! Opening a log: a new one, or the end of one that is there.

use super::canonical::Canonical;
use super::files::{self, How};
use super::hash::{self, Hash};
use super::time::Stamp;
use super::writer::{Place, State};
use super::{LogOptions, MAX_LINE, OpenError};
use crate::event::{Event, Record};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much of the end of a file is looked at first.
const LOOK: u64 = 64 * 1024;

/// The end of a file.
#[derive(Default)]
struct Tail {
    /// The bytes of all whole lines.
    whole: u64,
    /// The bytes behind them.
    torn: u64,
    last: Option<Last>,
}

/// The last record.
struct Last {
    seq: u64,
    hash: Hash,
    time: Stamp,
    /// The largest number of a session or command seen.
    id: u64,
    /// The next file, if this one was ended in favour of it.
    next: Option<String>,
}

impl State {
    /// Everything but the first record.
    pub fn open(options: LogOptions) -> Result<Self, OpenError> {
        let base = options.path.clone();
        let at = |source| io_error(&base, source);
        let known = files::last(&base).map_err(at)?;
        if known.is_some_and(|last| last > 0) && base.symlink_metadata().is_err() {
            return Err(damaged(&base, "its first file is missing"));
        }
        let lock = open(&base, options.mode)?;
        if !files::lock(&lock).map_err(at)? {
            return Err(OpenError::InUse { path: base });
        }
        if known.is_none() && options.sync != super::SyncPolicy::Never {
            super::writer::sync_directory(&base).map_err(at)?;
        }
        // Only now nobody adds to it any more.
        let mut number = files::last(&base).map_err(at)?.unwrap_or(0);
        let mut file = open(&files::path(&base, number), options.mode)?;
        let mut tail = Tail::of(&files::path(&base, number), &file)?;
        let mut last = tail.last.take();
        if last.is_none() && number > 0 {
            let path = files::path(&base, number - 1);
            let before = open(&path, options.mode)?;
            let mut end = Tail::of(&path, &before)?;
            last = end.last.take();
            let name = files::name(&base, number);
            if last.as_ref().is_none_or(|last| last.next != Some(name)) {
                // The writer was killed before it had ended the file: the next one is as empty as it was made.
                if tail.torn > 0 {
                    return Err(damaged(
                        &path,
                        "it goes on in another file that it does not name",
                    ));
                }
                (number, file, tail) = (number - 1, before, end);
            }
        }
        let path = files::path(&base, number);
        if tail.whole > 0
            && let Some(next) = last.as_ref().and_then(|last| last.next.as_ref())
        {
            return Err(damaged(
                &path,
                format!("the file {next:?} that follows it is missing"),
            ));
        }
        if tail.torn > 0 {
            file.set_len(tail.whole)
                .map_err(|error| io_error(&path, error))?;
        }
        let born = match tail.whole {
            0 => Stamp::default(),
            _ => born(&path, &file)?,
        };
        let time = last.as_ref().map_or(Stamp::default(), |last| last.time);
        let seq = last.as_ref().map_or(0, |last| last.seq + 1);
        Ok(Self {
            options,
            lock,
            file,
            number,
            length: tail.whole,
            born,
            cut: tail.torn,
            begun: false,
            place: Place {
                seq,
                prev: last.as_ref().map_or(hash::NONE, |last| last.hash),
                time,
                unsigned: 0,
                signed: time,
                head: None,
            },
            first_id: last.as_ref().map_or(1, |last| last.id.max(seq) + 1),
            lines: Canonical::default(),
            torn: false,
            ended: false,
        })
    }
}

impl Tail {
    /// Reads the end of a file and follows the chain through it.
    fn of(path: &Path, file: &File) -> Result<Self, OpenError> {
        let at = |source| io_error(path, source);
        let length = file.metadata().map_err(at)?.len();
        let most = 2 * (u64::try_from(MAX_LINE).unwrap_or(0) + 1);
        let mut size = LOOK.min(length);
        loop {
            let start = length - size;
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            file.read_exact_at(&mut bytes, start).map_err(at)?;
            let end = after_last(&bytes);
            // A line that begins before what was read is none to look at.
            let first = match start {
                0 => 0,
                _ => after_first(&bytes),
            };
            if first < end || start == 0 {
                let torn = bytes.len() - end;
                if torn > MAX_LINE {
                    return Err(damaged(path, "it ends with something that is no line"));
                }
                let torn = u64::try_from(torn).unwrap_or(0);
                return Ok(Self {
                    whole: length - torn,
                    torn,
                    last: follow(path, &bytes[first..end])?,
                });
            }
            if size >= most {
                return Err(damaged(path, "it ends with something that is no line"));
            }
            size = (size * 2).min(length).min(most);
        }
    }
}

/// Goes through whole lines and gives the last.
fn follow(path: &Path, bytes: &[u8]) -> Result<Option<Last>, OpenError> {
    let mut last: Option<Last> = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let record: Record = serde_json::from_slice(line).map_err(|error| {
            damaged(path, format!("one of its last lines is no record: {error}"))
        })?;
        let (Some(time), Some(prev)) = (Stamp::parse(&record.time), hash::bytes(&record.prev))
        else {
            return Err(damaged(path, "one of its last records has no time or hash"));
        };
        if last
            .as_ref()
            .is_some_and(|last| record.seq != last.seq + 1 || prev != last.hash)
        {
            return Err(damaged(
                path,
                format!("its chain breaks at record {}", record.seq),
            ));
        }
        // More records than numbers that every reader has exactly.
        if record.seq >= 1 << 53 {
            return Err(damaged(path, "it is full"));
        }
        let ids = [record.context.session, record.context.command];
        let next = match (record.event, &last) {
            (Event::LogClosed { next }, _) => next,
            // A head that follows the end of a file changes nothing about it.
            (Event::Head { .. }, Some(last)) => last.next.clone(),
            _ => None,
        };
        last = Some(Last {
            seq: record.seq,
            hash: hash::hash(line),
            time,
            id: ids
                .into_iter()
                .flatten()
                .chain(last.map(|last| last.id))
                .max()
                .unwrap_or(0),
            next,
        });
    }
    Ok(last)
}

/// The time of a file's first record.
fn born(path: &Path, file: &File) -> Result<Stamp, OpenError> {
    let mut bytes = vec![0; MAX_LINE.min(1 << 16)];
    let length = file
        .read_at(&mut bytes, 0)
        .map_err(|error| io_error(path, error))?;
    bytes.truncate(length);
    let end = after_first(&bytes).saturating_sub(1);
    let record: Option<Record> = serde_json::from_slice(&bytes[..end]).ok();
    record
        .and_then(|record| Stamp::parse(&record.time))
        .ok_or_else(|| damaged(path, "its first line is no record"))
}

/// The position behind the first line end, or the end.
fn after_first(bytes: &[u8]) -> usize {
    let found = bytes.iter().position(|byte| *byte == b'\n');
    found.map_or(bytes.len(), |at| at + 1)
}

/// The position behind the last line end, or the start.
fn after_last(bytes: &[u8]) -> usize {
    let found = bytes.iter().rposition(|byte| *byte == b'\n');
    found.map_or(0, |at| at + 1)
}

fn open(path: &Path, mode: u32) -> Result<File, OpenError> {
    match files::regular(path, How::Append(mode)) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(OpenError::NotAFile {
            path: path.to_owned(),
        }),
        Err(source) => Err(io_error(path, source)),
    }
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> OpenError {
    OpenError::Damaged {
        path: path.into(),
        what: what.into(),
    }
}
