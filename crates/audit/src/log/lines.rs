//! Lines of bounded length, and where they are.

use super::{MAX_LINE, files};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Reads lines, whatever the bytes are.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    /// The last line that was given, without its end.
    pub line: Vec<u8>,
    /// Its number, from 1.
    pub number: u64,
    /// Where it begins.
    pub byte: u64,
    /// Where the next begins.
    next: u64,
}

/// What [`Lines::step`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// A line.
    Line,
    /// One that is longer than any record; it was skipped.
    TooLong,
    /// Bytes without a line end, and then the end.
    Torn,
    /// The end.
    End,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(64 * 1024, input),
            line: Vec::new(),
            number: 0,
            byte: 0,
            next: 0,
        }
    }

    pub fn step(&mut self) -> io::Result<Got> {
        self.line.clear();
        let most = u64::try_from(MAX_LINE).unwrap_or(0) + 1;
        let limited = &mut (&mut self.input).take(most);
        let mut read = limited.read_until(b'\n', &mut self.line)?;
        let got = if self.line.last() == Some(&b'\n') {
            self.line.pop();
            Got::Line
        } else if self.line.len() > MAX_LINE {
            read += self.input.skip_until(b'\n')?;
            Got::TooLong
        } else if self.line.is_empty() {
            return Ok(Got::End);
        } else {
            Got::Torn
        };
        self.number += 1;
        self.byte = self.next;
        self.next += u64::try_from(read).unwrap_or(0);
        Ok(got)
    }
}

impl Lines<File> {
    /// Goes back to before the line that was given last.
    pub fn back(&mut self) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(self.byte))?;
        self.number -= 1;
        self.next = self.byte;
        self.line.clear();
        Ok(())
    }
}

/// A line's place.
#[derive(Clone, Debug)]
pub(super) struct Position {
    pub file: PathBuf,
    pub line: u64,
    pub byte: u64,
}

/// Goes through the lines of all files of a log.
pub(super) struct Walk {
    base: PathBuf,
    /// The file that is read, and the last there is.
    pub number: u64,
    last: u64,
    pub lines: Lines<File>,
}

/// What [`Walk::step`] found.
pub(super) enum Step {
    /// A line; whether it is the first of its file.
    Line(bool),
    TooLong,
    Torn,
    /// The next file is not there, though later ones are.
    Missing,
    End,
}

impl Walk {
    pub fn open(base: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let last = files::last(base).map_err(|error| (base.to_owned(), error))?;
        Ok(Self {
            base: base.to_owned(),
            number: 0,
            last: last.unwrap_or(0),
            lines: Lines::new(open(base)?),
        })
    }

    pub fn step(&mut self) -> Result<Step, (PathBuf, io::Error)> {
        loop {
            let got = self.lines.step().map_err(|error| (self.path(), error))?;
            match got {
                Got::Line => return Ok(Step::Line(self.lines.number == 1)),
                Got::TooLong => return Ok(Step::TooLong),
                Got::Torn => return Ok(Step::Torn),
                Got::End if self.number >= self.last => return Ok(Step::End),
                Got::End => {}
            }
            match open(&files::path(&self.base, self.number + 1)) {
                Ok(file) => self.lines = Lines::new(file),
                Err((_, error)) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Step::Missing);
                }
                Err(error) => return Err(error),
            }
            self.number += 1;
        }
    }

    /// Where the line that was given last is.
    pub fn position(&self) -> Position {
        Position {
            file: self.path(),
            line: self.lines.number,
            byte: self.lines.byte,
        }
    }

    pub fn path(&self) -> PathBuf {
        files::path(&self.base, self.number)
    }
}

/// Opens a file of a log for reading.
pub(super) fn open(path: &Path) -> Result<File, (PathBuf, io::Error)> {
    let error = |error| (path.to_owned(), error);
    let file = files::regular(path, files::How::Read).map_err(error)?;
    file.ok_or_else(|| error(io::Error::other("it is not a regular file")))
}
