//! Writing: one line and one write(2) for each event.

use super::canonical::Canonical;
use super::hash::{self, Hash};
use super::time::{LENGTH, Stamp};
use super::{LogOptions, MAX_LINE, OpenError, PublicKey, SyncPolicy, files};
use crate::event::{Context, Event, VERSION};
use crate::{Entry, Sink, SinkError, SpanId, TraceId};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Writes a log; a [`Sink`]. Made by [`LogOptions::open`].
///
/// When [`Sink::take`] has returned, the kernel has the line: a SIGKILL of this process loses nothing. Where the disk
/// is full, an event is refused as a whole, nothing of it stays in the file, and the next one is tried anew.
///
/// Dropping it closes the log.
pub struct LogWriter {
    state: Arc<Mutex<State>>,
}

/// Access to a log that a [`LogWriter`] somewhere else writes.
#[derive(Clone)]
pub struct LogHandle {
    state: Arc<Mutex<State>>,
}

/// A signature of all that stands before it in a log. Kept somewhere else, it shows later whether the log was cut or
/// written anew since ([`Verifier::known`](super::Verifier::known)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The number of its record.
    pub seq: u64,
    /// SHA-256 of the line before, in hexadecimal.
    pub prev: String,
    /// The record's time.
    pub time: String,
    /// The signature, in hexadecimal.
    pub signature: String,
    /// Whose it is.
    pub key: PublicKey,
}

/// A log while it is written.
pub(super) struct State {
    pub options: LogOptions,
    /// The first file, which is locked.
    pub lock: File,
    /// The file that is written to, and its number.
    pub file: File,
    pub number: u64,
    /// Its bytes up to the last whole line.
    pub length: u64,
    /// The time of its first record.
    pub born: Stamp,
    /// Bytes that were cut off it.
    pub cut: u64,
    /// Whether `log_opened` was written to it.
    pub begun: bool,
    pub place: Place,
    /// What to start numbers of sessions and commands at.
    pub first_id: u64,
    pub lines: Canonical,
    /// Whether there may be a part of a line behind `length`.
    pub torn: bool,
    pub ended: bool,
}

/// A place in the chain.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The number of the next record.
    pub seq: u64,
    /// The hash of the last line.
    pub prev: Hash,
    /// The time of the last record.
    pub time: Stamp,
    /// Records since the last head.
    pub unsigned: u64,
    /// When the last head was written, or the log opened.
    pub signed: Stamp,
    pub head: Option<Signature>,
}

/// A head as it is kept.
#[derive(Clone, Copy)]
pub(super) struct Signature {
    seq: u64,
    prev: Hash,
    time: Stamp,
    signature: [u8; 64],
    key: PublicKey,
}

/// A record as it is written: the members in their canonical order.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<u64>,
    event: &'a Event,
    prev: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<SpanId>,
    time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceId>,
    v: u32,
}

impl LogWriter {
    pub(super) fn open(options: LogOptions) -> Result<Self, OpenError> {
        let mut state = State::open(options)?;
        state.begin(Stamp::from(SystemTime::now()))?;
        Ok(Self {
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Access to this log once the writer has been given away.
    pub fn handle(&self) -> LogHandle {
        LogHandle {
            state: Arc::clone(&self.state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for LogWriter {
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        self.lock().take(entry)
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.lock().close()
    }

    fn first_id(&self) -> u64 {
        self.lock().first_id
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let _ = self.lock().close();
    }
}

impl LogHandle {
    /// Writes a head now, if there is a key and anything new.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn head(&self) -> Result<(), SinkError> {
        let mut state = self.lock();
        if state.ended || state.options.key.is_none() || state.place.unsigned == 0 {
            return Ok(());
        }
        let now = state.now(SystemTime::now());
        state.write(now, |state| state.stage_head(now))
    }

    /// The last head, to be kept somewhere else; none without a key, or before the first.
    pub fn last_head(&self) -> Option<Head> {
        self.lock().place.head.map(Head::from)
    }

    /// How many records the log has.
    pub fn records(&self) -> u64 {
        self.lock().place.seq
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        if self.ended {
            return Err(SinkError::new("the log is closed: open it anew"));
        }
        let now = self.now(entry.time);
        let old = |age| now.since(self.born) >= age;
        if self.begun
            && (self
                .options
                .max_size
                .is_some_and(|size| self.length >= size)
                || self.options.max_age.is_some_and(old))
        {
            self.rotate(now)?;
        }
        if !self.begun {
            self.begin(now)?;
        }
        self.write(now, |state| {
            state.stage(&entry.context, &entry.event, now)?;
            let place = &state.place;
            let due = place.unsigned >= state.options.head_records
                || now.since(place.signed) >= state.options.head_interval;
            if due { state.stage_head(now) } else { Ok(()) }
        })
    }

    fn close(&mut self) -> Result<(), SinkError> {
        if self.ended {
            return Ok(());
        }
        let now = self.now(SystemTime::now());
        let mut result = if self.begun { Ok(()) } else { self.begin(now) };
        if result.is_ok() {
            result = self.write(now, |state| {
                let event = Event::LogClosed { next: None };
                state.stage(&Context::default(), &event, now)?;
                state.stage_head(now)
            });
        }
        self.ended = true;
        if self.options.sync != SyncPolicy::Never {
            result = result.and(self.sync());
        }
        // Whoever comes next may have it, also while there are handles.
        let _ = rustix::fs::flock(&self.lock, rustix::fs::FlockOperation::Unlock);
        result
    }

    /// The time of the next record: never before that of the last one.
    fn now(&self, time: SystemTime) -> Stamp {
        Stamp::from(time).max(self.place.time)
    }

    /// Writes `log_opened`.
    fn begin(&mut self, now: Stamp) -> Result<(), SinkError> {
        let now = now.max(self.place.time);
        let event = Event::LogOpened {
            writer: self.options.writer.clone(),
            file: self.number,
            key: self
                .options
                .key
                .as_ref()
                .map(|key| key.public().to_string()),
            cut: self.cut,
        };
        if self.length == 0 {
            self.born = now;
        }
        self.place.signed = now;
        self.write(now, |state| state.stage(&Context::default(), &event, now))?;
        self.begun = true;
        self.cut = 0;
        Ok(())
    }

    /// Ends this file and goes on in the next. That one exists before this one names it, so that one that is named
    /// and not there was removed.
    fn rotate(&mut self, now: Stamp) -> Result<(), SinkError> {
        let number = self.number + 1;
        let path = files::path(&self.options.path, number);
        let next = files::regular(&path, files::How::Append(self.options.mode));
        let next = next.and_then(|file| file.ok_or_else(|| io::ErrorKind::AlreadyExists.into()));
        let next = next.map_err(|error| failed("make the next file", &path, &error))?;
        let length = next.metadata().map(|stat| stat.len());
        if length.map_err(|error| failed("look at the next file", &path, &error))? > 0 {
            let error = io::ErrorKind::AlreadyExists.into();
            return Err(failed("make the next file", &path, &error));
        }
        if self.options.sync != SyncPolicy::Never {
            sync_directory(&path)
                .map_err(|error| failed("sync the directory of", &path, &error))?;
        }
        let name = files::name(&self.options.path, number);
        self.write(now, |state| {
            let event = Event::LogClosed { next: Some(name) };
            state.stage(&Context::default(), &event, now)?;
            state.stage_head(now)
        })?;
        (self.file, self.number, self.length) = (next, number, 0);
        self.begun = false;
        Ok(())
    }

    /// Writes the lines that `stage` puts together, all or none.
    fn write(
        &mut self,
        now: Stamp,
        stage: impl FnOnce(&mut Self) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let before = self.place;
        self.lines.out.clear();
        let result = stage(self).and_then(|()| self.flush());
        if result.is_err() {
            self.place = before;
            return result;
        }
        self.place.time = now;
        let head = self.place.unsigned == 0;
        match self.options.sync {
            SyncPolicy::EachRecord => self.sync(),
            SyncPolicy::AtHeads if head => self.sync(),
            _ => Ok(()),
        }
    }

    /// Puts a line behind those that are to be written.
    fn stage(&mut self, context: &Context, event: &Event, now: Stamp) -> Result<(), SinkError> {
        let (prev, time) = (hash::digits(&self.place.prev), now.text());
        let line = Line {
            command: context.command,
            event,
            prev: str::from_utf8(&prev).unwrap_or_default(),
            seq: self.place.seq,
            session: context.session,
            span: context.span,
            time: str::from_utf8(&time).unwrap_or_default(),
            trace: context.trace,
            v: VERSION,
        };
        let start = self.lines.out.len();
        // Strings are cut only where the line would be too long with all of them.
        for longest in [0, 16 << 10, 1 << 10, 128] {
            self.lines.out.truncate(start);
            let written = self.lines.write(&line, longest);
            written.map_err(|error| {
                SinkError::new(format_args!("it is not one that JSON has: {error}"))
            })?;
            if self.lines.out.len() - start <= MAX_LINE {
                self.place.prev = hash::hash(&self.lines.out[start..]);
                self.place.seq += 1;
                self.place.unsigned += 1;
                self.lines.out.push(b'\n');
                return Ok(());
            }
        }
        Err(SinkError::new(
            "it is longer than 1 MiB, also with its strings cut: record less of it",
        ))
    }

    /// Puts a head behind the lines that are to be written, if there is a key.
    fn stage_head(&mut self, now: Stamp) -> Result<(), SinkError> {
        let Some(key) = &self.options.key else {
            // The place of a head is still one to sync at.
            (self.place.unsigned, self.place.signed) = (0, now);
            return Ok(());
        };
        let Place { seq, prev, .. } = self.place;
        let signature = key.sign(&prev, seq, &now.text());
        let head = Signature {
            seq,
            prev,
            time: now,
            signature,
            key: key.public(),
        };
        let event = Event::Head {
            signature: HEXLOWER.encode(&signature),
        };
        self.stage(&Context::default(), &event, now)?;
        self.place.unsigned = 0;
        self.place.signed = now;
        self.place.head = Some(head);
        Ok(())
    }

    /// Brings the lines into the file, or leaves it as it was.
    fn flush(&mut self) -> Result<(), SinkError> {
        self.mend()?;
        let mut done = 0;
        while done < self.lines.out.len() {
            let error = match self.file.write(&self.lines.out[done..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    done += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.torn = done > 0;
            // If it fails, it is tried again before the next line.
            let _ = self.mend();
            let path = files::path(&self.options.path, self.number);
            return Err(failed("write to", &path, &error));
        }
        self.length += u64::try_from(done).unwrap_or(0);
        Ok(())
    }

    /// Cuts off a part of a line that a failed write has left.
    fn mend(&mut self) -> Result<(), SinkError> {
        if !self.torn {
            return Ok(());
        }
        let cut = self.file.metadata().and_then(|stat| {
            if stat.len() > self.length {
                self.file.set_len(self.length)?;
            }
            Ok(())
        });
        let path = files::path(&self.options.path, self.number);
        cut.map_err(|error| failed("cut an unfinished line off", &path, &error))?;
        self.torn = false;
        Ok(())
    }

    fn sync(&self) -> Result<(), SinkError> {
        let path = || files::path(&self.options.path, self.number);
        self.file
            .sync_data()
            .map_err(|error| failed("sync", &path(), &error))
    }
}

/// Brings the names of a file's directory onto the disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

fn failed(what: &str, path: &Path, error: &io::Error) -> SinkError {
    SinkError::new(format_args!("cannot {what} {}: {error}", path.display()))
}

impl From<Signature> for Head {
    fn from(head: Signature) -> Self {
        let text = |bytes: [u8; LENGTH]| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            seq: head.seq,
            prev: HEXLOWER.encode(&head.prev),
            time: text(head.time.text()),
            signature: HEXLOWER.encode(&head.signature),
            key: head.key,
        }
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().debug("LogWriter", f)
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().debug("LogHandle", f)
    }
}

impl State {
    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("file", &files::path(&self.options.path, self.number))
            .field("records", &self.place.seq)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
