//! What children say about the walls around them.

use crate::support::{lacks, sandbox, says, sh};
use cofferdam::{BuildError, Enforce, Layer, Sandbox, SpawnError, State};
use std::time::Duration;

#[test]
fn everything_is_in_force_by_default() {
    let output = sandbox().command("true").output().expect("true");
    let enforcement = &output.enforcement;
    println!("{enforcement}");
    if !enforcement.is_full() {
        lacks(&enforcement.to_string());
    }
    let layers: Vec<Layer> = enforcement
        .layers()
        .iter()
        .map(|report| report.layer)
        .collect();
    assert_eq!(layers, Layer::ALL);
    for report in enforcement.layers() {
        assert_eq!(report.asked, Enforce::Require, "{}", report.layer);
        assert_eq!(report.state(), State::Full, "{report}");
        assert!(!report.in_force.is_empty(), "{report}");
    }
}

#[test]
fn the_report_agrees_with_the_kernel() {
    let sandbox = sandbox();
    let status = says(&sandbox, "cat /proc/self/status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}"))
            .trim()
            .to_owned()
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_ne!(field("Uid:").split_whitespace().next(), Some("0"));
    for namespace in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] {
        let here = std::fs::read_link(format!("/proc/self/ns/{namespace}")).expect("ns");
        let inside = says(&sandbox, &format!("readlink /proc/self/ns/{namespace}"));
        assert_ne!(inside, here.to_str().expect("text"), "{namespace}");
    }
}

#[test]
fn what_is_planned_is_what_the_child_reports() {
    let sandbox = sandbox();
    let child = sandbox.command("true").spawn().expect("true");
    assert_eq!(child.enforcement().layers(), sandbox.planned());
    let plan = sandbox.plan().to_string();
    for step in [
        "clone3",
        "landlock",
        "seccomp",
        "no_new_privs",
        "execute init",
    ] {
        assert!(plan.contains(step), "{step} is not in\n{plan}");
    }
}

#[test]
fn a_layer_that_is_off_says_so_and_is_off() {
    let off = |layer: Layer| {
        let builder = Sandbox::builder().layers(|layers| layers.off(layer));
        builder
            .build()
            .unwrap_or_else(|error| panic!("{layer} off: {error}"))
    };
    for layer in [
        Layer::Seccomp,
        Layer::Landlock,
        Layer::Cgroup,
        Layer::Network,
    ] {
        let output = off(layer).command("true").output().expect("true");
        let report = output.enforcement.layer(layer).expect("a report");
        assert_eq!((report.asked, report.state()), (Enforce::Off, State::Off));
        for other in output
            .enforcement
            .layers()
            .iter()
            .filter(|r| r.layer != layer)
        {
            assert_eq!(other.state(), State::Full, "{layer} off: {other}");
        }
    }
    assert_eq!(
        says(&off(Layer::Seccomp), "grep Seccomp: /proc/self/status"),
        "Seccomp:\t0"
    );
    let net = std::fs::read_link("/proc/self/ns/net").expect("ns");
    assert_eq!(
        says(&off(Layer::Network), "readlink /proc/self/ns/net"),
        net.to_str().expect("text")
    );
}

#[test]
fn what_needs_a_layer_that_is_off_is_refused_before_anything_runs() {
    let builder = Sandbox::builder().layers(|layers| layers.off(Layer::Namespaces));
    match builder.build() {
        Err(BuildError::Unavailable {
            layer,
            reason,
            remedy,
            ..
        }) => {
            assert!([Layer::Filesystem, Layer::Network, Layer::Namespaces].contains(&layer));
            assert!(!reason.is_empty() && !remedy.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_namespaces_no_program_keeps_the_privileges_of_its_host() {
    let directory = tempfile::tempdir().expect("a directory");
    let builder = Sandbox::builder()
        .workspace(directory.path())
        .layers(|layers| {
            let layers = layers.off(Layer::Namespaces);
            // Landlock, too: the newest rights may be younger than the kernel.
            layers
                .prefer(Layer::Filesystem)
                .prefer(Layer::Network)
                .prefer(Layer::Landlock)
        });
    let sandbox = match builder.build() {
        Ok(sandbox) => sandbox,
        Err(BuildError::Unavailable { layer, .. }) => {
            println!("refused for the {layer} layer: nothing runs, which is as good");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut command = sh(&sandbox, "cat /proc/self/status");
    let output = command.timeout(Duration::from_secs(10)).output();
    let output = output.expect("the shell");
    assert!(!output.enforcement.is_full());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("CapEff:\t0000000000000000"), "{text}");
    assert!(
        !text.contains("Uid:\t0\t0"),
        "root inside is root outside:\n{text}"
    );
}

#[test]
fn errors_of_layers_name_the_layer_and_the_remedy() {
    // A view that cannot be put up: the workspace goes away after the sandbox was built.
    let directory = tempfile::tempdir().expect("a directory");
    let workspace = directory.path().join("workspace");
    std::fs::create_dir(&workspace).expect("mkdir");
    let sandbox = Sandbox::builder()
        .workspace(&workspace)
        .build()
        .expect("a workspace");
    assert!(sandbox.command("true").status().expect("true").success());
    std::fs::remove_dir(&workspace).expect("rmdir");
    std::fs::write(&workspace, "a file now").expect("write");
    let error = sandbox
        .command("true")
        .spawn()
        .expect_err("another file stands there");
    match &error {
        SpawnError::Layer { layer, remedy, .. } => {
            assert_eq!(*layer, Layer::Filesystem, "{error}");
            assert!(!remedy.is_empty());
        }
        other => panic!("{other:?}"),
    }
    assert!(!error.is_program());
}
