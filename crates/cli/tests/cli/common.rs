//! Starting the command, and waiting no longer than a bound.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub const BOUND: Duration = Duration::from_secs(60);

/// The command, as a person would start it.
pub fn cofferdam() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cofferdam"))
}

/// `cofferdam run` with these options and this command.
pub fn run(options: &[&str], command: &[&str]) -> Ended {
    end(cofferdam().arg("run").args(options).arg("--").args(command))
}

/// `cofferdam` with these arguments.
pub fn call(arguments: &[&str]) -> Ended {
    end(cofferdam().args(arguments))
}

/// A shell command outside of any wall: the control.
pub fn outside(script: &str) -> Ended {
    end(Command::new("sh").args(["-c", script]))
}

/// How a command ended and what it wrote.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The code; with everything else in the message when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// Runs to the end, with no input.
pub fn end(command: &mut Command) -> Ended {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    finish(child)
}

/// Waits for the end of a child with both outputs piped.
pub fn finish(mut child: Child) -> Ended {
    let stdout = reader(child.stdout.take().expect("piped"));
    let stderr = reader(child.stderr.take().expect("piped"));
    let status = wait(&mut child);
    Ended {
        code: status.code(),
        stdout: stdout.join().expect("read"),
        stderr: stderr.join().expect("read"),
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end, and kills what does not end.
#[track_caller]
pub fn wait(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    while begin.elapsed() < BOUND {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("did not end within {BOUND:?}");
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < BOUND, "{what}: not within {BOUND:?}");
        sleep(Duration::from_millis(5));
    }
}

/// A directory on the host, not in the view unless named.
pub fn directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("cofferdam-cli-")
        .tempdir()
        .expect("a directory")
}

/// The path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// Whether this host has a layer. What it lacks is said by name, past the test harness, and is a
/// failure where everything is expected.
pub fn has(layer: &str) -> bool {
    static HOST: OnceLock<serde_json::Value> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        let told = call(&["doctor", "--json"]);
        serde_json::from_str(&told.stdout).expect("json")
    });
    let layers = host["layers"].as_array().expect("a list");
    let found = layers
        .iter()
        .find(|one| one["layer"] == layer)
        .expect("a known layer");
    found["available"].as_bool().expect("a verdict")
}

/// As [`has`], for the layers that every confined run needs.
pub fn walls() -> bool {
    let missing: Vec<&str> = ["namespaces", "seccomp", "landlock"]
        .into_iter()
        .filter(|layer| !has(layer))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    lacking(&format!("{name}: {}", missing.join(", ")));
    false
}

/// Says that this host lacks something.
pub fn lacking(what: &str) {
    let expected = std::env::var_os("COFFERDAM_EXPECT");
    assert_ne!(
        expected.as_deref(),
        Some(OsStr::new("full")),
        "lacking: {what}"
    );
    let _ = writeln!(
        std::io::stderr().lock(),
        "this host lacks, so not tested: {what}"
    );
}
