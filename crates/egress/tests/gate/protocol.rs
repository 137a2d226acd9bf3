//! What a connection says it is about has to be what was connected to.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, EventKind};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The first flight of a TLS client, with or without the server's name in it.
fn hello(name: &'static str, sni: bool) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.enable_sni = sni;
    let name = name.try_into().unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Sends all and expects it back.
fn passes(mut stream: TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

#[test]
fn the_name_of_a_tls_handshake_is_the_name() {
    let port = echo();
    let served = serve(settings(&["a.test", "b.test"], port));
    passes(served.open("a.test", port), &hello("a.test", true));
    passes(served.open("a.test", port), &hello("a.test", false));
    // An address has no name to compare with.
    passes(served.open("127.0.0.1", port), &hello("b.test", true));
    // Another name is refused, even one that is allowed by itself.
    let mut stream = served.open("a.test", port);
    stream.write_all(&hello("b.test", true)).unwrap();
    assert!(ended(&mut stream));
    assert_eq!(served.denied("a.test"), Reason::OtherName);
}

#[test]
fn a_handshake_that_comes_in_pieces_is_read_whole() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    for (name, fits) in [("a.test", true), ("b.test", false)] {
        let mut stream = served.open("a.test", port);
        stream.set_nodelay(true).unwrap();
        let hello = hello(name, true);
        for piece in hello.chunks(16) {
            stream.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        match fits {
            true => {
                let mut back = vec![0; hello.len()];
                stream.read_exact(&mut back).unwrap();
                assert_eq!(back, hello);
            }
            false => assert!(ended(&mut stream)),
        }
    }
    assert_eq!(served.denied("a.test"), Reason::OtherName);
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    // A record of type handshake whose message is no ClientHello.
    stream
        .write_all(&[22, 3, 1, 0, 5, 9, 0, 0, 1, 0, 0, 0])
        .unwrap();
    assert!(ended(&mut stream));
    assert_eq!(served.denied("a.test"), Reason::Malformed);
    passes(served.open("a.test", port), PLAIN);
}

/// A server of HTTP that answers each request with the host it was for.
fn web() -> u16 {
    server(|mut stream| {
        let mut head = Vec::new();
        loop {
            let mut byte = [0];
            if !matches!(stream.read(&mut byte), Ok(1)) {
                return;
            }
            head.push(byte[0]);
            if head.ends_with(b"\r\n\r\n") {
                let length = head.len();
                head.clear();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nX-Head: {length}\r\nContent-Length: 0\r\n\r\n");
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    })
}

fn request(host: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// Why a request was denied; waits for the event.
fn request_denied(served: &Served) -> Reason {
    served.event(|event| match (&event.kind, &event.decision) {
        (EventKind::Request { .. }, Decision::Denied(denied)) => Some(denied.reason),
        _ => None,
    })
}

#[test]
fn the_host_of_each_request_is_the_name() {
    let port = web();
    let served = serve(settings(&["a.test", "b.test"], port));
    let mut stream = served.open("a.test", port);
    for host in [format!("a.test:{port}"), format!("A.TEST:{port}")] {
        stream.write_all(request(&host).as_bytes()).unwrap();
        assert_eq!(status(&mut stream), 200);
    }
    // The third one on the same connection is for somebody else.
    let other = request(&format!("b.test:{port}"));
    stream.write_all(other.as_bytes()).unwrap();
    let refused = status(&mut stream);
    assert!((400..500).contains(&refused), "{refused}");
    assert_eq!(request_denied(&served), Reason::OtherName);
    let mut stream = served.open("b.test", port);
    stream.write_all(other.as_bytes()).unwrap();
    assert_eq!(status(&mut stream), 200);
}

#[test]
fn a_head_that_dribbles_is_read_whole() {
    let port = web();
    let served = serve(settings(&["a.test", "b.test"], port));
    let dribbled = |host: &str| {
        let mut stream = served.open("a.test", port);
        stream.set_nodelay(true).unwrap();
        for byte in request(&format!("{host}:{port}")).bytes() {
            stream.write_all(&[byte]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        status(&mut stream)
    };
    assert_eq!(dribbled("a.test"), 200);
    assert!((400..500).contains(&dribbled("b.test")));
    assert_eq!(request_denied(&served), Reason::OtherName);
}

#[test]
fn plain_http_through_the_proxy() {
    let port = web();
    let served = serve(settings(&["a.test"], port));
    let ask = |name: &str| {
        let mut stream = client(served.proxy);
        let host = format!("{name}:{port}");
        let head = format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        (status(&mut stream), stream)
    };
    let (fine, mut stream) = ask("a.test");
    assert_eq!(fine, 200);
    // The connection stays the first host's.
    stream
        .write_all(request(&format!("b.test:{port}")).as_bytes())
        .unwrap();
    assert!((400..500).contains(&status(&mut stream)));
    let (refused, stream) = ask("b.test");
    assert_eq!(refused, 403);
    // The answer arrives whole, and ends without a reset.
    assert!(heard(stream).starts_with(b"no rule allows it"));
    assert_eq!(served.denied("b.test"), Reason::NotAllowed);
}

#[test]
fn bytes_that_could_still_be_http_at_their_end_are_refused() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    stream.write_all(b"GE").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(ended(&mut stream));
    assert_eq!(served.denied("a.test"), Reason::Malformed);
    // What cannot be HTTP passes, however short.
    let mut stream = served.open("a.test", port);
    stream.write_all(b"\0").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard(stream), b"\0");
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let port = server(|mut stream| {
        stream.write_all(b"220 ready\r\n").unwrap();
        let _ = std::io::copy(&mut &stream, &mut &stream);
    });
    let served = serve(settings(&["a.test"], port));
    let by_socks = socks(served.proxy, "a.test", port);
    assert_eq!(by_socks.1, 0);
    for mut stream in [served.open("a.test", port), by_socks.0] {
        let mut banner = [0; 11];
        stream.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"220 ready\r\n");
        // What the program says then is its own matter, also where it looks like the half of HTTP.
        passes(stream, b"EHLO");
    }
}
