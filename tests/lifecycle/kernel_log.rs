//! What Landlock refuses, read in the kernel's audit log, where the host may.

use crate::recorded::{Recorded, under};
use cofferdam::audit::Event;
use cofferdam::{BuildError, Confidence, Denial, Layer, PathRule, Sandbox, SyscallIntent};
use std::{fs, thread};

const ATTACKER: &str = env!("CARGO_BIN_EXE_attacker");
const INSIDE: &str = "/attacker";

/// A sandbox whose refusals are read, where they can be. Else it is not built, and the error has to say why.
fn read_along() -> Option<(Sandbox, Recorded)> {
    let (audit, entries) = Recorded::new();
    let nested = SyscallIntent::NestedNamespaces;
    let built = Sandbox::builder()
        .filesystem(|files| files.rule(PathRule::read(ATTACKER).at(INSIDE)))
        .syscalls(|calls| calls.allow(nested))
        .audit(audit)
        .kernel_log()
        .build();
    match built {
        Ok(sandbox) => Some((sandbox, entries)),
        Err(BuildError::Unavailable {
            layer: Layer::Landlock,
            reason,
            remedy,
            ..
        }) => {
            assert!(!is_certain(), "{reason}");
            let told = [
                "switched off",
                "not permitted",
                "namespace",
                "ABI",
                "Landlock",
            ];
            assert!(told.iter().any(|told| reason.contains(told)), "{reason}");
            assert!(!remedy.is_empty());
            eprintln!("lacking: {reason}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether the log can be read here for sure: asked for when the kernel was booted, by root of a machine of its own.
fn is_certain() -> bool {
    let on = fs::read_to_string("/proc/cmdline").expect("/proc");
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let root = status
        .lines()
        .any(|line| line.starts_with("CapEff:") && line.ends_with("ffffffffff"));
    on.split_whitespace().any(|word| word == "audit=1") && root
}

fn mounts(at: &str) -> [&str; 4] {
    ["as-root", "namespaces", "tmpfs", at]
}

/// What Landlock refused, with the tool call it belongs to.
fn refused(entries: &Recorded) -> Vec<(Option<String>, u32, Denial)> {
    let denied = |entry: cofferdam::audit::Entry| {
        let span = entry.context.span.map(|span| span.to_string());
        match entry.event {
            Event::FileDenied { pid, denial, .. } | Event::AccessDenied { pid, denial, .. } => {
                Some((span, pid, denial))
            }
            _ => None,
        }
    };
    let mut all: Vec<_> = entries.all().into_iter().filter_map(denied).collect();
    all.retain(|(_, _, denial)| denial.layer == "landlock");
    all
}

#[test]
fn what_landlock_refuses_is_told_by_the_kernel() {
    let Some((sandbox, entries)) = read_along() else {
        return;
    };
    let said = sandbox.command(INSIDE).args(mounts("/tmp")).output();
    let said = said.expect("the attacker");
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "EPERM");
    let refused = refused(&entries);
    let [(_, pid, denial)] = &refused[..] else {
        panic!("{refused:?}");
    };
    assert!(*pid > 0);
    assert_eq!(denial.confidence, Confidence::Certain);
    assert_eq!(denial.rule, "fs.change_topology");
    assert!(said.denials.contains(denial), "{:?}", said.denials);
}

#[test]
fn refusals_go_to_their_own_commands() {
    let Some((sandbox, entries)) = read_along() else {
        return;
    };
    let session = sandbox.start().expect("a session");
    thread::scope(|scope| {
        for number in 0..4 {
            let session = &session;
            scope.spawn(move || {
                let at = if number % 2 == 0 { "/tmp" } else { "/dev/shm" };
                let mut command = session.command(INSIDE);
                command
                    .args(mounts(at))
                    .under(&under(&format!("00f067aa0ba902b{number}")));
                let said = command.output().expect("the attacker");
                assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "EPERM");
            });
        }
    });
    let refused = refused(&entries);
    let mut spans: Vec<_> = refused
        .iter()
        .filter_map(|(span, ..)| span.clone())
        .collect();
    spans.sort();
    let expected: Vec<_> = (0..4)
        .map(|number| format!("00f067aa0ba902b{number}"))
        .collect();
    assert_eq!(spans, expected, "{refused:?}");
}

/// The control: nobody asked, so that nothing inside can write to the machine's log.
#[test]
fn nothing_is_told_that_was_not_asked_for() {
    let (audit, entries) = Recorded::new();
    let sandbox = Sandbox::builder()
        .filesystem(|files| files.rule(PathRule::read(ATTACKER).at(INSIDE)))
        .syscalls(|calls| calls.allow(SyscallIntent::NestedNamespaces))
        .audit(audit)
        .build()
        .expect("a sandbox");
    let Some((_along, others)) = read_along() else {
        return;
    };
    let said = sandbox.command(INSIDE).args(mounts("/tmp")).output();
    assert_eq!(
        String::from_utf8_lossy(&said.expect("it").stdout).trim(),
        "EPERM"
    );
    assert!(refused(&entries).is_empty() && refused(&others).is_empty());
}
