//! The package clients of this machine, each with one small package through an allow-list of what its
//! own configuration names. Which hosts those are is not written down anywhere.

use crate::support::*;
use cofferdam::Sandbox;
use std::path::Path;
use std::process::Command;

/// The test runs on the host first: without a network there is nothing to show.
fn works_outside(client: &str, script: &str) -> bool {
    let held = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("sh");
    let command = command.args(["-c", script]).current_dir(held.path());
    let output = command.env("PLACE", held.path()).output().expect("a shell");
    if !output.status.success() {
        lacks(&format!(
            "a package index that {client} reaches ({})",
            String::from_utf8_lossy(&output.stderr)
                .lines()
                .last()
                .unwrap_or("")
        ));
    }
    output.status.success()
}

/// Installs where the clients' hosts are allowed; where nothing is, it fails.
fn installs(client: &str, script: &str, shown: &[&Path]) {
    if program(client).is_none() || !works_outside(client, script) {
        return;
    }
    let script =
        format!("set -e; export PLACE=/tmp/place HOME=/tmp; mkdir $PLACE; cd $PLACE; {script}");
    let build = |clients: bool| {
        let builder = Sandbox::builder()
            .toolchains()
            .network(|network| match clients {
                true => network.package_clients(),
                false => network.rules(),
            });
        let builder = shown
            .iter()
            .fold(builder, |builder, path| builder.read(*path));
        let told = Events::default();
        let kept = told.clone();
        let builder =
            builder.on_network_event(move |event| kept.lock().expect("a lock").push(event));
        let sandbox = builder.build().unwrap_or_else(|error| panic!("{error}"));
        Gated {
            sandbox,
            events: told,
            asked: Asked::default(),
        }
    };
    let refused = build(false).sh(&script);
    assert!(
        !refused.success,
        "{client} installed something with no network: {refused:?}"
    );
    let gated = build(true);
    let answer = gated.sh(&script);
    assert!(answer.success, "{client}: {answer:?}\n{}", gated.told());
}

#[test]
fn pip() {
    // The interpreter itself: in a home that cannot be written, pyenv's stand-in for it fails afterwards.
    installs(
        "pip3",
        "unset PIP_FIND_LINKS; $(python3 -c 'import sys; print(sys.executable)') -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --target $PLACE/t six && ls $PLACE/t/six.py",
        &[],
    );
}

#[test]
fn npm() {
    installs(
        "npm",
        "cd $PLACE && npm install --silent --fetch-retries 0 --no-audit --no-fund --cache $PLACE/cache is-number && ls node_modules/is-number/package.json",
        &[],
    );
}

#[test]
fn cargo() {
    // A home of its own, so that nothing is there already; the toolchain stays the host's.
    installs(
        "cargo",
        "export CARGO_HOME=$PLACE/home; mkdir -p $PLACE/p/src; cd $PLACE/p; touch src/lib.rs; \
         printf '[package]\\nname = \"p\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n[dependencies]\\nitoa = \"1\"\\n' > Cargo.toml; \
         cargo fetch --quiet && ls $CARGO_HOME/registry/cache/*/itoa-*",
        &[],
    );
}

#[test]
fn apt() {
    // Lists and packages go to a place of their own; the keys and the sources are the machine's.
    let script = "mkdir -p $PLACE/lists/partial $PLACE/cache/archives/partial $PLACE/dpkg; touch $PLACE/dpkg/status; \
         o=\"-o Dir::State::Lists=$PLACE/lists -o Dir::Cache=$PLACE/cache -o Dir::State::status=$PLACE/dpkg/status \
         -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=0 -o APT::Update::Error-Mode=any\"; \
         apt-get $o -qq update && apt-get $o -qq download hostname && ls hostname_*.deb";
    let keys = ["/etc/apt/trusted.gpg.d", "/etc/apt/keyrings"].map(Path::new);
    let keys: Vec<&Path> = keys.into_iter().filter(|path| path.exists()).collect();
    installs("apt-get", script, &keys);
}
