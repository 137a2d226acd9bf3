//! `restrict` never widens and `is_within` is a partial order, by their laws and against a model
//! that looks at every path of a small world.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cofferdam_policy::{
    Access, Cpus, Environment, Filesystem, Identity, Limits, Network, PathRule, Policy,
    PolicyError, SyscallProfile, Syscalls,
};
use common::{filesystem, policy, valid_policy};
use proptest::prelude::*;
use proptest::sample::Index;

/// What a path may be used for: read, write, execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rights([bool; 3]);

impl Rights {
    const NONE: Rights = Rights([false; 3]);
    const READ: Rights = Rights([true, false, false]);
    const RUN: Rights = Rights([true, false, true]);

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
    rules.extend(files.workspace.iter().map(PathRule::write));
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
        .map(|rule| match rule.access {
            Access::Hide => Rights::NONE,
            Access::Read => Rights([true, false, rule.exec]),
            Access::Write => Rights([true, true, rule.exec]),
        })
        .fold(Rights([true; 3]), Rights::and)
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
    files
        .rules
        .extend(files.workspace.take().map(PathRule::write));
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
    policy.syscalls.profile = SyscallProfile::Stacked([policy.syscalls.profile].into());
    let network = &mut policy.network;
    for ports in [&mut network.connect, &mut network.bind]
        .into_iter()
        .flatten()
    {
        ports.extend(ports.clone());
    }
    policy
}

proptest! {
    #[test]
    fn within_is_what_the_model_says(a in filesystem(), b in filesystem(), c in filesystem()) {
        // A random pair is seldom comparable; this one always is.
        let tight = with_files(a.clone()).restrict(&with_files(c)).filesystem;
        for (a, b) in [(&a, &b), (&tight, &a), (&a, &tight)] {
            // The same but for the rules and presets, which is what the model knows about.
            let b = Filesystem { rules: b.rules.clone(), workspace: b.workspace.clone(),
                system: b.system, toolchains: b.toolchains, ..a.clone() };
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
    fn restrict_is_what_the_model_says(a in filesystem(), b in filesystem()) {
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
            let shown = Rights([true, access == Access::Write, exec]);
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
