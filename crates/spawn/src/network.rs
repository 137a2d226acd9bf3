//! What a plan sets up in its own network namespace, and the listeners that the host is handed.

use cofferdam_namespaces::PreparedRedirect;
use cofferdam_sys::{Result, net};
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};

/// What is set up in a new network namespace once its loopback is up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Brings every connection to one port of the loopback.
    pub redirect: Option<PreparedRedirect>,
    /// Sockets that are made inside and handed to the host.
    pub listeners: Vec<Listener>,
}

/// A socket that is made inside and that only the host holds. Its address is one of the loopback, or, with
/// a redirect, any. Ports below 1024 are fine: it is bound before the capabilities are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP socket that listens (tcp(7)).
    Tcp(SocketAddr),
    /// A UDP socket (udp(7)).
    Udp(SocketAddr),
}

impl Listener {
    /// Makes the socket: raw calls, no allocation. A descriptor of the calling process's table.
    pub(crate) fn make(&self) -> Result<RawFd> {
        match self {
            Self::Tcp(address) => net::tcp_listener(address),
            Self::Udp(address) => net::udp_socket(address),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Udp(address) => write!(f, "udp {address}"),
        }
    }
}

/// The listeners of one sandbox: close-on-exec and non-blocking.
#[derive(Debug, Default)]
pub struct Listeners {
    /// One for each of [`NetworkPlan::listeners`], in that order.
    pub network: Vec<OwnedFd>,
    /// One for each socket of the view, in the order of
    /// [`Mounts::sockets`](cofferdam_namespaces::Mounts::sockets).
    pub view: Vec<OwnedFd>,
}
