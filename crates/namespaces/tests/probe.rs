//! The probe agrees with what happens.

mod common;

use cofferdam_namespaces::{Missing, probe, probe_redirect};
use common::{Child, base, is_root};

#[test]
fn the_probe_says_what_happens() {
    let support = probe();
    for (name, feature) in support.features() {
        match feature {
            Ok(()) => println!("{name}: yes"),
            Err(missing) => println!("missing on this host: {name}: {missing}"),
        }
    }
    let works = Child::new(base().proc()).run("true").failure.is_none();
    let promised = support.mount.is_ok() && support.pid_and_proc.is_ok();
    assert_eq!(works, promised);
    assert!(support.mount_api.is_ok() && support.openat2.is_ok() && support.mount_setattr.is_ok());
    if !is_root() {
        assert!(matches!(
            support.mount_without_user,
            Err(Missing::Privilege { .. })
        ));
        assert!(matches!(
            support.id_mapped_mounts,
            Err(Missing::Privilege { .. })
        ));
    }
}

#[test]
fn a_limit_of_zero_is_named() {
    if !common::in_outer_namespace("a_limit_of_zero_is_named") {
        return;
    }
    assert!(probe().user_namespaces.is_ok());
    std::fs::write("/proc/sys/user/max_user_namespaces", "0").expect("the namespace's own limit");
    let support = probe();
    for feature in [support.user_namespaces, support.mount, support.net] {
        assert!(matches!(
            feature,
            Err(Missing::UserNamespaceLimit { limit: 0 })
        ));
    }
}

#[test]
fn a_redirect_is_tried_once() {
    let first = probe_redirect();
    match &first {
        Ok(families) => println!("redirects: {families:?}"),
        Err(missing) => {
            println!("this host does not redirect: {missing}");
            let full = std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
            assert!(!full, "COFFERDAM_EXPECT=full, and no redirect");
        }
    }
    assert_eq!(probe_redirect(), first);
    assert_eq!(probe().redirect, first.map(drop));
}
