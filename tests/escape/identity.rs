//! Ids, capabilities, and what only root may do.

use crate::support::*;
use cofferdam::policy::IdRange;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

#[test]
fn no_capability_is_left() {
    let sandbox = build(wall());
    let fields = "CapInh,CapPrm,CapEff,CapBnd,CapAmb,NoNewPrivs,Seccomp";
    let none = "0000000000000000";
    let status = one_inside(&sandbox, &["processes", "status", fields]);
    let expected = format!(
        "done CapInh={none} CapPrm={none} CapEff={none} CapBnd={none} CapAmb={none} NoNewPrivs=1 Seccomp=2"
    );
    assert_eq!(status, expected);
    // NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE set; these and KEEP_CAPS locked (capabilities(7)).
    assert_eq!(
        one_inside(&sandbox, &["processes", "securebits"]),
        "done 0xef"
    );
    let control = one_outside(&["processes", "status", "CapBnd,Seccomp"]);
    assert_ne!(control, format!("done CapBnd={none} Seccomp=2"));
    assert_eq!(one_outside(&["processes", "securebits"]), "done 0x0");
}

#[test]
fn the_host_sees_an_ordinary_user() {
    let mut waiting = Waiting::inside(&build(wall()), &["processes", "hold"]);
    assert_eq!(waiting.says(), "ready");
    let status = fs::read_to_string(format!("/proc/{}/status", waiting.id())).expect("a status");
    let ids = |name: &str| -> Vec<u32> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect("a line");
        line.split_whitespace()
            .map(|id| id.parse().expect("an id"))
            .collect()
    };
    let (users, groups, more) = (ids("Uid:"), ids("Gid:"), ids("Groups:"));
    if is_root() {
        let range = IdRange::DEFAULT;
        assert!(
            users.iter().chain(&groups).all(|id| range.contains(*id)),
            "{status}"
        );
        assert!(more.is_empty(), "{status}");
    } else {
        // SAFETY: getuid(2) touches no memory and cannot fail.
        let own = unsafe { libc::getuid() };
        assert_eq!(users, [own; 4]);
    }
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
}

#[test]
fn no_id_can_be_taken_on() {
    let sandbox = build(wall());
    for id in ["0", "1", "65534", "1879048192"] {
        assert!(!done(&one_inside(&sandbox, &["processes", "become", id])));
    }
    assert_eq!(one_inside(&sandbox, &["processes", "groups"]), "EPERM");
    assert_eq!(
        done(&one_outside(&["processes", "become", "65534"])),
        is_root()
    );
    assert_eq!(done(&one_outside(&["processes", "groups"])), is_root());
    // An ordinary user becomes root in a namespace of its own.
    assert_eq!(
        one_outside(&["as-root", "processes", "ids"]),
        "done 0 0 0 0"
    );
    assert_eq!(
        one_inside(&sandbox, &["as-root", "processes", "ids"]),
        "EPERM"
    );
}

#[test]
fn set_user_id_programs_change_nothing() {
    // Which id it starts as is what the kernel says of the process.
    let effective = |answer: &str| answer.split_whitespace().nth(3).map(str::to_owned);
    if is_root() {
        let scene = Scene::new();
        let program = scene.workspace.join("program");
        copy_program(&program);
        chown(&program, Some(12345), Some(12345)).expect("an owner");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).expect("a mode");
        for field in ["Uid:", "Gid:"] {
            let attack = [
                "processes",
                "status-of",
                field,
                text(&program),
                "processes",
                "hold",
            ];
            let control = one_outside(&attack);
            assert_eq!(effective(&control).as_deref(), Some("12345"), "{control}");
            for sandbox in [build(scene.wall()), build(wall().read(&program))] {
                let answer = one_inside(&sandbox, &attack);
                let ids: Vec<&str> = answer.split_whitespace().skip(2).collect();
                assert_eq!(ids.len(), 4, "{answer}");
                assert!(ids.iter().all(|id| *id == ids[0]), "{answer}");
            }
        }
        return;
    }
    let programs = ["/usr/bin/su", "/bin/su", "/usr/bin/passwd"];
    let set =
        |path: &&str| fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o4000 != 0);
    let Some(program) = programs.into_iter().find(set) else {
        return lacks("a set-user-ID program of root (su, passwd)");
    };
    let attack = ["processes", "status-of", "Uid:", program];
    let control = one_outside(&attack);
    assert_eq!(effective(&control).as_deref(), Some("0"), "{control}");
    let answer = one_inside(&build(wall()), &attack);
    let ids: Vec<&str> = answer.split_whitespace().skip(2).collect();
    assert_eq!(ids.len(), 4, "{answer}");
    assert!(ids.iter().all(|id| *id == ids[0] && *id != "0"), "{answer}");
}

/// What a program inside leaves in the workspace belongs to the workspace's owner, root on many a root
/// host: with the set-user-ID bit it would make any user of the host that owner.
#[test]
fn no_set_user_id_file_is_left() {
    let scene = Scene::new();
    let sandbox = build(scene.wall());
    let mut ways = vec![
        "openat",
        "openat2",
        "mknodat",
        "fchmod",
        "fchmodat",
        "fchmodat2",
    ];
    if cfg!(target_arch = "x86_64") {
        ways.extend(["open", "creat", "mknod", "chmod"]);
    }
    for how in ways {
        let set = |path: &Path| {
            let mode = fs::metadata(path).map(|data| data.permissions().mode());
            mode.is_ok_and(|mode| mode & 0o4000 != 0)
        };
        let path = scene.workspace.join(how);
        let answer = one_inside(&sandbox, &["files", "set-user-id", how, text(&path)]);
        assert!(!set(&path), "{how}: {answer}");
        let path = scene.beyond.join(how);
        let control = one_outside(&["files", "set-user-id", how, text(&path)]);
        if control == "ENOSYS" {
            lacks(how);
            continue;
        }
        assert!(set(&path), "{how}: {control}");
    }
    // Other modes are set as ever.
    let path = scene.workspace.join("file");
    let work: [&[&str]; 2] = [
        &["files", "write", text(&path), "x"],
        &["files", "chmod", text(&path), "2750"],
    ];
    assert_eq!(inside(&sandbox, &work), ["done", "done"]);
    assert_eq!(
        fs::metadata(&path).expect("the file").permissions().mode() & 0o7777,
        0o2750
    );
}

#[test]
fn file_capabilities_give_nothing() {
    let sandbox = build(wall());
    if !is_root() {
        // The kernel lets only root put them on a file; those that are there give nothing.
        let scene = Scene::new();
        let answer = set_capabilities(&scene.canary("file"));
        assert_eq!(
            answer.expect_err("refused").raw_os_error(),
            Some(libc::EPERM)
        );
        let status = one_inside(&sandbox, &["processes", "status", "CapPrm,CapBnd"]);
        assert_eq!(
            status,
            "done CapPrm=0000000000000000 CapBnd=0000000000000000"
        );
        return;
    }
    let scene = Scene::new();
    let program = scene.workspace.join("program");
    copy_program(&program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    set_capabilities(&program).expect("capabilities");
    for path in [
        &scene.workspace,
        scene.workspace.parent().expect("a parent"),
    ] as [&Path; 2]
    {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let status = ["processes", "status", "CapPrm"];
    let mut control = std::process::Command::new(&program);
    std::os::unix::process::CommandExt::uid(&mut control, 65534);
    let control = control.args(status).output().expect("started");
    assert_eq!(control.stdout, b"done CapPrm=0000000000200000\n");
    // The kernel refuses to start it (a capability that can never be had) or gives it none.
    let output = build(scene.wall()).command(&program).args(status).output();
    if let Ok(output) = output {
        assert_eq!(output.stdout, b"done CapPrm=0000000000000000\n");
    }
}

/// CAP_SYS_ADMIN, permitted and effective (`struct vfs_cap_data`, linux/capability.h).
fn set_capabilities(path: &Path) -> std::io::Result<()> {
    let data: [u32; 5] = [0x0200_0001, 1 << 21, 0, 0, 0];
    let path = std::ffi::CString::new(text(path)).expect("no NUL");
    // SAFETY: setxattr(2) reads both strings up to their NUL and 20 bytes of the value.
    let answer = unsafe {
        libc::setxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            data.as_ptr().cast(),
            20,
            0,
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[test]
fn no_setting_of_the_kernel_opens_for_writing() {
    let attack = ["files", "count-writable", "/proc/sys"];
    let count = |answer: &str| -> usize {
        answer
            .split(' ')
            .nth(1)
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("{answer}"))
    };
    assert_eq!(one_inside(&build(wall()), &attack), "done 0");
    let network = build(wall().network(|network| network.host()));
    assert_eq!(one_inside(&network, &attack), "done 0");
    // An ordinary user can write those of namespaces of its own.
    let mut control = vec!["as-root"];
    control.extend(attack);
    let control = if is_root() {
        one_outside(&attack)
    } else {
        one_outside(&control)
    };
    assert!(count(&control) > 20, "{control}");
}

#[test]
fn levers_of_the_kernel_are_out_of_reach() {
    let sandbox = build(wall());
    let write = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hotplug",
        "/proc/sysrq-trigger",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/uevent_helper",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/fs/cgroup/memory/release_agent",
        "/sys/fs/cgroup/systemd/release_agent",
        "/sys/fs/cgroup/cgroup.procs",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/kvm",
        "/dev/fuse",
        "/dev/net/tun",
        "/dev/userfaultfd",
    ];
    let mut open = Vec::new();
    for path in write {
        let answer = one_inside(&sandbox, &["files", "open", "w", path]);
        assert!(
            ["ENOENT", "EROFS", "EACCES"].contains(&answer.as_str()),
            "{path}: {answer}"
        );
        if done(&one_outside(&["files", "open", "w", path])) {
            open.push(path);
        }
    }
    // For an ordinary user the kernel keeps them shut by itself.
    if is_root() {
        assert!(open.len() >= 5, "only {open:?} open outside");
    }
    let mut told = 0;
    for path in [
        "/proc/kcore",
        "/proc/kmsg",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/interrupts",
    ] {
        let answer = one_inside(&sandbox, &["files", "read", path]);
        assert!(
            ["done", "EACCES", "ENOENT"].contains(&answer.as_str()),
            "{path}: {answer}"
        );
        told += usize::from(done(&one_outside(&["files", "open", "r", path])));
    }
    assert!(told >= 1);
}

#[test]
fn the_host_names_are_not_told() {
    let attacks: [&[&str]; 3] = [
        &["files", "read", "/proc/sys/kernel/hostname"],
        &["files", "read", "/proc/self/cgroup"],
        &["files", "list", "/sys"],
    ];
    let answers = inside(&build(wall()), &attacks);
    assert_eq!(answers[0], "done cofferdam");
    assert!(
        answers[1]
            .split(' ')
            .skip(1)
            .all(|line| line.ends_with(":/")),
        "{}",
        answers[1]
    );
    assert_eq!(answers[2], "ENOENT");
    let control = outside(&attacks);
    assert_ne!(control[0], answers[0]);
    assert!(done(&control[2]));
}

#[test]
fn no_core_is_dumped() {
    assert_eq!(
        one_inside(&build(wall()), &["processes", "core-limit"]),
        "done 0 0 raised false"
    );
    let control = one_outside(&["processes", "core-limit"]);
    if control.ends_with("raised false") {
        lacks("core dumps outside (RLIMIT_CORE is 0 and cannot be raised)");
    }
}
