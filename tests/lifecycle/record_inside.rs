//! What is recorded of programs inside: what they execute, and calls that they are refused.

use crate::recorded::{Recorded, recorded, under};
use crate::support::{sh, within};
use cofferdam::audit::event::Context;
use cofferdam::audit::{Event, OnFailure};
use cofferdam::{Confidence, Sandbox, SandboxBuilder};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What was executed: path and arguments, with where it belongs.
fn execs(entries: &Recorded) -> Vec<(String, Context, u32, u32)> {
    let exec = |entry: cofferdam::audit::Entry| match entry.event {
        Event::Exec {
            pid, parent, argv, ..
        } => Some((argv.join(" "), entry.context, pid, parent)),
        _ => None,
    };
    entries.all().into_iter().filter_map(exec).collect()
}

#[test]
fn every_program_is_recorded_with_its_parent() {
    let (sandbox, entries) = recorded(|builder| builder);
    let status = sh(&sandbox, "/bin/echo one; (/bin/echo two); exit 5").status();
    assert_eq!(status.expect("the shell").code(), Some(5));
    let execs = execs(&entries);
    let lines: Vec<&str> = execs.iter().map(|(line, ..)| line.as_str()).collect();
    let script = "sh -c /bin/echo one; (/bin/echo two); exit 5";
    assert_eq!(lines, [script, "/bin/echo one", "/bin/echo two"]);
    let shell = execs[0].2;
    assert_eq!(execs[1].3, shell);
    let ids: Vec<_> = execs
        .iter()
        .map(|(_, context, ..)| context.command)
        .collect();
    assert!(
        ids[0].is_some() && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    // Without a record nothing is observed, and that is said.
    let plain = Sandbox::builder().build().expect("a sandbox");
    let observed = |sandbox: &Sandbox| {
        let mut lines = sandbox.planned().iter().flat_map(|report| &report.in_force);
        lines.any(|line| line.contains("observed"))
    };
    assert!(observed(&sandbox) && !observed(&plain));
}

#[test]
fn programs_of_a_session_belong_to_their_commands() {
    let (sandbox, entries) = recorded(|builder| builder);
    let session = sandbox.start().expect("a session");
    // At the same time, with the same program, and one with a grandchild that outlives it.
    thread::scope(|scope| {
        for number in 0..8 {
            let session = &session;
            scope.spawn(move || {
                let script = format!("/bin/echo {number}; (/bin/echo in {number}); /bin/true");
                let mut command = session.command("sh");
                command
                    .args(["-c", &script])
                    .under(&under(&format!("00f067aa0ba902b{number}")));
                assert!(command.output().expect("the shell").status.success());
            });
        }
    });
    let of = |line: &str| {
        let execs = execs(&entries);
        let found = execs.into_iter().find(|(argv, ..)| argv == line);
        found.unwrap_or_else(|| panic!("{line}")).1
    };
    for number in 0..8 {
        let (one, two) = (
            of(&format!("/bin/echo {number}")),
            of(&format!("/bin/echo in {number}")),
        );
        assert_eq!(one, two);
        let span = one.span.map(|span| span.to_string());
        assert_eq!(span, Some(format!("00f067aa0ba902b{number}")));
    }
    // Its parents are there until it has executed something, and gone when it executes the next.
    let daemon = "setsid sh -c 'touch /tmp/ready; sleep 0.3; exec /bin/echo late' & \
                  until [ -e /tmp/ready ]; do :; done";
    session
        .command("sh")
        .args(["-c", daemon])
        .status()
        .expect("the shell");
    let late = || {
        execs(&entries)
            .into_iter()
            .find(|(argv, ..)| argv == "/bin/echo late")
    };
    assert!(within(Duration::from_secs(20), || late().is_some()));
    assert!(of("/bin/echo late").command.is_some());
}

#[test]
fn what_cannot_be_recorded_is_not_executed() {
    let (audit, _) = Recorded::refusing(
        |event| matches!(event, Event::Exec { path, .. } if path.ends_with("/cat")),
        OnFailure::Refuse,
    );
    let sandbox = Sandbox::builder().audit(audit).build().expect("a sandbox");
    let output = sh(&sandbox, "/bin/cat /etc/passwd; /bin/echo $?").output();
    let output = output.expect("the shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "126\n");
    // The first program of a command, too.
    let error = sandbox.command("/bin/cat").spawn().expect_err("no record");
    assert!(error.to_string().contains("cat"), "{error}");
    // The control: where that is chosen, it is executed all the same.
    let (audit, _) = Recorded::refusing(|_| true, OnFailure::Continue);
    let sandbox = Sandbox::builder().audit(audit).build().expect("a sandbox");
    assert!(
        sandbox
            .command("/bin/cat")
            .arg("/etc/passwd")
            .output()
            .expect("cat")
            .status
            .success()
    );
}

#[test]
fn refused_calls_are_recorded_and_explained() {
    let script = "
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for _ in range(25):
    assert libc.ptrace(0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM
assert libc.mount(0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM
";
    let (sandbox, entries) = recorded(|builder| builder);
    let mut command = sandbox.command("python3");
    command
        .args(["-c", script])
        .under(&under("00f067aa0ba902b7"));
    let output = command.output().expect("python");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let refused = entries
        .all()
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::SyscallDenied {
                syscall,
                times,
                denial,
                ..
            } => Some((syscall, times, denial, entry.context)),
            _ => None,
        });
    let refused: Vec<_> = refused.collect();
    let of = |name: &str| -> Vec<u64> {
        let of = refused.iter().filter(|(syscall, ..)| syscall == name);
        of.map(|(_, times, ..)| *times).collect()
    };
    // The first, the tenth, and what is left at the end: all are counted.
    assert_eq!(of("ptrace"), [1, 9, 15]);
    assert_eq!(of("mount"), [1]);
    for (_, _, denial, context) in &refused {
        assert_eq!(denial.layer, "seccomp");
        assert_eq!(denial.confidence, Confidence::Certain);
        assert!(context.span.is_some() && context.command.is_some());
    }
    let told: Vec<String> = output
        .denials
        .iter()
        .map(|denial| denial.for_model())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("system call ptrace") && told[0].contains("--allow ptrace"),
        "{told:?}"
    );

    // In a session they are the command's that made them.
    let session = sandbox.start().expect("a session");
    let mut one = session.command("python3");
    let first = one.args(["-c", script]).output().expect("python");
    let second = session.command("true").output().expect("true");
    assert_eq!((first.denials.len(), second.denials.len()), (2, 0));
}

#[test]
fn files_that_are_not_given_are_recorded_where_files_are_traced() {
    let secret = "/var/lib/dpkg/status";
    assert!(
        Path::new(secret).exists(),
        "this test needs Debian's {secret}"
    );
    let script = format!("cat {secret} /var/lib/dpkg/missing; : > /usr/made-anew; cat /etc/passwd");
    let refused = |entries: &Recorded| {
        let denied = entries
            .all()
            .into_iter()
            .filter_map(|entry| match entry.event {
                Event::FileDenied { path, denial, .. } => Some((path, denial, entry.context)),
                _ => None,
            });
        denied.collect::<Vec<_>>()
    };
    let (sandbox, entries) = recorded(SandboxBuilder::trace_files);
    let session = sandbox.start().expect("a session");
    let mut command = session.command("sh");
    command
        .args(["-c", &script])
        .under(&under("00f067aa0ba902b7"));
    let mut child = command.spawn().expect("the shell");
    child.wait().expect("its end");
    let denied = refused(&entries);
    let paths: Vec<&str> = denied.iter().map(|(path, ..)| path.as_str()).collect();
    // What no host has is not refused, and what is shown is not either.
    assert_eq!(paths, [secret, "/usr/made-anew"]);
    for (_, denial, context) in &denied {
        assert!(denial.layer == "filesystem" && denial.confidence == Confidence::Inferred);
        assert!(context.span.is_some() && context.command.is_some());
    }
    assert!(denied[0].1.remedy.contains("--read"), "{:?}", denied[0].1);
    // Whether the host has a file is not told to who may read it for the program.
    let told: Vec<String> = child.denials().into_iter().map(|one| one.what).collect();
    assert_eq!(told, ["write /usr/made-anew"]);
    // The control: nobody hears of files elsewhere.
    let (sandbox, entries) = recorded(|builder| builder);
    sh(&sandbox, &script).status().expect("the shell");
    assert!(refused(&entries).is_empty());
}
