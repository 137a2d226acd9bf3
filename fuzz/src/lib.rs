//! What is fuzzed: one module for each parser and each decision that hostile bytes reach. Each has one
//! function that takes an input and panics where something is so that must not be. The programs in
//! `fuzz_targets` give them to libFuzzer; the test replays the corpus that is kept.

mod http;
mod input;
mod layout;
pub mod scratch;

macro_rules! targets {
    ($($name:ident)*) => {
        $(pub mod $name;)*

        /// The name of each target and its function.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::check)),*];
    };
}

targets! {
    audit_reader
    audit_report
    client_hello
    decision
    dns_message
    git_config
    http_head
    http_request
    image_layers
    image_layout
    init_socket
    learned_policy
    mount_plan
    oci_profile
    overlay_changes
    package_clients
    policy
    redaction
    rule_parser
    seccomp_compile
    secrets
    snapshot_file
    socks_connect
    ssh_agent
    terminal_text
    trace_parent
    units
}
