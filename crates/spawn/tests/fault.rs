//! Every operation of a whole plan made to fail: the program never runs, and nothing is left.

mod common;

use cofferdam_spawn::{Operation, Plan, SpawnError};
use cofferdam_sys::Errno;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What a failed spawn could leave behind in this process, and what it can see of the host.
#[derive(Debug, PartialEq)]
struct Evidence {
    descriptors: BTreeMap<i32, String>,
    children: Vec<String>,
    mounts: String,
    groups: Vec<String>,
    maps: usize,
    dumpable: usize,
}

/// The same once the thread that hears of calls has let go of the listener, which it does after the program's end.
fn settled(groups: &[std::path::PathBuf]) -> Evidence {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let found = evidence(groups);
        let listens = format!("{found:?}").contains("seccomp notify");
        if !listens || Instant::now() > until {
            return found;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn evidence(groups: &[std::path::PathBuf]) -> Evidence {
    let numbers = fs::read_dir("/proc/self/fd").expect("descriptors");
    let numbers: Vec<i32> = numbers
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let descriptors = numbers.into_iter().filter_map(|number| {
        let target = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        Some((number, target.display().to_string()))
    });
    let children = fs::read_dir("/proc/self/task").expect("threads");
    let children = children
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .filter(|text| !text.trim().is_empty());
    let below = groups
        .iter()
        .flat_map(|group| fs::read_dir(group).into_iter().flatten().flatten());
    let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Evidence {
        descriptors: descriptors.collect(),
        children: children.collect(),
        mounts: fs::read_to_string("/proc/self/mountinfo").expect("mounts"),
        groups: below
            .map(|entry| entry.path().display().to_string())
            .collect(),
        // The child's stack is a mapping with a guard page.
        maps: fs::read_to_string("/proc/self/maps")
            .expect("maps")
            .matches("---p")
            .count(),
        dumpable: cofferdam_sys::process::dumpable().expect("dumpable"),
    }
}

#[test]
fn a_failure_at_any_operation_starts_and_leaves_nothing() {
    let workspace = common::workspace();
    let null = common::null();
    let stdio = [null.as_fd(); 3];
    let command = common::sh("echo ran > /work/marker");
    let marker = workspace.path().join("marker");

    // The control: without a fault the program runs and leaves its mark.
    let plan = common::plan(workspace.path());
    let groups: Vec<_> = plan
        .layers()
        .cgroup
        .iter()
        .flat_map(|group| group.parent.directories())
        .collect();
    let mut process = plan.spawn(&command, stdio).expect("the plan works");
    let ended = process.wait(None).expect("wait").expect("an end");
    drop(process);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(marker.exists(), "the control left no mark");
    fs::remove_file(&marker).expect("remove");
    let session = plan.start().expect("the plan works");
    assert!(session.is_alive() && session.handed_out().is_some());
    let over = common::sh("echo ran > /over/marker && cat /over/marker");
    let mut process = session.spawn(&over, stdio).expect("a session works");
    let ended = process.wait(None).expect("wait").expect("an end");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!marker.exists(), "an overlay wrote through");
    drop((process, session));

    let before = evidence(&groups);
    let points = plan.operations().len();
    let mut kinds = BTreeMap::new();
    let layers = plan.layers();
    let redirects = layers
        .network
        .as_ref()
        .is_some_and(|network| network.redirect.is_some());
    println!(
        "{} namespaces, {points} operations",
        layers.namespaces.names().len()
    );
    drop(plan);
    // One plan for all points: preparing the layers anew for each would only repeat itself.
    let mut plan = Plan::new(common::observed(workspace.path()));
    // The thread that hears of calls starts with the first spawn.
    let mut process = plan.spawn(&command, stdio).expect("the plan works");
    process.wait(None).expect("wait").expect("an end");
    drop(process);
    fs::remove_file(&marker).expect("remove");
    let opened = settled(&groups);
    for index in (0..points).rev() {
        // From the last to the first, the newest fault is always the one that is met.
        let errno = Errno([libc::EPERM, libc::EIO, libc::ENOSPC, libc::ENOSYS][index % 4]);
        plan.danger_fail_at(index, errno);
        let errors = [
            plan.spawn(&command, stdio).map(drop),
            plan.start().map(drop),
        ];
        for error in errors {
            let error = error.expect_err("the fault");
            match &error {
                SpawnError::Operation {
                    index: at,
                    kind,
                    errno: got,
                    ..
                } => {
                    assert_eq!(
                        (*at, *kind, *got),
                        (index, Operation::Fail(errno.raw()), errno)
                    );
                }
                other => panic!("at {index}: {other:?}"),
            }
            let text = error.to_string();
            assert!(
                text.contains(&format!("step {index} ")) && text.contains(&errno.to_string()),
                "{text}"
            );
        }
        assert!(
            !marker.exists(),
            "the program ran although operation {index} failed"
        );
        assert_eq!(settled(&groups), opened, "after a fault at {index}");
        let next = plan.operations()[index + 1];
        *kinds
            .entry(
                format!("{next:?}")
                    .split('(')
                    .next()
                    .unwrap_or("")
                    .to_owned(),
            )
            .or_insert(0) += 1;
    }
    drop(plan);
    assert_eq!(before.children, opened.children);
    println!("{points} points of failure: {kinds:?}");
    let redirect = redirects.then_some(["Routes", "Redirect"]);
    for kind in [
        "Listen",
        "HandSocket",
        "NewSession",
        "BecomeIds",
        "Mount",
        "HandOut",
        "CloseDescriptors",
        "Rlimit",
        "DropCapabilities",
        "NoNewPrivs",
        "Landlock",
        "Seccomp",
        "ExecInit",
    ]
    .into_iter()
    .chain(redirect.into_iter().flatten())
    {
        assert!(
            kinds.contains_key(kind),
            "{kind} is not in the plan: {kinds:?}"
        );
    }
}
