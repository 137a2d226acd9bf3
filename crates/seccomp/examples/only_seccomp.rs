//! seccomp alone: this thread gives up what the general profile refuses, then runs a program.
//!
//! `cargo run -p cofferdam-seccomp --example only_seccomp -- unshare --user id`

use std::os::unix::process::CommandExt;
use std::process::Command;

use cofferdam_seccomp::{Arch, Profile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let command: Vec<_> = std::env::args_os().skip(1).collect();
    let (program, args) = command.split_first().ok_or("give a program to run")?;

    // Prepare: everything that can fail or allocate.
    let filter = Profile::general().compile(Arch::native())?;
    eprintln!("{} instructions", filter.len());

    // Apply: two system calls, in force for this thread and all it starts.
    cofferdam_sys::process::set_no_new_privs()?;
    filter.apply()?;
    Err(Command::new(program).args(args).exec().into())
}
