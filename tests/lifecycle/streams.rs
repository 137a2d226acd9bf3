//! Standard input, output and error.

use crate::support::{sandbox, says, sh, with_workspace};
use cofferdam::Stdio;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

#[test]
fn output_keeps_the_two_streams_apart() {
    let output = sh(&sandbox(), "echo out; echo err >&2; exit 3").output();
    let output = output.expect("the shell runs");
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.status.code(), Some(3));
    assert!(!output.status.success());
}

#[test]
fn large_output_on_both_pipes_blocks_nobody() {
    const SIZE: usize = 8 << 20;
    let script = format!(
        "head -c {SIZE} /dev/zero >&2; head -c {SIZE} /dev/zero; head -c {SIZE} /dev/zero >&2"
    );
    let output = sh(&sandbox(), &script)
        .timeout(Duration::from_secs(60))
        .output();
    let output = output.expect("the shell runs");
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(output.stdout.len(), SIZE);
    assert_eq!(output.stderr.len(), 2 * SIZE);
}

/// Two writers to one open file: each writes at the file's position, never over the other.
#[test]
fn a_file_shared_by_both_streams_and_the_host_loses_nothing() {
    const LINES: usize = 400;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let mut log = File::create(&path).expect("made");
    let sandbox = sandbox();
    let script = format!("for i in $(seq {LINES}); do echo out; echo err >&2; done; echo last");
    let mut child = sh(&sandbox, &script)
        .stdout(log.try_clone().expect("a copy"))
        .stderr(log.try_clone().expect("a copy"))
        .spawn()
        .expect("the shell runs");
    for _ in 0..LINES {
        log.write_all(b"host\n").expect("written");
        thread::sleep(Duration::from_micros(50));
    }
    assert!(child.wait().expect("wait").success());
    let text = fs::read_to_string(&path).expect("read");
    let count = |line| text.lines().filter(|have| *have == line).count();
    assert_eq!(
        [count("out"), count("err"), count("host"), count("last")],
        [LINES, LINES, LINES, 1]
    );
}

#[test]
fn standard_input_is_fed_while_output_is_read() {
    let sandbox = sandbox();
    let mut cat = sandbox.command("cat");
    let mut child = cat
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat");
    let bytes: Vec<u8> = (0..4_u32 << 20).map(|n| (n % 251) as u8).collect();
    let mut stdin = child.stdin.take().expect("piped");
    let feed = bytes.clone();
    let feeder = thread::spawn(move || stdin.write_all(&feed));
    let mut back = Vec::new();
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_to_end(&mut back).expect("read");
    feeder.join().expect("feeder").expect("write");
    assert!(child.wait().expect("wait").success());
    assert!(
        back == bytes,
        "{} bytes came back, not the same",
        back.len()
    );
}

#[test]
fn waiting_closes_standard_input_first() {
    let sandbox = sandbox();
    let mut command = sandbox.command("cat");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("cat");
    // cat only ends because its input does.
    assert!(child.wait().expect("wait").success());
}

#[test]
fn output_gives_an_empty_standard_input() {
    assert_eq!(says(&sandbox(), "wc -c"), "0");
    assert_eq!(says(&sandbox(), "readlink /proc/self/fd/0"), "/dev/null");
}

#[test]
fn null_output_goes_nowhere() {
    let sandbox = sandbox();
    let mut command = sh(&sandbox, "echo lost; echo kept >&2");
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let output = child.expect("the shell").wait_with_output().expect("wait");
    assert!(output.stdout.is_empty());
    assert_eq!(output.stderr, b"kept\n");
}

#[test]
fn a_regular_file_gets_all_output_and_cannot_be_tampered_with() {
    const SIZE: usize = 5 << 20;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    fs::write(&path, "kept\n").expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
    let file = File::options().append(true).open(&path).expect("open");
    let sandbox = sandbox();
    let script = format!(
        "exec 2>/dev/null; chmod 777 /proc/self/fd/1; (: > /proc/self/fd/1); \
         truncate -s 0 /proc/self/fd/1; head -c {SIZE} /dev/zero; kill -9 $$"
    );
    let mut command = sh(&sandbox, &script);
    let mut child = command.stdout(file).spawn().expect("the shell");
    let status = child.wait().expect("wait");
    assert_eq!(status.signal(), Some(9));
    let bytes = fs::read(&path).expect("read");
    assert!(
        bytes.starts_with(b"kept\n"),
        "what was there before is gone"
    );
    assert_eq!(
        bytes.len(),
        SIZE + 5,
        "complete as soon as the end is known"
    );
    let mode = fs::metadata(&path).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_regular_file_as_input_cannot_be_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("input");
    fs::write(&path, "the input").expect("write");
    let sandbox = sandbox();
    let script = "(echo changed > /proc/self/fd/0); echo changed >&0; cat";
    let mut command = sh(&sandbox, script);
    command.stdin(File::open(&path).expect("open"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let output = child.expect("the shell").wait_with_output().expect("wait");
    assert!(output.stdout.ends_with(b"the input") || !output.stdout.is_empty());
    assert_eq!(fs::read(&path).expect("read"), b"the input");
}

#[test]
fn a_program_that_leaves_its_input_unread_harms_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("input");
    fs::write(&path, vec![0; 4 << 20]).expect("write");
    let sandbox = with_workspace(directory.path());
    let mut command = sandbox.command("true");
    command.stdin(File::open(&path).expect("open"));
    assert!(command.status().expect("true").success());
}

#[test]
fn the_same_command_starts_again_and_again() {
    let sandbox = sandbox();
    let mut command = sh(&sandbox, "echo again");
    for _ in 0..3 {
        assert_eq!(command.output().expect("the shell").stdout, b"again\n");
    }
}

#[test]
fn streams_can_be_opened_by_their_names() {
    let script = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin";
    let output = sh(&sandbox(), script).output().expect("the shell");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((&output.stdout[..], &*err), (&b"out\n"[..], "err\n"));
    let sandbox = sandbox();
    let mut command = sandbox.command("cat");
    let streams = command
        .arg("/dev/stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = streams.spawn().expect("cat");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"in")
        .expect("write");
    assert_eq!(child.wait_with_output().expect("wait").stdout, b"in");
}
