//! Servers on the loopback. The HTTP server is the tests' own, so that each request can be seen; the
//! others are real ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An HTTP/1.1 server that keeps what it was asked.
pub struct Http {
    pub port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
}

type Handler = Arc<dyn Fn(&Request) -> (String, Vec<u8>) + Send + Sync>;

/// What every page of the plain server says.
pub const PAGE: &str = "page of the server";

impl Http {
    pub fn new() -> Self {
        Self::answering(|_| ("Content-Type: text/plain\r\n".into(), PAGE.into()))
    }

    /// With the headers and the body of each answer.
    pub fn answering(
        handler: impl Fn(&Request) -> (String, Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = v4.local_addr().expect("an address").port();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
        let server = Self {
            port,
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let handler: Handler = Arc::new(handler);
        for listener in std::iter::once(v4).chain(v6) {
            let (seen, count) = (Arc::clone(&server.seen), Arc::clone(&server.connections));
            let handler = Arc::clone(&handler);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    *count.lock().expect("a lock") += 1;
                    let (seen, handler) = (Arc::clone(&seen), Arc::clone(&handler));
                    std::thread::spawn(move || serve(stream, &seen, &handler));
                }
            });
        }
        server
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("a lock").clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("a lock")
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Request>>, handler: &Handler) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let mut input = BufReader::new(stream);
    while let Some(request) = read_request(&mut input) {
        seen.lock().expect("a lock").push(request.clone());
        let (headers, body) = handler(&request);
        let status = headers
            .strip_prefix("Status: ")
            .and_then(|rest| rest.split("\r\n").next())
            .unwrap_or("200 OK");
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let body = if request.line.starts_with("HEAD ") {
            &[]
        } else {
            body.as_slice()
        };
        if out
            .write_all(head.as_bytes())
            .and_then(|()| out.write_all(body))
            .is_err()
        {
            return;
        }
        if request
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            return;
        }
    }
}

fn read_request(input: &mut impl BufRead) -> Option<Request> {
    let mut request = Request::default();
    let mut line = String::new();
    while request.line.is_empty() {
        line.clear();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        line.trim_end().clone_into(&mut request.line);
    }
    loop {
        line.clear();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let name = name.to_ascii_lowercase();
        request.headers.push((name, value.trim().into()));
    }
    if request.header("expect").is_some() {
        // Nobody waits longer than a second for it.
        request.headers.push(("x-expected".into(), String::new()));
    }
    if request.header("transfer-encoding").is_some() {
        loop {
            line.clear();
            input.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut part = vec![0; size + 2];
            input.read_exact(&mut part).ok()?;
            request.body.extend(&part[..size]);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().ok()?];
        input.read_exact(&mut request.body).ok()?;
    }
    Some(request)
}

/// A server's process, ended with this value.
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self {
            child: command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}")),
        }
    }

    /// Waits until it accepts connections.
    pub fn listening(mut self, port: u16) -> Self {
        let listens = crate::support::within(Duration::from_secs(20), || {
            assert!(
                self.child.try_wait().expect("a state").is_none(),
                "the server ended"
            );
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        assert!(listens, "the server does not listen");
        self
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The polite way, so that servers with children take them along.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let gone = crate::support::within(Duration::from_secs(5), || {
            self.child.try_wait().is_ok_and(|status| status.is_some())
        });
        if !gone {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    listener.local_addr().expect("an address").port()
}

/// Runs a command on the host; it must succeed.
pub fn host(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A certificate authority and one certificate of it, made by openssl(1).
pub struct Certificates {
    held: TempDir,
}

impl Certificates {
    pub fn new(names: &[&str]) -> Self {
        let held = tempfile::tempdir().expect("a directory");
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            host(command.current_dir(held.path()).args(arguments.split(' ')));
        };
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=tests",
        );
        openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server",
        );
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let extension = format!("subjectAltName={}\n", names.join(","));
        std::fs::write(held.path().join("extension"), extension).expect("a file");
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out server.pem",
        );
        Self { held }
    }

    pub fn authority(&self) -> PathBuf {
        self.held.path().join("ca.pem")
    }

    pub fn path(&self) -> &Path {
        self.held.path()
    }
}

/// nginx with TLS (HTTP/1.1 and HTTP/2) in front of a plain server.
pub struct Tls {
    pub port: u16,
    pub certificates: Certificates,
    _process: Process,
}

impl Tls {
    pub fn before(plain: u16, names: &[&str]) -> Option<Self> {
        let nginx = crate::support::program("nginx")?;
        crate::support::program("openssl")?;
        let certificates = Certificates::new(names);
        let port = free_port();
        let place = certificates.path().display();
        let mut settings = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/error;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off;\n\
             server {{ listen 127.0.0.1:{port} ssl http2;\n\
             ssl_certificate {place}/server.pem; ssl_certificate_key {place}/server.key;\n\
             location / {{ proxy_pass http://127.0.0.1:{plain}; proxy_http_version 1.1;\n\
             proxy_set_header Host $http_host; proxy_set_header X-Host $host;\n\
             proxy_set_header X-Protocol $server_protocol; }} }}\n"
        );
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            settings += &format!("{kind}_temp_path {place}/{kind};\n");
        }
        settings += "}\n";
        let file = certificates.path().join("nginx.conf");
        std::fs::write(&file, settings).expect("a file");
        let mut command = Command::new(nginx);
        command
            .arg("-e")
            .arg(certificates.path().join("error"))
            .arg("-c")
            .arg(file);
        command.arg("-p").arg(certificates.path());
        let process = Process::start(&mut command).listening(port);
        Some(Self {
            port,
            certificates,
            _process: process,
        })
    }
}

/// A TCP server that keeps the bytes that each connection sends, and answers nothing.
pub struct Raw {
    pub port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Raw {
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let mut part = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut part) {
                        kept.lock().expect("a lock").extend(&part[..count]);
                    }
                });
            }
        });
        Self { port, seen }
    }

    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().expect("a lock").clone()
    }
}
