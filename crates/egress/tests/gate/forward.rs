//! Ports that are published, and services of the host that are forwarded.

use crate::rig::*;
use cofferdam_egress::{Gate, Inside, Settings, Sockets};
use cofferdam_policy::{Endpoint, Forward, HostEndpoint};
use rustix::net::{AddressFamily, SocketType};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The host's own network in the place of an environment's.
struct Here;

impl Inside for Here {
    fn socket(&self) -> io::Result<OwnedFd> {
        Ok(rustix::net::socket(
            AddressFamily::INET,
            SocketType::STREAM,
            None,
        )?)
    }
}

/// An environment that is gone.
struct Gone;

impl Inside for Gone {
    fn socket(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::NotConnected.into())
    }
}

fn published(served: &Served, port: u16, inside: impl Inside) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    served
        .attached
        .publish(listener, port, Arc::new(inside))
        .unwrap();
    at
}

#[test]
fn a_published_port_leads_inside_for_as_long_as_the_environment_lives() {
    let served = serve(Settings::default());
    let at = published(&served, echo(), Here);
    let mut stream = client(at);
    echoes(&mut stream);
    echoes(&mut client(at));
    let Served { gate, attached, .. } = served;
    drop(attached);
    assert!(ended(&mut stream));
    assert!(TcpStream::connect(at).is_err());
    drop(gate);
}

#[test]
fn a_published_port_without_an_environment_or_a_listener_ends_its_connections() {
    let served = serve(Settings::default());
    let gone = published(&served, echo(), Gone);
    assert!(ended(&mut client(gone)));
    // The discard port, where nothing listens.
    let silent = published(&served, 9, Here);
    assert!(ended(&mut client(silent)));
    let fine = published(&served, echo(), Here);
    echoes(&mut client(fine));
}

fn forward(inside: Endpoint, host: HostEndpoint) -> Forward {
    Forward { inside, host }
}

#[test]
fn forwarded_services_are_reached_by_port_and_by_path() {
    let directory = tempfile::tempdir().unwrap();
    let service = directory.path().join("service");
    let listener = UnixListener::bind(&service).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    let tcp = HostEndpoint::Tcp((LOOPBACK, echo()).into());
    let unix = HostEndpoint::Unix(service);
    let missing = HostEndpoint::Unix(directory.path().join("missing"));
    let inside = directory.path().join("inside");
    let socket = || Endpoint::Unix(inside.clone());
    // No rule allows anything: a service is there because the policy names it.
    let gate = Gate::start(Settings {
        forward: vec![
            forward(Endpoint::Tcp(1), tcp.clone()),
            forward(Endpoint::Tcp(2), unix),
            forward(socket(), tcp),
            forward(Endpoint::Tcp(3), missing),
        ],
        ..Settings::default()
    })
    .unwrap();
    let ports: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let at: Vec<_> = ports
        .iter()
        .map(|port| port.local_addr().unwrap())
        .collect();
    let path = UnixListener::bind(&inside).unwrap();
    let indices = [0, 1, 3];
    let mut sockets: Vec<(usize, OwnedFd)> = indices
        .into_iter()
        .zip(ports.into_iter().map(Into::into))
        .collect();
    sockets.push((2, path.into()));
    let attached = gate
        .attach(Sockets {
            forward: sockets,
            ..Sockets::default()
        })
        .unwrap();
    let mut stream = client(at[0]);
    echoes(&mut stream);
    echoes(&mut client(at[1]));
    let mut unix = UnixStream::connect(&inside).unwrap();
    unix.set_read_timeout(Some(PATIENCE)).unwrap();
    echoes(&mut unix);
    assert!(ended(&mut client(at[2])), "the service is not there");
    let began = Instant::now();
    drop(attached);
    assert!(ended(&mut stream));
    assert!(began.elapsed() < Duration::from_secs(1));
}
