//! A wall without namespaces, for hosts that forbid them: what is left, and that the gaps are told.

use crate::support::*;
use cofferdam::policy::PathRule;
use cofferdam::{Layer, Layers, Sandbox};
use std::fs;

/// Landlock, the filter and limits alone. A root caller gets no such sandbox, which each test asserts
/// first: its programs would be root.
fn bare(scene: &Scene) -> Option<Sandbox> {
    let layers = |layers: Layers| {
        layers
            .off(Layer::Namespaces)
            .prefer(Layer::Filesystem)
            .prefer(Layer::Network)
            .prefer(Layer::Landlock)
    };
    let built = Sandbox::builder()
        .workspace(&scene.workspace)
        .filesystem(|files| files.rule(PathRule::read(ATTACKER)))
        .layers(layers)
        .build();
    match built {
        Ok(sandbox) => {
            assert!(!is_root(), "its programs would be root of the host");
            Some(sandbox)
        }
        Err(error) => {
            assert!(is_root(), "{error}");
            assert!(error.to_string().contains("root"), "{error}");
            None
        }
    }
}

fn attack(sandbox: &Sandbox, words: &[&str]) -> String {
    let output = sandbox
        .command(ATTACKER)
        .args(words)
        .timeout(PATIENCE)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn without_namespaces_root_starts_nothing() {
    let scene = Scene::new();
    let sandbox = bare(&scene);
    assert_eq!(sandbox.is_none(), is_root());
    if let Some(sandbox) = sandbox {
        let status = attack(
            &sandbox,
            &["processes", "status", "CapPrm,CapEff,CapAmb,NoNewPrivs"],
        );
        let none = "0000000000000000";
        assert_eq!(
            status,
            format!("done CapPrm={none} CapEff={none} CapAmb={none} NoNewPrivs=1")
        );
    }
}

#[test]
fn without_namespaces_contents_and_processes_are_kept() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let Some(sandbox) = bare(&scene) else {
        return;
    };
    let mut bystander = Bystander::new();
    let (pid, urgent) = (bystander.id(), libc::SIGURG.to_string());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let at = listener.local_addr().expect("an address").to_string();
    let file = text(&canary);
    let beside = format!("{file}-other");
    let before = trace(&canary);
    for (words, expected) in [
        (&["files", "read", file] as &[&str], "EACCES"),
        (&["files", "write", file, "changed"], "EACCES"),
        (&["files", "truncate", file], "EACCES"),
        (&["files", "unlink", file], "EACCES"),
        (&["files", "rename", file, &beside], "EACCES"),
        (&["files", "mkdir", &beside], "EACCES"),
        (&["processes", "kill", &pid, &urgent], "EPERM"),
        (&["processes", "kill", "0", &urgent], "EPERM"),
        (&["processes", "seize", &pid], "EPERM"),
        (
            &[
                "memory",
                "vm-read",
                &pid,
                &bystander.address,
                &bystander.length,
            ],
            "EPERM",
        ),
        (&["network", "tcp", &at], "EPERM"),
        (&["namespaces", "unshare", "user"], "EPERM"),
    ] {
        let answer = attack(&sandbox, words);
        // To its own group, which it is alone in, a signal may go.
        let own = words[..3] == ["processes", "kill", "0"] && answer == "done";
        assert!(answer == expected || own, "{words:?}: {answer}");
    }
    assert_eq!(trace(&canary), before);
    assert!(!bystander.was_signalled());
    assert!(done(&one_outside(&["files", "read", file])));
    assert!(done(&one_outside(&["processes", "kill", &pid, &urgent])));
    assert!(bystander.was_signalled());
    let own = scene.workspace.join("file");
    assert_eq!(
        attack(&sandbox, &["files", "write", text(&own), "work"]),
        "done"
    );
    assert_eq!(fs::read_to_string(own).expect("the file"), "work");
}

#[test]
fn without_namespaces_nothing_outlives_the_command() {
    let scene = Scene::new();
    let Some(sandbox) = bare(&scene) else {
        return;
    };
    let log = scene.workspace.join("log");
    assert_eq!(
        attack(&sandbox, &["processes", "daemon", text(&log)]),
        "done"
    );
    let size = || fs::metadata(&log).expect("a log").len();
    let before = size();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(size(), before);
}

/// Metadata outside can be changed there, and the report of what is in force says so.
#[test]
fn without_namespaces_the_gaps_are_told() {
    let scene = Scene::new();
    let canary = scene.canary("file");
    let Some(sandbox) = bare(&scene) else {
        return;
    };
    let before = trace(&canary);
    assert_eq!(
        attack(&sandbox, &["files", "chmod", text(&canary), "0600"]),
        "done"
    );
    assert_ne!(trace(&canary), before);
    let child = sandbox.command("true").spawn().expect("started");
    assert!(!child.enforcement().is_full());
    for layer in [Layer::Filesystem, Layer::Network] {
        let report = child.enforcement().layer(layer).expect("a report");
        assert!(!report.weaker.is_empty(), "{report}");
    }
}
