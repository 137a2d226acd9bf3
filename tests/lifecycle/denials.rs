//! What is told of refusals: concluded from what programs say, and never more than the policy knows.

use crate::support::{sandbox, sh};
use cofferdam::{Confidence, Denial, PtySize, Sandbox, Stdio};
use std::fs;

fn denials(sandbox: &Sandbox, script: &str) -> Vec<Denial> {
    sh(sandbox, script).output().expect("the shell").denials
}

fn one(sandbox: &Sandbox, script: &str) -> Denial {
    let mut all = denials(sandbox, script);
    assert_eq!(all.len(), 1, "{script}: {all:?}");
    all.remove(0)
}

#[test]
fn a_file_that_is_not_shown_is_told_with_what_would_show_it() {
    // Every host has it, and it tells which one this is.
    let path = "/etc/hostname";
    assert!(fs::read(path).is_ok(), "{path}");
    let denial = one(&sandbox(), &format!("cat {path}"));
    assert_eq!(denial.confidence, Confidence::Inferred);
    assert_eq!(denial.layer, "filesystem");
    assert_eq!(denial.what, format!("read {path}"));
    let text = denial.for_model();
    assert!(
        text.starts_with("The sandbox probably refused to read /etc/hostname"),
        "{text}"
    );
    for remedy in [format!("--read {path}"), format!(".read(\"{path}\")")] {
        assert!(text.contains(&remedy), "{remedy}: {text}");
    }
    // Whether the host has it makes no difference: a program cannot ask through this.
    let missing = one(&sandbox(), "cat /srv/no/such/file");
    assert_eq!(missing.reason, denial.reason);

    let outside = tempfile::tempdir().expect("a directory");
    let file = outside.path().join("notes.txt");
    fs::write(&file, "outside").expect("a file");
    // The control: it is shown, so it can be read, and that one is missing there is no refusal.
    let shown = Sandbox::builder()
        .read(outside.path())
        .build()
        .expect("a sandbox");
    let script = format!(
        "cat {} && cat {}/none",
        file.display(),
        outside.path().display()
    );
    assert_eq!(denials(&shown, &script), []);
}

#[test]
fn a_file_that_can_only_be_read_is_told() {
    let denial = one(&sandbox(), "touch /usr/share/x");
    assert_eq!(denial.what, "write /usr/share/x");
    assert!(denial.remedy.contains("--write /usr/share/x"), "{denial:?}");
    // The control: what is the sandbox's own can be written, and what fails there is no refusal.
    assert_eq!(denials(&sandbox(), "touch /tmp/x; cat /tmp/none"), []);
}

#[test]
fn what_a_rule_hides_is_told_without_its_remedy_undone() {
    let outside = tempfile::tempdir().expect("a directory");
    let work = outside.path().join("work");
    fs::create_dir(&work).expect("a directory");
    fs::write(work.join("key"), "x").expect("a file");
    let builder = Sandbox::builder().workspace(&work).hide(work.join("key"));
    let sandbox = builder.build().expect("a sandbox");
    let all = denials(
        &sandbox,
        "cat $PWD/key/x; echo $PWD/key: Permission denied >&2; false",
    );
    let hidden = all.iter().any(|denial| denial.reason == "a rule hides it");
    assert!(hidden, "{all:?}");
    assert!(
        all.iter().all(|denial| !denial.remedy.contains("--read")),
        "{all:?}"
    );
}

#[test]
fn a_network_that_is_not_there_is_told() {
    let say = |text: &str| format!("echo \"{text}\" >&2; exit 6");
    let denial = one(
        &sandbox(),
        &say("curl: (6) Could not resolve host: api.example.com"),
    );
    assert_eq!(
        (&*denial.layer, &*denial.what),
        ("network", "connect to api.example.com")
    );
    assert!(
        denial.remedy.contains("--network api.example.com:443"),
        "{denial:?}"
    );
    let denial = one(&sandbox(), &say("ping: connect: Network is unreachable"));
    assert_eq!(denial.what, "use the network");
    // A program that really tries.
    let real = "exec 3<>/dev/tcp/192.0.2.1/80";
    let output = sandbox().command("bash").args(["-c", real]).output();
    let all = output.expect("bash").denials;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].layer, "network");
}

#[test]
fn a_program_that_is_not_inside_is_told() {
    let denial = one(&sandbox(), "no-such-program");
    assert_eq!(denial.what, "execute no-such-program");
    assert!(denial.remedy.contains("--toolchains"), "{denial:?}");
    // The control: the same word of a program that failed for another reason.
    assert_eq!(
        denials(&sandbox(), "echo 'sh: 1: x: not found' >&2; exit 1"),
        []
    );
}

#[test]
fn an_end_that_was_waited_for_before_is_no_less_told_of() {
    let mut command = sh(&sandbox(), "cat /srv/x");
    let streams = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().expect("the shell");
    assert!(!child.wait().expect("its end").success());
    assert_eq!(child.denials(), []);
    assert_eq!(
        child.wait_with_output().expect("its output").denials.len(),
        1
    );
}

#[test]
fn what_is_no_complaint_is_not_listened_to() {
    let script = "echo 'cat: /srv/x: Permission denied'; false";
    assert_eq!(denials(&sandbox(), script), []);
    // On a terminal all is one.
    let mut command = sh(&sandbox(), script);
    let size = PtySize {
        rows: 24,
        columns: 80,
    };
    assert_eq!(
        command.pty(size).output().expect("the shell").denials.len(),
        1
    );
}

#[test]
fn a_limit_of_processes_is_told() {
    let builder = Sandbox::builder().limits(|limits| limits.processes(4));
    let sandbox = match builder.build() {
        Ok(sandbox) => sandbox,
        Err(error) => return println!("not for this user: {error}"),
    };
    // It gives up at once, where bash would try again until others have ended.
    let script = "import os, signal
for _ in range(8):
    if os.fork() == 0:
        signal.pause()";
    let output = sandbox
        .command("python3")
        .args(["-c", script])
        .output()
        .expect("python");
    let told = output
        .denials
        .iter()
        .any(|denial| denial.remedy.contains("--processes"));
    assert!(told, "{output:?}");
}

#[test]
fn a_success_tells_of_nothing() {
    let script = "cat /srv/x; touch /usr/x; true";
    assert_eq!(denials(&sandbox(), script), []);
}

#[test]
fn what_a_hostile_program_says_stays_small_and_plain() {
    let script = r#"
        i=0; while [ $i -lt 400 ]; do echo "cat: /srv/$i: Permission denied"; i=$((i+1)); done >&2
        printf "cat: '/srv/\033[2J; rm -rf ~': Permission denied\n" >&2
        printf "cat: '/srv/\$(reboot)': Permission denied\n" >&2
        head -c 200000 /dev/zero | tr '\0' / >&2
        printf ': Permission denied\n\377\376: Permission denied\n' >&2
        printf "cat: '/srv/\$(reboot)': Permission denied\n" >&2
        false"#;
    let all = denials(&sandbox(), script);
    assert!(!all.is_empty() && all.len() <= 8, "{all:?}");
    for denial in &all {
        assert_eq!(denial.confidence, Confidence::Inferred);
        let text = denial.for_model();
        assert!(!text.contains(char::is_control), "{text}");
        // What means something to a shell is in no line that is there to be pasted.
        assert!(!denial.remedy.contains("$("), "{denial:?}");
        assert!(text.len() < 1000, "{text}");
    }
}

#[test]
fn commands_of_a_session_have_their_own() {
    let session = sandbox().start().expect("a session");
    let run = |script: &str| {
        let output = session.command("sh").args(["-c", script]).output();
        output.expect("the shell").denials
    };
    let first = run("cat /srv/a");
    let second = run("cat /srv/b");
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    assert_eq!(session.denials(), [first, second].concat());
    assert_eq!(session.denials_left_out(), 0);
}
