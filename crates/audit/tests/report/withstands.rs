//! Hostile content does nothing, and strange logs are shown all the same.

use crate::Page;
use crate::browser::Browser;
use crate::script::{Script, denial};
use crate::session;
use serde_json::{Value, json};

/// Text that would run, load or mislead if it were taken for more than text.
const ATTACKS: &[&str] = &[
    "</script><script>document.title='owned'</script><b id=owned>",
    "<img id=owned src=https://attacker.example/x onerror=\"document.title='owned'\">",
    "<!--<script>]]>--><svg id=owned onload=document.title='owned'>",
    "\"><iframe id=owned srcdoc='<script>parent.document.title=1</script>'></iframe>",
    "javascript:document.title='owned'",
    "'-document.title='owned'-'\u{2028}document.title='owned'//",
    "\u{0}\u{1b}[2J\u{7}",
    "gpj.\u{202e}exe",
    "__proto__",
    "constructor",
];

/// Every field of every event that somebody inside can choose.
fn hostile() -> Vec<cofferdam_audit::Record> {
    let mut s = Script::new();
    s.session(Some(1));
    for text in ATTACKS {
        s.event(
            1,
            json!({"type": "log_opened", "writer": text, "file": 0, "cut": 7}),
        );
        let layer = json!({"layer": text, "state": text, "weaknesses": [text]});
        let started = json!({
            "type": "session_started", "policy": text, "workspace": text, "pid": 1, "enforcement": [layer],
        });
        s.event(1, started);
        let parameters = json!({*text: text, "deep": {*text: [text]}});
        s.call_that(text, text, parameters, text, |s| {
            s.command(&[text, text], 1, [5, 5, 5], |s| {
                let pid = s.exec(1, &[text, text]);
                s.event(
                    1,
                    json!({"type": "exec", "pid": pid, "path": text, "argv": []}),
                );
                inside(text).into_iter().for_each(|event| s.event(1, event));
            });
        });
        s.event(1, json!({"type": "log_closed", "next": text}));
    }
    s.finish()
}

/// What a program causes, with a text wherever it can choose one.
fn inside(text: &str) -> [Value; 11] {
    let mut denial = denial(text, text, text, text);
    denial["rule"] = text.into();
    let request = json!({
        "type": "network", "what": "request", "host": text, "address": text, "port": 1,
        "request": [text, text], "rule": text,
    });
    let mut refused = request.clone();
    refused["denial"] = denial.clone();
    let attributes = json!({text: text, "argv": text, "usage": text});
    [
        request,
        refused,
        json!({
            "type": "syscall_denied", "pid": 1, "syscall": text, "args": [text, text, text, text, text, text],
            "denial": denial,
        }),
        json!({"type": "file_denied", "path": text, "denial": denial}),
        json!({"type": "file_changed", "path": text, "change": text, "risks": [text], "state": text}),
        json!({"type": "secret_used", "name": text, "host": text}),
        json!({"type": "limit_hit", "limit": text, "denial": denial}),
        json!({"type": "note", "name": text, "attributes": attributes}),
        json!({"type": "suppressed", "kind": text, "count": 3}),
        json!({"type": "from_the_future", "name": text}),
        json!({"type": "command_failed", "argv": [text], "error": text}),
    ]
}

/// Opens every view and everything that can be opened in it; how wide the widest was.
const OPEN_ALL: &str = "(async () => {
  let widest = 0;
  const closed = () => document.querySelectorAll('[role=tabpanel]:not([hidden]) details:not([open])');
  for (const tab of document.querySelectorAll('[role=tab]')) {
    tab.click();
    while (closed().length > 0) {
      for (const details of closed()) details.open = true;
      await new Promise((resume) => setTimeout(resume, 20));
    }
    widest = Math.max(widest, document.documentElement.scrollWidth);
  }
  return widest;
})()";

#[test]
fn hostile_content_does_nothing() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new(hostile());
    browser.size(320, 640);
    browser.open(&page.path());
    assert_eq!(browser.value(OPEN_ALL), 320);
    assert_eq!(browser.value("document.title"), "What the agent did");
    assert_eq!(
        browser.value("document.getElementById('owned')"),
        Value::Null
    );
    assert_eq!(
        browser.value(
            "document.querySelectorAll('img, iframe, b[id], a[href]:not([href^=\"#\"])').length"
        ),
        0
    );
    assert_eq!(
        browser.value("'owned' in Object.prototype || Object.keys(Object.prototype).length > 0"),
        false
    );
    let requests = browser.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("file://"), "{requests:?}");
    assert_eq!(browser.complaints(), [""; 0]);

    // It is all there, as text, and nothing of it hides or turns anything round.
    let text = browser.value("document.body.textContent");
    let text = text.as_str().expect("text");
    assert!(text.contains(ATTACKS[0]) && text.contains("onerror=\"document.title='owned'\""));
    assert!(text.contains("gpj.\\u{202e}exe") && text.contains("\\u{0}\\e[2J\\u{7}"));
    for c in ['\u{202e}', '\u{2028}', '\u{0}', '\u{1b}', '\u{7}'] {
        assert!(!text.contains(c), "{c:?}");
    }
    let titles =
        browser.value("[...document.querySelectorAll('[title]')].map(e => e.title).join(' ')");
    assert!(!titles.as_str().expect("text").contains('\u{202e}'));
}

#[test]
fn the_policy_stops_what_the_page_does_not() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new(session::example());
    browser.open(&page.path());
    // As if text had become markup all the same.
    let refused = browser.value(
        "(() => { try { document.body.innerHTML = '<b>'; return false } \
         catch (error) { return error instanceof TypeError } })()",
    );
    assert_eq!(refused, true);
    browser.value(
        "(() => { const image = document.createElement('img'); \
         image.setAttribute('src', 'https://attacker.example/x'); \
         document.body.append(image); fetch('https://attacker.example/y').catch(() => {}) })()",
    );
    browser.value("new Promise((resume) => setTimeout(resume, 200))");
    let complaints = browser.complaints().join("\n");
    assert!(
        complaints.contains("Content Security Policy"),
        "{complaints}"
    );
    assert!(complaints.contains("attacker.example/x"), "{complaints}");
}

#[test]
fn a_string_of_a_megabyte_is_cut_in_view() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut s = Script::new();
    s.exec(1, &["echo", &"x".repeat(1 << 20)]);
    s.call(
        "bash",
        &"y".repeat(1 << 20),
        json!({"command": "z".repeat(1 << 20)}),
        |_| {},
    );
    let page = Page::new(s.finish());
    browser.size(320, 640);
    browser.open(&page.path());
    assert_eq!(browser.value(OPEN_ALL), 320);
    let longest = browser.value(
        "Math.max(...[...document.querySelectorAll('summary, dd')].map(e => e.textContent.length))",
    );
    assert!(
        longest.as_u64().is_some_and(|length| length < 5000),
        "{longest}"
    );
    assert!(
        browser
            .texts("#processes dd")
            .iter()
            .any(|text| text.contains("more characters]"))
    );
}

#[test]
fn circles_and_strange_orders_are_shown() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut records = session::example();
    // Ends before beginnings, and a log of which only the second half is there.
    records.reverse();
    records.truncate(60);
    let event = |span: &str, parent: &str| {
        serde_json::from_value(
            json!({"v": 1, "seq": 0, "time": "soon", "prev": "", "span": span, "event":
            {"type": "tool_call_started", "tool": "round", "parent": parent}}),
        )
        .expect("a record")
    };
    records.push(event("00000000000000aa", "00000000000000bb"));
    records.push(event("00000000000000bb", "00000000000000aa"));
    records.push(event("00000000000000cc", "00000000000000cc"));
    let page = Page::new(records);
    browser.open(&page.path());
    browser.value(OPEN_ALL);
    assert_eq!(browser.complaints(), [""; 0]);
    // What is not in view has no text of its own for the browser.
    let named = browser.value(
        "[...document.querySelectorAll('#timeline .group.call > summary strong')] \
         .filter((e) => e.textContent === 'round').length",
    );
    assert_eq!(named, 3);

    // Each call in the one before.
    let id = |number: u64| format!("{number:016x}");
    let deep = (1..=3000).map(|number| event(&id(number), &id(number.max(2) - 1)));
    let deep = Page::new(deep.collect::<Vec<_>>());
    browser.open(&deep.path());
    assert_eq!(browser.texts("#figures b")[1], "3,000");
    assert_eq!(browser.complaints(), [""; 0]);

    let empty = Page::new([]);
    browser.open(&empty.path());
    assert!(browser.texts("#when")[0].contains("empty"));
    assert_eq!(browser.complaints(), [""; 0]);
}
