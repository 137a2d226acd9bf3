//! Two sandboxes of one policy.

use crate::support::*;
use std::fs;

#[test]
fn sandboxes_do_not_see_each_other() {
    let name = secret();
    let (temporary, shared) = (format!("/tmp/{name}"), format!("/dev/shm/{name}"));
    let key = (std::process::id() as i32 | 0x4000_0000).to_string();
    let queue = format!("/{name}");
    let makers: [&[&str]; 2] = [
        &["ipc", "hold", &key, &queue],
        &["network", "serve-abstract", &name],
    ];
    let finders: [&[&str]; 6] = [
        &["files", "read", &temporary],
        &["files", "read", &shared],
        &["ipc", "shm-by-key", &key],
        &["ipc", "mq-open", &queue],
        &["network", "abstract", &name],
        &["files", "read", "/proc/3/environ"],
    ];
    let write: [&[&str]; 2] = [
        &["files", "write", &temporary, "mine"],
        &["files", "write", &shared, "mine"],
    ];

    // Behind the wall: two commands of one sandbox, and one of another with the same policy.
    let (sandbox, twin) = (build(wall()), build(wall()));
    let mut holders = Vec::new();
    for maker in makers {
        let mut arguments = Vec::new();
        for part in write {
            arguments.extend_from_slice(part);
            arguments.push("--");
        }
        arguments.extend_from_slice(maker);
        let mut holder = Waiting::inside(&sandbox, &arguments);
        let said = [holder.says(), holder.says(), holder.says()];
        assert!(
            done(&said[0]) && done(&said[1]) && said[2].starts_with("ready"),
            "{said:?}"
        );
        holders.push(holder);
    }
    let expected = [
        "ENOENT",
        "ENOENT",
        "ENOENT",
        "ENOENT",
        "ECONNREFUSED",
        "ENOENT",
    ];
    assert_eq!(inside(&sandbox, &finders), expected);
    assert_eq!(inside(&twin, &finders), expected);
    drop(holders);

    // Without it: two processes.
    let mut holders = Vec::new();
    for maker in makers {
        let mut holder = Waiting::outside(std::process::Command::new(ATTACKER).args(maker));
        assert!(holder.says().starts_with("ready"));
        holders.push(holder);
    }
    outside(&write);
    let answers = outside(&finders[..5]);
    let _ = (fs::remove_file(&temporary), fs::remove_file(&shared));
    for holder in &mut holders {
        holder.close();
    }
    assert!(answers.iter().all(|answer| done(answer)), "{answers:?}");
}

#[test]
fn what_one_command_leaves_in_tmp_the_next_does_not_find() {
    let sandbox = build(wall());
    let home = std::env::var("HOME").expect("a home");
    for place in ["/tmp", "/var/tmp", "/dev/shm", &home] {
        let path = format!("{place}/{}", secret());
        assert!(
            done(&one_inside(&sandbox, &["files", "write", &path, "mine"])),
            "{path}"
        );
        assert_eq!(one_inside(&sandbox, &["files", "read", &path]), "ENOENT");
        assert!(!fs::exists(&path).unwrap_or(false));
        if done(&one_outside(&["files", "write", &path, "mine"])) {
            assert_eq!(one_outside(&["files", "read", &path]), "done mine");
            fs::remove_file(&path).expect("removed");
        } else {
            assert!(!is_root(), "{path} cannot be written outside");
        }
    }
}
