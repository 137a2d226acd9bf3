//! What the command sees and writes.

use crate::common::{cofferdam, directory, end, outside, run, text, walls};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[test]
fn the_workspace_is_written_and_the_host_sees_it() {
    if walls() {
        let here = directory();
        fs::write(here.path().join("in"), "from the host").expect("write");
        let ended = run(
            &["--workspace", text(here.path())],
            &["sh", "-c", "pwd; cat in; echo from inside > out"],
        )
        .expect(0);
        assert_eq!(
            ended.stdout,
            format!("{}\nfrom the host", text(here.path()))
        );
        let out = fs::read_to_string(here.path().join("out")).expect("read");
        assert_eq!(out, "from inside\n");
    }
}

#[test]
fn a_relative_workspace_is_taken_from_the_current_directory() {
    if walls() {
        let here = directory();
        fs::create_dir(here.path().join("sub")).expect("mkdir");
        let mut command = cofferdam();
        command
            .current_dir(here.path())
            .args(["run", "-w", "./sub", "--", "touch", "made"]);
        end(&mut command).expect(0);
        assert!(here.path().join("sub/made").exists());
    }
}

#[test]
fn outside_the_workspace_nothing_is_written() {
    if walls() {
        let (here, other) = (directory(), directory());
        let file = other.path().join("file");
        let script = format!("echo x > {}", text(&file));
        outside(&script).expect(0);
        assert!(file.exists(), "the control did not write");
        fs::remove_file(&file).expect("remove");

        let workspace = ["--workspace", text(here.path())];
        let ended = run(&workspace, &["sh", "-c", &script]);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(!file.exists(), "written outside");

        // Shown for reading, it is still not written.
        fs::write(other.path().join("data"), "1").expect("write");
        let read = [
            "--workspace",
            text(here.path()),
            "--read",
            text(other.path()),
        ];
        let script = format!("cat {}; {script}", text(&other.path().join("data")));
        let ended = run(&read, &["sh", "-c", &script]);
        assert_eq!(ended.stdout, "1", "{ended:?}");
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(!file.exists(), "written where it may only read");

        let write = ["--write", text(other.path())];
        run(&write, &["sh", "-c", &script]).expect(0);
        assert!(file.exists(), "not written where it may");
    }
}

#[test]
fn what_is_hidden_is_not_read() {
    if walls() {
        let here = directory();
        let secret = here.path().join("secret");
        fs::create_dir(here.path().join("keys")).expect("mkdir");
        fs::write(here.path().join("keys/one"), "hunter2").expect("write");
        fs::write(&secret, "hunter2").expect("write");
        let script = ["sh", "-c", "cat secret keys/one; ls keys; true"];
        let shown = run(&["--workspace", text(here.path())], &script).expect(0);
        assert!(
            shown.stdout.starts_with("hunter2hunter2one"),
            "the control: {shown:?}"
        );
        let keys = here.path().join("keys");
        let options = [
            "--workspace",
            text(here.path()),
            "--hide",
            text(&secret),
            "--hide",
            text(&keys),
        ];
        let hidden = run(&options, &script).expect(0);
        assert_eq!(hidden.stdout, "", "{hidden:?}");
        assert_eq!(fs::read_to_string(&secret).expect("read"), "hunter2");
    }
}

#[test]
fn the_home_is_empty_and_gone_afterwards() {
    if walls() {
        let home = directory();
        fs::write(home.path().join(".netrc"), "password").expect("write");
        let mut command = cofferdam();
        command.env("HOME", home.path());
        let script = "ls -A \"$HOME\"; touch \"$HOME/made\" /tmp/made";
        let ended = end(command.args(["run", "--", "sh", "-c", script])).expect(0);
        assert_eq!(ended.stdout, "", "{ended:?}");
        assert!(!home.path().join("made").exists());
    }
}

#[test]
fn names_that_are_no_text_work() {
    if walls() {
        let here = directory();
        let odd = here.path().join(OsStr::from_bytes(b"odd \xff name"));
        fs::create_dir(&odd).expect("mkdir");
        let mut command = cofferdam();
        command.args(["run", "--workspace"]).arg(&odd);
        command
            .args(["--", "touch"])
            .arg(OsStr::from_bytes(b"made\xfe"));
        end(&mut command).expect(0);
        assert!(odd.join(OsStr::from_bytes(b"made\xfe")).exists());
    }
}
