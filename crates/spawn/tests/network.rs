//! Where connections go inside, and what the host is handed of them.

mod common;

use cofferdam_spawn::{Command, ConnectError, Layers, Listeners, Operation, Plan, SpawnError};
use cofferdam_sys::Errno;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

/// What each script begins with.
const PRELUDE: &str = r#"
import errno, socket, struct, sys, threading
def name(error):
    return errno.errorcode[error.errno]
def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET
def tcp(host, port, source=None):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.settimeout(10)
    if source:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(source)
    s.connect((host, port))
    return s
def ask(host, port):
    try:
        with tcp(host, port) as s:
            return s.makefile().readline().strip()
    except OSError as error:
        return name(error)
def udp(host, port):
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect((host, port))
    try:
        s.send(b"question")
        return s.recv(100).decode()
    except OSError as error:
        return name(error)
def serve(host, port, text):
    listener = socket.create_server((host, port), family=family(host))
    def run():
        while True:
            s, _ = listener.accept()
            s.send(text)
            s.close()
    threading.Thread(target=run, daemon=True).start()
"#;

/// Runs a script of Python inside, and gives what it printed.
fn run(plan: &Plan, script: &str) -> Vec<String> {
    let mut started = Started::new(plan, &common::python(&format!("{PRELUDE}{script}")));
    serve(started.process.take_listeners());
    started.lines()
}

struct Started {
    process: cofferdam_spawn::Process,
    output: std::io::PipeReader,
}

impl Started {
    fn new(plan: &Plan, command: &Command) -> Self {
        let null = common::null();
        let (output, write) = std::io::pipe().expect("a pipe");
        let stdio = [null.as_fd(), write.as_fd(), write.as_fd()];
        let process = plan.spawn(command, stdio).expect("the plan works");
        Self { process, output }
    }

    fn lines(&mut self) -> Vec<String> {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("output");
        let ended = self.process.wait(None).expect("wait").expect("an end");
        assert_eq!(ended.code, Some(0), "{text}");
        text.lines().map(str::to_owned).collect()
    }
}

/// Answers each connection with where it was meant to go, and each datagram with who sent it. The threads
/// go with this process.
fn serve(listeners: Listeners) {
    for socket in listeners.network {
        assert!(is_private(&socket), "flags of a listener");
        match kind(&socket) {
            libc::SOCK_STREAM => {
                let listener = TcpListener::from(socket);
                listener.set_nonblocking(false).expect("blocking");
                thread::spawn(move || {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let _ = writeln!(stream, "{}", original(&stream));
                    }
                });
            }
            _ => {
                let socket = UdpSocket::from(socket);
                socket.set_nonblocking(false).expect("blocking");
                thread::spawn(move || {
                    let mut buffer = [0; 100];
                    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                        assert_eq!(&buffer[..length], b"question");
                        let _ = socket.send_to(format!("from {}", from.ip()).as_bytes(), from);
                    }
                });
            }
        }
    }
}

/// Close-on-exec and non-blocking.
fn is_private(fd: &OwnedFd) -> bool {
    // SAFETY: both requests of fcntl(2) touch no memory.
    let (fd_flags, flags) = unsafe {
        (
            libc::fcntl(fd.as_raw_fd(), libc::F_GETFD),
            libc::fcntl(fd.as_raw_fd(), libc::F_GETFL),
        )
    };
    fd_flags & libc::FD_CLOEXEC != 0 && flags & libc::O_NONBLOCK != 0
}

fn kind(fd: &OwnedFd) -> i32 {
    let mut kind = 0;
    option(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TYPE, &mut kind).expect("a type");
    kind
}

/// Where the peer wanted to connect to (`SO_ORIGINAL_DST`).
fn original(stream: &TcpStream) -> String {
    let fd = stream.as_raw_fd();
    let address = if stream.local_addr().expect("an address").is_ipv4() {
        // SAFETY: sockaddr_in is plain data for which all zeroes is a valid value.
        let mut found: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        option(fd, libc::SOL_IP, libc::SO_ORIGINAL_DST, &mut found).map(|()| {
            let ip = IpAddr::from(found.sin_addr.s_addr.to_ne_bytes());
            SocketAddr::new(ip, u16::from_be(found.sin_port))
        })
    } else {
        // SAFETY: sockaddr_in6 is plain data for which all zeroes is a valid value.
        let mut found: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        option(fd, libc::SOL_IPV6, libc::IP6T_SO_ORIGINAL_DST, &mut found).map(|()| {
            let ip = IpAddr::from(found.sin6_addr.s6_addr);
            SocketAddr::new(ip, u16::from_be(found.sin6_port))
        })
    };
    address.map_or_else(|error| error.to_string(), |address| address.to_string())
}

fn option<T>(fd: i32, level: i32, name: i32, value: &mut T) -> std::io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: getsockopt(2) writes at most `length` bytes to the value, all of it plain data.
    let answer = unsafe {
        libc::getsockopt(
            fd,
            level,
            name,
            std::ptr::from_mut(value).cast(),
            &mut length,
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Layers with a redirect of both families, or none where this host has none.
fn layers(workspace: &tempfile::TempDir) -> Option<Layers> {
    let layers = common::layers(workspace.path());
    let redirect = layers.network.as_ref()?.redirect.as_ref()?.wanted();
    if !redirect.ipv6 {
        println!("this host has no IPv6 in network namespaces");
        assert!(!common::full(), "COFFERDAM_EXPECT=full, and no IPv6");
        return None;
    }
    Some(layers)
}

#[test]
fn connections_arrive_and_say_where_they_were_meant() {
    let workspace = common::workspace();
    let Some(layers) = layers(&workspace) else {
        return;
    };
    let script = r#"
for host in ["203.0.113.9", "255.1.2.3", "2001:db8::1"]:
    print(ask(host, 4444), udp(host, 53), udp(host, 443))
print(ask("127.0.0.1", 53), ask("::1", 53), udp("127.0.0.1", 53), udp("::1", 53))
# To the kernel this is the loopback.
print(ask("0.0.0.0", 53), udp("0.0.0.0", 53))
# What the program serves itself is its own, and is not asked about other addresses.
serve("127.0.0.1", 8000, b"own\n")
serve("127.0.0.2", 8000, b"other\n")
serve("0.0.0.0", 8001, b"any\n")
serve("::1", 8000, b"six\n")
print(*[ask(h, 8000) for h in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.1"]])
print(ask("127.9.9.9", 8001), ask("203.0.113.9", 8001), ask("127.0.0.2", 53), ask("127.0.0.1", 9))
# One source port for two destinations at once.
one, two = [tcp(host, 443, ("127.0.0.1", 5000)) for host in ["203.0.113.1", "203.0.113.2"]]
print(one.makefile().readline().strip(), two.makefile().readline().strip())
print(tcp("203.0.113.1", 443).getsockname()[0], tcp("2001:db8::1", 443).getsockname()[0])
try:
    socket.create_server(("127.0.0.1", 53), reuse_port=True)
except OSError as error:
    print(name(error))
"#;
    let lines = run(&Plan::new(layers), script);
    assert_eq!(
        lines,
        [
            "203.0.113.9:4444 from 127.0.0.1 ECONNREFUSED",
            "255.1.2.3:4444 from 127.0.0.1 ECONNREFUSED",
            "[2001:db8::1]:4444 from ::1 ECONNREFUSED",
            "127.0.0.1:53 [::1]:53 from 127.0.0.1 from ::1",
            "127.0.0.1:53 from 127.0.0.1",
            "own other own six own",
            "any 203.0.113.9:8001 ECONNREFUSED ECONNREFUSED",
            "203.0.113.1:443 203.0.113.2:443",
            "127.0.0.1 ::1",
            "EACCES",
        ]
    );
}

#[test]
fn without_a_redirect_there_is_no_way_out_and_listeners_work() {
    let workspace = common::workspace();
    let mut layers = common::layers(workspace.path());
    if let Some(network) = &mut layers.network {
        network.redirect = None;
    }
    let lines = run(
        &Plan::new(layers),
        r#"print(ask("203.0.113.9", 4444), ask("127.0.0.1", 53).split(":")[0], udp("127.0.0.1", 53))"#,
    );
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(line.starts_with("ENETUNREACH "), "{line}");
    assert!(line.ends_with(" from 127.0.0.1"), "{line}");
}

#[test]
fn the_hosts_own_network_is_left_alone() {
    let workspace = common::workspace();
    let null = common::null();
    let spawn = |net: bool, redirect: bool| {
        let mut layers = common::layers(workspace.path());
        layers.namespaces.net = net;
        layers.loopback = net;
        if let Some(network) = &mut layers.network {
            network.redirect = network.redirect.take().filter(|_| redirect);
        }
        let spawned = Plan::new(layers).spawn(&common::sh("exit 0"), [null.as_fd(); 3]);
        spawned.map(drop)
    };
    for redirect in [true, false] {
        match spawn(false, redirect) {
            Err(SpawnError::Operation { kind, errno, .. }) => {
                assert!(matches!(kind, Operation::Routes | Operation::Listen(0)));
                assert_eq!(errno, Errno(libc::EINVAL));
            }
            other => panic!("{other:?}"),
        }
        spawn(true, redirect).expect("the control");
    }
}

#[test]
fn the_program_cannot_change_routes_or_rules() {
    let workspace = common::workspace();
    let Some(mut layers) = layers(&workspace) else {
        return;
    };
    // The network's own check is to refuse. (The control writes id maps, which Landlock would refuse.)
    layers.filters.clear();
    layers.landlock = None;
    let script = r#"
def message(kind, body, flags=5):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body
def answer(protocol, messages):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    s.settimeout(10)
    s.send(messages)
    return errno.errorcode[-struct.unpack("=i", s.recv(1000)[16:20])[0]]
# RTM_DELROUTE of the default route in the local table.
print(answer(0, message(25, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 255, 0, 255, 0, 0))))
# NFT_MSG_DELTABLE of the table.
border = struct.pack("=BBH", 0, 0, socket.htons(10))
table = struct.pack("=BBH", 2, 0, 0) + struct.pack("=HH", 4 + 10, 1) + b"cofferdam\0\0\0"
print(answer(12, message(16, border, 1) + message(0xa02, table) + message(17, border, 1)))
"#;
    fs::write(
        workspace.path().join("script.py"),
        format!("{PRELUDE}{script}"),
    )
    .expect("a script");
    let plan = Plan::new(layers);
    let mut started = Started::new(
        &plan,
        &common::sh("python3 script.py && unshare --map-root-user --net python3 script.py"),
    );
    // The control has every capability in a network namespace where there is neither.
    assert_eq!(started.lines(), ["EPERM", "EPERM", "ESRCH", "ENOENT"]);
}

#[test]
fn sockets_of_the_view_are_served_by_the_host() {
    let workspace = common::workspace();
    let plan = common::plan(workspace.path());
    let sockets = plan.layers().mounts.as_ref().expect("a view").sockets();
    let script = format!(
        r#"{PRELUDE}
import os
for path in {sockets:?}:
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        print(oct(os.stat(path).st_mode & 0o777), s.recv(100).decode())
try:
    os.unlink("/run/agent.sock")
except OSError as error:
    print(name(error))
"#
    );
    let mut started = Started::new(&plan, &common::python(&script));
    let listeners = started.process.take_listeners();
    assert_eq!(listeners.view.len(), 2);
    for (index, socket) in listeners.view.into_iter().enumerate() {
        assert!(is_private(&socket), "flags of a listener");
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(false).expect("blocking");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            // In one piece: the other end reads once.
            let text = format!("socket {index}");
            stream.write_all(text.as_bytes()).expect("write");
        });
    }
    assert_eq!(
        started.lines(),
        ["0o600 socket 0", "0o666 socket 1", "EROFS"]
    );
    assert!(started.process.take_listeners().view.is_empty());
}

/// A server inside that says so once it listens.
const SERVER: &str = r#"
serve("127.0.0.1", 8000, b"inside\n")
print("ready", flush=True)
threading.Event().wait()
"#;

fn connect(socket: OwnedFd) -> TcpStream {
    assert!(is_private(&socket), "flags of a socket");
    let address = SocketAddr::from(([127, 0, 0, 1], 8000));
    match cofferdam_sys::net::connect(socket.as_raw_fd(), &address) {
        Ok(()) | Err(Errno(libc::EINPROGRESS)) => {}
        Err(errno) => panic!("{errno}"),
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false).expect("blocking");
    stream
}

fn first_line(mut from: impl std::io::Read) -> String {
    let (mut line, mut byte) = (String::new(), [0]);
    while from.read(&mut byte).is_ok_and(|n| n == 1) && byte != *b"\n" {
        line.push(char::from(byte[0]));
    }
    line
}

#[test]
fn sockets_made_inside_reach_what_listens_there() {
    let workspace = common::workspace();
    let plan = common::plan(workspace.path());
    let command = common::python(&format!("{PRELUDE}{SERVER}"));
    let null = common::null();

    // The only program, from a session that waited for it, too.
    let (output, write) = std::io::pipe().expect("a pipe");
    let stdio = [null.as_fd(), write.as_fd(), write.as_fd()];
    let waited = plan.start().expect("a session");
    let early = waited.connector();
    let mut waited = waited.spawn_only(&command, stdio).expect("a program");
    assert_eq!(first_line(&output), "ready");
    assert_eq!(
        first_line(connect(early.socket().expect("a socket"))),
        "inside"
    );
    let network = plan.layers().network.as_ref().expect("a network");
    assert_eq!(
        waited.take_listeners().network.len(),
        network.listeners.len()
    );
    let started = Started::new(&plan, &command);
    assert_eq!(first_line(&started.output), "ready");
    let connector = started.process.connector().expect("a connector");
    let made = connector.socket().expect("a socket");
    assert_eq!(first_line(connect(made)), "inside");

    // One of many. More sockets than init may have descriptors, while it starts programs.
    let session = plan.start().expect("a session");
    let (output, write) = std::io::pipe().expect("a pipe");
    let stdio = [null.as_fd(), write.as_fd(), write.as_fd()];
    let server = session.spawn(&command, stdio).expect("a program");
    assert!(server.connector().is_none());
    assert_eq!(first_line(&output), "ready");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let connector = session.connector();
                for _ in 0..100 {
                    let made = connector.clone().socket().expect("a socket");
                    assert_eq!(first_line(connect(made)), "inside");
                }
            });
        }
        for _ in 0..20 {
            let command = common::sh("exit 7");
            let program = session.spawn(&command, [null.as_fd(); 3]);
            let ended = program.expect("a program").wait(None).expect("wait");
            assert_eq!(ended.expect("an end").code, Some(7));
        }
    });
    assert!(session.is_alive());

    // It keeps nothing alive.
    let kept = session.connector();
    let gone = session.id();
    drop((server, session));
    assert!(!std::path::Path::new(&format!("/proc/{gone}")).exists());
    assert_eq!(
        kept.socket().expect_err("it has ended"),
        ConnectError::Ended
    );
    drop(waited);
    assert_eq!(
        early.socket().expect_err("it has ended"),
        ConnectError::Ended
    );
}

#[test]
fn a_filter_without_sockets_refuses_init_too() {
    let workspace = common::workspace();
    let mut layers = common::layers(workspace.path());
    let strict = cofferdam_seccomp::Profile::strict();
    let arch = cofferdam_seccomp::Arch::native();
    layers.filters = vec![strict.compile(arch).expect("a filter")];
    let session = Plan::new(layers).start().expect("a session");
    let refused = session.connector().socket().expect_err("no sockets");
    assert_eq!(refused, ConnectError::Refused(Errno(libc::EPERM)));
    // What the walls set up before the filter is there.
    assert!(!session.take_listeners().network.is_empty());
    assert!(session.take_listeners().network.is_empty());
}

#[test]
fn an_init_that_is_stopped_is_not_waited_for() {
    let workspace = common::workspace();
    let session = common::plan(workspace.path()).start().expect("a session");
    let connector = session.connector();
    let pid = session.id() as libc::pid_t;
    // SAFETY: kill(2) touches no memory; the session's init is this process's child.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(
        connector.socket().expect_err("stopped"),
        ConnectError::Silent
    );
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
    connector.socket().expect("it goes on");
}
