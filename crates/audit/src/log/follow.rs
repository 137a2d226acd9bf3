//! Reading a log while it is written.

use super::error::ReadError;
use super::reader::{Read1, Reader};
use crate::event::Record;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is looked whether there is more.
const PERIOD: Duration = Duration::from_millis(100);

/// The records of a log as they come, over all its files; made by [`Reader::follow`]. As an iterator it waits for the
/// next one, however long that takes, and ends when it is stopped or a file cannot be read.
pub struct Follow {
    reader: Reader,
    stop: Stop,
    ended: bool,
}

/// Ends a [`Follow`] from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends it, within a tenth of a second.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Follow {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader,
            stop: Stop::default(),
            ended: false,
        }
    }

    /// What ends it.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The next record, if there is one within this time.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn next_within(&mut self, time: Duration) -> Result<Option<Record>, ReadError> {
        let end = Instant::now().checked_add(time);
        self.wait(end)
    }

    fn wait(&mut self, end: Option<Instant>) -> Result<Option<Record>, ReadError> {
        loop {
            match self.reader.read() {
                Read1::Record(record) => return Ok(Some(*record)),
                Read1::Error(error) => {
                    self.ended = matches!(error, ReadError::Io { .. });
                    return Err(error);
                }
                // The rest is still to come, or it will be cut off.
                Read1::Unfinished(_) => self.reader.back()?,
                Read1::End => {}
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if self.ended || self.stop.0.load(Ordering::Relaxed) || left == Some(Duration::ZERO) {
                return Ok(None);
            }
            sleep(left.map_or(PERIOD, |left| left.min(PERIOD)));
        }
    }
}

impl Iterator for Follow {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.wait(None).transpose()
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}
