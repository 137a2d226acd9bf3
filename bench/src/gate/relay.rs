//! A relay that does nothing but relay, outside any sandbox: what a third process in the way costs,
//! whatever it is for.

use super::process::Listening;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

/// Bytes that are read at once, as the gate does.
const BUFFER: usize = 64 * 1024;

/// Starts it, with this port of the loopback as its other end.
pub fn start(to: u16) -> Listening {
    Listening::start(&["relay", &to.to_string()])
}

/// The relay's own program: prints its port, and has two threads for each connection.
pub fn main(to: u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    println!("{}", listener.local_addr().expect("its address").port());
    for client in listener.incoming().flatten() {
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let back = (client.try_clone(), server.try_clone());
        if let (Ok(client), Ok(server)) = back {
            std::thread::spawn(move || one_way(server, client));
        }
        std::thread::spawn(move || one_way(client, server));
    }
}

fn one_way(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
