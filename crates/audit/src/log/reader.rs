//! Reading a log, without verifying it.

use super::error::ReadError;
use super::lines::{Got, Lines, open};
use super::{Filter, Follow, files};
use crate::event::Record;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Reads the records of a log, over all its files, in their order. A line that is no record is an error, and reading
/// goes on behind it. At most one line is in memory.
pub struct Reader {
    base: PathBuf,
    number: u64,
    lines: Lines<File>,
    filter: Filter,
    /// Nothing more comes after a failed read.
    failed: bool,
}

/// Reads records from any source of bytes, such as a pipe. As [`Reader`] otherwise.
pub struct Records<R> {
    lines: Lines<R>,
    path: PathBuf,
    failed: bool,
}

/// What came of an attempt to read a line.
pub(super) enum Read1 {
    Record(Box<Record>),
    Error(ReadError),
    /// A line without an end; it can be tried again.
    Unfinished(ReadError),
    End,
}

impl Reader {
    /// The log that begins in this file.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let base = path.as_ref().to_owned();
        let file = open(&base).map_err(|(path, source)| ReadError::Io { path, source })?;
        Ok(Self {
            base,
            number: 0,
            lines: Lines::new(file),
            filter: Filter::default(),
            failed: false,
        })
    }

    /// Gives only records that match.
    #[must_use]
    pub fn matching(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Waits for more at the end, and goes on into new files.
    pub fn follow(self) -> Follow {
        Follow::new(self)
    }

    /// The next record or error that there is now.
    pub(super) fn read(&mut self) -> Read1 {
        if self.failed {
            return Read1::End;
        }
        loop {
            let path = files::path(&self.base, self.number);
            match one(&mut self.lines, &path) {
                Read1::Record(record) if !self.filter.matches(&record) => {}
                Read1::End => {
                    let next = files::path(&self.base, self.number + 1);
                    match open(&next) {
                        // The writer makes it before it ends this one, and fills it afterwards.
                        Ok(file) if file.metadata().is_ok_and(|stat| stat.len() > 0) => {
                            match one(&mut self.lines, &path) {
                                Read1::End => {
                                    self.lines = Lines::new(file);
                                    self.number += 1;
                                }
                                Read1::Record(record) if !self.filter.matches(&record) => {}
                                more => return self.remember(more),
                            }
                        }
                        Ok(_) => return Read1::End,
                        Err((_, error)) if error.kind() == std::io::ErrorKind::NotFound => {
                            return Read1::End;
                        }
                        Err((path, source)) => {
                            return self.remember(Read1::Error(ReadError::Io { path, source }));
                        }
                    }
                }
                more => return self.remember(more),
            }
        }
    }

    /// Goes back to before the line that was read last.
    pub(super) fn back(&mut self) -> Result<(), ReadError> {
        let path = || files::path(&self.base, self.number);
        self.lines.back().map_err(|source| ReadError::Io {
            path: path(),
            source,
        })
    }

    fn remember(&mut self, read: Read1) -> Read1 {
        self.failed = matches!(&read, Read1::Error(ReadError::Io { .. }));
        read
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        item(self.read())
    }
}

impl<R: Read> Records<R> {
    /// Those of this source.
    pub fn new(source: R) -> Self {
        Self {
            lines: Lines::new(source),
            path: PathBuf::from("-"),
            failed: false,
        }
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = one(&mut self.lines, &self.path);
        self.failed = matches!(&read, Read1::Error(ReadError::Io { .. }));
        item(read)
    }
}

fn item(read: Read1) -> Option<Result<Record, ReadError>> {
    match read {
        Read1::Record(record) => Some(Ok(*record)),
        Read1::Error(error) | Read1::Unfinished(error) => Some(Err(error)),
        Read1::End => None,
    }
}

fn one<R: Read>(lines: &mut Lines<R>, path: &Path) -> Read1 {
    let got = match lines.step() {
        Ok(got) => got,
        Err(source) => {
            return Read1::Error(ReadError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    let bad = |lines: &Lines<R>, reason| {
        Read1::Error(ReadError::Line {
            path: path.to_owned(),
            line: lines.number,
            byte: lines.byte,
            reason,
        })
    };
    match got {
        Got::Line => match serde_json::from_slice(&lines.line) {
            Ok(record) => Read1::Record(Box::new(record)),
            Err(error) => bad(lines, error.to_string()),
        },
        Got::TooLong => bad(lines, "it is longer than any record".to_owned()),
        Got::Torn => Read1::Unfinished(ReadError::Unfinished {
            path: path.to_owned(),
            line: lines.number,
            byte: lines.byte,
        }),
        Got::End => Read1::End,
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("file", &files::path(&self.base, self.number))
            .field("line", &self.lines.number)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}
