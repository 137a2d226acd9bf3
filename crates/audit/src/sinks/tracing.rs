//! Events as those of the `tracing` crate.

use crate::{Entry, Sink, SinkError};
use tracing::Level;

/// Emits each event for whichever subscriber the host has: target `cofferdam::audit`, fields `kind`, `session`, `command`,
/// `span`, `trace`, `denial` and `event` (JSON). Denials are warnings, everything else is of level `INFO`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingSink;

impl TracingSink {
    /// A sink. The subscriber is that of the recording thread, or the global one.
    pub fn new() -> Self {
        Self
    }
}

macro_rules! emit {
    ($level:expr, $entry:ident) => {
        if tracing::enabled!(target: "cofferdam::audit", $level) {
            let Entry { context, event, .. } = $entry;
            let denial = event.denial().map(ToString::to_string);
            let span = context.span.map(|span| span.to_string());
            let trace = context.trace.map(|trace| trace.to_string());
            let json = serde_json::to_string(event).map_err(SinkError::new)?;
            tracing::event!(
                target: "cofferdam::audit",
                $level,
                kind = event.kind(),
                session = context.session,
                command = context.command,
                span,
                trace,
                denial,
                event = json,
            );
        }
    };
}

impl Sink for TracingSink {
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        if entry.event.denial().is_some() {
            emit!(Level::WARN, entry);
        } else {
            emit!(Level::INFO, entry);
        }
        Ok(())
    }
}
