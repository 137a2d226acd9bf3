//! Secrets are taken out, and nothing else.

use super::*;
use data_encoding::{BASE64, BASE64URL, HEXLOWER};
use proptest::prelude::*;
use serde_json::json;

fn clean(text: &str) -> String {
    Redactor::default()
        .text(text)
        .unwrap_or_else(|| text.to_owned())
}

#[test]
fn a_name_that_holds_a_value_is_no_label() {
    let redactor = Redactor::default();
    redactor.add("k", b"hunter2hunter2").unwrap();
    for (text, right) in [
        (
            "--abc-hunter2hunter2-token=xyz",
            "--abc-[redacted k]-token=[redacted secret]",
        ),
        ("--hunter2hunter2-token xyz", "--[redacted k]"),
        (
            "HUNTER2hunter2-TOKEN=xyz",
            "HUNTER2hunter2-TOKEN=[redacted secret]",
        ),
    ] {
        assert_eq!(redactor.text(text).as_deref(), Some(right));
    }
    let mut event: Event = serde_json::from_value(json!({
        "type": "command_started", "cwd": "/",
        "argv": ["x", "--hunter2hunter2-token", "xyz", "{\"hunter2hunter2-token\": \"xyz\"}"],
    }))
    .unwrap();
    redactor.redact(&mut event);
    let text = serde_json::to_string(&event).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("xyz"), "{text}");
}

#[test]
fn rules_of_names_urls_and_shapes() {
    for (text, right) in [
        ("--password hunter2 x", "--password [redacted password] x"),
        ("--token=abc x", "--token=[redacted token] x"),
        (
            "curl -H 'Authorization: Bearer abc.d' u",
            "curl -H 'Authorization: Bearer [redacted authorization]' u",
        ),
        ("X-Api-Key: a b", "X-Api-Key: [redacted x-api-key]"),
        (
            "https://user:pa:ss@host/x",
            "https://user:[redacted password]@host/x",
        ),
        (
            "GITHUB_TOKEN=abc gh",
            "GITHUB_TOKEN=[redacted github_token] gh",
        ),
        (
            "export A_SECRET=\"a b\"; x",
            "export A_SECRET=\"[redacted a_secret]\"; x",
        ),
        (
            r#"{"password": "a\"b", "x": 1}"#,
            r#"{"password": "[redacted password]", "x": 1}"#,
        ),
        (
            r#""{\"password\":\"ab\"}""#,
            r#""{\"password\":\"[redacted password]\"}""#,
        ),
        ("/?api_key=abc&x=1", "/?api_key=[redacted api_key]&x=1"),
        (
            "curl -u me:pw http://h",
            "curl -u me:[redacted password] http://h",
        ),
        (
            "see ghp_abcdefghijklmnopqrstuvwxyz0123456789.",
            "see [redacted github token].",
        ),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted aws key id]"),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh",
            "[redacted jwt]",
        ),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
            "a [redacted private key] b",
        ),
    ] {
        assert_eq!(clean(text), right, "{text}");
        assert_eq!(clean(right), right, "a second time changes nothing");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "cargo test --workspace --key=2",
        "https://host/a:b@c",
        "git@host:a/b",
        "PWD=/home/x",
        "max_tokens=100",
        "ls -la ::",
        "-----BEGIN CERTIFICATE-----",
        "task-sk-1",
        "host:443",
        "a=b",
        "--password",
        "risk-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "eyJhbGciOiJIUzI1NiJ9abcdefghijklmnopqrstuvwxyz",
        "=",
        ":",
        "--",
        "\u{e9}=",
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn rules_can_be_switched_and_added_to() {
    let off = Redactor::builder()
        .names(false)
        .urls(false)
        .shapes(false)
        .build();
    for text in [
        "TOKEN=x",
        "http://a:b@c",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        assert_eq!(off.text(text), None, "{text}");
    }
    let own = Redactor::builder()
        .secret_name("ident")
        .harmless_name("TOKEN")
        .shape("acme_", 4)
        .build();
    assert_eq!(
        own.text("ident=1 TOKEN=2 acme_abcd").unwrap(),
        "ident=[redacted ident] TOKEN=2 [redacted token]"
    );
}

#[test]
fn every_string_of_an_event() {
    let redactor = Redactor::default();
    redactor.add("KEY", b"s3cr3t-value").unwrap();
    let text = || "x s3cr3t-value y".to_owned();
    let mut event = Event::ToolCallStarted {
        tool: text(),
        parameters: json!({"s3cr3t-value": [1, {"a": text()}], "password": {"deep": ["p"]}, "max_tokens": 5,
            "token": "t", "argv": ["mysql", "-pabc", "--password", "def", "s3cr3t-value"], "n": null}),
        reason: text(),
        model: text(),
        call: text(),
        parent: None,
    };
    redactor.redact(&mut event);
    let written = serde_json::to_string(&event).unwrap();
    assert!(!written.contains("s3cr3t"), "{written}");
    let Event::ToolCallStarted { parameters, .. } = event else {
        panic!()
    };
    assert_eq!(
        parameters,
        json!({"[redacted KEY]": [1, {"a": "x [redacted KEY] y"}], "password": {"deep": ["[redacted password]"]},
            "max_tokens": 5, "token": "[redacted token]",
            "argv": ["mysql", "-p[redacted password]", "--password", "[redacted password]", "[redacted KEY]"], "n": null})
    );
    redactor.remove("KEY");
    assert_eq!(redactor.text("s3cr3t-value"), None);
}

#[test]
fn a_record_hides_what_it_is_told_to() {
    let (sender, entries) = std::sync::mpsc::channel();
    let redact = std::sync::Arc::new(Redactor::default());
    let audit = crate::Audit::builder().redact(redact).sink(sender).build();
    let note = || Event::Note {
        name: "it is plain-value-17".into(),
        attributes: Default::default(),
    };
    audit.record(Default::default(), note()).unwrap();
    audit.hide("TOKEN", b"plain-value-17");
    audit.record(Default::default(), note()).unwrap();
    let names = entries.try_iter().map(|entry| match entry.event {
        Event::Note { name, .. } => name,
        other => panic!("{other:?}"),
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["it is plain-value-17", "it is [redacted TOKEN]"]
    );
}

#[test]
fn the_last_values_of_a_name_are_kept() {
    let redactor = Redactor::default();
    for number in 0..6 {
        redactor
            .add("K", format!("value-number-{number}").as_bytes())
            .unwrap();
    }
    assert_eq!(redactor.text("value-number-1"), None);
    assert_eq!(
        redactor.text("value-number-2 value-number-5").unwrap(),
        "[redacted K] [redacted K]"
    );
    assert_eq!(redactor.add("K", b"short"), Err(RedactError::TooShort));
}

proptest! {
    #[test]
    fn a_value_is_found_in_every_encoding(value in "[ -~]{8,30}", before in "[a-z ]{0,7}", after in "[a-z ]{0,7}") {
        let redactor = Redactor::builder().names(false).urls(false).shapes(false).build();
        redactor.add("S", value.as_bytes()).unwrap();
        let whole = format!("{before}{value}{after}");
        let url: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [
            whole.clone(),
            HEXLOWER.encode(whole.as_bytes()),
            BASE64.encode(whole.as_bytes()),
            BASE64URL.encode(whole.as_bytes()),
            format!("{before}{url}{after}"),
            serde_json::to_string(&whole).unwrap(),
        ] {
            let found = redactor.text(&text);
            prop_assert!(found.as_ref().is_some_and(|found| found.contains("[redacted S]")), "{text} {found:?}");
            prop_assert!(!found.unwrap().contains(value.as_str()));
        }
    }

    #[test]
    fn any_text_is_gone_over(text in ".{0,60}", parts in prop::collection::vec("(--token|=|: ?|://|@|\"|'|\\\\|-u|curl |\u{e9}|x| )", 0..20)) {
        let redactor = Redactor::default();
        redactor.add("S", b"\xff\xfe\xfd\xfc\xfb\xfa\xc3\xa9").unwrap();
        let _ = redactor.text(&text);
        let _ = redactor.text(&parts.concat());
    }
}
