//! The client, a process of its own wherever it runs: it is told on standard input what to do, does
//! it, and prints the nanoseconds it took.

use cofferdam::{Session, Stdio};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// One thing to measure.
pub struct Task {
    /// What the client is told.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// How many rounds of a request one round of it takes the time of.
    pub weight: usize,
}

/// What is measured.
pub const TASKS: &[Task] = &[
    Task {
        name: "new",
        title: "new connection and GET, passed through",
        weight: 1,
    },
    Task {
        name: "keep",
        title: "GET on a kept connection, passed through",
        weight: 1,
    },
    Task {
        name: "new-http",
        title: "new connection and GET, HTTP checked",
        weight: 1,
    },
    Task {
        name: "keep-http",
        title: "GET on a kept connection, HTTP checked",
        weight: 1,
    },
    Task {
        name: "bulk",
        title: "download of 256 MiB, passed through",
        weight: 20,
    },
];

/// Bytes of a download.
const BULK: usize = 256 << 20;

/// Requests that are timed together on a kept connection, so that the clock does not count.
const KEPT: u32 = 20;

const OPAQUE: &[u8] = b"\0get /page?with=some&more=text that is as long as a head would be\n";
const HTTP: &[u8] = b"GET /page HTTP/1.1\r\nHost: ";

/// A client that runs.
pub struct Client {
    stdin: RefCell<Box<dyn Write>>,
    stdout: RefCell<BufReader<Box<dyn Read>>>,
    /// Keeps it running.
    _child: Box<dyn std::any::Any>,
}

impl Client {
    /// One on the host.
    pub fn on_host(to: &str) -> Self {
        let own = std::env::current_exe().expect("this program's path");
        let mut child = std::process::Command::new(own)
            .args(["client", to])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a client");
        let pipes = (child.stdin.take(), child.stdout.take());
        Self::over(pipes, child)
    }

    /// One in a session, which connects through an HTTP proxy if one is named.
    pub fn inside(session: &Session, to: &str, proxy: Option<&str>) -> Self {
        let own = std::env::current_exe().expect("this program's path");
        let mut child = session
            .command(own)
            .args(["client", to])
            .args(proxy)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A bridge that is not up yet is tried again; nobody wants to read of it.
            .stderr(match proxy {
                Some(_) => Stdio::null(),
                None => Stdio::inherit(),
            })
            .spawn()
            .expect("a client inside");
        let pipes = (child.stdin.take(), child.stdout.take());
        Self::over(pipes, child)
    }

    fn over(
        (stdin, stdout): (Option<impl Write + 'static>, Option<impl Read + 'static>),
        child: impl std::any::Any,
    ) -> Self {
        let stdin: Box<dyn Write> = Box::new(stdin.expect("a pipe"));
        let stdout: Box<dyn Read> = Box::new(stdout.expect("a pipe"));
        Self {
            stdin: RefCell::new(stdin),
            stdout: RefCell::new(BufReader::new(stdout)),
            _child: Box::new(child),
        }
    }

    /// Has it do a task once.
    pub fn time(&self, task: &str) -> Option<Duration> {
        let mut stdin = self.stdin.borrow_mut();
        writeln!(stdin, "{task}").ok()?;
        stdin.flush().ok()?;
        let mut answer = String::new();
        self.stdout.borrow_mut().read_line(&mut answer).ok()?;
        Some(Duration::from_nanos(answer.trim().parse().ok()?))
    }
}

/// The client's own program: `client HOST:PORT [PROXY]`.
pub fn main(to: &str, proxy: Option<&str>) -> std::io::Result<()> {
    let mut kept: [Option<TcpStream>; 2] = [None, None];
    let http = [HTTP, to.as_bytes(), b"\r\n\r\n"].concat();
    for task in std::io::stdin().lines() {
        let task = task?;
        let request = match task.ends_with("http") {
            true => &http[..],
            false => OPAQUE,
        };
        let time = match task.as_str() {
            "new" | "new-http" => {
                let start = Instant::now();
                let mut connection = connect(to, proxy)?;
                ask(&mut connection, request)?;
                start.elapsed()
            }
            "keep" | "keep-http" => {
                let slot = &mut kept[usize::from(task.ends_with("http"))];
                let connection = match slot {
                    Some(connection) => connection,
                    None => slot.insert(connect(to, proxy)?),
                };
                ask(connection, request)?;
                let start = Instant::now();
                for _ in 0..KEPT {
                    ask(connection, request)?;
                }
                start.elapsed() / KEPT
            }
            idle if idle.starts_with("idle ") => {
                let count = idle[5..].parse().unwrap_or(0);
                let mut all = Vec::new();
                for _ in 0..count {
                    let mut connection = connect(to, proxy)?;
                    ask(&mut connection, OPAQUE)?;
                    all.push(connection);
                }
                println!("{}", all.len());
                // Until the end of standard input.
                std::io::stdin().lines().for_each(drop);
                return Ok(());
            }
            _ => {
                let mut connection = connect(to, proxy)?;
                let start = Instant::now();
                ask(&mut connection, format!("\0bulk {BULK}\n").as_bytes())?;
                start.elapsed()
            }
        };
        println!("{}", time.as_nanos());
    }
    Ok(())
}

fn connect(to: &str, proxy: Option<&str>) -> std::io::Result<TcpStream> {
    let mut connection = TcpStream::connect(proxy.unwrap_or(to))?;
    connection.set_nodelay(true)?;
    if proxy.is_some() {
        connection.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())?;
        head(&mut connection)?;
    }
    Ok(connection)
}

/// Sends a request and reads its whole answer.
fn ask(connection: &mut TcpStream, request: &[u8]) -> std::io::Result<()> {
    connection.write_all(request)?;
    let (head, read) = head(connection)?;
    if !head.starts_with("HTTP/1.1 200 ") {
        // A refusal of the gate's is no answer of the server's.
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let length: usize = length.ok_or(std::io::ErrorKind::InvalidData)?;
    let mut left = length.saturating_sub(read);
    let mut buffer = vec![0; left.min(1 << 20)];
    while left > 0 {
        match connection.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => left -= n.min(left),
        }
    }
    Ok(())
}

/// Reads a head, and says how many bytes of the body came with it.
fn head(connection: &mut TcpStream) -> std::io::Result<(String, usize)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match connection.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            return Ok((head, bytes.len() - end - 4));
        }
    }
}
