//! Compiles the program that is started (`static/main.rs`) with the compiler that builds this one: static, without
//! a standard library, as init is built.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo::rerun-if-changed=static/main.rs");
    // `mod` looks beside the main file.
    std::fs::copy("static/main.rs", out.join("main.rs")).expect("OUT_DIR is writable");
    std::fs::write(out.join("raw.rs"), cofferdam_sys::RAW_SOURCE).expect("OUT_DIR is writable");
    let mut command = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"));
    command
        .args(["--crate-name", "started", "--crate-type", "bin"])
        .args(["--edition", "2024", "--cap-lints", "allow"])
        .args(["--target", &target]);
    for option in [
        "panic=abort",
        "opt-level=s",
        "strip=symbols",
        "relocation-model=static",
        "target-feature=+crt-static",
        "link-arg=-nostartfiles",
        "link-arg=-nostdlib",
        "link-arg=-static",
        "link-arg=-Wl,--build-id=none",
        "link-arg=-Wl,-z,noseparate-code",
        "link-arg=-Wl,-z,norelro",
    ] {
        command.args(["-C", option]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        command.args(["-C", &format!("linker={}", linker.display())]);
    }
    let status = command
        .arg("-o")
        .arg(out.join("started"))
        .arg(out.join("main.rs"))
        .status()
        .expect("rustc can be started");
    assert!(
        status.success(),
        "the static program did not compile for {target}: a C linker (cc) that can link -static \
         -nostdlib is needed"
    );
}
