//! A program that repeats what is denied, or makes it ever new: what is told of it.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, Event, EventKind};
use std::net::UdpSocket;

/// A question for the A record of a name (RFC 1035).
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// Asks for all names, one after the other.
fn look_up(served: &Served, names: impl Iterator<Item = String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(served.dns).unwrap();
    for name in names {
        socket.send(&question(&name)).unwrap();
        socket.recv(&mut [0; 512]).unwrap();
    }
}

/// The events of an environment that has ended: all are told by then.
fn all(served: Served) -> Vec<Event> {
    let Served {
        gate: _gate,
        attached,
        events,
        ..
    } = served;
    drop(attached);
    let mut events = events.lock().unwrap();
    std::mem::take(&mut *events)
}

fn lookups(events: &[Event]) -> Vec<u64> {
    let lookups = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Lookup { .. }));
    lookups.map(|event| event.times).collect()
}

#[test]
fn a_lookup_in_a_loop_is_counted() {
    let served = serve(settings(&["a.test"], 443));
    look_up(&served, (0..400).map(|_| "no.test".to_owned()));
    let events = all(served);
    let told = lookups(&events);
    assert_eq!(told.iter().sum::<u64>(), 400, "{told:?}");
    assert_eq!(told[..3], [1, 1, 1], "{told:?}");
    // One for each second that the loop took, and one at the end.
    assert!(told.len() < 20, "{told:?}");
}

#[test]
fn a_connection_in_a_loop_is_counted_and_told_within_a_second_or_so() {
    let served = serve(settings(&["a.test"], 443));
    for _ in 0..50 {
        assert_eq!(served.status("no.test", 443), 403);
    }
    // Nothing else happens: it is told of by itself.
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let events = served.events.lock().unwrap().clone();
        let connections = events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Connection { .. }));
        let told: Vec<u64> = connections.map(|event| event.times).collect();
        if told.iter().sum::<u64>() == 50 {
            assert!(told.len() < 20, "{told:?}");
            break;
        }
        assert!(std::time::Instant::now() < until, "{told:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn names_that_are_ever_new_are_left_out_and_counted() {
    let served = serve(settings(&["a.test"], 443));
    // All of them could be told only if they took eight seconds.
    let names: Vec<String> = (0..4000).map(|number| format!("n{number}.test")).collect();
    std::thread::scope(|scope| {
        for part in names.chunks(1000) {
            let served = &served;
            scope.spawn(move || look_up(served, part.iter().cloned()));
        }
    });
    // What is allowed meanwhile is told of.
    let port = echo();
    served.gate.replace(rules(
        &[format!("a.test:{port}"), format!("127.0.0.1:{port}")],
        &[],
    ));
    echoes(&mut served.open("a.test", port));
    served.event(|event| match event.decision {
        Decision::Allowed(_) => Some(()),
        Decision::Denied(_) => None,
        _ => None,
    });
    let events = all(served);
    let told = lookups(&events).len() as u64;
    let left: u64 = events
        .iter()
        .map(|event| match (&event.kind, &event.decision) {
            (EventKind::Suppressed { count, .. }, Decision::Denied(denied)) => {
                assert_eq!(denied.reason, Reason::Limit);
                *count
            }
            _ => 0,
        })
        .sum();
    assert_eq!(told + left, 4000, "{told} and {left}");
    assert!(left > 0, "{told}");
}

#[test]
fn environments_do_not_share_their_bounds() {
    let served = serve(settings(&["a.test"], 443));
    let (other, proxy, _) = attach(&served.gate);
    for _ in 0..20 {
        assert_eq!(served.status("no.test", 443), 403);
    }
    assert_eq!(connect(proxy, "no.test", 443).1, 403);
    served.event(|event| (event.environment == other.id()).then_some(()));
}
