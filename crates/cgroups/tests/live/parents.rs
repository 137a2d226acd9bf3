//! Where groups are made: in a directory shared by threads, named by the host, or below a leaf
//! that the host moves into.

use crate::support::{NONE, assert_gone, expects_full, is_root, parent, remove, start, wait};
use cofferdam_cgroups::{
    Figures, Limits, MoveError, Parent, PrepareError, danger_move_self_into_leaf, probe,
};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[test]
fn many_threads_make_and_remove_groups() {
    let limits = Limits {
        processes: Some(16),
        ..NONE
    };
    let Some(parent) = parent(&limits, Figures::Minimal) else {
        return;
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let parent = parent.clone();
            std::thread::spawn(move || {
                for _ in 0..5 {
                    let group = Arc::new(parent.create(&limits).unwrap());
                    assert!(wait(start(&group, "true", &[])).success());
                    remove(group);
                    // Others come and go in the same directory.
                    drop(Parent::prepare(&limits).unwrap());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_gone(parent);
}

#[test]
fn an_explicit_base_must_be_a_group_of_v2() {
    let directory = tempfile::tempdir().unwrap();
    for base in [
        directory.path(),
        Path::new("/nowhere"),
        Path::new("relative"),
    ] {
        match Parent::prepare_in(base, &NONE, Figures::Minimal) {
            Err(PrepareError::Unavailable(refusal)) => assert_eq!(refusal.file, base),
            other => panic!("{other:?}"),
        }
    }
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
}

/// In a process of its own, as it moves the process that calls it.
#[test]
fn a_host_that_says_so_moves_into_a_leaf() {
    const ROLE: &str = "COFFERDAM_TEST_MOVES_ITSELF";
    let own = || {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
        groups
            .lines()
            .find_map(|line| line.strip_prefix("0::"))
            .map(str::to_owned)
    };
    if std::env::var_os(ROLE).is_some() {
        let before = own().unwrap();
        let leaf = danger_move_self_into_leaf().unwrap();
        assert!(leaf.ends_with("cofferdam-host"));
        let expected = format!("{}/cofferdam-host", before.trim_end_matches('/'));
        assert_eq!(own(), Some(expected));
        println!("leaf: {}", leaf.display());
        return;
    }
    if let Err(refusal) = &probe().life {
        println!("not available on this host: {refusal}");
        let error = danger_move_self_into_leaf().unwrap_err();
        assert!(
            matches!(error, MoveError::File { .. } | MoveError::Unavailable(_)),
            "{error:?}"
        );
        assert!(!(expects_full() && is_root()), "{refusal}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "parents::a_host_that_says_so_moves_into_a_leaf",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let leaf = text
        .lines()
        .find_map(|line| line.split_once("leaf: "))
        .map(|(_, leaf)| leaf);
    if let Some(leaf) = leaf {
        fs::remove_dir(leaf).unwrap();
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && leaf.is_some(), "{text} {errors}");
}
