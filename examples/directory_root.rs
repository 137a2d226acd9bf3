//! Another system: the root is a directory of one's own, here made of a shell and the libraries it needs.
//!
//! `cargo run --example directory_root`
//!
//! An image of an OCI layout works the same with `root_image` and the feature `image`.

use cofferdam::Sandbox;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Copies a program and its libraries to where they are on the host.
fn copy_program(program: &str, root: &Path) -> Result<(), Box<dyn Error>> {
    let listed = Command::new("ldd").arg(program).output()?.stdout;
    let listed = String::from_utf8(listed)?;
    let libraries = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let to = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().ok_or("no parent")?)?;
        fs::copy(file, to)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    copy_program("/bin/sh", root.path())?;
    fs::create_dir(root.path().join("etc"))?;
    fs::write(root.path().join("etc/os-release"), "NAME=Tiny\n")?;

    let sandbox = Sandbox::builder()
        .filesystem(|files| files.root_directory(root.path()))
        .build()?;
    let session = sandbox.start()?;
    let script = "echo /*; . /etc/os-release; echo $NAME; echo NAME=Changed > /etc/os-release";
    let first = session.command("/bin/sh").args(["-c", script]).output()?;
    let script = ". /etc/os-release; echo $NAME; [ -e /usr/bin/env ] || echo 'no env'";
    let second = session.command("/bin/sh").args(["-c", script]).output()?;
    let text = String::from_utf8([first.stdout, second.stdout].concat())?;
    print!("{text}{}", String::from_utf8_lossy(&first.stderr));

    // What was written to it was in an upper layer, and is gone with the session.
    drop(session);
    let kept = fs::read_to_string(root.path().join("etc/os-release"))? == "NAME=Tiny\n";
    println!("the directory is as it was: {kept}");
    match kept && text.ends_with("Tiny\nChanged\nno env\n") {
        true => Ok(()),
        false => Err("not as it should be".into()),
    }
}
