//! What happens without the kernel, and the two shortest ways to start a program, with criterion.

use cofferdam::{Sandbox, Stdio};
use cofferdam_seccomp::{Arch, Profile};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

/// From the builder to a plan for this host.
fn build(criterion: &mut Criterion) {
    criterion.bench_function("Sandbox::builder().build()", |bencher| {
        bencher.iter(|| Sandbox::builder().build().expect("a sandbox"));
    });
}

/// A policy as text, read and checked.
fn policy(criterion: &mut Criterion) {
    let policy = Sandbox::builder().build().expect("a sandbox");
    let text = policy.policy().to_toml().expect("its text");
    criterion.bench_function("policy from TOML", |bencher| {
        bencher.iter(|| cofferdam::Policy::from_toml(black_box(&text)).expect("a policy"));
    });
}

/// The default profile to a filter, by our compiler and by seccompiler.
fn filter(criterion: &mut Criterion) {
    let profile = Profile::general();
    criterion.bench_function("default filter, compiled", |bencher| {
        bencher.iter(|| profile.compile(Arch::native()).expect("a filter"));
    });
    criterion.bench_function("default filter, compiled by seccompiler", |bencher| {
        bencher.iter(|| {
            profile
                .compile_with_seccompiler(Arch::native())
                .expect("filters")
        });
    });
}

/// `/bin/true` from its start to its end.
fn programs(criterion: &mut Criterion) {
    let sandbox = Sandbox::builder().build().expect("a sandbox");
    let session = sandbox.start().expect("a session");
    let run = |mut command: cofferdam::Command| {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().expect("it was started").success());
    };
    criterion.bench_function("/bin/true on a reused sandbox", |bencher| {
        bencher.iter(|| run(sandbox.command("/bin/true")));
    });
    criterion.bench_function("/bin/true in a session", |bencher| {
        bencher.iter(|| run(session.command("/bin/true")));
    });
}

criterion_group!(benches, build, policy, filter, programs);
criterion_main!(benches);
