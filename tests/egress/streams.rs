//! Long-lived protocols: gRPC (HTTP/2 with trailers, grpcio) and WebSocket (python websockets).

use crate::servers::{Process, free_port};
use crate::support::*;
use cofferdam::NetworkReason;
use std::process::{Command, Stdio};

/// Server and client are the same Python program with other words.
fn both_ways(module: &str, program: &str, expected: &str) {
    if !python_has(module) {
        return;
    }
    let port = free_port();
    let text = port.to_string();
    let mut command = Command::new(PYTHON);
    command
        .args(["-c", program, "serve", "127.0.0.1", &text])
        .stderr(Stdio::inherit());
    let _process = Process::start(&mut command).listening(port);
    let client = ["-c", program, "call", "server.test", &text];
    let refused = allowing("other.test", port).build();
    let answer = refused.run(PYTHON, &client);
    assert!(
        !answer.success && !answer.stdout.contains(expected),
        "{answer:?}"
    );
    assert!(
        refused.denied("server.test", NetworkReason::NotAllowed),
        "{}",
        refused.told()
    );
    let allowed = allowing("server.test", port).build();
    let answer = allowed.run(PYTHON, &client);
    assert!(
        answer.success && answer.stdout.contains(expected),
        "{answer:?}\n{}",
        allowed.told()
    );
    assert!(
        allowed.passed("server.test", port).is_some(),
        "{}",
        allowed.told()
    );
}

#[test]
fn grpc() {
    // The status and this text arrive in the trailers.
    both_ways(
        "grpc",
        include_str!("programs/grpc_both.py"),
        "trailer: at the end",
    );
}

#[test]
fn websocket() {
    both_ways(
        "websockets",
        include_str!("programs/websocket_both.py"),
        "echoed 100 messages",
    );
}
