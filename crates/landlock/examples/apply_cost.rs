//! What applying a ruleset costs on this machine: medians in microseconds of interleaved runs.
//! `cargo run --release --example apply_cost`

use std::time::Instant;
use std::{error::Error, thread};

use cofferdam_landlock::{Access, Prepared, Ruleset, probe};
use cofferdam_sys::process::set_no_new_privs;

const RUNS: usize = 1001;

fn main() -> Result<(), Box<dyn Error>> {
    let five = ["/usr", "/etc", "/var", "/tmp", "/dev"];
    let base = || Ruleset::new().scope_signals().scope_abstract_unix();
    let ruleset = |host: usize, inside: usize| {
        let root = base().path("/", Access::ReadExec);
        let root = if inside > 0 {
            base().inside("/", Access::ReadExec)
        } else {
            root
        };
        let with_host = five[..host]
            .iter()
            .fold(root, |r, p| r.path(p, Access::Write));
        five[..inside.saturating_sub(1)]
            .iter()
            .fold(with_host, |r, p| r.inside(p, Access::Write))
            .prepare(&probe())
    };
    let cases = [
        ("1 host rule, ruleset shared", ruleset(0, 0)?),
        ("1 + 5 host rules, ruleset shared", ruleset(5, 0)?),
        ("1 inside rule, ruleset of its own", ruleset(0, 1)?),
        ("1 + 5 inside rules, ruleset of its own", ruleset(0, 6)?),
        (
            "1 inside + 5 host rules, ruleset of its own",
            ruleset(5, 1)?,
        ),
    ];
    let mut times = [const { Vec::<f64>::new() }; 5];
    for _ in 0..RUNS {
        for ((_, prepared), times) in cases.iter().zip(&mut times) {
            times.push(microseconds(prepared));
        }
    }
    for ((name, _), times) in cases.iter().zip(&mut times) {
        times.sort_unstable_by(f64::total_cmp);
        println!("{:7.2} us  {name}", times[RUNS / 2]);
    }
    Ok(())
}

/// A ruleset cannot be taken off, and 16 is the limit: each run has a thread of its own.
fn microseconds(prepared: &Prepared) -> f64 {
    let run = || {
        set_no_new_privs().expect("no_new_privs");
        let start = Instant::now();
        prepared.apply().expect("apply");
        start.elapsed().as_secs_f64() * 1e6
    };
    thread::scope(|scope| scope.spawn(run).join()).expect("no panic")
}
