//! What this host offers, and what was really in force around a program.
//!
//! `cargo run --example enforcement`

use cofferdam::{Enforce, Layer, Layers, Sandbox};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let host = Sandbox::probe();
    print!("{host}");

    // All that is there, of every layer; what is missing is told, not hidden.
    let all = |_| {
        let every = Layer::ALL.into_iter();
        every.fold(Layers::default(), |all, layer| {
            all.with(layer, Enforce::Prefer)
        })
    };
    let sandbox = Sandbox::builder()
        .layers(all)
        .limits(|limits| limits.memory_mib(256))
        .build()?;
    let output = sandbox.command("true").output()?;
    println!("\naround true:\n{}", output.enforcement);

    for report in output.enforcement.layers() {
        for weakness in &report.weaker {
            println!("{}: {}: {}", report.layer, weakness.what, weakness.reason);
        }
    }
    let filter = output.enforcement.layer(Layer::Seccomp);
    match filter.is_some_and(|report| !report.in_force.is_empty()) && output.status.success() {
        true => Ok(()),
        false => Err("not even a system call filter was in force".into()),
    }
}
