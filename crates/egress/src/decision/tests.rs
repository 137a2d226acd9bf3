//! Decisions, each beside one that goes the other way.

use super::*;

fn rules(allow: &[&str], deny: &[&str]) -> Rules {
    let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
    Rules::new(read(allow), read(deny))
}

fn host(text: &str) -> Host {
    Host::parse(text).expect(text)
}

fn reason(verdict: ConnectVerdict) -> Option<Reason> {
    match verdict {
        ConnectVerdict::Deny(denial) => Some(denial.reason),
        _ => None,
    }
}

fn passes(rules: &Rules, method: &str, path: &str) -> Result<(), Reason> {
    match rules.request(&host("example.com"), 443, method, path) {
        RequestVerdict::Allow(_) => Ok(()),
        RequestVerdict::Deny(denial) => Err(denial.reason),
    }
}

#[test]
fn nothing_is_allowed_by_nothing() {
    let rules = Rules::default();
    for text in ["example.com", "192.0.2.1"] {
        assert_eq!(
            reason(rules.connect(&host(text), 443, false)),
            Some(Reason::NotAllowed)
        );
        assert_eq!(
            rules.lookup(&host(text)).unwrap_err().reason,
            Reason::NotAllowed
        );
    }
    assert_eq!(passes(&rules, "GET", "/"), Err(Reason::NotAllowed));
}

#[test]
fn deny_comes_first() {
    let rules = rules(&["*.example.com:443"], &["bad.example.com"]);
    assert_eq!(
        rules.connect(&host("good.example.com"), 443, false),
        ConnectVerdict::Allow("*.example.com:443".into())
    );
    assert_eq!(
        rules.connect(&host("good.example.com"), 443, true),
        ConnectVerdict::Inspect
    );
    assert_eq!(
        reason(rules.connect(&host("good.example.com"), 80, false)),
        Some(Reason::NotAllowed)
    );
    assert_eq!(
        reason(rules.connect(&host("example.com"), 443, false)),
        Some(Reason::NotAllowed)
    );
    let ConnectVerdict::Deny(denial) = rules.connect(&host("bad.example.com"), 443, false) else {
        panic!("it is denied");
    };
    assert_eq!(denial.reason, Reason::Denied);
    assert_eq!(denial.rule.as_deref(), Some("bad.example.com"));
    assert!(denial.remedy.contains("bad.example.com"));
}

#[test]
fn requests_make_a_connection_looked_into() {
    let some = rules(&["example.com GET /a/**"], &[]);
    assert_eq!(
        some.connect(&host("example.com"), 443, false),
        ConnectVerdict::Inspect
    );
    let whole = rules(&["example.com GET /a/**", "example.com:443"], &[]);
    assert_eq!(
        whole.connect(&host("example.com"), 443, false),
        ConnectVerdict::Allow("example.com:443".into())
    );
    let less = rules(&["example.com"], &["example.com:443 DELETE"]);
    assert_eq!(
        less.connect(&host("example.com"), 443, false),
        ConnectVerdict::Inspect
    );
    assert_eq!(
        less.connect(&host("example.com"), 80, false),
        ConnectVerdict::Allow("example.com".into())
    );
    let none = rules(&[], &["example.com DELETE"]);
    assert_eq!(
        reason(none.connect(&host("example.com"), 443, false)),
        Some(Reason::NotAllowed)
    );
}

#[test]
fn requests() {
    let rules = rules(
        &["example.com GET,HEAD /a/**", "example.com POST /b"],
        &["example.com /a/x"],
    );
    assert_eq!(passes(&rules, "GET", "/a/b"), Ok(()));
    assert_eq!(passes(&rules, "GET", "/a//b/"), Ok(()));
    assert_eq!(passes(&rules, "POST", "/b"), Ok(()));
    assert_eq!(passes(&rules, "POST", "/a/b"), Err(Reason::NotAllowed));
    assert_eq!(passes(&rules, "get", "/a/b"), Err(Reason::NotAllowed));
    assert_eq!(passes(&rules, "GET", "/ab"), Err(Reason::NotAllowed));
    for path in ["/a/x", "//a//x", "/%61/x/", "/a/%78"] {
        assert_eq!(passes(&rules, "GET", path), Err(Reason::Denied), "{path}");
    }
    for path in [
        "/a/../b",
        "/b/../a/b",
        "/a/%2e%2e/b",
        "/a%2fb",
        "/a;x/b",
        "/a\\b",
    ] {
        assert_eq!(
            passes(&rules, "GET", path),
            Err(Reason::Malformed),
            "{path}"
        );
    }
    assert_eq!(passes(&rules, "OPTIONS", "*"), Err(Reason::NotAllowed));
}

#[test]
fn denied_methods_are_denied_in_any_case() {
    let rules = rules(&["example.com"], &["example.com DELETE"]);
    assert_eq!(passes(&rules, "DELETE", "/"), Err(Reason::Denied));
    assert_eq!(passes(&rules, "delete", "/"), Err(Reason::Denied));
    assert_eq!(passes(&rules, "GET", "/"), Ok(()));
    // No rule is about paths.
    assert_eq!(passes(&rules, "GET", "/a/../b%2f;"), Ok(()));
}

#[test]
fn names_are_looked_up_where_a_port_is_left() {
    let rules = rules(
        &["a.test:443", "b.test:80-81", "c.test:443", "d.test:443 GET"],
        &["*.test:80", "c.test:443", "d.test:443 PUT", "e.test"],
    );
    let looked = |text: &str| rules.lookup(&host(text)).map_err(|denial| denial.reason);
    assert_eq!(looked("a.test"), Ok(()));
    assert_eq!(looked("b.test"), Ok(()));
    assert_eq!(looked("c.test"), Err(Reason::Denied));
    assert_eq!(looked("d.test"), Ok(()));
    assert_eq!(looked("e.test"), Err(Reason::Denied));
    assert_eq!(looked("f.test"), Err(Reason::NotAllowed));
}

#[test]
fn addresses_are_allowed_by_address() {
    let all = rules(&["*", "0.0.0.0/0", "::/0"], &["203.0.113.0/24"]);
    assert_eq!(
        all.connect(&host("192.0.2.1"), 1, false),
        ConnectVerdict::Allow("0.0.0.0/0".into())
    );
    assert!(matches!(
        all.connect(&host("2001:db8::1"), 1, false),
        ConnectVerdict::Allow(_)
    ));
    assert_eq!(
        reason(all.connect(&host("203.0.113.1"), 1, false)),
        Some(Reason::Denied)
    );
    for text in [
        "127.0.0.1",
        "0x7f.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "fe80::1",
        "64:ff9b::7f00:1",
        "0.0.0.0",
    ] {
        let verdict = all.connect(&host(text), 1, false);
        assert_eq!(reason(verdict), Some(Reason::SpecialAddress), "{text}");
    }
    let names = rules(&["*"], &[]);
    assert_eq!(
        reason(names.connect(&host("192.0.2.1"), 1, false)),
        Some(Reason::NotAllowed)
    );
}

#[test]
fn special_addresses_are_opened_by_rules_within_them() {
    let rules = rules(
        &[
            "127.0.0.1:5432",
            "10.1.0.0/16",
            "169.254.0.0/16",
            "100.100.100.200",
            "127.0.0.2 GET",
        ],
        &["10.1.2.3"],
    );
    let opened = |text: &str, port| {
        let address = text.parse().unwrap();
        let opened = rules.address(address, port).map_err(|denial| denial.reason);
        let connect = reason(rules.connect(&Host::from_address(address), port, false));
        assert_eq!(opened.err(), connect, "{text}");
        opened
    };
    assert_eq!(opened("127.0.0.1", 5432), Ok(()));
    assert_eq!(opened("127.0.0.1", 80), Err(Reason::SpecialAddress));
    assert_eq!(opened("::ffff:127.0.0.1", 5432), Ok(()));
    assert_eq!(opened("10.1.2.4", 1), Ok(()));
    assert_eq!(opened("10.1.2.3", 1), Err(Reason::Denied));
    assert_eq!(opened("10.2.0.1", 1), Err(Reason::SpecialAddress));
    assert_eq!(opened("169.254.1.1", 80), Ok(()));
    assert_eq!(opened("169.254.169.254", 80), Err(Reason::SpecialAddress));
    assert_eq!(opened("100.100.100.200", 80), Ok(()));
    // A name's address: its requests are not those of the rule.
    let some = "127.0.0.2".parse().unwrap();
    assert_eq!(
        rules.address(some, 80).unwrap_err().reason,
        Reason::SpecialAddress
    );
    assert_eq!(
        rules.connect(&Host::Address(some), 80, false),
        ConnectVerdict::Inspect
    );
    // A public address needs no rule beside the name's.
    assert_eq!(rules.address("192.0.2.1".parse().unwrap(), 80), Ok(()));
}

#[test]
fn connections_that_may_stay() {
    let public = "192.0.2.1".parse().unwrap();
    let name = host("example.com");
    let whole = rules(&["example.com"], &[]);
    assert!(whole.still_allows(&name, 443, public, false));
    assert!(whole.still_allows(&name, 443, public, true));
    assert!(!whole.still_allows(&name, 443, "10.0.0.1".parse().unwrap(), false));
    assert!(!whole.still_allows(&Host::Address(public), 443, public, false));
    let some = rules(&["example.com GET"], &[]);
    assert!(some.still_allows(&name, 443, public, true));
    assert!(!some.still_allows(&name, 443, public, false));
    let denied = rules(&["example.com"], &["192.0.2.0/24"]);
    assert!(!denied.still_allows(&name, 443, public, true));
}

#[test]
fn an_answer_is_a_rule() {
    let mut rules = rules(&[], &["example.com:80", "example.com PUT"]);
    rules.allow(&host("example.com"), 443);
    rules.allow(&host("example.com"), 80);
    assert_eq!(
        rules.connect(&host("example.com"), 443, false),
        ConnectVerdict::Inspect
    );
    assert_eq!(
        reason(rules.connect(&host("example.com"), 80, false)),
        Some(Reason::Denied)
    );
    assert_eq!(
        reason(rules.connect(&host("example.com"), 22, false)),
        Some(Reason::NotAllowed)
    );
}

#[test]
fn remedies_can_be_pasted() {
    let rules = rules(&["example.com:443 GET /a"], &[]);
    let ConnectVerdict::Deny(denial) = rules.connect(&host("2001:db8::1"), 443, false) else {
        panic!("it is denied");
    };
    assert_eq!(
        denial.remedy,
        "allow it with --network '[2001:db8::1]:443', or with allow = [\"[2001:db8::1]:443\"] in \
         [network]"
    );
    let remedy =
        |method: &str, path: &str| match rules.request(&host("example.com"), 443, method, path) {
            RequestVerdict::Deny(denial) => denial.remedy,
            RequestVerdict::Allow(rule) => panic!("{rule}"),
        };
    assert!(remedy("PUT", "/b").contains("--network 'example.com:443 PUT /b'"));
    for path in ["/'$(reboot)'", "/\"]\n"] {
        let text = remedy("PUT", path);
        assert!(!text.contains("reboot") && !text.contains('\n'), "{text}");
    }
    assert!(!remedy("P'`T", "/b").contains('`'));
    // What is said to allow it does.
    let allowed: NetworkRule = "example.com:443 PUT /b".parse().unwrap();
    let more = Rules::new(vec![allowed], vec![]);
    assert_eq!(passes(&more, "PUT", "/b"), Ok(()));
}

#[test]
fn a_rule_that_cannot_be_read_denies() {
    let broken = NetworkRule::from("not a rule!");
    let open = rules(&["*"], &[]);
    assert!(matches!(
        open.connect(&host("example.com"), 1, false),
        ConnectVerdict::Allow(_)
    ));
    let rules = Rules::new(vec!["*".into()], vec![broken.clone()]);
    assert_eq!(
        reason(rules.connect(&host("example.com"), 1, false)),
        Some(Reason::Denied)
    );
    let rules = Rules::new(vec![broken], vec![]);
    assert_eq!(
        reason(rules.connect(&host("example.com"), 1, false)),
        Some(Reason::NotAllowed)
    );
}
