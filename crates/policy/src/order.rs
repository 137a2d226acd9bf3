//! Which policy is within which, and the tightest of two.

mod network;
mod secrets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::filesystem::{Access, Filesystem, PathRule};
use crate::tree::{Above, Grant, Tree, Visit, walk};
use crate::{
    Environment, IdRange, Identity, Layer, Layers, Limits, Policy, Root, SyscallProfile, Syscalls,
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
    /// | rules | less access on every host path (`Hide`, `Read`, `Overlay`, `Write`); the workspace is a rule with its access |
    /// | presets, `proc`, `dev`, `sys` | off before on |
    /// | `tmp`, `home` | none, then by size |
    /// | `upper` | memory, by size, before a disk place; a disk place is within the same only |
    /// | `protect` | on before off; more names added, fewer removed; a protected workspace before a write rule |
    /// | `root` | `Host`, which adds nothing by itself, before any other; another is within the same only, read before overlay |
    /// | network | `None` before `Rules` and `Host`; with `Host` a port list before none, fewer ports |
    /// | rules of the network | fewer connections and requests allowed, each by one rule of the other; more denied; `package_clients` off before on; fewer files trusted, ports published, services forwarded and keys of the agent |
    /// | rules and `Host` | `Rules` before a `Host` that lets all its ports be connected to and listened on; `package_clients` only before a `Host` without a `connect` list; a forwarded unix socket and keys of the agent before none, since the host's network does not bring them |
    /// | secrets | fewer; the same secret for fewer hosts, with a shorter `ttl`. One for hosts that no rule leads to is none |
    /// | environment | fewer inherited names; fewer set values |
    /// | limits | smaller; no limit is the widest. `io_weight` left out is 100 |
    /// | system calls | `Strict` before `Default`; more profiles stacked; fewer intents |
    /// | id range | fewer ids; no range, the caller's own ids, is the widest |
    #[must_use]
    pub fn is_within(&self, other: &Policy) -> bool {
        layers_within(&self.layers, &other.layers)
            && files_within(&self.filesystem, &other.filesystem)
            && network::within(&self.network, &other.network)
            && environment_within(&self.environment, &other.environment)
            && limits_within(&self.limits, &other.limits)
            && syscalls_within(&self.syscalls, &other.syscalls)
            && identity_within(self.identity, other.identity)
            && secrets::within(self, other)
    }

    /// The widest policy known to be within both; neither is ever exceeded.
    ///
    /// Names are this policy's; a path that only `other` names keeps the name it has there. The
    /// workspace is this policy's if both let it be written (or only read, where it is no more in
    /// one that has it), else `other`'s on the same terms, else there is none. Of two different
    /// roots none is left, and of two disk places for upper layers neither: memory is. Of what one
    /// policy gives as a protected workspace, a part that the other gives as a rule, or as a
    /// workspace that begins in a dangerous name, can only be read: nothing in it would be
    /// protected. Two valid policies give a valid one, but for two cases that validation reports:
    /// their id ranges have no id in common, or they use one name inside for different things.
    ///
    /// Of two lists of network rules, what is left is what a rule of each allows, with all that is
    /// denied by either; of a secret that both have, the hosts that both bind it to.
    ///
    /// Where the two cannot be compared without knowing the host (a preset against a rule without
    /// exec), the result has neither.
    #[must_use]
    pub fn restrict(&self, other: &Policy) -> Policy {
        let network = network::restrict(&self.network, &other.network);
        Policy {
            secrets: secrets::restrict(self, other, &network),
            network,
            layers: restrict_layers(&self.layers, &other.layers),
            filesystem: restrict_files(&self.filesystem, &other.filesystem),
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
    let guards = Guards::of(a, b);
    a.tmp <= b.tmp
        && a.home <= b.home
        && a.proc <= b.proc
        && a.dev <= b.dev
        && a.sys <= b.sys
        && a.upper.is_within(&b.upper)
        && a.protect.is_within(&b.protect)
        && root_within(a, b)
        && left.presets_within(&right)
        && walk(&left, &right, |at| {
            at.left.is_within(at.right) && (!at.left.writes() || guards.within(&at))
        })
}

/// Which of two protected workspaces keeps read-only what the other does, where it lies in it.
struct Guards {
    left_in_right: bool,
    right_in_left: bool,
}

impl Guards {
    fn of(a: &Filesystem, b: &Filesystem) -> Self {
        let covered =
            |outer: &Filesystem, inner: &Filesystem| match (&outer.workspace, &inner.workspace) {
                (Some(workspace), Some(inner)) => outer.protect.covers(workspace, inner),
                _ => false,
            };
        Guards {
            left_in_right: covered(b, a),
            right_in_left: covered(a, b),
        }
    }

    /// Whether what the right policy keeps read-only there, the left one does.
    fn within(&self, at: &Visit<'_, '_>) -> bool {
        at.right_guard.is_none_or(|right| {
            at.left_guard
                .is_some_and(|left| left == right || self.left_in_right)
        })
    }

    /// Whether `workspace`, which is one of the two, keeps read-only there what both do.
    fn hold(&self, workspace: &Path, at: &Visit<'_, '_>) -> bool {
        at.left_guard
            .is_none_or(|left| workspace == left || self.right_in_left)
            && at
                .right_guard
                .is_none_or(|right| workspace == right || self.left_in_right)
    }
}

/// The root of the host is empty: what is shown in it, presets and rules show.
fn root_within(a: &Filesystem, b: &Filesystem) -> bool {
    a.root.is_host() || (a.root == b.root && a.root_access <= b.root_access)
}

fn restrict_root(a: &Filesystem, b: &Filesystem) -> (Root, Access) {
    match a.root == b.root && !a.root.is_host() {
        true => (a.root.clone(), a.root_access.min(b.root_access)),
        false => (Root::Host, Filesystem::default().root_access),
    }
}

fn restrict_files(a: &Filesystem, b: &Filesystem) -> Filesystem {
    let (left, right) = (Tree::of(a), Tree::of(b));
    let [system, toolchains] = left.restrict_presets(&right);
    let (root, root_access) = restrict_root(a, b);
    let mut result = Filesystem {
        system,
        toolchains,
        workspace: None,
        workspace_access: Access::Write,
        protect: a.protect.restrict(&b.protect),
        rules: Vec::new(),
        upper: a.upper.restrict(&b.upper),
        root,
        root_access,
        symlinks: a.symlinks.clone(),
        // `None` sorts first and is the tightest here: there is no such directory.
        tmp: a.tmp.min(b.tmp),
        home: a.home.min(b.home),
        proc: a.proc && b.proc,
        dev: a.dev && b.dev,
        sys: a.sys.min(b.sys),
    };
    // The grant, whether the path appears inside under its own name, and whether the workspace gives
    // it, protected.
    let mut above = Above::new((Tree::of(&result).elsewhere(), false, false));
    let guards = Guards::of(a, b);
    let workspace = restrict_workspace([a, b], &left, &right, &guards);
    let mut rules = Vec::new();
    walk(&left, &right, |at| {
        let mut grant = at.left.restrict(at.right);
        let (inherited, shown, inherited_guard) = above.at(at.path);
        // No rule says "as the presets do", so below a rule that is not to be had.
        if grant == Grant::Presets && inherited != Grant::Presets {
            grant = Grant::Nothing;
        }
        // To hide `/` is to grant nothing anywhere, which is said by having no presets.
        if grant == Grant::Nothing && at.path == Path::new("/") {
            (result.system, result.toolchains) = (false, false);
            above = Above::new((Grant::Nothing, false, false));
            return true;
        }
        let here = workspace.filter(|(path, _)| *path == at.path);
        let mut guarded = grant.writes() && is_guarded(&at);
        if guarded {
            // A rule would not be protected, so only the workspace itself can say it.
            let by = here.or(workspace.filter(|_| inherited_guard && grant == inherited));
            if !by.is_some_and(|(workspace, _)| guards.hold(workspace, &at)) {
                guarded = false;
                grant = grant.restrict(Grant::READING);
            }
        }
        let mut targets = match guarded {
            // Under another name nothing in it would be read-only.
            true => Vec::new(),
            false => targets(&at),
        };
        // Wherever its rules put it, the workspace is also where it is.
        targets.extend(here.map(|_| None));
        targets.sort();
        targets.dedup();
        let (own, other_names) = (targets.contains(&None), targets.iter().any(Option::is_some));
        if let Grant::Files { access, exec } = grant {
            let new = (grant, guarded) != (inherited, inherited_guard);
            if new || other_names || (own && !shown) {
                above.push(at.path, (grant, own, guarded));
                rules.extend(targets.into_iter().map(|target| PathRule {
                    path: at.path.to_path_buf(),
                    access,
                    exec,
                    target: target.map(PathBuf::from),
                }));
            }
        } else if grant != inherited {
            above.push(at.path, (grant, false, false));
            rules.push(PathRule::hide(at.path));
        }
        true
    });
    if let Some((path, access)) = workspace {
        result.workspace = Some(path.to_path_buf());
        result.workspace_access = access;
    }
    // The workspace is itself the rule on its path.
    rules.retain(|rule| rule.target.is_some() || Some(&rule.path) != result.workspace.as_ref());
    result.rules = rules;
    result
}

/// The names inside that are left: the first policy's, or else the second's.
fn targets<'a>(at: &Visit<'_, 'a>) -> Vec<Option<&'a Path>> {
    [at.left_node, at.right_node]
        .into_iter()
        .flatten()
        .map(|node| node.targets.clone())
        .find(|targets| !targets.is_empty())
        .unwrap_or_default()
}

/// Whether one of the two keeps dangerous names there read-only.
fn is_guarded(at: &Visit<'_, '_>) -> bool {
    at.left_guard.or(at.right_guard).is_some()
}

/// Which workspace is left, and what may be done with it: a protected one first, since it cannot be
/// written as a rule; of two such the upper one, in whatever order the policies come.
fn restrict_workspace<'a>(
    both: [&'a Filesystem; 2],
    left: &Tree<'a>,
    right: &Tree<'a>,
    guards: &Guards,
) -> Option<(&'a Path, Access)> {
    let protected = both.iter().any(|files| files.protect.enabled);
    let mut guarded = None;
    let mut workspaces = [None, None];
    walk(left, right, |at| {
        let grant = at.left.restrict(at.right);
        let Grant::Files { access, exec: true } = grant else {
            return true;
        };
        for (found, files) in workspaces.iter_mut().zip(both) {
            if files.workspace.as_deref() != Some(at.path) {
                continue;
            }
            if grant.writes() && is_guarded(&at) {
                let fits = guards.hold(at.path, &at);
                guarded = guarded.or(fits.then_some((at.path, access)));
            } else if grant.writes() && protected {
                // Here it would be protected, and neither asks for that; unless it has another name,
                // under which it is not.
                let named = targets(&at).iter().any(Option::is_some);
                *found = named.then_some((at.path, access));
            } else if access > Access::Read || files.workspace_access == Access::Read {
                *found = Some((at.path, access));
            }
        }
        true
    });
    guarded.or(workspaces.into_iter().flatten().next())
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
