//! The options about the network and secrets, as the policy that they make.

use crate::common::{call, cofferdam, directory, end, text};
use std::fs;

#[track_caller]
fn policy(options: &[&str]) -> serde_json::Value {
    let mut arguments = vec!["policy", "print", "--json"];
    arguments.extend(options);
    let printed = call(&arguments).expect(0);
    serde_json::from_str(&printed.stdout).expect("json")
}

#[track_caller]
fn refused(options: &[&str], words: &[&str]) {
    let mut arguments = vec!["policy", "print"];
    arguments.extend(options);
    let ended = call(&arguments);
    assert_ne!(ended.code, Some(0), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
}

#[test]
fn rules_are_added() {
    assert_eq!(policy(&[])["network"]["mode"], "none");
    assert_eq!(policy(&["--network", "host"])["network"]["mode"], "host");
    let network = &policy(&[
        "--network",
        "*.example.com:443",
        "--network=10.0.0.0/8",
        "--network",
        "api.example.com GET /repos/**",
        "--deny-network",
        "ads.example.com",
        "--package-clients",
    ])["network"];
    assert_eq!(network["mode"], "rules");
    assert_eq!(network["allow"][0], "*.example.com:443");
    assert_eq!(network["allow"][1], "10.0.0.0/8");
    assert_eq!(network["allow"][2]["methods"][0], "GET");
    assert_eq!(network["deny"][0], "ads.example.com");
    assert_eq!(network["package_clients"], true);
}

#[test]
fn ways_between_the_host_and_the_inside() {
    let key = format!("SHA256:{}", "a".repeat(43));
    let network = &policy(&[
        "--publish",
        "8080",
        "--publish",
        "[::1]:3000:80",
        "--forward",
        "5432",
        "--forward",
        "/run/in.sock=/run/out.sock",
        "--ssh-agent",
        &key,
    ])["network"];
    assert_eq!(network["mode"], "rules");
    assert_eq!(network["publish"][0], "127.0.0.1:8080:8080");
    assert_eq!(network["publish"][1], "[::1]:3000:80");
    assert_eq!(network["forward"][0], "5432=127.0.0.1:5432");
    assert_eq!(network["forward"][1], "/run/in.sock=/run/out.sock");
    assert_eq!(network["ssh_agent"]["keys"][0], *key);
    refused(&["--publish", "127.0.0.1:80"], &["HOST-PORT"]);
    refused(&["--forward", "db"], &["place inside"]);
    refused(&["--ssh-agent", "mine"], &["fingerprint", "ssh-add -l"]);
}

#[test]
fn secrets_are_bound() {
    let rule = ["--network", "*.example.com"];
    let secret = |options: &[&str]| policy(&[&rule, options].concat())["secrets"]["TOKEN"].clone();
    let one = secret(&["--secret", "TOKEN@bearer:api.example.com"]);
    assert_eq!(one["from"]["env"], "TOKEN");
    assert_eq!(one["place"], "bearer");
    assert_eq!(one["hosts"][0], "api.example.com:443");
    let two = secret(&[
        "--secret",
        "TOKEN=command:tool print@header=X-Key:a.example.com",
        "--secret",
        "TOKEN@header=X-Key:b.example.com:8443",
    ]);
    assert_eq!(two["from"]["command"][1], "print");
    assert_eq!(two["place"]["header"], "X-Key");
    assert_eq!(two["hosts"][1], "b.example.com:8443");

    let refused = |options: &[&str], words: &[&str]| refused(&[&rule, options].concat(), words);
    let other = [
        "--secret",
        "T@bearer:a.example.com",
        "--secret",
        "T@basic:b.example.com",
    ];
    refused(&other, &["two places"]);
    let other = [
        "--secret",
        "T=env:A@basic:a.example.com",
        "--secret",
        "T=env:B@basic:b.example.com",
    ];
    refused(&other, &["two sources"]);
    refused(&["--secret", "T@basic:a.test"], &["no rule leads to"]);
    refused(
        &["--secret", "T=value@basic:a.example.com"],
        &["env:VARIABLE"],
    );
}

#[test]
fn what_is_no_rule_is_refused_with_what_to_write() {
    for (rule, says) in [
        ("https://example.com/x", "`example.com:443`"),
        ("127.1", "the address 127.0.0.1"),
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("*example.com", "whole labels"),
        ("bücher.example", "xn--"),
        ("2001:db8::1:443x", "brackets"),
    ] {
        refused(&["--network", rule], &[says]);
        refused(&["--deny-network", rule], &[says]);
    }
    refused(
        &["--network", "host", "--network", "example.com"],
        &["stand alone"],
    );
    refused(
        &["--network", "host", "--deny-network", "example.com"],
        &["mode is not `rules`"],
    );
}

#[test]
fn options_are_added_to_the_files() {
    let here = directory();
    let file = here.path().join("policy.toml");
    let body = "[network]\nmode = \"rules\"\nallow = [\"a.test\"]\ntrust = [\"ca.pem\"]\n\
                [secrets.T]\nfrom = { file = \"token\" }\nhosts = [\"a.test\"]\n";
    fs::write(&file, body).expect("write");
    let with = |options: &[&str]| policy(&[&["-p", text(&file)], options].concat());
    let added = with(&["--network", "b.test"]);
    assert_eq!(
        added["network"]["allow"],
        serde_json::json!(["a.test", "b.test"])
    );
    let place = |name: &str| serde_json::json!(here.path().join(name));
    assert_eq!(added["network"]["trust"][0], place("ca.pem"));
    assert_eq!(added["secrets"]["T"]["from"]["file"], place("token"));
    let replaced = with(&["--secret", "T=file:mine@basic:a.test"]);
    assert_eq!(replaced["secrets"]["T"]["place"], "basic");

    // Of a project's file, what is typed too.
    let arguments = [
        "policy",
        "print",
        "--json",
        "--network",
        "*.test:443",
        "--restrict",
    ];
    let both = end(cofferdam().args(arguments).arg(&file)).expect(0);
    let both: serde_json::Value = serde_json::from_str(&both.stdout).expect("json");
    assert_eq!(both["network"]["allow"], serde_json::json!(["a.test:443"]));
    assert_eq!(both["secrets"], serde_json::Value::Null);
}
