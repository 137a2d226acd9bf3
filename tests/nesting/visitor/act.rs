//! What the visitor has done inside, and outside as the control.

use crate::error_name;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Does these in a process of its own, behind no wall.
pub fn outside(arguments: &[impl AsRef<std::ffi::OsStr>]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).arg("act").args(arguments).output();
    String::from_utf8_lossy(&output.expect("it starts itself").stdout).into_owned()
}

/// A process that does nothing until its input ends.
pub fn waits() -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["act", "wait"]).stdin(Stdio::piped());
    command.spawn().expect("it starts itself")
}

/// One line for each: what it was and how it went.
pub fn run(arguments: &[&str]) {
    match arguments {
        ["unshare"] => {
            // SAFETY: unshare(2) touches no memory.
            let answer = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
            say("unshare", check(answer));
        }
        ["wait"] => {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
        }
        ["mark", path] => say("mark", fs::write(path, "ran")),
        ["attacks", secret, directory, port, pid] => {
            say("read", fs::read(secret));
            say("write", fs::write(format!("{directory}/written"), ""));
            let _ = fs::remove_file(format!("{directory}/written"));
            let port: u16 = port.parse().expect("a port");
            say("connect", TcpStream::connect(("127.0.0.1", port)));
            let pid = pid.parse().expect("a number");
            // SAFETY: kill(2) touches no memory, and 0 is no signal.
            say("signal", check(unsafe { libc::kill(pid, 0) }));
        }
        other => panic!("no such act: {other:?}"),
    }
}

fn check(answer: i32) -> io::Result<()> {
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn say<T>(what: &str, outcome: io::Result<T>) {
    match outcome {
        Ok(_) => println!("{what} done"),
        Err(error) => println!("{what} {}", error_name::of(&error)),
    }
}
