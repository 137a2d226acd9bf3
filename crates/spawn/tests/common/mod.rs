//! A whole plan, from the layer crates alone.

#![allow(dead_code, reason = "each test file uses a part of this")]

use cofferdam_namespaces::{
    Bind, Credentials, Families, IdMap, Lower, MapWriter, Namespaces, Overlay, Redirect, Upper,
    View, probe_redirect,
};
use cofferdam_seccomp::{Arch, Profile};
use cofferdam_spawn::{CgroupPlan, Command, Layers, Listener, NetworkPlan, Plan};
use cofferdam_sys::cred;
use cofferdam_sys::rlimit::Resource;
use std::ffi::CString;
use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Every layer, as the facade would put them up: a view of the system's programs with `workspace`
/// at `/work` and as an overlay at `/over`, no network, and where this user may have one, a control group.
pub fn layers(workspace: &Path) -> Layers {
    let root = cred::geteuid() == 0;
    let outside = 0x7123_4567;
    let map = match root {
        true => IdMap::single(1000, outside, 1000, outside),
        false => IdMap::current(),
    };
    let id_map = map.prepare().expect("an id map");
    let by_child = id_map.writer() == MapWriter::Child;
    let credentials = Credentials {
        uid: (!by_child).then_some(1000),
        gid: (!by_child).then_some(1000),
        clear_groups: id_map.can_clear_groups(),
    };
    let owner = cofferdam_namespaces::IdMappedOwner { uid: 0, gid: 0 };
    let mappings = match root {
        true => vec![
            cofferdam_namespaces::MappingNamespace::new(owner, outside, outside)
                .expect("a mapping"),
        ],
        false => Vec::new(),
    };
    let workspace_bind = Bind {
        id_mapped: root.then_some(owner),
        ..Bind::WRITABLE
    };
    let mut view = View::new()
        .dev()
        .proc()
        .tmpfs("/tmp", 1 << 20, 0o1777, true);
    for tree in ["/usr", "/bin", "/sbin", "/lib", "/lib64"] {
        view = match std::fs::read_link(tree) {
            Ok(target) => view.symlink(tree, target),
            Err(_) => view.bind(tree, tree, Bind::READ_ONLY.optional()),
        };
    }
    let view = view.file("/etc/passwd", "agent:x:1000:1000::/:/bin/sh\n", 0o644);
    let view = view
        .hide("/usr/share/doc")
        .bind(workspace, "/work", workspace_bind);
    let lower = Lower {
        source: workspace.to_owned(),
        id_mapped: root.then_some(owner),
    };
    let overlay = Overlay {
        lowers: vec![lower],
        upper: Upper::Memory,
        exec: true,
    };
    let view = view.overlay("/over", overlay).upper_memory(1 << 20, None);
    let view = view
        .socket("/run/agent.sock", 0o600)
        .socket("/tmp/here/service.sock", 0o666);
    use cofferdam_landlock::{Access, Ruleset, probe};
    let ruleset = Ruleset::new().scope_abstract_unix().scope_signals();
    let ruleset = ruleset
        .inside("/", Access::ReadExec)
        .inside("/tmp", Access::WriteExec);
    let ruleset = ruleset
        .inside("/dev", Access::Device)
        .inside("/run/agent.sock", Access::Socket)
        .inside("/tmp/here/service.sock", Access::Socket)
        .inside("/over", Access::WriteExec)
        .path(workspace, Access::WriteExec);
    let limits = cofferdam_cgroups::Limits {
        processes: Some(64),
        ..Default::default()
    };
    let cgroup = match cofferdam_cgroups::Parent::prepare(&limits) {
        Ok(parent) => Some(CgroupPlan { parent, limits }),
        Err(error) => {
            println!("this host lacks a control group for this user: {error}");
            assert!(
                !(full() && root),
                "COFFERDAM_EXPECT=full, and root has no control group"
            );
            None
        }
    };
    Layers {
        namespaces: Namespaces {
            user: true,
            mount: true,
            pid: true,
            net: true,
            ipc: true,
            uts: true,
            cgroup: true,
            time: cofferdam_namespaces::time_namespaces_are_safe(),
        },
        id_map: Some(id_map),
        hostname: Some(CString::from(c"inside")),
        loopback: true,
        network: Some(network()),
        reset_clocks: cofferdam_namespaces::time_namespaces_are_safe(),
        mounts: Some(view.prepare().expect("a view")),
        mappings,
        rlimits: vec![
            (Resource::Core, 0),
            (Resource::Nproc, 64),
            (Resource::Nofile, 256),
        ],
        session_keyring: true,
        credentials: Some(credentials.prepare().expect("credentials")),
        landlock: Some(ruleset.prepare(&probe()).expect("landlock")),
        filters: vec![
            Profile::general()
                .compile(Arch::native())
                .expect("a filter"),
        ],
        cgroup,
        mark: 0,
    }
}

/// The same with a host that hears of what is executed and refused.
pub fn observed(workspace: &Path) -> Layers {
    const MARK: u64 = 0x7a11_0c1e_5eed_0001;
    let filter = Profile::general().observed(MARK).compile(Arch::native());
    Layers {
        filters: vec![filter.expect("a filter")],
        mark: MARK,
        ..layers(workspace)
    }
}

/// The same with a host that hears of files too.
pub fn traced(workspace: &Path) -> Layers {
    let layers = observed(workspace);
    let filter = Profile::general().traced(layers.mark);
    let filter = filter.compile(Arch::native()).expect("a filter");
    Layers {
        filters: vec![filter],
        ..layers
    }
}

/// A redirect to port 53 as far as this host has one, and listeners there: TCP and UDP of each family.
pub fn network() -> NetworkPlan {
    let families = match probe_redirect() {
        Ok(families) => Some(families),
        Err(missing) => {
            println!("this host does not redirect connections: {missing}");
            assert!(!full(), "COFFERDAM_EXPECT=full, and no redirect");
            None
        }
    };
    let (v4, v6) = ((Ipv4Addr::LOCALHOST, 53), (Ipv6Addr::LOCALHOST, 53));
    let mut listeners = vec![Listener::Tcp(v4.into()), Listener::Udp(v4.into())];
    if families.is_some_and(|families| families.ipv6) {
        listeners.extend([Listener::Tcp(v6.into()), Listener::Udp(v6.into())]);
    }
    let redirect = families.map(|Families { ipv6 }| Redirect { port: 53, ipv6 }.prepare());
    NetworkPlan {
        redirect,
        listeners,
    }
}

/// This run must find everything.
pub fn full() -> bool {
    std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full")
}

pub fn plan(workspace: &Path) -> Plan {
    Plan::new(layers(workspace))
}

/// A script for Python inside, in the workspace.
pub fn python(script: &str) -> Command {
    Command {
        candidates: vec![CString::from(c"/usr/bin/python3")],
        argv: ["python3", "-c", script]
            .map(|text| CString::new(text).expect("no NUL"))
            .into(),
        ..sh("")
    }
}

/// A script for the shell inside, in the workspace.
pub fn sh(script: &str) -> Command {
    Command {
        candidates: vec![CString::from(c"/bin/sh")],
        argv: ["sh", "-c", script]
            .map(|text| CString::new(text).expect("no NUL"))
            .into(),
        envp: vec![CString::from(c"PATH=/usr/bin:/bin")],
        directory: CString::from(c"/work"),
        timeout: None,
        terminal: None,
    }
}

pub fn null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("/dev/null")
}

/// A directory that may be bound for a sandbox of this user.
pub fn workspace() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}
