//! Attacks on other processes, and what the kernel says of this one.

use crate::{Outcome, check, memory, number, unknown};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub fn run(command: &[&str]) -> Outcome {
    match command {
        ["descriptors"] => descriptors(),
        ["directory"] => Ok(std::env::current_dir()?.display().to_string()),
        ["list"] => list(),
        ["kill", pid, signal] => kill(number(pid), number(signal)),
        ["pidfd", pid] => {
            let pid = number::<usize>(pid);
            crate::call(libc::SYS_pidfd_open, [pid, 0, 0, 0, 0, 0]).map(|_| String::new())
        }
        ["nice", pid, value] => {
            // SAFETY: setpriority(2) touches no memory.
            let answer =
                unsafe { libc::setpriority(libc::PRIO_PROCESS, number(pid), number(value)) };
            check(answer).map(|_| String::new())
        }
        ["affinity", pid] => affinity(number(pid)),
        ["limit", pid] => limit(number(pid)),
        ["oom", pid] => {
            fs::write(format!("/proc/{pid}/oom_score_adj"), "999").map(|()| String::new())
        }
        ["seize", pid] => memory::seize(number(pid)),
        ["seize-child"] => with_child(memory::seize),
        ["read-child"] => with_child(|pid| {
            let word = b"child".as_ptr() as usize;
            memory::run(&["vm-read", &pid.to_string(), &word.to_string(), "5"])
        }),
        ["overwrite-program", link] => overwrite_program(link),
        ["bystander", secret] => bystander(secret),
        ["hold"] => hold(),
        ["daemon", file] => daemon(file),
        ["status", names] => status(names),
        ["securebits"] => {
            // SAFETY: PR_GET_SECUREBITS touches no memory.
            let bits = check(unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) })?;
            Ok(format!("{bits:#x}"))
        }
        ["ids"] => {
            // SAFETY: these touch no memory and cannot fail.
            let ids = unsafe {
                [
                    libc::getuid(),
                    libc::geteuid(),
                    libc::getgid(),
                    libc::getegid(),
                ]
            };
            Ok(ids.map(|id| id.to_string()).join(" "))
        }
        ["become", uid] => {
            let uid = number(uid);
            // SAFETY: setresuid(2) touches no memory.
            check(unsafe { libc::setresuid(uid, uid, uid) }).map(|_| String::new())
        }
        ["groups"] => {
            // SAFETY: setgroups(2) reads nothing of an empty list.
            check(unsafe { libc::setgroups(0, std::ptr::null()) }).map(|_| String::new())
        }
        ["status-of", field, program, arguments @ ..] => status_of(field, program, arguments),
        ["core-limit"] => core_limit(),
        other => unknown(other),
    }
}

fn descriptors() -> Outcome {
    let mut open = Vec::new();
    // Asked one by one: a listing of /proc/self/fd would show the listing's own.
    for fd in 0..4096 {
        // SAFETY: F_GETFD touches no memory.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0 {
            let link = fs::read_link(format!("/proc/self/fd/{fd}"))?;
            open.push(format!("{fd}={}", link.display()));
        }
    }
    Ok(open.join(" "))
}

fn list() -> Outcome {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    Ok(pids.join(" "))
}

fn kill(pid: i32, signal: i32) -> Outcome {
    // SAFETY: kill(2) touches no memory.
    check(unsafe { libc::kill(pid, signal) }).map(|_| String::new())
}

/// Binds a process to the last processor this one may use.
fn affinity(pid: i32) -> Outcome {
    // SAFETY: all zeros is an empty set of processors, a plain array of bits.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: sched_getaffinity(2) writes at most `size` bytes.
    check(unsafe { libc::sched_getaffinity(0, size, &mut set) })?;
    // SAFETY: CPU_ISSET reads a bit within the set.
    let last = (0..1024)
        .rev()
        .find(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) });
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: CPU_SET writes a bit within the set.
    unsafe { libc::CPU_SET(last.expect("a processor to run on"), &mut one) };
    // SAFETY: sched_setaffinity(2) reads `size` bytes.
    check(unsafe { libc::sched_setaffinity(pid, size, &one) }).map(|_| String::new())
}

/// Lowers the number of files a process may open to 77.
fn limit(pid: i32) -> Outcome {
    let new = libc::rlimit {
        rlim_cur: 77,
        rlim_max: 77,
    };
    // SAFETY: prlimit(2) reads one rlimit; nothing is written to a null pointer.
    let answer = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &new, std::ptr::null_mut()) };
    check(answer).map(|_| String::new())
}

/// Does something to a child of this process that sleeps meanwhile.
pub fn with_child(act: impl FnOnce(i32) -> Outcome) -> Outcome {
    // SAFETY: this process has one thread; the child calls only pause(2).
    match check(unsafe { libc::fork() })? {
        0 => loop {
            // SAFETY: pause(2) touches no memory.
            unsafe { libc::pause() };
        },
        child => {
            let outcome = act(child);
            let mut status = 0;
            // SAFETY: kill(2) touches no memory, waitpid(2) writes one int.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &mut status, 0);
            }
            outcome
        }
    }
}

/// Writes to the program file that another process was started from, by the link of that process
/// in /proc: opened as a path, kept until the process is over, and opened again for writing.
fn overwrite_program(link: &str) -> Outcome {
    let path = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(link)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&path);
    println!("ready");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let mut file = OpenOptions::new()
        .append(true)
        .open(format!("/proc/self/fd/{fd}"))?;
    file.write_all(b"overwritten")?;
    Ok(String::new())
}

static SIGNALLED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: libc::c_int) {
    SIGNALLED.store(true, Ordering::Relaxed);
}

/// The victim: says who it is and where its secret lies, and then whether a signal came, until its
/// standard input ends.
fn bystander(secret: &str) -> Outcome {
    let secret: Box<[u8]> = secret.bytes().rev().collect();
    // SAFETY: the handler only stores to an atomic; PR_SET_PTRACER touches no memory.
    unsafe {
        let handler = on_signal as extern "C" fn(libc::c_int);
        libc::signal(libc::SIGURG, handler as libc::sighandler_t);
        // Where the Yama module restricts tracing, this one lets anybody.
        libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0);
    }
    println!(
        "ready {} {} {}",
        std::process::id(),
        secret.as_ptr() as usize,
        secret.len()
    );
    let mut line = String::new();
    loop {
        line.clear();
        // Each line asks for a word of what happened.
        if io::stdin().read_line(&mut line)? == 0 {
            return Ok(String::new());
        }
        println!(
            "{}",
            if SIGNALLED.load(Ordering::Relaxed) {
                "signalled"
            } else {
                "quiet"
            }
        );
    }
}

/// Stays until standard input ends.
fn hold() -> Outcome {
    println!("ready");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(String::new())
}

/// Leaves a process behind that has left session and parents, ignores what can be ignored, and
/// writes to a file every ten milliseconds. Its id is the first line of the file.
fn daemon(file: &str) -> Outcome {
    let log = OpenOptions::new().create(true).append(true).open(file)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&log);
    // SAFETY: this process has one thread; the children make system calls alone.
    if check(unsafe { libc::fork() })? == 0 {
        // SAFETY: as above; setsid(2), signal(2), close(2) and _exit(2) touch no memory.
        unsafe {
            libc::setsid();
            if libc::fork() != 0 {
                libc::_exit(0);
            }
            libc::setsid();
            for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGINT, libc::SIGPIPE] {
                libc::signal(signal, libc::SIG_IGN);
            }
            // Or the one who reads this process's output would wait for the daemon.
            for stream in 0..3 {
                libc::close(stream);
            }
        }
        heartbeat(fd);
    }
    let until = Instant::now() + Duration::from_secs(5);
    while log.metadata()?.len() < 27 && Instant::now() < until {
        sleep(Duration::from_millis(5));
    }
    Ok(String::new())
}

/// In a forked child: writes its id, eight digits and a line feed, over and over, for at most ten
/// seconds.
fn heartbeat(fd: i32) -> ! {
    // SAFETY: getpid(2) touches no memory.
    let pid = unsafe { libc::getpid() };
    let mut line = *b"00000000\n";
    let mut rest = pid;
    for digit in line[..8].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    for _ in 0..1000 {
        // SAFETY: write(2) reads the line, nanosleep(2) one timespec.
        unsafe {
            libc::write(fd, line.as_ptr().cast(), line.len());
            libc::nanosleep(&pause, std::ptr::null_mut());
        }
    }
    // SAFETY: ends the child without running anything of its parent.
    unsafe { libc::_exit(0) }
}

/// Lines of /proc/self/status, named in one word with commas.
fn status(names: &str) -> Outcome {
    let text = fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split(':').next() == Some(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("?", |(_, value)| value.trim())
            .replace('\t', ",")
    };
    let all: Vec<String> = names
        .split(',')
        .map(|name| format!("{name}={}", field(name)))
        .collect();
    Ok(all.join(" "))
}

/// Starts a program that waits for its input, and reads a line of its status.
fn status_of(field: &str, program: &str, arguments: &[&str]) -> Outcome {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // The parent is woken in the middle of the execution, before the program has its ids; when it
    // sleeps, it waits for its input.
    let path = format!("/proc/{}/status", child.id());
    let until = Instant::now() + Duration::from_secs(5);
    let text = loop {
        let text = fs::read_to_string(&path);
        let waits = |text: &String| text.contains("State:\tS");
        if text.as_ref().is_ok_and(waits) || Instant::now() > until {
            break text;
        }
        sleep(Duration::from_millis(2));
    };
    let _ = child.kill();
    drop(child.stdin.take());
    child.wait()?;
    let text = text?;
    let line = text.lines().find(|line| line.starts_with(field));
    Ok(line.unwrap_or("?").replace('\t', " "))
}

fn core_limit() -> Outcome {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes one rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &mut limit) })?;
    let before = (limit.rlim_cur, limit.rlim_max);
    let more = libc::rlimit {
        rlim_cur: 4096,
        rlim_max: 4096,
    };
    // SAFETY: setrlimit(2) reads one rlimit.
    let raised = check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &more) });
    Ok(format!(
        "{} {} raised {}",
        before.0,
        before.1,
        raised.is_ok()
    ))
}
