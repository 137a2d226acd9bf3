//! Every connection to the outside brought to one port of the loopback, in a network namespace that has
//! no other interface.
//!
//! A route of type `local` makes each address one of the namespace's own, so that nothing is
//! unreachable; an nftables chain then changes where connections go, and remembers where they were meant
//! to (`SO_ORIGINAL_DST`, netfilter's connection tracking). What the chain does not name meets no
//! listener, and so is refused at once.

mod messages;
mod probe;

pub use probe::{Families, probe_redirect};

use cofferdam_sys::netlink::{Protocol, exchange};
use cofferdam_sys::{Result, netlink};

/// Which connections are redirected: TCP to any address but the loopback's, and UDP to port 53 of
/// such an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The port of 127.0.0.1 and `::1` where they arrive.
    pub port: u16,
    /// IPv6 too, which the kernel must have: see [`probe_redirect`].
    pub ipv6: bool,
}

/// The messages that set up a [`Redirect`], put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedRedirect {
    wanted: Redirect,
    routes: Messages,
    rules: Messages,
}

/// Messages in one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Messages {
    bytes: Vec<u8>,
    /// How many there are.
    count: u32,
    /// How many of them the kernel acknowledges.
    acknowledged: usize,
}

impl Redirect {
    /// Puts the messages together.
    pub fn prepare(self) -> PreparedRedirect {
        PreparedRedirect {
            wanted: self,
            routes: messages::routes(self),
            rules: messages::rules(self),
        }
    }
}

impl PreparedRedirect {
    /// Makes every address local, in the calling process's network namespace, whose loopback must be up:
    /// raw calls, no allocation. Programs that do not choose a source address get that of the loopback.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN` in the user namespace that owns the network namespace; `EEXIST`
    /// when it was done before.
    pub fn apply_routes(&self) -> Result<()> {
        send(Protocol::Route, &self.routes)
    }

    /// Puts the chains in place that redirect: raw calls, no allocation.
    ///
    /// # Errors
    /// As [`apply_routes`](Self::apply_routes); `ENOENT` or `EOPNOTSUPP` where the kernel lacks a part of
    /// nftables, of which [`probe_redirect`] says more.
    pub fn apply_rules(&self) -> Result<()> {
        send(Protocol::Netfilter, &self.rules)
    }

    /// What it was prepared from.
    pub fn wanted(&self) -> Redirect {
        self.wanted
    }

    fn trial<'a>(
        &'a self,
        connections: &'a [(std::net::SocketAddr, std::net::SocketAddr)],
    ) -> netlink::Trial<'a> {
        netlink::Trial {
            routes: (&self.routes.bytes, self.routes.acknowledged),
            rules: (&self.rules.bytes, self.rules.acknowledged),
            connections,
        }
    }
}

fn send(protocol: Protocol, messages: &Messages) -> Result<()> {
    exchange(protocol, &messages.bytes, messages.acknowledged).map_err(|refusal| refusal.errno)
}
