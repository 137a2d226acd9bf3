//! `restrict` never widens and `is_within` is a partial order, by their laws and against a model
//! that looks at every path of a small world.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cofferdam_policy::{
    Access, Bytes, Cpus, Environment, Filesystem, Identity, Limits, Network, NetworkRule, PathRule,
    Policy, PolicyError, Ports, Root, SyscallProfile, Syscalls, Upper,
};
use common::{filesystem, policy, valid_policy};
use proptest::prelude::*;
use proptest::sample::Index;

/// What a path may be used for: read, write to an upper layer, write, execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rights([bool; 4]);

impl Rights {
    const NONE: Rights = Rights([false; 4]);
    const READ: Rights = Rights([true, false, false, false]);
    const RUN: Rights = Rights([true, false, false, true]);

    fn of(access: Access, exec: bool) -> Rights {
        match access {
            Access::Hide => Rights::NONE,
            Access::Read => Rights([true, false, false, exec]),
            Access::Overlay => Rights([true, true, false, exec]),
            Access::Write => Rights([true, true, true, exec]),
        }
    }

    fn within(self, other: Rights) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| *a <= b)
    }

    fn and(self, other: Rights) -> Rights {
        Rights(std::array::from_fn(|n| self.0[n] && other.0[n]))
    }

    fn or(self, other: Rights) -> Rights {
        Rights(std::array::from_fn(|n| self.0[n] || other.0[n]))
    }
}

/// Every path up to four components out of three: one component deeper and wider than any rule.
fn world() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/")];
    let mut last = paths.clone();
    for _ in 0..4 {
        last = last
            .iter()
            .flat_map(|path| ["a", "b", "c"].map(|name| path.join(name)))
            .collect();
        paths.extend(last.iter().cloned());
    }
    paths
}

/// The definition, written as plainly as can be: try every rule for every path.
fn rights(files: &Filesystem, path: &Path, system: Rights, toolchains: Rights) -> Rights {
    let mut rules = files.rules.clone();
    rules.extend(files.workspace_rule());
    let nearest = rules
        .iter()
        .filter(|rule| path.starts_with(&rule.path))
        .map(|rule| rule.path.components().count())
        .max();
    if nearest.is_none() {
        let or_none = |on: bool, rights: Rights| if on { rights } else { Rights::NONE };
        return or_none(files.system, system).or(or_none(files.toolchains, toolchains));
    }
    rules
        .iter()
        .filter(|rule| path.starts_with(&rule.path))
        .filter(|rule| Some(rule.path.components().count()) == nearest)
        .map(|rule| Rights::of(rule.access, rule.exec))
        .fold(Rights([true; 4]), Rights::and)
}

/// The protected workspace that alone gives a path to be written.
fn guard(files: &Filesystem, path: &Path) -> Option<PathBuf> {
    let workspace = files.workspace.clone().filter(|workspace| {
        path.starts_with(workspace)
            && files.protect.enabled
            && files.workspace_access == Access::Write
    })?;
    let nearer =
        |rule: &PathRule| path.starts_with(&rule.path) && rule.path.starts_with(&workspace);
    match files.rules.iter().any(nearer) {
        true => None,
        false => Some(workspace),
    }
}

/// Without the protection, which the model of rights does not know.
fn unprotected() -> impl Strategy<Value = Filesystem> {
    filesystem().prop_map(|files| files.protect(false))
}

fn with_files(filesystem: Filesystem) -> Policy {
    Policy {
        filesystem,
        ..Policy::default()
    }
}

/// The same policy with nothing in it but what counts.
fn without_names(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    let files = &mut policy.filesystem;
    // Where it is protected, the workspace is more than a name for a directory.
    if files.workspace_access != Access::Write || !files.protect.enabled {
        files.rules.extend(files.workspace_rule());
        files.workspace = None;
    }
    for rule in &mut files.rules {
        rule.target = None;
    }
    files.symlinks.clear();
    policy.identity.inside = None;
    policy
}

fn equivalent(a: &Policy, b: &Policy) -> bool {
    a.is_within(b) && b.is_within(a)
}

/// The same policy, written in another way.
fn rewritten(policy: &Policy, places: &[Index]) -> Policy {
    let mut policy = policy.clone();
    let rules = &mut policy.filesystem.rules;
    rules.reverse();
    for place in places {
        if rules.is_empty() {
            break;
        }
        // The same access again on the same path, and on a path below that nothing else names.
        let rule = rules[place.index(rules.len())].clone();
        let below = PathRule {
            path: rule.path.join("z"),
            ..rule.clone()
        };
        if rules.iter().filter(|one| one.path == rule.path).count() == 1
            && policy.filesystem.workspace.as_ref() != Some(&rule.path)
        {
            rules.push(below);
        }
        rules.push(rule);
    }
    let set: Vec<String> = policy.environment.set.keys().cloned().collect();
    policy.environment.inherit.extend(set);
    policy.limits.io_weight.get_or_insert(100);
    let files = &mut policy.filesystem;
    if files.root.is_host() {
        files.root_access = Access::Read;
    }
    if !files.protect.enabled {
        files.protect = files.protect.clone().add("w");
    }
    policy.syscalls.profile = SyscallProfile::Stacked([policy.syscalls.profile].into());
    let network = &mut policy.network;
    for ports in [&mut network.connect, &mut network.bind]
        .into_iter()
        .flatten()
    {
        ports.extend(ports.clone());
    }
    for rules in [&mut network.allow, &mut network.deny] {
        rules.reverse();
        // Each port by a rule of its own, and the whole again.
        let ranges = |rule: &NetworkRule| {
            let rule = rule.clone();
            let ranges: Vec<_> = rule.ports.ranges().collect();
            ranges
                .into_iter()
                .map(move |range| rule.clone().ports(Ports::of([range])))
        };
        rules.extend(rules.clone().iter().flat_map(ranges));
    }
    network.trust.reverse();
    network.publish.extend(network.publish.clone());
    network.forward.reverse();
    if let Some(agent) = &mut network.ssh_agent {
        agent.keys.reverse();
    }
    policy.secrets.reverse();
    for secret in &mut policy.secrets {
        secret.hosts.extend(secret.hosts.clone());
    }
    policy
}

proptest! {
    #[test]
    fn within_is_what_the_model_says(a in unprotected(), b in unprotected(), c in unprotected()) {
        // A random pair is seldom comparable; this one always is.
        let tight = with_files(a.clone()).restrict(&with_files(c)).filesystem;
        for (a, b) in [(&a, &b), (&tight, &a), (&a, &tight)] {
            // The same but for the rules and presets, which is what the model knows about.
            let b = Filesystem { rules: b.rules.clone(), workspace: b.workspace.clone(),
                workspace_access: b.workspace_access, protect: b.protect.clone(), system: b.system, toolchains: b.toolchains, ..a.clone() };
            let found = with_files(a.clone()).is_within(&with_files(b.clone()));
            let hosts = [Rights::NONE, Rights::READ, Rights::RUN];
            let mut everywhere = true;
            for path in world() {
                for system in hosts {
                    for toolchains in hosts {
                        let (here, there) = (rights(a, &path, system, toolchains),
                            rights(&b, &path, system, toolchains));
                        everywhere &= here.within(there);
                    }
                }
            }
            prop_assert_eq!(found, everywhere);
        }
    }

    #[test]
    fn what_is_protected_stays_so(a in policy(), b in policy()) {
        let both = a.restrict(&b).filesystem;
        for path in world() {
            let written = rights(&both, &path, Rights::NONE, Rights::NONE).0[2];
            for files in [&a.filesystem, &b.filesystem] {
                let Some(workspace) = guard(files, &path).filter(|_| written) else {
                    continue;
                };
                let left = guard(&both, &path);
                prop_assert!(left.is_some_and(|left| left.starts_with(&workspace)), "{:?}", path);
            }
        }
    }

    #[test]
    fn restrict_is_what_the_model_says(a in unprotected(), b in unprotected()) {
        let both = with_files(a.clone()).restrict(&with_files(b.clone())).filesystem;
        let no_presets = !(a.system || a.toolchains || b.system || b.toolchains);
        for path in world() {
            for system in [Rights::NONE, Rights::READ, Rights::RUN] {
                for toolchains in [Rights::NONE, Rights::READ, Rights::RUN] {
                    let result = rights(&both, &path, system, toolchains);
                    let most = rights(&a, &path, system, toolchains)
                        .and(rights(&b, &path, system, toolchains));
                    prop_assert!(result.within(most), "{:?}: {result:?} {most:?}", path);
                    if no_presets {
                        prop_assert_eq!(result, most);
                    }
                }
            }
        }
    }

    #[test]
    fn restrict_never_widens(a in policy(), b in policy()) {
        let both = a.restrict(&b);
        prop_assert!(both.is_within(&a));
        prop_assert!(both.is_within(&b));
        prop_assert!(equivalent(&both, &b.restrict(&a)), "commutative");
        prop_assert_eq!(&both.restrict(&both), &both, "a result is in normal form");
        prop_assert!(equivalent(&both.restrict(&a), &both));
        prop_assert!(equivalent(&b.restrict(&both), &both));
    }

    #[test]
    fn restrict_changes_nothing_that_is_within(a in policy(), b in policy()) {
        prop_assert!(equivalent(&a.restrict(&a), &a), "idempotent");
        if a.is_within(&b) {
            prop_assert!(equivalent(&a.restrict(&b), &a));
        }
    }

    #[test]
    fn within_is_a_partial_order(a in policy(), b in policy(), c in policy()) {
        prop_assert!(a.is_within(&a));
        if a.is_within(&b) && b.is_within(&c) {
            prop_assert!(a.is_within(&c));
        }
        // A chain that is comparable by construction.
        let (ab, abc) = (a.restrict(&b), a.restrict(&b).restrict(&c));
        prop_assert!(abc.is_within(&ab) && ab.is_within(&a) && abc.is_within(&a));
        prop_assert!(abc.is_within(&b) && abc.is_within(&c));
    }

    #[test]
    fn equal_meaning_is_an_equal_normal_form(
        a in policy(), b in policy(), places: Vec<Index>,
    ) {
        let other = rewritten(&a, &places[..places.len().min(4)]);
        prop_assert!(equivalent(&a, &other), "{other:#?}");
        prop_assert!(equivalent(&a, &without_names(&a)));
        for other in [&other, &b, &a.restrict(&b)] {
            prop_assert_eq!(
                equivalent(&a, other),
                without_names(&a).normalize() == without_names(other).normalize()
            );
        }
        prop_assert_eq!(a.normalize().normalize(), a.normalize());
    }

    #[test]
    fn two_valid_policies_give_a_valid_one(a in valid_policy(), b in valid_policy()) {
        match a.restrict(&b).validate() {
            Ok(())
            | Err(PolicyError::EmptyRange
                | PolicyError::SameTarget { .. }
                | PolicyError::SymlinkOverRule { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
        prop_assert_eq!(a.normalize().validate(), Ok(()));
    }

    #[test]
    fn a_normal_form_shows_the_same(a in valid_policy()) {
        let files = a.filesystem;
        // Every path of the world, by what the view shows there.
        let seen = |files: &Filesystem| -> Vec<_> {
            let view = files.view(&[]);
            let inside = world().into_iter().chain(world().into_iter().map(|path| {
                Path::new("/t").join(path.strip_prefix("/").expect("absolute"))
            }));
            inside.map(|path| {
                view.iter().rev().find(|entry| path.starts_with(&entry.target))
                    .filter(|entry| entry.access != Access::Hide)
                    .map(|entry| {
                        let rest = path.strip_prefix(&entry.target).expect("below");
                        (entry.source.join(rest), entry.access, entry.exec)
                    })
            }).collect()
        };
        let normal = with_files(files.clone()).normalize().filesystem;
        prop_assert_eq!(seen(&files), seen(&normal));
        // And the view gives no more to a host path, under any name, than the rules do.
        for (source, access, exec) in seen(&files).into_iter().flatten() {
            let most = rights(&files, &source, Rights::NONE, Rights::NONE);
            let shown = Rights::of(access, exec);
            prop_assert!(shown == most, "{:?}: {shown:?} {most:?}", source);
        }
    }
}

#[test]
fn a_project_cannot_widen() {
    let user = Policy {
        filesystem: Filesystem::default().workspace("/w").hide("/w/.env"),
        limits: Limits::default().memory_mib(1024),
        environment: Environment::default(),
        ..Policy::default()
    };
    let project = Policy {
        filesystem: Filesystem::default()
            .write("/w/.env")
            .workspace("/w")
            .read("/home"),
        limits: Limits::default().memory_mib(4096).cpus(2.0),
        network: Network::default().host(),
        environment: Environment::default()
            .inherit("SECRET")
            .set("LD_PRELOAD", "/w/x.so"),
        identity: Identity::default().no_range(),
        ..Policy::default()
    };
    let both = user.restrict(&project);
    let expected = Policy {
        limits: Limits::default().memory_mib(1024).cpus(2.0),
        ..user.clone()
    };
    assert_eq!(both, expected);
    assert!(!project.is_within(&user));
}

fn within_one_way(tight: Filesystem, wide: Filesystem) {
    let (tight, wide) = (with_files(tight), with_files(wide));
    assert!(tight.is_within(&wide), "{tight:#?}");
    assert!(!wide.is_within(&tight), "{tight:#?}");
    assert!(equivalent(&tight.restrict(&wide), &tight));
    assert!(equivalent(&wide.restrict(&tight), &tight));
}

fn neither_within(a: Filesystem, b: Filesystem) -> Filesystem {
    let (a, b) = (with_files(a), with_files(b));
    assert!(!a.is_within(&b) && !b.is_within(&a));
    let both = a.restrict(&b);
    assert!(both.is_within(&a) && both.is_within(&b));
    assert_eq!(both.validate(), Ok(()));
    both.filesystem
}

#[test]
fn an_overlay_is_between_reading_and_writing() {
    let files = Filesystem::default;
    within_one_way(files().overlay_workspace("/w"), files().workspace("/w"));
    within_one_way(files().read("/w"), files().overlay_workspace("/w"));
    within_one_way(files().overlay("/w/a"), files().overlay_workspace("/w"));
    within_one_way(
        files().workspace("/w").workspace_access(Access::Read),
        files().overlay("/w"),
    );
    let user = with_files(files().overlay_workspace("/w"));
    let project = with_files(files().workspace("/w").write("/w/out"));
    assert_eq!(user.restrict(&project), user);
    assert_eq!(project.restrict(&user), user);
    // The directory stays the working one where only one of them lets it be written.
    let reader = with_files(files().workspace("/w").workspace_access(Access::Read));
    assert_eq!(project.restrict(&reader), reader);
}

#[test]
fn memory_is_within_the_disk() {
    let upper = |upper| Filesystem::default().upper(upper);
    let disk = |path: &str| upper(Upper::Disk(Some(path.into())));
    within_one_way(upper(Upper::Memory(Bytes::mib(1))), upper(Upper::default()));
    within_one_way(
        upper(Upper::Memory(Bytes::gib(9))),
        upper(Upper::Disk(None)),
    );
    let both = neither_within(disk("/a"), disk("/b"));
    assert_eq!(both.upper, Upper::default());
    neither_within(disk("/a"), upper(Upper::Disk(None)));
}

#[test]
fn protection_can_only_be_added() {
    let files = Filesystem::default;
    within_one_way(files(), files().protect(false));
    within_one_way(files(), files().unprotect_name(".vscode"));
    within_one_way(files().protect_name("deploy"), files());
    within_one_way(files().unprotect_name(".vscode"), files().protect(false));
    let both = neither_within(
        files().unprotect_name(".vscode").unprotect_name(".idea"),
        files().unprotect_name(".idea").unprotect_name(".zed"),
    );
    assert_eq!(both, files().unprotect_name(".idea"));
    let both = neither_within(files().protect_name("a"), files().protect_name("b"));
    assert_eq!(both, files().protect_name("a").protect_name("b"));
    let off = with_files(files().protect(false).protect_name("a"));
    assert_eq!(off.normalize(), with_files(files().protect(false)));
}

#[test]
fn a_rule_is_no_way_around_the_protection() {
    let user = with_files(Filesystem::default().workspace("/w"));
    let project = |files: Filesystem| {
        let project = with_files(files);
        let both = user.restrict(&project);
        assert!(
            both.is_within(&user) && both.is_within(&project),
            "{both:#?}"
        );
        assert!(equivalent(&both, &project.restrict(&user)));
        both.filesystem
    };
    let files = Filesystem::default;
    // The whole as a rule or under another name is the workspace again; of a part, reading is left.
    assert_eq!(project(files().write("/w")), files().workspace("/w"));
    assert_eq!(project(files().write("/w/.git")), files().read("/w/.git"));
    let named = files().rule(PathRule::write("/w").at("/x"));
    assert_eq!(project(named), files().workspace("/w"));
    // Nor is a workspace that begins in a dangerous name.
    assert_eq!(
        project(files().workspace("/w/.git")),
        files().read("/w/.git")
    );
    assert_eq!(
        project(files().workspace("/w/a/.CLAUDE")),
        files().read("/w/a/.CLAUDE")
    );
    // One that does not is as well protected as the other.
    assert_eq!(
        project(files().workspace("/w/sub")),
        files().workspace("/w/sub")
    );
    // With the workspace kept, rules in it add nothing, and an overlay is no way to the host.
    assert_eq!(
        project(files().workspace("/w").write("/w/.git")),
        files().workspace("/w")
    );
    assert_eq!(
        project(files().overlay("/w")),
        files().overlay_workspace("/w")
    );
    assert_eq!(
        project(
            files()
                .workspace("/w")
                .protect(false)
                .unprotect_name(".vscode")
        ),
        files().workspace("/w")
    );
    // Who writes the rule in the own policy means it.
    let open = with_files(files().workspace("/w").write("/w/.vscode"));
    assert!(user.is_within(&open) && !open.is_within(&user));
    assert_eq!(open.normalize(), open);
    let off = with_files(files().write("/w").protect(false));
    let project = with_files(files().workspace("/w").protect(false));
    assert!(equivalent(&off, &project));
}

#[test]
fn of_two_roots_none_is_left() {
    let files = || Filesystem::default().system(false);
    let root = |path: &str| Filesystem::default().root_directory(path);
    within_one_way(root("/r").root_access(Access::Read), root("/r"));
    within_one_way(files(), root("/r"));
    within_one_way(files().read("/x"), root("/r").read("/x"));
    for other in [
        root("/s"),
        Filesystem::default().root_image("/r"),
        Filesystem::default(),
    ] {
        let both = neither_within(root("/r"), other);
        assert_eq!(both, files());
    }
    let named = |name: &str| Filesystem::default().root(Root::image("/i").reference(name));
    assert_eq!(neither_within(named("a"), named("b")), files());
}

#[test]
fn profiles_of_unknown_order_are_stacked() {
    let with = |profile| Policy {
        syscalls: Syscalls::default().profile(profile),
        ..Policy::default()
    };
    let oci = with(SyscallProfile::Oci("/p".into()));
    let default = Policy::default();
    assert!(!oci.is_within(&default) && !default.is_within(&oci));
    let both = oci.restrict(&default);
    let parts = [SyscallProfile::Default, SyscallProfile::Oci("/p".into())];
    assert_eq!(both.syscalls.profile, SyscallProfile::Stacked(parts.into()));
    let strict = both.restrict(&with(SyscallProfile::Strict));
    let parts = [SyscallProfile::Strict, SyscallProfile::Oci("/p".into())];
    assert_eq!(
        strict.syscalls.profile,
        SyscallProfile::Stacked(parts.into())
    );
    assert!(strict.is_within(&both));
}

#[test]
fn a_share_left_out_is_the_kernels_own() {
    let with = |weight: Option<u16>| Policy {
        limits: Limits {
            io_weight: weight,
            ..Limits::default()
        },
        ..Policy::default()
    };
    assert!(!with(Some(10_000)).is_within(&with(None)));
    assert!(with(Some(50)).is_within(&with(None)));
    assert!(equivalent(&with(Some(100)), &with(None)));
}

#[test]
fn an_unusable_value_is_not_lost() {
    let mut broken = Policy::default();
    broken.limits.cpus = Some(Cpus::from_f64(f64::NAN));
    let mut fine = Policy::default();
    fine.limits.cpus = Some(Cpus::from_milli(500));
    for both in [broken.restrict(&fine), fine.restrict(&broken)] {
        assert!(matches!(both.validate(), Err(PolicyError::Cpus { .. })));
    }
}

#[test]
fn the_world_is_larger_than_the_rules() {
    let world: BTreeSet<PathBuf> = world().into_iter().collect();
    assert_eq!(world.len(), 1 + 3 + 9 + 27 + 81);
}
