//! System calls that lead past walls or deep into the kernel.

use crate::support::*;
use cofferdam::SyscallIntent;

/// What the filter answers for each; `calls` of the attacker has the arguments.
const REFUSED: &[(&str, &str)] = &[
    ("io_uring_setup", "ENOSYS"),
    ("io_uring_enter", "ENOSYS"),
    ("io_uring_register", "ENOSYS"),
    ("userfaultfd", "EPERM"),
    ("bpf", "EPERM"),
    ("perf_event_open", "EPERM"),
    ("kcmp", "EPERM"),
    ("pidfd_getfd", "EPERM"),
    ("process_madvise", "ENOSYS"),
    ("process_vm_writev", "EPERM"),
    ("migrate_pages", "EPERM"),
    ("add_key", "EPERM"),
    ("keyctl", "EPERM"),
    ("request_key", "EPERM"),
    ("name_to_handle_at", "EPERM"),
    ("open_by_handle_at", "EPERM"),
    ("fanotify_init", "EPERM"),
    ("kexec_load", "EPERM"),
    ("reboot", "EPERM"),
    ("init_module", "EPERM"),
    ("finit_module", "EPERM"),
    ("delete_module", "EPERM"),
    ("swapon", "EPERM"),
    ("swapoff", "EPERM"),
    ("quotactl", "EPERM"),
    ("acct", "EPERM"),
    ("settimeofday", "EPERM"),
    ("clock_settime", "EPERM"),
    ("adjtimex", "EPERM"),
    ("syslog", "EPERM"),
    ("personality", "EPERM"),
    ("mount", "EPERM"),
    ("umount2", "EPERM"),
    ("pivot_root", "EPERM"),
    ("chroot", "EPERM"),
    ("setns", "EPERM"),
    ("fsopen", "EPERM"),
    ("fsconfig", "EPERM"),
    ("fsmount", "EPERM"),
    ("fspick", "EPERM"),
    ("open_tree", "EPERM"),
    ("move_mount", "EPERM"),
    ("mount_setattr", "EPERM"),
    ("sethostname", "EPERM"),
    ("seccomp_listener", "EPERM"),
    ("clone3", "ENOSYS"),
    ("lsm_list_modules", "EPERM"),
    #[cfg(target_arch = "x86_64")]
    ("iopl", "EPERM"),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", "EPERM"),
    #[cfg(target_arch = "x86_64")]
    ("modify_ldt", "EPERM"),
    #[cfg(target_arch = "x86_64")]
    ("x32", "EPERM"),
];

/// Calls that the kernel itself refuses to ordinary users, with the filter's own answer.
const FOR_ROOT: &[&str] = &[
    "acct",
    "bpf",
    "chroot",
    "delete_module",
    "finit_module",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "ioperm",
    "kexec_load",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "quotactl",
    "reboot",
    "sethostname",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
];

/// A call leaves no trace on the host, so its answers are compared: with the same arguments the
/// kernel answers something else than the filter does.
#[test]
fn dangerous_calls_are_refused() {
    let attacks: Vec<[&str; 2]> = REFUSED.iter().map(|(name, _)| ["calls", *name]).collect();
    let attacks: Vec<&[&str]> = attacks.iter().map(<[&str; 2]>::as_slice).collect();
    let (answers, controls) = (inside(&build(wall()), &attacks), outside(&attacks));
    let mut same = Vec::new();
    for (((name, expected), answer), control) in REFUSED.iter().zip(&answers).zip(&controls) {
        assert_eq!(answer, expected, "{name}");
        let for_root = !is_root() && FOR_ROOT.contains(name);
        if answer == control && !for_root {
            same.push(*name);
        }
    }
    // What this kernel was built without answers ENOSYS by itself.
    for name in same {
        lacks(&format!(
            "a kernel in which {name} can be told from the filter's answer"
        ));
    }
}

#[test]
fn the_strict_profile_refuses_them_too() {
    let attacks: Vec<[&str; 2]> = REFUSED.iter().map(|(name, _)| ["calls", *name]).collect();
    let attacks: Vec<&[&str]> = attacks.iter().map(<[&str; 2]>::as_slice).collect();
    let strict = build(wall().syscalls(|calls| calls.profile(cofferdam::SyscallProfile::Strict)));
    for ((name, _), answer) in REFUSED.iter().zip(inside(&strict, &attacks)) {
        assert!(
            ["EPERM", "ENOSYS"].contains(&answer.as_str()),
            "{name}: {answer}"
        );
    }
}

/// What an intent opens, it opens: the refusals above are the filter's.
#[test]
fn what_is_allowed_by_name_works() {
    for (intent, call) in [
        (SyscallIntent::Ptrace, "kcmp"),
        (SyscallIntent::Keyring, "keyctl"),
        (SyscallIntent::IoUring, "io_uring"),
        (SyscallIntent::Userfaultfd, "userfaultfd"),
    ] {
        let control = one_outside(&["calls", call]);
        if !done(&control) {
            lacks(&format!("{call} for this user ({control})"));
            continue;
        }
        assert!(
            !done(&one_inside(&build(wall()), &["calls", call])),
            "{call}"
        );
        let open = build(wall().syscalls(|calls| calls.allow(intent)));
        assert_eq!(one_inside(&open, &["calls", call]), "done", "{call}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_32_bit_entry_kills() {
    use std::process::Command;
    let control = Command::new(ATTACKER)
        .args(["calls", "int80"])
        .output()
        .expect("started");
    let killed =
        |signal: Option<i32>| signal == Some(libc::SIGSYS) || signal == Some(libc::SIGSEGV);
    if control.stdout != b"done\n" {
        lacks("the 32-bit entry (CONFIG_IA32_EMULATION)");
    }
    let output = build(wall())
        .command(INSIDE)
        .args(["calls", "int80"])
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(killed(output.status.signal()), "{}", output.status);
    assert!(output.stdout.is_empty());
}

#[test]
fn calls_of_later_kernels_are_refused() {
    assert_eq!(
        one_inside(&build(wall()), &["calls", "unassigned"]),
        "ENOSYS"
    );
    let oldest_new = one_inside(&build(wall()), &["calls", "lsm_list_modules"]);
    assert_eq!(oldest_new, "EPERM");
    assert_ne!(one_outside(&["calls", "lsm_list_modules"]), oldest_new);
}
