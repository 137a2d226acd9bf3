//! Attacks on a terminal.

use crate::{Outcome, call, number, unknown};
use std::fs::OpenOptions;

pub fn run(command: &[&str]) -> Outcome {
    match command {
        // ioctl(2) on standard input with a byte as the argument; the request is given in full, high
        // bits included.
        ["ioctl", request] => {
            let request = request.trim_start_matches("0x");
            let request = usize::from_str_radix(request, 16).expect("a hexadecimal request");
            let byte = b'X';
            call(
                libc::SYS_ioctl,
                [0, request, &raw const byte as usize, 0, 0, 0],
            )
            .map(|_| String::new())
        }
        // Makes standard input the controlling terminal; with 1, takes it from another session.
        ["take", force] => call(
            libc::SYS_ioctl,
            [0, libc::TIOCSCTTY as usize, number(force), 0, 0, 0],
        )
        .map(|_| String::new()),
        ["new-session"] => {
            // SAFETY: setsid(2) touches no memory.
            crate::check(unsafe { libc::setsid() }).map(|_| String::new())
        }
        ["controlling"] => {
            let tty = OpenOptions::new().read(true).write(true).open("/dev/tty");
            tty.map(|_| String::new())
        }
        other => unknown(other),
    }
}
