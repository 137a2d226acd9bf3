//! Policies of every kind, from domains small enough for two of them to meet.

// Each test program uses some of these.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_policy::{
    Access, Bytes, Cpus, Enforce, Environment, Filesystem, Forward, IdRange, Identity, Layers,
    Limits, Network, NetworkMode, NetworkRule, PathRule, Policy, Protect, Publish, Root, Secret,
    SecretPlace, SecretSource, SshAgent, Symlink, Sys, SyscallIntent, SyscallProfile, Syscalls,
    Upper,
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

/// Rules from few enough names, addresses, ports and requests for two of them to meet.
pub fn network_rule() -> impl Strategy<Value = NetworkRule> {
    let to = select(vec![
        "*",
        "*.t",
        "a.t",
        "*.a.t",
        "b.*.t",
        "b.a.t",
        "*.*.t",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.0.1",
        "0.0.0.0/0",
        "::/0",
        "::1",
    ]);
    let ports = select(vec!["*", "1", "2", "1-2", "2-3"]);
    let http = select(vec![
        "",
        "",
        "",
        " *",
        " GET",
        " GET,PUT",
        " /a",
        " /**",
        " GET /a/**",
        " GET,PUT /a/* /b",
        " PUT /*/b /b",
    ]);
    (to, ports, http).prop_map(|(to, ports, http)| {
        let mut rule: NetworkRule = format!("{to}{http}").parse().expect("a rule");
        rule.ports = ports.parse().expect("ports");
        rule
    })
}

fn publish() -> impl Strategy<Value = Publish> {
    select(vec!["1", "2:1", "0:1", "0.0.0.0:2:2"]).prop_map(|text| text.parse().expect("a port"))
}

fn forward() -> impl Strategy<Value = Forward> {
    let forwards = vec!["1", "2", "1=/h", "/i=/h", "/i=2"];
    select(forwards).prop_map(|text| text.parse().expect("a service"))
}

fn ssh_agent() -> impl Strategy<Value = SshAgent> {
    let key = |letter: char| format!("SHA256:{}", letter.to_string().repeat(43));
    let keys = vec(select(vec![key('a'), key('b'), key('c')]), 0..4);
    let socket = option::weighted(0.2, select(vec![PathBuf::from("/agent")]));
    (socket, keys).prop_map(|(socket, keys)| SshAgent { socket, keys })
}

pub fn network() -> impl Strategy<Value = Network> {
    let ports = || option::of(vec(1u16..4, 0..4));
    let mode = select(vec![
        NetworkMode::None,
        NetworkMode::Rules,
        NetworkMode::Rules,
        NetworkMode::Host,
    ]);
    (
        (mode, ports(), ports()),
        (vec(network_rule(), 0..4), vec(network_rule(), 0..2)),
        (
            any::<bool>(),
            vec(select(vec!["/c", "/d"]).prop_map(PathBuf::from), 0..3),
        ),
        (
            vec(publish(), 0..3),
            vec(forward(), 0..3),
            option::weighted(0.3, ssh_agent()),
        ),
    )
        .prop_map(
            |((mode, connect, bind), (allow, deny), (clients, trust), services)| Network {
                mode,
                connect,
                bind,
                allow,
                deny,
                package_clients: clients,
                trust,
                publish: services.0,
                forward: services.1,
                ssh_agent: services.2,
            },
        )
}

/// Secrets, each name once.
pub fn secrets() -> impl Strategy<Value = Vec<Secret>> {
    let source = select(vec![
        SecretSource::Env("E".into()),
        SecretSource::File("/f".into()),
    ]);
    let place = select(vec![
        SecretPlace::Bearer,
        SecretPlace::Header("X-Key".into()),
    ]);
    let hosts = vec(select(vec!["a.t:1", "*.t:1-2", "b.a.t:*", "b.*.t:2"]), 0..3);
    let ttl = option::of((1u64..3).prop_map(Duration::from_secs));
    let one = (source, place, hosts, ttl).prop_map(|(source, place, hosts, ttl)| {
        let secret = Secret {
            source,
            place,
            ttl,
            ..Secret::default()
        };
        hosts.into_iter().fold(secret, Secret::host)
    });
    btree_map(select(vec!["S", "T"]), one, 0..3).prop_map(|all| {
        let named = |(name, secret): (&str, Secret)| Secret {
            name: name.into(),
            ..secret
        };
        all.into_iter().map(named).collect()
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
/// policies would ever be within each other. Boxed, since the parts of all of them together are more
/// than the stack of a test thread holds.
pub fn policy() -> impl Strategy<Value = Policy> {
    (
        prop_oneof![Just(Layers::default()), layers().boxed()].boxed(),
        prop_oneof![Just(Filesystem::default()), filesystem().boxed()].boxed(),
        prop_oneof![Just(Network::default()), network().boxed()].boxed(),
        prop_oneof![Just(Environment::default()), environment().boxed()].boxed(),
        prop_oneof![Just(Limits::default()), limits().boxed()].boxed(),
        prop_oneof![Just(Syscalls::default()), syscalls().boxed()].boxed(),
        prop_oneof![Just(Identity::default()), identity().boxed()].boxed(),
        prop_oneof![Just(Vec::new()), secrets().boxed()].boxed(),
    )
        .prop_map(|parts| Policy {
            layers: parts.0,
            filesystem: parts.1,
            network: parts.2,
            environment: parts.3,
            limits: parts.4,
            syscalls: parts.5,
            identity: parts.6,
            secrets: parts.7,
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
    let network = &mut policy.network;
    *network = match network.mode {
        NetworkMode::Host => Network {
            mode: NetworkMode::Host,
            connect: network.connect.take(),
            bind: network.bind.take(),
            ..Network::default()
        },
        NetworkMode::Rules => Network {
            connect: None,
            bind: None,
            ..std::mem::take(network)
        },
        _ => Network::default(),
    };
    let mut taken = BTreeSet::new();
    network
        .publish
        .retain(|port| port.host.port() == 0 || taken.insert(port.host));
    let mut taken = BTreeSet::new();
    network
        .forward
        .retain(|service| taken.insert(service.inside.clone()));
    network.ssh_agent.take_if(|agent| agent.keys.is_empty());
    let alone = |secret: &Secret| {
        let secrets = vec![secret.clone()];
        let network = policy.network.clone();
        Policy {
            network,
            secrets,
            ..Policy::default()
        }
        .validate()
        .is_ok()
    };
    policy.secrets.retain(alone);
    let layers = &mut policy.layers;
    for layer in [
        &mut layers.cgroup,
        &mut layers.landlock,
        &mut layers.network,
    ] {
        *layer = (*layer).min(Enforce::Prefer);
    }
    policy.identity.range.take_if(|range| range.count == 0);
    if policy.syscalls.profile.parts().is_empty() {
        policy.syscalls.profile = SyscallProfile::Default;
    }
    policy
}
