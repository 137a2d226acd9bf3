//! How a log is written.

use super::{LogWriter, OpenError, SigningKey};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When the kernel is told to bring what was written onto the disk (fdatasync(2)).
///
/// What [`Sink::take`](crate::Sink::take) has taken outlasts this process in any case, also its SIGKILL: the kernel has
/// it then. This is about the kernel's own end, and the power's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Whenever the kernel does it of its own accord, usually within half a minute.
    Never,
    /// With each head, and at the end.
    #[default]
    AtHeads,
    /// With each record: as slow as the disk.
    EachRecord,
}

/// Opens a [`LogWriter`]; starts with what suits most hosts.
#[derive(Debug)]
#[must_use = "options do nothing until open() is called"]
pub struct LogOptions {
    pub(super) path: PathBuf,
    pub(super) key: Option<SigningKey>,
    pub(super) head_records: u64,
    pub(super) head_interval: Duration,
    pub(super) max_size: Option<u64>,
    pub(super) max_age: Option<Duration>,
    pub(super) sync: SyncPolicy,
    pub(super) mode: u32,
    pub(super) writer: String,
}

impl LogOptions {
    /// A log in this file, made if it does not exist and continued if it does; its directory has to be there. No
    /// key, one file that grows.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            key: None,
            head_records: 1024,
            head_interval: Duration::from_secs(5),
            max_size: None,
            max_age: None,
            sync: SyncPolicy::default(),
            mode: 0o600,
            writer: concat!("cofferdam ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Signs heads with this key.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// A head after as many records at the latest; 1024 unless told otherwise, and at least 1.
    pub fn head_every(mut self, records: u64) -> Self {
        self.head_records = records.max(1);
        self
    }

    /// A head with the first record that is as long after the last head; 5 seconds unless told otherwise. Nothing
    /// happens without a record: hosts that are idle for long call [`LogHandle::head`](super::LogHandle::head).
    pub fn head_interval(mut self, interval: Duration) -> Self {
        self.head_interval = interval;
        self
    }

    /// Goes on in a new file once this one has as many bytes.
    pub fn rotate_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Goes on in a new file once this one is as old.
    pub fn rotate_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// When what was written is brought onto the disk.
    pub fn sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }

    /// The mode of new files, less the umask; 0600 unless told otherwise.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o666;
        self
    }

    /// The product that writes, with its version, as `log_opened` has it.
    pub fn writer(mut self, writer: impl Into<String>) -> Self {
        self.writer = writer.into();
        self
    }

    /// Opens the log, or continues it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(self) -> Result<LogWriter, OpenError> {
        LogWriter::open(self)
    }
}
