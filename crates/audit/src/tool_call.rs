//! The host's own part of the record: tool calls, under which everything else happens.

use crate::event::{Context, Event};
use crate::trace::{SAMPLED, TraceParent, TraceParentError, random};
use crate::{Audit, SinkError, SpanId};
use std::fmt;
use std::io;
use std::time::Instant;

impl Audit {
    /// A call of this tool. What is recorded with the [`ToolCall::context`] of it stands under it.
    pub fn tool_call(&self, tool: impl Into<String>) -> ToolCallBuilder {
        ToolCallBuilder {
            audit: self.clone(),
            tool: tool.into(),
            parameters: serde_json::Value::Null,
            reason: String::new(),
            model: String::new(),
            call: String::new(),
            parent: None,
            trace: None,
            session: None,
        }
    }
}

/// A tool call that is about to begin; made by [`Audit::tool_call`].
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded until start() is called"]
pub struct ToolCallBuilder {
    audit: Audit,
    tool: String,
    parameters: serde_json::Value,
    reason: String,
    model: String,
    call: String,
    parent: Option<SpanId>,
    trace: Option<TraceParent>,
    session: Option<u64>,
}

/// A tool call that goes on. Its end is recorded when it is dropped, or by [`ToolCall::end`] or [`ToolCall::fail`].
#[derive(Debug)]
#[must_use = "the call ends when this is dropped"]
pub struct ToolCall {
    audit: Audit,
    context: Context,
    flags: u8,
    began: Instant,
    ended: bool,
}

/// A tool call could not be recorded, so it must not be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum ToolCallError {
    /// The kernel gave no random bytes for its ids.
    Random(io::Error),
    /// It was not recorded.
    Record(SinkError),
}

impl ToolCallBuilder {
    /// What it was called with. Redacted as everything else.
    pub fn parameters(mut self, parameters: impl Into<serde_json::Value>) -> Self {
        self.parameters = parameters.into();
        self
    }

    /// Why the model calls it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The model.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// The id that the model's interface gave the call.
    pub fn call_id(mut self, id: impl Into<String>) -> Self {
        self.call = id.into();
        self
    }

    /// The session it is done in.
    pub fn session(mut self, session: u64) -> Self {
        self.session = Some(session);
        self
    }

    /// Puts it under another call, in its trace.
    pub fn parent(mut self, parent: &ToolCall) -> Self {
        self.trace = parent.trace_parent();
        self.parent = self.trace.map(|trace| trace.parent);
        self
    }

    /// Puts it under a span of another system, named by a `traceparent` header (W3C Trace Context).
    ///
    /// # Errors
    /// [`TraceParentError`].
    pub fn traceparent(mut self, header: &str) -> Result<Self, TraceParentError> {
        let trace: TraceParent = header.parse()?;
        self.trace = Some(trace);
        self.parent = Some(trace.parent);
        Ok(self)
    }

    /// Records that it begins.
    ///
    /// # Errors
    /// [`ToolCallError`]; the call must not be done then.
    pub fn start(self) -> Result<ToolCall, ToolCallError> {
        let (trace, span) = random().map_err(ToolCallError::Random)?;
        let context = Context {
            session: self.session,
            command: None,
            span: Some(span),
            trace: Some(self.trace.map_or(trace, |above| above.trace)),
        };
        let event = Event::ToolCallStarted {
            tool: self.tool,
            parameters: self.parameters,
            reason: self.reason,
            model: self.model,
            call: self.call,
            parent: self.parent,
        };
        let recorded = self.audit.record(context.clone(), event);
        recorded.map_err(ToolCallError::Record)?;
        Ok(ToolCall {
            audit: self.audit,
            context,
            flags: self.trace.map_or(SAMPLED, |above| above.flags),
            began: Instant::now(),
            ended: false,
        })
    }
}

impl ToolCall {
    /// Where what is done for it belongs.
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// The `traceparent` header for what it calls (W3C Trace Context).
    pub fn traceparent(&self) -> String {
        self.trace_parent()
            .map_or(String::new(), |trace| trace.to_string())
    }

    /// Records that it has ended well.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn end(mut self) -> Result<(), SinkError> {
        self.finish(String::new())
    }

    /// Records that it has failed, and how.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn fail(mut self, error: impl fmt::Display) -> Result<(), SinkError> {
        self.finish(error.to_string())
    }

    fn trace_parent(&self) -> Option<TraceParent> {
        Some(TraceParent {
            trace: self.context.trace?,
            parent: self.context.span?,
            flags: self.flags,
        })
    }

    fn finish(&mut self, error: String) -> Result<(), SinkError> {
        self.ended = true;
        let duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let event = Event::ToolCallEnded { error, duration_us };
        self.audit.record(self.context.clone(), event)
    }
}

impl Drop for ToolCall {
    fn drop(&mut self) {
        if !self.ended {
            let error = if std::thread::panicking() {
                "the host panicked"
            } else {
                ""
            };
            let _ = self.finish(error.to_owned());
        }
    }
}

impl fmt::Display for ToolCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(error) => write!(
                f,
                "the tool call has no id, as /dev/urandom cannot be read: {error}"
            ),
            Self::Record(error) => write!(f, "the tool call must not be done: {error}"),
        }
    }
}

impl std::error::Error for ToolCallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Random(error) => Some(error),
            Self::Record(error) => Some(error),
        }
    }
}
