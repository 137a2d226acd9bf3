//! Signals to the command reach the program.

use crate::common::{directory, text, until, wait, walls};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A run whose program has said in a file that it is ready.
struct Running {
    child: Child,
    directory: tempfile::TempDir,
}

impl Running {
    fn start(script: &str) -> Self {
        let directory = directory();
        // Whoever runs the tests may ignore some (nohup, a shell's background job), and what is
        // ignored from the start is not passed on.
        let mut command = Command::new("env");
        command.args(["--default-signal", env!("CARGO_BIN_EXE_cofferdam")]);
        command.args(["run", "--workspace", text(directory.path())]);
        Self::of(command.args(["--", "sh", "-c", script]), directory)
    }

    fn of(command: &mut Command, directory: tempfile::TempDir) -> Self {
        // On a terminal, a stop is refused.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("start");
        let ready = directory.path().join("ready");
        until("the program is ready", || ready.exists());
        Self { child, directory }
    }

    fn send(&self, signal: Signal) {
        kill(self.pid(), signal).expect("kill");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

#[test]
fn a_signal_is_passed_on() {
    if walls() {
        for (signal, name) in [
            (Signal::SIGTERM, "TERM"),
            (Signal::SIGINT, "INT"),
            (Signal::SIGHUP, "HUP"),
            (Signal::SIGQUIT, "QUIT"),
            (Signal::SIGUSR1, "USR1"),
        ] {
            let script =
                format!("trap 'exit 42' {name}; touch ready; while :; do sleep 0.02; done");
            let mut running = Running::start(&script);
            running.send(signal);
            assert_eq!(wait(&mut running.child).code(), Some(42), "{name}");
        }
    }
}

#[test]
fn without_a_handler_it_ends_the_program() {
    if walls() {
        let mut running = Running::start("touch ready; exec sleep 300");
        running.send(Signal::SIGTERM);
        assert_eq!(wait(&mut running.child).code(), Some(128 + 15));
    }
}

#[test]
fn the_second_request_kills() {
    if walls() {
        let script = "trap 'touch got' INT TERM; touch ready; while :; do sleep 0.02; done";
        let mut running = Running::start(script);
        running.send(Signal::SIGINT);
        until("the first is handled", || running.file("got").exists());
        assert!(
            running.child.try_wait().expect("wait").is_none(),
            "ended by the first"
        );
        running.send(Signal::SIGTERM);
        assert_eq!(wait(&mut running.child).code(), Some(128 + 9));
    }
}

#[test]
fn what_was_ignored_from_the_start_is_not_passed_on() {
    if walls() {
        let here = directory();
        let program = "trap 'touch hung-up; exit 1' HUP; touch ready; while :; do sleep 0.02; done";
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "trap '' HUP; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_cofferdam"),
        ]);
        command.args([
            "run",
            "--workspace",
            text(here.path()),
            "--",
            "sh",
            "-c",
            program,
        ]);
        let mut running = Running::of(&mut command, here);
        running.send(Signal::SIGHUP);
        // Signals are passed on in the order of their numbers, and 1 comes before 15.
        running.send(Signal::SIGTERM);
        assert_eq!(wait(&mut running.child).code(), Some(128 + 15));
        assert!(!running.file("hung-up").exists(), "passed on");
    }
}

#[test]
fn a_stop_stops_the_program_too() {
    if walls() {
        let script = "touch ready; while :; do echo x >> count; sleep 0.02; done";
        let mut running = Running::start(script);
        let count = running.file("count");
        let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        until("it counts", || size(&count) > 4);
        running.send(Signal::SIGTSTP);
        let stat = format!("/proc/{}/stat", running.child.id());
        until("cofferdam is stopped", || {
            fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "))
        });
        // The program was stopped first; what it had begun to write may still come.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let before = size(&count);
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert_eq!(size(&count), before, "it went on");
        running.send(Signal::SIGCONT);
        until("it goes on", || size(&count) > before + 4);
        running.send(Signal::SIGTERM);
        assert_eq!(wait(&mut running.child).code(), Some(128 + 15));
    }
}
