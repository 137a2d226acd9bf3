//! Values that are to be taken out of the record: in whatever text and encoding they stand, they are
//! not in what comes out.

use crate::input::Input;
use cofferdam_audit::{Event, Redact, Redactor};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::{Value, json};

/// One input: a value, what stands around it, and how it is spelled.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let value = String::from_utf8_lossy(input.bytes(24)).into_owned();
    // What stands for a value may hold it by chance.
    let in_marks = |part: &str| value.contains(part) || part.contains(&value);
    if ["[", "]", "[redacted K]", "redacted ", "password", "token", "private key"].into_iter().any(in_marks) {
        return;
    }
    let redactor = Redactor::default();
    if redactor.add("K", value.as_bytes()).is_err() {
        return;
    }
    let spelled = spelled(&value, input.byte());
    let text = |input: &mut Input<'_>| String::from_utf8_lossy(input.bytes(40)).into_owned();
    let (before, between, after) = (text(&mut input), text(&mut input), text(&mut input));
    let whole = format!("{before}{spelled}{between}{spelled}{after}");
    let clean = redactor.text(&whole).unwrap_or_else(|| whole.clone());
    hidden(&clean, &spelled, &whole);
    // What was cleaned may look like a secret beside its name now, and more of it goes; nothing comes back.
    let again = redactor.text(&clean).unwrap_or_else(|| clean.clone());
    hidden(&again, &spelled, &whole);

    let list = |whole: &str| whole.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let events = [
        json!({ "type": "command_started", "argv": list(&whole), "cwd": whole }),
        json!({ "type": "note", "name": whole, "attributes": { &whole: whole, &before: spelled } }),
        json!({ "type": "command_failed", "argv": [whole, before, spelled], "error": whole }),
    ];
    for event in events {
        let mut event: Event = serde_json::from_value(event).expect("an event");
        redactor.redact(&mut event);
        let written = serde_json::to_value(&event).expect("written");
        let fields = written.as_object().expect("an event");
        for (_, value) in fields.iter().filter(|(name, _)| *name != "type") {
            strings(value, &mut |text| hidden(text, &spelled, &whole));
        }
    }
}

/// The value in one of the encodings that are found.
fn spelled(value: &str, how: u8) -> String {
    let each = |spell: &dyn Fn(u8) -> String| value.bytes().map(spell).collect::<String>();
    let shifted = |before: usize| {
        let mut bytes = vec![b'?'; before];
        bytes.extend(value.bytes());
        bytes.resize(bytes.len().next_multiple_of(3), b'!');
        bytes
    };
    match how % 8 {
        0..=2 => value.to_owned(),
        3 => HEXLOWER.encode(value.as_bytes()),
        4 => HEXUPPER.encode(value.as_bytes()),
        5 => BASE64.encode(&shifted(usize::from(how / 8) % 3)),
        6 => BASE64URL_NOPAD.encode(&shifted(usize::from(how / 8) % 3)),
        _ => each(&|byte| format!("%{byte:02X}")),
    }
}

fn hidden(text: &str, spelled: &str, whole: &str) {
    assert!(!text.contains(spelled), "{text:?} of {whole:?}");
}

/// Every string of a value, names among them.
fn strings(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(all) => all.iter().for_each(|value| strings(value, see)),
        Value::Object(all) => {
            for (name, value) in all {
                see(name);
                strings(value, see);
            }
        }
        _ => {}
    }
}
