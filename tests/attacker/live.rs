//! Attacks from inside a live session: on its process 1, and on the programs beside this one.

use crate::{Outcome, call, check, number, processes, unknown};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::net::{TcpListener, TcpStream};
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};

pub fn run(command: &[&str]) -> Outcome {
    match command {
        // Answers whoever connects with a text, until it is killed.
        ["serve", port, text] => serve(number(port), text),
        ["fetch", port] => {
            let mut text = String::new();
            TcpStream::connect(("127.0.0.1", number(port)))?.read_to_string(&mut text)?;
            Ok(text)
        }
        // A signal over and over, for so many milliseconds.
        ["flood", pid, signal, time] => flood(number(pid), number(signal), number(time)),
        ["orphans", count] => orphans(number(count)),
        // Children that ignore everything but SIGKILL, in process groups of their own.
        ["crowd", count] => crowd(number(count)),
        ["get-descriptor", pid] => get_descriptor(number(pid)),
        ["get-child-s-descriptor"] => processes::with_child(get_descriptor),
        ["limit", pid, resource] => limit(number(pid), number(resource)),
        ["unix-sockets"] => {
            let table = fs::read_to_string("/proc/self/net/unix")?;
            Ok((table.lines().count() - 1).to_string())
        }
        // Every descriptor number gets bytes as init and the host exchange them.
        ["imitate"] => imitate(),
        ["fill", path] => fill(path),
        other => unknown(other),
    }
}

fn serve(port: u16, text: &str) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("ready");
    loop {
        let (mut stream, _) = listener.accept()?;
        let _ = stream.write_all(text.as_bytes());
    }
}

fn flood(pid: i32, signal: i32, time: u64) -> Outcome {
    println!("ready");
    let until = Instant::now() + Duration::from_millis(time);
    let (mut sent, mut last) = (0_u64, Ok(0));
    while Instant::now() < until {
        for _ in 0..64 {
            // SAFETY: kill(2) touches no memory.
            last = check(unsafe { libc::kill(pid, signal) });
            sent += u64::from(last.is_ok());
        }
    }
    last.map(|_| sent.to_string())
}

/// Processes whose parents are gone when they end: process 1 must reap them.
fn orphans(count: u32) -> Outcome {
    for _ in 0..count {
        // SAFETY: this process has one thread; the children only fork and end.
        let child = check(unsafe { libc::fork() })?;
        if child == 0 {
            // SAFETY: as above.
            unsafe {
                libc::fork();
                libc::_exit(0)
            };
        }
        let mut status = 0;
        // SAFETY: waitpid(2) writes one int.
        check(unsafe { libc::waitpid(child, &mut status, 0) })?;
    }
    Ok(String::new())
}

fn crowd(count: u32) -> Outcome {
    for _ in 0..count {
        // SAFETY: this process has one thread; the child makes system calls alone.
        if check(unsafe { libc::fork() })? == 0 {
            // SAFETY: setpgid(2), signal(2) and pause(2) touch no memory.
            unsafe {
                libc::setpgid(0, 0);
                for signal in 1..32 {
                    libc::signal(signal, libc::SIG_IGN);
                }
                loop {
                    libc::pause();
                }
            }
        }
    }
    println!("ready");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(String::new())
}

/// pidfd_getfd(2) of every low number.
fn get_descriptor(pid: i32) -> Outcome {
    let process = call(libc::SYS_pidfd_open, [pid as usize, 0, 0, 0, 0, 0])?;
    let mut last = Ok(0);
    for number in 0..16 {
        last = call(libc::SYS_pidfd_getfd, [process, number, 0, 0, 0, 0]);
        if last.is_ok() {
            break;
        }
    }
    last.map(|_| String::new())
}

/// Takes all of a resource from a process (prlimit(2)).
fn limit(pid: i32, resource: u32) -> Outcome {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: prlimit(2) reads one rlimit; nothing is written to a null pointer.
    let answer = unsafe { libc::prlimit(pid, resource, &none, std::ptr::null_mut()) };
    check(answer).map(|_| String::new())
}

/// Says on every descriptor that there is that the program has ended, and asks for another program.
fn imitate() -> Outcome {
    // The reply EXITED with code 0, then the request START without strings, as 32-bit numbers.
    let words: [u32; 26] = [
        3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0,
    ];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut written = 0;
    for number in 0..1024 {
        // SAFETY: numbers that are no descriptors answer EBADF; those that are stay open.
        let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(number) });
        written += u32::from(file.write_all(&bytes).is_ok());
    }
    println!();
    Ok(written.to_string())
}

fn fill(path: &str) -> Outcome {
    let mut file = File::create(path)?;
    let piece = vec![1_u8; 1 << 16];
    let mut size = 0_u64;
    loop {
        match file.write(&piece) {
            Ok(n) => size += n as u64,
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => return Ok(size.to_string()),
            Err(error) => return Err(error),
        }
    }
}
