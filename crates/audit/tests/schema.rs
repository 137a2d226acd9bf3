//! The published schema is the one the code makes, and records keep to it.

mod common;

use cofferdam_audit::event::Context;
use cofferdam_audit::log::LogOptions;
use cofferdam_audit::{Audit, Record};
use serde_json::Value;

const KEPT: &str = include_str!("../schema/record.json");

#[test]
fn the_kept_schema_is_the_generated_one() {
    let kept: Value = serde_json::from_str(KEPT).expect("the kept schema is JSON");
    assert!(
        kept == Record::json_schema(),
        "write it anew: cargo run -p cofferdam-audit --features schema --example record_schema \
         > crates/audit/schema/record.json"
    );
}

#[test]
fn records_keep_to_it() {
    let kept: Value = serde_json::from_str(KEPT).expect("JSON");
    let validator = jsonschema::validator_for(&kept).expect("a schema");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let audit = Audit::builder()
        .sink(LogOptions::new(&path).open().unwrap())
        .build();
    let call = audit
        .tool_call("bash")
        .parameters(serde_json::json!({"a": 1.5}))
        .start()
        .unwrap();
    for event in [common::exec(1), common::note("n"), common::denied()] {
        audit.record(call.context(), event).unwrap();
    }
    call.end().unwrap();
    audit.record(Context::default(), common::exec(2)).unwrap();
    drop(audit);
    let text = std::fs::read_to_string(&path).unwrap();
    for line in text.lines() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        value["seq"] = "1".into();
        assert!(!validator.is_valid(&value));
    }
}
