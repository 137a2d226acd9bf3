//! Sinks for what hosts have already.

#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "otel")]
pub use otel::OtelSink;
#[cfg(feature = "tracing")]
pub use tracing::TracingSink;
