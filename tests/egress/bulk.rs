//! Much at once, and much in all.

use crate::servers::Http;
use crate::support::*;
use cofferdam::NetworkReason;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const GIB: usize = 1 << 30;

/// The part that a download repeats; its length divides none of the buffers on the way.
fn part() -> Vec<u8> {
    (0..1_000_003_u32)
        .map(|number| (number.wrapping_mul(number) >> 7) as u8)
        .collect()
}

#[test]
fn a_gibibyte_arrives_whole() {
    if program("curl").is_none() {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let part = part();
    let mut sum = Command::new("sha256sum");
    let mut sum = sum
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum");
    let write = |out: &mut dyn Write| {
        let mut left = GIB;
        while left > 0 {
            let count = left.min(part.len());
            out.write_all(&part[..count]).expect("a reader");
            left -= count;
        }
    };
    write(&mut sum.stdin.take().expect("piped"));
    let expected = sum.wait_with_output().expect("a sum").stdout;
    let script = format!("curl -sS --fail --max-time 50 http://server.test:{port}/ | sha256sum");
    let refused = allowing("other.test", port).build();
    assert_ne!(refused.sh(&script).stdout.as_bytes(), expected);
    assert!(refused.denied("server.test", NetworkReason::NotAllowed));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("a reader");
            write(&mut stream);
        });
        let allowed = allowing("server.test", port).build();
        let answer = allowed.sh(&script);
        // Without a connection the server would wait for ever.
        drop(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        assert_eq!(answer.stdout.as_bytes(), expected, "{answer:?}");
        let (_, received) = allowed.passed("server.test", port).expect("an event");
        assert!(received >= GIB as u64, "{received}");
    });
}

#[test]
fn a_thousand_connections_at_once() {
    const COUNT: usize = 1000;
    if !python_has("asyncio") {
        return;
    }
    raise_descriptors();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    // Every connection stays open until all are there; then each is answered with its own word.
    std::thread::spawn(move || {
        let mut all = Vec::new();
        for stream in listener.incoming().flatten().take(COUNT) {
            count.fetch_add(1, Ordering::Relaxed);
            all.push(stream);
        }
        for stream in &mut all {
            let mut word = [0; 8];
            let _ = stream
                .read_exact(&mut word)
                .and_then(|()| stream.write_all(&word));
        }
    });
    let client = include_str!("programs/many.py");
    let arguments =
        [client, "server.test", &port.to_string(), &COUNT.to_string()].map(str::to_owned);
    let run = |gated: &Gated| {
        let mut words = vec!["-c"];
        words.extend(arguments.iter().map(String::as_str));
        gated.run(PYTHON, &words)
    };
    let refused = allowing("other.test", port).build();
    let answer = run(&refused);
    assert!(
        !answer.success && accepted.load(Ordering::Relaxed) == 0,
        "{answer:?}"
    );
    let allowed = allowing("server.test", port).build();
    let answer = run(&allowed);
    assert_eq!(answer.stdout.trim(), "1000 answered", "{answer:?}");
    assert_eq!(accepted.load(Ordering::Relaxed), COUNT);
}

/// A keep-alive connection carries many requests through the gate.
#[test]
fn many_requests_on_one_connection() {
    let server = Http::new();
    let program = "import http.client as h, sys\nc = h.HTTPConnection(sys.argv[1])\nfor n in range(500):\n    c.request('GET', f'/{n}'); r = c.getresponse(); assert r.status == 200; r.read()\nprint('done')";
    let gated = allowing("server.test", server.port).build();
    let authority = format!("server.test:{}", server.port);
    let answer = gated.run(PYTHON, &["-c", program, &authority]);
    assert_eq!(answer.stdout.trim(), "done", "{answer:?}");
    assert_eq!((server.seen().len(), server.connections()), (500, 1));
}

/// The server's ends, the gate's and those of pipes between them are all in this process.
fn raise_descriptors() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes one rlimit into what it is given, which is one.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max.min(1 << 16);
    // SAFETY: setrlimit(2) reads one rlimit.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!((got, set), (0, 0));
    if limit.rlim_cur < 10_000 {
        lacks("10,000 open files for each process (ulimit -n)");
    }
}
