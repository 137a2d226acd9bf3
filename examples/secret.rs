//! A secret that the program uses and never has: it sends a placeholder, and the gate puts the value in.
//!
//! `cargo run --example secret`

use cofferdam::Sandbox;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::mpsc;

const TOKEN: &str = "the-real-token-of-this-example";

fn main() -> Result<(), Box<dyn Error>> {
    // What the server is sent as Authorization. A real one speaks TLS; without it the gate puts
    // secrets in only on the way to this machine.
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = server.local_addr()?.port();
    let (tell, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for mut connection in server.incoming().flatten() {
            let Ok(copy) = connection.try_clone() else {
                continue;
            };
            let head = BufReader::new(copy).lines().map_while(Result::ok);
            for line in head.take_while(|line| !line.is_empty()) {
                if line.to_ascii_lowercase().starts_with("authorization:") {
                    let _ = tell.send(line);
                }
            }
            let _ = connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });

    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), TOKEN)?;
    let sandbox = Sandbox::builder()
        .network(|net| {
            net.allow(format!("api.test:{port}"))
                .allow(format!("127.0.0.1:{port}"))
        })
        .secret(|secret| {
            secret
                .env("API_TOKEN")
                .from_file(file.path())
                .bearer_for(format!("api.test:{port}"))
        })
        .resolver([("api.test", vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])])
        .build()?;

    let script = format!(
        "echo \"inside: $API_TOKEN\"; exec 3<>/dev/tcp/api.test/{port}; \
         printf 'GET / HTTP/1.1\\r\\nHost: api.test:{port}\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n' \"$API_TOKEN\" >&3; \
         head -n 1 <&3"
    );
    let output = sandbox.command("bash").args(["-c", &script]).output()?;
    let inside = String::from_utf8_lossy(&output.stdout);
    print!("{inside}");
    let outside = seen.recv()?;
    println!("outside: {outside}");
    match !inside.contains(TOKEN) && outside.ends_with(TOKEN) {
        true => Ok(()),
        false => Err("the secret is not where it belongs".into()),
    }
}
