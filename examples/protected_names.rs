//! Dangerous names: a program that writes to the workspace directly does not get at what the next `git`,
//! editor or shell of the host would obey.
//!
//! `cargo run --example protected_names`

use cofferdam::Sandbox;
use std::error::Error;
use std::fs;

const PROGRAM: &str = r#"
echo 'fn main() {}' > main.rs
echo '[core] fsmonitor = ./evil' >> .git/config
echo evil > .git/hooks/post-checkout
mv .git .git-old
mkdir .vscode && echo '{}' > .vscode/tasks.json
echo 'evil' > .envrc
exit 0
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = tempfile::tempdir()?;
    let path = |name: &str| workspace.path().join(name);
    fs::create_dir_all(path(".git/hooks"))?;
    fs::write(path(".git/config"), "[core]\n")?;
    fs::write(path(".git/HEAD"), "ref: refs/heads/main\n")?;

    let sandbox = Sandbox::builder().workspace(workspace.path()).build()?;
    let output = sandbox.command("sh").args(["-c", PROGRAM]).output()?;

    // What exists is read-only: the kernel refuses.
    print!("{}", String::from_utf8_lossy(&output.stderr));
    // What does not exist cannot be covered without leaving something on the host; it is taken away
    // when the command has ended.
    for taken in output.status.taken_away() {
        println!("{taken}");
    }

    let written = path("main.rs").exists();
    let kept = fs::read_to_string(path(".git/config"))? == "[core]\n"
        && fs::read_dir(path(".git/hooks"))?.next().is_none();
    let gone = !path(".vscode").exists() && !path(".envrc").exists();
    println!("written: {written}; git as it was: {kept}; the others gone: {gone}");
    match written && kept && gone && output.status.taken_away().len() == 2 {
        true => Ok(()),
        false => Err("not as it should be".into()),
    }
}
