//! No network, or the host's.

use crate::common::{end, lacking, run, walls};
use std::net::TcpListener;
use std::process::Command;

/// Connects to a port with what bash has built in, and leaves the verdict to the listener.
fn connect(port: u16) -> [String; 3] {
    [
        "bash".into(),
        "-c".into(),
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
    ]
}

#[test]
fn a_listener_of_the_host_is_reached_only_where_asked_for() {
    if !walls() {
        return;
    }
    if !std::path::Path::new("/usr/bin/bash").exists()
        && !std::path::Path::new("/bin/bash").exists()
    {
        return lacking("bash, to connect with");
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    listener.set_nonblocking(true).expect("nonblocking");
    let script = connect(listener.local_addr().expect("address").port());
    let script = [&*script[0], &*script[1], &*script[2]];

    end(Command::new(script[0]).args(&script[1..])).expect(0);
    assert!(listener.accept().is_ok(), "the control did not connect");

    let ended = run(&[], &script);
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(listener.accept().is_err(), "reached without a network");
    let ended = run(&["--network", "none"], &script);
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(listener.accept().is_err(), "reached with --network none");

    run(&["--network", "host"], &script).expect(0);
    assert!(listener.accept().is_ok(), "not reached with --network host");
}

#[test]
fn what_is_denied_over_and_over_is_told_once_with_its_number() {
    if !walls() {
        return;
    }
    if !std::path::Path::new("/bin/bash").exists() {
        return lacking("/bin/bash, to connect with");
    }
    // What is held back when the loop ends is told with the end.
    let script = "for n in {1..40}; do (exec 3<>/dev/tcp/192.0.2.1/80) 2>/dev/null; done; true";
    let options = ["--network", "allowed.example.com:443"];
    let ended = run(&options, &["bash", "-c", script]).expect(0);
    let line = "the network denied the connection to 192.0.2.1:80: no rule allows it";
    assert_eq!(ended.stderr.matches(line).count(), 1, "{ended:?}");
    assert!(ended.stderr.contains(" 40 times"), "{ended:?}");
}
