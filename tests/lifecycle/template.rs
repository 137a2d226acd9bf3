//! From the second command on a sandbox builds only what each command has for itself: the walls are the same.

use crate::support::{is_root, says, sh};
use crate::trees::{Ground, with_attacker};
use cofferdam::{Sandbox, SandboxBuilder};
use cofferdam_tests::scenes::repository;
use std::fs;

const ANEW: [&str; 5] = ["pid", "net", "ipc", "mnt", "uts"];

fn direct(ground: &Ground) -> SandboxBuilder {
    repository::make(&ground.tree);
    with_attacker().workspace(&ground.tree)
}

fn namespace(sandbox: &Sandbox, kinds: &[&str]) -> Vec<String> {
    let files = kinds.iter().map(|kind| format!("/proc/self/ns/{kind}"));
    let files: Vec<_> = files.collect();
    let said = says(sandbox, &format!("readlink {}", files.join(" ")));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn the_walls_of_the_first_command_are_those_of_all() {
    let ground = Ground::new();
    let sandbox = direct(&ground).build().expect("a sandbox");
    // Without the numbers of mounts and devices, and how what covers other things is called.
    let script = "cut -d' ' -f5- /proc/self/mountinfo | sed 's/nr_inodes=[0-9]*,//' | sort; ls -lan / /dev /dev/shm /dev/pts ~ /tmp /etc | \
        awk '{print $1, $3, $4, $NF}'; cat /proc/self/limits; \
        grep -E 'Cap|Seccomp|NoNew|Uid|Gid|Groups|NSpid' /proc/self/status; ls /proc | grep '^[0-9]'; \
        hostname; cat /proc/sys/kernel/hostname; ls -a /proc/.cofferdam* ..; pwd; umask; ulimit -a";
    let first = says(&sandbox, script);
    assert!(
        first.contains("/dev/shm") && first.contains("CapEff"),
        "{first}"
    );
    for number in 2..5 {
        let next = says(&sandbox, script);
        let news: Vec<_> = next.lines().filter(|line| !first.contains(*line)).collect();
        assert!(next == first, "command {number}: {news:?}\n{first}\n{next}");
    }
}

#[test]
fn all_but_the_user_namespace_is_new() {
    let ground = Ground::new();
    let sandbox = direct(&ground).build().expect("a sandbox");
    let all: Vec<_> = (0..4).map(|_| namespace(&sandbox, &ANEW)).collect();
    for (index, kind) in ANEW.iter().enumerate() {
        let running = all.iter().map(|one| &one[index]);
        assert!(
            running.clone().all(|name| name.starts_with(kind)),
            "{all:?}"
        );
    }
    // Beside each other they are different; one after another a number may come again.
    let mut one = sandbox.start().expect("a session");
    let two = sandbox.start().expect("a session");
    let read = |session: &cofferdam::Session, kind: &str| {
        let output = session
            .command("/bin/sh")
            .args(["-c", &format!("readlink /proc/self/ns/{kind}")])
            .output();
        String::from_utf8_lossy(&output.expect("an answer").stdout)
            .trim()
            .to_owned()
    };
    for kind in ANEW {
        assert_ne!(read(&one, kind), read(&two, kind), "{kind}");
    }
    assert_eq!(read(&one, "user"), read(&two, "user"));
    // Where processes are counted in the user namespace, each has its own.
    if !is_root() {
        let limited = with_attacker()
            .workspace(&ground.tree)
            .limits(|limits| limits.processes(50))
            .build()
            .expect("a sandbox");
        let counts = limited.plan().to_string().contains("rlimit Nproc");
        let _ = limited.command("/bin/true").status();
        one = limited.start().expect("a session");
        let other = limited.start().expect("a session");
        assert_eq!(read(&one, "user") != read(&other, "user"), counts);
    }
    drop(one);
}

#[test]
fn a_protected_name_that_was_replaced_is_not_written_to() {
    let ground = Ground::new();
    let sandbox = direct(&ground).build().expect("a sandbox");
    let config = ground.tree.join(".git/config");
    let attack = "echo changed >> .git/config; echo changed >> plain";
    for _ in 0..3 {
        let _ = sh(&sandbox, attack).output().expect("an answer");
    }
    let before = fs::read_to_string(&config).expect("a file");
    assert!(!before.contains("changed"));
    // The control: what is not protected changes.
    assert!(
        fs::read_to_string(ground.tree.join("plain"))
            .expect("a file")
            .contains("changed")
    );
    // Renamed over, as git does it; and removed and made anew, which may give the same inode.
    for way in ["rename", "anew"] {
        match way {
            "rename" => {
                let beside = ground.tree.join(".git/config.lock");
                fs::write(&beside, &before).expect("a file");
                fs::rename(&beside, &config).expect("a name");
            }
            _ => {
                fs::remove_file(&config).expect("removed");
                fs::write(&config, &before).expect("a file");
            }
        }
        for _ in 0..2 {
            let done = sh(&sandbox, attack).output();
            let after = fs::read_to_string(&config).expect("a file");
            assert_eq!(after, before, "{way}: {done:?}");
        }
    }
    // A sandbox that is built anew protects the new file, and runs.
    let anew = with_attacker()
        .workspace(&ground.tree)
        .build()
        .expect("a sandbox");
    for _ in 0..3 {
        assert!(sh(&anew, "true").status().expect("it runs").success());
    }
}

#[test]
fn what_is_gone_from_the_host_is_refused_in_words() {
    let ground = Ground::new();
    let sandbox = direct(&ground).build().expect("a sandbox");
    for _ in 0..3 {
        assert!(sh(&sandbox, "true").status().expect("it runs").success());
    }
    let aside = ground.tree.with_extension("aside");
    fs::rename(&ground.tree, &aside).expect("a name");
    let refused = sh(&sandbox, "true").status();
    fs::rename(&aside, &ground.tree).expect("a name");
    let text = refused.expect_err("it is gone").to_string();
    assert!(text.contains(ground.tree.to_str().expect("text")), "{text}");
    assert!(sh(&sandbox, "true").status().expect("it is back").success());
}
