//! Executes a program that can read and run the system, write one directory, and nothing else:
//! `cargo run --example only_landlock -- DIRECTORY COMMAND [ARGUMENT]...`

use std::os::unix::process::CommandExt;
use std::{env, error::Error, path::Path, process::Command};

use cofferdam_landlock::{Access, Ruleset, probe};
use cofferdam_sys::process::set_no_new_privs;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let directory = arguments.next().ok_or("name a directory")?;
    let mut command = Command::new(arguments.next().ok_or("name a command")?);

    let mut ruleset = Ruleset::new().path(directory, Access::Write);
    let system = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"];
    for path in system.iter().filter(|path| Path::new(path).exists()) {
        ruleset = ruleset.path(path, Access::ReadExec);
    }
    let ruleset = ruleset.path("/dev/null", Access::Device).connect_tcp([]);
    let prepared = ruleset.scope_signals().prepare(&probe())?;
    prepared.missing().iter().for_each(|m| eprintln!("{m}"));

    // This binds the calling thread and what it starts: here it is the only one.
    set_no_new_privs()?;
    prepared.apply()?;
    Err(command.args(arguments).exec().into())
}
