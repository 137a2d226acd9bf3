//! Tool calls as spans of OpenTelemetry, by its conventions for generative AI.

use crate::{Entry, Event, Sink, SinkError, SpanId};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState,
    Tracer,
};
use opentelemetry::{Context, KeyValue};
use std::collections::HashMap;
use std::fmt;

/// The most calls that are open at one time; more are not followed, as their ends seem not to come.
const MOST: usize = 4096;

/// Makes a span `execute_tool TOOL` of each tool call, with everything that happens under it as its events. The host
/// brings the tracer, and with it the exporter. What happens under no tool call is not passed on.
///
/// The spans have ids that their tracer gives them; the record's are in `cofferdam.span` and `cofferdam.trace`. A call whose
/// parent is not one of this sink's own becomes a child of that remote span.
pub struct OtelSink<T: Tracer> {
    tracer: T,
    open: HashMap<SpanId, T::Span>,
}

impl<T: Tracer> OtelSink<T> {
    /// A sink for this tracer.
    pub fn new(tracer: T) -> Self {
        Self {
            tracer,
            open: HashMap::new(),
        }
    }
}

impl<T> Sink for OtelSink<T>
where
    T: Tracer + Send,
    T::Span: Send,
{
    fn take(&mut self, entry: &Entry) -> Result<(), SinkError> {
        let Some(id) = entry.context.span else {
            return Ok(());
        };
        match &entry.event {
            Event::ToolCallStarted {
                tool,
                parameters,
                reason,
                model,
                call,
                parent,
            } => {
                if self.open.len() >= MOST {
                    return Ok(());
                }
                let mut attributes = vec![
                    KeyValue::new("gen_ai.operation.name", "execute_tool"),
                    KeyValue::new("gen_ai.tool.name", tool.clone()),
                    KeyValue::new("gen_ai.tool.type", "function"),
                    KeyValue::new("cofferdam.span", id.to_string()),
                ];
                let trace = entry.context.trace;
                attributes.extend(trace.map(|id| KeyValue::new("cofferdam.trace", id.to_string())));
                for (name, value) in [
                    ("gen_ai.tool.call.id", call),
                    ("gen_ai.request.model", model),
                    ("cofferdam.reason", reason),
                ] {
                    if !value.is_empty() {
                        attributes.push(KeyValue::new(name, value.clone()));
                    }
                }
                if !parameters.is_null() {
                    let text = parameters.to_string();
                    attributes.push(KeyValue::new("gen_ai.tool.call.arguments", text));
                }
                let above = parent.and_then(|parent| {
                    let own = self
                        .open
                        .get(&parent)
                        .map(|span| span.span_context().clone());
                    own.or_else(|| {
                        Some(SpanContext::new(
                            opentelemetry::TraceId::from_bytes(trace?.to_bytes()),
                            opentelemetry::SpanId::from_bytes(parent.to_bytes()),
                            TraceFlags::SAMPLED,
                            true,
                            TraceState::default(),
                        ))
                    })
                });
                let within = above.map_or_else(Context::new, |above| {
                    Context::new().with_remote_span_context(above)
                });
                let builder = SpanBuilder::from_name(format!("execute_tool {tool}"))
                    .with_kind(SpanKind::Internal)
                    .with_start_time(entry.time)
                    .with_attributes(attributes);
                let span = self.tracer.build_with_context(builder, &within);
                self.open.insert(id, span);
            }
            Event::ToolCallEnded { error, .. } => {
                if let Some(mut span) = self.open.remove(&id) {
                    if !error.is_empty() {
                        span.set_attribute(KeyValue::new("error.type", "tool_error"));
                        span.set_status(Status::error(error.clone()));
                    }
                    span.end_with_timestamp(entry.time);
                }
            }
            event => {
                if let Some(span) = self.open.get_mut(&id) {
                    let json = serde_json::to_string(event).map_err(SinkError::new)?;
                    let mut attributes = vec![KeyValue::new("cofferdam.event", json)];
                    if let Some(denial) = event.denial() {
                        attributes.push(KeyValue::new("cofferdam.denial", denial.to_string()));
                    }
                    span.add_event_with_timestamp(event.kind(), entry.time, attributes);
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        for (_, mut span) in self.open.drain() {
            span.set_status(Status::error("the record ended before the call did"));
            span.end();
        }
        Ok(())
    }
}

impl<T: Tracer> fmt::Debug for OtelSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelSink")
            .field("open", &self.open.len())
            .finish_non_exhaustive()
    }
}
