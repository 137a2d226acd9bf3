//! The attacker: the programs of the escape tests, run inside a sandbox and, as the control, outside.
//!
//! `attacker COMMAND ARGS… [-- COMMAND ARGS…]…` prints one line for each command: `done` with what
//! it learned, or the name of the error that stopped it. It never judges: the tests look at the
//! host.

#![allow(unsafe_code)]

mod calls;
mod error_name;
mod files;
mod host;
mod ipc;
mod live;
mod memory;
mod namespaces;
mod network;
mod processes;
mod terminal;
mod trees;

use std::io::{self, Write};

/// What a command learned, or the error that stopped it.
type Outcome = io::Result<String>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["host", ..] = arguments.as_slice() {
        return host::run(&arguments[1..]);
    }
    for command in arguments.split(|argument| *argument == "--") {
        let line = match run(command) {
            Ok(text) => format!("done {text}"),
            Err(error) => error_name::of(&error),
        };
        // A test that has heard enough does not listen any more.
        let _ = writeln!(io::stdout(), "{}", line.trim_end());
        let _ = io::stdout().flush();
    }
}

fn run(command: &[&str]) -> Outcome {
    match command {
        // In namespaces of its own, as their root: what an ordinary user can become.
        ["as-root", rest @ ..] => {
            namespaces::become_root()?;
            run(rest)
        }
        // After a word of the host, which has changed something meanwhile.
        ["then", rest @ ..] => {
            println!("ready");
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            run(rest)
        }
        ["files", rest @ ..] => files::run(rest),
        ["calls", rest @ ..] => calls::run(rest),
        ["ipc", rest @ ..] => ipc::run(rest),
        ["live", rest @ ..] => live::run(rest),
        ["memory", rest @ ..] => memory::run(rest),
        ["namespaces", rest @ ..] => namespaces::run(rest),
        ["network", rest @ ..] => network::run(rest),
        ["processes", rest @ ..] => processes::run(rest),
        ["terminal", rest @ ..] => terminal::run(rest),
        ["trees", rest @ ..] => trees::run(rest),
        other => unknown(other),
    }
}

/// A defect of a test: never to be taken for a refusal.
fn unknown(command: &[&str]) -> Outcome {
    panic!("the attacker knows no {command:?}")
}

/// A number among the arguments.
fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// A path as the kernel takes it.
fn c_path(path: &str) -> std::ffi::CString {
    std::ffi::CString::new(path).expect("no NUL in a test's path")
}

/// A system call by number; what it returns, or its error.
///
/// Pointers among the arguments are to live values of the caller, large enough for the call, or
/// addresses at which nothing is mapped, for which the kernel answers `EFAULT`.
fn call(number: libc::c_long, arguments: [usize; 6]) -> io::Result<usize> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: syscall(2) passes the numbers on; the kernel reads and writes only where the caller's
    // pointers lead, which the callers here keep alive for the call (see above).
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// The answer of a libc function that is -1 on failure.
fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}
