//! Records that tests look at: what was recorded so far, and sinks that refuse.

use cofferdam::audit::event::Context;
use cofferdam::audit::{Entry, Event, OnFailure, Sink, SinkError, SpanId};
use cofferdam::{Audit, Sandbox, SandboxBuilder};
use std::sync::{Arc, Mutex};

/// What was recorded.
#[derive(Clone, Default)]
pub struct Recorded(Arc<Mutex<Vec<Entry>>>);

/// Keeps what it gets, but for what it is to refuse.
struct Keeps {
    entries: Recorded,
    refuses: fn(&Event) -> bool,
}

impl Sink for Keeps {
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        if (self.refuses)(&entry.event) {
            return Err(SinkError::new("the disk is full"));
        }
        self.entries.0.lock().expect("a lock").push(entry.clone());
        Ok(())
    }
}

impl Recorded {
    /// A record, and where it is kept.
    pub fn new() -> (Audit, Self) {
        Self::refusing(|_| false, OnFailure::Refuse)
    }

    /// The same with a sink that refuses some events.
    pub fn refusing(refuses: fn(&Event) -> bool, on_failure: OnFailure) -> (Audit, Self) {
        let entries = Self::default();
        let sink = Keeps {
            entries: entries.clone(),
            refuses,
        };
        let audit = Audit::builder().sink(sink).on_failure(on_failure).build();
        (audit, entries)
    }

    /// All so far.
    pub fn all(&self) -> Vec<Entry> {
        self.0.lock().expect("a lock").clone()
    }

    /// All so far but for what programs inside execute, which has tests of its own.
    pub fn own(&self) -> Vec<Entry> {
        let mut all = self.all();
        all.retain(|entry| !matches!(entry.event, Event::Exec { .. }));
        all
    }

    /// Their kinds, in order, by the first word that `Debug` has of them.
    pub fn kinds(&self) -> Vec<String> {
        let kind = |entry: &Entry| {
            let text = format!("{:?}", entry.event);
            let end = text.find([' ', '(']).unwrap_or(text.len());
            text[..end].to_owned()
        };
        self.own().iter().map(kind).collect()
    }

    /// The files that were recorded: path, change and state.
    pub fn files(&self) -> Vec<(String, String, String)> {
        let file = |entry: Entry| match entry.event {
            Event::FileChanged {
                path,
                change,
                state,
                ..
            } => Some((path, change, state)),
            _ => None,
        };
        self.all().into_iter().filter_map(file).collect()
    }
}

/// A sandbox that is recorded.
pub fn recorded(change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> (Sandbox, Recorded) {
    let (audit, entries) = Recorded::new();
    let builder = change(Sandbox::builder()).audit(audit);
    (builder.build().expect("a sandbox"), entries)
}

/// A tool call's context.
pub fn under(span: &str) -> Context {
    Context {
        span: Some(span.parse::<SpanId>().expect("a span")),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".parse().expect("a trace")),
        ..Context::default()
    }
}
