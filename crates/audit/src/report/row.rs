//! A record as the page has it: what it shows, in short.

use super::{cut, time};
use crate::{Event, Record};
use serde_json::{Map, Value, json};

/// `n` is the number, `t` the time in microseconds since 1970, `s`, `c` and `p` session, command and span, `e` the
/// event. Parameters of a tool call become pairs of name and text: JavaScript would round large numbers.
pub(super) fn row(record: Record) -> Value {
    let parameters = match &record.event {
        Event::ToolCallStarted { parameters, .. } => pairs(parameters),
        _ => Vec::new(),
    };
    // Events have only names as keys and no numbers that JSON does not know, so this does not fail.
    let mut event = serde_json::to_value(&record.event).unwrap_or(Value::Null);
    if let (Value::Object(event), false) = (&mut event, parameters.is_empty()) {
        event.insert("parameters".to_owned(), Value::Array(parameters));
    }
    cut::value(&mut event);
    let mut row = Map::new();
    row.insert("n".to_owned(), record.seq.into());
    let optional = [
        ("t", time::micros(&record.time).map(Value::from)),
        ("s", record.context.session.map(Value::from)),
        ("c", record.context.command.map(Value::from)),
        ("p", record.context.span.map(|span| span.to_string().into())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            row.insert(name.to_owned(), value);
        }
    }
    row.insert("e".to_owned(), event);
    Value::Object(row)
}

fn pairs(parameters: &Value) -> Vec<Value> {
    match parameters {
        Value::Null => Vec::new(),
        Value::Object(object) => {
            let pair = |(name, value): (&String, &Value)| json!([name, plain(value)]);
            object.iter().map(pair).collect()
        }
        other => vec![json!(["", plain(other)])],
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
