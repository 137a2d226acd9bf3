//! Runs the confined half of a test in a process of its own.
//!
//! Each test function is both halves: in the test run it makes the scene, which is the control, and
//! executes this test binary again for itself alone; there, [`parent`] gives `None` and the
//! function goes on to confine itself and try.

#![allow(dead_code)] // Each test binary uses its own part.

use std::io;
use std::process::Command;

use cofferdam_landlock::{Feature, Prepared, Ruleset, probe};
use cofferdam_sys::process::set_no_new_privs;

const MARK: &str = "COFFERDAM_LANDLOCK_TEST_CHILD";

/// The command that runs the confined half, or `None` in it.
pub fn parent(test: &str) -> Option<Command> {
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().expect("current_exe"));
    arguments(&mut command, test);
    Some(command)
}

/// Gives a command (this binary, or one that executes it at its end) the arguments and the
/// environment of the confined half.
pub fn arguments<'c>(command: &'c mut Command, test: &str) -> &'c mut Command {
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
}

/// Runs the confined half to its end and passes its failure on.
pub fn run(command: &mut Command) {
    let output = command.output().expect("the test binary starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A name that fits no test would succeed with none run.
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "the confined half failed: {}\n{stdout}\n{stderr}",
        output.status
    );
}

/// A value that the unconfined half handed over.
pub fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Puts the calling thread under the ruleset.
pub fn confine(ruleset: &Ruleset) -> Prepared {
    let prepared = ruleset.prepare(&probe()).expect("prepare");
    set_no_new_privs().expect("no_new_privs");
    prepared.apply().expect("apply");
    prepared
}

/// Whether this kernel offers what the test is about. If not, that is printed, and a failure where
/// everything is expected to be there.
pub fn host_offers(feature: Feature) -> bool {
    let offered = probe().offers(feature);
    if !offered {
        lacking(&format!(
            "landlock {feature} (linux {})",
            feature.abi().kernel()
        ));
    }
    offered
}

/// Whether this kernel has Landlock at all; as [`host_offers`].
pub fn host_has_landlock() -> bool {
    match probe().abi() {
        Ok(_) => true,
        Err(reason) => {
            lacking(&format!("landlock: {reason}; {}", reason.remedy()));
            false
        }
    }
}

/// Reports something that the host lacks.
pub fn lacking(what: &str) {
    assert!(
        std::env::var("COFFERDAM_EXPECT").as_deref() != Ok("full"),
        "this host lacks {what}, and COFFERDAM_EXPECT=full"
    );
    // Past the test harness, which keeps back what passing tests print with the macros.
    let line = format!("this host lacks {what}: not tested\n");
    let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
}

/// The error number of a result that must be an error.
#[track_caller]
pub fn errno<T>(result: io::Result<T>) -> i32 {
    match result {
        Ok(_) => panic!("it was not denied"),
        Err(error) => error.raw_os_error().expect("an error of the kernel"),
    }
}

/// The answer of a libc call as a result.
pub fn check(answer: i32) -> io::Result<()> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
