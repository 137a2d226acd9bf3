//! Sockets of every family.

use crate::support::*;
use cofferdam::Sandbox;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::{Duration, Instant};

fn host_network() -> Sandbox {
    build(wall().network(|network| network.host()))
}

/// How many connections wait in a listener's queue.
fn accepted(mut accept: impl FnMut() -> std::io::Result<()>) -> usize {
    let mut count = 0;
    loop {
        match accept() {
            Ok(()) => count += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits for what a control has sent; on loopback it is there about at once.
fn arrives(mut count: impl FnMut() -> usize) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if count() > 0 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Long enough for what is sent over loopback to arrive.
fn settle() {
    std::thread::sleep(Duration::from_millis(50));
}

#[test]
fn listeners_of_the_host_are_not_reached() {
    let sandbox = build(wall());
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            lacks(&format!("an address {address}"));
            continue;
        };
        listener.set_nonblocking(true).expect("a mode");
        let count = || accepted(|| listener.accept().map(drop));
        let at = listener.local_addr().expect("an address").to_string();
        for attack in [["network", "tcp", &at], ["network", "tcp-fast-open", &at]] {
            let answer = one_inside(&sandbox, &attack);
            settle();
            assert_eq!((count(), done(&answer)), (0, false), "{attack:?}: {answer}");
            if attack[1] == "tcp" || address == "127.0.0.1:0" {
                let control = one_outside(&attack);
                assert!(arrives(count), "{attack:?}: {control}");
            }
        }
        let port = listener
            .local_addr()
            .expect("an address")
            .port()
            .to_string();
        assert!(!done(&one_inside(
            &sandbox,
            &["network", "tcp-by", "262", &port]
        )));
        settle();
        assert_eq!(count(), 0);
    }
}

#[test]
fn datagrams_do_not_leave() {
    let sandbox = build(wall());
    let own = |address: &str| UdpSocket::bind(address);
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(socket) = own(address) else {
            lacks(&format!("an address {address}"));
            continue;
        };
        socket.set_nonblocking(true).expect("a mode");
        let count = || accepted(|| socket.recv_from(&mut [0; 16]).map(drop));
        let at = socket.local_addr().expect("an address").to_string();
        one_inside(&sandbox, &["network", "udp", &at]);
        settle();
        assert_eq!(count(), 0);
        assert!(done(&one_outside(&["network", "udp", &at])));
        assert!(arrives(count));
    }
}

#[test]
fn abstract_sockets_of_the_host_are_not_reached() {
    let (name, datagram) = (secret(), secret());
    let address = |name: &str| SocketAddr::from_abstract_name(name).expect("a name");
    let listener = UnixListener::bind_addr(&address(&name)).expect("a listener");
    let socket = UnixDatagram::bind_addr(&address(&datagram)).expect("a socket");
    listener.set_nonblocking(true).expect("a mode");
    socket.set_nonblocking(true).expect("a mode");
    let connections = || accepted(|| listener.accept().map(drop));
    let messages = || accepted(|| socket.recv(&mut [0; 16]).map(drop));
    let attacks: [&[&str]; 2] = [
        &["network", "abstract", &name],
        &["network", "abstract-datagram", &datagram],
    ];
    // In the host's network namespace there is only Landlock to keep them apart.
    for (sandbox, expected) in [(build(wall()), "ECONNREFUSED"), (host_network(), "EPERM")] {
        let answers = inside(&sandbox, &attacks);
        settle();
        assert_eq!((connections(), messages()), (0, 0), "{answers:?}");
        assert_eq!(answers, [expected; 2]);
    }
    assert_eq!(outside(&attacks), ["done"; 2]);
    assert!(arrives(connections) && arrives(messages));
}

#[test]
fn sandboxes_do_not_meet_at_abstract_names() {
    let name = secret();
    let mut server = Waiting::inside(&host_network(), &["network", "serve-abstract", &name]);
    assert_eq!(server.says(), "ready");
    let attack = ["network", "abstract", &name];
    assert_eq!(one_inside(&host_network(), &attack), "EPERM");
    // The name is the host's, so that the host can reach it.
    assert!(done(&one_outside(&attack)));
}

#[test]
fn sockets_with_a_path_are_not_there() {
    let scene = Scene::new();
    let path = scene.beyond.join("daemon.sock");
    let listener = UnixListener::bind(&path).expect("a listener");
    listener.set_nonblocking(true).expect("a mode");
    let count = || accepted(|| listener.accept().map(drop));
    let attack = ["network", "unix", text(&path)];
    let by_root = format!("/proc/self/root{}", path.display());
    for sandbox in [build(scene.wall()), host_network()] {
        assert_eq!(one_inside(&sandbox, &attack), "ENOENT");
        assert_eq!(
            one_inside(&sandbox, &["network", "unix", &by_root]),
            "ENOENT"
        );
    }
    // A directory that is shown shows its sockets, too, unless they are hidden.
    let hidden = build(scene.wall().read(&scene.beyond).hide(&path));
    let answer = one_inside(&hidden, &attack);
    assert_eq!(count(), 0, "{answer}");
    assert!(!done(&answer));
    for service in [
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/dbus/system_bus_socket",
        "/run/systemd/private",
    ] {
        assert_eq!(
            one_inside(&build(wall()), &["network", "unix", service]),
            "ENOENT"
        );
    }
    assert!(done(&one_outside(&attack)));
    assert!(arrives(count));
}

/// Families, types and protocols by number, with whether this kernel has them: an attack where it
/// does, and the filter's own answer everywhere.
#[test]
fn only_confined_families_make_sockets() {
    const STREAM: &str = "1";
    const DGRAM: &str = "2";
    const RAW: &str = "3";
    let refused: &[(&str, [&str; 3])] = &[
        ("vsock", ["40", STREAM, "0"]),
        ("vsock datagrams", ["40", DGRAM, "0"]),
        ("packet", ["17", RAW, "768"]),
        ("packet datagrams", ["17", DGRAM, "768"]),
        ("crypto", ["38", "5", "0"]),
        ("MPTCP", ["2", STREAM, "262"]),
        ("MPTCP over IPv6", ["10", STREAM, "262"]),
        ("SMC over IPv4", ["2", STREAM, "256"]),
        ("SMC", ["43", STREAM, "0"]),
        ("UDP-Lite", ["2", DGRAM, "136"]),
        ("SCTP", ["2", STREAM, "132"]),
        ("SCTP sequenced packets", ["2", "5", "132"]),
        ("DCCP", ["2", "6", "33"]),
        ("L2TP", ["2", DGRAM, "115"]),
        ("raw IPv4", ["2", RAW, "1"]),
        ("raw IPv4 with headers", ["2", RAW, "255"]),
        ("raw IPv6", ["10", RAW, "58"]),
        ("ping", ["2", DGRAM, "1"]),
        ("netfilter netlink", ["16", RAW, "12"]),
        ("generic netlink", ["16", RAW, "16"]),
        ("audit netlink", ["16", RAW, "9"]),
        ("uevent netlink", ["16", RAW, "15"]),
        ("IPsec netlink", ["16", RAW, "6"]),
        ("socket diagnosis netlink", ["16", RAW, "4"]),
        ("crypto netlink", ["16", RAW, "21"]),
        ("IPsec keys", ["15", RAW, "2"]),
        ("TIPC", ["30", STREAM, "0"]),
        ("CAN", ["29", RAW, "1"]),
        ("Bluetooth", ["31", RAW, "1"]),
        ("RDS", ["21", "5", "0"]),
        ("AX.25", ["3", "5", "0"]),
        ("X.25", ["9", "5", "0"]),
        ("PPPoE", ["24", STREAM, "0"]),
        ("KCM", ["41", "5", "0"]),
        ("XDP", ["44", RAW, "0"]),
        ("NFC", ["39", "5", "0"]),
        ("QRTR", ["42", DGRAM, "0"]),
        ("LLC", ["26", DGRAM, "0"]),
        ("MCTP", ["45", DGRAM, "0"]),
        ("Phonet", ["35", DGRAM, "0"]),
        ("CAIF", ["37", "5", "0"]),
        ("IEEE 802.15.4", ["36", DGRAM, "0"]),
    ];
    let attacks: Vec<[&str; 5]> = refused
        .iter()
        .map(|(_, [family, kind, protocol])| ["network", "socket", family, kind, protocol])
        .collect();
    let attacks: Vec<&[&str]> = attacks.iter().map(<[&str; 5]>::as_slice).collect();
    // An ordinary user has raw sockets in a network namespace of its own.
    let mut as_root: Vec<Vec<&str>> = attacks.iter().map(|attack| attack.to_vec()).collect();
    if !is_root() {
        as_root[0].insert(0, "as-root");
    }
    let as_root: Vec<&[&str]> = as_root.iter().map(Vec::as_slice).collect();
    let controls = outside(&as_root);
    for sandbox in [build(wall()), host_network()] {
        for ((name, _), answer) in refused.iter().zip(inside(&sandbox, &attacks)) {
            assert_eq!(answer, "EPERM", "{name}");
        }
    }
    let there = |(_, answer): &(&(&str, [&str; 3]), &String)| done(answer);
    let made: Vec<&str> = refused
        .iter()
        .zip(&controls)
        .filter(there)
        .map(|((name, _), _)| *name)
        .collect();
    for needed in ["packet", "raw IPv4", "generic netlink", "netfilter netlink"] {
        assert!(
            made.contains(&needed),
            "{needed} does not work outside: {controls:?}"
        );
    }
    let absent: Vec<&str> = refused
        .iter()
        .zip(&controls)
        .filter(|pair| !there(pair))
        .map(|((name, _), _)| *name)
        .collect();
    // Not a lack of the wall's: what the kernel has not, nobody reaches.
    println!(
        "families that this kernel has not, so refused without need: {}",
        absent.join(", ")
    );
    // A kernel without a family has another error for it: the refusals are the filter's.
    assert!(
        controls.iter().all(|control| control != "EPERM"),
        "{controls:?}"
    );
}

#[test]
fn the_hypervisor_is_not_reached() {
    let attack = ["network", "vsock", "1"];
    for sandbox in [build(wall()), host_network()] {
        assert_eq!(one_inside(&sandbox, &attack), "EPERM");
    }
    // Nobody listens; what counts is that the packet is on its way in a namespace of its own.
    let control = one_outside(&["as-root", "network", "vsock", "1"]);
    if ["EAFNOSUPPORT", "ENODEV"].contains(&control.as_str()) {
        println!("this kernel has no vsock for itself: {control}");
    } else {
        assert_ne!(control, "EPERM");
    }
}

/// With a list of ports, nothing else is connected to: by connect(2), by the first data (which
/// Landlock does not see), or by another protocol of the family.
#[test]
fn ports_that_are_not_named_are_not_reached() {
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        listener.set_nonblocking(true).expect("a mode");
        let address = listener.local_addr().expect("an address");
        (listener, address.to_string(), address.port())
    };
    let ((allowed, allowed_at, port), (denied, denied_at, denied_port)) = (listen(), listen());
    let sandbox = build(wall().network(|network| network.host().connect([port])));
    assert!(done(&one_inside(
        &sandbox,
        &["network", "tcp", &allowed_at]
    )));
    assert!(arrives(|| accepted(|| allowed.accept().map(drop))));
    let count = || accepted(|| denied.accept().map(drop));
    let mptcp = denied_port.to_string();
    for attack in [
        ["network", "tcp", &denied_at] as [&str; 3],
        ["network", "tcp-fast-open", &denied_at],
        ["network", "tcp-fast-open-message", &denied_at],
    ] {
        let answer = one_inside(&sandbox, &attack);
        settle();
        assert_eq!((count(), done(&answer)), (0, false), "{attack:?}: {answer}");
        assert!(done(&one_outside(&attack)), "{attack:?}");
        assert!(arrives(count), "{attack:?}");
    }
    let attack = ["network", "tcp-by", "262", &mptcp];
    let answer = one_inside(&sandbox, &attack);
    settle();
    assert_eq!((count(), answer.as_str()), (0, "EPERM"));
    if done(&one_outside(&attack)) {
        assert!(arrives(count));
    } else {
        println!("this kernel has no MPTCP");
    }
}

#[test]
fn an_empty_list_lets_nothing_through() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("a mode");
    let at = listener.local_addr().expect("an address").to_string();
    let count = || accepted(|| listener.accept().map(drop));
    let sandbox = build(wall().network(|network| network.host().connect([])));
    for attack in [["network", "tcp", &at], ["network", "tcp-fast-open", &at]] {
        let answer = one_inside(&sandbox, &attack);
        settle();
        assert_eq!((count(), done(&answer)), (0, false), "{attack:?}: {answer}");
    }
    assert!(done(&one_inside(&host_network(), &["network", "tcp", &at])));
    assert!(arrives(count));
}

#[test]
fn there_is_one_interface() {
    assert_eq!(
        one_inside(&build(wall()), &["network", "interfaces"]),
        "done lo"
    );
    let control = one_outside(&["network", "interfaces"]);
    assert_eq!(
        one_inside(&host_network(), &["network", "interfaces"]),
        control
    );
    if control == "done lo" {
        lacks("a network interface beside the loopback");
    }
}
