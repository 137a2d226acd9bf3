//! What is carried: every byte, both ways, to the end of each.

use crate::rig::*;
use cofferdam_egress::EventKind;
use ring::digest::{Context, SHA256};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Bytes of a large transfer, each way.
const MUCH: usize = 64 << 20;

/// A prime, so that no piece of a transfer can stand in for another.
const BLOCK: usize = 65_521;

fn block(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(BLOCK).collect()
}

/// Sends much, and ends its direction; with the checksum of what was sent.
fn send(mut stream: &TcpStream, seed: u64) -> Vec<u8> {
    let block = block(seed);
    let mut sum = Context::new(&SHA256);
    // The first byte makes it neither TLS nor HTTP.
    stream.write_all(&[0]).unwrap();
    sum.update(&[0]);
    let mut left = MUCH - 1;
    while left > 0 {
        let piece = &block[..left.min(BLOCK)];
        stream.write_all(piece).unwrap();
        sum.update(piece);
        left -= piece.len();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    sum.finish().as_ref().to_vec()
}

fn receive(mut stream: &TcpStream) -> (usize, Vec<u8>) {
    let mut sum = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return (total, sum.finish().as_ref().to_vec()),
            length => {
                sum.update(&buffer[..length]);
                total += length;
            }
        }
    }
}

/// Both ways at once.
fn exchange(stream: &TcpStream, seed: u64) -> (Vec<u8>, (usize, Vec<u8>)) {
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| send(stream, seed));
        let received = receive(stream);
        (sent.join().unwrap(), received)
    })
}

/// Bytes from and to the program, by the first connection's event.
fn counted(served: &Served) -> (u64, u64) {
    served.event(|event| match event.kind {
        EventKind::Connection { sent, received, .. } => Some((sent, received)),
        _ => None,
    })
}

#[test]
fn much_is_carried_whole_both_ways_and_counted() {
    let (to, outside) = channel();
    let port = server(move |stream| to.send(exchange(&stream, 2)).unwrap());
    let served = serve(settings(&["a.test"], port));
    let stream = served.open("a.test", port);
    let (sent, received) = exchange(&stream, 1);
    let (server_sent, server_received) = outside.recv().unwrap();
    assert_eq!(received, (MUCH, server_sent));
    assert_eq!(server_received, (MUCH, sent));
    assert_eq!(counted(&served), (MUCH as u64, MUCH as u64));
}

#[test]
fn each_byte_is_counted_in_its_direction() {
    let port = server(|mut stream| {
        let mut five = [0; PLAIN.len()];
        stream.read_exact(&mut five).unwrap();
        stream.write_all(&[7; 1000]).unwrap();
    });
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    stream.write_all(PLAIN).unwrap();
    assert_eq!(heard(stream), [7; 1000]);
    assert_eq!(counted(&served), (PLAIN.len() as u64, 1000));
}

#[test]
fn the_end_of_one_direction_is_not_the_end_of_the_other() {
    let port = server(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        // What it answers can only be known after the program's end.
        stream.write_all(&all).unwrap();
        stream.write_all(b" and more").unwrap();
    });
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    stream.write_all(PLAIN).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard(stream), b"\0ping and more");
}

#[test]
fn the_servers_end_is_passed_on_and_the_program_heard_after_it() {
    let (to, outside) = channel();
    let port = server(move |mut stream| {
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        to.send(heard(stream)).unwrap();
    });
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"hello");
    assert!(outside.try_recv().is_err(), "the program has not ended");
    stream.write_all(b"late").unwrap();
    drop(stream);
    assert_eq!(outside.recv_timeout(PATIENCE).unwrap(), b"late");
}

#[test]
fn a_program_that_says_nothing_and_ends_hears_the_server() {
    let port = server(|mut stream| {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        stream.write_all(b"nothing?").unwrap();
    });
    let served = serve(settings(&["a.test"], port));
    let stream = served.open("a.test", port);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard(stream), b"nothing?");
}

#[test]
fn a_reset_is_passed_on_as_one() {
    let port = server(|mut stream| {
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        // Bytes that nobody has read make the kernel's close a reset (RFC 1122, section 4.2.2.13).
        std::thread::sleep(Duration::from_millis(100));
        drop(stream);
    });
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    stream.write_all(PLAIN).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_slow_reader_holds_up_nobody_else() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let slow = served.open("a.test", port);
    slow.set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    // Until every buffer on the way there and back is full.
    let block = block(3);
    (&slow).write_all(&[0]).unwrap();
    while (&slow).write_all(&block).is_ok() {}
    let began = Instant::now();
    echoes(&mut served.open("a.test", port));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_transfer_holds_up_nobody_else() {
    let echo = echo();
    let endless = server(|mut stream| {
        let block = block(4);
        while stream.write_all(&block).is_ok() {}
    });
    let mut settings = settings(&[], echo);
    settings.rules = rules(&["a.test", "127.0.0.1"], &[]);
    let served = serve(settings);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut fast = served.open("a.test", endless);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; 1 << 20];
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fast.read_exact(&mut buffer).unwrap();
            }
        });
        let began = Instant::now();
        for _ in 0..20 {
            echoes(&mut served.open("a.test", echo));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
    });
}
