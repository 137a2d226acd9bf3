//! Tool calls, and the sinks that show them.

mod common;

use cofferdam_audit::{Audit, Entry, Event, OtelSink, TraceParent};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use std::sync::mpsc::channel;

const ABOVE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_call_is_recorded_from_start_to_end() {
    let (sender, receiver) = channel::<Entry>();
    let audit = Audit::builder().sink(sender).build();
    assert!(audit.tool_call("x").traceparent("00-1").is_err());
    let outer = audit
        .tool_call("bash")
        .traceparent(ABOVE)
        .unwrap()
        .start()
        .unwrap();
    let inner = audit
        .tool_call("read")
        .parent(&outer)
        .call_id("c1")
        .start()
        .unwrap();
    let told: TraceParent = inner.traceparent().parse().unwrap();
    assert_eq!(Some(told.parent), inner.context().span);
    inner.fail("no such file").unwrap();
    drop(outer);
    let entries: Vec<Entry> = receiver.try_iter().collect();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.event.kind()).collect();
    assert_eq!(
        kinds,
        [
            "tool_call_started",
            "tool_call_started",
            "tool_call_ended",
            "tool_call_ended"
        ]
    );
    let above: TraceParent = ABOVE.parse().unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry.context.trace == Some(above.trace))
    );
    let parent = |entry: &Entry| match &entry.event {
        Event::ToolCallStarted { parent, .. } => *parent,
        other => panic!("{other:?}"),
    };
    assert_eq!(parent(&entries[0]), Some(above.parent));
    assert_eq!(parent(&entries[1]), entries[0].context.span);
    assert!(
        matches!(&entries[2].event, Event::ToolCallEnded { error, .. } if error == "no such file")
    );
}

#[test]
fn calls_become_spans() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let audit = Audit::builder()
        .sink(OtelSink::new(provider.tracer("test")))
        .build();
    let outer = audit
        .tool_call("agent")
        .traceparent(ABOVE)
        .unwrap()
        .start()
        .unwrap();
    let inner = audit
        .tool_call("bash")
        .parent(&outer)
        .call_id("c1")
        .start()
        .unwrap();
    audit.record(inner.context(), common::denied()).unwrap();
    inner.fail("refused").unwrap();
    outer.end().unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let [inner, outer] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(inner.name, "execute_tool bash");
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(outer.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(
        inner.span_context.trace_id().to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    let has = |name: &str, value: &str| {
        let mut all = inner.attributes.iter();
        all.any(|own| own.key.as_str() == name && own.value.as_str() == value)
    };
    assert!(has("gen_ai.operation.name", "execute_tool") && has("gen_ai.tool.name", "bash"));
    assert!(has("gen_ai.tool.call.id", "c1"));
    assert_eq!(inner.events.events[0].name, "network");
    assert!(matches!(
        inner.status,
        opentelemetry::trace::Status::Error { .. }
    ));
}
