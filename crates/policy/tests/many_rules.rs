//! Ten thousand rules take no time to speak of.

use std::time::Duration;

use cofferdam_policy::{Filesystem, Network, PathRule, Policy};

const RULES: usize = 10_000;
/// Far below what anything quadratic would take here, far above what an unoptimised build needs.
const ENOUGH: Duration = Duration::from_secs(1);

fn policy(rule: impl Fn(usize) -> PathRule) -> Policy {
    Policy {
        filesystem: Filesystem {
            system: false,
            rules: (0..RULES).map(rule).collect(),
            ..Filesystem::default()
        },
        ..Policy::default()
    }
}

/// Runs the work and checks the processor time of this thread: time on the clock would count what
/// else the machine does.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = processor_time();
    let result = work();
    let took = processor_time() - start;
    assert!(took < ENOUGH, "{what} took {took:?}");
    result
}

/// User and system time of this thread, in the hundredths of a second that `proc_pid_stat(5)` has.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("/proc is mounted");
    // The name of the program, the second field, is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

fn all_operations(a: &Policy, b: &Policy) {
    timed("validate", || a.validate()).expect("valid");
    let both = timed("restrict", || a.restrict(b));
    assert!(timed("is_within", || both.is_within(a)));
    assert!(timed("is_within", || both.is_within(b)));
    timed("validate", || both.validate()).expect("valid");
    let view = timed("view", || a.filesystem.view(&[]));
    assert!(view.len() >= RULES / 2);
}

#[test]
fn side_by_side() {
    let a = policy(|n| PathRule::read(format!("/data/set/{n}")));
    let b = policy(|n| PathRule::write(format!("/data/set/{}", n + RULES / 2)).no_exec());
    all_operations(&a, &b);
    assert_eq!(a.restrict(&b).filesystem.rules.len(), RULES / 2);
}

#[test]
fn under_one_tree_with_hides() {
    let rule = |n| match n {
        0 => PathRule::write("/work"),
        n if n % 2 == 0 => PathRule::hide(format!("/work/{n}/secret")),
        n => PathRule::read(format!("/work/{n}/{}", "deep/".repeat(n % 50))),
    };
    all_operations(&policy(rule), &policy(|n| rule((n * 7) % RULES)));
}

#[test]
fn in_chains_a_hundred_deep() {
    // Each path is the last one with a component more.
    let rule = |n: usize| {
        let path = format!("/{:03}{}", n / 100, "/x".repeat(n % 100));
        match n % 2 {
            0 => PathRule::read(path),
            _ => PathRule::write(path),
        }
    };
    all_operations(&policy(rule), &policy(|n| rule(n).no_exec()));
}

#[test]
fn overlays_in_deep_chains() {
    // Overlays and what is read below them in turn, so that each is an overlay of its own.
    let rule = |n: usize| {
        let path = format!("/{:03}{}", n / 100, "/x".repeat(n % 100));
        match n % 2 {
            0 => PathRule::overlay(path),
            _ => PathRule::read(path),
        }
    };
    all_operations(&policy(rule), &policy(|n| rule(n).no_exec()));
}

#[test]
fn a_protected_workspace_in_another() {
    let with = |workspace: &str, write: bool| {
        let mut policy = policy(|n| match write && n % 2 == 0 {
            true => PathRule::write(format!("/work/sub/{n}")),
            false => PathRule::hide(format!("/work/sub/{n}/secret")),
        });
        policy.filesystem = policy.filesystem.workspace(workspace);
        policy
    };
    all_operations(&with("/work/sub", true), &with("/work", false));
}

#[test]
fn a_thousand_names_of_one_tree() {
    let rule = |n: usize| match n {
        0..1000 => PathRule::read("/data").at(format!("/names/{n}")),
        n => PathRule::hide(format!("/elsewhere/{n}")),
    };
    let a = policy(rule);
    timed("validate", || a.validate()).expect("valid");
    assert!(timed("restrict", || a.restrict(&a)).is_within(&a));
    assert_eq!(timed("view", || a.filesystem.view(&[])).len(), 1000);
}

#[test]
fn as_many_network_rules_as_there_may_be() {
    let network = |rule: fn(usize) -> String| Policy {
        network: (0..4096).fold(Network::default(), |net, n| net.allow(rule(n))),
        ..Policy::default()
    };
    let a = network(|n| format!("h{n}.example.com"));
    let b = network(|n| format!("*.d{n}.test:{}", n + 1));
    for (a, b) in [(&a, &a), (&a, &b), (&b, &b)] {
        timed("validate", || a.validate()).expect("valid");
        let both = timed("restrict", || a.restrict(b));
        assert!(timed("is_within", || both.is_within(a) && both.is_within(b)));
    }
}
