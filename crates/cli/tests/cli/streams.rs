//! Standard streams go through, whole.

use crate::common::{cofferdam, directory, finish, wait, walls};
use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_pipe_goes_in_and_comes_out() {
    if walls() {
        let mut command = cofferdam();
        command.args(["run", "--", "sh", "-c", "tr a-z A-Z; echo said >&2"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("start");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(b"hello").expect("write");
        drop(stdin);
        let ended = finish(child).expect(0);
        assert_eq!((&*ended.stdout, &*ended.stderr), ("HELLO", "said\n"));
    }
}

#[test]
fn regular_files_are_read_and_written_whole() {
    if walls() {
        let here = directory();
        let (from, to) = (here.path().join("from"), here.path().join("to"));
        // Many times what a pipe holds.
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        fs::write(&from, &bytes).expect("write");
        let mut command = cofferdam();
        command.args(["run", "--", "cat"]);
        command.stdin(File::open(&from).expect("open"));
        command.stdout(File::create(&to).expect("create"));
        let status = wait(&mut command.spawn().expect("start"));
        assert_eq!(status.code(), Some(0));
        assert!(fs::read(&to).expect("read") == bytes, "not the same");
    }
}

#[test]
fn a_reader_that_leaves_ends_the_writer() {
    if walls() {
        let mut command = cofferdam();
        command
            .args(["run", "--", "yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("start");
        drop(child.stdout.take());
        assert_eq!(wait(&mut child).code(), Some(128 + 13));
    }
}
