//! The JSON schema of a policy file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::text::choice::{ProtectText, RootTable, RootText, UpperTable, UpperText};
use crate::text::files::RuleText;
use crate::text::network::RuleTable as RequestTable;
use crate::text::secrets::{SecretTable, SecretText};
use crate::text::shape::PolicyText;
use crate::{Bytes, Cpus, Forward, IdRange, NetworkRule, Policy, Protect, Publish, SecretHost};

impl Policy {
    /// The JSON schema (draft 2020-12) of the text that [`Policy::from_toml`] and
    /// [`Policy::from_json`] read. It is kept in the package as `schema/policy.schema.json`.
    ///
    /// What only [`Policy::validate`] can see (conflicts between rules, relative paths, ids) is not in
    /// it. The schema is stricter than the readers in that it wants no repetition in a set, such as
    /// `inherit`, and refuses some values (`cpus` of zero) that the readers leave to validation.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(PolicyText).to_value()
    }
}

impl JsonSchema for Policy {
    fn schema_name() -> Cow<'static, str> {
        PolicyText::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PolicyText::json_schema(generator)
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size such as \"512MiB\". K, M, G, T and KiB to TiB are powers of 1024, \
                            KB to TB powers of 1000; a number alone is bytes.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*[0-9]+\\s*([KMGTkmgt]([Ii]?[Bb])?|[Bb])?\\s*$" }
            ]
        })
    }
}

impl JsonSchema for Cpus {
    fn schema_name() -> Cow<'static, str> {
        "Cpus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Processors' worth of time, to the thousandth.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": Cpus::MAX.as_f64()
        })
    }
}

/// A time such as `1h30m`.
pub(crate) struct DurationText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time such as \"250ms\", \"30s\" or \"1h30m\": the longer unit first.",
            "type": "string",
            "pattern": "^\\s*(?=.*[0-9])([0-9]+\\s*d\\s*)?([0-9]+\\s*h\\s*)?([0-9]+\\s*m\\s*)?([0-9]+\\s*s\\s*)?([0-9]+\\s*ms\\s*)?([0-9]+\\s*us\\s*)?([0-9]+\\s*ns\\s*)?$"
        })
    }
}

/// A size, or the word `none`.
pub(crate) struct SizeOrNone;

impl JsonSchema for SizeOrNone {
    fn schema_name() -> Cow<'static, str> {
        "SizeOrNone".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_none(generator.subschema_for::<Bytes>())
    }
}

/// A range of ids, or the word `none`.
pub(crate) struct RangeOrNone;

impl JsonSchema for RangeOrNone {
    fn schema_name() -> Cow<'static, str> {
        "RangeOrNone".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_none(generator.subschema_for::<IdRange>())
    }
}

fn or_none(value: Schema) -> Schema {
    json_schema!({ "anyOf": [value, { "const": "none" }] })
}

/// A path, or a table with more about it.
pub(crate) struct PathOrTable;

impl JsonSchema for PathOrTable {
    fn schema_name() -> Cow<'static, str> {
        "PathRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RuleText>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}

/// What may be done with a workspace.
pub(crate) struct WorkspaceAccess;

impl JsonSchema for WorkspaceAccess {
    fn schema_name() -> Cow<'static, str> {
        "WorkspaceAccess".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["read", "overlay", "write"] })
    }
}

/// What may be done with a root that is not the host's.
pub(crate) struct RootAccess;

impl JsonSchema for RootAccess {
    fn schema_name() -> Cow<'static, str> {
        "RootAccess".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["read", "overlay"] })
    }
}

impl JsonSchema for RootText {
    fn schema_name() -> Cow<'static, str> {
        "Root".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RootTable>();
        json_schema!({ "anyOf": [
            { "const": "host" },
            { "allOf": [table, { "oneOf": [
                { "required": ["image"] },
                { "required": ["directory"], "not": { "required": ["reference"] } }
            ] }] }
        ] })
    }
}

impl JsonSchema for UpperText {
    fn schema_name() -> Cow<'static, str> {
        "Upper".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<Bytes>();
        let table = generator.subschema_for::<UpperTable>();
        json_schema!({ "anyOf": [size, { "const": "disk" }, table] })
    }
}

impl JsonSchema for ProtectText {
    fn schema_name() -> Cow<'static, str> {
        "ProtectOrSwitch".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<Protect>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, table] })
    }
}

impl JsonSchema for NetworkRule {
    fn schema_name() -> Cow<'static, str> {
        "NetworkRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RequestTable>();
        json_schema!({
            "description": "Connections: NAME[:PORTS] or ADDRESS[/BITS][:PORTS], with `*` for labels \
                            of a name, and PORTS such as 443, 80,443 or 8000-8100; or a table with \
                            the HTTP requests that alone are meant.",
            "anyOf": [{ "type": "string", "minLength": 1 }, table]
        })
    }
}

impl JsonSchema for Publish {
    fn schema_name() -> Cow<'static, str> {
        "Publish".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "[[ADDRESS:]PORT:]PORT: where the host listens, on 127.0.0.1 at the same \
                            port unless said, and the port inside.",
            "type": "string",
            "pattern": "^(([^/]+:)?[0-9]+:)?[1-9][0-9]*$"
        })
    }
}

impl JsonSchema for Forward {
    fn schema_name() -> Cow<'static, str> {
        "Forward".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "INSIDE=HOST: a port or the path of a socket inside; and a port, \
                            ADDRESS:PORT or the path of a socket of the host. A port alone is the \
                            same one of the host's loopback interface.",
            "type": "string",
            "pattern": "^([1-9][0-9]*$|([1-9][0-9]*|/[^=]*)=.)"
        })
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        SecretTable::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretTable::json_schema(generator)
    }
}

impl JsonSchema for SecretHost {
    fn schema_name() -> Cow<'static, str> {
        "SecretHost".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A host that a secret is for: NAME[:PORTS], port 443 unless said.",
            "type": "string",
            "minLength": 1
        })
    }
}
