//! What is too long for a page is cut, and says so.

use serde_json::{Map, Value};

/// The most characters of one string.
const STRING: usize = 4096;

/// The most entries of one list or object.
const ENTRIES: usize = 256;

/// The most characters of all strings of one record. Beyond it only beginnings are left.
const RECORD: usize = 64 * 1024;

/// The characters that a string has in any case.
const BEGINNING: usize = 64;

/// Cuts every string, list and object in the value.
pub(super) fn value(value: &mut Value) {
    below(value, &mut RECORD.clone());
}

/// A string, cut if it is too long.
pub(super) fn text(text: &str) -> String {
    shorter(text, STRING).unwrap_or_else(|| text.to_owned())
}

fn below(value: &mut Value, left: &mut usize) {
    match value {
        Value::String(text) => string(text, left),
        Value::Array(list) => {
            let more = list.len().saturating_sub(ENTRIES);
            list.truncate(ENTRIES);
            list.iter_mut().for_each(|entry| below(entry, left));
            if more > 0 {
                list.push(Value::String(format!("\u{2026} [{more} more]")));
            }
        }
        Value::Object(object) => {
            let all = std::mem::take(object);
            let more = all.len().saturating_sub(ENTRIES);
            let mut kept = Map::new();
            for (mut name, mut entry) in all.into_iter().take(ENTRIES) {
                string(&mut name, left);
                below(&mut entry, left);
                kept.insert(name, entry);
            }
            if more > 0 {
                kept.insert(
                    "\u{2026}".to_owned(),
                    Value::String(format!("[{more} more]")),
                );
            }
            *object = kept;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn string(text: &mut String, left: &mut usize) {
    if let Some(cut) = shorter(text, STRING.min((*left).max(BEGINNING))) {
        *text = cut;
    }
    *left = left.saturating_sub(text.len());
}

/// The beginning with a note, if the text has more characters than that.
fn shorter(text: &str, most: usize) -> Option<String> {
    let (end, _) = text.char_indices().nth(most)?;
    let more = text[end..].chars().count();
    Some(format!("{}\u{2026} [{more} more characters]", &text[..end]))
}
