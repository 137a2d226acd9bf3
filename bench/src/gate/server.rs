//! A small server on the loopback: one line asks, and a head with a body answers.

use super::process::Listening;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// What a request for a page gets.
const PAGE: usize = 512;

/// The most that one line may ask for, in bytes.
const MOST: usize = 1 << 30;

/// Starts it on a port that the kernel picks.
pub fn start() -> Listening {
    Listening::start(&["server"])
}

/// The server's own program: prints its port, and has a thread for each connection.
pub fn main() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    println!("{}", listener.local_addr().expect("its address").port());
    for connection in listener.incoming().flatten() {
        let serve = move || drop(serve(connection));
        drop(
            std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(serve),
        );
    }
}

/// Answers `\0get PATH` with a page and `\0bulk BYTES` with that much, until the end.
///
/// The opaque requests begin with a byte that no text does, as those of most protocols, so the gate
/// takes them for what they are: not HTTP. `GET … HTTP/1.1` with its head gets the same page as an HTTP answer.
fn serve(mut connection: TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut lines = BufReader::new(connection.try_clone()?);
    let block = vec![b'x'; 1 << 20];
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let http = line.trim_end().ends_with("HTTP/1.1");
        while http && line.trim_end() != "" {
            line.clear();
            lines.read_line(&mut line)?;
        }
        let bytes = match line.strip_prefix("\0bulk ") {
            Some(count) => count.trim().parse().unwrap_or(0).min(MOST),
            None => PAGE,
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        if bytes == PAGE {
            connection.write_all(&[head.as_bytes(), &block[..bytes]].concat())?;
            continue;
        }
        connection.write_all(head.as_bytes())?;
        let mut left = bytes;
        while left > 0 {
            let part = left.min(block.len());
            connection.write_all(&block[..part])?;
            left -= part;
        }
    }
}
