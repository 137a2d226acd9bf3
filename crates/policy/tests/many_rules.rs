//! Ten thousand rules take no time to speak of.

use std::time::{Duration, Instant};

use cofferdam_policy::{Filesystem, PathRule, Policy};

const RULES: usize = 10_000;
/// Far below what anything quadratic would take here, far above what a busy machine needs.
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

/// Runs the work until it is fast enough, three times at most: other programs may be in the way.
fn timed<T>(what: &str, work: impl Fn() -> T) -> T {
    let mut times = Vec::new();
    while times.len() < 3 {
        let start = Instant::now();
        let result = work();
        times.push(start.elapsed());
        if times.last() < Some(&ENOUGH) {
            return result;
        }
    }
    panic!("{what} took {times:?}");
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
fn in_chains_as_deep_as_paths_may_be() {
    // Each path is the last one with a component more, up to the kernel's longest path.
    let rule = |n: usize| {
        let path = format!("/{:03}{}", n / 1000, "/x".repeat(n % 1000));
        if n % 2 == 0 {
            PathRule::read(path)
        } else {
            PathRule::write(path)
        }
    };
    let a = policy(rule);
    timed("validate", || a.validate()).expect("valid");
    assert!(timed("is_within", || a.is_within(&a)));
    assert!(timed("restrict", || a.restrict(&a)).is_within(&a));
}
