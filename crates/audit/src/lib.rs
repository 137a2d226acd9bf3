//! The record: what a sandbox did and why, as one stream of typed events.

#![forbid(unsafe_code)]

pub mod denial;
#[cfg(feature = "log")]
mod digest;
pub mod event;
mod id;
mod kind;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "redact")]
pub mod needle;
mod recorder;
#[cfg(feature = "redact")]
mod redact;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "schema")]
mod schema;
mod sink;
mod sinks;
mod text;
mod tool_call;
pub mod trace;

pub use denial::{Confidence, Denial};
#[cfg(feature = "log")]
pub use digest::digest;
pub use event::{Event, Record};
pub use id::{SpanId, TraceId};
pub use recorder::{Audit, AuditBuilder, OnFailure, Redact};
#[cfg(feature = "redact")]
pub use redact::{RedactError, Redactor, RedactorBuilder};
pub use sink::{Entry, Sink, SinkError};
#[cfg(feature = "otel")]
pub use sinks::OtelSink;
#[cfg(feature = "tracing")]
pub use sinks::TracingSink;
pub use text::text;
pub use tool_call::{ToolCall, ToolCallBuilder, ToolCallError};
pub use trace::{TraceParent, TraceParentError};
