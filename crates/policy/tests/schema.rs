//! The published schema is the one the code makes, and it accepts and refuses what the readers do.

mod common;

use cofferdam_policy::Policy;
use common::valid_policy;
use proptest::prelude::*;
use serde_json::{Value, json};

const KEPT: &str = include_str!("../schema/policy.schema.json");

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(KEPT).expect("the kept schema is JSON");
    jsonschema::validator_for(&schema).expect("the kept schema is a schema")
}

#[test]
fn the_kept_schema_is_the_generated_one() {
    let kept: Value = serde_json::from_str(KEPT).expect("the kept schema is JSON");
    assert!(
        kept == Policy::json_schema(),
        "write it anew: cargo run -p cofferdam-policy --features schema --example schema \
         > crates/policy/schema/policy.schema.json"
    );
}

#[test]
fn good_policies_pass() {
    let validator = validator();
    for good in [
        json!({}),
        serde_json::to_value(Policy::default()).expect("writable"),
        json!({ "layers": { "cgroup": "prefer" } }),
        json!({ "filesystem": { "workspace": ".", "tmp": "none", "home": 1_048_576,
            "read": ["/a", { "path": "/b", "exec": false, "target": "/c" }] } }),
        json!({ "filesystem": { "overlay": ["/o"], "workspace_access": "overlay",
            "upper": "2GiB", "protect": false, "root": "host" } }),
        json!({ "filesystem": { "upper": { "disk": "/u" }, "protect": { "add": ["a"] },
            "root": { "image": "/i", "reference": "x" }, "root_access": "read" } }),
        json!({ "filesystem": { "upper": "disk", "root": { "directory": "/r" } } }),
        json!({ "limits": { "memory": "2 GiB", "cpus": 1, "wall_clock": "1h30m",
            "cpu_time": "5s" } }),
        json!({ "syscalls": { "profile": { "stacked": ["strict", { "oci": "/p" }] },
            "allow": ["io-uring"] } }),
        json!({ "identity": { "range": "none", "inside": [0, 0] } }),
        json!({ "network": { "mode": "rules", "allow": ["a.test:443", { "to": "b.test",
            "methods": ["GET"], "paths": ["/**"] }], "deny": ["*"], "package_clients": true,
            "trust": ["/ca"], "publish": ["80", "0:80", "[::1]:1:2"], "forward": ["1", "/a=/b"],
            "ssh_agent": { "keys": [] } } }),
        json!({ "secrets": { "T": { "hosts": ["a.test"] }, "U": { "from": { "env": "E" },
            "place": { "query": "q" }, "ttl": "1h", "prefix": "p" } } }),
    ] {
        let errors: Vec<String> = validator
            .iter_errors(&good)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{good}: {errors:?}");
        Policy::from_json(&good.to_string()).expect("the reader takes it too");
    }
}

#[test]
fn bad_policies_do_not() {
    let validator = validator();
    for bad in [
        json!([]),
        json!({ "limit": {} }),
        json!({ "limits": [1024] }),
        json!({ "limits": { "memry": "1G" } }),
        json!({ "limits": { "memory": "1.5G" } }),
        json!({ "limits": { "memory": "1X" } }),
        json!({ "limits": { "memory": -1 } }),
        json!({ "limits": { "cpus": "two" } }),
        json!({ "limits": { "wall_clock": "10" } }),
        json!({ "limits": { "wall_clock": "30m1h" } }),
        json!({ "limits": { "wall_clock": "" } }),
        json!({ "limits": { "processes": 4_294_967_296u64 } }),
        json!({ "layers": { "cgroup": "maybe" } }),
        json!({ "filesystem": { "system": "yes" } }),
        json!({ "filesystem": { "tmp": "all" } }),
        json!({ "filesystem": { "read": "/a" } }),
        json!({ "filesystem": { "read": [{ "exec": true }] } }),
        json!({ "filesystem": { "read": [{ "path": "/a", "mode": 1 }] } }),
        json!({ "filesystem": { "hide": [{ "path": "/a" }] } }),
        json!({ "filesystem": { "symlinks": [] } }),
        json!({ "filesystem": { "upper": "all" } }),
        json!({ "filesystem": { "upper": { "disk": "/u", "size": 1 } } }),
        json!({ "filesystem": { "protect": "on" } }),
        json!({ "filesystem": { "protect": { "list": [] } } }),
        json!({ "filesystem": { "root": "/r" } }),
        json!({ "filesystem": { "root": {} } }),
        json!({ "filesystem": { "root": { "directory": "/r", "reference": "x" } } }),
        json!({ "filesystem": { "root": { "directory": "/r", "image": "/i" } } }),
        json!({ "filesystem": { "root_access": "all" } }),
        json!({ "network": { "mode": "open" } }),
        json!({ "network": { "connect": [65_536] } }),
        json!({ "network": { "allow": "a.test" } }),
        json!({ "network": { "allow": [""] } }),
        json!({ "network": { "allow": [{ "methods": ["GET"] }] } }),
        json!({ "network": { "allow": [{ "to": "a", "port": 1 }] } }),
        json!({ "network": { "publish": [80] } }),
        json!({ "network": { "publish": ["0"] } }),
        json!({ "network": { "forward": ["db"] } }),
        json!({ "network": { "ssh_agent": {} } }),
        json!({ "network": { "package_clients": "pip" } }),
        json!({ "secrets": [{}] }),
        json!({ "secrets": { "T": [] } }),
        json!({ "secrets": { "T": { "from": "env" } } }),
        json!({ "secrets": { "T": { "from": { "value": "x" } } } }),
        json!({ "secrets": { "T": { "place": "cookie" } } }),
        json!({ "secrets": { "T": { "hosts": [""] } } }),
        json!({ "environment": { "set": { "A": 1 } } }),
        json!({ "syscalls": { "profile": "lax" } }),
        json!({ "syscalls": { "profile": { "oci": "/p", "stacked": [] } } }),
        json!({ "syscalls": { "allow": ["everything"] } }),
        json!({ "identity": { "range": { "start": 1 } } }),
        json!({ "identity": { "range": { "start": 1, "count": 1, "end": 1 } } }),
        json!({ "identity": { "range": { "start": 4_294_967_296u64, "count": 1 } } }),
        json!({ "identity": { "inside": [1] } }),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
        assert!(Policy::from_json(&bad.to_string()).is_err(), "{bad}");
    }
}

#[test]
fn the_schema_is_stricter_on_values_that_validation_refuses() {
    let validator = validator();
    for bad in [
        json!({ "limits": { "cpus": 0 } }),
        json!({ "limits": { "cpus": 9000 } }),
        json!({ "limits": { "processes": 0 } }),
        json!({ "identity": { "range": { "start": 5, "count": 0 } } }),
        json!({ "limits": { "io_weight": 0 } }),
        json!({ "limits": { "io_weight": 10_001 } }),
        json!({ "filesystem": { "workspace": "/w", "workspace_access": "hide" } }),
        json!({ "filesystem": { "root": { "image": "/i" }, "root_access": "write" } }),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
        let policy = Policy::from_json(&bad.to_string()).expect("kept for validation");
        assert!(policy.validate().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn every_valid_policy_written_passes(policies in prop::collection::vec(valid_policy(), 16)) {
        let validator = validator();
        for policy in policies {
            let value = serde_json::to_value(&policy).expect("writable");
            prop_assert!(validator.is_valid(&value), "{value}");
        }
    }
}
