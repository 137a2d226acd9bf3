//! The host is killed with SIGKILL: everything goes with it.

use crate::filter::without_user_namespaces;
use crate::report::{groups, is_root, lacks, marker, processes_with, temporary, within};
use crate::scenario;
use cofferdam::{BuildError, Enforce, Layer, Layers, Sandbox, SandboxBuilder, Stdio};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio as HostStdio};
use std::time::{Duration, Instant};

pub fn full() {
    if let Some(host) = dies(&mut scenario("part_victim")) {
        assert!(temporary(host).is_empty(), "{:?}", temporary(host));
        assert!(groups(host).is_empty(), "{:?}", groups(host));
    }
}

pub fn without_namespaces() {
    let Some(host) = dies(without_user_namespaces(&mut scenario(
        "part_victim_without_namespaces",
    ))) else {
        return;
    };
    // Without mounts, private directories are real; the next such sandbox of this user sweeps.
    println!(
        "private directories left until the next such sandbox is built: {:?}",
        temporary(host)
    );
    without_user_namespaces(&mut scenario("part_sweep"))
        .status()
        .expect("a user namespace");
    assert!(
        temporary(host).is_empty(),
        "still there: {:?}",
        temporary(host)
    );
}

pub fn limited() {
    let Some(host) = dies(&mut scenario("part_victim_limited")) else {
        return;
    };
    // The watcher, which outlives the host, removes the groups.
    let start = Instant::now();
    let gone = within(Duration::from_secs(2), || groups(host).is_empty());
    println!(
        "groups were gone {:?} after the processes: {gone}",
        start.elapsed()
    );
    for group in groups(host) {
        let processes = fs::read_to_string(format!("{group}/cgroup.procs")).unwrap_or_default();
        assert!(processes.is_empty(), "{group} holds {processes}");
    }
    assert!(gone, "groups are left: {:?}", groups(host));
    // A host that ends its sandboxes itself leaves none either.
    let sandbox = limits(Sandbox::builder()).build().expect("a group");
    sandbox.command("true").status().expect("true");
    drop(sandbox);
    assert!(groups(host).is_empty(), "still there: {:?}", groups(host));
    let own = groups(std::process::id());
    assert!(own.is_empty(), "this host's own: {own:?}");
}

/// Builds and drops a sandbox without namespaces.
pub fn sweep() {
    bare().build().expect("preferred");
}

fn bare() -> SandboxBuilder {
    Sandbox::builder().layers(|layers: Layers| {
        Layer::ALL
            .iter()
            .fold(layers, |layers, layer| layers.with(*layer, Enforce::Prefer))
    })
}

/// Lets a host start a sandbox, kills it and looks at what is left; its process id, or nothing where
/// that host cannot be.
fn dies(victim: &mut Command) -> Option<u32> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let marker = marker();
    victim.env("MARKER", &marker).stdout(HostStdio::piped());
    let mut host = match victim.spawn() {
        Ok(host) => host,
        Err(error) => {
            lacks(&format!(
                "user namespaces whose number can be limited: {error}"
            ));
            return None;
        }
    };
    let mut lines = BufReader::new(host.stdout.take().expect("piped")).lines();
    let first = lines.next().expect("a line").expect("text");
    if let Some(what) = first.strip_prefix("lacks ") {
        host.wait().expect("wait");
        // Control groups for ordinary users come from delegation; root has them where they are.
        match is_root() {
            true => lacks(what),
            false => println!("not for this user: {what}"),
        }
        return None;
    }
    assert_eq!(first, "ready");
    assert!(within(Duration::from_secs(5), || processes_with(&marker)
        .len()
        >= 4));
    let start = Instant::now();
    host.kill().expect("SIGKILL");
    let gone = within(Duration::from_secs(1), || {
        processes_with(&marker).is_empty()
    });
    let took = start.elapsed();
    host.wait().expect("wait");
    assert!(gone, "after {took:?}: {:?}", processes_with(&marker));
    println!("all processes were gone after {took:?}");
    assert_eq!(
        fs::read_to_string("/proc/self/mountinfo").expect("mounts"),
        mounts
    );
    Some(host.id())
}

fn limits(builder: SandboxBuilder) -> SandboxBuilder {
    builder.limits(|limits| limits.memory_mib(256).processes(64))
}

pub fn victim() {
    host(Sandbox::builder());
}

pub fn victim_limited() {
    host(limits(Sandbox::builder()));
}

pub fn victim_without_namespaces() {
    host(bare());
}

/// Starts processes that let go of everything, says so, and waits for its death.
fn host(builder: SandboxBuilder) {
    let marker = std::env::var("MARKER").expect("a marker");
    let sandbox = match builder.build() {
        Ok(sandbox) => sandbox,
        Err(
            error @ BuildError::Unavailable {
                layer: Layer::Cgroup,
                ..
            },
        ) => {
            println!("lacks {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let script = format!(
        "trap '' HUP INT TERM PIPE; (setsid sh -c 'trap \"\" HUP TERM; sleep {marker} & wait' &)
         setsid setsid sleep {marker} </dev/null >/dev/null 2>&1 & sleep {marker}"
    );
    let mut command = sandbox.command("sh");
    command
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let child = command.stderr(Stdio::null()).spawn().expect("the shell");
    println!("ready");
    std::thread::sleep(Duration::from_secs(60));
    drop(child);
}
