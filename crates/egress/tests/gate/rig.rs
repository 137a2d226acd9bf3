//! What the tests share: a gate with one environment, clients that speak to its proxy, servers.

use cofferdam_egress::decision::Reason;
use cofferdam_egress::{
    Attached, Decision, Event, EventKind, Gate, NoAddress, Resolve, Rules, Settings, Sockets,
};
use cofferdam_policy::HostName;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails; nothing waits this long where all is well.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that are neither TLS nor HTTP, whatever follows.
pub const PLAIN: &[u8] = b"\0ping";

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A gate with one environment.
pub struct Served {
    pub gate: Gate,
    pub attached: Attached,
    pub proxy: SocketAddr,
    pub dns: SocketAddr,
    pub events: Arc<Mutex<Vec<Event>>>,
}

pub fn rules<T: AsRef<str>>(allow: &[T], deny: &[T]) -> Rules {
    let read = |texts: &[T]| texts.iter().map(|text| text.as_ref().into()).collect();
    Rules::new(read(allow), read(deny))
}

/// Settings with rules that allow the names and the loopback address they lead to at the port.
pub fn settings(names: &[&str], port: u16) -> Settings {
    let mut allow: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
    allow.push(format!("127.0.0.1:{port}"));
    Settings {
        rules: rules(&allow, &[]),
        resolve: Some(Arc::new([
            ("a.test", vec![LOOPBACK]),
            ("b.test", vec![LOOPBACK]),
            ("c.test", vec![LOOPBACK]),
        ])),
        ..Settings::default()
    }
}

/// Starts a gate; its events are kept.
pub fn serve(mut settings: Settings) -> Served {
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    settings
        .events
        .get_or_insert_with(|| Arc::new(move |event| kept.lock().unwrap().push(event)));
    let gate = Gate::start(settings).unwrap();
    let (attached, proxy, dns) = attach(&gate);
    Served {
        gate,
        attached,
        proxy,
        dns,
        events,
    }
}

/// One more environment of a gate, with the addresses of its proxy and its DNS.
pub fn attach(gate: &Gate) -> (Attached, SocketAddr, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let dns = socket.local_addr().unwrap();
    let sockets = Sockets {
        proxy: vec![listener.into()],
        dns: vec![socket.into()],
        ..Sockets::default()
    };
    (gate.attach(sockets).unwrap(), proxy, dns)
}

pub fn client(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Served {
    /// Asks for a connection by CONNECT; with the status.
    pub fn connect(&self, host: &str, port: u16) -> (TcpStream, u16) {
        connect(self.proxy, host, port)
    }

    pub fn status(&self, host: &str, port: u16) -> u16 {
        self.connect(host, port).1
    }

    /// A connection that is allowed.
    pub fn open(&self, host: &str, port: u16) -> TcpStream {
        let (stream, status) = self.connect(host, port);
        assert_eq!(status, 200, "{host}:{port}");
        stream
    }

    /// The first event for which `pick` finds something; waits for it.
    pub fn event<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.events.lock().unwrap().iter().find_map(&pick) {
                return found;
            }
            assert!(Instant::now() < until, "{:?}", self.events);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Why a connection to a host was denied; waits for the event.
    pub fn denied(&self, name: &str) -> Reason {
        self.event(|event| match (&event.kind, &event.decision) {
            (EventKind::Connection { host, .. }, Decision::Denied(denied))
                if host.to_string() == name =>
            {
                Some(denied.reason)
            }
            _ => None,
        })
    }

    pub fn told(&self) -> usize {
        self.events.lock().unwrap().len()
    }
}

pub fn connect(proxy: SocketAddr, host: &str, port: u16) -> (TcpStream, u16) {
    let mut stream = client(proxy);
    let head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let status = status(&mut stream);
    (stream, status)
}

/// Reads a head, to its end and no further; its status.
pub fn status(stream: &mut TcpStream) -> u16 {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Asks for a connection by SOCKS5 with a name; with the reply's code.
pub fn socks(proxy: SocketAddr, host: &str, port: u16) -> (TcpStream, u8) {
    let mut stream = client(proxy);
    stream.write_all(&[5, 1, 0]).unwrap();
    let mut welcome = [0; 2];
    stream.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome, [5, 0]);
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    (stream, reply[1])
}

/// Sends and expects the same back.
pub fn echoes(stream: &mut (impl Read + Write)) {
    stream.write_all(PLAIN).unwrap();
    let mut back = [0; PLAIN.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, PLAIN);
}

/// Whether the other side has ended the connection, by a reset or an end; waits for it.
pub fn ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A server; each of its connections is a thread.
pub fn server(each: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    server_at("127.0.0.1:0".parse().unwrap(), each)
}

pub fn server_at(address: SocketAddr, each: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let each = Arc::new(each);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = Arc::clone(&each);
            std::thread::spawn(move || each(stream));
        }
    });
    port
}

/// A server that sends back what it gets.
pub fn echo() -> u16 {
    server(|stream| {
        let _ = std::io::copy(&mut &stream, &mut &stream);
        let _ = stream.shutdown(Shutdown::Write);
    })
}

/// A server that says who it is, and ends.
pub fn says(address: &str, port: u16, word: &'static [u8]) -> u16 {
    let address: IpAddr = address.parse().unwrap();
    server_at((address, port).into(), move |mut stream| {
        let _ = stream.write_all(word);
    })
}

/// What comes until the end.
pub fn heard(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>>;

/// A resolver that counts; the answer may depend on how often it has been asked before.
pub struct Counting<F> {
    pub asked: AtomicUsize,
    answer: F,
}

impl<F: Fn(usize) -> Answer> Counting<F> {
    pub fn new(answer: F) -> Arc<Self> {
        let asked = AtomicUsize::new(0);
        Arc::new(Self { asked, answer })
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl<F: Fn(usize) -> Answer + Send + Sync + 'static> Resolve for Counting<F> {
    fn resolve(&self, _: HostName) -> Answer {
        (self.answer)(self.asked.fetch_add(1, Ordering::SeqCst))
    }
}

pub fn found(addresses: &[&str]) -> Answer {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Box::pin(std::future::ready(Ok(addresses)))
}
