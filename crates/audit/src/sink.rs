//! Where events go.

use crate::event::{Context, Event};
use std::fmt;
use std::sync::mpsc::Sender;
use std::time::SystemTime;

/// An event on its way to the sinks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// When it happened; never before that of the entry before.
    pub time: SystemTime,
    /// Where it belongs.
    pub context: Context,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// An entry; sinks of one's own can be tried with it.
    pub fn new(time: SystemTime, context: Context, event: Event) -> Self {
        Self {
            time,
            context,
            event,
        }
    }
}

/// A place for events. Called by one thread at a time, in order, by whichever thread records: also by those
/// that programs inside wait for, so it has to be quick.
pub trait Sink: Send {
    /// Takes an event. What it says of is done only if this succeeds.
    ///
    /// # Errors
    /// [`SinkError`] when the event is lost.
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError>;

    /// Makes what was taken outlast this process, and ends the record. Called once.
    ///
    /// # Errors
    /// [`SinkError`] when something taken before may be lost.
    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// The lowest number for a session or command that this sink has not seen: more than 1 where it continues what an
    /// earlier process began. Asked once, before anything is taken.
    fn first_id(&self) -> u64 {
        1
    }
}

/// An event could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkError {
    reason: String,
}

impl SinkError {
    /// Why, with what to do about it.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self {
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event cannot be recorded: {}", self.reason)
    }
}

impl std::error::Error for SinkError {}

/// A channel of the host's own. A receiver that is gone is no failure: nobody listens any more.
impl Sink for Sender<Entry> {
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        let _ = self.send(entry.clone());
        Ok(())
    }
}
