//! Rulesets on kernels that are older than this one, and without Landlock.

mod common;

use std::fs;
use std::io;

use cofferdam_landlock::{
    Abi, Access, ApplyStep, Feature, PrepareError, Right, Rights, Ruleset, Support, Unavailable,
    probe,
};
use common::{host_has_landlock, lacking, parent, run};

/// Asks for everything.
fn everything() -> Ruleset {
    Ruleset::new()
        .path("/", Access::ReadExec)
        .connect_tcp([443])
        .bind_tcp([])
        .scope_abstract_unix()
        .scope_signals()
        .log_denials()
}

/// What a kernel with each ABI lacks of everything, oldest first.
fn lacks(abi: u8) -> Vec<Feature> {
    let brought = [
        (2, Feature::File(Right::Refer)),
        (3, Feature::File(Right::Truncate)),
        (5, Feature::File(Right::IoctlDev)),
        (9, Feature::File(Right::ResolveUnix)),
        (4, Feature::BindTcp),
        (4, Feature::ConnectTcp),
        (6, Feature::ScopeAbstractUnix),
        (6, Feature::ScopeSignals),
        (7, Feature::DenialLog),
    ];
    let lacking = brought.into_iter().filter(|(by, _)| *by > abi);
    lacking.map(|(_, feature)| feature).collect()
}

#[test]
fn each_older_abi_is_used_in_full_and_lacks_exactly_what_came_later() {
    if !host_has_landlock() {
        return;
    }
    let here = probe().abi().expect("it was there");
    if here.number() < 7 {
        lacking("landlock abi 7 (linux 6.15)");
    }
    for abi in Abi::all().take_while(|abi| *abi <= here) {
        // The kernel takes the ruleset: nothing is asked of it that this ABI does not have.
        let prepared = everything()
            .prepare(&Support::of_abi(abi.number().into()))
            .unwrap_or_else(|error| panic!("abi {abi}: {error}"));
        let missing: Vec<Feature> = prepared.missing().iter().map(|m| m.feature).collect();
        assert_eq!(missing, lacks(abi.number()), "abi {abi}");
        let handled = prepared.handled();
        assert_eq!(handled.len() + missing.len(), Feature::all().count());
        assert!(handled.iter().all(|feature| feature.abi() <= abi));
        for missing in prepared.missing() {
            assert!(missing.abi() > abi);
            assert_eq!(missing.kernel(), missing.abi().kernel());
        }
    }
}

#[test]
fn a_newer_abi_than_the_kernels_is_an_error_and_not_a_weaker_ruleset() {
    if !host_has_landlock() {
        return;
    }
    let here = probe().abi().expect("it was there");
    if here == Abi::NEWEST {
        // Newer kernels are used as the newest version that is known.
        let prepared = everything().prepare(&Support::of_abi(u32::MAX));
        assert_eq!(prepared.expect("prepare").missing(), []);
        return;
    }
    let newest = Support::of_abi(Abi::NEWEST.number().into());
    match everything().prepare(&newest) {
        Err(PrepareError::Kernel { path: None, source }) => {
            assert_eq!(source.step, ApplyStep::CreateRuleset);
            assert!([libc::EINVAL, libc::E2BIG].contains(&source.errno.raw()));
            assert!(source.to_string().contains("newer kernel"), "{source}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_reported_missing_is_what_is_not_denied() {
    if let Some(mut command) = parent("what_is_reported_missing_is_what_is_not_denied") {
        if !host_has_landlock() {
            return;
        }
        let scene = tempfile::tempdir().expect("tempdir");
        fs::create_dir(scene.path().join("sub")).expect("mkdir");
        fs::write(scene.path().join("file"), "0123456789").expect("write");
        run(command.env("SCENE", scene.path()));
        return;
    }
    let scene = std::path::PathBuf::from(common::var("SCENE"));
    let prepared = Ruleset::new()
        .path("/", Access::Read)
        .path(&scene, Access::Write)
        .connect_tcp([])
        .prepare(&Support::of_abi(1))
        .expect("prepare");
    cofferdam_sys::process::set_no_new_privs().expect("no_new_privs");
    prepared.apply().expect("apply");

    let is_missing = |feature| prepared.missing().iter().find(|m| m.feature == feature);
    // ABI 1 denies moving between directories with no way to allow it: stricter than asked.
    let refer = is_missing(Feature::File(Right::Refer)).expect("missing");
    assert!(!refer.weakens());
    let refused = fs::rename(scene.join("file"), scene.join("sub/file"));
    assert_eq!(common::errno(refused), libc::EXDEV);
    // It does not know of ports: weaker.
    assert!(is_missing(Feature::ConnectTcp).expect("missing").weakens());
    let answer = std::net::TcpStream::connect("127.0.0.1:1");
    assert_eq!(
        answer.expect_err("no listener").kind(),
        io::ErrorKind::ConnectionRefused
    );
}

#[test]
fn only_what_is_asked_for_is_missing() {
    let missing = |ruleset: Ruleset, abi| {
        let prepared = ruleset.prepare(&Support::of_abi(abi)).expect("prepare");
        let missing = prepared.missing().iter();
        missing.map(|m| m.feature.name()).collect::<Vec<_>>()
    };
    // The ruleset is made for ABI 4, which an older kernel would refuse.
    if probe().abi().map_or(0, |abi| abi.number()) < 4 {
        lacking("landlock abi 4 (linux 6.7)");
        return;
    }
    let files = || Ruleset::new().path("/", Access::Read);
    assert_eq!(missing(files(), 4), ["ioctl_dev", "resolve_unix"]);
    let all_but_sockets = Rights::ALL.without(Right::ResolveUnix);
    assert_eq!(missing(files().handle(all_but_sockets), 4), ["ioctl_dev"]);
    // A single right, and nothing that could be in force.
    let only = Rights::of(&[Right::Truncate]);
    assert_eq!(missing(files().handle(only), 2), ["truncate"]);
    assert_eq!(missing(Ruleset::new().bind_tcp([80]), 3), ["bind_tcp"]);
    let nothing = Ruleset::new().bind_tcp([80]).prepare(&Support::of_abi(3));
    let nothing = nothing.expect("prepare");
    assert_eq!(nothing.handled(), []);
    assert_eq!(nothing.descriptors().count(), 0);
    nothing
        .apply()
        .expect("there is nothing to do, nor to fail");
}

#[test]
fn errors_name_the_cause_and_the_remedy() {
    let error = |ruleset: &Ruleset, support: Support| {
        let error = ruleset.prepare(&support).expect_err("an error");
        error.to_string()
    };
    for reason in [Unavailable::NotBuilt, Unavailable::DisabledAtBoot] {
        let text = error(&everything(), Support::none(reason));
        assert!(text.contains(reason.remedy()), "{text}");
    }
    let some = Support::of_abi(1);
    assert!(error(&Ruleset::new(), some).contains("restricts nothing"));
    assert!(error(&Ruleset::new().log_denials(), some).contains("restricts nothing"));

    let read = |path: &str| Ruleset::new().path(path, Access::Read);
    assert!(error(&read("/nonexistent"), some).contains("\"/nonexistent\""));
    assert!(error(&read("/etc/\0"), some).contains("cannot open"));
    let inside = |path: &str| Ruleset::new().inside(path, Access::Read);
    assert!(error(&inside("work"), some).contains("must be absolute"));
    assert!(error(&inside("/work\0"), some).contains("NUL"));
}

#[test]
fn a_path_that_landlock_cannot_tie_a_rule_to_is_named() {
    if !host_has_landlock() {
        return;
    }
    let namespace = "/proc/self/ns/mnt";
    let ruleset = Ruleset::new()
        .path("/usr", Access::Read)
        .path(namespace, Access::Read);
    match ruleset.prepare(&probe()) {
        Err(PrepareError::Kernel { path, source }) => {
            assert_eq!(path.as_deref(), Some(std::path::Path::new(namespace)));
            assert_eq!((source.step, source.rule), (ApplyStep::AddHost, 1));
            assert_eq!(source.errno.raw(), libc::EBADFD);
        }
        other => panic!("{other:?}"),
    }
}
