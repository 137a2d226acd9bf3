//! Policies of every kind, from domains small enough for two of them to meet.

// Each test program uses some of these.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_policy::{
    Access, Bytes, Cpus, Enforce, Environment, Filesystem, IdRange, Identity, Layers, Limits,
    Network, NetworkMode, PathRule, Policy, Protect, Root, Symlink, Sys, SyscallIntent,
    SyscallProfile, Syscalls, Upper,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// `/`, or up to three components out of two; none of them one that validation refuses.
pub fn path() -> impl Strategy<Value = PathBuf> {
    vec(select(vec!["a", "b"]), 0..4).prop_map(|parts| PathBuf::from("/").join(parts.join("/")))
}

fn rule() -> impl Strategy<Value = PathRule> {
    let access = select(vec![
        Access::Hide,
        Access::Read,
        Access::Read,
        Access::Overlay,
        Access::Write,
    ]);
    let target = option::weighted(
        0.2,
        path().prop_map(|path| PathBuf::from(format!("/t{}", path.display()))),
    );
    (path(), access, any::<bool>(), target).prop_map(|(path, access, exec, target)| PathRule {
        path,
        access,
        exec: exec && access != Access::Hide,
        target: target.filter(|_| access != Access::Hide),
    })
}

fn workspace_access() -> impl Strategy<Value = Access> {
    prop_oneof![
        4 => Just(Access::Write),
        2 => Just(Access::Overlay),
        2 => Just(Access::Read),
        1 => Just(Access::Hide),
    ]
}

fn upper() -> impl Strategy<Value = Upper> {
    prop_oneof![
        3 => Just(Upper::default()),
        2 => (1u64..4).prop_map(|size| Upper::Memory(Bytes::mib(size))),
        1 => option::of(select(vec!["/u", "/v"]).prop_map(PathBuf::from)).prop_map(Upper::Disk),
    ]
}

fn protect() -> impl Strategy<Value = Protect> {
    let add = || btree_set(select(vec!["x", "y/z/"]).prop_map(PathBuf::from), 0..3);
    let remove = || {
        btree_set(
            select(vec![".vscode", ".git/hooks"]).prop_map(PathBuf::from),
            0..3,
        )
    };
    let lists = (any::<bool>(), add(), remove());
    let lists = lists.prop_map(|(enabled, add, remove)| Protect {
        enabled,
        add,
        remove,
    });
    prop_oneof![Just(Protect::default()), lists]
}

fn root() -> impl Strategy<Value = (Root, Access)> {
    let root = select(vec![
        Root::Host,
        Root::directory("/r"),
        Root::image("/i"),
        Root::image("/i").reference("x"),
    ]);
    (root, select(vec![Access::Read, Access::Overlay]))
}

/// File system parts; many of them are not valid, and the order must hold all the same.
pub fn filesystem() -> impl Strategy<Value = Filesystem> {
    let size = || option::of((1u64..4).prop_map(Bytes::mib));
    (
        (any::<bool>(), any::<bool>()),
        (option::of(path()), workspace_access()),
        (upper(), protect(), root()),
        vec(rule(), 0..6),
        btree_map(select(vec!["/l", "/m"]), select(vec!["x", "/y"]), 0..2),
        (size(), size()),
        (any::<bool>(), any::<bool>()),
        select(vec![Sys::None, Sys::ReadOnly]),
    )
        .prop_map(
            |(
                presets,
                workspace,
                (upper, protect, (root, root_access)),
                rules,
                links,
                sizes,
                mounts,
                sys,
            )| Filesystem {
                system: presets.0,
                toolchains: presets.1,
                workspace: workspace.0,
                workspace_access: workspace.1,
                protect,
                rules,
                upper,
                root,
                root_access,
                symlinks: links
                    .into_iter()
                    .map(|(path, target)| Symlink {
                        path: path.into(),
                        target: target.into(),
                    })
                    .collect(),
                tmp: sizes.0,
                home: sizes.1,
                proc: mounts.0,
                dev: mounts.1,
                sys,
            },
        )
}

fn layers() -> impl Strategy<Value = Layers> {
    let one = || select(Enforce::ALL.to_vec());
    (one(), one(), one(), one(), one(), one()).prop_map(|all| Layers {
        namespaces: all.0,
        filesystem: all.1,
        seccomp: all.2,
        landlock: all.3,
        cgroup: all.4,
        network: all.5,
    })
}

fn network() -> impl Strategy<Value = Network> {
    let ports = || option::of(vec(1u16..4, 0..4));
    let mode = select(vec![NetworkMode::None, NetworkMode::Host]);
    (mode, ports(), ports()).prop_map(|(mode, connect, bind)| Network {
        mode,
        connect,
        bind,
    })
}

fn environment() -> impl Strategy<Value = Environment> {
    let name = || select(vec!["A", "B", "C"]).prop_map(String::from);
    let value = select(vec!["", "1"]).prop_map(String::from);
    (btree_set(name(), 0..3), btree_map(name(), value, 0..3))
        .prop_map(|(inherit, set)| Environment { inherit, set })
}

fn limits() -> impl Strategy<Value = Limits> {
    let size = || option::of((1u64..4).prop_map(Bytes::mib));
    let time = || option::of((1u64..4).prop_map(Duration::from_secs));
    (
        (size(), size(), size(), 0u64..3),
        (time(), time()),
        option::of(1u32..4),
        option::of(select(vec![250, 1000, 1500]).prop_map(Cpus::from_milli)),
        option::of(select(vec![1u16, 100, 10_000])),
        option::of(1u64..4),
    )
        .prop_map(
            |(sizes, times, processes, cpus, io_weight, open_files)| Limits {
                memory: sizes.0,
                processes,
                cpus,
                io_weight,
                wall_clock: times.0,
                open_files,
                file_size: sizes.1,
                core: Bytes::new(sizes.3),
                stack: sizes.2,
                cpu_time: times.1,
            },
        )
}

fn syscalls() -> impl Strategy<Value = Syscalls> {
    let one = select(vec![
        SyscallProfile::Default,
        SyscallProfile::Strict,
        SyscallProfile::Oci("/p".into()),
        SyscallProfile::Oci("/q".into()),
    ]);
    let stacked = btree_set(one.clone(), 0..4).prop_map(SyscallProfile::Stacked);
    let nested = btree_set(stacked.clone(), 1..3).prop_map(SyscallProfile::Stacked);
    let allow = btree_set(select(SyscallIntent::ALL.to_vec()), 0..4);
    (prop_oneof![4 => one, 2 => stacked, 1 => nested], allow)
        .prop_map(|(profile, allow)| Syscalls { profile, allow })
}

fn identity() -> impl Strategy<Value = Identity> {
    let range = (100u32..104, 0u32..6).prop_map(|(start, count)| IdRange { start, count });
    let inside = option::of((0u32..3, 0u32..3));
    (option::of(range), inside).prop_map(|(range, inside)| Identity { range, inside })
}

/// Whole policies. Each part is the default one half of the time: with everything free, no two
/// policies would ever be within each other.
pub fn policy() -> impl Strategy<Value = Policy> {
    (
        prop_oneof![Just(Layers::default()), layers()],
        prop_oneof![Just(Filesystem::default()), filesystem()],
        prop_oneof![Just(Network::default()), network()],
        prop_oneof![Just(Environment::default()), environment()],
        prop_oneof![Just(Limits::default()), limits()],
        prop_oneof![Just(Syscalls::default()), syscalls()],
        prop_oneof![Just(Identity::default()), identity()],
    )
        .prop_map(|parts| Policy {
            layers: parts.0,
            filesystem: parts.1,
            network: parts.2,
            environment: parts.3,
            limits: parts.4,
            syscalls: parts.5,
            identity: parts.6,
        })
}

/// Policies that pass validation.
pub fn valid_policy() -> impl Strategy<Value = Policy> {
    policy()
        .prop_map(repaired)
        .prop_filter("valid", |policy| policy.validate().is_ok())
}

/// The policy without what validation refuses most often.
fn repaired(mut policy: Policy) -> Policy {
    let files = &mut policy.filesystem;
    files.workspace.take_if(|path| path == Path::new("/"));
    if files.workspace_access == Access::Hide {
        files.workspace_access = Access::Overlay;
    }
    if !files.root.is_host() {
        files.system = false;
        files.rules.retain(|rule| rule.path != Path::new("/"));
    }
    let mut seen: BTreeSet<PathBuf> = files.workspace.iter().cloned().collect();
    files.rules.retain(|rule| {
        let root = rule.path == Path::new("/");
        !(root && rule.access != Access::Read) && seen.insert(rule.path.clone())
    });
    let mut places: BTreeSet<PathBuf> = files.workspace.iter().cloned().collect();
    files
        .rules
        .retain(|rule| rule.access == Access::Hide || places.insert(rule.inside().into()));
    if policy.network.mode == NetworkMode::None {
        policy.network = Network::default();
    }
    for layer in [&mut policy.layers.cgroup, &mut policy.layers.landlock] {
        *layer = (*layer).min(Enforce::Prefer);
    }
    policy.identity.range.take_if(|range| range.count == 0);
    if policy.syscalls.profile.parts().is_empty() {
        policy.syscalls.profile = SyscallProfile::Default;
    }
    policy
}
