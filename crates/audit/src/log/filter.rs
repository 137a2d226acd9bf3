//! Which records are wanted.

use super::time::Stamp;
use crate::event::Record;
use crate::{SpanId, TraceId};
use serde_json::Value;
use std::time::SystemTime;

/// Which records are wanted: those that match everything that was asked for. By default all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    kinds: Vec<String>,
    session: Option<u64>,
    command: Option<u64>,
    span: Option<SpanId>,
    trace: Option<TraceId>,
    since: Option<String>,
    until: Option<String>,
    denied: bool,
    text: Option<String>,
}

impl Filter {
    /// All records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Events of this kind, as `type` in a record; called again, also of that kind.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kinds.push(kind.into());
        self
    }

    /// Those of this session.
    #[must_use]
    pub fn session(mut self, session: u64) -> Self {
        self.session = Some(session);
        self
    }

    /// Those of this command.
    #[must_use]
    pub fn command(mut self, command: u64) -> Self {
        self.command = Some(command);
        self
    }

    /// Those of this span, which is a tool call's.
    #[must_use]
    pub fn span(mut self, span: SpanId) -> Self {
        self.span = Some(span);
        self
    }

    /// Those of this trace.
    #[must_use]
    pub fn trace(mut self, trace: TraceId) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Those of this time or later.
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(text(time));
        self
    }

    /// Those before this time.
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(text(time));
        self
    }

    /// Only denials.
    #[must_use]
    pub fn denied(mut self) -> Self {
        self.denied = true;
        self
    }

    /// Events with this text in one of their values, whatever the case of its letters.
    #[must_use]
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        self.text = Some(text.as_ref().to_lowercase());
        self
    }

    /// Whether a record is wanted.
    pub fn matches(&self, record: &Record) -> bool {
        let Record {
            context,
            event,
            time,
            ..
        } = record;
        let is = |wanted: Option<u64>, found| wanted.is_none() || wanted == found;
        // Times of one form are in the order of their text.
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind()))
            && is(self.session, context.session)
            && is(self.command, context.command)
            && (self.span.is_none() || self.span == context.span)
            && (self.trace.is_none() || self.trace == context.trace)
            && self.since.as_ref().is_none_or(|since| time >= since)
            && self.until.as_ref().is_none_or(|until| time < until)
            && (!self.denied || event.denial().is_some())
            && self.text.as_ref().is_none_or(|text| {
                serde_json::to_value(event).is_ok_and(|value| holds(&value, text))
            })
    }
}

/// Whether a string in it, or a name in it, has the text.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.to_lowercase().contains(text),
        Value::Array(all) => all.iter().any(|value| holds(value, text)),
        Value::Object(all) => all
            .iter()
            .any(|(name, value)| holds(value, text) || name.to_lowercase().contains(text)),
        Value::Number(number) => number.to_string() == text,
        Value::Bool(_) | Value::Null => false,
    }
}

fn text(time: SystemTime) -> String {
    String::from_utf8_lossy(&Stamp::from(time).text()).into_owned()
}
