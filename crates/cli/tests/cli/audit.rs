//! The record of a run: written, shown, verified, reported and explained.

use crate::common::{BOUND, call, cofferdam, run};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;
use tempfile::TempDir;

/// A directory with a record of a run in it.
struct Recorded {
    _directory: TempDir,
    path: PathBuf,
}

impl Recorded {
    fn of(script: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("record.jsonl");
        let recorded = Self {
            _directory: directory,
            path,
        };
        recorded.run(script, 0);
        recorded
    }

    fn run(&self, script: &str, code: i32) {
        run(&["--record", self.file()], &["sh", "-c", script]).expect(code);
    }

    fn file(&self) -> &str {
        self.path.to_str().expect("text")
    }

    fn audit(&self, verb: &str, options: &[&str]) -> crate::common::Ended {
        call(&[&["audit", verb, self.file()], options].concat())
    }
}

#[test]
fn a_run_is_recorded_and_shown() {
    let recorded = Recorded::of("/bin/echo one; exit 0");
    let shown = recorded.audit("show", &[]).expect(0).stdout;
    let kinds = [
        "log_opened",
        "session_started",
        "command_started sh -c /bin/echo one; exit 0",
        "exec ",
        "exec /bin/echo as /bin/echo one",
        "command_ended with code 0",
        "session_ended",
        "log_closed",
        "head",
    ];
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), kinds.len(), "{shown}");
    for (line, kind) in lines.iter().zip(kinds) {
        assert!(line.contains(kind), "{line}");
    }
    let only = recorded.audit("show", &["--type", "exec", "--text", "/bin/echo"]);
    assert_eq!(only.expect(0).stdout.lines().count(), 2);
    let none = recorded.audit("show", &["--denied"]).expect(0);
    assert_eq!(none.stdout, "");
    let json = recorded.audit("show", &["--json"]).expect(0).stdout;
    for line in json.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(record["v"], 1);
    }
    // A second run goes on in it.
    recorded.run("exit 3", 3);
    let shown = recorded
        .audit("show", &["--type", "command_ended"])
        .expect(0);
    assert_eq!(shown.stdout.lines().count(), 2, "{}", shown.stdout);
    recorded.audit("verify", &[]).expect(0);
}

#[test]
fn a_record_that_was_changed_says_where() {
    let recorded = Recorded::of("/bin/echo secret-plan");
    let good = recorded.audit("verify", &["--json"]).expect(0).stdout;
    let good: serde_json::Value = serde_json::from_str(&good).expect("JSON");
    assert_eq!(
        (&good["holds"], &good["signed"]),
        (&true.into(), &good["records"])
    );
    let key = good["keys"][0].as_str().expect("a key").to_owned();
    recorded.audit("verify", &["--key", &key]).expect(0);
    let other = "00".repeat(32);
    recorded.audit("verify", &["--key", &other]).expect(1);
    recorded.audit("verify", &["--key", "nonsense"]).expect(2);

    let text = fs::read_to_string(&recorded.path).expect("the record");
    let changed = text.replacen("secret-plan", "harmless", 1);
    assert_ne!(text, changed);
    fs::write(&recorded.path, changed).expect("the record");
    let ended = recorded.audit("verify", &[]).expect(1);
    assert!(ended.stderr.contains("record.jsonl:3"), "{}", ended.stderr);
    // It is still shown, and its report says so.
    recorded.audit("show", &[]).expect(0);

    // One that was cut at its end is told by what was known of it.
    let head = good["head"].to_string();
    fs::write(&recorded.path, &text).expect("the record");
    recorded.audit("verify", &["--head", &head]).expect(0);
    let lines: Vec<&str> = text.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    fs::write(&recorded.path, cut).expect("the record");
    recorded.audit("verify", &[]).expect(0);
    recorded.audit("verify", &["--head", &head]).expect(1);
}

#[test]
fn a_report_is_one_page_that_loads_nothing() {
    let recorded = Recorded::of("/bin/echo '<script>alert(1)</script>'");
    let page = recorded.path.with_extension("html");
    let output = page.to_str().expect("text");
    recorded.audit("report", &["-o", output]).expect(0);
    let html = fs::read_to_string(&page).expect("the page");
    assert!(html.contains("Content-Security-Policy") && html.contains("alert(1)"));
    assert!(!html.contains("<script>alert(1)"));
    assert_eq!(files_beside(&page).len(), 2, "{:?}", files_beside(&page));
    let ended = call(&[
        "audit",
        "report",
        recorded.file(),
        "-o",
        "/nonexistent/page.html",
    ]);
    assert!(ended.expect(2).stderr.contains("/nonexistent/page.html"));
}

fn files_beside(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.parent().expect("a directory")).expect("entries");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn why_explains_what_was_denied() {
    let script = "python3 -c 'import ctypes; ctypes.CDLL(None).ptrace(0,0,0,0)'";
    let recorded = Recorded::of(script);
    let told = call(&["why", recorded.file()]).expect(0).stdout;
    for part in [
        "the system call ptrace",
        "other processes",
        "--allow ptrace",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let model = call(&["why", recorded.file(), "--for-model"])
        .expect(0)
        .stdout;
    assert_eq!(model.lines().count(), 1, "{model}");
    assert!(model.starts_with("The sandbox refused to"), "{model}");
    // What it says works: the control.
    let ended = run(&["--no-record", "--allow", "ptrace"], &["sh", "-c", script]);
    ended.expect(0);
    // Files, where they are traced.
    let file = "/var/lib/dpkg/status";
    assert!(Path::new(file).exists(), "this test needs Debian's {file}");
    let script = format!("cat {file}; true");
    run(
        &["--trace", "--record", recorded.file()],
        &["sh", "-c", &script],
    )
    .expect(0);
    let told = call(&["why", recorded.file()]).expect(0).stdout;
    assert!(told.contains(&format!("--read {file}")), "{told}");
    run(&["--no-record", "--read", file], &["cat", file]).expect(0);
    let quiet = Recorded::of("true");
    let told = call(&["why", quiet.file()]).expect(0).stdout;
    assert!(told.contains("nothing was denied"), "{told}");
}

#[test]
fn nothing_runs_that_cannot_be_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let workspace = directory.path().to_str().expect("text");
    let ran = directory.path().join("ran");
    for place in ["/dev/full", "/nonexistent/record.jsonl", workspace] {
        let options = ["--record", place, "--workspace", workspace];
        let ended = run(&options, &["touch", "ran"]).expect(125);
        assert!(ended.stderr.contains("nothing was run"), "{}", ended.stderr);
        assert!(!ran.exists(), "{place}");
    }
    run(
        &["--no-record", "--workspace", workspace],
        &["touch", "ran"],
    )
    .expect(0);
    assert!(ran.exists());
    assert_eq!(files_beside(&ran).len(), 1);
}

#[test]
fn without_a_place_for_records_programs_run_and_it_is_said() {
    let mut command = cofferdam();
    command
        .env("HOME", "/nonexistent/home")
        .env_remove("XDG_STATE_HOME");
    let ended = crate::common::end(command.args(["run", "--", "true"])).expect(0);
    let data = fs::metadata("/proc/self").expect("this process");
    let is_root = std::os::unix::fs::MetadataExt::uid(&data) == 0;
    // The place of root does not depend on its home.
    assert_eq!(
        ended.stderr.contains("not recorded"),
        !is_root,
        "{}",
        ended.stderr
    );
}

#[test]
fn secrets_are_not_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("record.jsonl");
    let mut command = cofferdam();
    command
        .env("MY_TOKEN", "canary-9f8e7d6c5b4a")
        .args(["run", "--record"])
        .arg(&path)
        .args([
            "--network",
            "api.example",
            "--secret",
            "MY_TOKEN@bearer:api.example",
            "--",
            "/bin/echo",
        ])
        // A host that passes the value on by mistake, and what looks like one.
        .args(["canary-9f8e7d6c5b4a", "--password", "hunter2hunter2"]);
    crate::common::end(&mut command).expect(0);
    let text = fs::read_to_string(&path).expect("the record");
    for value in ["canary-9f8e7d6c5b4a", "hunter2hunter2"] {
        assert!(!text.contains(value), "{text}");
    }
    assert!(text.contains("redacted"), "{text}");
}

#[test]
fn a_record_can_be_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("record.jsonl");
    let file = path.to_str().expect("text");
    run(&["--record", file], &["true"]).expect(0);
    let mut follower = cofferdam()
        .args(["audit", "show", "-f", "--type", "command_started", file])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a follower");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.contains("true"), "{first}");
    let start = Instant::now();
    run(&["--record", file], &["/bin/echo", "more"]).expect(0);
    let second = lines.next().expect("a line").expect("text");
    assert!(second.contains("/bin/echo more"), "{second}");
    assert!(start.elapsed() < BOUND);
    follower.kill().expect("kill");
    follower.wait().expect("its end");
}
