//! Overlays: nothing reaches the host but what is applied, and what is shown harms nobody.

use crate::common::{Ended, call, cofferdam, directory, finish, run, text, walls};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

/// A file changed, one removed, some made, and two that are risky.
const SCRIPT: &str = "echo more >> kept; rm gone; mkdir -p new/deep; echo 1 > new/deep/one; \
                      echo 2 > new/two; echo '#!/bin/sh' > tool; chmod +x tool; ln -s /etc/passwd out";

fn workspace() -> tempfile::TempDir {
    let here = directory();
    fs::write(here.path().join("kept"), "as it was\n").expect("write");
    fs::write(here.path().join("gone"), "x\n").expect("write");
    here
}

fn overlay(here: &Path, options: &[&str], script: &str) -> Ended {
    let options = [&["--overlay", "-w", text(here)], options].concat();
    run(&options, &["sh", "-c", script])
}

/// What is there, as one line.
fn files(here: &Path) -> String {
    let script = "find . -mindepth 1 | sort | tr '\\n' ' '; cat kept | wc -l";
    let found = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(here)
        .output();
    String::from_utf8(found.expect("sh").stdout).expect("text")
}

const UNTOUCHED: &str = "./gone ./kept 1\n";

#[test]
fn nothing_is_applied_without_a_word() {
    if walls() {
        let here = workspace();
        let ended = overlay(
            here.path(),
            &[],
            &format!("{SCRIPT}; cat kept new/two; exit 5"),
        );
        assert_eq!(ended.stdout, "as it was\nmore\n2\n", "{ended:?}");
        assert_eq!(files(here.path()), UNTOUCHED);
        let said = ended.expect(5).stderr;
        for part in [
            "8 changes in",
            "6 added, 1 modified, 1 removed",
            "2 risky",
            "out -> /etc/passwd",
            "newly executable",
            "new/deep/one",
            "nothing was applied",
            "--apply",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        // The control: the same without an overlay.
        run(&["-w", text(here.path())], &["sh", "-c", SCRIPT]).expect(0);
        assert_eq!(
            files(here.path()),
            "./kept ./new ./new/deep ./new/deep/one ./new/two ./out ./tool 2\n"
        );
    }
}

#[test]
fn all_is_all_but_the_risky() {
    if walls() {
        let here = workspace();
        let ended = overlay(here.path(), &["--apply", "all"], SCRIPT).expect(0);
        assert_eq!(
            files(here.path()),
            "./kept ./new ./new/deep ./new/deep/one ./new/two 2\n"
        );
        for part in [
            "6 changes applied",
            "2 risky changes were left out",
            "--apply-risky",
        ] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
        let options = ["--apply", "all", "--apply-risky"];
        overlay(
            here.path(),
            &options,
            "ln -s /etc/passwd out; echo > .mcp.json",
        )
        .expect(0);
        assert!(here.path().join("out").is_symlink());
        assert!(here.path().join(".mcp.json").exists());
        let none = overlay(here.path(), &["--apply", "none"], "rm -r new").expect(0);
        assert!(none.stderr.contains("nothing was applied"), "{none:?}");
        assert!(here.path().join("new/two").exists());
    }
}

#[test]
fn patterns_take_what_leads_there_along() {
    if walls() {
        let here = workspace();
        overlay(here.path(), &["--apply", "new/deep/*"], SCRIPT).expect(0);
        assert_eq!(
            files(here.path()),
            "./gone ./kept ./new ./new/deep ./new/deep/one 1\n"
        );
        let ended = overlay(
            here.path(),
            &["--apply", "kept", "--apply", "t*", "--apply", "no/pe"],
            SCRIPT,
        );
        let ended = ended.expect(0);
        // `tool` is named, and risky.
        assert_eq!(
            files(here.path()),
            "./gone ./kept ./new ./new/deep ./new/deep/one 2\n"
        );
        assert!(
            ended.stderr.contains("no change is named by --apply no/pe"),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains("1 risky change was left out"),
            "{ended:?}"
        );
        overlay(here.path(), &["--apply", "tool", "--apply-risky"], SCRIPT).expect(0);
        let mode = fs::metadata(here.path().join("tool"))
            .expect("made")
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111);
    }
}

#[test]
fn what_is_in_a_risky_directory_is_left_out_with_it() {
    if walls() {
        let here = workspace();
        let script =
            "mkdir \"$(printf 'odd\\001')\"; cd odd*; echo x > plain; cd ..; echo y > plain";
        let ended = overlay(here.path(), &["--apply", "all"], script).expect(0);
        assert_eq!(files(here.path()), "./gone ./kept ./plain 1\n", "{ended:?}");
        assert!(
            ended.stderr.contains("1 change left out, being in"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_file_of_the_host_does_not_give_way_unnamed() {
    if walls() {
        let here = workspace();
        let script = "rm gone; mkdir gone; echo x > gone/one";
        let ended = overlay(here.path(), &["--apply", "gone/one"], script).expect(0);
        assert_eq!(files(here.path()), UNTOUCHED, "{ended:?}");
        assert!(
            ended.stderr.contains("1 change left out, being in"),
            "{ended:?}"
        );
        overlay(here.path(), &["--apply", "gone"], script).expect(0);
        assert!(here.path().join("gone/one").exists(), "the control");
    }
}

#[test]
fn a_conflict_is_122_and_said() {
    if walls() {
        let here = workspace();
        let mut command = cofferdam();
        command.args([
            "run",
            "--overlay",
            "-w",
            text(here.path()),
            "--apply",
            "all",
            "--",
        ]);
        command.args([
            "sh",
            "-c",
            "echo inside > kept; echo y > new; echo ready; read -r line",
        ]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("start");
        let mut stdin = child.stdin.take().expect("piped");
        let mut line = [0; 6];
        child
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut line)
            .expect("ready");
        fs::write(here.path().join("kept"), "the host's, meanwhile\n").expect("write");
        stdin.write_all(b"\n").expect("write");
        drop(stdin);
        let ended = finish(child).expect(122);
        assert!(
            ended.stderr.contains("in conflict with the host's files"),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains("kept: the host changed it"),
            "{ended:?}"
        );
        let kept = fs::read_to_string(here.path().join("kept")).expect("read");
        assert_eq!(kept, "the host's, meanwhile\n");
        assert!(here.path().join("new").exists(), "the other was applied");
    }
}

#[test]
fn what_is_refused_is_122_and_said() {
    if walls() {
        let here = workspace();
        let options = ["--apply", "all", "--apply-risky"];
        let ended = overlay(here.path(), &options, "mkfifo pipe; echo y > new").expect(122);
        assert!(ended.stderr.contains("pipe: devices, FIFOs"), "{ended:?}");
        assert_eq!(files(here.path()), "./gone ./kept ./new 1\n");
    }
}

#[test]
fn differences_are_shown_where_asked_for() {
    if walls() {
        let here = workspace();
        let plain = overlay(here.path(), &[], SCRIPT).expect(0);
        assert!(!plain.stderr.contains("+more"), "{plain:?}");
        let ended = overlay(here.path(), &["--diff"], SCRIPT).expect(0);
        for part in ["--- a/kept", "+++ b/kept", " as it was", "+more"] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
        assert_eq!(files(here.path()), UNTOUCHED);
    }
}

#[test]
fn long_differences_are_cut() {
    if walls() {
        let here = workspace();
        let script = "seq 1 5000 > long; head -c 100000 /dev/zero | tr '\\0' x > wide; echo x > z";
        let ended = overlay(here.path(), &["--diff"], script).expect(0);
        assert!(ended.stderr.lines().count() < 2100);
        assert!(ended.stderr.contains("+1990\n"), "{}", ended.stderr.len());
        assert!(
            ended.stderr.contains("and more: "),
            "{}",
            ended.stderr.len()
        );
        let script = "head -c 100000 /dev/zero | tr '\\0' x > wide";
        let ended = overlay(here.path(), &["--diff"], script).expect(0);
        assert!(
            ended.stderr.contains("xxx … and more"),
            "{}",
            ended.stderr.len()
        );
        assert!(ended.stderr.len() < 5000, "{}", ended.stderr.len());
    }
}

#[test]
fn a_policy_may_have_overlays_of_its_own() {
    if walls() {
        let (here, other) = (workspace(), workspace());
        let file = here.path().join("policy.toml");
        let body = format!("[filesystem]\noverlay = [\"{}\"]\n", text(other.path()));
        fs::write(&file, body).expect("write");
        let script = format!("echo a > a; echo b > {}/b", text(other.path()));
        let options = ["-p", text(&file), "--apply", "b"];
        let ended = overlay(here.path(), &options, &script).expect(0);
        for path in [here.path(), other.path()] {
            let part = format!("1 change in {}", text(path));
            assert!(ended.stderr.contains(&part), "{part}: {ended:?}");
        }
        assert!(!here.path().join("a").exists() && other.path().join("b").exists());
    }
}

#[test]
fn hostile_names_and_contents_do_not_steer_the_terminal() {
    if walls() {
        let here = workspace();
        let script = "n=$(printf 'x\\033[2J\\ny\\302\\233\\342\\200\\256z'); printf 'a\\033]0;t\\007\\n' > \"$n\"; \
                      ln -s \"$n\" link; mkdir \"$n.d\"; mkfifo \"$n.d/pipe\"; printf '\\033[2J\\n' > kept";
        let options = ["--diff", "--apply", "all", "--apply-risky"];
        let ended = overlay(here.path(), &options, script).expect(122);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ended.stderr.contains(bad), "{:?}", ended.stderr);
        assert!(ended.stderr.contains(r"\u{1b}[2J"), "{:?}", ended.stderr);
        let forged = ended.stderr.lines().any(|line| line.starts_with('y'));
        assert!(!forged, "{:?}", ended.stderr);
    }
}

#[test]
fn many_changes_do_not_hide_a_risky_one() {
    if walls() {
        let here = workspace();
        let script = "mkdir .git; mkdir .git/hooks; seq 1 3000 | while read n; do echo > a$n; done; \
                      echo 'evil' > .git/hooks/post-checkout";
        let ended = overlay(here.path(), &[], script).expect(0);
        assert!(
            ended.stderr.lines().count() < 250,
            "{}",
            ended.stderr.lines().count()
        );
        assert!(
            ended.stderr.contains(".git/hooks/post-checkout"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("more\n"), "{ended:?}");
    }
}

#[test]
fn the_upper_layer_is_bounded_or_on_disk() {
    if walls() {
        let (here, place) = (workspace(), directory());
        // Throw-away ids have to get there.
        let passable = fs::Permissions::from_mode(0o711);
        fs::set_permissions(place.path(), passable).expect("chmod");
        let big = "head -c 3000000 /dev/zero > big && echo written";
        let small = overlay(here.path(), &["--upper", "1MiB"], big);
        assert_eq!(small.stdout, "", "{small:?}");
        let large = overlay(here.path(), &["--upper", "64MiB"], big);
        assert_eq!(large.stdout, "written\n", "{large:?}");
        let disk = format!("disk:{}", text(place.path()));
        let ended = overlay(here.path(), &["--upper", &disk, "--apply", "big"], big);
        assert_eq!(ended.stdout, "written\n", "{ended:?}");
        assert_eq!(
            fs::metadata(here.path().join("big"))
                .expect("applied")
                .len(),
            3_000_000
        );
        let left = fs::read_dir(place.path()).expect("read").count();
        assert_eq!(left, 0, "layers were left");
    }
}

#[test]
fn what_is_left_running_is_ended_before_anything_is_applied() {
    if walls() {
        let here = workspace();
        let script = "setsid sh -c 'while :; do echo x >> late; sleep 0.01; done' >/dev/null 2>&1 & \
                      sleep 0.2; exit 0";
        overlay(here.path(), &["--apply", "all"], script).expect(0);
        let size = || {
            fs::metadata(here.path().join("late"))
                .expect("applied")
                .len()
        };
        let before = size();
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(size(), before);
    }
}

#[test]
fn usage_is_still_told() {
    if walls() {
        let here = workspace();
        let ended = overlay(here.path(), &["--usage", "--enforcement"], "true").expect(0);
        for part in ["wall clock", "seccomp", "nothing was changed"] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    }
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let here = workspace();
    let path = text(here.path());
    for (options, word) in [
        (&["--overlay"][..], "--workspace"),
        (&["-w", path, "--apply", "all"], "--apply"),
        (&["-w", path, "--diff"], "--diff"),
        (&["-w", path, "--save", "x"], "--save"),
        (&["-w", path, "--from", "x"], "--from"),
        (&["-w", path, "--upper", "1G"], "--upper"),
        (&["-w", path, "--root-access", "read"], "--root-access"),
        (&["-w", path, "--overlay", "--apply-risky"], "--apply"),
        (
            &["-w", path, "--overlay", "--apply", "all", "--save", "x"],
            "cannot be used with",
        ),
        (
            &["-w", path, "--overlay", "--apply", "all", "--apply", "x"],
            "stands alone",
        ),
        (
            &["-w", path, "--overlay", "--apply", "none", "--apply", "x"],
            "stands alone",
        ),
        (
            &["-w", path, "--overlay", "--apply", "/etc"],
            "relative to the workspace",
        ),
        (
            &["-w", path, "--overlay", "--apply", "../x"],
            "relative to the workspace",
        ),
        (&["-w", path, "--overlay", "--apply", "a[b"], "no pattern"),
        (&["-w", path, "--overlay", "--upper", "disk:"], "disk:DIR"),
        (&["-w", path, "--overlay", "--upper", "much"], "--upper"),
        (&["-w", path, "--overlay", "--from", "no such"], "no name"),
        (
            &["-w", path, "--overlay", "--from", "surely-not-there"],
            "surely-not-there",
        ),
        (&["-w", path, "--overlay", "--save", "../x"], "no name"),
        (
            &["-w", path, "--no-protect", "--protect", "x"],
            "cannot be used with",
        ),
        (&["-w", path, "--protect", "../x"], "filesystem.protect"),
        (
            &["-w", path, "--protect", "x", "--unprotect", "x"],
            "both added and removed",
        ),
        (
            &["-w", path, "--unprotect", ".vsc0de"],
            "none of the built-in names",
        ),
        (&["--root", "/nonexistent/root"], "/nonexistent/root"),
        (&["--root", path, "--image", path], "cannot be used with"),
        (&["--image", path], "no OCI image layout"),
        (&["--image", "#x"], "PATH#REFERENCE"),
        (&["--image", "/nonexistent/image"], "/nonexistent/image"),
        (&["--root", "/"], "filesystem.root"),
    ] {
        let ended = run(options, &["echo", "ran"]).expect(125);
        assert_eq!(ended.stdout, "", "it ran: {options:?}");
        assert!(
            ended.stderr.contains(word),
            "{word}: {options:?}: {ended:?}"
        );
    }
    call(&["plan", "-w", path, "--apply", "all"]).expect(125);
    if walls() {
        let plan = call(&["plan", "-w", path, "--overlay", "--apply", "all", "-t"]).expect(0);
        assert!(plan.stdout.contains("overlay"), "{plan:?}");
    }
}
