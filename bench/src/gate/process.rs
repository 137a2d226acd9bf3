//! Programs of the measurement that listen, each a process of its own, so that its memory and time are
//! not the gate's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// One that runs, until it is dropped.
pub struct Listening {
    process: Child,
    port: u16,
}

impl Listening {
    /// Runs this program with these arguments, and reads the port that it prints.
    pub fn start(arguments: &[&str]) -> Self {
        let own = std::env::current_exe().expect("this program's path");
        let mut process = Command::new(own)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("a port");
        Self { process, port }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
