//! Filters under the real kernel. The test binary starts itself again as `--child PROFILE PROBE…`: the
//! child puts the filter on and tries something. Each attempt is also made by a child without the
//! filter, to show that it is the filter that answers.

#![allow(unsafe_code)]

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::{env, fs, io, panic, process, thread};

use cofferdam_seccomp::{Action, Arch, Condition, Intent, Operator, Profile, Rule, Width};

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
    ("programs_under_general", programs_under_general),
    ("postgres_under_general", postgres_under_general),
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
    let mut failed = 0;
    for (name, test) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let passed = panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        println!("{failed} failed");
        ExitCode::FAILURE
    }
}

// --- the confined side ---

fn profile(name: &str) -> Option<Profile> {
    Some(match name {
        "none" => return None,
        "general" => Profile::general(),
        "strict" => Profile::strict(),
        "everything" => Intent::ALL
            .into_iter()
            .fold(Profile::general(), Profile::allow),
        "actions" => Profile::new(Action::Allow)
            .rule("getppid", Rule::errno(1234))
            .rule("getpgid", Rule::always(Action::KillProcess))
            .rule("getsid", Rule::always(Action::Trap))
            .rule("umask", Rule::always(Action::Log)),
        "tree" => tree(),
        "conditions" => conditions(),
        other => panic!("no profile {other}"),
    })
}

fn child(profile_name: &str, probe: &str, args: &[String]) {
    if probe != "without-no-new-privs" {
        cofferdam_sys::process::set_no_new_privs().unwrap();
    }
    let applied = match profile(profile_name) {
        Some(profile) => profile.compile(Arch::native()).unwrap().apply(),
        None => Ok(()),
    };
    if probe == "without-no-new-privs" {
        println!("{applied:?}");
        return;
    }
    applied.unwrap();
    match probe {
        "call" => {
            let number = |text: &String| text.parse::<i64>().unwrap();
            let mut all = args.iter().map(number).chain([0; 6]);
            let nr = all.next().unwrap();
            let args: [i64; 6] = std::array::from_fn(|_| all.next().unwrap());
            println!("{}", call(nr, args));
        }
        "status" => print!("{}", fs::read_to_string("/proc/self/status").unwrap()),
        #[cfg(target_arch = "x86_64")]
        "int80" => println!("{}", getpid_by_int80()),
        "threads" => {
            let threads: Vec<_> = (0..8).map(|n| thread::spawn(move || n * n)).collect();
            let sum: i32 = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum();
            println!("{sum}");
        }
        "nested" => {
            let inner = Profile::new(Action::Allow).rule("getppid", Rule::errno(77));
            inner.compile(Arch::native()).unwrap().apply().unwrap();
            let getppid = i64::from(Arch::native().number("getppid").unwrap());
            println!("{}", call(getppid, [0; 6]));
        }
        "tree" => {
            let filter = tree().compile(Arch::native()).unwrap();
            check_against_kernel(&filter, (0..1000).map(|nr| (nr, [0; 6])));
        }
        "conditions" => {
            let filter = conditions().compile(Arch::native()).unwrap();
            check_against_kernel(&filter, condition_calls());
        }
        "exec" => {
            let error = Command::new(&args[0]).args(&args[1..]).exec();
            panic!("{}: {error}", args[0]);
        }
        other => panic!("no probe {other}"),
    }
}

/// A system call as the kernel answers it: a value or a negative error number.
fn call(nr: i64, a: [i64; 6]) -> i64 {
    // SAFETY: syscall(2) takes any number and arguments; those used here either never get past the
    // filter or are calls that with these arguments (null pointers, bad descriptors, queries) change
    // nothing but this process, which ends after it.
    let answer = unsafe { libc::syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if answer == -1 {
        -i64::from(io::Error::last_os_error().raw_os_error().unwrap())
    } else {
        answer
    }
}

#[cfg(target_arch = "x86_64")]
fn getpid_by_int80() -> u32 {
    let answer: u32;
    // SAFETY: interrupt 0x80 enters the kernel's 32-bit calls; number 20 is getpid, which takes no
    // arguments and writes only eax. The kernel clears r8 to r11 on this path.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("eax") 20_u32 => answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    answer
}

/// Calls this process cannot do without while it checks the others, and the trampolines of uprobes,
/// which the kernel does not pass through filters (since Linux 6.14) and kills other callers of.
const NEEDED: [&str; 24] = [
    "write",
    "exit",
    "exit_group",
    "mmap",
    "munmap",
    "mremap",
    "brk",
    "futex",
    "madvise",
    "mprotect",
    "rt_sigreturn",
    "rt_sigprocmask",
    "rt_sigaction",
    "sigaltstack",
    "gettid",
    "getpid",
    "tgkill",
    "read",
    "close",
    "restart_syscall",
    "poll",
    "fcntl",
    "uretprobe",
    "uprobe",
];

/// Every other call and number fails with an errno that tells it from its neighbours.
fn tree() -> Profile {
    let mut profile = Profile::new(Action::Errno(1)).rules(NEEDED, &Rule::allow());
    for nr in (0..1000).filter(|nr| nr % 7 != 3) {
        let name = Arch::native().name(nr);
        if !name.is_some_and(|name| NEEDED.contains(&name)) {
            profile = profile.rule_for_number(nr, Rule::errno(2000 + (nr % 5 * 200 + nr) as u16));
        }
    }
    profile
}

/// Numbers without a call, with every operator and width.
fn conditions() -> Profile {
    let operators = [
        Operator::Eq,
        Operator::Ne,
        Operator::Lt,
        Operator::Le,
        Operator::Gt,
        Operator::Ge,
        Operator::MaskedEq(0xff00_0000_00f0),
        Operator::MaskedEq(0xf),
    ];
    let mut profile = Profile::new(Action::Allow);
    for (i, operator) in operators.into_iter().enumerate() {
        for (j, width) in [Width::Dword, Width::Qword].into_iter().enumerate() {
            let arg = (i + j) as u8 % 6;
            let rule = Rule::default_action()
                .when(
                    [
                        Condition::new(arg, width, operator, 0x1100_0000_0012),
                        Condition::new((arg + 1) % 6, width, Operator::Gt, 5),
                    ],
                    Action::Errno(100),
                )
                .when(
                    [Condition::new(arg, width, operator, 0x1100_0000_0012)],
                    Action::Errno(101),
                )
                .when(
                    [Condition::new(arg, width, Operator::Ge, 0xffff_ffff)],
                    Action::Errno(102),
                )
                .otherwise(Action::Errno(103));
            profile = profile.rule_for_number(700 + (2 * i + j) as u32, rule);
        }
    }
    profile
}

fn condition_calls() -> impl Iterator<Item = (u32, [u64; 6])> {
    const VALUES: [u64; 12] = [
        0,
        5,
        6,
        0x11,
        0x12,
        0x13,
        0x10_0000_0012,
        0x1100_0000_0011,
        0x1100_0000_0012,
        0x1100_0000_0013,
        0xffff_ffff,
        u64::MAX,
    ];
    (0..16).flat_map(|n| {
        VALUES.into_iter().flat_map(move |first| {
            VALUES.into_iter().map(move |second| {
                let (i, j) = (n / 2, n % 2);
                let mut args = [0; 6];
                args[(i + j) % 6] = first;
                args[(i + j + 1) % 6] = second;
                (700 + n as u32, args)
            })
        })
    })
}

/// Makes each call that the filter refuses and compares the kernel's answer with the interpreter's.
fn check_against_kernel(
    filter: &cofferdam_seccomp::Filter,
    calls: impl Iterator<Item = (u32, [u64; 6])>,
) {
    let mut compared = 0;
    for (nr, args) in calls {
        let Action::Errno(errno) = filter.evaluate(filter.arch().audit(), nr, 0, args) else {
            continue;
        };
        let answer = call(i64::from(nr), args.map(|arg| arg as i64));
        assert_eq!(answer, -i64::from(errno), "{nr} {args:x?}");
        compared += 1;
    }
    println!("{compared}");
}

// --- the side that looks on ---

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
    for name in ["getpgid", "getsid"] {
        let killed = output("actions", "call", &[&number(name).to_string()]);
        assert_eq!(killed.status.signal(), Some(libc::SIGSYS), "{name}");
        assert!(answer("none", number(name), &[]) > 0, "{name}");
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

// --- programs ---

/// Where a program is, if it can be run.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| {
            let mode = fs::metadata(file).map(|meta| {
                use std::os::unix::fs::PermissionsExt;
                meta.is_file() && meta.permissions().mode() & 0o111 != 0
            });
            mode.unwrap_or(false)
        })
}

/// Whether all these programs are here; what is not is named, and an error where all is expected.
fn all_here(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| find(program).is_none())
        .collect();
    if missing.is_empty() {
        return true;
    }
    println!("missing on this host: {}", missing.join(", "));
    let full = env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(!full, "missing: {}", missing.join(", "));
    false
}

/// Runs a shell script under a profile in a fresh folder and compares what it prints.
#[track_caller]
fn script(profile: &str, needs: &[&str], script: &str, expected: &str) {
    if !all_here(needs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |profile: &str| run_in(folder.path(), profile, &["sh", "-ec", script]);
    let confined = run(profile);
    let out = String::from_utf8_lossy(&confined.stdout).into_owned();
    let err = String::from_utf8_lossy(&confined.stderr).into_owned();
    assert!(
        confined.status.success() && out.trim_end() == expected,
        "{needs:?} under {profile}: {}\n{out}{err}",
        confined.status
    );
}

fn run_in(folder: &Path, profile: &str, command: &[&str]) -> Output {
    let mut child = start(profile, "exec", command);
    child
        .current_dir(folder)
        .env("HOME", folder)
        .env("TMPDIR", folder);
    child.output().unwrap()
}

fn programs_under_general() {
    let general = |needs: &[&str], text: &str, expected: &str| {
        script("general", needs, text, expected);
    };
    general(
        &["sh", "ls", "grep", "sed", "tar", "sort"],
        "echo b > x; echo a >> x; sort x | sed s/a/c/ | grep -c .; tar cf t.tar x; tar tf t.tar; ls",
        "2\nx\nt.tar\nx",
    );
    general(
        &["bash", "script"],
        "script -qec \"bash -ic 'sleep 5 & kill %1; wait %1; echo \\$?; jobs; echo done'\" /dev/null \
         | tr -d '\\r' | grep -E '^(143|done)$'",
        "143\ndone",
    );
    general(
        &["python3"],
        r#"python3 - <<'END'
import asyncio, concurrent.futures, hashlib, multiprocessing, os, select, socket, sqlite3
import subprocess, tempfile, threading
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(abs, range(-5, 1))))
print(subprocess.check_output(["echo", "sub"], text=True).strip())
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=queue.put, args=(7,))
process.start(); print(queue.get()); process.join()
async def serve(reader, writer):
    writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hi\n")
    print((await reader.readline()).decode().strip())
    writer.close(); server.close()
asyncio.run(main())
print(socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)[0][4][1])
base = sqlite3.connect("base.db"); base.execute("create table t(x)")
base.execute("insert into t values (3)"); base.commit()
print(base.execute("select x from t").fetchone()[0])
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except PermissionError:
    print("refused")
END"#,
        "15\nsub\n7\nHI\n80\n3\nrefused",
    );
    general(
        &["git"],
        "git init -q . && echo x > f && git add f && \
         git -c user.name=a -c user.email=a@b commit -qm one && git gc -q && git clone -q . copy && \
         git -C copy log --format=%s && git status --short",
        "one\n?? copy/",
    );
    general(
        &["gcc", "g++", "make"],
        "printf '#include <stdio.h>\\nint main(void){puts(\"c\");}' > a.c; \
         printf '#include <iostream>\\nint main(){std::cout<<\"c++\\\\n\";}' > b.cc; \
         printf 'all: a b\\na: a.c\\n\\tgcc -O2 -o a a.c\\nb: b.cc\\n\\tg++ -o b b.cc\\n' > Makefile; \
         make -s -j2; ./a; ./b; gcc -static -o s a.c; ./s",
        "c\nc++\nc",
    );
    general(
        &["node"],
        r#"node -e '
const http = require("http"), { Worker } = require("worker_threads"), fs = require("fs");
const child = require("child_process").execSync("echo child").toString().trim();
const worker = new Worker("require(\"worker_threads\").parentPort.postMessage(6*7)", { eval: true });
worker.on("message", m => {
  fs.watch(".").close();
  const server = http.createServer((q, r) => r.end("web")).listen(0, "127.0.0.1", () =>
    http.get({ port: server.address().port, host: "127.0.0.1", agent: false }, r => r.on("data", d => {
      console.log(child, m, d.toString()); server.close(); })));
});'"#,
        "child 42 web",
    );
    general(
        &["java", "javac"],
        r#"cat > Main.java <<'END'
import java.util.stream.IntStream;
public class Main {
    public static void main(String[] a) throws Exception {
        System.out.println(IntStream.range(0, 1000).parallel().sum());
        System.gc();
        var p = new ProcessBuilder("echo", "sub").start();
        System.out.print(new String(p.getInputStream().readAllBytes()));
        try (var s = new java.net.ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress())) {
            System.out.println(s.getLocalPort() > 0);
        }
    }
}
END
javac Main.java; java Main"#,
        "499500\nsub\ntrue",
    );
    // The toolchain that built this test, where this user can reach it.
    if find("cargo").is_some() && find("rustc").is_some() {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let kept = |variable: &str, folder: &str| {
            let value = env::var_os(variable).map_or_else(|| home.join(folder), PathBuf::from);
            format!("export {variable}='{}'; ", value.display())
        };
        let text = format!(
            "{}{}unset CARGO_TARGET_DIR; mkdir w; cd w; cargo init -q --vcs none --name hello . && \
             cargo run -q --offline && cargo test -q --offline | grep -c 'test result: ok'",
            kept("CARGO_HOME", ".cargo"),
            kept("RUSTUP_HOME", ".rustup"),
        );
        general(&["cargo"], &text, "Hello, world!\n1");
    } else {
        println!("not run: cargo is not on this user's PATH");
    }
}

fn postgres_under_general() {
    // PostgreSQL refuses to run as root; setpriv gives it up, under the filter.
    // SAFETY: getuid(2) always succeeds and takes nothing.
    let root = unsafe { libc::getuid() } == 0;
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let (before, run) = if root {
        ("chown 65534 .; ", nobody)
    } else {
        ("", "")
    };
    let text = format!(
        "{before}d=$PWD; {run} initdb -D $d/data --no-sync -U me >/dev/null; \
         {run} pg_ctl -D $d/data -w -l $d/log -o \"-h '' -k $d\" start >/dev/null; \
         psql -h $d -U me -d postgres -Atc 'select sum(x) from generate_series(1,100000) x' || true; \
         {run} pg_ctl -D $d/data -w -m fast stop >/dev/null"
    );
    script(
        "general",
        &["initdb", "pg_ctl", "psql", "setpriv"],
        &text,
        "5000050000",
    );
}

fn programs_under_strict() {
    let strict =
        |needs: &[&str], text: &str, expected: &str| script("strict", needs, text, expected);
    strict(
        &["sh", "cat", "ls", "sort", "cp", "mv", "rm", "mkdir", "find"],
        "echo b > x; cp x y; mkdir d; mv y d; cat x d/y | sort; ls; find . -name y; rm -r d; ls",
        "b\nb\nd\nx\n./d/y\nx",
    );
    // The terminal is made outside, as by a supervisor: strict opens no new ones.
    let text = format!(
        "script -qec \"'{}' --child strict exec bash -ic 'sleep 5 & kill %1; wait %1; echo \\$?; \
         echo done'\" /dev/null | tr -d '\\r' | grep -E '^(143|done)$'",
        env::current_exe().unwrap().display()
    );
    script("none", &["bash", "script"], &text, "143\ndone");
    strict(
        &["python3"],
        r#"python3 - <<'END'
import concurrent.futures, json, os, subprocess, shutil, socket
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(abs, range(-5, 1))))
print(subprocess.check_output(["echo", "sub"], text=True).strip())
open("a", "w").write("x"); shutil.copy("a", "b"); print(open("b").read())
a, b = socket.socketpair(); a.send(b"pair"); print(b.recv(4).decode())
try:
    socket.socket()
except PermissionError:
    print("refused")
END"#,
        "15\nsub\nx\npair\nrefused",
    );
    strict(
        &["gcc"],
        "printf '#include <stdio.h>\\nint main(void){puts(\"c\");}' > a.c; \
         gcc -O2 -o a a.c; ./a; gcc -static -o s a.c; ./s",
        "c\nc",
    );
}
