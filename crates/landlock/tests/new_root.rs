//! The use in a mount namespace: a new root on a tmpfs, with bind mounts from the host below it.

mod common;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

use cofferdam_landlock::{Access, Ruleset, probe};
use cofferdam_sys::process::set_no_new_privs;
use common::{arguments, check, errno, lacking, run};
use libc::EACCES;

/// Builds the root in `$ROOT`, goes there and executes this test binary, `/test`, with the
/// arguments. Descriptor 9 stays open on a directory of the host. All that is mounted is gone with
/// the namespace.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs tmpfs "$ROOT"
for dir in usr bin sbin lib lib32 lib64; do
    if [ -L "/$dir" ]; then cp -P "/$dir" "$ROOT/$dir"
    elif [ -d "/$dir" ]; then mkdir "$ROOT/$dir"; mount --rbind "/$dir" "$ROOT/$dir"; fi
done
mkdir "$ROOT/work" "$ROOT/host" "$ROOT/read" "$ROOT/read/below" "$ROOT/old"
mount --bind "$SCENE/work" "$ROOT/work"
mount --bind "$SCENE/host" "$ROOT/host"
mount --bind "$SCENE/read" "$ROOT/read"
mount -t tmpfs tmpfs "$ROOT/read/below"
echo deep > "$ROOT/read/below/file"
touch "$ROOT/test"
mount --bind "$TEST_BINARY" "$ROOT/test"
exec 9<"$SCENE/outside"
cd "$ROOT"
pivot_root . old
cd /
exec /test "$@"
"#;

#[test]
fn a_rule_on_the_new_root_covers_its_mounts_and_nothing_else() {
    const NAME: &str = "a_rule_on_the_new_root_covers_its_mounts_and_nothing_else";
    if common::parent(NAME).is_some() {
        host(NAME);
        return;
    }
    let at = |directory: i32, path: &str, flags| -> io::Result<OwnedFd> {
        let path = CString::new(path).expect("no NUL");
        // SAFETY: openat(2) reads a NUL-terminated path.
        let fd = unsafe { libc::openat(directory, path.as_ptr(), flags | libc::O_CLOEXEC) };
        check(fd)?;
        // SAFETY: the call succeeded, so this is a new descriptor that nothing else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let detach = |path: &std::ffi::CStr| {
        // SAFETY: umount2(2) reads a NUL-terminated path.
        check(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) })
    };
    // Opened in the host's tree, which is left after that.
    let prepared = Ruleset::new()
        .path(format!("/old{}/host", common::var("SCENE")), Access::Write)
        .inside("/", Access::ReadExec)
        .inside("/work", Access::Write)
        .prepare(&probe())
        .expect("prepare");
    // umount(8) wants a /proc.
    detach(c"/old").expect("leaving the old root");
    at(9, "file", libc::O_RDWR).expect("control: the descriptor reaches the host's file");
    let kept = at(9, ".", libc::O_PATH).expect("control: reopening the directory");

    set_no_new_privs().expect("no_new_privs");
    prepared.apply().expect("apply");

    // Bind mounts, a mount on a mount, and what the tmpfs itself holds.
    assert_eq!(fs::read("/read/file").expect("read"), b"host");
    assert_eq!(fs::read("/read/below/file").expect("read"), b"deep\n");
    assert!(fs::read_dir("/").expect("list").count() > 2);
    let status = Command::new("/usr/bin/env").arg("true").status();
    assert!(status.expect("execute").success());
    // Writable is only what is named, and that it is.
    assert_eq!(errno(fs::write("/read/file", "inside")), EACCES);
    assert_eq!(errno(fs::write("/read/below/file", "inside")), EACCES);
    assert_eq!(errno(fs::write("/new", "")), EACCES);
    fs::write("/work/new", "inside").expect("write");
    assert_eq!(fs::read("/work/new").expect("read"), b"inside");
    // A rule is tied to the directory, so one made by its host path holds at its bind mount.
    fs::write("/host/new", "inside").expect("write");
    // What hangs elsewhere is out of reach, descriptor or not.
    for directory in [9, kept.as_raw_fd()] {
        assert_eq!(errno(at(directory, "file", libc::O_RDONLY)), EACCES);
        assert_eq!(errno(at(directory, "file", libc::O_WRONLY)), EACCES);
        assert_eq!(errno(at(directory, "..", libc::O_RDONLY)), EACCES);
        let create = libc::O_WRONLY | libc::O_CREAT;
        assert_eq!(errno(at(directory, "new", create)), EACCES);
    }
    // The view cannot be rebuilt, by root of the user namespace either.
    assert_eq!(errno(detach(c"/read/below")), libc::EPERM);
    // SAFETY: mount(2) reads NUL-terminated strings; the last argument may be null.
    let mount = check(unsafe {
        let (name, none) = (c"tmpfs".as_ptr(), std::ptr::null());
        libc::mount(name, c"/work".as_ptr(), name, 0, none)
    });
    assert_eq!(errno(mount), libc::EPERM);
}

fn host(name: &str) {
    if !common::host_has_landlock() {
        return;
    }
    let mut unshare = Command::new("unshare");
    // As root of a user namespace of its own, or as the real one where that is who runs this.
    unshare.args(["--user", "--map-root-user", "--mount"]);
    let probe = unshare.arg("true").output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            return lacking(&format!("user and mount namespaces ({})", why.trim()));
        }
        Err(error) => return lacking(&format!("the program unshare ({error})")),
    }

    let scene = tempfile::tempdir().expect("tempdir");
    for dir in ["root", "work", "host", "read", "read/below", "outside"] {
        fs::create_dir(scene.path().join(dir)).expect("mkdir");
    }
    fs::write(scene.path().join("read/file"), "host").expect("write");
    fs::write(scene.path().join("outside/file"), "host").expect("write");

    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount"])
        .args(["--propagation", "private", "sh", "-c", SCRIPT, "sh"])
        .env("ROOT", scene.path().join("root"))
        .env("SCENE", scene.path())
        .env("TEST_BINARY", std::env::current_exe().expect("exe"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin:/usr/bin:/bin"));
    run(arguments(&mut command, name));

    let read = |path: &str| fs::read_to_string(scene.path().join(path)).expect("read");
    assert_eq!(read("work/new"), "inside");
    assert_eq!(read("host/new"), "inside");
    assert_eq!(read("read/file"), "host");
    assert_eq!(read("outside/file"), "host");
    assert!(!scene.path().join("outside/new").exists());
}
