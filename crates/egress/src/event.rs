//! What the gate tells of: one event for each decision.

use crate::Host;
use crate::decision::Denial;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Something that the gate decided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When it was decided; of a connection, when it was opened.
    pub at: SystemTime,
    /// The number of the environment (command or session) it came from.
    pub environment: u64,
    /// What it was about.
    pub kind: EventKind,
    /// What was decided.
    pub decision: Decision,
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
