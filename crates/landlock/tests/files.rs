//! File rules, tried from inside. The control is the same act before the ruleset is applied.

mod common;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use cofferdam_landlock::{Access, ApplyStep, Feature, Right, Ruleset, probe};
use common::{check, confine, errno, host_has_landlock, host_offers, parent, run, var};
use libc::{EACCES, EXDEV};

#[test]
fn only_the_allowed_paths_can_be_used() {
    if let Some(mut command) = parent("only_the_allowed_paths_can_be_used") {
        if !host_has_landlock() {
            return;
        }
        let scene = tempfile::tempdir().expect("tempdir");
        for dir in ["writable", "readable", "outside"] {
            fs::create_dir(scene.path().join(dir)).expect("mkdir");
            fs::write(scene.path().join(dir).join("file"), "host").expect("write");
        }
        fs::write(scene.path().join("one"), "host").expect("write");
        fs::copy("/bin/true", scene.path().join("readable/program")).expect("copy");
        run(command.env("SCENE", scene.path()));

        let read = |name: &str| fs::read_to_string(scene.path().join(name)).expect("read");
        assert_eq!(read("writable/file"), "inside");
        assert_eq!(read("readable/file"), "host");
        assert_eq!(read("outside/file"), "control");
        assert_eq!(read("one"), "inside");
        assert!(!scene.path().join("outside/new").exists());
        return;
    }
    let scene = var("SCENE");
    let scene = Path::new(&scene);
    let outside = scene.join("outside/file");
    fs::write(&outside, "control").expect("control: writing outside");
    Command::new(scene.join("readable/program"))
        .status()
        .expect("control: executing");

    let opened_before = File::open(&outside).expect("control: reading outside");
    confine(
        &Ruleset::new()
            .path(scene.join("writable"), Access::Write)
            .path(scene.join("readable"), Access::Read)
            .path("/usr", Access::Read)
            // A file: what only directories have is left out of its rule.
            .path(scene.join("one"), Access::Write),
    );

    assert_eq!(errno(fs::read(&outside)), EACCES);
    assert_eq!(errno(fs::write(&outside, "inside")), EACCES);
    assert_eq!(errno(fs::write(scene.join("outside/new"), "")), EACCES);
    assert_eq!(errno(fs::remove_file(&outside)), EACCES);
    assert_eq!(errno(fs::create_dir(scene.join("outside/dir"))), EACCES);
    assert_eq!(errno(symlink("/", scene.join("outside/link"))), EACCES);
    assert_eq!(errno(fs::read_dir(scene.join("outside"))), EACCES);
    assert_eq!(errno(fs::read_dir(scene)), EACCES);
    assert_eq!(errno(fs::read("/etc/passwd")), EACCES);
    // The name does not matter, the file does.
    let roundabout = scene.join("writable/../outside/file");
    assert_eq!(errno(fs::read(roundabout)), EACCES);
    symlink(&outside, scene.join("writable/link")).expect("a link where writing is allowed");
    assert_eq!(errno(fs::read(scene.join("writable/link"))), EACCES);
    // Reopening a descriptor from before is an access like any other.
    let reopened = format!("/proc/self/fd/{}", opened_before.as_raw_fd());
    assert_eq!(errno(OpenOptions::new().write(true).open(reopened)), EACCES);

    assert_eq!(
        fs::read(scene.join("readable/file")).expect("read"),
        b"host"
    );
    assert_eq!(
        fs::read_dir(scene.join("readable")).expect("list").count(),
        2
    );
    assert_eq!(
        errno(fs::write(scene.join("readable/file"), "inside")),
        EACCES
    );
    assert_eq!(
        errno(Command::new(scene.join("readable/program")).status()),
        EACCES
    );

    fs::write(scene.join("writable/file"), "inside").expect("write");
    fs::create_dir(scene.join("writable/dir")).expect("mkdir");
    fs::remove_dir(scene.join("writable/dir")).expect("rmdir");
    fs::write(scene.join("one"), "inside").expect("write to a file that a rule names");
}

#[test]
fn truncating_needs_a_rule() {
    if let Some(mut command) = parent("truncating_needs_a_rule") {
        if !host_offers(Feature::File(Right::Truncate)) {
            return;
        }
        let scene = tempfile::tempdir().expect("tempdir");
        let file = scene.path().join("file");
        fs::write(&file, "0123456789").expect("write");
        run(command.env("FILE", &file));
        assert_eq!(fs::metadata(&file).expect("stat").len(), 9);
        return;
    }
    let file = var("FILE");
    let path = CString::new(file.as_str()).expect("no NUL");
    // SAFETY: truncate(2) reads a NUL-terminated path.
    let truncate = |size| check(unsafe { libc::truncate(path.as_ptr(), size) });
    truncate(9).expect("control: truncating");

    confine(&Ruleset::new().path(&file, Access::Read));
    assert_eq!(errno(truncate(0)), EACCES);
    assert_eq!(fs::read(&file).expect("reading is allowed").len(), 9);
}

#[test]
fn moving_between_directories_needs_both_to_allow_it() {
    if let Some(mut command) = parent("moving_between_directories_needs_both_to_allow_it") {
        if !host_offers(Feature::File(Right::Refer)) {
            return;
        }
        let scene = tempfile::tempdir().expect("tempdir");
        for dir in ["from", "to", "closed"] {
            fs::create_dir(scene.path().join(dir)).expect("mkdir");
        }
        fs::write(scene.path().join("from/a"), "").expect("write");
        fs::write(scene.path().join("from/b"), "").expect("write");
        run(command.env("SCENE", scene.path()));
        assert!(scene.path().join("to/a").exists());
        assert!(scene.path().join("from/b").exists());
        return;
    }
    let scene = var("SCENE");
    let scene = Path::new(&scene);
    fs::rename(scene.join("from/b"), scene.join("closed/b")).expect("control: moving out");
    fs::rename(scene.join("closed/b"), scene.join("from/b")).expect("control: moving back");

    let closed = Access::Write.rights().without(Right::Refer);
    confine(
        &Ruleset::new()
            .path(scene.join("from"), Access::Write)
            .path(scene.join("to"), Access::Write)
            .path(scene.join("closed"), Access::Exactly(closed)),
    );
    fs::rename(scene.join("from/a"), scene.join("to/a")).expect("both allow it");
    let refused = fs::rename(scene.join("from/b"), scene.join("closed/b"));
    assert_eq!(errno(refused), EXDEV);
    let refused = fs::hard_link(scene.join("from/b"), scene.join("closed/b"));
    assert_eq!(errno(refused), EXDEV);
}

#[test]
fn devices_take_ioctls_only_where_allowed() {
    if let Some(mut command) = parent("devices_take_ioctls_only_where_allowed") {
        if host_offers(Feature::File(Right::IoctlDev)) {
            run(&mut command);
        }
        return;
    }
    let tcgets = |device: &str| {
        let device = OpenOptions::new().read(true).write(true).open(device);
        let device = device.expect("open");
        let mut termios = [0u8; 256];
        // SAFETY: TCGETS writes one struct termios, which is far smaller than the buffer.
        check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TCGETS as _, &raw mut termios) })
    };
    for device in ["/dev/null", "/dev/zero"] {
        assert_eq!(
            errno(tcgets(device)),
            libc::ENOTTY,
            "control: {device} answers"
        );
    }
    confine(
        &Ruleset::new()
            .path("/dev/null", Access::Device)
            .path("/dev/zero", Access::Write),
    );
    assert_eq!(errno(tcgets("/dev/null")), libc::ENOTTY, "it still answers");
    assert_eq!(errno(tcgets("/dev/zero")), EACCES);
    // What every shell does with `> /dev/null`.
    File::create("/dev/null").expect("O_CREAT | O_TRUNC on a device");
}

#[test]
fn unix_sockets_with_a_path_are_denied_or_reported_as_open() {
    if let Some(mut command) = parent("unix_sockets_with_a_path_are_denied_or_reported_as_open") {
        if !host_has_landlock() {
            return;
        }
        let scene = tempfile::tempdir().expect("tempdir");
        fs::create_dir(scene.path().join("in")).expect("mkdir");
        let _host = UnixListener::bind(scene.path().join("host")).expect("bind");
        let _allowed = UnixListener::bind(scene.path().join("allowed")).expect("bind");
        run(command.env("SCENE", scene.path()));
        return;
    }
    let scene = var("SCENE");
    let scene = Path::new(&scene);
    UnixStream::connect(scene.join("host")).expect("control: connecting");
    let prepared = confine(
        &Ruleset::new()
            .path(scene.join("in"), Access::Write)
            .path(scene.join("allowed"), Access::Socket),
    );
    let feature = Feature::File(Right::ResolveUnix);
    let answer = UnixStream::connect(scene.join("host"));
    if probe().offers(feature) {
        assert_eq!(errno(answer), EACCES);
    } else {
        // What the kernel cannot deny must be reported, and is what the report says it is.
        assert!(
            prepared
                .missing()
                .iter()
                .any(|m| m.feature == feature && m.weakens())
        );
        answer.expect("open, as reported");
    }
    UnixStream::connect(scene.join("allowed")).expect("a rule allows it");
    let _own = UnixListener::bind(scene.join("in/own")).expect("bind");
    UnixStream::connect(scene.join("in/own")).expect("made under the same ruleset");
}

#[test]
fn inside_paths_are_opened_when_applied() {
    if let Some(mut command) = parent("inside_paths_are_opened_when_applied") {
        if !host_has_landlock() {
            return;
        }
        let scene = tempfile::tempdir().expect("tempdir");
        run(command.env("SCENE", scene.path().canonicalize().expect("canonicalize")));
        return;
    }
    let scene = var("SCENE");
    let scene = Path::new(&scene);
    let prepare = |path: &str| {
        Ruleset::new()
            .path("/usr", Access::Read)
            .path("/proc", Access::Read)
            .inside(scene.join("dir"), Access::Write)
            .inside(scene.join(path), Access::Read)
            .prepare(&probe())
            .expect("prepare")
    };
    let (absent, linked, good) = (prepare("absent"), prepare("link"), prepare("file"));
    // Made after all were prepared.
    fs::create_dir(scene.join("dir")).expect("mkdir");
    fs::write(scene.join("file"), "content").expect("write");
    symlink("file", scene.join("link")).expect("symlink");
    cofferdam_sys::process::set_no_new_privs().expect("no_new_privs");

    let open = || fs::read_dir("/proc/self/fd").expect("fds").count();
    let before = open();
    for (prepared, path, errno) in [
        (&absent, "absent", libc::ENOENT),
        (&linked, "link", libc::ELOOP),
    ] {
        let error = prepared.apply().expect_err("nothing to open");
        assert_eq!(error.step, ApplyStep::OpenInside);
        assert_eq!((error.rule, error.errno.raw()), (1, errno));
        assert_eq!(prepared.path_of(error), Some(scene.join(path).as_path()));
    }
    assert_eq!(open(), before, "a failure leaves no descriptor open");
    fs::write(scene.join("outside"), "").expect("and restricts nothing");

    assert_eq!(good.descriptors().count(), 2, "one for each host path");
    good.apply().expect("apply");
    assert_eq!(open(), before, "nor does a success");
    assert_eq!(errno(fs::write(scene.join("outside"), "")), EACCES);
    fs::write(scene.join("dir/new"), "").expect("a directory that a rule names");
    assert_eq!(fs::read(scene.join("file")).expect("read"), b"content");
    assert_eq!(errno(fs::write(scene.join("file"), "")), EACCES);
}
