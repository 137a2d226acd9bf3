//! Attacks over sockets.

use crate::{Outcome, call, check, number, unknown};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

pub fn run(command: &[&str]) -> Outcome {
    match command {
        ["tcp", address] => {
            let address = resolve(address)?;
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.write_all(b"attack")?;
            Ok(String::new())
        }
        ["tcp-fast-open", address] => fast_open(&resolve(address)?, false),
        ["tcp-fast-open-message", address] => fast_open(&resolve(address)?, true),
        ["udp", address] => {
            let address = resolve(address)?;
            let any = if address.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            UdpSocket::bind(any)?.send_to(b"attack", address)?;
            Ok(String::new())
        }
        ["unix", path] => {
            UnixStream::connect(path)?.write_all(b"attack")?;
            Ok(String::new())
        }
        ["abstract", name] => {
            let address = SocketAddr::from_abstract_name(name)?;
            UnixStream::connect_addr(&address)?.write_all(b"attack")?;
            Ok(String::new())
        }
        ["abstract-datagram", name] => {
            let address = SocketAddr::from_abstract_name(name)?;
            UnixDatagram::unbound()?.send_to_addr(b"attack", &address)?;
            Ok(String::new())
        }
        ["socket", family, kind, protocol] => {
            socket(number(family), number(kind), number(protocol)).map(|_| String::new())
        }
        // Another protocol under the same family.
        ["tcp-by", protocol, port] => tcp_by(number(protocol), number(port)),
        ["vsock", port] => vsock(number(port)),
        ["interfaces"] => {
            let text = fs::read_to_string("/proc/self/net/dev")?;
            let names = text
                .lines()
                .skip(2)
                .filter_map(|line| line.split(':').next());
            let mut names: Vec<_> = names.map(str::trim).collect();
            names.sort_unstable();
            Ok(names.join(" "))
        }
        // Listens at an abstract name until standard input ends.
        ["serve-abstract", name] => {
            let address = SocketAddr::from_abstract_name(name)?;
            let _listener = UnixListener::bind_addr(&address)?;
            println!("ready");
            io::stdin().read_to_end(&mut Vec::new())?;
            Ok(String::new())
        }
        other => unknown(other),
    }
}

fn resolve(address: &str) -> io::Result<std::net::SocketAddr> {
    let mut all = address.to_socket_addrs()?;
    all.next().ok_or_else(|| io::Error::other("no address"))
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) touches no memory.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor was just made and is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn loopback(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    }
}

/// Connects with the first bytes, without connect(2) (RFC 7413, MSG_FASTOPEN in tcp(7)).
fn fast_open(address: &std::net::SocketAddr, by_message: bool) -> Outcome {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let mut to = loopback(address.port());
    let text = b"attack";
    let fd = socket.as_raw_fd() as usize;
    let flags = libc::MSG_FASTOPEN as usize;
    let size = size_of_val(&to);
    if !by_message {
        let (text, to) = (text.as_ptr() as usize, &raw const to as usize);
        return call(libc::SYS_sendto, [fd, text, 6, flags, to, size]).map(|_| String::new());
    }
    let mut part = libc::iovec {
        iov_base: text.as_ptr().cast_mut().cast(),
        iov_len: text.len(),
    };
    // SAFETY: all zeros is an empty message, numbers and null pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut to).cast();
    message.msg_namelen = size as u32;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    call(
        libc::SYS_sendmsg,
        [fd, &raw const message as usize, flags, 0, 0, 0],
    )
    .map(|_| String::new())
}

fn tcp_by(protocol: i32, port: u16) -> Outcome {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, protocol)?;
    let to = loopback(port);
    let fd = socket.as_raw_fd();
    // SAFETY: connect(2) reads the address within the length given.
    let answer = unsafe { libc::connect(fd, (&raw const to).cast(), size_of_val(&to) as u32) };
    check(answer).map(|_| String::new())
}

/// To the hypervisor, past every network namespace.
fn vsock(port: u32) -> Outcome {
    let socket = socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)?;
    // VMADDR_CID_LOCAL; all else is zero.
    // SAFETY: all zeros is a valid sockaddr_vm, plain numbers.
    let mut to: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
    to.svm_family = libc::AF_VSOCK as u16;
    to.svm_port = port;
    to.svm_cid = 1;
    let fd = socket.as_raw_fd();
    // SAFETY: connect(2) reads the address within the length given.
    let answer = unsafe { libc::connect(fd, (&raw const to).cast(), size_of_val(&to) as u32) };
    check(answer).map(|_| String::new())
}
