//! How gates and environments end, and what does not end them.

use crate::rig::*;
use cofferdam_egress::Settings;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FAST: Duration = Duration::from_secs(1);

#[test]
fn an_environment_ends_with_its_connections_and_no_others() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let (other, proxy, _) = attach(&served.gate);
    assert_ne!(other.id(), served.attached.id());
    let mut ends = served.open("a.test", port);
    let (mut stays, _) = connect(proxy, "a.test", port);
    echoes(&mut ends);
    echoes(&mut stays);
    let Served {
        gate,
        attached,
        proxy: gone,
        ..
    } = served;
    let began = Instant::now();
    drop(attached);
    assert!(ended(&mut ends));
    assert!(began.elapsed() < FAST);
    assert!(TcpStream::connect(gone).is_err());
    echoes(&mut stays);
    drop(gate);
    assert!(ended(&mut stays));
}

#[test]
fn a_connection_that_its_environment_ends_is_told_of() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let mut stream = served.open("a.test", port);
    echoes(&mut stream);
    assert_eq!(served.told(), 0);
    let Served {
        attached,
        gate,
        events,
        ..
    } = served;
    drop(attached);
    assert_eq!(events.lock().unwrap().len(), 1, "it is told of by then");
    assert!(ended(&mut stream));
    drop(gate);
    assert_eq!(events.lock().unwrap().len(), 1);
}

#[test]
fn a_receiver_of_events_that_blocks_does_not_hold_up_the_end_for_long() {
    let (sender, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let served = serve(Settings {
        events: Some(Arc::new(move |_| {
            let _ = held.lock().unwrap().recv();
        })),
        ..settings(&["a.test"], 443)
    });
    assert_eq!(served.status("b.test", 443), 403);
    let Served { gate, attached, .. } = served;
    let began = Instant::now();
    drop(attached);
    assert!(began.elapsed() < 3 * FAST, "{:?}", began.elapsed());
    drop(sender);
    drop(gate);
}

#[test]
fn a_gate_ends_at_once_with_connections_open() {
    let port = echo();
    let served = serve(settings(&["a.test"], port));
    let mut open: Vec<_> = (0..50).map(|_| served.open("a.test", port)).collect();
    open.iter_mut().for_each(echoes);
    let began = Instant::now();
    drop(served);
    assert!(began.elapsed() < FAST);
    assert!(open.iter_mut().all(ended));
}

#[test]
fn a_gate_ends_at_once_with_a_lookup_that_hangs() {
    for blocks in [false, true] {
        let counting = Counting::new(move |_| {
            Box::pin(async move {
                match blocks {
                    // As getaddrinfo(3) does.
                    true => {
                        let sleep = || std::thread::sleep(Duration::from_secs(5));
                        let _ = tokio::task::spawn_blocking(sleep).await;
                    }
                    false => std::future::pending().await,
                }
                Ok(vec![LOOPBACK])
            })
        });
        let served = serve(Settings {
            resolve: Some(counting.clone()),
            ..settings(&["a.test"], 443)
        });
        let mut waiting = client(served.proxy);
        waiting
            .write_all(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
            .unwrap();
        let until = Instant::now() + PATIENCE;
        while counting.asked() == 0 {
            assert!(Instant::now() < until, "the lookup begins");
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        drop(served);
        assert!(began.elapsed() < FAST, "{:?}", began.elapsed());
        assert!(ended(&mut waiting));
    }
}

#[test]
fn a_receiver_of_events_that_panics_ends_nothing() {
    let port = echo();
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let served = serve(Settings {
        events: Some(Arc::new(move |event| {
            count.fetch_add(1, Ordering::SeqCst);
            panic!("of no use: {event:?}");
        })),
        ..settings(&["a.test"], port)
    });
    let mut stream = served.open("a.test", port);
    echoes(&mut stream);
    for times in 1..=3 {
        assert_eq!(served.status("b.test", port), 403);
        let until = Instant::now() + PATIENCE;
        while called.load(Ordering::SeqCst) < times {
            assert!(Instant::now() < until, "it is called");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    echoes(&mut stream);
    echoes(&mut served.open("a.test", port));
}

#[test]
fn it_starts_and_ends_inside_a_runtime() {
    let port = echo();
    let works = || async {
        let served = serve(settings(&["a.test"], port));
        // The runtime's thread is held here: the gate does not need it.
        echoes(&mut served.open("a.test", port));
        drop(served);
    };
    let mut one = tokio::runtime::Builder::new_current_thread();
    one.enable_all().build().unwrap().block_on(works());
}
