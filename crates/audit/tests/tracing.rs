//! Events reach the host's subscriber, with their fields.

mod common;

use cofferdam_audit::event::Context;
use cofferdam_audit::{Audit, TracingSink};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was emitted: level and fields.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Level, String)>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "cofferdam::audit"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let level = *event.metadata().level();
        self.0.lock().unwrap().push((level, fields.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn events_are_emitted_with_their_fields() {
    let seen = Seen::default();
    let context = Context {
        session: Some(7),
        ..Context::default()
    };
    tracing::subscriber::with_default(seen.clone(), || {
        let audit = Audit::builder().sink(TracingSink::new()).build();
        audit.record(context.clone(), common::exec(1)).unwrap();
        audit.record(context, common::denied()).unwrap();
    });
    let seen = seen.0.lock().unwrap();
    let [(info, exec), (warn, denied)] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((*info, *warn), (Level::INFO, Level::WARN));
    assert!(
        exec.contains("kind=\"exec\"") && exec.contains("session=7"),
        "{exec}"
    );
    assert!(
        denied.contains("denial=\"network: connect to evil.example:443"),
        "{denied}"
    );
}
