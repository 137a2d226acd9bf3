//! What the gate tells of: one event for each decision, as long as a program does not make them too many.

use crate::Host;
use crate::decision::Denial;
use cofferdam_policy::{Endpoint, HostEndpoint};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Something that the gate decided.
///
/// A program that repeats what is denied does not have an event each: of denials of the same thing for
/// the same reason in one second the first three are told at once, and the others as one event at its
/// end. Of one environment no more than 1,000 events are told in a second, 500 of what was allowed and
/// 500 of what was denied; [`EventKind::Suppressed`] says how many were left out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When it was decided; of a connection, when it was opened. Of several, the last.
    pub at: SystemTime,
    /// The number of the environment (command or session) it came from.
    pub environment: u64,
    /// What it was about.
    pub kind: EventKind,
    /// What was decided.
    pub decision: Decision,
    /// How many of the same this stands for: 1, or more of what was denied over and over. Bytes are the
    /// sum of all then, and the duration is the longest.
    pub times: u64,
}

/// What an event is about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A name was looked up. Only refusals are told.
    Lookup {
        /// The name, as far as it is one.
        name: String,
        /// The kind of record, as DNS names it.
        record: String,
    },
    /// A connection, told when it has ended or was denied.
    Connection {
        /// Where to, as the program named it.
        host: Host,
        /// The TCP port.
        port: u16,
        /// The address that was connected to.
        address: Option<SocketAddr>,
        /// Bytes from the program.
        sent: u64,
        /// Bytes to the program.
        received: u64,
        /// How long it lasted.
        duration: Duration,
    },
    /// An HTTP request of a connection that is looked into.
    Request {
        /// Where to.
        host: Host,
        /// The TCP port.
        port: u16,
        /// The method.
        method: String,
        /// The path, without the query.
        path: String,
        /// The secrets that were put in, by name.
        secrets: Vec<String>,
    },
    /// A signature by the ssh-agent.
    Signature {
        /// The key's fingerprint.
        key: String,
    },
    /// A connection to a service of the host's that the policy forwards, told when it has ended, or
    /// when the service could not be reached.
    Forward {
        /// Where the program connected to.
        inside: Endpoint,
        /// The service.
        host: HostEndpoint,
        /// Bytes from the program.
        sent: u64,
        /// Bytes to the program.
        received: u64,
        /// How long it lasted.
        duration: Duration,
    },
    /// A connection of somebody outside to a port that the policy publishes, told when it has ended, or
    /// when nothing inside accepted it.
    Publish {
        /// Who connected.
        from: SocketAddr,
        /// The port inside.
        port: u16,
        /// Bytes from the program inside.
        sent: u64,
        /// Bytes to the program inside.
        received: u64,
        /// How long it lasted.
        duration: Duration,
    },
    /// What a program said to the proxy was refused before it named a place to go. The denial's remedy
    /// says what was wrong with it; of its bytes nothing is told.
    Proxy {
        /// What it spoke, by its first byte: `HTTP`, `SOCKS4` or `SOCKS5`.
        protocol: &'static str,
    },
    /// More happened in a second than is told. Told at its end, once for what was allowed and once for
    /// what was denied.
    Suppressed {
        /// How many decisions no event tells of.
        count: u64,
        /// Bytes from programs of connections among them.
        sent: u64,
        /// Bytes to programs of connections among them.
        received: u64,
    },
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Allowed, by the rule with this text.
    Allowed(String),
    /// Denied.
    Denied(Denial),
}

/// Where events go: called on the gate's own thread, so it must not block.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;
