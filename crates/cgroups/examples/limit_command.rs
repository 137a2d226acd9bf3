//! Runs a command with 256 MiB of memory, 64 tasks and half a processor, and prints what it used:
//! `cargo run -p cofferdam-cgroups --example limit_command -- dd if=/dev/zero of=/dev/null bs=512M count=1`

use cofferdam_cgroups::{CpuQuota, Limits, Parent};
use std::{env, error::Error, io, os::unix::process::CommandExt, process::Command, sync::Arc};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1);
    let mut command = Command::new(words.next().ok_or("usage: limit_command CMD [ARG]…")?);
    let limits = Limits {
        memory: Some(256 << 20),
        processes: Some(64),
        cpus: Some(CpuQuota::cpus(0.5)),
        ..Limits::default()
    };
    let parent = Parent::prepare(&limits).inspect_err(|error| eprintln!("{error}"))?;
    let group = Arc::new(parent.create(&limits)?);
    let joined = Arc::clone(&group);
    // SAFETY: between fork and exec only async-signal-safe calls: join_all makes write(2) only.
    unsafe { command.pre_exec(move || joined.join_all().map_err(io::Error::from)) };
    let status = command.args(words).status()?;
    println!("{status}\n{:#?}\n{:#?}", group.in_force(), group.stats());
    group.kill()?; // what it left running; dropping the group removes it
    Ok(())
}
