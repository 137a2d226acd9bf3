//! A policy from a file: the user's own allows, a project's may only tighten it.
//!
//! `cargo run --example policy_file`

use cofferdam::{Policy, Sandbox};
use std::error::Error;

const USER: &str = r#"
[filesystem]
toolchains = true

[limits]
processes = 256
wall_clock = "10m"

[environment]
inherit = ["LANG", "EDITOR"]
"#;

const PROJECT: &str = r#"
[limits]
processes = 32
wall_clock = "1h"

[environment]
inherit = ["LANG"]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let user = Policy::from_toml(USER)?;
    let project = Policy::from_toml(PROJECT)?;
    // Of each of the two the tighter part.
    let policy = user.restrict(&project);
    println!("{}", policy.to_toml()?);
    if !policy.is_within(&user) || policy.limits.processes != Some(32) {
        return Err("the project's policy widened the user's".into());
    }

    let sandbox = Sandbox::builder().policy(policy).build()?;
    let output = sandbox.command("env").output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        return Err(output.status.to_string().into());
    }

    // A mistake is told before anything runs, with its place and what was probably meant.
    match Policy::from_toml("[limits]\nprocesess = 32\n") {
        Ok(_) => Err("a misspelt key was accepted".into()),
        Err(error) => {
            println!("\na misspelt key: {error}");
            Ok(())
        }
    }
}
