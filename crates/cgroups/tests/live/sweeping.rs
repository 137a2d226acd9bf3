//! What hosts leave behind when they are killed.

use crate::support::{MIB, NONE, assert_gone, group, remove, start, wait};
use cofferdam_cgroups::{Limits, sweep};
use std::fs;
use std::os::unix::process::ExitStatusExt;

#[test]
fn what_a_dead_host_left_is_swept() {
    let limits = Limits {
        memory: Some(64 * MIB),
        processes: Some(16),
        ..NONE
    };
    let Some((parent, group)) = group(&limits) else {
        return;
    };
    let child = start(&group, "sleep", &["60"]);
    let mut left = Vec::new();
    for directory in parent.directories() {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let (_, rest) = name.split_once('-').unwrap();
        // Past pid_max of every kernel: no such process can be.
        let dead = directory.with_file_name(format!("4194399-{rest}"));
        fs::create_dir_all(dead.join("1")).unwrap();
        fs::write(dead.join("1/cgroup.procs"), child.id().to_string()).unwrap();
        left.push(dead);
    }
    // Not ours: never touched.
    let other = parent.directories()[0].with_file_name("4194399-somebody");
    fs::create_dir_all(&other).unwrap();
    let report = sweep().unwrap();
    assert_eq!(report.failed, []);
    assert!(
        !left.iter().any(|directory| directory.exists()),
        "{report:?}"
    );
    assert!(
        parent
            .directories()
            .iter()
            .all(|own| report.alive.contains(own)),
        "{report:?}"
    );
    assert!(other.exists());
    fs::remove_dir(&other).unwrap();
    assert_eq!(wait(child).signal(), Some(libc::SIGKILL));
    assert!(group.paths().iter().all(|path| path.exists()));
    remove(group);
    assert_gone(parent);
}
