//! Fetches a page as a static program does that asks the name server of resolv.conf itself.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("a URL")?;
    let rest = url.strip_prefix("http://").ok_or("http")?;
    let (authority, path) = rest.split_once('/').ok_or("a path")?;
    let (name, port) = authority.split_once(':').ok_or("a port")?;
    let addresses = [lookup(name, 1)?, lookup(name, 28)?].concat();
    let address = *addresses.first().ok_or("no address")?;
    let mut stream = TcpStream::connect((address, port.parse()?))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    println!("{text}");
    Ok(())
}

/// Asks for records of one kind (RFC 1035): 1 is A, 28 AAAA.
fn lookup(name: &str, kind: u16) -> Result<Vec<IpAddr>, Box<dyn Error>> {
    let text = std::fs::read_to_string("/etc/resolv.conf")?;
    let server = text.lines().find_map(|line| line.strip_prefix("nameserver "));
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len())?);
        question.extend(label.as_bytes());
    }
    question.push(0);
    question.extend(kind.to_be_bytes());
    question.extend([0, 1]);
    socket.send_to(&question, (server.ok_or("no name server")?.trim(), 53))?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    let count = u16::from_be_bytes([answer[6], answer[7]]);
    let mut at = question.len();
    let mut found = Vec::new();
    for _ in 0..count {
        // The name is a pointer, or labels up to an empty one.
        while answer[at] != 0 && answer[at] < 0xc0 {
            at += 1 + usize::from(answer[at]);
        }
        at += if answer[at] == 0 { 1 } else { 2 };
        let size = usize::from(u16::from_be_bytes([answer[at + 8], answer[at + 9]]));
        let data = &answer[at + 10..(at + 10 + size).min(length)];
        if let Ok(bytes) = <[u8; 4]>::try_from(data) {
            found.push(IpAddr::from(bytes));
        } else if let Ok(bytes) = <[u8; 16]>::try_from(data) {
            found.push(IpAddr::from(bytes));
        }
        at += 10 + size;
    }
    Ok(found)
}
