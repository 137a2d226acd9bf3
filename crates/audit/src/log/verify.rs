//! Verifying a log from its first line to its last.

use super::canonical::Canonical;
use super::diagnose::diagnose;
use super::error::{Breach, Break, VerifyError};
use super::hash::{self, Hash};
use super::lines::{Position, Step, Walk};
use super::time::Stamp;
use super::{Head, PublicKey, files};
use crate::event::{Context, Event, Record, VERSION};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// Verifies the log that begins in this file, whoever has signed it. What can be known that way, and what not, is
/// said at [`crate::log`].
///
/// # Errors
/// [`VerifyError::Broken`] with the first place where the chain breaks.
pub fn verify(path: impl AsRef<Path>) -> Result<Verified, VerifyError> {
    Verifier::new(path).run()
}

/// Verifies a log against what is known about it.
#[derive(Clone, Debug)]
#[must_use = "nothing is verified until run() is called"]
pub struct Verifier {
    path: PathBuf,
    key: Option<PublicKey>,
    known: Vec<Head>,
}

/// What a log is, as far as it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// How many files.
    pub files: u64,
    /// How many heads.
    pub heads: u64,
    /// How many times it was opened for writing.
    pub opened: u64,
    /// How many bytes of unfinished lines were cut off when it was opened.
    pub cut: u64,
    /// Whether its last writer has closed it; if not, it is being written, or the writer was killed, or the end is
    /// gone.
    pub closed: bool,
    /// The time of the first record.
    pub began: String,
    /// The time of the last.
    pub ended: String,
    /// SHA-256 of the last line, in hexadecimal.
    pub tip: String,
    /// The last head: whose signature it is, and up to where.
    pub head: Option<Head>,
    /// All keys that have signed. One that is not yours may be that of whoever wrote the log anew.
    pub keys: Vec<PublicKey>,
}

impl Verified {
    /// How many records are signed, from the first on. Those after them could have been changed, if whoever did it has
    /// made the chain anew.
    pub fn signed(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.seq + 1)
    }
}

impl Verifier {
    /// The log that begins in this file.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            key: None,
            known: Vec::new(),
        }
    }

    /// The key that must have signed it, all of it.
    pub fn key(mut self, key: PublicKey) -> Self {
        self.key = Some(key);
        self
    }

    /// A head that the log had at some time: it must still be there.
    pub fn known(mut self, head: Head) -> Self {
        self.known.push(head);
        self
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn run(&self) -> Result<Verified, VerifyError> {
        let mut walk = Walk::open(&self.path).map_err(io_error)?;
        let mut state = State {
            expected: self,
            prev: hash::NONE,
            time: Stamp::default(),
            file: 0,
            key: None,
            next: None,
            verified: Verified::default(),
            canonical: Canonical::default(),
        };
        let mut before = None;
        loop {
            let step = walk.step().map_err(io_error)?;
            let here = walk.position();
            let (here, breach) = match step {
                Step::Line(first) => match state.line(&walk.lines.line, first, walk.number) {
                    Ok(()) => {
                        before = Some(here);
                        continue;
                    }
                    Err(Some(breach)) => (here, breach),
                    Err(None) => {
                        let (seq, prev) = (state.verified.records, state.prev);
                        diagnose(&mut walk, seq, &prev, before, here).map_err(io_error)?
                    }
                },
                Step::TooLong => (here, Breach::TooLong),
                Step::Torn => {
                    let bytes = u64::try_from(walk.lines.line.len()).unwrap_or(0);
                    (here, Breach::Torn { bytes })
                }
                Step::Missing => (self.missing(walk.number), Breach::MissingFile),
                Step::End => match state.end(walk.number) {
                    None => {
                        state.verified.files = walk.number + 1;
                        return Ok(state.verified);
                    }
                    Some(Breach::MissingFile) => (self.missing(walk.number), Breach::MissingFile),
                    Some(breach) => (here, breach),
                },
            };
            state.verified.files = walk.number + 1;
            return Err(VerifyError::Broken(Box::new(Break {
                file: here.file,
                line: here.line,
                byte: here.byte,
                seq: state.verified.records,
                breach,
                verified: state.verified,
            })));
        }
    }

    /// The beginning of the file after this one.
    fn missing(&self, number: u64) -> Position {
        Position {
            file: files::path(&self.path, number + 1),
            line: 1,
            byte: 0,
        }
    }
}

struct State<'a> {
    expected: &'a Verifier,
    /// The hash of the last line.
    prev: Hash,
    time: Stamp,
    /// The file it was in.
    file: u64,
    /// The key of the writer.
    key: Option<PublicKey>,
    /// The next file, where this one has ended.
    next: Option<String>,
    verified: Verified,
    canonical: Canonical,
}

impl State<'_> {
    /// Takes the next line. A breach that only the lines after it can name is none.
    fn line(&mut self, line: &[u8], first: bool, file: u64) -> Result<(), Option<Breach>> {
        let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| None)?;
        let linked = value.get("seq").and_then(serde_json::Value::as_u64)
            == Some(self.verified.records)
            && value.get("prev").and_then(serde_json::Value::as_str)
                == str::from_utf8(&hash::digits(&self.prev)).ok();
        if !linked {
            return Err(None);
        }
        if value.get("v").and_then(serde_json::Value::as_u64) != Some(u64::from(VERSION)) {
            return Err(Some(Breach::Version));
        }
        let record = Record::deserialize(&value).map_err(|_| None)?;
        self.canonical.out.clear();
        if self.canonical.write(&value, 0).is_err() || self.canonical.out != line {
            return Err(Some(Breach::NotCanonical));
        }
        let time = Stamp::parse(&record.time).filter(|time| *time >= self.time);
        let time = time.ok_or(Breach::Misplaced)?;
        let placed = match &record.event {
            Event::LogOpened { file: own, .. } => *own == file,
            _ => !first,
        };
        if !placed {
            return Err(Some(Breach::Misplaced));
        }
        self.event(&record, time)?;
        self.known(&record)?;
        self.prev = hash::hash(line);
        self.time = time;
        self.file = file;
        let verified = &mut self.verified;
        if verified.records == 0 {
            verified.began.clone_from(&record.time);
        }
        verified.records += 1;
        verified.ended = record.time;
        verified.tip = String::from_utf8_lossy(&hash::digits(&self.prev)).into_owned();
        Ok(())
    }

    /// What the events of the log itself say.
    fn event(&mut self, record: &Record, time: Stamp) -> Result<(), Breach> {
        let verified = &mut self.verified;
        match &record.event {
            Event::LogOpened { key, cut, .. } => {
                let key: Option<PublicKey> = match key {
                    Some(key) => Some(key.parse().map_err(|_| Breach::Misplaced)?),
                    None => None,
                };
                match (self.expected.key, key) {
                    (Some(_), None) => return Err(Breach::Unsigned),
                    (Some(expected), Some(found)) if expected != found => {
                        return Err(Breach::WrongKey { found });
                    }
                    _ => self.key = key,
                }
                verified.opened += 1;
                verified.cut = verified.cut.saturating_add(*cut);
                verified.closed = false;
                self.next = None;
            }
            Event::Head { signature } => {
                let key = self.key.ok_or(Breach::Misplaced)?;
                if record.context != Context::default() {
                    return Err(Breach::Misplaced);
                }
                let good = hash::bytes(signature)
                    .is_some_and(|bytes| key.verify(&self.prev, record.seq, &time.text(), &bytes));
                if !good {
                    return Err(Breach::BadSignature);
                }
                if !verified.keys.contains(&key) {
                    verified.keys.push(key);
                }
                verified.heads += 1;
                verified.head = Some(Head {
                    seq: record.seq,
                    prev: record.prev.clone(),
                    time: record.time.clone(),
                    signature: signature.clone(),
                    key,
                });
            }
            _ if verified.closed || self.next.is_some() => return Err(Breach::Misplaced),
            Event::LogClosed { next } => {
                verified.closed = next.is_none();
                self.next.clone_from(next);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a known head that belongs here is here.
    fn known(&self, record: &Record) -> Result<(), Breach> {
        let mut known = self.expected.known.iter();
        let other = known.any(|head| {
            let same =
                matches!(&record.event, Event::Head { signature } if *signature == head.signature);
            head.seq == record.seq && !(same && head.prev == record.prev)
        });
        if other {
            Err(Breach::OtherHistory)
        } else {
            Ok(())
        }
    }

    /// What is missing at the end of the last file.
    fn end(&self, file: u64) -> Option<Breach> {
        let mut known = self.expected.known.iter();
        // An empty file that follows is one whose writer was killed right then.
        if self.next.is_some() && file == self.file {
            return Some(Breach::MissingFile);
        }
        known
            .any(|head| head.seq >= self.verified.records)
            .then_some(Breach::Truncated)
    }
}

fn io_error((path, source): (PathBuf, io::Error)) -> VerifyError {
    VerifyError::Io { path, source }
}
