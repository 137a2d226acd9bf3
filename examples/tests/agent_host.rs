//! The main job as a user runs it: the day and the attacks, and a command of one's own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An example of this package: cargo builds examples before it runs tests, into the directory
/// beside that of the test programs.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test program's own path");
    let beside = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let path = beside.join("examples").join(name);
    assert!(
        path.is_file(),
        "{} was not built: run `cargo build --examples`",
        path.display()
    );
    path
}

fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let here = tempfile::tempdir().expect("a temporary directory");
    Command::new(example(name))
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(here.path())
        .output()
        .expect("the example can be executed")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}\n{err}")
}

const ATTACKS: [&str; 15] = [
    "read a file in the home",
    "read the host's variables",
    "read /proc/*/environ",
    "read memory: process_vm_readv",
    "read memory: /proc/PID/mem",
    "read memory: ptrace",
    "write outside",
    "kill a host process",
    "reach a TCP listener",
    "reach an abstract socket",
    "mount",
    "nested user namespace",
    "fork bomb",
    "memory hog",
    "runaway loop",
];

/// What the table says of an attack, from its verdict on.
fn row<'a>(text: &'a str, attack: &str) -> &'a str {
    let mut rows = text.lines().map(str::trim_start).filter_map(|line| {
        let rest = line.strip_prefix(attack)?;
        rest.starts_with("  ").then(|| rest.trim_start())
    });
    rows.next()
        .unwrap_or_else(|| panic!("no row for {attack}:\n{text}"))
}

#[test]
fn the_day_is_done_and_every_attack_is_held() {
    let output = run("agent_host", &[], &[("COLUMNS", "1000")]);
    let text = text(&output);
    println!("{text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    for attack in ATTACKS {
        let row = row(&text, attack);
        // Where even the control is impossible, the row says so by name, and with
        // COFFERDAM_EXPECT=full the exit code above is not 0.
        assert!(
            row.starts_with("held  ") || row.starts_with("no control  "),
            "{attack}: {row}"
        );
    }
    let held = text.matches("  held  ").count();
    assert!(
        held >= ATTACKS.len() - 5,
        "only {held} attacks were tried:\n{text}"
    );
}

#[test]
fn a_wall_with_holes_is_told_and_fails() {
    let variables = [("COLUMNS", "1000"), ("AGENT_HOST_DANGER_LEAK", "1")];
    let output = run("agent_host", &[], &variables);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let leaking = [
        "read a file in the home",
        "reach a TCP listener",
        "nested user namespace",
    ];
    for attack in ATTACKS {
        let row = row(&text, attack);
        let leaks = leaking.contains(&attack);
        // What even the control cannot do on this host, a hole does not make possible.
        let told = row.starts_with("LEAKED  ") == leaks || row.starts_with("no control  ");
        assert!(told, "{attack}: {row}");
    }
    assert!(
        row(&text, "reach a TCP listener").starts_with("LEAKED  "),
        "{text}"
    );
}

/// A run whose home and temporary directory are its own, so that what it leaves can be told from what
/// others leave. Toolchains stay where they are.
struct Apart {
    temporary: tempfile::TempDir,
    home: PathBuf,
}

impl Apart {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        // On a root host the id inside must be able to pass through.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(temporary.path(), open).expect("its mode can be changed");
        let home = temporary.path().join("home");
        std::fs::create_dir(&home).expect("a directory can be made");
        Self { temporary, home }
    }

    fn command(&self) -> Command {
        let home = PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
        let kept = |name: &str, place: &str| {
            std::env::var_os(name).unwrap_or_else(|| home.join(place).into_os_string())
        };
        let mut command = Command::new(example("agent_host"));
        command
            .env("TMPDIR", self.temporary.path())
            .env("HOME", &self.home)
            .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"));
        command
    }

    /// What lies in the home, and in the temporary directory beside the home.
    fn left(&self) -> Vec<OsString> {
        let names = |path: &Path| {
            let entries = std::fs::read_dir(path).expect("it can be read").flatten();
            entries.map(|entry| entry.file_name()).collect::<Vec<_>>()
        };
        let mut all = names(self.temporary.path());
        all.retain(|name| name != "home");
        all.extend(names(&self.home));
        all
    }
}

#[test]
fn nothing_is_left_in_the_home_or_in_tmp() {
    let apart = Apart::new();
    let output = apart
        .command()
        .output()
        .expect("the example can be executed");
    let text = text(&output);
    assert!(text.contains("read a file in the home  "), "{text}");
    assert_eq!(apart.left(), Vec::<OsString>::new());
}

#[test]
fn nothing_is_left_after_a_kill() {
    let apart = Apart::new();
    let started = Instant::now();
    let mut child = apart
        .command()
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be executed");
    while apart.left().len() < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "no canary: {:?}",
            apart.left()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    // Until all that it makes at its start is there and somebody looks after it.
    std::thread::sleep(Duration::from_millis(300));
    child.kill().expect("it can be killed");
    child.wait().expect("it can be waited for");
    while !apart.left().is_empty() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "left: {:?}",
            apart.left()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
    ] {
        let output = run("agent_host", &["--", "sh", "-c", script], &[]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{script}: {}",
            text(&output)
        );
    }
    let output = run("agent_host", &["sh", "-c", "exit 7"], &[]);
    assert_eq!(
        output.status.code(),
        Some(7),
        "without --: {}",
        text(&output)
    );
}

#[test]
fn a_command_that_cannot_run_has_the_shells_codes() {
    let output = run("agent_host", &["--", "no-such-program-anywhere"], &[]);
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
    assert!(text(&output).contains("no-such-program-anywhere"));
    let output = run("agent_host", &["--", "/etc/passwd"], &[]);
    assert_eq!(output.status.code(), Some(126), "{}", text(&output));
}

#[test]
fn a_command_ends_with_its_time() {
    let started = Instant::now();
    let output = run(
        "agent_host",
        &["--", "sleep", "60"],
        &[("AGENT_HOST_TIMEOUT", "0.2")],
    );
    assert_eq!(output.status.code(), Some(124), "{}", text(&output));
    assert!(started.elapsed() < Duration::from_secs(30));
    let output = run(
        "agent_host",
        &["--", "true"],
        &[("AGENT_HOST_TIMEOUT", "soon")],
    );
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
}

#[test]
fn a_command_works_in_the_current_directory() {
    let here = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(example("agent_host"));
    command.args(["--", "sh", "-c", "pwd; echo made inside > made"]);
    let output = command
        .current_dir(here.path())
        .output()
        .expect("the example can be executed");
    assert!(output.status.success(), "{}", text(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(shown.trim_end(), here.path().display().to_string());
    let made = std::fs::read_to_string(here.path().join("made")).expect("it was made");
    assert_eq!(made, "made inside\n");
}

#[test]
fn every_short_example_succeeds() {
    let names = [
        "one_command",
        "stream_output",
        "limits",
        "policy_file",
        "enforcement",
        "async_host",
        "session",
        "pty",
        "overlay_review",
        "snapshot_fork",
        "pool",
        "protected_names",
        "directory_root",
    ];
    for name in names {
        let output = run(name, &[], &[]);
        assert!(output.status.success(), "{name}: {}", text(&output));
        assert!(!output.stdout.is_empty(), "{name} prints nothing");
    }
}
