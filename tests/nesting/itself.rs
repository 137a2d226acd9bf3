//! In a sandbox of our own: one that allows nested namespaces, and one that does not.

use crate::visit::{Ground, Report, VISITOR};
use cofferdam::{Sandbox, SandboxBuilder, SyscallIntent};
use std::time::Duration;

fn inside(ground: &Ground, change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> Report {
    let base = ground.base();
    let builder = change(Sandbox::builder()).read(VISITOR).write(&base);
    let sandbox = builder.build().expect("the outer sandbox");
    let mut command = sandbox.command(VISITOR);
    command.arg("report").arg(&base).current_dir(&base);
    command.env("TMPDIR", base.join("tmp"));
    let output = command.timeout(Duration::from_secs(120)).output();
    let output = output.expect("the outer sandbox");
    assert!(!output.status.timed_out(), "it hangs");
    let text = [output.stderr, output.stdout].concat();
    Report::of_text(&String::from_utf8_lossy(&text))
}

/// What the default filter hides from everything inside, as no filter can look into its arguments.
const OPENAT2: [&str; 2] = [
    "openat2 is hidden by a seccomp filter around this process",
    "have it allowed",
];

/// What Landlock forbids to everything inside (landlock(7)).
const MOUNTS: [&str; 2] = [
    "a security module forbids mounts to this process (EPERM",
    "as Landlock does to everything in an outer sandbox",
];

#[test]
fn a_sandbox_with_nested_namespaces_holds_all_but_a_view() {
    let ground = Ground::new();
    let nested = |builder: SandboxBuilder| {
        builder.syscalls(|calls| calls.allow(SyscallIntent::NestedNamespaces))
    };
    inside(&ground, nested)
        .unshare("done")
        .refuses("required", "filesystem", &OPENAT2)
        .runs("require namespaces")
        .preferred(
            ["full", "absent", "full", "partial", "full", "full"],
            &MOUNTS,
        )
        .doctor(&MOUNTS)
        .doctor(&OPENAT2)
        .leaves_nothing(&ground);
}

#[test]
fn a_sandbox_without_nested_namespaces_holds_what_needs_none() {
    let ground = Ground::new();
    let words = [
        "clone3 is hidden by a seccomp filter around this process",
        "have it allowed",
    ];
    inside(&ground, |builder| builder)
        .unshare("EPERM")
        .refuses("required", "filesystem", &OPENAT2)
        .refuses("require namespaces", "namespaces", &words)
        .preferred(
            ["absent", "absent", "full", "partial", "full", "partial"],
            &words,
        )
        .doctor(&words)
        .leaves_nothing(&ground);
}
