//! What the tests share: the attacker, inside and outside, and scenes with something to protect.

use cofferdam::policy::PathRule;
use cofferdam::{Child, Sandbox, SandboxBuilder, Stdio};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::time::Duration;
use tempfile::TempDir;

/// The attacker's program file.
pub const ATTACKER: &str = env!("CARGO_BIN_EXE_attacker");

/// Where the sandboxes of the tests have it.
pub const INSIDE: &str = "/attacker";

/// Far above what any attack takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The default sandbox, with the attacker in it.
pub fn wall() -> SandboxBuilder {
    Sandbox::builder().filesystem(|files| files.rule(PathRule::read(ATTACKER).at(INSIDE)))
}

/// Builds it. With `COFFERDAM_SECOND` set, what is attacked is the second command on, which begins in a template.
pub fn build(builder: SandboxBuilder) -> Sandbox {
    let sandbox = builder.build().unwrap_or_else(|error| panic!("{error}"));
    if std::env::var_os("COFFERDAM_SECOND").is_some() {
        let _ = sandbox.command("/bin/true").status();
    }
    sandbox
}

/// Several attacks as one argument list.
fn joined(attacks: &[&[&str]]) -> Vec<String> {
    let words = |attack: &&[&str]| {
        attack
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    attacks
        .iter()
        .map(words)
        .collect::<Vec<_>>()
        .join(&"--".to_owned())
}

/// Runs attacks in one process without the wall; one answer for each.
pub fn outside(attacks: &[&[&str]]) -> Vec<String> {
    let output = Command::new(ATTACKER)
        .args(joined(attacks))
        .output()
        .expect("started");
    answers(&output.stdout, &output.stderr, attacks.len())
}

/// Runs attacks in one process of a sandbox; one answer for each.
pub fn inside(sandbox: &Sandbox, attacks: &[&[&str]]) -> Vec<String> {
    let output = sandbox
        .command(INSIDE)
        .args(joined(attacks))
        .timeout(PATIENCE)
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    answers(&output.stdout, &output.stderr, attacks.len())
}

/// An attack that gave no answer proves nothing.
fn answers(stdout: &[u8], stderr: &[u8], count: usize) -> Vec<String> {
    let lines: Vec<String> = String::from_utf8_lossy(stdout)
        .lines()
        .map(Into::into)
        .collect();
    let stderr = String::from_utf8_lossy(stderr);
    assert_eq!(lines.len(), count, "{lines:?} {stderr}");
    lines
}

/// One attack without the wall.
pub fn one_outside(attack: &[&str]) -> String {
    outside(&[attack]).remove(0)
}

/// One attack in a sandbox.
pub fn one_inside(sandbox: &Sandbox, attack: &[&str]) -> String {
    inside(sandbox, &[attack]).remove(0)
}

/// What a command inside writes to its standard output.
pub fn answer(command: &mut cofferdam::Command) -> String {
    let output = command.timeout(PATIENCE).output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// Whether an attacker says that it did it.
pub fn done(answer: &str) -> bool {
    answer == "done" || answer.starts_with("done ")
}

/// Names something that this machine lacks. With `COFFERDAM_EXPECT=full` that is a failure.
pub fn lacks(what: &str) {
    println!("this machine lacks: {what}");
    let full = std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(
        !full,
        "COFFERDAM_EXPECT=full, and this machine lacks: {what}"
    );
}

/// Whether the tests run as root of the host.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// A workspace, and beside it a directory that no policy names.
pub struct Scene {
    _held: TempDir,
    /// The workspace.
    pub workspace: PathBuf,
    /// What is to be protected.
    pub beyond: PathBuf,
}

impl Scene {
    pub fn new() -> Self {
        let held = tempfile::tempdir().expect("a directory");
        // A tempdir's own path can lead over links.
        let base = held.path().canonicalize().expect("a path");
        let (workspace, beyond) = (base.join("workspace"), base.join("beyond"));
        fs::create_dir(&workspace).expect("a directory");
        fs::create_dir(&beyond).expect("a directory");
        Self {
            _held: held,
            workspace,
            beyond,
        }
    }

    /// A file beyond the workspace.
    pub fn canary(&self, name: &str) -> PathBuf {
        let path = self.beyond.join(name);
        fs::write(&path, "canary").expect("a file");
        path
    }

    /// A sandbox that works in the workspace.
    pub fn wall(&self) -> SandboxBuilder {
        wall().workspace(&self.workspace)
    }
}

/// Copies the attacker's program. Another process does it: were the file open for writing here, a
/// process that another test's thread starts would have it open as well, and the kernel would not
/// execute it (`ETXTBSY`).
pub fn copy_program(to: &Path) {
    assert_eq!(one_outside(&["files", "copy", ATTACKER, text(to)]), "done");
}

/// Everything about a file that an attack could change.
pub fn trace(path: &Path) -> String {
    match fs::symlink_metadata(path) {
        Ok(data) => format!(
            "inode {} mode {:o} owner {}:{} links {} size {} modified {}.{} changed {}.{} content {:?}",
            data.ino(),
            data.mode(),
            data.uid(),
            data.gid(),
            data.nlink(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
            if data.is_file() {
                fs::read(path).ok()
            } else {
                None
            },
        ),
        Err(error) => error.to_string(),
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is text")
}

/// Text backwards: attackers get what they search for so, lest their own arguments hold it.
pub fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

/// Text that occurs nowhere else.
pub fn secret() -> String {
    let mut bytes = [0_u8; 12];
    let mut random = fs::File::open("/dev/urandom").expect("random numbers");
    std::io::Read::read_exact(&mut random, &mut bytes).expect("random numbers");
    bytes
        .iter()
        .fold("secret-".into(), |text, byte| format!("{text}{byte:02x}"))
}

/// An attacker that has started and waits for a word. Ended when dropped.
pub struct Waiting {
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    child: Either,
}

enum Either {
    Outside(std::process::Child),
    Inside(Box<Child>),
}

impl Waiting {
    pub fn outside(command: &mut Command) -> Self {
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("started");
        Self {
            stdin: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().expect("piped")).lines(),
            child: Either::Outside(child),
        }
    }

    pub fn inside(sandbox: &Sandbox, attack: &[&str]) -> Self {
        let mut child = sandbox
            .command(INSIDE)
            .args(attack)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .timeout(PATIENCE)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            stdin: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().expect("piped")).lines(),
            child: Either::Inside(Box::new(child)),
        }
    }

    /// The process, as the host numbers it; inside, that of init.
    pub fn id(&self) -> u32 {
        match &self.child {
            Either::Outside(child) => child.id(),
            Either::Inside(child) => child.id(),
        }
    }

    /// The next thing it says.
    pub fn says(&mut self) -> String {
        self.lines
            .next()
            .map_or_else(String::new, |line| line.expect("text"))
    }

    /// Gives it the word, and hears what it says then.
    pub fn ask(&mut self) -> String {
        self.go();
        self.says()
    }

    /// Gives it the word.
    pub fn go(&mut self) {
        let stdin = self.stdin.as_mut().expect("still open");
        stdin.write_all(b"go\n").expect("a reader");
    }

    /// Lets it end by itself, and waits for that.
    pub fn close(&mut self) {
        drop(self.stdin.take());
        while self.lines.next().is_some() {}
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        match &mut self.child {
            Either::Outside(child) => child.try_wait().expect("a state").is_none(),
            Either::Inside(child) => child.try_wait().expect("a state").is_none(),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if let Either::Outside(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A process of the host that attacks are aimed at.
pub struct Bystander {
    pub process: Waiting,
    /// Where in its memory the secret lies.
    pub address: String,
    pub length: String,
    pub secret: String,
}

impl Bystander {
    pub fn new() -> Self {
        Self::from(&mut Command::new(ATTACKER))
    }

    /// With a command prepared by the test.
    pub fn from(command: &mut Command) -> Self {
        let secret = secret();
        command.args(["processes", "bystander", &backwards(&secret)]);
        let mut process = Waiting::outside(command);
        let ready = process.says();
        let mut words = ready.split(' ').skip(2).map(str::to_owned);
        Self {
            process,
            address: words.next().expect("an address"),
            length: words.next().expect("a length"),
            secret,
        }
    }

    pub fn id(&self) -> String {
        self.process.id().to_string()
    }

    /// Whether a signal has come.
    pub fn was_signalled(&mut self) -> bool {
        self.process.ask() == "signalled"
    }
}
