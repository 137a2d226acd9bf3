//! What a child sees and can change, looked at from inside, with a control outside.

mod common;

use cofferdam_namespaces::{Bind, MountError, StepError, View};
use common::{Child, Stage, base, listing, scratch};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

#[test]
fn nothing_of_the_old_root_is_left() {
    let (_keep, dir) = scratch();
    fs::write(dir.join("outside"), "x").expect("written");
    let child = Child::new(common::bare().proc().dir("/work", 0o755));
    let script = format!(
        "cat {0}/outside; ls -a /; echo; cd /..; pwd; ls ../../../..{0}; \
         ls /proc/self/cwd/../..; echo; cut -d' ' -f5 /proc/self/mountinfo",
        dir.display()
    );
    let done = child.run(&script);
    assert_eq!(done.failure, None);
    let mut parts = done.output.split("\n\n");
    let listed = parts.next().expect("a listing");
    assert!(listed.contains("No such file"), "{listed}");
    for name in ["home", "root", "var", "mnt", "sys", "dev", ".cofferdam"] {
        let there = listed.lines().any(|line| line.starts_with(name));
        assert!(!there, "{name} in {listed}");
    }
    assert!(listed.lines().any(|line| line == "work"));
    let walked = parts.next().expect("a walk");
    assert!(walked.contains("No such file"), "{walked}");
    let mounts = parts.next().expect("mount points");
    for point in mounts.lines() {
        let known = point == "/" || point.starts_with("/proc") || point.starts_with("/usr");
        let known = known || ["/bin", "/lib", "/lib64"].contains(&point);
        assert!(known, "{point} in {mounts}");
    }
    assert_eq!(mounts.lines().filter(|point| *point == "/").count(), 1);
    // The control: outside the file is there.
    assert_eq!(fs::read_to_string(dir.join("outside")).expect("read"), "x");
}

#[test]
fn the_root_and_read_only_binds_refuse_writes() {
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("ro")).expect("made");
    fs::create_dir(dir.join("rw")).expect("made");
    fs::write(dir.join("ro/file"), "old").expect("written");
    let view = base()
        .bind(dir.join("ro"), "/ro", Bind::READ_ONLY)
        .bind(dir.join("rw"), "/rw", Bind::WRITABLE)
        .tmpfs("/tmp", 1 << 20, 0o1777, false);
    let done = Child::new(view).run(
        "for f in /new /ro/file /ro/new /usr/new /bin/new; do (echo x > $f) && echo WROTE $f; done 2>/dev/null; \
         chmod 777 / /ro 2>/dev/null && echo CHMOD; \
         echo new > /rw/file && echo t > /tmp/t && cat /tmp/t",
    );
    assert_eq!(done.expect_output(), "t\n");
    assert_eq!(
        fs::read_to_string(dir.join("rw/file")).expect("read"),
        "new\n"
    );
    assert_eq!(
        fs::read_to_string(dir.join("ro/file")).expect("read"),
        "old"
    );
}

#[test]
fn noexec_and_sizes_hold() {
    let (_keep, dir) = scratch();
    fs::write(dir.join("program"), "#!/bin/sh\necho ran\n").expect("written");
    fs::set_permissions(dir.join("program"), fs::Permissions::from_mode(0o755)).expect("set");
    let noexec = Bind {
        exec: false,
        ..Bind::READ_ONLY
    };
    let view = base()
        .bind(&dir, "/exec", Bind::READ_ONLY)
        .bind(&dir, "/noexec", noexec)
        .tmpfs("/tmp", 1 << 20, 0o1777, false)
        .file("/greeting", "hello\n", 0o444)
        .symlink("/link", "greeting");
    let done = Child::new(view).run(
        "/exec/program; /noexec/program 2>/dev/null || echo refused; \
         head -c 3000000 /usr/bin/* > /tmp/big 2>/dev/null || echo full; cat /link",
    );
    assert_eq!(done.expect_output(), "ran\nrefused\nfull\nhello\n");
}

#[test]
fn a_read_only_bind_covers_submounts() {
    if !common::in_outer_namespace("a_read_only_bind_covers_submounts") {
        return;
    }
    let (_keep, dir) = scratch();
    let (sub, c_sub) = (dir.join("sub"), c_path(&dir.join("sub")));
    fs::create_dir(&sub).expect("made");
    cofferdam_sys::mount::mount(c"none", &c_sub, c"tmpfs", 0, c"").expect("mounted");
    // The control: it is writable, and setuid and devices would work.
    fs::write(sub.join("control"), "x").expect("written");
    let view = base()
        .bind(&dir, "/ro", Bind::READ_ONLY)
        .bind(&dir, "/rw", Bind::WRITABLE)
        .proc();
    let done = Child::new(view).run(
        "cat /ro/sub/control; (echo y > /ro/sub/new) 2>/dev/null && echo WROTE; \
         echo z > /rw/sub/new && cat /ro/sub/new; \
         grep /sub /proc/self/mountinfo | cut -d' ' -f5,6,7",
    );
    let text = done.expect_output().to_owned();
    cofferdam_sys::mount::umount2(&c_sub, 0).expect("unmounted");
    assert!(text.starts_with("xz\n"), "{text}");
    // No `shared:` or `master:` field follows the flags.
    assert!(
        text.contains("/ro/sub ro,nosuid,nodev,relatime -\n"),
        "{text}"
    );
    assert!(
        text.contains("/rw/sub rw,nosuid,nodev,relatime -\n"),
        "{text}"
    );
}

#[test]
fn later_mounts_of_the_host_do_not_appear() {
    if !common::in_outer_namespace("later_mounts_of_the_host_do_not_appear") {
        return;
    }
    let (_keep, dir) = scratch();
    let c_dir = c_path(&dir);
    cofferdam_sys::mount::mount(c"none", &c_dir, c"tmpfs", 0, c"").expect("mounted");
    cofferdam_sys::mount::propagation(&c_dir, libc::MS_SHARED).expect("shared");
    fs::create_dir(dir.join("later")).expect("made");
    let c_later = c_path(&dir.join("later"));
    let child = Child::new(base().bind(&dir, "/work", Bind::WRITABLE));
    let done = child.run_while(
        "echo x > /work/running; while ! [ -e /work/mounted ]; do sleep 0.01; done; ls /work/later",
        || {
            wait_for(&dir.join("running"));
            cofferdam_sys::mount::mount(c"none", &c_later, c"tmpfs", 0, c"").expect("mounted");
            fs::write(dir.join("later/seen"), "x").expect("written");
            fs::write(dir.join("mounted"), "x").expect("written");
        },
    );
    assert!(dir.join("later/seen").exists());
    cofferdam_sys::mount::umount2(&c_dir, libc::MNT_DETACH).expect("unmounted");
    assert_eq!(done.expect_output(), "");
}

#[test]
fn a_host_with_shared_mounts_keeps_them() {
    if !common::in_outer_namespace("a_host_with_shared_mounts_keeps_them") {
        return;
    }
    let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("read");
    let shared = libc::MS_REC | libc::MS_SHARED;
    cofferdam_sys::mount::propagation(c"/", shared).expect("shared");
    let before = mounts();
    assert!(before.contains(" shared:"));
    // Without a user namespace of its own the child's mounts start as peers of the host's: what it
    // mounts, and that it detaches the old root, must not spread.
    for user in [false, true] {
        let mut child = Child::new(base().proc());
        child.namespaces.user = user;
        let done = child.run("grep -c -e shared: -e master: /proc/self/mountinfo");
        assert_eq!((done.failure, done.output.as_str()), (None, "0\n"));
        assert_eq!(mounts(), before);
    }
}

#[test]
fn a_thousand_mounts_on_the_host_are_no_obstacle() {
    if !common::in_outer_namespace("a_thousand_mounts_on_the_host_are_no_obstacle") {
        return;
    }
    let (_keep, dir) = scratch();
    let c_dir = c_path(&dir);
    cofferdam_sys::mount::mount(c"none", &c_dir, c"tmpfs", 0, c"").expect("mounted");
    for n in 0..1000 {
        let point = dir.join(n.to_string());
        fs::create_dir(&point).expect("made");
        cofferdam_sys::mount::mount(c"none", &c_path(&point), c"tmpfs", 0, c"").expect("mounted");
    }
    let done = Child::new(base().proc()).run("wc -l < /proc/self/mountinfo");
    cofferdam_sys::mount::umount2(&c_dir, libc::MNT_DETACH).expect("unmounted");
    let count: usize = done.expect_output().trim().parse().expect("a number");
    assert!(count < 40, "{count}");
    println!(
        "with 1000 mounts on the host: {:?}",
        done.findings.mount_time
    );
    assert!(done.findings.mount_time < Duration::from_secs(2));
}

#[test]
fn hidden_things_cannot_be_read_listed_or_changed() {
    let (_keep, dir) = scratch();
    fs::create_dir_all(dir.join("secret/deep")).expect("made");
    fs::write(dir.join("secret/deep/key"), "KEY").expect("written");
    fs::write(dir.join(".env"), "KEY").expect("written");
    fs::write(dir.join("plain"), "plain\n").expect("written");
    let before = listing(&dir);
    let view = base()
        .bind(&dir, "/work", Bind::WRITABLE)
        .hide("/work/secret")
        .hide("/work/.env")
        .hide_optional("/work/none");
    let child = Child::new(view);
    let skipped: Vec<_> = child.mounts.skipped().map(|(path, _)| path).collect();
    assert_eq!(skipped, [std::path::Path::new("/work/none")]);
    let done = child.run(
        "cat /work/.env; ls /work/secret; cat /work/secret/deep/key; chmod 777 /work/.env /work/secret; \
         rm -r /work/.env /work/secret; mv /work/secret /work/other; echo x > /work/.env; echo x > /work/secret/new; \
         cat /work/plain",
    );
    assert_eq!(done.failure, None);
    assert!(!done.output.contains("KEY"), "{}", done.output);
    assert!(done.output.ends_with("plain\n"), "{}", done.output);
    assert_eq!(listing(&dir), before);
}

#[test]
fn a_link_that_appears_at_a_target_is_refused() {
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("work")).expect("made");
    fs::create_dir(dir.join("work/target")).expect("made");
    fs::create_dir(dir.join("elsewhere")).expect("made");
    let view = base()
        .bind(dir.join("work"), "/work", Bind::WRITABLE)
        .bind(dir.join("elsewhere"), "/elsewhere", Bind::WRITABLE)
        .tmpfs("/work/target", 4096, 0o700, false);
    let child = Child::new(view);
    assert_eq!(child.run("ls /work/target").expect_output(), "");
    fs::remove_dir(dir.join("work/target")).expect("removed");
    symlink("/elsewhere", dir.join("work/target")).expect("made");
    let done = child.run("true");
    let Some((Stage::Mount(index), errno)) = done.failure else {
        panic!("{:?}", done.failure);
    };
    assert_eq!(errno.raw(), libc::ELOOP);
    let error = child.mounts.explain(StepError { index, errno });
    assert!(matches!(error, MountError::TargetSymlink { .. }), "{error}");
    assert_eq!(listing(&dir.join("elsewhere")), []);
}

#[test]
fn a_source_that_was_swapped_is_refused() {
    let (_keep, dir) = scratch();
    fs::create_dir(dir.join("source")).expect("made");
    fs::create_dir(dir.join("other")).expect("made");
    let child = Child::new(base().bind(dir.join("source"), "/work", Bind::WRITABLE));
    assert_eq!(child.run("ls /work").expect_output(), "");
    fs::rename(dir.join("source"), dir.join("before")).expect("moved");
    let mut reasons = Vec::new();
    fs::rename(dir.join("other"), dir.join("source")).expect("moved");
    reasons.push(child.run("true").failure.expect("a failure"));
    fs::remove_dir(dir.join("source")).expect("removed");
    reasons.push(child.run("true").failure.expect("a failure"));
    symlink("before", dir.join("source")).expect("made");
    reasons.push(child.run("true").failure.expect("a failure"));
    let errnos: Vec<i32> = reasons.iter().map(|(_, errno)| errno.raw()).collect();
    assert_eq!(errnos, [libc::ESTALE, libc::ENOENT, libc::ESTALE]);
    let (Stage::Mount(index), errno) = reasons[0] else {
        panic!("{reasons:?}");
    };
    let error = child.mounts.explain(StepError { index, errno });
    assert!(matches!(error, MountError::SourceChanged { .. }), "{error}");
}

#[test]
fn proc_is_the_sandboxs_own_and_masked() {
    let child = Child::new(base().proc());
    let done = child.run(
        "echo $$; ls -d /proc/[0-9]* | wc -l; \
         for f in kcore keys kmsg timer_list interrupts sysrq-trigger; do \
           [ -e /proc/$f ] && cat /proc/$f 2>/dev/null && echo READ $f; done; \
         for f in acpi scsi; do [ -e /proc/$f ] && ls /proc/$f 2>/dev/null && echo LISTED $f; done; \
         for f in sys/kernel/core_pattern sys/kernel/hostname sysrq-trigger irq/default_smp_affinity; do \
           (echo x > /proc/$f) 2>/dev/null && echo WROTE $f; done; \
         head -1 /proc/meminfo | cut -c1-8; echo 5 > /proc/self/oom_score_adj && cat /proc/self/oom_score_adj; \
         cat /proc/sys/kernel/ostype",
    );
    let text = done.expect_output();
    let expected = format!("1\n{}\nMemTotal\n5\nLinux\n", 2);
    let loose = format!("1\n{}\nMemTotal\n5\nLinux\n", 3);
    // `ls` and `wc` of the pipe may both be there when the directory is read.
    assert!(
        text == expected || text == loose || text.starts_with("1\n4\nMem"),
        "{text}"
    );
    // The control: outside these exist, and other processes are seen.
    assert!(std::path::Path::new("/proc/keys").exists());
    assert!(std::path::Path::new("/proc/interrupts").exists());
}

#[test]
fn dev_has_what_programs_need_and_no_more() {
    let done = Child::new(base().proc()).run(
        "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; \
         (echo x > /dev/full) 2>/dev/null || echo full; : <> /dev/ptmx && echo pty; \
         echo s > /dev/shm/s && cat /dev/shm/s; (echo x > /dev/new) 2>/dev/null || echo read-only; \
         ls /dev; readlink /dev/stdin",
    );
    assert_eq!(
        done.expect_output(),
        "3\n5\nfull\npty\ns\nread-only\n\
         fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\
         /proc/self/fd/0\n"
    );
}

#[test]
fn sys_is_read_only_and_masked() {
    let done = Child::new(base().sys_read_only()).run(
        "ls -d /sys/kernel/mm | wc -l; ls /sys/fs/cgroup 2>/dev/null | wc -l; \
         ls /sys/firmware 2>/dev/null && echo LISTED; \
         (echo x > /sys/kernel/profiling) 2>&1 | grep -c Read-only",
    );
    assert_eq!(done.output, "1\n0\n1\n");
    let mut child = Child::new(base().sys_of_own_network());
    child.namespaces.net = true;
    assert_eq!(child.run("ls /sys/class/net").expect_output(), "lo\n");
}

#[test]
fn host_links_lead_to_where_the_bind_is() {
    let (_keep, dir) = scratch();
    fs::create_dir_all(dir.join("store/lib")).expect("made");
    fs::write(dir.join("store/lib/file"), "found\n").expect("written");
    symlink("store/lib", dir.join("lib")).expect("made");
    let lib = dir.join("lib");
    let done = Child::new(base().bind(&lib, &lib, Bind::READ_ONLY)).run(&format!(
        "readlink {0}/lib; cat {0}/lib/file {0}/store/lib/file; ls {0}",
        dir.display()
    ));
    assert_eq!(
        done.expect_output(),
        "store/lib\nfound\nfound\nlib\nstore\n"
    );
}

#[test]
fn operations_can_be_driven_one_by_one() {
    let mounts = base().proc().prepare().expect("a view");
    let shown = mounts.to_string();
    assert_eq!(shown.lines().count(), mounts.ops().len());
    assert!(shown.contains("bind /usr on /usr, read-only, nosuid, nodev"));
    assert!(shown.ends_with("make the view the root, detach the old root\n"));
    let everything = View::new().prepare().expect("an empty view");
    assert_eq!(everything.ops().len(), 4);
    let mut child = Child::with_mounts(mounts);
    child.stop_after = Some(usize::MAX);
    assert_eq!(
        child.run("ls /proc/self/fd/1").expect_output(),
        "/proc/self/fd/1\n"
    );
    // Stopping anywhere, as a fault would, leaves nothing on the host.
    let before = fs::read_to_string("/proc/self/mountinfo").expect("read");
    for index in [0, 1, 5, 20, 30] {
        child.stop_after = Some(index);
        let stopped = (
            Stage::Mount(index as u16),
            cofferdam_sys::Errno(libc::ECANCELED),
        );
        assert_eq!(child.run("true").failure, Some(stopped));
    }
    assert_eq!(
        fs::read_to_string("/proc/self/mountinfo").expect("read"),
        before
    );
}

#[test]
fn ten_thousand_binds() {
    let (_keep, dir) = scratch();
    fs::write(dir.join("file"), "x\n").expect("written");
    let view = (0..10_000).fold(base(), |view, n| {
        view.bind(
            dir.join("file"),
            format!("/many/{}/{n}", n % 100),
            Bind::READ_ONLY,
        )
    });
    let start = std::time::Instant::now();
    let child = Child::new(view);
    let prepared = start.elapsed();
    let done = child.run("cat /many/99/9999; ls /many/50 | wc -l");
    assert_eq!(done.expect_output(), "x\n100\n");
    println!(
        "10,000 binds: prepare {prepared:?}, apply {:?}",
        done.findings.mount_time
    );
    assert!(prepared < Duration::from_secs(10));
}

#[test]
fn a_typical_view_is_cheap() {
    let (_keep, dir) = scratch();
    let mut view = base().proc().bind(&dir, "/work", Bind::WRITABLE);
    view = view
        .tmpfs("/tmp", 64 << 20, 0o1777, true)
        .tmpfs("/home/user", 64 << 20, 0o700, true);
    for n in 0..13 {
        let source = dir.join(n.to_string());
        fs::create_dir(&source).expect("made");
        view = view.bind(&source, format!("/opt/{n}"), Bind::READ_ONLY);
    }
    let child = Child::new(view);
    let mut times: Vec<Duration> = (0..51)
        .map(|_| {
            let done = child.run("true");
            assert_eq!(done.failure, None);
            done.findings.mount_time
        })
        .collect();
    times.sort();
    println!(
        "15 binds, dev, proc, tmp, home, {} operations: median {:?}",
        child.mounts.ops().len(),
        times[25]
    );
    assert!(times[25] < Duration::from_millis(50));
}

fn wait_for(path: &std::path::Path) {
    let start = std::time::Instant::now();
    while !path.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{}",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn c_path(path: &std::path::Path) -> std::ffi::CString {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL")
}
