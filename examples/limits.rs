//! Limits: a program that would never end, and one that makes too many processes.
//!
//! `cargo run --example limits`

use cofferdam::{Layer, Sandbox};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder()
        .limits(|limits| {
            limits
                .memory_mib(256)
                .processes(8)
                .open_files(64)
                .wall_clock(Duration::from_millis(300))
        })
        // An ordinary user may have no control group; then memory is held for each process, and the
        // enforcement says so.
        .layers(|layers| layers.prefer(Layer::Cgroup))
        .build()?;

    let status = sandbox.command("sleep").arg("60").status()?;
    println!("sleep 60: {status}, after {:?}", status.usage().wall);
    if !status.timed_out() {
        return Err("nothing ended the sleeper".into());
    }

    let bomb = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait";
    let output = sandbox.command("sh").args(["-c", bomb]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    println!(
        "12 sleepers: {}, {}",
        output.status,
        said.trim_end().escape_debug()
    );
    // The shell gives up when fork(2) fails, so it ends before the time does.
    if output.status.success() || said.is_empty() {
        return Err("nothing stopped the sleepers".into());
    }

    if let Some(report) = output.enforcement.layer(Layer::Cgroup) {
        print!("{report}");
    }
    Ok(())
}
