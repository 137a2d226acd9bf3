//! A root that is an overlay: the rules' own directories lie over an image that is as hostile as what
//! runs in it.

mod common;

use cofferdam_namespaces::{Bind, Lower, MountError, Overlay, StepError, Upper, View};
use common::{Child, Stage, listing, scratch};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// An image whose programs are the host's.
fn image(dir: &Path) -> PathBuf {
    let image = dir.join("image");
    for name in ["etc", "tmp", "srv/data", "root"] {
        fs::create_dir_all(image.join(name)).expect("made");
    }
    for (name, mode) in [
        ("tmp", 0o1777),
        ("root", 0o700),
        ("srv", 0o751),
        ("", 0o755),
    ] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(image.join(name), mode).expect("set");
    }
    fs::write(image.join("etc/os"), "image\n").expect("written");
    fs::write(image.join("etc/shadow"), "KEY\n").expect("written");
    fs::write(image.join("srv/data/file"), "data\n").expect("written");
    image
}

fn rules() -> View {
    common::base().proc().upper_memory(4 << 20, None)
}

fn hostile(dir: &Path) -> PathBuf {
    let image = dir.join("image");
    fs::create_dir(&image).expect("made");
    let target = dir.join("target");
    fs::create_dir(&target).expect("made");
    let links = [
        ("proc", target.clone()),
        ("dev", PathBuf::from("/nowhere/at/all")),
        (
            "etc",
            PathBuf::from("../../../../../../..").join(target.strip_prefix("/").expect("absolute")),
        ),
        ("home", PathBuf::from("/proc/self/root")),
        ("usr", PathBuf::from("/proc/1/cwd")),
        ("bin", target.clone()),
        ("tmp", PathBuf::from("tmp")),
    ];
    for (name, text) in links {
        symlink(text, image.join(name)).expect("made");
    }
    fs::write(image.join("lib"), "a file").expect("written");
    image
}

#[test]
fn a_hostile_image_leads_nowhere() {
    let (_keep, dir) = scratch();
    let image = hostile(&dir);
    let before = listing(&dir);
    for upper in [Upper::None, Upper::Memory] {
        let view = rules()
            .root(Overlay::new(&image, upper))
            .file("/etc/resolv.conf", "mine\n", 0o444)
            .tmpfs("/tmp", 1 << 20, 0o1777, false)
            .dir("/home/user", 0o755)
            .hide_optional("/etc/shadow")
            .hide_optional("/home/user/.ssh");
        let child = Child::new(view);
        let done = child.run(
            "cat /etc/resolv.conf; ls /etc /home; echo x > /tmp/x; echo x > /dev/null; \
             [ -e /proc/self/status ] && echo proc; stat -c %F /proc /dev /etc /home /tmp /usr | sort -u; \
             ls -d /nowhere /image 2>/dev/null; ls /",
        );
        assert_eq!(done.failure, None, "{}", child.mounts);
        let text = done.output;
        assert!(
            text.starts_with("mine\n/etc:\nresolv.conf\n\n/home:\nuser\nproc\ndirectory\n"),
            "{text}"
        );
        assert_eq!(listing(&dir), before);
    }
    // A path to be hidden does not follow the image's links either.
    let error = View::new()
        .root(Overlay::new(&image, Upper::None))
        .hide("/etc/shadow")
        .prepare()
        .expect_err("a link of the image");
    assert!(error.to_string().contains("symbolic link"), "{error}");
    // Where a rule has a directory, nothing of what the link leads to shows.
    for path in ["/etc/sub", "/etc"] {
        let view = View::new()
            .root(Overlay::new(&image, Upper::None))
            .dir(path, 0o755);
        let error = view
            .hide("/etc/shadow")
            .prepare()
            .expect_err("nothing there");
        assert!(error.to_string().contains("nothing to hide"), "{error}");
    }
}

#[test]
fn a_root_without_an_upper_layer_is_read_only() {
    let (_keep, dir) = scratch();
    let image = image(&dir);
    let before = listing(&dir);
    let view = rules()
        .root(Overlay::new(&image, Upper::None))
        .tmpfs("/srv/scratch", 1 << 20, 0o700, false)
        .hide("/etc/shadow");
    let child = Child::new(view);
    let done = child.run(
        "cat /etc/os /srv/data/file; cat /etc/shadow 2>/dev/null || echo hidden; \
         for f in /new /etc/new /srv/new /srv/data/new /etc/os; do (echo x > $f) && echo WROTE $f; done 2>/dev/null; \
         chmod 777 / 2>/dev/null && echo CHMOD; echo t > /srv/scratch/t && cat /srv/scratch/t; \
         stat -c %a / /srv /tmp; ls -a / | tr '\\n' ' '",
    );
    assert_eq!(
        done.expect_output(),
        "image\ndata\nhidden\nt\n755\n751\n1777\n. .. bin dev etc lib lib64 proc root srv tmp usr "
    );
    assert_eq!(listing(&dir), before);
}

#[test]
fn a_root_with_an_upper_layer_can_be_changed() {
    let (_keep, dir) = scratch();
    let image = image(&dir);
    let before = listing(&image);
    let disk = dir.join("disk");
    fs::create_dir(&disk).expect("made");
    let view = |upper| {
        rules()
            .root(Overlay::new(&image, upper))
            .file("/etc/resolv.conf", "mine\n", 0o644)
            .bind(&image, "/srv/deep/er", Bind::READ_ONLY)
            .dir("/root/.cache", 0o700)
            .hide("/etc/shadow")
    };
    for upper in [Upper::Memory, Upper::Directory(disk.clone())] {
        let remove = match upper == Upper::Directory(disk.clone()) || common::memory_is_full() {
            true => "rm -r /srv/data && ls /srv",
            false => "echo deep",
        };
        let child = Child::new(view(upper));
        let done = child.run(&format!(
            "echo x > /new && echo x > /etc/new && echo x > /srv/data/new && echo changed > /etc/os && cat /etc/os; \
             {remove}; cat /etc/resolv.conf /etc/shadow 2>/dev/null; echo x >> /etc/resolv.conf; \
             tail -1 /etc/resolv.conf; mv /etc /elsewhere 2>/dev/null; ls /elsewhere/shadow 2>/dev/null; \
             (echo x > /usr/new) 2>/dev/null && echo WROTE; stat -c %a / /srv /root /tmp /root/.cache; \
             rmdir /dev /proc /srv/deep/er 2>&1 | grep -c busy; mv /srv/deep /srv/x 2>/dev/null; ls -d /srv/deep/er/etc",
        ));
        assert_eq!(done.failure, None, "{}", child.mounts);
        assert_eq!(
            done.output,
            "changed\ndeep\nmine\nx\n755\n751\n700\n1777\n700\n3\n/srv/deep/er/etc\n"
        );
        assert_eq!(listing(&image), before);
    }
    let upper = disk.join("upper");
    assert_eq!(
        fs::read_to_string(upper.join("etc/os")).expect("read"),
        "changed\n"
    );
    assert_eq!(
        upper.join("srv").metadata().expect("there").mode() & 0o7777,
        0o751
    );
    // A directory that the next view needs, and that this one made a link: refused where it matters.
    let swap = "rm -r /opt; ln -s /srv /opt";
    assert_eq!(
        Child::new(view(Upper::Directory(disk.clone())))
            .run(swap)
            .failure,
        None
    );
    let child = Child::new(view(Upper::Directory(disk)).tmpfs("/opt/cache", 1 << 20, 0o700, false));
    let done = child.run("true");
    let Some((Stage::Mount(index), errno)) = done.failure else {
        panic!("{}", done.output);
    };
    let error = child.mounts.explain(StepError { index, errno });
    assert!(matches!(error, MountError::TargetSymlink { .. }), "{error}");
}

#[test]
fn overlays_binds_and_the_old_root_in_a_layered_root() {
    let (_keep, dir) = scratch();
    let image = image(&dir);
    let work = dir.join("work");
    fs::create_dir_all(work.join("src")).expect("made");
    fs::write(work.join("src/file"), "file\n").expect("written");
    fs::write(dir.join("outside"), "KEY").expect("written");
    let root = Overlay {
        lowers: vec![Lower::new(&image)],
        upper: Upper::Memory,
        exec: false,
    };
    let view = rules()
        .root(root)
        .overlay("/work", Overlay::new(&work, Upper::Memory))
        .bind(&work, "/direct", Bind::WRITABLE)
        .bind(&image, "/work/src", Bind::READ_ONLY)
        .hide("/work/src/etc/shadow");
    let child = Child::new(view);
    let done = child.run(&format!(
        "cat /work/src/etc/os; cat /work/src/etc/shadow 2>/dev/null || echo hidden; echo up > /work/new; \
         echo through > /direct/new; cat /work/new; cat {}/outside; ls -a / | grep -c cofferdam; \
         cd /..; pwd; ls ../../..{0}; cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -d; \
         printf '#!/bin/sh\necho RAN\n' > /tmp/p; chmod +x /tmp/p; /tmp/p",
        dir.display()
    ));
    let text = done.output;
    assert!(text.starts_with("image\nhidden\nup\n"), "{text}");
    assert!(!text.contains("KEY") && !text.contains("RAN"), "{text}");
    assert_eq!(text.matches("No such file").count(), 2, "{text}");
    // Nothing lies twice over the same place, above all not on the root.
    assert!(text.contains("\n0\n/\nls: cannot"), "{text}");
    let tail = text
        .lines()
        .skip_while(|line| !line.starts_with("ls:"))
        .nth(1);
    assert!(
        tail.is_some_and(|line| line.contains("/tmp/p: Permission denied")),
        "{text}"
    );
    assert_eq!(
        fs::read_to_string(work.join("new")).expect("read"),
        "through\n"
    );
}
