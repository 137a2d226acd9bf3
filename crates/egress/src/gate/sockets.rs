//! The sockets of one environment.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The sockets of one environment, made inside its network namespace.
#[derive(Debug, Default)]
pub struct Sockets {
    /// TCP listeners on port 53 of both loopback addresses, to which every connection is redirected.
    pub tcp: Vec<OwnedFd>,
    /// UDP sockets on port 53 of both loopback addresses.
    pub dns: Vec<OwnedFd>,
    /// TCP listeners for programs that know of proxies (HTTP CONNECT, plain HTTP, SOCKS5).
    pub proxy: Vec<OwnedFd>,
    /// Listeners of forwarded services, by their index in [`Settings::forward`](super::Settings).
    pub forward: Vec<(usize, OwnedFd)>,
    /// The listening unix socket of the filtered ssh-agent.
    pub ssh_agent: Option<OwnedFd>,
}

impl Sockets {
    /// Makes them fit for the gate: its one thread must never wait for a socket, and connections that
    /// are accepted take their congestion control from the listener.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let plain = [&self.tcp, &self.dns, &self.proxy].into_iter().flatten();
        let forward = || self.forward.iter().map(|(_, fd)| fd);
        for fd in plain.chain(forward()).chain(&self.ssh_agent) {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        // A unix socket among those that are forwarded has nothing to set, and says so.
        for fd in self.tcp.iter().chain(&self.proxy).chain(forward()) {
            unpaced(fd);
        }
        Ok(())
    }
}

/// Has the kernel send without pacing on the loopback, where nothing is lost and nobody else's way is
/// taken: with BBR, which many hosts have as their default, half of the throughput went into its timers.
/// Reno is in every kernel and open to all (tcp(7), `TCP_CONGESTION`); without it nothing breaks.
pub(super) fn unpaced(socket: impl AsFd) {
    let _ = rustix::net::sockopt::set_tcp_congestion(socket, "reno");
}

/// Makes TCP sockets inside an environment's network namespace, not yet connected.
pub trait Inside: Send + Sync + 'static {
    /// An unconnected stream socket for IPv4. May block for a moment.
    ///
    /// # Errors
    /// When the environment is gone or has no descriptor to spare.
    fn socket(&self) -> io::Result<OwnedFd>;
}
