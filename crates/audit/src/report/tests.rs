//! What is embedded cannot break out, and what is long is cut.

use super::{Options, SCRIPT, STYLE, Verification, embed, write};
use crate::Record;
use serde_json::{Value, json};

fn record(event: Value) -> Record {
    let record = json!({
        "v": 1, "seq": 7, "time": "2026-11-28T10:00:00.123456789Z", "prev": "0".repeat(64),
        "session": 1, "command": 2, "span": "00f067aa0ba902b7", "event": event,
    });
    serde_json::from_value(record).expect("a record")
}

fn page(events: impl IntoIterator<Item = Value>, options: &Options) -> String {
    let mut page = Vec::new();
    write(events.into_iter().map(record), options, &mut page).expect("a page in memory");
    String::from_utf8(page).expect("UTF-8")
}

fn exec(argument: &str) -> Value {
    json!({"type": "exec", "pid": 5, "path": "/bin/x", "argv": ["x", argument]})
}

/// What stands in the data blocks, as a browser would read it: an element ends at the first `</script`.
fn data(page: &str) -> Vec<Value> {
    let blocks = page
        .split("<script type=\"application/json\" class=\"log\">")
        .skip(1);
    let mut rows = Vec::new();
    for block in blocks {
        let text = block.split("</script").next().expect("an end");
        let Value::Array(chunk) = serde_json::from_str(text).expect("JSON") else {
            panic!("no array: {text}");
        };
        rows.extend(chunk);
    }
    rows
}

const HOSTILE: &[&str] = &[
    "</script><script>document.title='owned'</script>",
    "</SCRIPT ><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>--><svg onload=alert(1)>",
    "\u{2028}\u{2029}'\"`${alert(1)}\\",
    "\u{0}\u{1}\u{8}\u{1b}[2J\r\n\t\u{7f}\u{85}",
    "gpj.\u{202e}exe\u{2066}\u{200b}",
    "{{script}}{{log}}{{title}}",
    "&lt;b&gt;&amp;",
    "\u{feff}\u{fffe}\u{ffff}\u{10ffff}",
    "__proto__",
];

#[test]
fn hostile_text_stays_data() {
    let page = page(HOSTILE.iter().map(|text| exec(text)), &Options::default());
    let rows = data(&page);
    assert_eq!(rows.len(), HOSTILE.len());
    for (row, text) in rows.iter().zip(HOSTILE) {
        assert_eq!(row["e"]["argv"][1], **text);
    }
    // Markup that is not ours would be here.
    let quiet = page.replace(SCRIPT, "").replace(STYLE, "");
    assert_eq!(
        quiet.matches("<script").count(),
        2,
        "one block of data, one script"
    );
    assert_eq!(quiet.matches("</script").count(), 2);
    for sign in [
        "<img", "<svg", "<!--", "]]>", "\u{2028}", "\u{2029}", "\u{1b}", "\u{0}",
    ] {
        assert!(!quiet.contains(sign), "{sign:?}");
    }
}

#[test]
fn the_heading_and_the_verdict_are_text() {
    let attack = "</title><script>alert(1)</script>\u{202e}\"'{{script}}";
    for verification in [
        Verification::Signed {
            key: attack.to_owned(),
        },
        Verification::Failed {
            reason: attack.to_owned(),
        },
    ] {
        let options = Options::default().title(attack).verification(verification);
        let page = page([], &options);
        assert!(!page.contains(attack) && !page.contains('\u{202e}'));
        assert_eq!(page.matches("<script>").count(), 1, "the page's own");
        assert_eq!(page.matches(SCRIPT).count(), 1);
    }
}

#[test]
fn the_policy_names_script_and_style_and_nothing_else() {
    let page = page([exec("x")], &Options::default());
    let start = page
        .find("Content-Security-Policy\" content=\"")
        .expect("a policy");
    let policy = page[start..].split('"').nth(2).expect("its text");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for text in [SCRIPT, STYLE] {
        assert!(
            policy.contains(&format!("'sha256-{}'", embed::hash(text))),
            "{policy}"
        );
    }
    for weak in ["unsafe", "http", "data:", "*", "self"] {
        assert!(!policy.contains(weak), "{weak}: {policy}");
    }
    // Known from FIPS 180-4's example.
    assert_eq!(
        embed::hash("abc"),
        "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
    );
}

#[test]
fn the_page_names_nothing_to_load() {
    let page = page([], &Options::default());
    for word in [
        "src=",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "innerHTML",
        "eval(",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    // The namespace of SVG is a name, not an address.
    assert!(
        !page
            .replace("http://www.w3.org/2000/svg", "")
            .contains("http:")
    );
    assert!(!page.contains("https:"));
}

#[test]
fn long_strings_and_lists_are_cut_and_say_so() {
    let page = page(
        [
            exec(&"\u{e9}".repeat(1 << 20)),
            json!({"type": "exec", "pid": 5, "path": "/bin/x", "argv": vec!["y".repeat(1000); 5000]}),
        ],
        &Options::default(),
    );
    let rows = data(&page);
    let text = rows[0]["e"]["argv"][1].as_str().expect("text");
    assert!(
        text.ends_with("\u{2026} [1044480 more characters]"),
        "{text}"
    );
    assert!(text.chars().count() < 4200);
    let list = rows[1]["e"]["argv"].as_array().expect("a list");
    assert_eq!(list.len(), 257);
    assert_eq!(list[256], "\u{2026} [4744 more]");
    assert!(
        rows[1].to_string().len() < 100_000,
        "{}",
        rows[1].to_string().len()
    );
}

#[test]
fn parameters_are_shown_as_they_were_written() {
    let page = page(
        [json!({"type": "tool_call_started", "tool": "t",
            "parameters": {"id": 12345678901234567890_u64, "__proto__": {"a": [1, "b"]}, "text": "a\nb"}})],
        &Options::default(),
    );
    let expected = json!([
        ["__proto__", "{\"a\":[1,\"b\"]}"],
        ["id", "12345678901234567890"],
        ["text", "a\nb"]
    ]);
    assert_eq!(data(&page)[0]["e"]["parameters"], expected);
}

#[test]
fn rows_have_their_place_and_no_hashes() {
    let rows = data(&page([exec("x")], &Options::default()));
    assert_eq!(rows[0]["n"], 7);
    assert_eq!(rows[0]["t"], 1_795_860_000_123_456_i64);
    assert_eq!((&rows[0]["s"], &rows[0]["c"]), (&json!(1), &json!(2)));
    assert_eq!(rows[0]["p"], "00f067aa0ba902b7");
    assert!(rows[0].get("prev").is_none());
}

#[test]
fn long_logs_are_many_blocks() {
    let page = page(
        (0..5000).map(|_| exec(&"z".repeat(300))),
        &Options::default(),
    );
    assert!(page.matches("class=\"log\"").count() > 2);
    assert_eq!(data(&page).len(), 5000);
}

#[test]
fn an_output_that_fails_is_reported() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = write([record(exec("x"))], &Options::default(), Full).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
