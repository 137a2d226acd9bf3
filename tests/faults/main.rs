//! Whatever fails on the way to a program, and whenever the host is killed: the program has not run behind less than
//! the whole wall, and nothing is left.
//!
//! - `operations`: each operation of each shape's plan is made to fail.
//! - `calls`: each system call of the host, of the child, of init and of the process that becomes the program is made
//!   to fail. `COFFERDAM_FAULTS=full` tries all of them; else some of each kind.
//! - `kills`: the host is killed at a random moment. `COFFERDAM_KILLS` says how often, `COFFERDAM_SEED` from which seed
//!   the moments are drawn.

mod calls;
mod errors;
mod evidence;
mod ground;
mod host;
mod inside;
mod kills;
mod operations;
mod random;
mod shape;
mod tracer;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

type Test = (&'static str, fn() -> Result<(), String>);

const TESTS: &[Test] = &[
    (
        "a_failing_operation_starts_and_leaves_nothing",
        operations::sweep,
    ),
    ("a_failing_call_starts_and_leaves_nothing", calls::sweep),
    ("a_killed_host_leaves_nothing", kills::sweep),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &words[..] {
        ["--inside", ..] => inside::main(&arguments[1..]),
        ["--operations", name, base] => host::operations(shape::named(name), Path::new(base)),
        ["--calls", name, base] => host::calls(shape::named(name), Path::new(base)),
        ["--kills", name, base, version] => {
            kills::host(
                shape::named(name),
                Path::new(base),
                version.parse().expect("a number"),
            );
        }
        _ => return tests(&words),
    }
    ExitCode::SUCCESS
}

fn tests(words: &[&str]) -> ExitCode {
    let exact = words.contains(&"--exact");
    let filters: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let fits = |name: &str| {
        let one = |filter: &&&str| {
            if exact {
                name == **filter
            } else {
                name.contains(**filter)
            }
        };
        filters.is_empty() || filters.iter().any(one)
    };
    let chosen = TESTS.iter().filter(|(name, _)| fits(name));
    if words.contains(&"--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, test) in chosen {
        let start = Instant::now();
        match test() {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok ({:?})", start.elapsed());
            }
            Err(why) => {
                failed.push(*name);
                println!("{why}\ntest {name} ... FAILED ({:?})", start.elapsed());
            }
        }
    }
    println!(
        "\nfaults: {passed} passed, {} failed {failed:?}",
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Says what this machine lacks; a failure where everything is expected of it.
fn lacks(what: &str) -> Result<(), String> {
    println!("this machine lacks: {what}");
    match env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full") {
        true => Err(format!(
            "COFFERDAM_EXPECT=full, and this machine lacks {what}"
        )),
        false => Ok(()),
    }
}

/// Whether the caller is root.
fn is_root() -> bool {
    // SAFETY: geteuid(2) touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
