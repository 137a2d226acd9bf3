//! Ways that are no rules about names: published ports, forwarded services, the ssh-agent.

use crate::repositories::Sshd;
use crate::servers::{Http, PAGE, host};
use crate::support::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_service_of_the_host_is_forwarded() {
    let server = Http::new();
    let at = ([127, 0, 0, 1], server.port).into();
    let script = "exec curl -sS --fail --max-time 10 http://127.0.0.1:7000/";
    let without = plan(&[]).build();
    assert!(!without.sh(script).success && server.connections() == 0);
    let plan = plan(&[]).with(|builder| builder.network(|network| network.forward_tcp(7000, at)));
    let gated = plan.build();
    let answer = gated.sh(script);
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
    // With the end of the command all of it has been told.
    let told = gated.told();
    let way = format!(
        "Forward {{ inside: Tcp(7000), host: Tcp(127.0.0.1:{})",
        server.port
    );
    assert!(told.contains(&way) && told.contains("Allowed("), "{told}");
}

#[test]
fn a_unix_socket_of_the_host_is_forwarded() {
    let held = tempfile::tempdir().expect("a directory");
    let path = held.path().join("service");
    let listener = UnixListener::bind(&path).expect("a listener");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(PAGE.as_bytes());
        }
    });
    let program = "import socket as s; k = s.socket(s.AF_UNIX); k.connect('/run/service'); print(k.makefile().read())";
    let without = plan(&[]).build();
    assert!(!without.run(PYTHON, &["-c", program]).success);
    let gated = plan(&[])
        .with(|builder| builder.network(|network| network.forward_unix("/run/service", path)))
        .build();
    let answer = gated.run(PYTHON, &["-c", program]);
    assert!(answer.stdout.contains(PAGE), "{answer:?}\n{}", gated.told());
}

#[test]
fn a_port_is_published() {
    let at = ([127, 0, 0, 1], 0).into();
    let plan = plan(&[]).with(|builder| builder.network(|network| network.publish(at, 8000)));
    let gated = plan.build();
    let program = "import http.server as h, functools as f; h.HTTPServer(('127.0.0.1', 8000), h.SimpleHTTPRequestHandler).serve_forever()";
    let mut command = gated.sandbox.command(PYTHON);
    command
        .args(["-c", program])
        .stdout(cofferdam::Stdio::null())
        .stderr(cofferdam::Stdio::null());
    let child = command
        .timeout(PATIENCE)
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    let at = child.published()[0];
    let mut text = String::new();
    let served = within(Duration::from_secs(20), || {
        let Ok(mut stream) = std::net::TcpStream::connect(at) else {
            return false;
        };
        text.clear();
        let sent = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
        sent.is_ok() && stream.read_to_string(&mut text).is_ok() && text.contains("200 OK")
    });
    assert!(served, "{text}");
    drop(child);
    let told = gated.told();
    assert!(
        told.contains("Publish { from: 127.0.0.1:") && told.contains("Allowed("),
        "{told}"
    );
    assert!(within(Duration::from_secs(5), || {
        std::net::TcpStream::connect(at).is_err()
    }));
}

/// An agent with two keys, of which the program may use one; the keys are nowhere inside.
#[test]
fn chosen_keys_of_the_agent_sign() {
    let (Some(agent), Some(_), Some(add)) =
        (program("ssh-agent"), program("ssh"), program("ssh-add"))
    else {
        return;
    };
    let Some(server) = Sshd::new() else {
        return;
    };
    let socket = server.path().join("agent");
    let mut command = Command::new(agent);
    let mut process = command
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .expect("an agent");
    assert!(within(Duration::from_secs(10), || socket.exists()));
    let load = |name: &str| {
        let mut command = Command::new(&add);
        command
            .arg("-q")
            .arg(server.path().join(name))
            .env("SSH_AUTH_SOCK", &socket);
        host(&mut command);
    };
    load("client");
    load("host");
    let fingerprint = |name: &str| {
        let mut command = Command::new("ssh-keygen");
        let text = host(
            command
                .arg("-lf")
                .arg(server.path().join(format!("{name}.pub"))),
        );
        text.split(' ').nth(1).expect("a fingerprint").to_owned()
    };
    let (chosen, other) = (fingerprint("client"), fingerprint("host"));
    let script = format!(
        "ssh-add -l; exec {} {}@server.test echo logged in",
        server.command(""),
        server.user
    );
    let with = |key: &str| {
        let (key, path) = (key.to_owned(), socket.clone());
        let plan = allowing("server.test", server.port).with(|builder| {
            builder.network(|mut network| {
                network = network.ssh_agent([key]);
                if let Some(agent) = &mut network.ssh_agent {
                    agent.socket = Some(path);
                }
                network
            })
        });
        plan.build()
    };
    let gated = with(&chosen);
    let answer = gated.sh(&script);
    assert!(
        answer.stdout.contains(&chosen) && !answer.stdout.contains(&other),
        "{answer:?}"
    );
    assert!(
        answer.stdout.contains("logged in"),
        "{answer:?}\n{}",
        gated.told()
    );
    assert!(gated.told().contains("Signature"), "{}", gated.told());
    let removed = gated.sh("ssh-add -D; ssh-add -l");
    assert!(removed.stdout.contains(&chosen), "{removed:?}");
    let gated = with(&other);
    let answer = gated.sh(&script);
    assert!(
        !answer.stdout.contains("logged in") && !answer.stdout.contains(&chosen),
        "{answer:?}"
    );
    let _ = process.kill();
    let _ = process.wait();
}
