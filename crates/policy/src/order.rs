//! Which policy is within which, and the tightest of two.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::filesystem::{Access, Filesystem, PathRule};
use crate::tree::{Above, Grant, Tree, walk};
use crate::{
    Environment, IdRange, Identity, Layer, Layers, Limits, Network, NetworkMode, Policy,
    SyscallProfile, Syscalls,
};

impl Policy {
    /// Whether `other` allows everything that this policy allows, on every host.
    ///
    /// A partial order over what policies mean: names do not count (where a rule appears inside,
    /// symbolic links, which directory is the current one, the ids seen inside), nor does the way
    /// of writing (see [`Policy::normalize`]). What depends on the host is compared by name: a
    /// preset is within that preset, or within a rule on `/` that lets everything be read and
    /// executed; an OCI profile is within the profile at the same path.
    ///
    /// | part | tighter |
    /// |---|---|
    /// | layers | `Require` before `Prefer` before `Off`, each |
    /// | rules | less access on every host path; the workspace is a write rule |
    /// | presets, `proc`, `dev`, `sys` | off before on |
    /// | `tmp`, `home` | none, then by size |
    /// | network | `None` before `Host`; a port list before none; fewer ports |
    /// | environment | fewer inherited names; fewer set values |
    /// | limits | smaller; no limit is the widest. `io_weight` left out is 100 |
    /// | system calls | `Strict` before `Default`; more profiles stacked; fewer intents |
    /// | id range | fewer ids; no range, the caller's own ids, is the widest |
    #[must_use]
    pub fn is_within(&self, other: &Policy) -> bool {
        layers_within(&self.layers, &other.layers)
            && files_within(&self.filesystem, &other.filesystem)
            && network_within(&self.network, &other.network)
            && environment_within(&self.environment, &other.environment)
            && limits_within(&self.limits, &other.limits)
            && syscalls_within(&self.syscalls, &other.syscalls)
            && identity_within(self.identity, other.identity)
    }

    /// The widest policy known to be within both; neither is ever exceeded.
    ///
    /// Names are this policy's; a path that only `other` names keeps the name it has there. The
    /// workspace is this policy's if both let it be written, else `other`'s on the same terms, else
    /// there is none. Two valid policies give a valid one, but for two cases that validation
    /// reports: their id ranges have no id in common, or they use one name inside for different
    /// things.
    ///
    /// Where the two cannot be compared without knowing the host (a preset against a rule without
    /// exec), the result has neither.
    #[must_use]
    pub fn restrict(&self, other: &Policy) -> Policy {
        Policy {
            layers: restrict_layers(&self.layers, &other.layers),
            filesystem: restrict_files(&self.filesystem, &other.filesystem),
            network: restrict_network(&self.network, &other.network),
            environment: restrict_environment(&self.environment, &other.environment),
            limits: restrict_limits(&self.limits, &other.limits),
            syscalls: restrict_syscalls(&self.syscalls, &other.syscalls),
            identity: restrict_identity(self.identity, other.identity),
        }
    }

    /// The normal form: rules sorted, without those that change nothing; lists sorted and without
    /// repetitions; nothing that has no effect.
    ///
    /// Two policies are within each other exactly if their normal forms are equal but for names.
    #[must_use]
    pub fn normalize(&self) -> Policy {
        self.restrict(self)
    }
}

fn layers_within(a: &Layers, b: &Layers) -> bool {
    Layer::ALL
        .iter()
        .all(|layer| a.get(*layer) <= b.get(*layer))
}

fn restrict_layers(a: &Layers, b: &Layers) -> Layers {
    Layer::ALL.iter().fold(Layers::default(), |layers, layer| {
        layers.with(*layer, a.get(*layer).min(b.get(*layer)))
    })
}

fn files_within(a: &Filesystem, b: &Filesystem) -> bool {
    let (left, right) = (Tree::of(a), Tree::of(b));
    a.tmp <= b.tmp
        && a.home <= b.home
        && a.proc <= b.proc
        && a.dev <= b.dev
        && a.sys <= b.sys
        && left.presets_within(&right)
        && walk(&left, &right, |at| at.left.is_within(at.right))
}

fn restrict_files(a: &Filesystem, b: &Filesystem) -> Filesystem {
    let (left, right) = (Tree::of(a), Tree::of(b));
    let [system, toolchains] = left.restrict_presets(&right);
    let mut result = Filesystem {
        system,
        toolchains,
        workspace: None,
        rules: Vec::new(),
        symlinks: a.symlinks.clone(),
        // `None` sorts first and is the tightest here: there is no such directory.
        tmp: a.tmp.min(b.tmp),
        home: a.home.min(b.home),
        proc: a.proc && b.proc,
        dev: a.dev && b.dev,
        sys: a.sys.min(b.sys),
    };
    // The grant, and whether the path appears inside under its own name.
    let mut above = Above::new((Tree::of(&result).elsewhere(), false));
    let mut workspaces = [None, None];
    let mut rules = Vec::new();
    walk(&left, &right, |at| {
        let mut grant = at.left.restrict(at.right);
        let (inherited, shown) = above.at(at.path);
        // No rule says "as the presets do", so below a rule that is not to be had.
        if grant == Grant::Presets && inherited != Grant::Presets {
            grant = Grant::Nothing;
        }
        // To hide `/` is to grant nothing anywhere, which is said by having no presets.
        if grant == Grant::Nothing && at.path == Path::new("/") {
            (result.system, result.toolchains) = (false, false);
            above = Above::new((Grant::Nothing, false));
            return true;
        }
        if grant == Grant::ALL_RIGHTS {
            for (found, workspace) in workspaces.iter_mut().zip([&a.workspace, &b.workspace]) {
                if workspace.as_deref() == Some(at.path) {
                    *found = workspace.as_ref();
                }
            }
        }
        let mut targets: Vec<Option<&Path>> = [at.left_node, at.right_node]
            .into_iter()
            .flatten()
            .map(|node| node.targets.clone())
            .find(|targets| !targets.is_empty())
            .unwrap_or_default();
        targets.sort();
        targets.dedup();
        let (own, other_names) = (targets.contains(&None), targets.iter().any(Option::is_some));
        if let Grant::Files { write, exec } = grant {
            if grant != inherited || other_names || (own && !shown) {
                above.push(at.path, (grant, own));
                rules.extend(targets.into_iter().map(|target| PathRule {
                    path: at.path.to_path_buf(),
                    access: if write { Access::Write } else { Access::Read },
                    exec,
                    target: target.map(PathBuf::from),
                }));
            }
        } else if grant != inherited {
            above.push(at.path, (grant, false));
            rules.push(PathRule::hide(at.path));
        }
        true
    });
    result.workspace = workspaces.into_iter().flatten().next().cloned();
    // The workspace is itself the write rule on its path.
    rules.retain(|rule| rule.target.is_some() || Some(&rule.path) != result.workspace.as_ref());
    result.rules = rules;
    result
}

fn network_within(a: &Network, b: &Network) -> bool {
    a.mode == NetworkMode::None
        || (a.mode <= b.mode
            && ports_within(&a.connect, &b.connect)
            && ports_within(&a.bind, &b.bind))
}

fn ports_within(a: &Option<Vec<u16>>, b: &Option<Vec<u16>>) -> bool {
    match (a, b) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => {
            let b: BTreeSet<u16> = b.iter().copied().collect();
            a.iter().all(|port| b.contains(port))
        }
    }
}

fn restrict_network(a: &Network, b: &Network) -> Network {
    match a.mode.min(b.mode) {
        NetworkMode::None => Network::default(),
        NetworkMode::Host => Network {
            mode: NetworkMode::Host,
            connect: restrict_ports(&a.connect, &b.connect),
            bind: restrict_ports(&a.bind, &b.bind),
        },
    }
}

fn restrict_ports(a: &Option<Vec<u16>>, b: &Option<Vec<u16>>) -> Option<Vec<u16>> {
    let set = |ports: &Vec<u16>| -> BTreeSet<u16> { ports.iter().copied().collect() };
    match (a, b) {
        (None, None) => None,
        (Some(ports), None) | (None, Some(ports)) => Some(set(ports).into_iter().collect()),
        (Some(a), Some(b)) => Some(set(a).intersection(&set(b)).copied().collect()),
    }
}

/// The names that are really inherited: `set` wins over `inherit`.
fn inherited(environment: &Environment) -> impl Iterator<Item = &String> {
    environment
        .inherit
        .iter()
        .filter(|name| !environment.set.contains_key(*name))
}

fn environment_within(a: &Environment, b: &Environment) -> bool {
    inherited(a).all(|name| b.inherit.contains(name) && !b.set.contains_key(name))
        && a.set
            .iter()
            .all(|(name, value)| b.set.get(name) == Some(value))
}

fn restrict_environment(a: &Environment, b: &Environment) -> Environment {
    Environment {
        inherit: inherited(a)
            .filter(|name| b.inherit.contains(*name) && !b.set.contains_key(*name))
            .cloned()
            .collect(),
        set: a
            .set
            .iter()
            .filter(|(name, value)| b.set.get(*name) == Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

fn limits_within(a: &Limits, b: &Limits) -> bool {
    limit_within(a.memory, b.memory)
        && limit_within(a.processes, b.processes)
        && limit_within(a.cpus, b.cpus)
        && io_weight(a) <= io_weight(b)
        && limit_within(a.wall_clock, b.wall_clock)
        && limit_within(a.open_files, b.open_files)
        && limit_within(a.file_size, b.file_size)
        && a.core <= b.core
        && limit_within(a.stack, b.stack)
        && limit_within(a.cpu_time, b.cpu_time)
}

fn limit_within<T: Ord>(a: Option<T>, b: Option<T>) -> bool {
    match (a, b) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => a <= b,
    }
}

fn restrict_limits(a: &Limits, b: &Limits) -> Limits {
    let weight = io_weight(a).min(io_weight(b));
    Limits {
        memory: tightest(a.memory, b.memory),
        processes: tightest(a.processes, b.processes),
        cpus: tightest(a.cpus, b.cpus),
        io_weight: (weight != Limits::DEFAULT_IO_WEIGHT).then_some(weight),
        wall_clock: tightest(a.wall_clock, b.wall_clock),
        open_files: tightest(a.open_files, b.open_files),
        file_size: tightest(a.file_size, b.file_size),
        core: a.core.min(b.core),
        stack: tightest(a.stack, b.stack),
        cpu_time: tightest(a.cpu_time, b.cpu_time),
    }
}

fn tightest<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A weight is a share, not a ceiling: without one the kernel's own applies.
fn io_weight(limits: &Limits) -> u16 {
    limits.io_weight.unwrap_or(Limits::DEFAULT_IO_WEIGHT)
}

fn syscalls_within(a: &Syscalls, b: &Syscalls) -> bool {
    let parts = a.profile.parts();
    a.allow.is_subset(&b.allow)
        && b.profile
            .parts()
            .into_iter()
            .all(|wider| parts.iter().any(|one| profile_within(one, wider)))
}

fn profile_within(a: &SyscallProfile, b: &SyscallProfile) -> bool {
    a == b || (*a == SyscallProfile::Strict && *b == SyscallProfile::Default)
}

fn restrict_syscalls(a: &Syscalls, b: &Syscalls) -> Syscalls {
    let mut parts = a.profile.parts();
    parts.extend(b.profile.parts());
    if parts.contains(&SyscallProfile::Strict) {
        parts.remove(&SyscallProfile::Default);
    }
    let mut parts: BTreeSet<SyscallProfile> = parts.into_iter().cloned().collect();
    Syscalls {
        profile: match parts.len() {
            1 => parts.pop_first().unwrap_or_default(),
            _ => SyscallProfile::Stacked(parts),
        },
        allow: a.allow.intersection(&b.allow).copied().collect(),
    }
}

fn identity_within(a: Identity, b: Identity) -> bool {
    match (a.range, b.range) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => a.count == 0 || (a.start >= b.start && a.end() <= b.end()),
    }
}

fn restrict_identity(a: Identity, b: Identity) -> Identity {
    let range = match (a.range, b.range) {
        (Some(a), Some(b)) => {
            let start = a.start.max(b.start);
            let count = a.end().min(b.end()).saturating_sub(u64::from(start));
            // Not more than the smaller of the two counts, which are 32 bits.
            Some(IdRange {
                start,
                count: u32::try_from(count).unwrap_or(0),
            })
        }
        (a, b) => a.or(b),
    };
    Identity {
        // One form for the range without ids.
        range: range.map(|range| match range.count {
            0 => IdRange { start: 0, count: 0 },
            _ => range,
        }),
        inside: a.inside,
    }
}
