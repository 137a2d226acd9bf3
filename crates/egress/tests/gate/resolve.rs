//! Names are looked up once, and what was found is what is connected to.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{NoAddress, Settings};
use std::time::{Duration, Instant};

#[test]
fn the_address_that_was_looked_up_first_is_the_one_that_is_used() {
    let port = says("127.0.0.1", 0, b"one");
    says("127.0.0.2", port, b"two");
    let changing = Counting::new(|asked| match asked {
        0 => found(&["127.0.0.1"]),
        _ => found(&["127.0.0.2"]),
    });
    let served = serve(Settings {
        rules: rules(&["a.test", "b.test", "127.0.0.0/8"], &[]),
        resolve: Some(changing.clone()),
        ..Settings::default()
    });
    for _ in 0..3 {
        assert_eq!(heard(served.open("a.test", port)), b"one");
    }
    assert_eq!(changing.asked(), 1);
    // The resolver did change its answer.
    assert_eq!(heard(served.open("b.test", port)), b"two");
    assert_eq!(changing.asked(), 2);
}

#[test]
fn lookups_of_one_name_at_one_time_are_one() {
    let port = echo();
    let slow = Counting::new(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(vec![LOOPBACK])
        })
    });
    let served = serve(Settings {
        resolve: Some(slow.clone()),
        ..settings(&["a.test"], port)
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| echoes(&mut served.open("a.test", port)));
        }
    });
    assert_eq!(slow.asked(), 1);
}

#[test]
fn a_name_without_an_address_cannot_be_reached() {
    let port = echo();
    for why in [
        NoAddress::NotFound,
        NoAddress::NoAnswer,
        NoAddress::Failed("out of order".into()),
    ] {
        let broken = why.clone();
        let served = serve(Settings {
            resolve: Some(Counting::new(move |_| {
                Box::pin(std::future::ready(Err(broken.clone())))
            })),
            ..settings(&["a.test"], port)
        });
        assert_eq!(served.status("a.test", port), 502, "{why:?}");
        assert_eq!(served.denied("a.test"), Reason::Unreachable);
        // The gate goes on with what needs no lookup.
        echoes(&mut served.open("127.0.0.1", port));
    }
    let empty = serve(Settings {
        resolve: Some(Counting::new(|_| found(&[]))),
        ..settings(&["a.test"], port)
    });
    assert_eq!(empty.status("a.test", port), 502);
    assert_eq!(empty.denied("a.test"), Reason::Unreachable);
}

#[test]
fn a_server_that_is_not_there_cannot_be_reached() {
    let port = echo();
    let served = serve(Settings {
        rules: rules(&["a.test", "127.0.0.1"], &[]),
        ..settings(&[], port)
    });
    // The discard port, where nothing listens.
    assert_eq!(served.status("a.test", 9), 502);
    assert_eq!(served.denied("a.test"), Reason::Unreachable);
    let (_, code) = socks(served.proxy, "a.test", 9);
    assert_eq!(code, 4, "host unreachable (RFC 1928, section 6)");
    echoes(&mut served.open("a.test", port));
}

#[test]
fn the_next_address_is_tried_where_one_does_not_answer() {
    let port = says("127.0.0.2", 0, b"two");
    let served = serve(Settings {
        rules: rules(&["a.test", "127.0.0.0/8"], &[]),
        resolve: Some(Counting::new(|_| found(&["127.0.0.1", "127.0.0.2"]))),
        ..Settings::default()
    });
    let began = Instant::now();
    assert_eq!(heard(served.open("a.test", port)), b"two");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_slow_lookup_holds_up_nobody_else() {
    let port = echo();
    let served = serve(Settings {
        resolve: Some(Counting::new(|_| Box::pin(std::future::pending()))),
        ..settings(&["a.test"], port)
    });
    let mut waiting = client(served.proxy);
    std::io::Write::write_all(&mut waiting, b"CONNECT a.test:80 HTTP/1.1\r\n\r\n").unwrap();
    let began = Instant::now();
    echoes(&mut served.open("127.0.0.1", port));
    assert!(began.elapsed() < Duration::from_secs(2));
}
