//! Rules for the network: a program reaches what they name, by name, and hears why it reaches nothing else.
//!
//! `cargo run --example network_rules`

use cofferdam::{NetworkDecision, Sandbox};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    // A server on this machine, so that the example needs no other.
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = server.local_addr()?.port();
    std::thread::spawn(move || {
        for mut connection in server.incoming().flatten() {
            let mut request = [0; 1024];
            let _ = connection.read(&mut request);
            let _ = connection.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello from outside\n");
        }
    });

    let (tell, events) = mpsc::channel();
    let sandbox = Sandbox::builder()
        .network(|net| {
            net.allow(format!("greeter.test:{port}"))
                // Names never lead to this machine itself unless a rule names its address too.
                .allow(format!("127.0.0.1:{port}"))
        })
        .resolver([("greeter.test", vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])])
        .on_network_event(move |event| drop(tell.send(event)))
        .build()?;

    // Any program that speaks TCP; this one is bash.
    let get = |host: &str| {
        let script = format!(
            "exec 3<>/dev/tcp/{host}/{port} && printf 'GET / HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3"
        );
        sandbox.command("bash").args(["-c", &script]).output()
    };
    let allowed = get("greeter.test")?;
    println!("{}", String::from_utf8_lossy(&allowed.stdout));
    let denied = get("elsewhere.test")?;
    println!("elsewhere.test: {}", denied.status);

    while let Ok(event) = events.recv_timeout(Duration::from_millis(200)) {
        match event.decision {
            NetworkDecision::Allowed(rule) => println!("allowed by {rule}: {:?}", event.kind),
            NetworkDecision::Denied(denial) => {
                println!("denied: {}; {}", denial.reason, denial.remedy);
            }
            _ => {}
        }
    }
    print!("{}", allowed.enforcement);
    match allowed.status.success() && !denied.status.success() {
        true => Ok(()),
        false => Err("the rules do not hold".into()),
    }
}
