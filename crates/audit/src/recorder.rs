//! The handle through which everything is recorded.

use crate::event::{Context, Event};
use crate::sink::{Entry, Sink, SinkError};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What happens when a sink fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// What cannot be recorded is not done.
    #[default]
    Refuse,
    /// It is done all the same; [`Audit::lost`] counts.
    Continue,
}

/// The record of a host: cheap to clone, shared by its sandboxes and threads.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
}

struct Shared {
    sinks: Mutex<Sinks>,
    redact: Option<Arc<dyn Redact>>,
    on_failure: OnFailure,
    lost: AtomicU64,
    next: AtomicU64,
}

struct Sinks {
    all: Vec<Box<dyn Sink>>,
    last: SystemTime,
}

/// Takes out of an event what must not be recorded, before any sink has it.
pub trait Redact: Send + Sync {
    /// Changes the event in place.
    fn redact(&self, event: &mut Event);

    /// From now on takes this value out too, by the name of its secret. Does nothing unless it is written.
    fn hide(&self, name: &str, value: &[u8]) {
        let _ = (name, value);
    }
}

/// Builds an [`Audit`].
#[derive(Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct AuditBuilder {
    sinks: Vec<Box<dyn Sink>>,
    redact: Option<Arc<dyn Redact>>,
    on_failure: OnFailure,
}

impl AuditBuilder {
    /// Adds a sink.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// What is taken out of events.
    pub fn redact(mut self, redact: Arc<dyn Redact>) -> Self {
        self.redact = Some(redact);
        self
    }

    /// What happens when a sink fails; [`OnFailure::Refuse`] unless told otherwise.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The handle.
    pub fn build(self) -> Audit {
        let first = self.sinks.iter().map(|sink| sink.first_id()).max();
        Audit {
            shared: Arc::new(Shared {
                sinks: Mutex::new(Sinks {
                    all: self.sinks,
                    last: SystemTime::UNIX_EPOCH,
                }),
                redact: self.redact,
                on_failure: self.on_failure,
                lost: AtomicU64::new(0),
                next: AtomicU64::new(first.unwrap_or(1).max(1)),
            }),
        }
    }
}

impl Audit {
    /// Starts with no sink.
    pub fn builder() -> AuditBuilder {
        AuditBuilder::default()
    }

    /// Records an event in every sink.
    ///
    /// # Errors
    /// With [`OnFailure::Refuse`], the first failure of a sink: what the event tells of must not be done then.
    pub fn record(&self, context: Context, mut event: Event) -> Result<(), SinkError> {
        if let Some(redact) = &self.shared.redact {
            redact.redact(&mut event);
        }
        let mut sinks = self.lock();
        sinks.last = sinks.last.max(SystemTime::now());
        let entry = Entry::new(sinks.last, context, event);
        let mut result = Ok(());
        for sink in &mut sinks.all {
            // One that fails takes nothing from the others.
            result = result.and(sink.take(&entry));
        }
        match (result, self.shared.on_failure) {
            (Err(_), OnFailure::Continue) => {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            (result, _) => result,
        }
    }

    /// Has a secret's value taken out of all events from now on, if there is a [`Redact`] that does so, as
    /// `Redactor` does (feature `redact`). Sandboxes call it with the values that their gate puts in.
    pub fn hide(&self, name: &str, value: &[u8]) {
        if let Some(redact) = &self.shared.redact {
            redact.hide(name, value);
        }
    }

    /// A number for a session or command, unique in this record.
    pub fn next_id(&self) -> u64 {
        self.shared.next.fetch_add(1, Ordering::Relaxed)
    }

    /// How many events a sink has lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Sinks> {
        self.shared
            .sinks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let sinks = self.sinks.get_mut().unwrap_or_else(PoisonError::into_inner);
        for sink in &mut sinks.all {
            let _ = sink.close();
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("sinks", &self.lock().all.len())
            .field("on_failure", &self.shared.on_failure)
            .field("lost", &self.lost())
            .finish()
    }
}
