//! Compiles the static init with the compiler that builds this crate.
//!
//! init has no standard library and links nothing but itself, so it needs no target beyond the one
//! that is being built for. It is compiled to a file of its own that `src/init.rs` embeds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    println!("cargo::rerun-if-changed=init");
    println!("cargo::rerun-if-changed=src/protocol.rs");

    // init's sources, next to each other: `mod` looks beside the main file.
    for file in [
        "main",
        "ending",
        "memory",
        "program",
        "remove",
        "socket",
        "supervise",
        "sysno",
        "table",
        "terminal",
        "time",
        "watch",
    ] {
        copy(Path::new("init").join(format!("{file}.rs")), &out);
    }
    copy(Path::new("src").join("protocol.rs"), &out);
    std::fs::write(out.join("raw.rs"), cofferdam_sys::RAW_SOURCE).expect("OUT_DIR is writable");

    let binary = out.join("init");
    let mut command = Command::new(rustc);
    command
        .args(["--crate-name", "cofferdam_init", "--crate-type", "bin"])
        .args([
            "--edition",
            "2024",
            "--target",
            &target,
            "--cap-lints",
            "allow",
        ])
        .args([
            "-C",
            "panic=abort",
            "-C",
            "opt-level=s",
            "-C",
            "strip=symbols",
        ])
        .args([
            "-C",
            "relocation-model=static",
            "-C",
            "target-feature=+crt-static",
        ])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib"])
        .args([
            "-C",
            "link-arg=-static",
            "-C",
            "link-arg=-Wl,--build-id=none",
        ])
        .args([
            "-C",
            "link-arg=-Wl,-z,noseparate-code",
            "-C",
            "link-arg=-Wl,-z,norelro",
        ])
        .arg("-o")
        .arg(&binary)
        .arg(out.join("main.rs"));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        command
            .arg("-C")
            .arg(format!("linker={}", linker.display()));
    }
    let status = command.status().expect("rustc can be started");
    assert!(
        status.success(),
        "the static init did not compile for {target}: a C linker (cc) that can link -static \
         -nostdlib is needed"
    );
}

fn copy(from: PathBuf, directory: &Path) {
    let name = from.file_name().expect("the path ends in a file name");
    std::fs::copy(&from, directory.join(name))
        .unwrap_or_else(|error| panic!("{} cannot be copied: {error}", from.display()));
}
