//! Commands, sessions and pools behind one gate: what each reaches, and what it shares.

use crate::servers::{Http, PAGE};
use crate::support::*;
use cofferdam::{BuildError, Command, NetworkEventKind, Sandbox};
use cofferdam_tests::scenes::system;
use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

/// Fetches the page with a program that every machine has.
fn fetch(mut command: Command, port: u16) -> bool {
    let script = format!(
        "exec 3<>/dev/tcp/server.test/{port} && \
         printf 'GET / HTTP/1.1\\r\\nHost: server.test:{port}\\r\\nConnection: close\\r\\n\\r\\n' >&3 && exec cat <&3"
    );
    let output = command
        .args(["-c", &script])
        .timeout(Duration::from_secs(20))
        .output();
    let output = output.expect("an end");
    String::from_utf8_lossy(&output.stdout).contains(PAGE)
}

/// The numbers of the environments that connections came from.
fn environments(gated: &Gated) -> BTreeSet<u64> {
    let events = gated.events.lock().expect("a lock");
    let connections = events
        .iter()
        .filter(|event| matches!(event.kind, NetworkEventKind::Connection { .. }));
    connections.map(|event| event.environment).collect()
}

#[test]
fn each_environment_of_a_sandbox_reaches_what_is_allowed() {
    let server = Http::new();
    let port = server.port;
    let gated = allowing("server.test", port).build();
    let refused = allowing("other.test", port).build();

    assert!(
        fetch(gated.sandbox.command("bash"), port),
        "{}",
        gated.told()
    );
    let session = gated.sandbox.start().expect("a session");
    for _ in 0..2 {
        assert!(fetch(session.command("bash"), port), "{}", gated.told());
    }
    let pool = gated
        .sandbox
        .pool(NonZero::new(1).expect("one"))
        .expect("a pool");
    assert!(pool.wait_ready(Duration::from_secs(20)));
    for _ in 0..2 {
        assert!(fetch(pool.command("bash"), port), "{}", gated.told());
    }
    drop(session);
    assert!(within(Duration::from_secs(5), || environments(&gated)
        .len()
        == 4));

    // The control: under other rules none of them gets there.
    let before = server.connections();
    assert!(!fetch(refused.sandbox.command("bash"), port));
    let session = refused.sandbox.start().expect("a session");
    assert!(!fetch(session.command("bash"), port));
    let pool = refused
        .sandbox
        .pool(NonZero::new(1).expect("one"))
        .expect("a pool");
    assert!(!fetch(pool.command("bash"), port));
    assert_eq!(server.connections(), before);
}

#[test]
fn a_sandbox_that_is_dropped_leaves_its_session_its_network() {
    let server = Http::new();
    let gated = allowing("server.test", server.port).build();
    let session = gated.sandbox.start().expect("a session");
    let Gated { sandbox, .. } = gated;
    drop(sandbox);
    assert!(fetch(session.command("bash"), server.port));
}

#[test]
fn an_upper_layer_on_disk_changes_nothing_about_the_network() {
    let server = Http::new();
    let place = tempfile::tempdir().expect("a directory");
    let gated = allowing("server.test", server.port).with(|builder| {
        builder
            .overlay_workspace(place.path())
            .filesystem(|files| files.upper(cofferdam::policy::Upper::Disk(None)))
    });
    let gated = gated.build();
    for _ in 0..2 {
        assert!(
            fetch(gated.sandbox.command("bash"), server.port),
            "{}",
            gated.told()
        );
    }
    let session = gated.sandbox.start().expect("a session");
    assert!(
        fetch(session.command("bash"), server.port),
        "{}",
        gated.told()
    );
}

#[test]
fn another_root_has_the_network_and_its_sockets() {
    let server = Http::new();
    let port = server.port;
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path().join("root");
    system::make(&root, &[Path::new("/bin/bash")]);
    let socket = place.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let gated = allowing("server.test", port).with(|builder| {
        builder
            .filesystem(|files| files.system(false).root_directory(&root))
            .network(|net| net.forward_unix("/run/service.sock", &socket))
    });
    let gated = gated.build();
    assert!(
        fetch(gated.sandbox.command("/bin/bash"), port),
        "{}",
        gated.told()
    );
    let answer = gated.run("/bin/ls", &["/run/service.sock", "/etc/resolv.conf"]);
    assert!(answer.success, "{answer:?}");
}

#[test]
fn a_socket_in_another_root_is_refused_with_what_helps() {
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path().join("root");
    system::make(&root, &[Path::new("/bin/bash")]);
    let build = |inside: &str| {
        let builder = Sandbox::builder()
            .filesystem(|files| files.system(false).root_directory(&root))
            .network(|net| {
                net.rules()
                    .forward_unix(inside, place.path().join("socket"))
            });
        builder.build()
    };
    for path in [
        "/service.sock",
        "/opt/app/service.sock",
        "/etc/service.sock",
    ] {
        let error = build(path).expect_err("no socket can listen there");
        let text = error.to_string();
        assert!(
            matches!(&error, BuildError::ForwardInRoot { path: named } if named == Path::new(path)),
            "{error:?}"
        );
        assert!(text.contains("such as /run/service.sock"), "{text}");
    }
    // What it advises works, and so do the directories in memory.
    for path in [
        "/run/service.sock",
        "/run/app/service.sock",
        "/tmp/service.sock",
    ] {
        let sandbox = build(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let output = sandbox
            .command("/bin/ls")
            .arg(path)
            .output()
            .expect("an end");
        assert!(output.status.success(), "{path}: {output:?}");
    }
}

/// The threads of gates in this process, those of other tests among them.
fn threads() -> BTreeSet<String> {
    let tasks = std::fs::read_dir("/proc/self/task")
        .expect("tasks")
        .flatten();
    tasks
        .filter(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("cofferdam-gate"))
        })
        .map(|task| task.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn no_thread_of_the_gate_outlives_its_sandbox() {
    let server = Http::new();
    let gated = allowing("server.test", server.port).build();
    assert!(fetch(gated.sandbox.command("bash"), server.port));
    let serving = threads();
    assert!(!serving.is_empty(), "the gate has a thread while it serves");
    drop(gated);
    // Tests that run beside this one end too.
    assert!(within(Duration::from_secs(200), || threads().is_disjoint(&serving)));
}
