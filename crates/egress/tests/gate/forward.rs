//! Ports that are published, and services of the host that are forwarded.

use crate::rig::*;
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, EventKind, Gate, Inside, Settings, Sockets};
use cofferdam_policy::{Endpoint, Forward, HostEndpoint};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
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

/// The same, with a copy of each socket kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<OwnedFd>>>);

impl Inside for Kept {
    fn socket(&self) -> io::Result<OwnedFd> {
        let socket = Here.socket()?;
        self.0.lock().unwrap().push(socket.try_clone()?);
        Ok(socket)
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

/// Whether what is sent in small pieces goes at once, and without pacing.
fn is_quick(socket: &OwnedFd) -> bool {
    let congestion = sockopt::tcp_congestion(socket).unwrap();
    sockopt::tcp_nodelay(socket).unwrap() && congestion == "reno"
}

/// A server that takes a question of four bytes and gives an answer of nine.
fn answers() -> u16 {
    server(|mut stream| {
        let mut question = [0; 4];
        while stream.read_exact(&mut question).is_ok() {
            let _ = stream.write_all(b"an answer");
        }
    })
}

fn ask(stream: &mut (impl Read + Write)) {
    stream.write_all(b"\0why").unwrap();
    stream.read_exact(&mut [0; 9]).unwrap();
}

#[test]
fn connections_to_a_published_port_are_told_of() {
    let served = serve(Settings::default());
    let kept = Kept::default();
    let port = answers();
    let at = published(&served, port, kept.clone());
    let mut stream = client(at);
    let who = stream.local_addr().unwrap();
    ask(&mut stream);
    assert!(is_quick(&kept.0.lock().unwrap()[0]));
    assert_eq!(served.told(), 0, "it has not ended");
    kept.0.lock().unwrap().clear();
    drop(stream);
    let told = served.event(|event| match &event.kind {
        EventKind::Publish {
            from,
            port,
            sent,
            received,
            duration,
        } => Some((
            (*from, *port, *sent, *received, event.decision.clone()),
            *duration,
        )),
        _ => None,
    });
    let by_policy = Decision::Allowed("the policy publishes it".into());
    assert_eq!(told.0, (who, port, 9, 4, by_policy));
    assert!(told.1 > Duration::ZERO);

    let gone = published(&served, port, Gone);
    assert!(ended(&mut client(gone)));
    let reason = served.event(|event| match (&event.kind, &event.decision) {
        (EventKind::Publish { .. }, Decision::Denied(denied)) => Some(denied.reason),
        _ => None,
    });
    assert_eq!(reason, Reason::Unreachable);
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

#[test]
fn connections_to_a_forwarded_service_are_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let port = answers();
    let service = HostEndpoint::Tcp((LOOPBACK, port).into());
    let missing = HostEndpoint::Unix(directory.path().join("missing"));
    let inside = Endpoint::Unix(directory.path().join("inside"));
    let served = serve(Settings {
        forward: vec![
            forward(Endpoint::Tcp(1), service.clone()),
            forward(inside.clone(), service.clone()),
            forward(Endpoint::Tcp(2), missing.clone()),
        ],
        ..Settings::default()
    });
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, last) = (listen(), listen());
    let copy: OwnedFd = first.try_clone().unwrap().into();
    let at = [first.local_addr().unwrap(), last.local_addr().unwrap()];
    let Endpoint::Unix(path) = &inside else {
        unreachable!("it is one");
    };
    let unix = UnixListener::bind(path).unwrap();
    let sockets = Sockets {
        forward: vec![(0, first.into()), (1, unix.into()), (2, last.into())],
        ..Sockets::default()
    };
    let attached = served.gate.attach(sockets).unwrap();
    // What is accepted has this of its listener.
    assert_eq!(sockopt::tcp_congestion(&copy).unwrap(), "reno");
    let id = attached.id();
    let about = |wanted: &Endpoint| {
        served.event(|event| match &event.kind {
            EventKind::Forward {
                inside,
                host,
                sent,
                received,
                ..
            } if inside == wanted => {
                assert_eq!(event.environment, id);
                Some((host.clone(), *sent, *received, event.decision.clone()))
            }
            _ => None,
        })
    };
    let by_policy = Decision::Allowed("the policy forwards it".into());

    ask(&mut client(at[0]));
    let told = about(&Endpoint::Tcp(1));
    assert_eq!(told, (service.clone(), 4, 9, by_policy.clone()));

    assert!(ended(&mut client(at[1])));
    let (host, sent, received, decision) = about(&Endpoint::Tcp(2));
    assert_eq!((host, sent, received), (missing, 0, 0));
    assert!(
        matches!(&decision, Decision::Denied(why) if why.reason == Reason::Unreachable),
        "{decision:?}"
    );

    // One that is open when its environment ends is told of too.
    let mut open = UnixStream::connect(path).unwrap();
    ask(&mut open);
    ask(&mut open);
    drop(attached);
    assert_eq!(open.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(about(&inside), (service, 8, 18, by_policy));
}

#[test]
fn no_way_is_opened_that_is_not_admitted() {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    service.set_nonblocking(true).unwrap();
    let to = service.local_addr().unwrap();
    let served = serve(Settings {
        forward: vec![Forward {
            inside: Endpoint::Tcp(1),
            host: HostEndpoint::Tcp(to),
        }],
        admit: Some(Arc::new(|_| false)),
        ..Settings::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let sockets = Sockets {
        forward: vec![(0, listener.into())],
        ..Sockets::default()
    };
    let _attached = served.gate.attach(sockets).unwrap();
    assert!(ended(&mut client(at)));
    assert!(ended(&mut client(published(&served, to.port(), Here))));
    assert!(service.accept().is_err(), "something was connected to");
    served.gate.settle();
    let events = served.events.lock().unwrap();
    let unrecorded = events.iter().filter(|event| match &event.decision {
        Decision::Denied(denied) => denied.reason == Reason::Unrecorded,
        _ => false,
    });
    assert_eq!(unrecorded.count(), 2, "{events:?}");
}
