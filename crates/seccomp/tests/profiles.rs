//! What the built-in profiles say, on both architectures.

use cofferdam_seccomp::{Action, Arch, Intent, Profile, Rule, probe, reason};

const EPERM: Action = Action::Errno(1);
const ENOSYS: Action = Action::Errno(38);

/// The answers to one call, per architecture that has it.
fn answers(profile: &Profile, name: &str, args: [u64; 6]) -> Vec<Action> {
    let answers: Vec<Action> = Arch::ALL
        .into_iter()
        .filter_map(|arch| {
            let number = arch.number(name)?;
            let filter = profile.compile(arch).unwrap();
            Some(filter.evaluate(arch.audit(), number, 0, args))
        })
        .collect();
    assert!(!answers.is_empty(), "{name}");
    answers
}

#[track_caller]
fn expect(profile: &Profile, name: &str, args: [u64; 6], expected: Action) {
    for answer in answers(profile, name, args) {
        assert_eq!(answer, expected, "{name} {args:x?}");
    }
}

/// Bits above an `int`, which the kernel does not see.
const HIGH: u64 = 0xdead_beef_0000_0000;

#[test]
fn every_call_is_allowed_or_has_a_reason() {
    let general = Profile::general();
    for arch in Arch::ALL {
        for (_, name) in arch.calls() {
            let rule = general.rule_of(name);
            let reason = reason(name);
            assert_eq!(rule == Some(&Rule::allow()), reason.is_none(), "{name}");
            let Some(reason) = reason else { continue };
            let branches = rule.is_some_and(|rule| rule.branches().count() > 0);
            assert_eq!(reason.by_argument, branches, "{name}");
            if let Some(intent) = reason.intent {
                assert!(intent.calls().contains(&name), "{name} {intent:?}");
            }
        }
    }
}

#[test]
fn intents_allow_what_they_name() {
    for base in [Profile::general(), Profile::strict()] {
        for intent in Intent::ALL {
            let profile = base.clone().allow(intent);
            for name in intent.calls() {
                assert_ne!(base.rule_of(name), Some(&Rule::allow()), "{name}");
                assert_eq!(profile.rule_of(name), Some(&Rule::allow()), "{name}");
                assert_eq!(
                    reason(name).and_then(|reason| reason.intent),
                    Some(intent),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn an_intent_changes_nothing_else() {
    let general = Profile::general();
    for intent in Intent::ALL {
        let profile = general.clone().allow(intent);
        for arch in Arch::ALL {
            for (_, name) in arch.calls() {
                let by_device = intent == Intent::Userfaultfd && name == "ioctl";
                if !intent.calls().contains(&name) && !by_device {
                    assert_eq!(
                        profile.rule_of(name),
                        general.rule_of(name),
                        "{intent:?} {name}"
                    );
                }
            }
        }
    }
}

#[test]
fn numbers_nobody_assigned_say_enosys() {
    for profile in [Profile::general(), Profile::strict()] {
        for arch in Arch::ALL {
            let filter = profile.compile(arch).unwrap();
            for nr in (0..1000).chain([0x3fff_ffff, 0x8000_0000, u32::MAX]) {
                if arch.name(nr).is_none() {
                    assert_eq!(
                        filter.evaluate(arch.audit(), nr, 0, [0; 6]),
                        ENOSYS,
                        "{arch} {nr}"
                    );
                }
            }
        }
        let filter = profile.compile(Arch::X86_64).unwrap();
        for nr in [0x4000_0000, 0x4000_0001, 0x4000_0208, 0x7fff_ffff] {
            assert_eq!(
                filter.evaluate(Arch::X86_64.audit(), nr, 0, [0; 6]),
                EPERM,
                "{nr:#x}"
            );
        }
    }
}

#[test]
fn dangerous_calls_are_refused() {
    const REFUSED: &str = "mount umount2 fsopen fsconfig fsmount fspick open_tree move_mount \
        mount_setattr open_tree_attr pivot_root chroot setns keyctl add_key request_key bpf \
        perf_event_open userfaultfd ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd \
        open_by_handle_at name_to_handle_at kexec_load kexec_file_load init_module finit_module \
        delete_module reboot swapon swapoff quotactl quotactl_fd acct iopl ioperm settimeofday \
        clock_settime adjtimex clock_adjtime syslog lookup_dcookie vhangup sethostname \
        setdomainname nfsservctl modify_ldt uselib sysfs ustat fanotify_init fanotify_mark \
        migrate_pages";
    for profile in [Profile::general(), Profile::strict()] {
        for name in REFUSED.split_ascii_whitespace() {
            expect(&profile, name, [0; 6], EPERM);
        }
        for name in [
            "clone3",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
        ] {
            expect(&profile, name, [0; 6], ENOSYS);
        }
    }
}

#[test]
fn new_namespaces_are_refused() {
    const NEW: [u64; 8] = [
        0x0002_0000, // mount
        0x0200_0000, // cgroup
        0x0400_0000, // uts
        0x0800_0000, // ipc
        0x1000_0000, // user
        0x2000_0000, // pid
        0x4000_0000, // net
        0x0000_0080, // time
    ];
    let general = Profile::general();
    for flag in NEW {
        for other in [0, 0x11, 0x0100_0000, HIGH] {
            expect(&general, "clone", [flag | other, 0, 0, 0, 0, 0], EPERM);
            expect(
                &Profile::strict(),
                "clone",
                [flag | other, 0, 0, 0, 0, 0],
                EPERM,
            );
        }
        expect(&general, "unshare", [flag, 0, 0, 0, 0, 0], EPERM);
        expect(&general, "unshare", [flag | 0x400, 0, 0, 0, 0, 0], EPERM);
    }
    // fork, vfork and threads as glibc and musl make them.
    for flags in [0x11, 0x0120_0011, 0x4111, 0x003d_0f00, 0x007d_0f00] {
        expect(&general, "clone", [flags, 0, 0, 0, 0, 0], Action::Allow);
        expect(
            &Profile::strict(),
            "clone",
            [flags, 0, 0, 0, 0, 0],
            Action::Allow,
        );
    }
    for flags in [0, 0x200, 0x400, 0x600, 0x4_0000] {
        expect(&general, "unshare", [flags, 0, 0, 0, 0, 0], Action::Allow);
    }
    // A flag without a meaning today.
    expect(&general, "unshare", [0x10_0000, 0, 0, 0, 0, 0], EPERM);
    expect(&general, "unshare", [1 << 37, 0, 0, 0, 0, 0], EPERM);
    let nested = general.allow(Intent::NestedNamespaces);
    expect(
        &nested,
        "unshare",
        [0x1000_0000, 0, 0, 0, 0, 0],
        Action::Allow,
    );
    expect(&nested, "clone3", [0; 6], Action::Allow);
}

#[test]
fn sockets_are_an_allow_list() {
    const ALLOWED: [(u64, u64, &[u64]); 9] = [
        (1, 1, &[0, 1]),
        (1, 2, &[0]),
        (1, 5, &[0]),
        (2, 1, &[0, 6]),
        (2, 2, &[0, 17]),
        (10, 1, &[0, 6]),
        (10, 2, &[0, 17]),
        (16, 2, &[0]),
        (16, 3, &[0]),
    ];
    let general = Profile::general();
    let filters = Arch::ALL.map(|arch| (arch, general.compile(arch).unwrap()));
    for family in 0..50 {
        for kind in 0..16 {
            for protocol in (0..300).chain([0x8000_0000, 0xffff_ffff]) {
                let allowed = ALLOWED.iter().any(|&(f, k, protocols)| {
                    (f, k) == (family, kind) && (f == 1 || protocols.contains(&protocol))
                });
                let expected = if allowed { Action::Allow } else { EPERM };
                for (arch, filter) in &filters {
                    let nr = arch.number("socket").unwrap();
                    // SOCK_NONBLOCK and SOCK_CLOEXEC, and bits no int has.
                    for (high, flags) in [(0, 0), (0, 0x800), (HIGH, 0x8_0800)] {
                        let args = [family | high, kind | flags | high, protocol | high, 0, 0, 0];
                        assert_eq!(
                            filter.evaluate(arch.audit(), nr, 0, args),
                            expected,
                            "{arch} {args:x?}"
                        );
                    }
                }
            }
        }
        expect(&Profile::strict(), "socket", [family, 1, 0, 0, 0, 0], EPERM);
        let pair = if family == 1 { Action::Allow } else { EPERM };
        expect(&general, "socketpair", [family | HIGH, 1, 0, 0, 0, 0], pair);
        expect(
            &Profile::strict(),
            "socketpair",
            [family | HIGH, 1, 0, 0, 0, 0],
            pair,
        );
    }
}

#[test]
fn terminals_cannot_be_typed_into() {
    let general = Profile::general();
    // TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, TIOCVHANGUP, USERFAULTFD_IOC_NEW
    for request in [0x5412, 0x541c, 0x541d, 0x5423, 0x5437, 0xaa00] {
        for high in [0, HIGH, 1 << 32] {
            expect(&general, "ioctl", [0, request | high, 0, 0, 0, 0], EPERM);
            expect(
                &Profile::strict(),
                "ioctl",
                [0, request | high, 0, 0, 0, 0],
                EPERM,
            );
        }
    }
    // TCGETS, TIOCSCTTY, TIOCSPGRP, FIONREAD
    for request in [0x5401, 0x540e, 0x5410, 0x541b] {
        expect(&general, "ioctl", [0, request, 0, 0, 0, 0], Action::Allow);
        expect(
            &Profile::strict(),
            "ioctl",
            [0, request, 0, 0, 0, 0],
            Action::Allow,
        );
    }
    // SIOCGIFCONF is for general programs only.
    expect(&general, "ioctl", [0, 0x8912, 0, 0, 0, 0], Action::Allow);
    expect(&Profile::strict(), "ioctl", [0, 0x8912, 0, 0, 0, 0], EPERM);
    let faults = general.allow(Intent::Userfaultfd);
    expect(&faults, "ioctl", [0, 0xaa00, 0, 0, 0, 0], Action::Allow);
    expect(&faults, "ioctl", [0, 0x5412, 0, 0, 0, 0], EPERM);
}

#[test]
fn nodes_personalities_and_prctl() {
    for profile in [Profile::general(), Profile::strict()] {
        for kind in 0..16_u64 {
            let mode = kind << 12 | 0o644;
            let allowed = [0, 1, 8, 12].contains(&kind);
            let expected = if allowed { Action::Allow } else { EPERM };
            for high in [0, HIGH, 0x7_0000] {
                expect(
                    &profile,
                    "mknod",
                    [0, mode | high, 0x103, 0, 0, 0],
                    expected,
                );
                expect(
                    &profile,
                    "mknodat",
                    [0, 0, mode | high, 0x103, 0, 0],
                    expected,
                );
            }
        }
        for (option, expected) in [(35, EPERM), (38, Action::Allow), (22, Action::Allow)] {
            expect(&profile, "prctl", [option | HIGH, 0, 0, 0, 0, 0], expected);
        }
        for (flags, expected) in [
            (0, Action::Allow),
            (2, Action::Allow),
            (8, EPERM),
            (9, EPERM),
        ] {
            expect(&profile, "seccomp", [1, flags | HIGH, 0, 0, 0, 0], expected);
        }
    }
    let general = Profile::general();
    for persona in [0, 0x4_0000, 0xffff_ffff] {
        expect(
            &general,
            "personality",
            [persona, 0, 0, 0, 0, 0],
            Action::Allow,
        );
    }
    // PER_LINUX32, UNAME26, READ_IMPLIES_EXEC, and one hidden behind a high bit.
    for persona in [8, 0x2_0000, 0x40_0000, 8 | HIGH] {
        expect(&general, "personality", [persona, 0, 0, 0, 0, 0], EPERM);
    }
    expect(&general, "move_pages", [0; 6], Action::Allow);
    expect(&general, "move_pages", [1, 0, 0, 0, 0, 0], EPERM);
}

#[test]
fn strict_is_within_general() {
    let (strict, general) = (Profile::strict(), Profile::general());
    let values = [
        0,
        1,
        2,
        8,
        16,
        0x5401,
        0x5412,
        0x8912,
        0x11,
        0x1000_0011,
        u64::MAX,
        HIGH,
    ];
    for arch in Arch::ALL {
        for (nr, name) in arch.calls() {
            for first in values {
                for second in values {
                    let args = [first, second, first, 0, 0, 0];
                    let permitted = strict.decide(arch, nr, &args).permits();
                    let general = general.decide(arch, nr, &args).permits();
                    assert!(!permitted || general, "{arch} {name} {args:x?}");
                }
            }
        }
    }
}

#[test]
fn strict_lets_an_init_work() {
    const NEEDED: &str = "read write recvmsg sendmsg execve execveat wait4 waitid kill dup3 close \
        close_range fcntl setsid setpgid chdir fchdir openat ppoll pidfd_open pidfd_send_signal \
        rt_sigprocmask rt_sigaction rt_sigreturn mmap munmap prlimit64 getpid exit exit_group \
        getrusage memfd_create";
    let strict = Profile::strict();
    for name in NEEDED.split_ascii_whitespace() {
        expect(&strict, name, [0; 6], Action::Allow);
    }
    for name in ["dup2", "poll"] {
        expect(&strict, name, [0; 6], Action::Allow);
    }
    expect(&strict, "clone", [17, 0, 0, 0, 0, 0], Action::Allow);
    // PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER
    for option in [1, 4, 15, 36] {
        expect(&strict, "prctl", [option, 1, 0, 0, 0, 0], Action::Allow);
    }
    const REFUSED: &str = "socket connect bind listen accept4 inotify_init1 inotify_add_watch \
        io_setup shmget msgget semget mq_open unshare personality mbind setuid splice";
    for name in REFUSED.split_ascii_whitespace() {
        expect(&strict, name, [0; 6], EPERM);
    }
}

#[test]
fn this_kernel_has_filters() {
    let support = probe();
    assert!(support.is_available(), "{support:?}");
}
