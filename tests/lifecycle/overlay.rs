//! Overlays: the host stays as it is until changes are applied, and nothing of them is left.

use crate::support::{is_root, within};
use crate::trees::*;
use cofferdam::{ChangeKind, ConflictReason, PathRule, Refusal, Risk};
use cofferdam_tests::scenes::repository;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BOTH: [bool; 2] = [false, true];

#[test]
fn the_host_stays_as_it_is() {
    for disk in BOTH {
        let ground = Ground::full();
        let (before, list) = (ground.trace(), ground.list());
        let session = ground.session(disk);
        assert_eq!(
            inside(&session, &["trees", "change", text(&ground.tree)]),
            "done"
        );
        let seen = ground.list_inside(&session);
        assert_ne!(seen, list);
        assert_eq!(ground.stored().len(), usize::from(disk));
        // Nobody looks at the changes.
        drop(session);
        assert_eq!(ground.stored(), [] as [PathBuf; 0], "disk {disk}");
        assert_eq!(ground.trace(), before, "disk {disk}");

        // The control: written to directly, the host's files become what the program saw.
        let direct = build(with_attacker().workspace(&ground.tree));
        let session = started(&direct);
        assert_eq!(
            inside(&session, &["trees", "change", text(&ground.tree)]),
            "done"
        );
        let without_times = |list: &[String]| {
            let cut = |line: &String| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
            list.iter().map(cut).collect::<Vec<_>>()
        };
        assert_eq!(without_times(&ground.list()), without_times(&seen));
    }
}

#[test]
fn a_command_alone_leaves_nothing() {
    for disk in BOTH {
        let ground = Ground::full();
        let before = ground.trace();
        let sandbox = ground.overlay(disk);
        for _ in 0..2 {
            // Each begins with the host's files.
            let attack = ["trees", "change", text(&ground.tree)];
            let output = sandbox.command("/attacker").args(attack).output();
            let output = output.expect("the attacker");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
        }
        drop(sandbox);
        assert_eq!(ground.trace(), before);
        assert_eq!(ground.stored(), [] as [PathBuf; 0]);
    }
}

#[test]
fn applying_all_makes_the_host_what_the_program_saw() {
    for disk in BOTH {
        let ground = Ground::full();
        let session = ground.session(disk);
        assert_eq!(
            inside(&session, &["trees", "change", text(&ground.tree)]),
            "done"
        );
        let seen = ground.list_inside(&session);
        let found = session.changes().expect("changes");
        drop(session);
        let applied = apply_all(&found);
        assert!(applied.applied > 20, "{applied:?}");
        same(&ground.list(), &seen);
        let inode = |path: &str| fs::metadata(ground.tree.join(path)).expect("a file").ino();
        assert_eq!(inode("second-name"), inode("one-name"));
        assert_eq!(inode("added/second"), inode("added/first"));
        // What has been applied is no change any more.
        assert!(found.is_empty().expect("readable"), "{:?}", changes(&found));
        assert_eq!(apply_all(&found).applied, 0);
        same(&ground.list(), &seen);
        drop(found);
        assert_eq!(ground.stored(), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_part_is_applied() {
    for disk in BOTH {
        let ground = Ground::full();
        let before = ground.list();
        let session = ground.session(disk);
        inside(&session, &["trees", "change", text(&ground.tree)]);
        let found = session.changes().expect("changes");
        session.end();
        // What is in a directory that is not applied cannot be.
        let applied = apply(&found, |change| change.path.ends_with("added/first"));
        assert_eq!(applied.applied, 0);
        assert!(
            matches!(applied.refused[0].reason, Refusal::Parent),
            "{applied:?}"
        );
        assert_eq!(ground.list(), before);
        let chosen = ["modified", "removed", "added", "added/first"];
        let applied = apply(&found, |change| {
            chosen.iter().any(|path| change.path.ends_with(path))
        });
        assert!(applied.is_complete(), "{applied:?}");
        assert_eq!(applied.applied, 4);
        assert_eq!(ground.read("modified"), "new\nline\n");
        assert!(!ground.tree.join("removed").exists());
        assert_eq!(ground.read("added/first"), "twice");
        let touched = |line: &&String| {
            let is = |path: &str| line.starts_with(&format!("{path:?} "));
            !chosen.iter().any(|path| is(path)) && !line.starts_with("\"\" ")
        };
        let rest: Vec<_> = before.iter().filter(touched).cloned().collect();
        let now = ground.list();
        assert_eq!(
            now.iter().filter(touched).cloned().collect::<Vec<_>>(),
            rest
        );
        // The rest later, from the same session.
        apply_all(&found);
        assert_eq!(ground.read("moved-directory/two/three"), "three");
    }
}

#[test]
fn what_the_host_changed_meanwhile_is_a_conflict() {
    for disk in BOTH {
        let ground = Ground::full();
        let session = ground.session(disk);
        inside(&session, &["trees", "change", text(&ground.tree)]);
        settle();
        ground.write("modified", "the host's\n");
        fs::remove_file(ground.tree.join("appended")).expect("removed");
        ground.write("program", "the host's\n");
        ground.write("removed", "the host's\n");
        ground.write("directory-to-move/two/three", "the host's");
        let found = session.changes().expect("changes");
        drop(session);
        let applied = apply(&found, |change| {
            // After the change was shown, before it is applied.
            if change.path.ends_with("sparse") {
                ground.write("sparse", "the host's\n");
            }
            true
        });
        let reason = |path: &str| {
            let mut all = applied.conflicts.iter();
            let found = all.find(|conflict| conflict.path.ends_with(path));
            found.map(|conflict| conflict.reason)
        };
        assert_eq!(
            reason("modified"),
            Some(ConflictReason::Changed),
            "{applied:?}"
        );
        assert_eq!(
            reason("appended"),
            Some(ConflictReason::Gone),
            "{applied:?}"
        );
        assert_eq!(
            reason("program"),
            Some(ConflictReason::Changed),
            "{applied:?}"
        );
        assert_eq!(
            reason("sparse"),
            Some(ConflictReason::Appeared),
            "{applied:?}"
        );
        assert_eq!(
            reason("removed"),
            Some(ConflictReason::Changed),
            "{applied:?}"
        );
        for path in ["modified", "program", "removed", "sparse"] {
            assert_eq!(ground.read(path), "the host's\n", "{path}");
        }
        assert_eq!(ground.read("directory-to-move/two/three"), "the host's");
        assert!(!ground.tree.join("appended").exists());
        // What has nothing to do with it is applied.
        assert_eq!(ground.read("added/first"), "twice");
    }
}

#[test]
fn owners_are_those_of_the_tree() {
    // On a root host the sandbox runs under an id that nobody has; an ordinary user has one.
    let own = fs::metadata("/proc/self").expect("/proc/self").uid();
    let owners = if is_root() {
        vec![0, 1000, 4242]
    } else {
        vec![own]
    };
    for (owner, disk) in owners
        .into_iter()
        .flat_map(|owner| BOTH.map(|disk| (owner, disk)))
    {
        let ground = Ground::full();
        if is_root() {
            let mut all = Command::new("chown");
            all.args(["-R", &format!("{owner}:{owner}"), text(&ground.tree)]);
            assert!(all.status().expect("chown").success());
            // One that belongs to somebody else stays so.
            ground.write("of-another", "another's");
            chown(ground.tree.join("of-another"), Some(7), Some(7)).expect("an owner");
        }
        let session = ground.session(disk);
        inside(&session, &["trees", "change", text(&ground.tree)]);
        let ids = script(
            &session,
            "stat -c %u:%g . modified added added/deep/file; id -u; id -g",
        );
        let ids: Vec<_> = ids.lines().collect();
        let id = format!("{}:{}", ids[4], ids[5]);
        assert_eq!(ids[..4], [id.as_str(); 4], "all files are the program's");
        let found = session.changes().expect("changes");
        drop(session);
        let all = changes(&found);
        assert!(!all.contains_key("of-another"));
        assert!(
            all.values()
                .all(|change| { change.after.as_ref().is_none_or(|after| after.uid == owner) })
        );
        apply_all(&found);
        for path in [
            "modified",
            "added",
            "added/deep/file",
            "link",
            "moved-directory/two/three",
        ] {
            let data = fs::symlink_metadata(ground.tree.join(path)).expect("a file");
            assert_eq!((data.uid(), data.gid()), (owner, data.gid()), "{path}");
        }
        if is_root() {
            let data = fs::metadata(ground.tree.join("of-another")).expect("a file");
            assert_eq!((data.uid(), data.gid()), (7, 7));
        }
    }
}

#[test]
fn changes_are_seen_while_the_session_lives() {
    for disk in BOTH {
        let ground = Ground::full();
        let session = ground.session(disk);
        let found = session.changes().expect("changes");
        assert!(found.is_empty().expect("readable"));
        script(&session, "echo one > one");
        assert_eq!(kinds(&changes(&found)), [("one", ChangeKind::Added)].into());
        script(&session, "rm one; echo two > two");
        let again = session.changes().expect("changes");
        assert_eq!(kinds(&changes(&again)), [("two", ChangeKind::Added)].into());
        apply_all(&again);
        assert_eq!(ground.read("two"), "two\n");
        // What the first has applied is known to the second.
        script(&session, "echo three >> two");
        drop(session);
        apply_all(&found);
        assert_eq!(ground.read("two"), "two\nthree\n", "disk {disk}");
    }
}

#[test]
fn several_overlays_and_rules_around_them() {
    for disk in BOTH {
        let (ground, other) = (Ground::full(), Ground::full());
        ground.write("written/file", "old");
        ground.write("hidden/file", "secret");
        ground.write("shown/file", "shown");
        ground.write("outer/over/file", "old");
        let upper = ground.upper(disk);
        let sandbox = build(
            with_attacker()
                .overlay_workspace(&ground.tree)
                .filesystem(|files| {
                    files
                        .upper(upper)
                        .rule(PathRule::overlay(&other.tree).at("/other"))
                        .write(ground.tree.join("written"))
                        .hide(ground.tree.join("hidden"))
                        .read(ground.tree.join("shown"))
                        .read(ground.tree.join("outer"))
                        .overlay(ground.tree.join("outer/over"))
                }),
        );
        let session = started(&sandbox);
        script(
            &session,
            "echo new > written/file; echo new > outer/over/file; echo new > modified
             echo new > /other/modified; test -z \"$(ls hidden)\"
             ! echo new > shown/file; ! echo new > outer/file; ! mv shown aside; ! mv outer aside",
        );
        assert_eq!(
            ground.read("written/file"),
            "new\n",
            "a rule that writes goes through"
        );
        assert_eq!(ground.read("outer/over/file"), "old");
        let found = session.changes().expect("changes");
        drop(session);
        let mut paths = Vec::new();
        for overlay in found.overlays() {
            for change in overlay.changes().expect("readable") {
                let change = change.expect("readable");
                paths.push((overlay.path().join(&change.path), change.kind));
            }
            assert!(overlay.apply(|_| true).expect("applied").is_complete());
        }
        paths.sort_by(|one, other| one.0.cmp(&other.0));
        let mut expected = vec![
            (ground.tree.join("modified"), ChangeKind::Modified),
            (ground.tree.join("outer/over/file"), ChangeKind::Modified),
            (other.tree.join("modified"), ChangeKind::Modified),
        ];
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(paths, expected);
        assert_eq!(other.read("modified"), "new\n");
        assert_eq!(ground.read("hidden/file"), "secret");
    }
}

#[test]
fn ten_thousand_files_are_quick() {
    // On disk the time is the disk's.
    for (disk, count) in [(false, 10_000), (true, 1_000)] {
        let ground = Ground::new();
        let session = ground.session(disk);
        let many = text(&ground.tree).to_owned() + "/many";
        let made = inside(&session, &["trees", "many", &many, &count.to_string()]);
        assert_eq!(made, format!("done {count}"));
        let found = session.changes().expect("changes");
        let start = Instant::now();
        let all = count + count / 100 + 1;
        assert_eq!(changes(&found).len(), all);
        let listed = start.elapsed();
        drop(session);
        let start = Instant::now();
        assert_eq!(apply_all(&found).applied, all as u64);
        let applied = start.elapsed();
        let start = Instant::now();
        drop(found);
        let removed = start.elapsed();
        println!("{count} files: listed {listed:?}, applied {applied:?}, removed {removed:?}");
        assert!(listed < Duration::from_secs(5), "{listed:?}");
        assert!(applied < Duration::from_secs(60), "{applied:?}");
        assert_eq!(ground.read(&format!("many/d0/f{}", 99)), "99");
        assert!(ground.stored().is_empty());
    }
}

#[test]
fn git_works_in_an_overlay_and_its_work_is_applied() {
    for disk in BOTH {
        let ground = Ground::new();
        let origin = ground
            .held
            .path()
            .canonicalize()
            .expect("a path")
            .join("origin");
        repository::make(&origin);
        let repo = ground.tree.join("repo");
        repository::make(&repo);
        fs::write(repo.join("file"), "one\nlocal\n").expect("a file");
        let upper = ground.upper(disk);
        let sandbox = build(
            with_attacker()
                .overlay_workspace(&ground.tree)
                .read(&origin),
        );
        let sandbox = build(sandbox_builder(&sandbox).filesystem(|files| files.upper(upper)));
        settle();
        let session = started(&sandbox);
        let git = "export GIT_CONFIG_GLOBAL=/tmp/config
            git config --global user.name t; git config --global user.email t@example.org
            git config --global safe.directory '*'; git config --global gc.auto 0";
        let work = "
            cd repo; git stash -q; test \"$(cat file)\" = one
            git checkout -q -b topic; echo topic > topic; git add .; git commit -q -m topic
            git checkout -q main; echo main > main; git add .; git commit -q -m main
            git checkout -q topic; git rebase -q main; git stash pop -q
            test \"$(git log --format=%s | tr '\\n' ' ')\" = 'topic main one '
            git commit -q -a -m local; git gc -q; git fsck --no-progress
            cd ..; git clone -q ORIGIN clone; cd clone; git mv file renamed; git commit -q -m renamed";
        script(
            &session,
            &(git.to_owned() + &work.replace("ORIGIN", text(&origin))),
        );
        assert_eq!(
            repository::git(&repo, ["log", "--format=%s"]),
            "one",
            "not yet"
        );
        let found = session.changes().expect("changes");
        drop(session);
        let dangerous = changes(&found);
        let config = &dangerous["clone/.git/config"];
        assert!(
            config
                .risks
                .iter()
                .any(|risk| matches!(risk, Risk::Named(_))),
            "{config}"
        );
        apply_all(&found);
        let log = repository::git(&repo, ["log", "--format=%s"]);
        assert_eq!(log, "local\ntopic\nmain\none");
        repository::git(&repo, ["fsck", "--strict", "--no-progress"]);
        assert_eq!(repository::git(&repo, ["status", "--porcelain"]), "");
        let clone = ground.tree.join("clone");
        assert_eq!(
            repository::git(&clone, ["log", "--format=%s"]),
            "renamed\none"
        );
        assert_eq!(repository::git(&clone, ["status", "--porcelain"]), "");
    }
}

/// A builder with the policy of a sandbox.
fn sandbox_builder(sandbox: &cofferdam::Sandbox) -> cofferdam::SandboxBuilder {
    cofferdam::Sandbox::builder().policy(sandbox.policy().clone())
}

#[test]
fn a_program_that_closes_its_directories_hides_nothing() {
    for disk in BOTH {
        let ground = Ground::full();
        let session = ground.session(disk);
        script(
            &session,
            "mkdir closed; echo x > closed/file; chmod 0 closed/file closed modified .",
        );
        let found = session.changes().expect("changes");
        drop(session);
        let all = changes(&found);
        assert_eq!(all["closed/file"].kind, ChangeKind::Added);
        assert_eq!(all["modified"].kind, ChangeKind::Metadata);
        assert_eq!(all["modified"].after.as_ref().expect("there").mode, 0);
        let applied = apply(&found, |change| change.path.starts_with("closed"));
        assert!(applied.is_complete(), "{applied:?}");
        let closed = ground.tree.join("closed");
        assert_eq!(fs::metadata(&closed).expect("there").mode() & 0o777, 0);
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).expect("a mode");
        drop(found);
        assert_eq!(ground.stored(), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_tree_behind_a_link_is_the_same_tree() {
    for (disk, parent) in BOTH
        .into_iter()
        .flat_map(|disk| ["/tmp", "/var/tmp"].map(|parent| (disk, parent)))
    {
        // Inside, `/var/tmp` is a link to `/tmp` where nothing lies in it.
        let ground = Ground::in_directory(std::path::Path::new(parent));
        ground.fill();
        let link = ground.held.path().join("link");
        std::os::unix::fs::symlink(&ground.tree, &link).expect("a link");
        for path in [&link, &ground.tree] {
            let upper = ground.upper(disk);
            let builder = with_attacker().overlay_workspace(path);
            settle();
            let sandbox = builder.filesystem(|files| files.upper(upper)).build();
            let sandbox = sandbox.expect("it can be built");
            let session = started(&sandbox);
            script(&session, "echo new > new; echo new > modified");
            let found = session.changes().expect("changes");
            drop(session);
            let expected = [
                ("modified", ChangeKind::Modified),
                ("new", ChangeKind::Added),
            ];
            assert_eq!(
                kinds(&changes(&found)),
                expected.into(),
                "{}",
                path.display()
            );
            assert_eq!(ground.read("modified"), "old\nline\n");
        }
    }
}

/// Set in the host that is to be killed: where its tree and its store are.
const VICTIM: &str = "COFFERDAM_TEST_VICTIM";

#[test]
fn layers_of_a_killed_host_are_removed() {
    if let Some(base) = std::env::var_os(VICTIM) {
        return victim(base.as_ref());
    }
    let ground = Ground::full();
    let before = ground.trace();
    let exe = std::env::current_exe().expect("this program");
    let name = "overlay::layers_of_a_killed_host_are_removed";
    let host = Command::new(exe)
        .args(["--exact", name, "--nocapture"])
        .env(VICTIM, ground.held.path().canonicalize().expect("a path"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let host = Host(host);
    let ready = ground.store.join("ready");
    assert!(within(Duration::from_secs(20), || ready.exists()));
    fs::remove_file(&ready).expect("removed");
    // That of the sandbox, and that of its session.
    assert_eq!(ground.stored().len(), 2);
    // One of a host that lives is left alone.
    let living = ground.session(true);
    drop(host);
    // What watches the host removes them, or the next start, whichever comes first.
    let next = ground.overlay(true);
    let gone = within(Duration::from_secs(10), || ground.stored().len() == 2);
    assert!(gone, "{:?}", ground.stored());
    script(&living, "echo alive > alive; cat alive");
    drop((next, living));
    assert_eq!(ground.stored(), [] as [PathBuf; 0]);
    assert_eq!(ground.trace(), before);
}

/// A host that is killed when it is dropped.
struct Host(std::process::Child);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has a session with changes, says so and waits for its death.
fn victim(base: &std::path::Path) {
    let (tree, store) = (base.join("tree"), base.join("store"));
    let upper = cofferdam::policy::Upper::Disk(Some(store.clone()));
    let builder = with_attacker().overlay_workspace(&tree);
    let sandbox = build(builder.filesystem(|files| files.upper(upper)));
    let session = started(&sandbox);
    inside(&session, &["trees", "change", text(&tree)]);
    inside(
        &session,
        &["trees", "deep", text(&tree.join("deep")), "200"],
    );
    fs::write(store.join("ready"), "").expect("a file");
    std::thread::sleep(Duration::from_secs(60));
}
