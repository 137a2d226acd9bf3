//! Services of the host that are forwarded to a socket in the view: Landlock restricts those since
//! Linux 7.1.

use crate::guest::{guest, in_guest};
use cofferdam::Sandbox;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::time::Duration;

#[test]
fn a_forwarded_service_is_reached() {
    if !in_guest() {
        return;
    }
    if !guest().has_view() || guest().abi().is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("service");
    let service = UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        for stream in service.incoming() {
            let _ = stream.expect("a connection").write_all(b"service");
        }
    });
    let builder = Sandbox::builder();
    let builder = builder.network(|network| network.forward_unix("/run/service.sock", &path));
    let sandbox = builder.build().unwrap_or_else(|error| panic!("{error}"));
    let script = "import socket; s = socket.socket(socket.AF_UNIX); \
                  s.connect('/run/service.sock'); print(s.recv(100).decode())";
    let mut command = sandbox.command("/usr/bin/python3");
    command
        .args(["-c", script])
        .timeout(Duration::from_secs(60));
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "service\n",
        "{errors}"
    );
}
