//! One command in a sandbox: what it wrote, how it ended, what it used.
//!
//! `cargo run --example one_command`

use cofferdam::Sandbox;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = tempfile::tempdir()?;
    std::fs::write(workspace.path().join("numbers"), "3\n1\n2\n")?;

    let sandbox = Sandbox::builder().workspace(workspace.path()).build()?;
    let output = sandbox
        .command("sort")
        .args(["-o", "sorted", "numbers"])
        .output()?;

    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("sort: {}: {}", output.status, said.escape_debug()).into());
    }
    // The workspace is the host's own directory, so what was written there is here.
    let sorted = std::fs::read_to_string(workspace.path().join("sorted"))?;
    println!("sorted: {:?}", sorted.lines().collect::<Vec<_>>());

    let usage = output.status.usage();
    println!(
        "{}, after {:?}; largest process {} KiB",
        output.status,
        usage.wall,
        usage.max_rss >> 10
    );
    match sorted.as_str() {
        "1\n2\n3\n" => Ok(()),
        other => Err(format!("not sorted: {other:?}").into()),
    }
}
