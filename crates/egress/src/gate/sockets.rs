//! The sockets of one environment.

use std::io;
use std::os::fd::OwnedFd;

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
    /// The gate's one thread must never wait for a socket.
    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        let plain = [&self.tcp, &self.dns, &self.proxy].into_iter().flatten();
        let forward = self.forward.iter().map(|(_, fd)| fd);
        for fd in plain.chain(forward).chain(&self.ssh_agent) {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(())
    }
}

/// Makes TCP sockets inside an environment's network namespace, not yet connected.
pub trait Inside: Send + Sync + 'static {
    /// An unconnected stream socket for IPv4. May block for a moment.
    ///
    /// # Errors
    /// When the environment is gone or has no descriptor to spare.
    fn socket(&self) -> io::Result<OwnedFd>;
}
