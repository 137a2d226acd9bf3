//! What goes wrong with logs and keys.

use super::PublicKey;
use super::verify::Verified;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A key could not be made, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The kernel gave no random bytes.
    #[error("the kernel gave no random bytes for a key")]
    Random,
    /// The file.
    #[error("the key in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could have read or replaced it.
    #[error("the key in {} is open to others (mode {mode:o}): make a new one, with mode 0600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is none.
    #[error("not a key: {0}")]
    Format(&'static str),
}

/// A log could not be opened for writing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file of the log.
    #[error("the log in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another writer has it.
    #[error("the log in {} is open already, here or in another process: give each writer a log of its own", path.display())]
    InUse {
        /// The first file.
        path: PathBuf,
    },
    /// A device, a directory, a socket.
    #[error("{} is not a regular file: name another path for the log", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Its end is not one of a log, so nothing can be added without hiding that.
    #[error("the log in {} cannot be continued: {what}; verify it, keep it, and start a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The first record could not be written.
    #[error(transparent)]
    Write(#[from] crate::SinkError),
}

/// A record could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file of the log.
    #[error("the log in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is no record. Reading goes on with the next.
    #[error("{}:{line} is not a record: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where it begins in the file.
        byte: u64,
        /// Why.
        reason: String,
    },
    /// The last line has no end: its writer was killed, or is about to write the rest.
    #[error("{}:{line} is unfinished: its writer was killed, or is writing it", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where it begins in the file.
        byte: u64,
    },
}

/// A log is not what was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file of the log.
    #[error("the log in {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The chain breaks.
    #[error(transparent)]
    Broken(#[from] Box<Break>),
}

/// Where a chain breaks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Break {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// Where the line begins in the file.
    pub byte: u64,
    /// The number of the record that should stand there.
    pub seq: u64,
    /// How.
    pub breach: Breach,
    /// What holds up to there. With a break at a line whose change only the next one shows, the changed line is
    /// still counted.
    pub verified: Verified,
}

/// How a chain breaks. Where several things were done to a log, this is the likeliest name for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach {
    /// The line is not the one that was written.
    Changed,
    /// Records that stood before this line are gone.
    Removed {
        /// How many.
        records: u64,
    },
    /// The line was put in.
    Inserted,
    /// The record that should stand here stands further on.
    Reordered,
    /// The line is a record, but not in canonical form, so nothing of ours wrote it.
    NotCanonical,
    /// The record cannot stand here: a file that does not begin with `log_opened`, a time before that of the
    /// record before, a head without a key.
    Misplaced,
    /// The signature of the head is not one of its key.
    BadSignature,
    /// The log is signed by another key than the one expected.
    WrongKey {
        /// Whose it is.
        found: PublicKey,
    },
    /// The log is not signed, though a key is expected.
    Unsigned,
    /// The line has no end: the writer was killed while it wrote, or the file was cut. Opening the log for
    /// writing cuts it off and records that.
    Torn {
        /// How many bytes it has.
        bytes: u64,
    },
    /// The line is longer than [`MAX_LINE`](super::MAX_LINE).
    TooLong,
    /// The file is not there.
    MissingFile,
    /// There is another record where the known head was: this is another log, or it was written anew.
    OtherHistory,
    /// The log ends before the known head: what stood after was removed.
    Truncated,
    /// A version of the format that this one does not know.
    Version,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{} (byte {}, record {}): {}",
            self.file.display(),
            self.line,
            self.byte,
            self.seq,
            self.breach
        )
    }
}

impl std::error::Error for Break {}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "the line was changed",
            Self::Removed { records } => {
                return write!(f, "{records} records before this line were removed");
            }
            Self::Inserted => "the line was put in",
            Self::Reordered => "the record that belongs here stands further on",
            Self::NotCanonical => "the line is not in canonical form, so it was rewritten",
            Self::Misplaced => "the record cannot stand here",
            Self::BadSignature => "the signature is not one of the log's key",
            Self::WrongKey { found } => {
                return write!(f, "the log is signed by another key, {found}");
            }
            Self::Unsigned => "the log is not signed from here on",
            Self::Torn { bytes } => {
                return write!(
                    f,
                    "the line ends after {bytes} bytes: its writer was killed, or the file was cut"
                );
            }
            Self::TooLong => "the line is longer than any record",
            Self::MissingFile => "the file is missing",
            Self::OtherHistory => "another record stands where the known head was",
            Self::Truncated => "the log ends before the known head",
            Self::Version => "the record has a version that is not known: use a newer program",
        })
    }
}
