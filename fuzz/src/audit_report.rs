//! The page of a log that programs inside have filled: what they wrote is data in it, never markup.

use cofferdam_audit::Record;
use cofferdam_audit::log::Records;
use cofferdam_audit::report::{Options, Verification, write};
use serde_json::json;

/// One input: a log, or the text of an event.
pub fn check(bytes: &[u8]) {
    let mut records: Vec<Record> = Records::new(bytes).flatten().collect();
    let text = String::from_utf8_lossy(bytes);
    let noted = json!({
        "v": 1, "seq": 0, "time": text, "prev": "",
        "event": { "type": "command_started", "argv": [text, text], "cwd": text },
    });
    records.extend(serde_json::from_value::<Record>(noted));
    let options = Options::default().title(text.clone()).verification(Verification::Failed {
        reason: text.into_owned(),
    });
    let mut page = Vec::new();
    write(records, &options, &mut page).expect("memory takes it");
    let page = String::from_utf8(page).expect("it is text");
    assert_eq!(tags(&page), tags(&bare()), "{page}");
    let odd = |c: char| c.is_control() && !"\n\t".contains(c);
    assert!(!page.chars().any(odd), "{page:?}");
}

/// A page of a record that says nothing.
fn bare() -> String {
    let noted = json!({
        "v": 1, "seq": 0, "time": "", "prev": "",
        "event": { "type": "command_started", "argv": ["a", "b"], "cwd": "" },
    });
    let record: Record = serde_json::from_value(noted).expect("a record");
    let options = Options::default().title("a").verification(Verification::Failed {
        reason: "a".to_owned(),
    });
    let mut page = Vec::new();
    write([record], &options, &mut page).expect("memory takes it");
    String::from_utf8(page).expect("it is text")
}

/// What begins with `<`, up to the end of the name, each once.
fn tags(page: &str) -> std::collections::BTreeSet<&str> {
    let starts = page.split('<').skip(1);
    starts
        .map(|tag| tag.split(|c: char| !(c.is_ascii_alphanumeric() || "/!-".contains(c))).next().unwrap_or(""))
        .collect()
}
