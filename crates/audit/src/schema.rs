//! The JSON schema of a record.

use crate::{Record, SpanId, TraceId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

impl Record {
    /// The JSON schema (draft 2020-12) of a line of a log. It is kept in the package as `schema/record.json`.
    ///
    /// Readers take more than it does: fields that they do not know, and events of kinds that they do not know.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Record).to_value()
    }
}

impl JsonSchema for TraceId {
    fn schema_name() -> Cow<'static, str> {
        "TraceId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        id(32)
    }
}

impl JsonSchema for SpanId {
    fn schema_name() -> Cow<'static, str> {
        "SpanId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        id(16)
    }
}

/// An id of so many hexadecimal digits.
fn id(digits: usize) -> Schema {
    json_schema!({
        "description": "An id of W3C Trace Context: lower-case hexadecimal digits, not all zero.",
        "type": "string",
        "pattern": format!("^(?=.*[1-9a-f])[0-9a-f]{{{digits}}}$")
    })
}
