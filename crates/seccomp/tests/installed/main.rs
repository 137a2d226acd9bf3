//! Filters under the real kernel. The test binary starts itself again as `--child PROFILE PROBE…`: the
//! child puts the filter on and tries something. Each attempt is also made by a child without the
//! filter, to show that it is the filter that answers.

#![allow(unsafe_code)]

mod child;
mod programs;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Output, Stdio};
use std::{env, fs, panic, process};

use child::child;
use cofferdam_seccomp::Arch;
use programs::programs_under_strict;

const EPERM: i64 = -(libc::EPERM as i64);
const ENOSYS: i64 = -(libc::ENOSYS as i64);

/// A test by name.
type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("filter_mode_is_on", filter_mode_is_on),
    ("apply_needs_no_new_privs", apply_needs_no_new_privs),
    ("every_action_is_carried_out", every_action_is_carried_out),
    ("kernel_agrees_with_tree", kernel_agrees_with_tree),
    (
        "kernel_agrees_with_conditions",
        kernel_agrees_with_conditions,
    ),
    #[cfg(target_arch = "x86_64")]
    ("x32_is_refused", x32_is_refused),
    #[cfg(target_arch = "x86_64")]
    ("int80_kills", int80_kills),
    ("threads_work_without_clone3", threads_work_without_clone3),
    ("refused_calls_are_refused", refused_calls_are_refused),
    ("sockets", sockets),
    ("nested_filters_work", nested_filters_work),
    ("intents_reach_the_kernel", intents_reach_the_kernel),
    ("programs_under_strict", programs_under_strict),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--child") {
        child(&args[1], &args[2], &args[3..]);
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let done = panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if done { "ok" } else { "FAILED" });
        *(if done { &mut passed } else { &mut failed }) += 1;
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn start(profile: &str, probe: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--child", profile, probe])
        .args(args)
        .stdin(Stdio::null());
    command
}

fn output(profile: &str, probe: &str, args: &[&str]) -> Output {
    start(profile, probe, args).output().unwrap()
}

/// What a child that is expected to end well printed.
#[track_caller]
fn text(profile: &str, probe: &str, args: &[&str]) -> String {
    let output = output(profile, probe, args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{profile} {probe} {args:?}: {}\n{out}{err}",
        output.status
    );
    out.trim_end().to_owned()
}

/// The kernel's answer to a call made under a profile.
#[track_caller]
fn answer(profile: &str, nr: u32, args: &[i64]) -> i64 {
    let words: Vec<String> = [i64::from(nr)]
        .iter()
        .chain(args)
        .map(i64::to_string)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    text(profile, "call", &words).parse().unwrap()
}

fn number(name: &str) -> u32 {
    Arch::native().number(name).unwrap()
}

fn filter_mode_is_on() {
    let line = |profile| {
        let status = text(profile, "status", &[]);
        let mode = status
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp:"));
        mode.unwrap().trim().to_owned()
    };
    // 2 is filter mode (proc_pid_status(5)). An outer sandbox may have one on all.
    assert_eq!(line("general"), "2");
    let filters = |profile| -> u32 {
        let status = text(profile, "status", &[]);
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp_filters:"));
        count.unwrap().trim().parse().unwrap()
    };
    assert_eq!(filters("general"), filters("none") + 1);
}

fn apply_needs_no_new_privs() {
    let status = text("none", "status", &[]);
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = u64::from_str_radix(effective.unwrap().trim(), 16).unwrap();
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let inherited = status_field("NoNewPrivs:") == "1";
    let expected = if inherited || effective & CAP_SYS_ADMIN != 0 {
        "Ok(())"
    } else {
        "Err(EACCES)"
    };
    assert_eq!(text("general", "without-no-new-privs", &[]), expected);
}

fn status_field(name: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().trim().to_owned()
}

fn every_action_is_carried_out() {
    assert_eq!(answer("actions", number("getppid"), &[]), -1234);
    assert_eq!(
        answer("none", number("getppid"), &[]),
        i64::from(process::id())
    );
    assert_eq!(
        answer("actions", number("umask"), &[0o22]),
        answer("none", number("umask"), &[0o22])
    );
    // Either is 0 where the group or the session was begun outside this pid namespace.
    // SAFETY: neither touches memory.
    let (group, session) = unsafe { (libc::getpgid(0), libc::getsid(0)) };
    let ours = [("getpgid", group), ("getsid", session)];
    for (name, own) in ours {
        let killed = output("actions", "call", &[&number(name).to_string()]);
        assert_eq!(killed.status.signal(), Some(libc::SIGSYS), "{name}");
        assert_eq!(answer("none", number(name), &[]), i64::from(own), "{name}");
    }
}

fn kernel_agrees_with_tree() {
    let compared: u32 = text("tree", "tree", &[]).parse().unwrap();
    assert!(compared > 900, "{compared}");
}

fn kernel_agrees_with_conditions() {
    let compared: u32 = text("conditions", "conditions", &[]).parse().unwrap();
    assert_eq!(compared, 16 * 12 * 12);
}

#[cfg(target_arch = "x86_64")]
fn x32_is_refused() {
    let x32 = number("getpid") | 0x4000_0000;
    for profile in ["general", "strict", "everything"] {
        assert_eq!(answer(profile, x32, &[]), EPERM, "{profile}");
    }
    // Without the filter: a process id, or ENOSYS from a kernel without x32.
    let control = answer("none", x32, &[]);
    assert!(control > 0 || control == ENOSYS, "{control}");
}

#[cfg(target_arch = "x86_64")]
fn int80_kills() {
    for profile in ["general", "strict", "everything"] {
        let killed = output(profile, "int80", &[]);
        assert_eq!(killed.status.signal(), Some(libc::SIGSYS), "{profile}");
    }
    // Without the filter: a process id, or a fault from a kernel without 32-bit calls.
    let control = output("none", "int80", &[]);
    assert_ne!(control.status.signal(), Some(libc::SIGSYS));
    assert!(control.status.success() || control.status.signal() == Some(libc::SIGSEGV));
}

fn threads_work_without_clone3() {
    for profile in ["general", "strict"] {
        assert_eq!(answer(profile, number("clone3"), &[0, 0]), ENOSYS);
        assert_eq!(text(profile, "threads", &[]), "140");
    }
    // Too small a structure.
    assert_eq!(
        answer("none", number("clone3"), &[0, 0]),
        -i64::from(libc::EINVAL)
    );
}

/// Calls with arguments that the kernel itself answers differently (bad pointers and descriptors,
/// unknown options), so that the answer shows who gave it.
fn refused_calls_are_refused() {
    const HIGH: i64 = 1 << 32;
    let calls: &[(&str, &[i64], i64)] = &[
        ("ioctl", &[-1, 0x5412], EPERM),
        ("ioctl", &[-1, 0x5412 | HIGH], EPERM),
        ("ioctl", &[-1, 0x541c | HIGH | i64::MIN], EPERM),
        ("ioctl", &[-1, 0x5423], EPERM),
        ("unshare", &[1 << 37], EPERM),
        ("unshare", &[0x1000_0000 | 1 << 37], EPERM),
        ("clone", &[0x1000_0000 | 0x0001_0000], EPERM),
        ("clone", &[0x1000_0000 | 0x0001_0000 | HIGH], EPERM),
        ("setns", &[-1, 0], EPERM),
        ("open_tree", &[-1, 0, 0], EPERM),
        ("keyctl", &[9999], EPERM),
        ("add_key", &[0, 0], EPERM),
        ("request_key", &[0, 0], EPERM),
        ("perf_event_open", &[0, 0, -1, -1, 0], EPERM),
        ("ptrace", &[16, 0x7fff_fff0], EPERM),
        ("process_vm_readv", &[0x7fff_fff0, 0, 0, 0, 0, 0], EPERM),
        ("pidfd_getfd", &[-1, 0, 0], EPERM),
        ("kcmp", &[0x7fff_fff0, 0x7fff_fff0, 0, 0, 0], EPERM),
        ("name_to_handle_at", &[-1, 0, 0, 0, 0], EPERM),
        ("fanotify_mark", &[-1, 0, 0, 0, 0], EPERM),
        ("adjtimex", &[0], EPERM),
        ("personality", &[8], EPERM),
        ("personality", &[8 | HIGH], EPERM),
        ("mknodat", &[-1, 0, 0x2000, 0, 0], EPERM),
        ("prctl", &[35 | HIGH, 0, 0, 0, 0], EPERM),
        ("seccomp", &[1, 8 | HIGH, 0], EPERM),
        ("io_uring_setup", &[0, 0], ENOSYS),
        ("io_uring_register", &[-1, 0, 0, 0], ENOSYS),
        ("process_madvise", &[-1, 0, 0, 0, 0], ENOSYS),
    ];
    for (name, args, expected) in calls {
        for profile in ["general", "strict"] {
            let answer = answer(profile, number(name), args);
            assert_eq!(answer, *expected, "{profile} {name} {args:?}");
        }
        let control = answer("none", number(name), args);
        // PR_SET_MM needs a capability and io_uring may be switched off: there the kernel may agree.
        if !matches!(*name, "prctl" | "io_uring_setup") {
            assert_ne!(control, *expected, "{name} {args:?} without a filter");
        }
    }
}

fn sockets() {
    let socket = |profile, args: &[i64; 3]| answer(profile, number("socket"), args);
    for allowed in [
        [1, 1, 0],
        [1, 5, 0],
        [2, 1, 6],
        [2, 2, 0],
        [16, 0x8_0003, 0],
    ] {
        assert!(socket("general", &allowed) >= 0, "{allowed:?}");
        assert_eq!(socket("strict", &allowed), EPERM, "{allowed:?}");
    }
    // Netlink's generic family, raw IP, ping, UDP-Lite, MPTCP, packet, ALG, vsock, TIPC, SMC,
    // Bluetooth, RDS, XDP.
    let refused = [
        [16, 3, 16],
        [2, 3, 6],
        [2, 2, 1],
        [2, 2, 136],
        [2, 1, 262],
        [17, 3, 0],
        [38, 5, 0],
        [40, 1, 0],
        [30, 2, 0],
        [43, 1, 0],
        [31, 3, 1],
        [21, 5, 0],
        [44, 3, 0],
    ];
    let mut opened = 0;
    for args in &refused {
        assert_eq!(socket("general", args), EPERM, "{args:?}");
        let hidden = args.map(|arg| arg | 1 << 40);
        assert_eq!(socket("general", &hidden), EPERM, "{args:?}");
        opened += u32::from(socket("none", args) >= 0);
    }
    // Which of them this kernel has is its own affair, but generic netlink is always there.
    assert!(opened > 0);
    let pair = |profile, family| answer(profile, number("socketpair"), &[family, 1, 0, 0]);
    // The null pointer is found after the family was accepted.
    assert_eq!(pair("strict", 1), -i64::from(libc::EFAULT));
    assert_eq!(pair("general", 30), EPERM);
    assert_ne!(pair("none", 30), EPERM);
}

fn nested_filters_work() {
    for profile in ["general", "strict"] {
        assert_eq!(text(profile, "nested", &[]), "-77");
    }
    // Landlock's version query gets through or is the kernel's own answer.
    let landlock = |profile| answer(profile, number("landlock_create_ruleset"), &[0, 0, 1]);
    assert_eq!(landlock("general"), landlock("none"));
    assert_eq!(landlock("strict"), landlock("none"));
}

fn intents_reach_the_kernel() {
    let calls: &[(&str, &[i64])] = &[
        ("ptrace", &[16, 0x7fff_fff0]),
        ("unshare", &[0x1000_0000 | 1 << 37]),
        ("clone3", &[0, 0]),
        ("open_tree", &[-1, 0, 0]),
        ("io_uring_setup", &[0, 0]),
        ("perf_event_open", &[0, 0, -1, -1, 0]),
        ("keyctl", &[9999]),
        ("ioctl", &[-1, 0xaa00]),
    ];
    for (name, args) in calls {
        let (with, without) = (
            answer("everything", number(name), args),
            answer("none", number(name), args),
        );
        assert_eq!(with, without, "{name}");
    }
}
