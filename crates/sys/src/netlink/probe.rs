//! Trying out, in a child with a network namespace of its own, what messages do to connections.

use super::{Protocol, exchange};
use crate::probe::try_in_child;
use crate::{Errno, fd, net, process};
use std::net::SocketAddr;

/// Which part of [`probe_redirect`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// clone3(2) with a user and a network namespace.
    Clone,
    /// Bringing the loopback up: the first use of a capability.
    Loopback,
    /// The route with this sequence number.
    Route(u32),
    /// The message with this sequence number to nf_tables; 0 for nf_tables itself.
    Rule(u32),
    /// Listening where connections are to be redirected to.
    Listen,
    /// Connecting to an address that is to be redirected.
    Connect,
}

/// What is tried out.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// Messages for [`Protocol::Route`], and how many are acknowledged.
    pub routes: (&'a [u8], usize),
    /// Messages for [`Protocol::Netfilter`], and how many are acknowledged.
    pub rules: (&'a [u8], usize),
    /// Where connections to be redirected go, and where they are to arrive.
    pub connections: &'a [(SocketAddr, SocketAddr)],
}

struct Shared<'a> {
    trial: Trial<'a>,
    outcome: Result<(), (Step, Errno)>,
}

/// Sends the messages in a child in namespaces of its own that ends at once, and connects.
///
/// # Errors
/// The step that failed and the kernel's error number.
pub fn probe_redirect(trial: Trial<'_>) -> Result<(), (Step, Errno)> {
    let mut shared = Shared {
        trial,
        outcome: Err((Step::Clone, Errno(libc::ECANCELED))),
    };
    let flags = (libc::CLONE_NEWUSER | libc::CLONE_NEWNET) as u64;
    // SAFETY: the entry makes raw calls only, and touches nothing but `shared`.
    unsafe { try_in_child(flags, try_out, (&raw mut shared).cast()) }
        .map_err(|errno| (Step::Clone, errno))?;
    shared.outcome
}

extern "C" fn try_out(shared: *mut u8) -> ! {
    // SAFETY: the pointer is to the `Shared` of `probe_redirect`, which waits in clone3 and so does
    // not use it meanwhile.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    shared.outcome = steps(&shared.trial);
    process::exit(0)
}

/// The descriptors made here go with the child.
fn steps(trial: &Trial<'_>) -> Result<(), (Step, Errno)> {
    net::loopback_up().map_err(|errno| (Step::Loopback, errno))?;
    let (routes, count) = trial.routes;
    exchange(Protocol::Route, routes, count)
        .map_err(|refusal| (Step::Route(refusal.sequence), refusal.errno))?;
    let (rules, count) = trial.rules;
    exchange(Protocol::Netfilter, rules, count)
        .map_err(|refusal| (Step::Rule(refusal.sequence), refusal.errno))?;
    for (to, arrives) in trial.connections {
        net::tcp_listener(arrives).map_err(|errno| (Step::Listen, errno))?;
        connect(to).map_err(|errno| (Step::Connect, errno))?;
    }
    Ok(())
}

/// What is connected over the loopback is so when connect(2) returns, or refused, or lost: not waited for.
fn connect(to: &SocketAddr) -> crate::Result<()> {
    let family = match to {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let socket = net::socket(family, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0)?;
    let connected = match net::connect(socket, to) {
        Err(Errno(libc::EINPROGRESS)) => net::connect(socket, to),
        other => other,
    };
    let _ = fd::close(socket);
    connected
}
