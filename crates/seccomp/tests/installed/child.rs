//! The confined side: puts a filter on and makes the attempt it was started for.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{fs, io, thread};

use cofferdam_seccomp::{Action, Arch, Condition, Intent, Operator, Profile, Rule, Width};

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

pub(crate) fn child(profile_name: &str, probe: &str, args: &[String]) {
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
