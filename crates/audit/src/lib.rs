//! The record: what a sandbox did and why, as one stream of typed events.

#![forbid(unsafe_code)]

pub mod denial;
#[cfg(feature = "log")]
mod digest;
pub mod event;
mod id;
mod recorder;
#[cfg(feature = "report")]
pub mod report;
mod sink;
mod text;

pub use denial::{Confidence, Denial};
#[cfg(feature = "log")]
pub use digest::digest;
pub use event::{Event, Record};
pub use id::{SpanId, TraceId};
pub use recorder::{Audit, AuditBuilder, OnFailure, Redact};
pub use sink::{Entry, Sink, SinkError};
pub use text::text;
